"""Sessions in files: the log, its snapshot, checkpoints, and the one rule of recovery.

Before the rename into place everything is rolled back, after it everything is rolled forward. Readers take no lock and
write nothing; what is without loss a writer sees to by itself, what is not waits for ``mas doctor --fix``.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path

from mas import checkpoints, files, foreign, lines, replay, snapshots
from mas.errors import DamagedError, MasError, RefusedError
from mas.paths import Root, SessionPaths, check_session_id, check_stored_id
from mas.record import CREATED, SCHEMA, Document
from mas.replay import Entry, Stored
from mas.states import PersistedSession, SessionCheckpoint
from mas.storage import Build, exists, not_found, persisted, unsaved

LOG = "events.jsonl"
SNAPSHOT = "metadata.json"


class FileStorage:
    """Sessions below ``root.sessions``, one directory each. Directories are made when the first session is."""

    def __init__(self, root: Root, lock_timeout: float = files.LOCK_TIMEOUT) -> None:
        self.root = root
        self._lock_timeout = lock_timeout

    def lock(self, session_id: str) -> AbstractContextManager[None]:
        """See SessionStorage."""
        return files.lock(self.root.lock(session_id), self._lock_timeout)

    def list(self) -> Sequence[str]:
        """See SessionStorage: every directory whose name may be an id, whatever it holds."""
        try:
            with os.scandir(self.root.sessions) as entries:
                return [entry.name for entry in entries if entry.name[0] != "." and entry.is_dir(follow_symlinks=False)]
        except FileNotFoundError:
            return []

    # --- reading ---

    def read(self, session_id: str) -> Stored:
        """See SessionStorage."""
        try:
            with files.directory(self._directory(session_id)) as fd:
                return self._read(fd, session_id)
        except FileNotFoundError:
            raise not_found(session_id) from None

    def _directory(self, session_id: str) -> Path:
        return self.root.session(session_id).directory

    def _read(self, fd: int, session_id: str) -> Stored:
        snapshot = self._snapshot(fd)
        size = files.size_of(fd, LOG)
        if snapshot and snapshot.sound and snapshot.size == size is not None:
            return _checked(Stored(snapshot.document, size, snapshot.crc, newer=snapshot.schema > SCHEMA), session_id)
        if size is None:
            return _checked(_without_log(fd, snapshot, session_id), session_id)
        return _checked(self._catch_up(fd, snapshot, size, session_id), session_id)

    def _snapshot(self, fd: int) -> snapshots.Snapshot | None:
        try:
            return snapshots.decode(files.read(fd, SNAPSHOT))
        except FileNotFoundError:
            return None

    def _catch_up(self, fd: int, snapshot: snapshots.Snapshot | None, size: int, session_id: str) -> Stored:
        if snapshot and snapshot.sound and snapshot.size is not None:
            if size < snapshot.size:
                damage = f"{LOG} holds {size} bytes, its snapshot stands at {snapshot.size}"
                return Stored(snapshot.document, snapshot.size, snapshot.crc, damage=damage)
            raws = files.read_from(fd, LOG, snapshot.size)
            done = replay.replay(raws, snapshot.document, snapshot.size, snapshot.crc)
        else:
            done = replay.replay(files.read_from(fd, LOG, 0))
        if done.document is None:
            raise _unreadable(session_id, done.bad or f"{LOG} is empty")
        base = Stored(
            done.document,
            done.size,
            done.crc,
            torn=0 if done.lost else size - done.size,
            damage=f"{LOG}: {done.bad}" if done.lost else "",
            stale=True,
            newer=bool(snapshot and snapshot.schema > SCHEMA),
        )
        return base if snapshot is None or snapshot.sound else _with_edit(base, snapshot.document)

    # --- writing ---

    def create(self, document: Document, now: str, build: Build | None = None) -> Stored:
        """See SessionStorage. ``build`` fills the directory aside; the rename into place is the commit."""
        session_id = check_session_id(document["session_id"])
        with self.lock(session_id):
            target = self._directory(session_id)
            if os.path.lexists(target):
                raise exists(session_id)
            staged = self.root.staged(session_id)
            raw, stored = replay.extend(None, [(CREATED, document)], now)
            try:
                self._stage(staged, raw, stored, build)
                files.move(staged.directory, target)
            except BaseException:
                files.remove_tree(staged.directory)
                raise
        return stored

    def _stage(self, staged: SessionPaths, raw: bytes, stored: Stored, build: Build | None) -> None:
        files.make_directory(self.root.staging)
        files.remove_tree(staged.directory)
        files.make_directory(staged.directory, 0o700)
        with files.directory(staged.directory) as fd:
            files.append(fd, LOG, raw, at=0)
            self._save_snapshot(fd, stored)
            if build:
                build(staged)
                files.sync_filesystem(staged.directory)
            else:
                os.fsync(fd)

    def prepare(self, session_id: str, now: str) -> Stored:
        """See SessionStorage: cuts a torn tail, begins the log of an old record, takes over an edit."""
        stored = self.read(session_id)
        if stored.newer:
            msg = f"session {session_id} was written by a newer mas"
            raise RefusedError(msg, hint="it can be read; update mas to change it")
        if stored.damage:
            msg = f"session {session_id} is damaged: {stored.damage}"
            raise DamagedError(msg, hint=f"`mas doctor --fix {session_id}` mends it; without --fix it shows how")
        paths = self.root.session(session_id)
        with files.directory(paths.directory) as fd:
            if stored.torn:
                self._cut(fd, paths, stored.size)
            if stored.rejected or not stored.logged:
                files.keep(paths.quarantine, SNAPSHOT, files.read(fd, SNAPSHOT))
        if not stored.logged:
            return self.append(session_id, stored, [(CREATED, stored.document)], now)
        if stored.edited is not None:
            return self.append(session_id, stored, [], now)
        return stored

    def _cut(self, fd: int, paths: SessionPaths, size: int) -> None:
        files.keep(paths.quarantine, f"{LOG}.tail", b"".join(files.read_from(fd, LOG, size)))
        files.cut(fd, LOG, size)

    def append(self, session_id: str, stored: Stored, entries: Sequence[Entry], now: str) -> Stored:
        """See SessionStorage. The log is durable before the snapshot follows."""
        if stored.edited is not None:
            base = replace(stored, document={**stored.document, "rev": stored.document["rev"] - 1})
            entries = [("imported", stored.edited), *entries]
            stored = replace(base, edited=None)
        raw, grown = replay.extend(stored, entries, now)
        with files.directory(self._directory(session_id)) as fd:
            files.append(fd, LOG, raw, at=stored.size, tail=b'%b"}\n' % stored.crc.encode() if stored.size else b"")
            with suppress(MasError):  # the log holds the record, and the next writer makes the snapshot again
                self._save_snapshot(fd, grown)
        return grown

    def refresh(self, session_id: str, stored: Stored) -> None:
        """Write the snapshot again from the log; the caller holds the lock."""
        with files.directory(self._directory(session_id)) as fd:
            self._save_snapshot(fd, stored)

    def _save_snapshot(self, fd: int, stored: Stored) -> None:
        files.replace(fd, SNAPSHOT, snapshots.encode(stored.document, stored.size, stored.crc))

    # --- deleting ---

    def discard(self, session_id: str) -> Path:
        """Take a session out of sight by one rename, its commit; returns where it waits for ``erase``."""
        files.make_directory(self.root.trash)
        source = self._directory(session_id)
        if not os.path.lexists(source):
            raise not_found(session_id)
        with files.directory(source):
            pass
        taken = (self.root.trash / f"{session_id}.{count}" for count in range(1 << 20))
        target = next(place for place in taken if not os.path.lexists(place))
        files.move(source, target)
        return target

    def erase(self, session_id: str, discarded: Path) -> None:
        """Remove a discarded session and, last, its lock file; the caller holds that lock."""
        files.remove_tree(discarded)
        with suppress(FileNotFoundError):
            self.root.lock(session_id).unlink()

    # --- specification 58's four, and checkpoints ---

    def save(self, session: PersistedSession) -> None:
        """See SessionStorage."""
        document = unsaved(session)
        self.create(document, document["created_at"])
        for checkpoint in session.checkpoints:
            self.put_checkpoint(session.id, checkpoint)

    def load(self, session_id: str) -> PersistedSession | None:
        """See SessionStorage."""
        with suppress(FileNotFoundError):
            stored = self.read(session_id)
            return persisted(stored, self.records(session_id), self.checkpoints(session_id))
        return None

    def delete(self, session_id: str) -> None:
        """See SessionStorage."""
        with self.lock(session_id):
            self.erase(session_id, self.discard(session_id))

    def records(self, session_id: str, since: int = 0) -> Iterator[lines.Line]:
        """See SessionStorage."""
        with files.directory(self._directory(session_id)) as fd:
            if files.size_of(fd, LOG) is not None:
                yield from replay.since(files.read_from(fd, LOG, 0), since)

    def position(self, session_id: str) -> int:
        """See SessionStorage: the size of the log."""
        try:
            return self.root.session(session_id).log.stat().st_size
        except FileNotFoundError:
            return 0

    def put_checkpoint(self, session_id: str, checkpoint: SessionCheckpoint) -> None:
        """See SessionStorage."""
        paths = self.root.session(session_id)
        files.make_directory(paths.checkpoints, 0o700)
        with files.directory(paths.checkpoints) as fd:
            files.replace(fd, checkpoints.name_of(checkpoint.seq), checkpoints.encode(checkpoint), durable=True)

    def checkpoints(self, session_id: str) -> Sequence[SessionCheckpoint]:
        """See SessionStorage."""
        return [found for _, found in self.checkpoint_files(session_id) if found]

    def checkpoint_files(self, session_id: str) -> Sequence[tuple[int, SessionCheckpoint | None]]:
        """Every checkpoint file, oldest first: the record's number, and None where it is damaged."""
        try:
            with files.directory(self.root.session(check_stored_id(session_id)).checkpoints) as fd:
                seqs = sorted(filter(None, map(checkpoints.seq_of, os.listdir(fd))))
                return [(seq, _checkpoint(fd, seq)) for seq in seqs]
        except FileNotFoundError:
            return []

    def drop_checkpoint(self, session_id: str, seq: int) -> None:
        """See SessionStorage."""
        with suppress(FileNotFoundError):
            (self.root.session(session_id).checkpoints / checkpoints.name_of(seq)).unlink()


