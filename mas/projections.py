"""What scripts and listings read instead of the record: ``.session`` and the rows of ``.sessions.index``.

Both say what the record says was wanted and last observed; both can be made again.
"""

import os
import re
import shlex
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mas import files, originals
from mas.clock import utc_now
from mas.errors import MasError
from mas.filestore import FileStorage
from mas.index import Index, Row, counted_right, encode, read_index, whole_seconds
from mas.paths import Root
from mas.record import Document, runtime_of
from mas.runtime import code_of, is_settled, recorded
from mas.structs import Frozen

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
_VALUE = r"(?:'[^']*'|\"'\"|[A-Za-z0-9@%+=:,./_-])*"
_QUOTED = rf"(?am)^([A-Za-z_][A-Za-z0-9_]*)=({_VALUE})$"
_WHOLE_SHELL = rf"(?a)(?:[A-Za-z_][A-Za-z0-9_]*={_VALUE}\n)+"
_BARE = r"(?am)^([A-Za-z_][A-Za-z0-9_]*)=(.*)$"


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
        "projectDir": code_of(document),
        "rev": document.get("rev", 0),
    }


def shell_values(document: Document, root: Root) -> dict[str, str]:
    """The keys and values of ``.session``, in their order."""
    runtime, place = runtime_of(document), working_directory(document, root)
    values = (
        document["session_id"],
        runtime.get("tmux_name"),
        recorded(document),
        whole_seconds(document["created_at"]),
        place / "unit",
        place / "workflows",
        root.session(document["session_id"]).directory,
        runtime.get("mode"),
        runtime.get("tmux_name"),
        runtime.get("label"),
    )
    words = ("" if value is None else str(value).replace("\0", "") for value in values)
    return dict(zip(SHELL_KEYS, words, strict=True))


def encode_shell(values: Mapping[str, str]) -> bytes:
    """The text of ``.session``: sourcing it sets exactly these keys. A value is quoted where the shell needs it."""
    lines = (f"{key}={shlex.quote(value) if value else ''}\n" for key, value in values.items())
    return "".join(lines).encode("utf-8", "surrogateescape")


def parse_shell(text: str) -> dict[str, str]:
    """The values of a ``.session``, parsed and never run; lines that are no simple assignment are passed over.

    What an earlier program wrote without quotes is taken as it stands, up to the end of its line.
    """
    found = re.fullmatch(_WHOLE_SHELL, text) and re.findall(_QUOTED, text)
    if found:
        return {key: "".join(shlex.split(value)) for key, value in found}
    return {key: _unquoted(value) for key, value in re.findall(_BARE, text)}


def _unquoted(value: str) -> str:
    try:
        words = shlex.split(value)
    except ValueError:
        return value
    return words[0] if len(words) == 1 else value


class _Written(Frozen):
    """An index as it was written: the file, the bytes it ends with, and what is in it."""

    file: os.stat_result
    end: bytes | memoryview
    index: Index

    def stands(self, fd: int, name: str) -> bool:
        """Whether nobody wrote to the file since or put another in its place; one in the same moment may be alike."""
        size = len(self.end)
        with suppress(FileNotFoundError):  # what is not believed any more is dropped, without a lock
            alike = files.read_part(fd, name, self.file.st_size - size, size) == self.end
            found = files.status_of(fd, name)
            return alike and found is not None and _mark(found) == _mark(self.file)
        return False


def _mark(file: os.stat_result) -> tuple[int, int, int]:
    return file.st_ino, file.st_size, file.st_mtime_ns


