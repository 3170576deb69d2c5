"""What scripts and listings read instead of the record: ``.session`` and ``.sessions.index``.

Both say what the record says was wanted and last observed; both can be made again. The index is JSON with one row a
line, so that one row is changed without parsing the others and a shell can grep it. It is believed only while its
checksum holds and it has as many rows as there are directories.
"""

import json
import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

from mas import files
from mas.clock import utc_now
from mas.errors import MasError
from mas.filestore import FileStorage
from mas.paths import Root, is_stored_id
from mas.record import Document, runtime_of
from mas.runtime import recorded

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
    "rev",
)
SHELL_KEYS = (
    "SESSION_ID",
    "TMUX_SESSION",
    "STATUS",
    "CREATED_AT",
    "UNIT_DIR",
    "WORKFLOWS_DIR",
    "SESSION_DIR",
    "MAS_SESSION_MODE",
    "MAS_SESSION_NAME",
    "LABEL",
)
Row = Mapping[str, Any]

_VALUE = r"(?:'[^']*'|\"'\"|[A-Za-z0-9@%+=:,./_-])*"
_QUOTED = re.compile(rf"^([A-Za-z_][A-Za-z0-9_]*)=({_VALUE})$", re.MULTILINE | re.ASCII)
_WHOLE_SHELL = re.compile(rf"(?:[A-Za-z_][A-Za-z0-9_]*={_VALUE}\n)+", re.ASCII)
_BARE = re.compile(r"^([A-Za-z_][A-Za-z0-9_]*)=(.*)$", re.MULTILINE | re.ASCII)

_HEAD = b'{"version":"1.0","sessions":['
_FOOT = b'\n],"lastUpdated":"%b"'
_FOOT_START = b'\n],"lastUpdated":"'
_CHECKSUM = b',"checksum":"%08x"}\n'
_CHECKSUM_SIZE = len(_CHECKSUM % 0)


def whole_seconds(timestamp: str) -> str:
    """A UTC timestamp cut to seconds, as the files of earlier programs have it."""
    return timestamp[:19] + "Z" if timestamp else ""


def working_directory(document: Document, root: Root) -> Path:
    """Where the session's agents work: its workspace, or the root in legacy mode."""
    legacy = runtime_of(document).get("mode") == "legacy"
    return root.path if legacy else root.session(document["session_id"]).directory


def row_of(document: Document, root: Root) -> dict[str, Any]:
    """The index row of a record."""
    runtime = runtime_of(document)
    return {
        "sessionId": document["session_id"],
        "tmuxSession": runtime.get("tmux_name", ""),
        "status": recorded(document),
        "createdAt": whole_seconds(document["created_at"]),
        "workingDir": str(working_directory(document, root)),
        "mode": runtime.get("mode", ""),
        "lastActivity": document.get("updated_at", ""),
        "label": runtime.get("label", ""),
        "agentCount": len(runtime.get("agents", ())),
        "lifecycle": document["status"],
        "tmuxSocket": (runtime.get("tmux") or {}).get("socket", ""),
        "rev": document.get("rev", 0),
    }


def shell_values(document: Document, root: Root) -> dict[str, str]:
    """The keys and values of ``.session``, in their order."""
    runtime, place = runtime_of(document), working_directory(document, root)
    values = (
        document["session_id"],
        runtime.get("tmux_name", ""),
        recorded(document),
        whole_seconds(document["created_at"]),
        str(place / "unit"),
        str(place / "workflows"),
        str(root.session(document["session_id"]).directory),
        runtime.get("mode", ""),
        runtime.get("tmux_name", ""),
        runtime.get("label", ""),
    )
    return dict(zip(SHELL_KEYS, values, strict=True))


def encode_shell(values: Mapping[str, str]) -> bytes:
    """The text of ``.session``: sourcing it sets exactly these keys. A value is quoted where the shell needs it."""
    lines = (f"{key}={shlex.quote(value) if value else ''}\n" for key, value in values.items())
    return "".join(lines).encode("utf-8", "surrogateescape")


def parse_shell(text: str) -> dict[str, str]:
    """The values of a ``.session``, parsed and never run; lines that are no simple assignment are passed over.

    What an earlier program wrote without quotes is taken as it stands, up to the end of its line.
    """
    found = _WHOLE_SHELL.fullmatch(text) and _QUOTED.findall(text)
    if found:
        return {key: "".join(shlex.split(value)) for key, value in found}
    return {key: _unquoted(value) for key, value in _BARE.findall(text)}


def _unquoted(value: str) -> str:
    try:
        words = shlex.split(value)
    except ValueError:
        return value
    return words[0] if len(words) == 1 else value


@dataclass(frozen=True, slots=True)
class Index:
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
            return Index((*self.lines, _encode_row(row)))
        merged = {**json.loads(self.lines[at]), **row}
        return Index((*self.lines[:at], _encode_row(merged), *self.lines[at + 1 :]))

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


def _encode_row(row: Row) -> bytes:
    ordered = {key: row[key] for key in ROW_KEYS if key in row} | dict(row)
    return json.dumps(ordered, separators=(",", ":")).encode("ascii")


