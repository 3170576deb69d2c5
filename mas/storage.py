"""Where sessions are kept: the port, and the storage in memory. ``mas.filestore`` keeps them in files.

A storage knows records and their logs; it knows neither which change is allowed nor who wants to hear of it.
"""

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol
from weakref import WeakValueDictionary

from mas import checkpoints as forms
from mas import lines, replay
from mas.config import SessionConfig
from mas.errors import BusyError, ExistsError, NotFoundError, RefusedError, shorten
from mas.paths import SessionPaths, check_session_id, check_stored_id
from mas.record import CREATED, Document, lifecycle_of
from mas.replay import Entry, Stored
from mas.states import PersistedSession, SessionCheckpoint, state_of

Build = Callable[[SessionPaths], None]
"""Fills the directory of a session that is being created."""


class SessionStorage(Protocol):
    """What the manager needs of a storage. ``save``, ``load``, ``list`` and ``delete`` are for programs."""

    def save(self, session: PersistedSession) -> None:
        """Store a whole session under its id; raises ExistsError where the id is taken."""

    def load(self, session_id: str) -> PersistedSession | None:
        """The whole session, None where there is none; raises DamagedError for one that cannot be read."""

    def has(self, session_id: str) -> bool:
        """Whether there is anything under that id; raises InvalidIdError where there never can be."""

    def list(self) -> Sequence[str]:
        """The ids of all sessions, in no order."""

    def delete(self, session_id: str) -> None:
        """Remove a session and all that belongs to it; raises NotFoundError where there is none."""

    def lock(self, session_id: str) -> AbstractContextManager[None]:
        """Exclude every other writer of the session, in all processes; re-entrant in a thread. Raises BusyError."""

    def create(self, document: Document, now: str, build: Build | None = None) -> Stored:
        """Begin a session's log with its first record, wholly or not at all; raises ExistsError."""

    def read(self, session_id: str) -> Stored:
        """What is held of a session, the caller's own to change; takes no lock. Raises NotFoundError, DamagedError."""

    def prepare(self, session_id: str, now: str) -> Stored:
        """``read``, with everything seen to that a writer must see to first; the caller holds the lock."""

    def append(self, session_id: str, stored: Stored, entries: Sequence[Entry], now: str) -> Stored:
        """Add records to the log, durably and all at once; the caller holds the lock and ``stored`` is current."""

    def records(self, session_id: str, since: int = 0) -> Iterator[lines.Line]:
        """The records of the log with a number above ``since``, in order.

        Raises NotFoundError at once, DamagedError when the place is reached where the log is broken.
        """

    def position(self, session_id: str) -> int:
        """A number that grows with every record: cheap to ask again and again."""

    def put_checkpoint(self, session_id: str, checkpoint: SessionCheckpoint) -> None:
        """Keep a checkpoint, durably; one of the same record is replaced."""

    def checkpoints(self, session_id: str) -> Sequence[SessionCheckpoint]:
        """The checkpoints that can be read, oldest first."""

    def checkpoint(self, session_id: str, seq: int) -> SessionCheckpoint:
        """The checkpoint of a record. Raises NotFoundError where there is none, DamagedError for a damaged one."""

    def drop_checkpoint(self, session_id: str, seq: int) -> None:
        """Remove the checkpoint of a record; one that is gone is fine."""


def not_found(session_id: object) -> NotFoundError:
    """The error for a session that is not there."""
    return NotFoundError(f"Session not found: {shorten(session_id)}", hint="`mas list --all` shows what there is")


def exists(session_id: str) -> ExistsError:
    """The error for an id that is taken."""
    return ExistsError(f"session {session_id} exists", hint="choose another id, or `mas resume` that one")


def no_checkpoint(session_id: str, seq: int, known: Iterable[int]) -> NotFoundError:
    """The error for a checkpoint that is not there."""
    there = ", ".join(map(str, known))
    hint = f"there are: {there}" if there else "`mas checkpoint save` makes one"
    return NotFoundError(f"session {session_id} has no checkpoint {seq}", hint=hint)


def persisted(stored: Stored, log: Iterable[lines.Line], checkpoints: Sequence[SessionCheckpoint]) -> PersistedSession:
    """A whole session as one value."""
    document = stored.document
    config = lifecycle_of(document).get("config")
    return PersistedSession(
        document["session_id"],
        SessionConfig.from_json(config) if config else None,
        state_of(document),
        tuple(replay.happened(log)),
        tuple(checkpoints),
        document,
    )


