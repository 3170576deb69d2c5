"""SessionManager: the one way by which a session changes, with Maestro's methods and those for events and iterations.

Each change is a turn: the session's lock, the record as it is, the guard, the log, the snapshot; then the projections;
observers hear of it outside all locks. A refusal writes not a byte. What an event needs from git is asked before the
lock is taken; a worktree is made while it is held.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

from mas import drafts, git, guard, labels, lifecycle, maestro, queries, record, replay, runtime, worksite
from mas.clock import new_id, utc_now
from mas.config import SessionConfig
from mas.errors import DamagedError, MasError, RefusedError
from mas.events import Completed, SessionEvent, TimestampedEvent
from mas.filestore import FileStorage
from mas.lifecycle import SessionPhase, SessionStatus
from mas.lines import Line
from mas.observers import Dispatcher, Observer
from mas.paths import SessionPaths, absolute, check_new_id
from mas.progress import fold_progress
from mas.projections import Projections
from mas.record import Document
from mas.replay import Entry
from mas.session import Session, SessionConfiguration, from_document
from mas.states import SessionCheckpoint, SessionProgress, SessionState, SessionSummary, summary_of
from mas.storage import Build, SessionStorage, not_found
from mas.turns import Probe, Turn, Turns, nobody_knows

Decide = Callable[[Document, str], Sequence[Entry]]
"""From the record and the time to the records that are to follow; raises RefusedError where none may."""


class SessionManager:
    """Sessions of one storage. Thread-safe: one writer per session at a time, readers take no lock.

    Without arguments the records live below ``.flow/maestro`` of the git repository around the working directory, where
    there is none of a directory around it that has a ``.flow/maestro``, else of itself.
    """

    STATE_TRANSITIONS = lifecycle.TRANSITIONS

    def __init__(
        self,
        repo_root: str | Path | None = None,
        *,
        storage: SessionStorage | None = None,
        probe: Probe = nobody_knows,
        clock: Callable[[], str] = utc_now,
        make_id: Callable[[], str] = new_id,
    ) -> None:
        here = Path.cwd()
        self.repo_root = absolute(repo_root, here) if repo_root else git.find_root(here) or maestro.around(here)
        if storage is None:
            from mas import engines  # noqa: PLC0415  sessions with teams bring theirs with them

            storage = engines.open_storage(maestro.root_of(self.repo_root), os.environ)
        self.storage = storage
        of_mas = isinstance(self.storage, FileStorage) and not self.storage.root.maestro
        self._projections = Projections(self.storage) if of_mas and isinstance(self.storage, FileStorage) else None
        self._clock, self.make_id = clock, make_id
        self._dispatcher = Dispatcher(self.events)
        self._turns = Turns(self.storage, self._projections, probe=probe, clock=clock, tell=self._dispatcher.publish)

    @property
    def sessions_dir(self) -> Path:
        """Directory of the sessions, there to put files into; raises RefusedError where they are not in files."""
        if isinstance(self.storage, FileStorage):
            return maestro.prepared(self.storage.root).sessions
        raise RefusedError("these sessions are not kept in files", hint="give the manager a FileStorage")

    # --- creating ---

    def create_session(
        self,
        feature_request: str | None = "",
        configuration: SessionConfiguration | None = None,
        *,
        config: SessionConfig | None = None,
        session_id: str | None = None,
    ) -> Session:
        """Begin a session, its status initializing. Raises ExistsError, RefusedError."""
        return self.create(self.draft(feature_request, configuration, config=config, session_id=session_id))

    def draft(
        self,
        feature_request: str | None = "",
        configuration: SessionConfiguration | None = None,
        *,
        config: SessionConfig | None = None,
        session_id: str | None = None,
        place: Path | None = None,
    ) -> Document:
        """The first record of a session that is not yet stored, for work at ``place``. Raises RefusedError."""
        return drafts.first_record(
            session_id=check_new_id(session_id) if session_id is not None else self.make_id(),
            feature_request=feature_request or "",
            configuration=configuration,
            config=config,
            place=place or self.repo_root,
            now=self._clock(),
        )

    def create(self, document: Document, build: Build | None = None) -> Session:
        """Store a drafted session; ``build`` fills its directory before it comes into sight.

        A git worktree it asks for is made right after that; where it cannot be, nothing stays.
        """
        session_id, with_worktree = document["session_id"], record.lacks_worktree(document)
        if with_worktree:
            self._worktree(session_id)  # raises where sessions are not in files, before one is stored
        if isinstance(self.storage, FileStorage) and self.storage.root.maestro:
            maestro.install_schema(self.storage.root)
        with self.storage.lock(session_id):
            stored = self.storage.create(document, document["created_at"], build)
            if with_worktree:
                stored = self._with_worktree(session_id).stored
        self._turns.publish(session_id)
        return from_document(stored.document)

    def _with_worktree(self, session_id: str) -> Turn:
        try:
            return self.finish_worktree(session_id, begun=False)
        except BaseException:
            self._remove(session_id, force=True)
            raise

    def finish_worktree(self, session_id: str, *, begun: bool = True) -> Turn:
        """Make the git worktree of a session that lacks it, or put on record the one that is there."""
        place = self._worktree(session_id)
        with self._turns.at(session_id) as turn:
            if record.lacks_worktree(turn.document):
                turn.append([("worktree", worksite.add_worktree(turn.document, place, begun=begun))])
            return turn

    def _worktree(self, session_id: str) -> Path:
        return SessionPaths(self.sessions_dir / session_id).worktree

    def retry(self, session_id: str, *, checkpoint: SessionCheckpoint | None = None) -> Document:
        """The draft of a child that begins again with the parent's request and configuration, or a checkpoint's.

        Where the parent has a worktree of its own, the child gets another, on a branch of its own.
        """
        parent = self.storage.read(session_id).document
        basis = checkpoint.state_snapshot if checkpoint else parent
        place = Path(runtime.code_of(parent) or self.repo_root)
        return drafts.child(basis, session_id=self.make_id(), place=place, now=self._clock())

    # --- reading ---

    def get_session(self, session_id: str) -> Session:
        """The session as it is. Raises NotFoundError (InvalidIdError for a malformed id), DamagedError."""
        return from_document(self.storage.read(session_id).document)

    def query_sessions(
        self,
        status: SessionStatus | str | None = None,
        phase: SessionPhase | str | None = None,
        created_after: str | None = None,
        created_before: str | None = None,
        branch: str | None = None,
        limit: int | None = None,
    ) -> list[Session]:
        """Sessions that fit every filter given, newest first; both bounds belong to their range, limit 0 is none.

        A session that cannot be read is passed over; ``get_session`` says why.
        """
        chosen = queries.asked_for(status, phase, created_after, created_before, branch, limit)
        return [from_document(document) for document in chosen.select(self._documents())]

    def list_active_sessions(self) -> list[Session]:
        """Sessions that have not ended, newest first."""
        return [session for session in self.query_sessions() if session.status not in lifecycle.TERMINAL]

    def get_recent_sessions(self, count: int = 10) -> list[Session]:
        """The newest ``count`` sessions; 0 means all."""
        return self.query_sessions(limit=count)

    def get_state(self, session_id: str) -> SessionState:
        """Which of the five states it is in."""
        return self.get_session(session_id).state

    def get_progress(self, session_id: str) -> SessionProgress:
        """How far the session is, with the full lists of files and commands. Raises DamagedError."""
        document = self.storage.read(session_id).document
        return fold_progress(document, replay.happened(self.storage.records(session_id)), self._clock())

    def events(self, session_id: str, since: int = 0) -> list[TimestampedEvent]:
        """The events with a number above ``since``, oldest first, whoever recorded them. Raises DamagedError."""
        return [*replay.happened(self.storage.records(session_id, since))]

    def records(self, session_id: str, since: int = 0) -> Iterator[Line]:
        """Every record of the log with a number above ``since``, also those that are no events."""
        return self.storage.records(session_id, since)

    def _documents(self) -> Iterator[Document]:
        for session_id in self.storage.list():
            with suppress(MasError, FileNotFoundError):
                yield self.storage.read(session_id).document

    # --- changing ---

    def start_session(self, session_id: str) -> Session:
        """Begin the work: initializing → planning, one Started event."""
        return self.change(session_id, lambda document, now: guard.consequences(document, guard.start(document), now))

    def transition_state(self, session_id: str, new_state: SessionStatus | str) -> Session:
        """Move to another status; raises RefusedError where the table of transitions does not lead there."""
        wanted = lifecycle.parse_status(new_state)
        extra = self._completing(session_id, wanted)
        return self.change(session_id, lambda document, now: guard.transition(document, wanted, now, extra))

    def record_event(self, session_id: str, event: SessionEvent) -> Session:
        """Record an event; raises RefusedError where it cannot happen now."""
        event, extra = self._asked(session_id, event)
        return self.change(session_id, lambda document, now: guard.consequences(document, event, now, extra))

    def _asked(self, session_id: str, event: SessionEvent) -> tuple[SessionEvent, Mapping[str, Any]]:
        """The event with what git has to say, and what is written beside it; git is asked outside the lock."""
        if type(event) not in worksite.ASKING:
            return event, {}
        document = self.storage.read(session_id).document
        guard.admit(document, event, self._clock())
        return worksite.asked(document, event, self._excluded(), self.events)

    def _excluded(self) -> Sequence[Path]:
        """What may lie in the project and is ours."""
        return [self.storage.root.path] if isinstance(self.storage, FileStorage) else []

    def complete_session(self, session_id: str) -> SessionSummary:
        """End the work with success, whatever running status it is in; the summary is stored with it."""
        return summary_of(self.record_event(session_id, Completed()).document)

    def update_session(self, session_id: str, updates: Mapping[str, Any]) -> Session:
        """Change fields, all of them or none. ``status`` goes the way of a transition, two of the tables merge.

        Raises RefusedError, ExistsError for a label that another session has.
        """
        said = updates if isinstance(updates, Mapping) else {}
        extra = self._completing(session_id, said.get("status"))
        with labels.given(self.storage, self._projections, session_id, said.get("label")):
            return self.change(session_id, lambda document, now: guard.update(document, updates, now, extra))

    def _completing(self, session_id: str, wanted: object) -> Mapping[str, Any]:
        if not isinstance(wanted, str) or lifecycle.plain_word(wanted) != SessionStatus.COMPLETED:
            return {}
        document = self.storage.read(session_id).document
        if document["status"] == SessionStatus.COMPLETED:
            return {}
        return worksite.asked(document, guard.transition_event(document, SessionStatus.COMPLETED))[1]

    def observe(self, session_id: str, changes: Mapping[str, Any]) -> Session:
        """Record what is wanted or was seen of the team; nothing is written where that is known."""
        return self.change(session_id, lambda document, _: guard.news(document, changes))

    def change(self, session_id: str, decide: Decide) -> Session:
        """Write what ``decide`` says, and whatever follows from it, in a turn of its own."""
        with self._turns.at(session_id) as turn:
            entries = decide(turn.document, turn.now)
            turn.append(entries)
            completed = any(kind == "iteration_completed" for kind, _ in entries)
            if completed and record.configured(turn.document, "auto_checkpoint"):
                with suppress(MasError):  # the event stands; that there is no checkpoint can be seen
                    turn.save_checkpoint()
        return from_document(turn.document)

    def delete_session(self, session_id: str, *, force: bool = False) -> None:
        """Remove a session and all its files.

        Without ``force`` one that is wanted up is refused, one that cannot be read, and one whose worktree holds work
        that is only there.
        """
        if not self.storage.has(session_id):
            raise not_found(session_id)
        with self.storage.lock(session_id):
            self._remove(session_id, force=force)

    def _remove(self, session_id: str, *, force: bool) -> None:
        document: Document = {}
        with suppress(DamagedError) if force else nullcontext():
            document = self.storage.read(session_id).document
        if runtime.wanted_up(document) and not force:
            raise RefusedError(f"session {session_id} is wanted up", hint=f"`mas stop {session_id}`, or use force")
        if not isinstance(self.storage, FileStorage):
            self.storage.delete(session_id)
            return
        worksite.remove_worktree(document, self._worktree(session_id), force=force)
        discarded = self.storage.discard(session_id)
        self._turns.forget(session_id)
        self.storage.erase(session_id, discarded)

    # --- checkpoints ---

    def save_checkpoint(self, session_id: str) -> SessionCheckpoint:
        """Keep the record as it is now; the oldest checkpoint goes where there are more than MAX_CHECKPOINTS."""
        with self._turns.at(session_id) as turn:
            return turn.save_checkpoint()

    def prune_checkpoints(self, session_id: str, keep: int) -> list[int]:
        """Drop all whole checkpoints but the newest ``keep`` (at least one stays); returns the numbers dropped."""
        with self._turns.at(session_id) as turn:
            return turn.prune_checkpoints(keep)

    def restore_session(self, session_id: str) -> Session:
        """The session by replay of its whole log; nothing on disk changes. Raises DamagedError where it is broken."""
        stored = self.storage.read(session_id)
        if stored.damage:
            raise DamagedError(f"session {session_id} is damaged: {stored.damage}", hint=f"`mas doctor {session_id}`")
        return from_document(replay.folded(self.storage.records(session_id)) or stored.document)

    # --- observers ---

    def add_observer(self, observer: Observer) -> None:
        """Tell a function or a SessionObserver of every event that this manager records from now on."""
        self._dispatcher.add(observer)

    def remove_observer(self, observer: Observer) -> None:
        """Tell it no more."""
        self._dispatcher.remove(observer)

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until the observers heard everything recorded so far; False where ``timeout`` seconds were too few."""
        return self._dispatcher.flush(timeout)

    def close(self) -> None:
        """Let the observers finish and end their threads."""
        self._dispatcher.close()