class Projections:
    """Keeps the projections of one root. Nothing here may be called while the index lock is held by the caller."""

    def __init__(self, storage: FileStorage) -> None:
        self._storage = storage
        self._root = storage.root
        self._written: _Written | None = None

    def publish(self, session_id: str) -> None:
        """Write ``.session`` and the row from the record as it is now."""
        with files.lock(self._root.index_lock):
            document = self._storage.read(session_id).document
            self._write_shell(document)
            self._change(lambda index: index.with_row(row_of(document, self._root)))

    def distrust(self) -> None:
        """Drop the index where it could not be brought up to date: until it is written again the directories count."""
        with suppress(OSError, MasError):
            originals.keep_index(self._root)
            if not self._root.index.is_symlink():
                self._root.index.unlink()

    def differ(self, before: Document, after: Document) -> bool:
        """Whether the row of a record changes in more than its last activity."""
        quiet = {"lastActivity": "", "rev": 0}
        return row_of(before, self._root) | quiet != row_of(after, self._root) | quiet

    def is_settled(self, session_id: str) -> bool:
        """Whether a row needs no question to tmux: the record says that the team was stopped and seen down."""
        with suppress(MasError):
            return is_settled(self._storage.read(session_id).document)
        return False

    def mark_unreadable(self, session_id: str) -> None:
        """Say in the row of a session that nothing of it can be read."""
        with files.lock(self._root.index_lock):
            self._change(lambda index: index.with_row({"sessionId": session_id, "status": "error"}))

    def forget(self, session_id: str) -> None:
        """Drop the row of a session that is gone."""
        with files.lock(self._root.index_lock):
            self._change(lambda index: index.without(session_id))

    def rebuild(self) -> None:
        """Make the index again from the directories; what is in the row of one that cannot be read stays."""
        with files.lock(self._root.index_lock):
            originals.keep_index(self._root)
            self._save(self._from_directories(read_index(self._root)))

    def rows(self) -> list[Row]:
        """The rows, oldest first. Where the index cannot be believed, the directories are asked instead."""
        return self.believed().rows()

    def believed(self) -> Index:
        """The index; where that on disk cannot be believed, one made of the directories."""
        index = read_index(self._root)
        if index.sound and counted_right(self._root, index):
            return index
        return self._reconciled(index)

    def _reconciled(self, index: Index) -> Index:
        if not index.sound:
            return self._from_directories(index)
        there, known = set(self._storage.list()), {row["sessionId"] for row in index.rows()}
        gone = known - there
        rows = [{**row, "status": "error"} if row["sessionId"] in gone else row for row in index.rows()]
        return Index.of([*rows, *(self._row(session_id, index) for session_id in sorted(there - known))])

    def _change(self, change: Callable[[Index], Index]) -> None:
        index = self._on_disk()
        if not index.sound:
            originals.keep_index(self._root)
            index = self._from_directories(index)
        self._save(change(index))

    def _on_disk(self) -> Index:
        """The index as it is: what was written here last, where nobody wrote since."""
        with files.directory(os.path.realpath(self._root.sessions)) as fd:
            if self._written and self._written.stands(fd, self._root.index.name):
                return self._written.index
        return read_index(self._root)

    def _from_directories(self, old: Index) -> Index:
        """An index of the directories that are there. No row goes because its directory is not: ``forget`` drops it."""
        there = self._storage.list()
        rows = [self._row(session_id, old) for session_id in there]
        gone = [{**row, "status": "error"} for row in old.rows() if row["sessionId"] not in set(there)]
        ordered = sorted([*rows, *gone], key=lambda row: (str(row.get("createdAt") or ""), row["sessionId"]))
        return Index.of(ordered)

    def _row(self, session_id: str, old: Index) -> Row:
        before = dict(old.row(session_id) or {})
        try:
            stored = self._storage.read(session_id)
        except (MasError, FileNotFoundError):
            place = str(self._root.sessions / session_id)
            return {"sessionId": session_id, "createdAt": "", "workingDir": place, **before, "status": "error"}
        row = {**before, **row_of(stored.document, self._root)}
        return {**row, "status": "error"} if stored.damage else row

    def _save(self, index: Index) -> None:
        text = encode(index, utc_now())
        with files.directory(os.path.realpath(self._root.sessions)) as fd:
            self._written = _Written(files.replace(fd, self._root.index.name, *text), text[-1], index)

    def _write_shell(self, document: Document) -> None:
        paths = self._root.session(document["session_id"])
        with files.directory(paths.directory) as fd:
            files.replace(fd, paths.shell.name, encode_shell(shell_values(document, self._root)))
