"""The line format of a log: one JSON object a line, numbered, chained and checksummed.

A line is ``{"v":1,"seq":…,"ts":…,"type":…,"data":{…},"prev":"…","crc":"…"}``. ``crc`` is the CRC-32 of the line
without its crc member, ``prev`` the crc of the line before (eight zeros before the first), so a line that was changed,
removed, repeated or moved is noticed. A newline inside a value is escaped by JSON and cannot begin another line. Lines
that were appended together hold ``"more":true`` before their crc, all but the last: they count together or not at all.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from zlib import crc32

from mas.errors import RefusedError

VERSION = 1
MAX_BYTES = 64 * 1024
"""A line longer than this is refused; what is larger belongs into a file that the line names."""

MAX_WHOLE_BYTES = 1024 * 1024
"""The same for a line that holds a whole record: what an older program wrote is taken over as it is."""

GENESIS = "00000000"
"""``prev`` of a log's first line."""

_CRC_MEMBER = b',"crc":"'
_SUFFIX = len(_CRC_MEMBER) + 8 + len(b'"}')


class Line(NamedTuple):
    """One record of a log. ``ts`` is UTC, ISO 8601 with ``Z``."""

    seq: int
    ts: str
    type: str
    data: Mapping[str, Any]
    prev: str
    crc: str
    more: bool = False
    """Whether the next line was appended together with this one."""


class BadLineError(ValueError):
    """Bytes that are no line of a log: cut off, changed, or never one."""


class NewerLineError(BadLineError):
    """A whole line, in a form that a newer program writes."""


def encode(line: Line, limit: int = MAX_BYTES) -> bytes:
    """The bytes of a line with its newline; its ``crc`` is computed, what ``line.crc`` holds is ignored.

    Raises RefusedError where the data is no JSON or the line longer than ``limit``.
    """
    members = {"v": VERSION, "seq": line.seq, "ts": line.ts, "type": line.type, "data": line.data, "prev": line.prev}
    if line.more:
        members["more"] = True
    try:
        body = json.dumps(members, separators=(",", ":"), allow_nan=False).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        msg = f"the data of a {line.type} record is no plain JSON: {type(error).__name__}"
        raise RefusedError(msg, hint="use text, finite numbers, booleans, lists and tables") from None
    raw = b'%b%b%08x"}\n' % (body[:-1], _CRC_MEMBER, crc32(body))
    if len(raw) > limit:
        msg = f"a {line.type} record of {len(raw)} bytes is longer than {limit}"
        raise RefusedError(msg, hint="put the text into a file of the workspace and record its path")
    return raw


def end_of(crc: str) -> bytes:
    """The last bytes of an encoded line with that crc."""
    return f'{crc}"}}\n'.encode("ascii", "replace")


def crc_of(raw: bytes) -> str:
    """The crc member of an encoded line, unverified."""
    return raw.rstrip(b"\n")[-10:-2].decode("ascii", "replace")


def decode(raw: bytes) -> Line:
    """The line of these bytes, with or without its newline; raises BadLineError unless it is whole and unchanged."""
    text = raw.removesuffix(b"\n")
    body, suffix = text[:-_SUFFIX] + b"}", text[-_SUFFIX:]
    if suffix != b'%b%08x"}' % (_CRC_MEMBER, crc32(body)):
        msg = "checksum differs"
        raise BadLineError(msg)
    return _from_members(text)


def _from_members(text: bytes) -> Line:
    try:
        members = json.loads(text)
        version = members["v"]
        seq, ts, kind, data, prev, crc = (members[key] for key in ("seq", "ts", "type", "data", "prev", "crc"))
        line = Line(seq, ts, kind, data, prev, crc, members.get("more") is True)
    except (ValueError, KeyError, TypeError, RecursionError):
        msg = "no line of a log"
        raise BadLineError(msg) from None
    if type(version) is int and version > VERSION:
        msg = f"line format {version} is newer than this program"
        raise NewerLineError(msg)
    if not (isinstance(line.data, dict) and isinstance(line.type, str) and isinstance(line.ts, str)):
        msg = "no line of a log"
        raise BadLineError(msg)
    return line
