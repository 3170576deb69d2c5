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
from mas.structs import Frozen
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
_ROW = b'\n{"sessionId":"'
"""How a row begins, with the end of the line before it."""
_CHECKSUM = b',"checksum":"%08x"}\n'
_CHECKSUM_SIZE = len(_CHECKSUM % 0)


class Body(NamedTuple):
    """The text of the file up to the end of its rows: in parts, since what does not change is not copied.

    ``crc`` is the checksum of the first part: of some megabytes it was worked out when they were read.
    """

    parts: tuple[bytes | memoryview, ...]
    crc: int

    def and_then(self, *parts: bytes | memoryview) -> "Body":
        """This text and what follows it."""
        return Body((*self.parts, *parts), self.crc)


def whole_seconds(timestamp: str) -> str:
    """A UTC timestamp cut to seconds, as the files of earlier programs have it."""
    return timestamp[:19] + "Z" if timestamp else ""


class Index(Frozen):
    """The rows as they are on disk, one a line, oldest first, and whether nobody else changed them.

    They stay bytes: of ten thousand a change touches one, mostly the last. ``text`` is that of the file; its rows end
    at ``end``, and up to ``last`` its checksum is ``crc``.
    """

    text: bytes = _HEAD
    end: int = len(_HEAD)
    sound: bool = True
    last: int = 0
    crc: int = 0

    @classmethod
    def of(cls, rows: Iterable[Row], *, sound: bool = True) -> "Index":
        """An index of these rows, oldest first."""
        lines = _BETWEEN.join(map(encode_row, rows))
        text = _HEAD + b"\n" + lines if lines else _HEAD
        return cls(text, len(text), sound)

    @property
    def size(self) -> int:
        """How many rows there are."""
        return self.text.count(_ROW, 0, self.end)  # looks at a byte in ten, that for a single one at each

    @property
    def body(self) -> Body:
        """The text up to its end."""
        return self._until(self.end)

    def _until(self, stop: int) -> Body:
        text, known = memoryview(self.text), self.last <= stop
        last, crc = (self.last, self.crc) if known else (0, 0)
        return Body((text[:last], text[last:stop]), crc)

    def rows(self, newest: int | None = None) -> list[Row]:
        """The rows as written, oldest first; of them only the newest ``newest`` where that is given."""
        begin = len(_HEAD) if newest is None else self.end
        while newest and begin > len(_HEAD):
            begin, newest = self.text.rfind(b"\n", 0, begin), newest - 1
        found: list[Row] = json.loads(b"[" + self.text[begin : self.end] + b"]")
        return found

    def _place(self, session_id: str) -> slice | None:
        """Where the row of a session is, without what is between rows. Most are looked for soon after they came."""
        begin = self.text.rfind(b'\n{"sessionId":%b,' % json.dumps(session_id).encode("ascii"), 0, self.end) + 1
        if not begin:
            return None
        end = self.text.find(_BETWEEN, begin, self.end)
        return slice(begin, end if end >= 0 else self.end)

    def row(self, session_id: str) -> Row | None:
        """The row of a session."""
        place = self._place(session_id)
        return json.loads(self.text[place]) if place else None

    def begins(self, beginning: str) -> bool:
        """Whether the id of a row begins so."""
        return self.text.rfind(_ROW + beginning.encode("ascii"), 0, self.end) >= 0

    def beginning(self, session_id: str) -> str:
        """The shortest beginning of a row's id, of 8 characters at least, that the id of no other row has."""
        parts = (session_id[:length] for length in range(8, len(session_id)))
        return next((part for part in parts if self._count(part) < 2), session_id)

    def _count(self, beginning: str) -> int:
        return self.text.count(_ROW + beginning.encode("ascii"), 0, self.end)

    def with_row(self, row: Row) -> Body:
        """The text up to its end with that row in the place of the session's old one, or after the others."""
        place = self._place(row["sessionId"])
        if place is None:
            return self.body.and_then(_BETWEEN if self.end > len(_HEAD) else b"\n", encode_row(row))
        merged = encode_row({**json.loads(self.text[place]), **row})
        return self._until(place.start).and_then(merged, memoryview(self.text)[place.stop : self.end])

    def without(self, session_id: str) -> Body:
        """The text up to its end without that session's row."""
        place = self._place(session_id)
        if place is None:
            return self.body
        if place.stop < self.end:
            return self._until(place.start).and_then(memoryview(self.text)[place.stop + len(_BETWEEN) : self.end])
        return self._until(max(place.start - len(_BETWEEN), len(_HEAD)))


def encode(body: Body, now: str) -> tuple[bytes | memoryview, ...]:
    """The text of the file whose rows are these, in parts."""
    parts = (*body.parts, _FOOT % whole_seconds(now).encode("ascii"))
    return (*parts, _CHECKSUM % reduce(lambda crc, part: crc32(part, crc), parts[1:], body.crc))


def encode_row(row: Row) -> bytes:
    """The line of a row: our keys first, in their order."""
    ordered = {key: row[key] for key in ROW_KEYS if key in row} | dict(row)
    return json.dumps(ordered, separators=(",", ":")).encode("ascii")


def decode_index(raw: bytes) -> Index:
    """The index of these bytes. One that another program wrote is read as JSON and is not ``sound``."""
    text, foot = memoryview(raw)[:-_CHECKSUM_SIZE], raw.rfind(_FOOT_START)
    last = max(raw.rfind(_ROW, 0, max(foot, 0)), 0)
    crc = crc32(text[:last])
    if raw.startswith(_HEAD) and foot >= 0 and raw.endswith(_CHECKSUM % crc32(text[last:], crc)):
        return Index(raw, foot, last=last, crc=crc)
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
