"""The form of ``.sessions.index``: JSON with one row a line, so that one row is changed or found without the others.

It is believed only while its checksum holds and it has as many rows as there are directories. What is in a row is said
in ``mas.projections``; listings read rows and load nothing more than this.
"""

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any
from zlib import crc32

from mas import files
from mas.errors import MasError, RefusedError
from mas.paths import Root, is_stored_id
from mas.structs import Frozen, replace
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


def whole_seconds(timestamp: str) -> str:
    """A UTC timestamp cut to seconds, as the files of earlier programs have it."""
    return timestamp[:19] + "Z" if timestamp else ""


class Index(Frozen):
    """The rows as they are on disk, one a line, oldest first, and whether nobody else changed them.

    They stay bytes, since of ten thousand a change touches one, mostly the last: ``text`` is that of the file and
    counts up to ``last``, where its checksum is ``crc``; the other rows, each behind what is between rows, are in
    ``tail``.
    """

    text: bytes = _HEAD
    last: int = len(_HEAD)
    crc: int = crc32(_HEAD)
    tail: bytes = b""
    sound: bool = True

    @classmethod
    def of(cls, rows: Iterable[Row], *, sound: bool = True) -> "Index":
        """An index of these rows, oldest first."""
        lines = _BETWEEN.join(map(encode_row, rows))
        return cls(tail=b"\n" + lines if lines else b"", sound=sound)

    @property
    def size(self) -> int:
        """How many rows there are."""
        return self._count(_ROW)  # looks at a byte in ten, that for the line ends at each

    def rows(self, newest: int | None = None) -> list[Row]:
        """The rows as written, oldest first; of them only the newest ``newest`` where that is given."""
        begin, missing = len(_HEAD), 0
        if newest is not None:
            begin, missing = self.last, newest - self.tail.count(_ROW)
        while missing > 0 and begin > len(_HEAD):
            begin, missing = self.text.rfind(b"\n", 0, begin), missing - 1
        tail = self.tail if begin < self.last else self.tail.removeprefix(b",")
        found: list[Row] = json.loads(b"".join((b"[", memoryview(self.text)[begin : self.last], tail, b"]")))
        return found if newest is None else found[max(len(found) - newest, 0) :]

    def row(self, session_id: str) -> Row | None:
        """The row of a session."""
        found = self._find(session_id)
        return json.loads(found[1]) if found else None

    def begins(self, beginning: str) -> bool:
        """Whether the id of a row begins so."""
        return self._place(_ROW + beginning.encode("ascii")) >= 0

    def beginning(self, session_id: str) -> str:
        """The shortest beginning of a row's id, of 8 characters at least, that the id of no other row has."""
        parts = (session_id[:length] for length in range(8, len(session_id)))
        return next((part for part in parts if self._count(_ROW + part.encode("ascii")) < 2), session_id)

    def with_row(self, row: Row) -> "Index":
        """This index with that row in the place of the session's old one, or after the others."""
        found = self._find(row["sessionId"])
        if not found:
            return self.plus(_BETWEEN if self.tail or self.last > len(_HEAD) else b"\n", encode_row(row))
        place, old = found
        before, after = self.cut(place)
        begin = after.index(b"{")
        return before.plus(after[:begin], encode_row({**json.loads(old), **row}), after[begin + len(old) :])

    def without(self, session_id: str) -> "Index":
        """This index without that session's row."""
        found = self._find(session_id)
        if not found:
            return self
        place, old = found
        before, after = self.cut(place)
        others = after[after.index(b"{") + len(old) :]
        return before.plus(others if place > len(_HEAD) else others.removeprefix(b","))

    def _count(self, part: bytes) -> int:
        return self.text.count(part, 0, self.last) + self.tail.count(part)

    def _place(self, part: bytes) -> int:
        """Where the last of such a part begins, counted from the beginning of the text; -1 where there is none."""
        place = self.tail.rfind(part)
        return place + self.last if place >= 0 else self.text.rfind(part, 0, self.last)

    def _find(self, session_id: str) -> tuple[int, bytes] | None:
        """Where what is before the row of a session begins, and the row. Most are looked for soon after they came."""
        place = self._place(b"%b%b," % (_ROW[:-1], json.dumps(session_id).encode("ascii"))) + 1
        if not place:
            return None
        text, begin, end = (self.text, place, self.last) if place < self.last else (self.tail, place - self.last, None)
        stop = text.find(_BETWEEN, begin, end)
        return max(place - len(_BETWEEN), len(_HEAD)), text[begin : stop if stop >= 0 else end]

    def cut(self, place: int) -> tuple["Index", bytes]:
        """What is before that place, and the text after it."""
        if place >= self.last:
            return replace(self, tail=self.tail[: place - self.last]), self.tail[place - self.last :]
        crc = crc32(memoryview(self.text)[:place])
        return replace(self, last=place, crc=crc, tail=b""), self.text[place : self.last] + self.tail

    def plus(self, *parts: bytes) -> "Index":
        """This index with that text after it."""
        return replace(self, tail=b"".join((self.tail, *parts)))


def encode(index: Index, now: str) -> tuple[bytes | memoryview, ...]:
    """The text of the file, in parts: what did not change of some megabytes is not copied."""
    foot = _FOOT % whole_seconds(now).encode("ascii")
    checksum = _CHECKSUM % crc32(foot, crc32(index.tail, index.crc))
    return memoryview(index.text)[: index.last], index.tail, foot, checksum


def encode_row(row: Row) -> bytes:
    """The line of a row: our keys first, in their order."""
    ordered = {key: row[key] for key in ROW_KEYS if key in row} | dict(row)
    return json.dumps(ordered, separators=(",", ":")).encode("ascii")


def decode_index(raw: bytes) -> Index:
    """The index of these bytes. One that another program wrote is read as JSON and is not ``sound``."""
    foot = raw.rfind(_FOOT_START)
    last = max(raw.rfind(b"," + _ROW, 0, max(foot, 0)), len(_HEAD))
    crc = crc32(memoryview(raw)[:last])
    if (
        raw.startswith(_HEAD)
        and foot >= 0
        and raw.endswith(_CHECKSUM % crc32(memoryview(raw)[last:-_CHECKSUM_SIZE], crc))
    ):
        return Index(raw, last, crc, raw[last:foot])
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
