"""Sessions in files: one directory each, and the one rule of recovery.

Before the rename into place everything is rolled back, after it everything is rolled forward. Readers take no lock and
write nothing; what is without loss a writer sees to by itself, what is not waits for ``mas doctor --fix``.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from mas import checkpoints, directories, files, lines, logbook, originals, removal, replay
from mas.errors import DamagedError, MasError, NotFoundError, RefusedError, explained
from mas.logbook import LOG, SNAPSHOT
from mas.paths import Root, SessionPaths, check_session_id, check_stored_id, is_stored_id
from mas.record import CREATED, Document
from mas.replay import Entry, Stored
from mas.states import PersistedSession, SessionCheckpoint
from mas.storage import Build, exists, no_checkpoint, not_found, persisted, unsaved

CHECKPOINTS = "checkpoints"


class FileStorage:
    """Sessions below ``root.sessions``, one directory each. Directories are made when the first session is."""

    def __init__(self, root: Root, lock_timeout: float = files.LOCK_TIMEOUT) -> None:
        self.root = root
        self._place = f"{root.sessions}/"
        self._lock_timeout = lock_timeout

    @contextmanager
    def lock(self, session_id: str) -> Iterator[None]:
        """See SessionStorage. The lock's file goes with the session's directory."""
        guards = self.root.session(session_id).directory
        directories.make_directory(self.root.locks)
        with files.lock(self.root.lock(session_id), self._lock_timeout, guards=guards):
            yield

    def has(self, session_id: str) -> bool:
        """See SessionStorage: whether there is a directory, whatever it holds."""
        return os.path.lexists(self._place + check_stored_id(session_id))

    def list(self) -> Sequence[str]:
        """See SessionStorage: every directory whose name may be an id, whatever it holds."""
        try:
            with os.scandir(self._place) as found:
                return [one.name for one in found if is_stored_id(one.name) and one.is_dir(follow_symlinks=False)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise explained(error, self._place, "read") from error

    def is_earlier(self, session_id: str) -> bool:
        """Whether a directory holds the ``.session`` of an earlier program, which knew no modes, and no log of ours."""
        paths = self.root.session(session_id)
        if self.root.maestro or os.path.lexists(paths.log):
            return False
        try:
            return b"MAS_SESSION_MODE=" not in paths.shell.read_bytes()
        except OSError:
            return False

    def _missing(self, session_id: str) -> NotFoundError:
        if self.is_earlier(session_id):
            msg = f"session {session_id} is kept in the way of an earlier mas"
            return NotFoundError(msg, hint="`mas migrate` takes it over")
        return not_found(session_id)

    # --- reading ---

    def read(self, session_id: str) -> Stored:
        """See SessionStorage."""
        place = self._place + check_stored_id(session_id)
        try:
            fd = files.open_directory(place)
            try:
                return logbook.read(fd, session_id)
            finally:
                os.close(fd)
        except MasError:
            raise
        except FileNotFoundError:
            raise self._missing(session_id) from None

    def examine(self, session_id: str) -> Stored:
        """``read``, with damage found wherever in the log it is; takes time in proportion to the log."""
        with self._open(session_id) as fd:
            return logbook.examine(fd, session_id)

    @contextmanager
    def _open(self, session_id: str) -> Iterator[int]:
        place = self._place + check_stored_id(session_id)
        try:
            with files.directory(place) as fd:
                yield fd
        except MasError:
            raise
        except FileNotFoundError:
            raise self._missing(session_id) from None

    def records(self, session_id: str, since: int = 0) -> Iterator[lines.Line]:
        """See SessionStorage."""
        with self._open(session_id):
            return self._records(session_id, since)

    def _records(self, session_id: str, since: int) -> Iterator[lines.Line]:
        with self._open(session_id) as fd:
            yield from logbook.records(fd, session_id, since)

    def position(self, session_id: str) -> int:
        """See SessionStorage: the size of the log."""
        with self._open(session_id) as fd:
            return files.size_of(fd, LOG) or 0

    # --- writing ---

    def create(self, document: Document, now: str, build: Build | None = None) -> Stored:
        """See SessionStorage. ``build`` fills the directory aside; the rename into place is the commit."""
        session_id = check_session_id(document.get("session_id"))
        raw, stored = replay.extend(None, [(CREATED, document)], now)
        directories.make_directory(self.root.staging)
        with self.lock(session_id):
            if self.has(session_id):
                raise exists(session_id)
            staged = self.root.staged(session_id)
            try:
                self._stage(staged, raw, stored, build)
                directories.move(staged.directory, self.root.session(session_id).directory)
            except BaseException:
                self._undo(session_id, staged)
                raise
        return stored

    def _stage(self, staged: SessionPaths, raw: bytes, stored: Stored, build: Build | None) -> None:
        removal.remove_tree(staged.directory)
        with files.directory(self.root.staging) as above:
            directories.make_child(above, staged.directory.name, durable=False)
        with files.directory(staged.directory) as fd:
            self._begin(fd, raw, stored)
            if build:
                build(staged)
                directories.sync_filesystem(staged.directory)
            else:
                directories.sync(fd, staged.directory.name)

    def _begin(self, fd: int, raw: bytes, stored: Stored) -> None:
        files.append(fd, LOG, raw, at=0)
        logbook.save_snapshot(fd, stored)

    def _undo(self, session_id: str, staged: SessionPaths) -> None:
        """Leave nothing of a session whose creation failed, or was broken off just behind its commit."""
        if not os.path.lexists(staged.directory) and self.has(session_id):
            self.erase(session_id, self.discard(session_id))
        removal.remove_tree(staged.directory)

    def prepare(self, session_id: str, now: str) -> Stored:
        """See SessionStorage: cuts a torn tail, begins the log of an old record, takes over an edit."""
        with self._open(session_id) as fd:
            stored = writable(logbook.read(fd, session_id), session_id)
            mended = bool(stored.torn or stored.stale or stored.edited is not None or not stored.logged)
            if stored.torn:
                self._keep(session_id, f"{LOG}.tail", b"".join(files.read_from(fd, LOG, stored.size)))
                files.cut(fd, LOG, stored.size)
            if stored.rejected:
                self._keep(session_id, SNAPSHOT, files.read(fd, SNAPSHOT))
            if not stored.logged:
                originals.keep(fd, self.root.session(session_id))
            if not stored.logged or stored.edited is not None:
                begin: list[Entry] = [] if stored.logged else [(CREATED, stored.document)]
                stored = logbook.append(fd, stored, begin, now)
            if stored.stale:
                logbook.save_snapshot(fd, stored)
        return stored._replace(torn=0, rejected=False, stale=False, mended=mended)

    def _keep(self, session_id: str, name: str, data: bytes) -> None:
        files.keep(self.root.session(session_id).quarantine, name, data)

    def append(self, session_id: str, stored: Stored, entries: Sequence[Entry], now: str) -> Stored:
        """See SessionStorage. The log is durable before the snapshot follows."""
        with self._open(session_id) as fd:
            return logbook.append(fd, stored, entries, now)

    def refresh(self, session_id: str, stored: Stored) -> None:
        """Write the snapshot again from the log; the caller holds the lock."""
        with self._open(session_id) as fd:
            logbook.save_snapshot(fd, stored)

    # --- deleting ---

    def discard(self, session_id: str) -> Path:
        """Take a session out of sight by one rename, its commit; returns where it waits for ``erase``."""
        source = self.root.session(session_id).directory
        with self._open(session_id):
            directories.make_directory(self.root.trash)
        with files.directory(self.root.trash):
            number = 0
            while os.path.lexists(target := self.root.trash / f"{session_id}.{number}"):
                number += 1
            directories.move(source, target)
        return target

    def erase(self, session_id: str, discarded: Path) -> None:
        """Remove a discarded session; the caller holds the lock, whose file goes when it is released."""
        del session_id
        removal.remove_tree(discarded)

    # --- whole sessions, and checkpoints ---

    def save(self, session: PersistedSession) -> None:
        """See SessionStorage."""
        document = unsaved(session)
        self.create(document, document.get("created_at", ""))
        for checkpoint in session.checkpoints:
            self.put_checkpoint(session.id, checkpoint)

    def load(self, session_id: str) -> PersistedSession | None:
        """See SessionStorage."""
        if not self.has(session_id):
            return None
        return persisted(self.read(session_id), self.records(session_id), self.checkpoints(session_id))

    def delete(self, session_id: str) -> None:
        """See SessionStorage."""
        if not self.has(session_id):
            raise not_found(session_id)
        with self.lock(session_id):
            self.erase(session_id, self.discard(session_id))

    def put_checkpoint(self, session_id: str, checkpoint: SessionCheckpoint) -> None:
        """See SessionStorage."""
        with self._open(session_id) as above:
            directories.make_child(above, CHECKPOINTS)
            with files.directory(CHECKPOINTS, above) as fd:
                files.replace(fd, checkpoints.name_of(checkpoint.seq), checkpoints.encode(checkpoint), durable=True)

    def checkpoints(self, session_id: str) -> Sequence[SessionCheckpoint]:
        """See SessionStorage."""
        return [found for _, found in self.checkpoint_files(session_id) if found]

    def checkpoint_files(self, session_id: str) -> Sequence[tuple[int, SessionCheckpoint | None]]:
        """Every checkpoint file, oldest first: the record's number, and None where it is damaged."""
        with self._open(session_id) as above:
            if not os.path.lexists(self.root.session(session_id).checkpoints):
                return []
            with files.directory(CHECKPOINTS, above) as fd:
                seqs = sorted(filter(None, map(checkpoints.seq_of, directories.names(fd))))
                return [(seq, _checkpoint(fd, seq)) for seq in seqs]

    def checkpoint(self, session_id: str, seq: int) -> SessionCheckpoint:
        """See SessionStorage."""
        with self._open(session_id) as above:
            try:
                with files.directory(CHECKPOINTS, above) as fd:
                    return checkpoints.decode(files.read(fd, checkpoints.name_of(seq)), seq)
            except FileNotFoundError:
                raise no_checkpoint(session_id, seq, (one for one, _ in self.checkpoint_files(session_id))) from None

    def drop_checkpoint(self, session_id: str, seq: int) -> None:
        """See SessionStorage."""
        with self._open(session_id) as above, suppress(FileNotFoundError), files.directory(CHECKPOINTS, above) as fd:
            files.remove(fd, checkpoints.name_of(seq))


def _checkpoint(fd: int, seq: int) -> SessionCheckpoint | None:
    try:
        return checkpoints.decode(files.read(fd, checkpoints.name_of(seq)), seq)
    except (DamagedError, FileNotFoundError):
        return None


def writable(stored: Stored, session_id: str) -> Stored:
    """What is stored, where it may be written; raises RefusedError for a newer program's, DamagedError."""
    if stored.newer:
        msg = f"session {session_id} was written by a newer mas"
        raise RefusedError(msg, hint="it can be read; update mas to change it")
    if stored.damage:
        msg = f"session {session_id} is damaged: {stored.damage}"
        raise DamagedError(msg, hint=f"`mas doctor --fix {session_id}` mends it; without --fix it shows how")
    return stored