def unsaved(session: PersistedSession) -> Document:
    """The document that a saved session's log begins with: the record as it stands, numbered anew.

    Raises RefusedError where its parts are not of one session, or one of its checkpoints could not be kept.
    """
    if session.document.get("session_id") != session.id:
        msg = f"session {shorten(session.id)} has the record of {shorten(session.document.get('session_id'))}"
        raise RefusedError(msg, hint="save it under its own id")
    for checkpoint in session.checkpoints:
        forms.encode(checkpoint)
    return {name: value for name, value in session.document.items() if name != "rev"}


class MemoryStorage:
    """Sessions in memory: for tests, and for programs that want no files. Nothing survives the process."""

    def __init__(self, lock_timeout: float = 10.0) -> None:
        self._logs: dict[str, list[bytes]] = {}
        self._stored: dict[str, tuple[Stored, str]] = {}
        self._checkpoints: dict[str, dict[int, SessionCheckpoint]] = {}
        self._locks: WeakValueDictionary[str, threading.RLock] = WeakValueDictionary()
        self._making = threading.Lock()
        self._lock_timeout = lock_timeout

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

    def has(self, session_id: str) -> bool:
        """See SessionStorage."""
        return check_stored_id(session_id) in self._stored

    def list(self) -> Sequence[str]:
        """See SessionStorage."""
        return [*self._stored]

    def delete(self, session_id: str) -> None:
        """See SessionStorage."""
        with self.lock(session_id):
            self.read(session_id)
            del self._stored[session_id], self._logs[session_id]
            self._checkpoints.pop(session_id, None)

    @contextmanager
    def lock(self, session_id: str) -> Iterator[None]:
        """See SessionStorage."""
        with self._making:
            held = self._locks.get(session_id) or self._locks.setdefault(session_id, threading.RLock())
        if not held.acquire(timeout=self._lock_timeout):
            msg = f"{session_id} is in use by another thread"
            raise BusyError(msg, hint="wait for it")
        try:
            yield
        finally:
            held.release()

    def create(self, document: Document, now: str, build: Build | None = None) -> Stored:
        """See SessionStorage; a storage without directories has nothing to build."""
        del build
        session_id = check_session_id(document.get("session_id"))
        raw, stored = replay.extend(None, [(CREATED, document)], now)
        with self.lock(session_id):
            if session_id in self._stored:
                raise exists(session_id)
            self._keep(session_id, raw, stored)
        return self.read(session_id)

    def _keep(self, session_id: str, raw: bytes, stored: Stored) -> None:
        """What is kept is text, so that nobody's later change of a document reaches it."""
        self._logs.setdefault(session_id, []).extend(raw.splitlines(keepends=True))
        self._stored[session_id] = stored._replace(document={}), json.dumps(stored.document)

    def read(self, session_id: str) -> Stored:
        """See SessionStorage."""
        try:
            stored, text = self._stored[check_stored_id(session_id)]
        except KeyError:
            raise not_found(session_id) from None
        return stored._replace(document=json.loads(text))

    def prepare(self, session_id: str, now: str) -> Stored:
        """See SessionStorage."""
        del now
        return self.read(session_id)

    def append(self, session_id: str, stored: Stored, entries: Sequence[Entry], now: str) -> Stored:
        """See SessionStorage."""
        self.read(session_id)
        self._keep(session_id, *replay.extend(stored, entries, now))
        return self.read(session_id)

    def records(self, session_id: str, since: int = 0) -> Iterator[lines.Line]:
        """See SessionStorage."""
        self.read(session_id)
        decoded = map(lines.decode, [*self._logs[session_id]])
        return (line for line in decoded if line.seq > since)

    def position(self, session_id: str) -> int:
        """See SessionStorage."""
        return self.read(session_id).size

    def put_checkpoint(self, session_id: str, checkpoint: SessionCheckpoint) -> None:
        """See SessionStorage."""
        self.read(session_id)
        kept = forms.decode(forms.encode(checkpoint), checkpoint.seq)
        self._checkpoints.setdefault(session_id, {})[checkpoint.seq] = kept

    def checkpoints(self, session_id: str) -> Sequence[SessionCheckpoint]:
        """See SessionStorage."""
        self.read(session_id)
        return [checkpoint for _, checkpoint in sorted(self._checkpoints.get(session_id, {}).items())]

    def checkpoint(self, session_id: str, seq: int) -> SessionCheckpoint:
        """See SessionStorage; what is in memory is never damaged."""
        found = {one.seq: one for one in self.checkpoints(session_id)}
        if seq not in found:
            raise no_checkpoint(session_id, seq, found)
        return found[seq]

    def drop_checkpoint(self, session_id: str, seq: int) -> None:
        """See SessionStorage."""
        self.read(session_id)
        self._checkpoints.get(session_id, {}).pop(seq, None)