def _checkpoint(fd: int, seq: int) -> SessionCheckpoint | None:
    try:
        return checkpoints.decode(files.read(fd, checkpoints.name_of(seq)), seq)
    except (DamagedError, FileNotFoundError):
        return None


def _checked(stored: Stored, session_id: str) -> Stored:
    if stored.document.get("session_id") != session_id:
        raise _unreadable(session_id, "it describes another session")
    return stored


def _without_log(fd: int, snapshot: snapshots.Snapshot | None, session_id: str) -> Stored:
    if snapshot is None:
        if files.size_of(fd, SNAPSHOT) is None:
            raise FileNotFoundError(session_id)
        raise _unreadable(session_id, f"{SNAPSHOT} is no JSON object")
    if snapshot.size is not None and snapshot.sound:
        return Stored(snapshot.document, snapshot.size, snapshot.crc, damage=f"{LOG} is missing")
    try:
        return Stored(foreign.adopt(snapshot.document), logged=False)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unreadable(session_id, f"{SNAPSHOT} describes no session ({type(error).__name__})") from None


def _with_edit(base: Stored, edited: Document) -> Stored:
    data = foreign.imported(base.document, edited)
    if data is None:
        return replace(base, rejected=True)
    if not data["set"] and not data["unset"]:
        return base
    document = replay.fold(base.document, "imported", data, base.document["rev"] + 1, base.document["updated_at"])
    return replace(base, document=document, edited=data)


def _unreadable(session_id: str, why: str) -> DamagedError:
    return DamagedError(
        f"session {session_id} cannot be read: {why}", hint=f"`mas doctor {session_id}` shows what is left"
    )
