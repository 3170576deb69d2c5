"""The form of ``.sessions.index``: JSON with one row a line, so that one row is changed or found without the others.

It is believed only while its checksum holds and it has as many rows as there are directories. What is in a row is said
in ``mas.projections``; listings read rows and load nothing more than this.
"""

import json
import os
from collections.abc import Iterable, Mapping
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
_FOOT_START = b'\n],"lastUpdated":"'
_CHECKSUM = b',"checksum":"%08x"}\n'
_CHECKSUM_SIZE = len(_CHECKSUM % 0)


def whole_seconds(timestamp: str) -> str:
    """A UTC timestamp cut to seconds, as the files of earlier programs have it."""
    return timestamp[:19] + "Z" if timestamp else ""


class Index(NamedTuple):
    """The bytes of an index: the lines of its rows, and whether nobody else changed it."""

    lines: tuple[bytes, ...] = ()
    sound: bool = True

    def rows(self, newest: int | None = None) -> list[Row]:
        """The rows as written, oldest first; of them only the newest ``newest`` where that is given."""
        chosen = self.lines if newest is None else self.lines[max(0, len(self.lines) - newest) :]
        return json.loads(b"[" + b",".join(chosen) + b"]") if chosen else []

    def position(self, session_id: str) -> int | None:
        """Where the row of a session is."""
        start = _row_start(session_id)
        return next((at for at, line in enumerate(self.lines) if line.startswith(start)), None)

    def row(self, session_id: str) -> Row | None:
        """The row of a session."""
        at = self.position(session_id)
        return None if at is None else json.loads(self.lines[at])

    def with_row(self, row: Row) -> "Index":
        """The index with that row in the place of the session's old one, or at the end."""
        at = self.position(row["sessionId"])
        if at is None:
            return Index((*self.lines, encode_row(row)))
        merged = {**json.loads(self.lines[at]), **row}
        return Index((*self.lines[:at], encode_row(merged), *self.lines[at + 1 :]))

    def without(self, session_id: str) -> "Index":
        """The index without that session's row."""
        start = _row_start(session_id)
        return Index(tuple(line for line in self.lines if not line.startswith(start)))

    def encode(self, now: str) -> bytes:
        """The bytes of the file."""
        rows = _HEAD + b"\n" + b",\n".join(self.lines) if self.lines else _HEAD
        body = rows + _FOOT % whole_seconds(now).encode("ascii")
        return body + _CHECKSUM % crc32(body)


def _row_start(session_id: str) -> bytes:
    return b'{"sessionId":%b,' % json.dumps(session_id).encode("ascii")


def encode_row(row: Row) -> bytes:
    """The line of a row: our keys first, in their order."""
    ordered = {key: row[key] for key in ROW_KEYS if key in row} | dict(row)
    return json.dumps(ordered, separators=(",", ":")).encode("ascii")


def decode_index(raw: bytes) -> Index:
    """The index of these bytes. One that another program wrote is read as JSON and is not ``sound``."""
    body, foot = raw[:-_CHECKSUM_SIZE], raw.rfind(_FOOT_START)
    if raw.startswith(_HEAD) and foot >= 0 and raw.endswith(_CHECKSUM % crc32(body)):
        rows = raw[len(_HEAD) + 1 : foot]
        return Index(tuple(rows.split(b",\n")) if rows else ())
    return Index(tuple(map(encode_row, _foreign_rows(raw))), sound=False)


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
    return [*filter(None, others), *rows], len(index.lines)


def counted_right(root: Root, index: Index) -> bool:
    """Whether the index has as many rows as there are session directories, where the file system can tell cheaply."""
    try:
        links = root.sessions.stat().st_nlink
    except OSError:
        return False
    own = sum(1 for place in (root.locks, root.staging, root.trash) if place.is_dir())
    return links > 1 and links - 2 - own == len(index.lines)