def decode_index(raw: bytes) -> Index:
    """The index of these bytes. One that another program wrote is read as JSON and is not ``sound``."""
    body, foot = raw[:-_CHECKSUM_SIZE], raw.rfind(_FOOT_START)
    if raw.startswith(_HEAD) and foot >= 0 and raw.endswith(_CHECKSUM % crc32(body)):
        rows = raw[len(_HEAD) + 1 : foot]
        return Index(tuple(rows.split(b",\n")) if rows else ())
    return Index(tuple(map(_encode_row, _foreign_rows(raw))), sound=False)


def _foreign_rows(raw: bytes) -> Iterable[Row]:
    """Rows that another program wrote, as far as they are any; of two for one session the last."""
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError):
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


def counted_right(root: Root, index: Index) -> bool:
    """Whether the index has as many rows as there are session directories, where the file system can tell cheaply."""
    try:
        links = root.sessions.stat().st_nlink
    except OSError:
        return False
    own = sum(1 for place in (root.locks, root.staging, root.trash) if place.is_dir())
    return links > 1 and links - 2 - own == len(index.lines)


class Projections:
    """Keeps the projections of one root. Nothing here may be called while the index lock is held by the caller."""

    def __init__(self, storage: FileStorage) -> None:
        self._storage = storage
        self._root = storage.root

    def publish(self, session_id: str) -> None:
        """Write ``.session`` and the row from the record as it is now."""
        with files.lock(self._root.index_lock):
            document = self._storage.read(session_id).document
            self._write_shell(document)
            self._change(lambda index: index.with_row(row_of(document, self._root)))

    def distrust(self) -> None:
        """Drop the index where it could not be brought up to date: until it is written again the directories count."""
        with suppress(OSError):
            self._root.index.unlink()

    def differ(self, before: Document, after: Document) -> bool:
        """Whether the row of a record changes in more than its last activity."""
        quiet = {"lastActivity": "", "rev": 0}
        return row_of(before, self._root) | quiet != row_of(after, self._root) | quiet

    def forget(self, session_id: str) -> None:
        """Drop the row of a session that is gone."""
        with files.lock(self._root.index_lock):
            self._change(lambda index: index.without(session_id))

    def rebuild(self) -> None:
        """Make the index again from the directories; what is in the row of one that cannot be read stays."""
        with files.lock(self._root.index_lock):
            self._save(self._from_directories(read_index(self._root)))

    def rows(self) -> list[Row]:
        """The rows, oldest first. Where the index cannot be believed, the directories are asked instead."""
        return self._believed().rows()

    def newest(self, count: int | None, ids: Iterable[str] = ()) -> tuple[list[Row], int]:
        """The newest ``count`` rows (None for all) and those of ``ids``, and how many rows there are in all."""
        index = self._believed()
        rows = index.rows(count)
        shown = {row["sessionId"] for row in rows}
        others = (index.row(session_id) for session_id in ids if session_id not in shown)
        return [*filter(None, others), *rows], len(index.lines)

    def _believed(self) -> Index:
        index = read_index(self._root)
        if index.sound and counted_right(self._root, index):
            return index
        return self._reconciled(index)

    def _reconciled(self, index: Index) -> Index:
        if not index.sound:
            return self._from_directories(index)
        there, known = set(self._storage.list()), {row["sessionId"] for row in index.rows()}
        for session_id in sorted(there - known):
            index = index.with_row(self._row(session_id, index))
        for session_id in known - there:
            index = index.with_row({"sessionId": session_id, "status": "error"})
        return index

    def _change(self, change: Callable[[Index], Index]) -> None:
        index = read_index(self._root)
        self._save(change(index if index.sound else self._from_directories(index)))

    def _from_directories(self, old: Index) -> Index:
        """An index of the directories that are there. No row goes because its directory is not: ``forget`` drops it."""
        there = self._storage.list()
        rows = [self._row(session_id, old) for session_id in there]
        gone = [{**row, "status": "error"} for row in old.rows() if row["sessionId"] not in set(there)]
        ordered = sorted([*rows, *gone], key=lambda row: (str(row.get("createdAt") or ""), row["sessionId"]))
        return Index(tuple(map(_encode_row, ordered)))

    def _row(self, session_id: str, old: Index) -> Row:
        before = dict(old.row(session_id) or {})
        try:
            stored = self._storage.read(session_id)
            row = {**before, **row_of(stored.document, self._root)}
            return {**row, "status": "error"} if stored.damage else row
        except (MasError, FileNotFoundError):
            place = str(self._root.sessions / session_id)
            return {"sessionId": session_id, "createdAt": "", "workingDir": place, **before, "status": "error"}

    def _save(self, index: Index) -> None:
        with files.directory(os.path.realpath(self._root.sessions)) as fd:
            files.replace(fd, self._root.index.name, index.encode(utc_now()))

    def _write_shell(self, document: Document) -> None:
        paths = self._root.session(document["session_id"])
        with files.directory(paths.directory) as fd:
            files.replace(fd, paths.shell.name, encode_shell(shell_values(document, self._root)))
