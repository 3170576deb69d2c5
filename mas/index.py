"""The form of ``.sessions.index``: JSON with one row a line, so that one row is changed or found without the others.

It is believed only while its checksum holds and it has as many rows as there are directories. What is in a row is said
in ``mas.projections``; listings read rows and load nothing more than this.
"""

import json
import os
from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any, NamedTuple
from zlib import crc32

from mas import files
from mas.errors import MasError, RefusedError
from mas.paths import Root, is_stored_id
from mas.values import parse_json

Row = Mapping[str, Any]

OLD_WORDS = {"inactive": "stopped", "terminated": "stopped", "restoring": "stopped", "running": "active"}
"""What earlier programs wrote, and what clients may still ask for."""

ROW_KEYS = (
    "sessionId",
    "tmuxSession",
    "status",
    "createdAt",
    "workingDir",
    "mode",
    "lastActivity",
    "label",
    "agentCount",
    "lifecycle",
    "tmuxSocket",
    "projectDir",
    "rev",
)
_HEAD = b'{"version":"1.0","sessions":['
_FOOT = b'\n],"lastUpdated":"%b"'
_BETWEEN = b",\n"
"""Nothing inside of a row: JSON has line ends only between values, and ours has none there."""
_FOOT_START = b'\n],"lastUpdated":"'
_CHECKSUM = b',"checksum":"%08x"}\n'
_CHECKSUM_SIZE = len(_CHECKSUM % 0)


def whole_seconds(timestamp: str) -> str:
    """A UTC timestamp cut to seconds, as the files of earlier programs have it."""
    return timestamp[:19] + "Z" if timestamp else ""


class Index(NamedTuple):
    """The rows as they are on disk, one a line, oldest first, and whether nobody else changed them.

    They stay bytes: of ten thousand a change touches one.
    """

    text: bytes = b""
    sound: bool = True

    @classmethod
    def of(cls, rows: Iterable[Row], *, sound: bool = True) -> "Index":
        """An index of these rows, oldest first."""
        return cls(_BETWEEN.join(map(encode_row, rows)), sound)

    @property
    def size(self) -> int:
        """How many rows there are."""
        return self.text.count(b"\n") + 1 if self.text else 0

    def rows(self, newest: int | None = None) -> list[Row]:
        """The rows as written, oldest first; of them only the newest ``newest`` where that is given."""
        if newest is None:
            chosen = self.text
        else:
            chosen = _BETWEEN.join(self.text.rsplit(_BETWEEN, newest)[-newest:]) if newest else b""
        found: list[Row] = json.loads(b"[" + chosen + b"]")
        return found

    def _place(self, session_id: str) -> slice | None:
        """Where the row of a session is."""
        start = b'{"sessionId":%b,' % json.dumps(session_id).encode("ascii")
        begin = 0 if self.text.startswith(start) else self.text.find(b"\n" + start) + 1
        if not begin and not self.text.startswith(start):
            return None
        end = self.text.find(_BETWEEN, begin)
        return slice(begin, end if end >= 0 else len(self.text))

    def row(self, session_id: str) -> Row | None:
        """The row of a session."""
        place = self._place(session_id)
        return json.loads(self.text[place]) if place else None

    def with_row(self, row: Row) -> "Index":
        """The index with that row in the place of the session's old one, or at the end."""
        place = self._place(row["sessionId"])
        if place is None:
            return Index(_BETWEEN.join((self.text, encode_row(row))) if self.text else encode_row(row))
        merged, text = encode_row({**json.loads(self.text[place]), **row}), memoryview(self.text)
        return Index(b"".join((text[: place.start], merged, text[place.stop :])))

    def without(self, session_id: str) -> "Index":
        """The index without that session's row."""
        place = self._place(session_id)
        if place is None:
            return self
        before, after = self.text[: place.start], self.text[place.stop + len(_BETWEEN) :]
        return Index(before + after if after else before.removesuffix(_BETWEEN))

    def encode(self, now: str) -> bytes:
        """The bytes of the file."""
        rows = (_HEAD, b"\n", self.text) if self.text else (_HEAD,)
        parts = (*rows, _FOOT % whole_seconds(now).encode("ascii"))
        return b"".join((*parts, _CHECKSUM % reduce(lambda crc, part: crc32(part, crc), parts, 0)))


def encode_row(row: Row) -> bytes:
    """The line of a row: our keys first, in their order."""
    ordered = {key: row[key] for key in ROW_KEYS if key in row} | dict(row)
    return json.dumps(ordered, separators=(",", ":")).encode("ascii")


def decode_index(raw: bytes) -> Index:
    """The index of these bytes. One that another program wrote is read as JSON and is not ``sound``."""
    body, foot = memoryview(raw)[:-_CHECKSUM_SIZE], raw.rfind(_FOOT_START)
    if raw.startswith(_HEAD) and foot >= 0 and raw.endswith(_CHECKSUM % crc32(body)):
        return Index(raw[len(_HEAD) + 1 : foot])
    return Index.of(_foreign_rows(raw), sound=False)


def _foreign_rows(raw: bytes) -> Iterable[Row]:
    """Rows that another program wrote, as far as they are any; of two for one session the last."""
    try:
        data = parse_json(raw, "the index")
    except RefusedError:
        return []
    rows = data.get("sessions") if isinstance(data, dict) else None
    tables = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    known = {row["sessionId"]: row for row in tables if _is_id(row.get("sessionId"))}
    return known.values()


def _is_id(value: object) -> bool:
    return isinstance(value, str) and is_stored_id(value)


def read_index(root: Root) -> Index:
    """The index as it is on disk; empty and not sound where it is missing or cannot be read."""
    try:
        with files.directory(os.path.realpath(root.sessions)) as fd:
            return decode_index(files.read(fd, root.index.name))
    except (FileNotFoundError, MasError):
        return Index(sound=False)


def newest(index: Index, count: int | None, ids: Iterable[str] = ()) -> tuple[list[Row], int]:
    """The newest ``count`` rows (None for all) and those of ``ids``, and how many rows there are in all."""
    rows = index.rows(count)
    shown = {row["sessionId"] for row in rows}
    others = (index.row(session_id) for session_id in ids if session_id not in shown)
    return [*filter(None, others), *rows], index.size


def counted_right(root: Root, index: Index) -> bool:
    """Whether the index has as many rows as there are session directories, where the file system can tell cheaply."""
    try:
        links = root.sessions.stat().st_nlink
    except OSError:
        return False
    own = sum(1 for place in (root.locks, root.staging, root.trash) if place.is_dir())
    return links > 1 and links - 2 - own == index.size
