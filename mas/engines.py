"""Which engine keeps the sessions: ``MAS_SESSION_ENGINE``.

``kernel``, the default, keeps logs. ``documents`` keeps only the files of the earlier session manager and refuses what
those cannot hold. ``shadow`` is the kernel that does everything a second time the way of the documents, and writes down
where the two differ.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from mas import directories, documents, files, logbook, snapshots
from mas.errors import MasError, UsageError, shorten
from mas.fields import check_record
from mas.filestore import FileStorage, writable
from mas.logbook import SNAPSHOT
from mas.paths import Root, SessionPaths
from mas.record import Document
from mas.replay import Entry, Stored
from mas.states import SessionCheckpoint
from mas.storage import Build

VARIABLE = "MAS_SESSION_ENGINE"
DIFFERENCES = "shadow.jsonl"
"""File in a session's ``logs`` in which ``shadow`` says where documents and kernel differ."""

_SHADOW = "shadow"


class DocumentStorage(FileStorage):
    """Sessions as ``metadata.json`` alone. What has a log is read with it; written is only the document."""

    def create(self, document: Document, now: str, build: Build | None = None) -> Stored:
        """See SessionStorage; raises RefusedError for a record that says more than a document holds."""
        documents.check(document)
        if build:
            raise documents.refused("a workspace")
        super().create(document, now)
        return self.read(document["session_id"])

    def _begin(self, fd: int, raw: bytes, stored: Stored) -> None:
        del raw
        files.replace(fd, SNAPSHOT, _plain(stored.document), durable=True)

    def examine(self, session_id: str) -> Stored:
        """The same, where the document is what counts: that a log lags behind it is no edit to take over."""
        return super().examine(session_id)._replace(edited=None, rejected=False, stale=False)

    def prepare(self, session_id: str, now: str) -> Stored:
        """See SessionStorage; nothing is mended, only what cannot be written is refused."""
        del now
        return writable(self.read(session_id), session_id)

    def append(self, session_id: str, stored: Stored, entries: Sequence[Entry], now: str) -> Stored:
        """See SessionStorage: the document as it is after these records; raises RefusedError for one it cannot hold."""
        document = documents.applied(stored.document, entries, now)
        check_record(stored.document, document)
        with self._open(session_id) as fd:
            files.replace(fd, SNAPSHOT, _plain(document), durable=True)
            return logbook.read(fd, session_id)

    def position(self, session_id: str) -> int:
        """See SessionStorage: when the document was written."""
        with self._open(session_id) as fd:
            return os.stat(SNAPSHOT, dir_fd=fd, follow_symlinks=False).st_mtime_ns

    def put_checkpoint(self, session_id: str, checkpoint: SessionCheckpoint) -> None:
        """Refused: documents hold no checkpoints."""
        del session_id, checkpoint
        raise documents.refused("checkpoints")


class ShadowStorage(FileStorage):
    """The kernel's storage, with a copy of every document kept the other way and compared after each change."""

    def append(self, session_id: str, stored: Stored, entries: Sequence[Entry], now: str) -> Stored:
        """See SessionStorage; what goes wrong beside it is written down and harms nobody."""
        grown = super().append(session_id, stored, entries, now)
        with suppress(MasError, OSError):
            self._compare(self.root.session(session_id), stored.document, entries, grown.document)
        return grown

    def prepare(self, session_id: str, now: str) -> Stored:
        """See SessionStorage; what another program wrote is not held against the copy."""
        stored = super().prepare(session_id, now)
        if stored.mended:
            with suppress(MasError, OSError):
                self._keep_copy(self.root.session(session_id), documents.held(stored.document))
        return stored

    def _compare(self, paths: SessionPaths, before: Document, entries: Sequence[Entry], after: Document) -> None:
        """Apply the records to the copy; where it then differs, say so and begin again from the kernel's."""
        wanted, copy = documents.held(after), self._copy(paths)
        if copy is None or copy.get("updated_at") != before.get("updated_at"):  # another engine wrote meanwhile
            copy = before
        found = documents.shadowed(copy, entries, after["updated_at"])
        differing = sorted(name for name in {**found, **wanted} if found.get(name) != wanted.get(name))
        if differing:
            values = {name: {"documents": found.get(name), "kernel": wanted.get(name)} for name in differing}
            self._write_down(paths, {"rev": after["rev"], "ts": after["updated_at"], "differences": values})
        self._keep_copy(paths, wanted)

    def _copy(self, paths: SessionPaths) -> Document | None:
        try:
            with files.directory(paths.directory / _SHADOW) as fd:
                copy = json.loads(files.read(fd, SNAPSHOT))
        except (FileNotFoundError, ValueError, RecursionError):
            return None
        return copy if isinstance(copy, dict) else None

    def _keep_copy(self, paths: SessionPaths, document: Document) -> None:
        with files.directory(paths.directory) as above:
            directories.make_child(above, _SHADOW, durable=False)
            with files.directory(_SHADOW, above) as fd:
                files.replace(fd, SNAPSHOT, snapshots.encode_plain(document))

    def _write_down(self, paths: SessionPaths, line: Mapping[str, Any]) -> None:
        with files.directory(paths.directory) as above:
            directories.make_child(above, paths.logs.name, durable=False)
            with files.directory(paths.logs.name, above) as fd:
                text = json.dumps(line).encode("ascii") + b"\n"
                files.append(fd, DIFFERENCES, text, at=files.size_of(fd, DIFFERENCES) or 0)


ENGINES: dict[str, Callable[[Root], FileStorage]] = {
    "kernel": FileStorage,
    "shadow": ShadowStorage,
    "documents": DocumentStorage,
}
"""The storage of each engine, by the word for it."""


def chosen(environ: Mapping[str, str]) -> Callable[[Root], FileStorage]:
    """The engine that the environment names; raises UsageError for an unknown one."""
    word = environ.get(VARIABLE) or "kernel"
    if word not in ENGINES:
        msg = f"{VARIABLE} is {shorten(word)}"
        raise UsageError(msg, hint=f"one of: {', '.join(ENGINES)}")
    return ENGINES[word]


def open_storage(root: Root, environ: Mapping[str, str]) -> FileStorage:
    """The storage of a root by the engine that the environment names; raises UsageError for an unknown one."""
    return chosen(environ)(root)


def _plain(document: Document) -> bytes:
    return snapshots.encode_plain(documents.held(document))
