"""SessionManager: the one way by which a session changes.

Maestro's methods and specification 58's in one class. Each change is: the session's lock, the record as it is, the guard,
the log, the snapshot; then the projections; observers hear of it outside all locks. A refusal writes not a byte.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mas import events, fields, git, guard, lifecycle, queries, record, runtime
from mas.clock import new_id, utc_now
from mas.config import SessionConfig
from mas.errors import DamagedError, RefusedError
from mas.events import SessionEvent, TimestampedEvent
from mas.filestore import FileStorage
from mas.lifecycle import SessionPhase, SessionStatus
from mas.lines import Line
from mas.observers import Dispatcher, Observer
from mas.paths import Root, check_session_id
from mas.progress import fold_progress
from mas.projections import Projections
from mas.record import Document
from mas.replay import Entry, Stored
from mas.session import Session, SessionConfiguration, SessionStatistics, from_document
from mas.states import SessionCheckpoint, SessionProgress, SessionState, SessionSummary, summary_of
from mas.storage import Build, SessionStorage, timestamped

MAX_CHECKPOINTS = 20
"""Checkpoints kept of one session; the oldest go first."""

Decide = Callable[[Document, str], Sequence[Entry]]
"""From the record and the time to the records that are to follow; raises RefusedError where none may."""

Probe = Callable[[Document], runtime.Observed]
"""Asks whether a session's team is up, of whoever can tell."""


def nobody_knows(document: Document) -> runtime.Observed:
    """The probe of a program that starts no teams."""
    del document
    return "unknown"


class SessionManager:
    """Sessions of one storage. Thread-safe: one writer per session at a time, readers take no lock.

    Without arguments the records live below ``.flow/maestro`` of the git repository around the working directory, or
    of that directory where there is none.
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
        self.repo_root = Path(repo_root) if repo_root else git.find_root(Path.cwd()) or Path.cwd()
        self.storage: SessionStorage = storage or FileStorage(Root(self.repo_root / ".flow" / "maestro", maestro=True))
        of_mas = isinstance(self.storage, FileStorage) and not self.storage.root.maestro
        self._projections = Projections(self.storage) if of_mas and isinstance(self.storage, FileStorage) else None
        self._probe, self._clock, self._make_id = probe, clock, make_id
        self._dispatcher = Dispatcher(self.events)

    @property
    def sessions_dir(self) -> Path:
        """Directory of the sessions; raises RefusedError where they are not in files."""
        if isinstance(self.storage, FileStorage):
            return self.storage.root.sessions
        msg = "these sessions are not kept in files"
        raise RefusedError(msg)

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
        parent: str | None = None,
    ) -> Document:
        """The first record of a session that is not yet stored. Raises RefusedError for a value it may not have."""
        now, project = self._clock(), config.project_path if config else self.repo_root
        settings = configuration or SessionConfiguration(max_iterations=config.max_iterations if config else 3)
        context = git.context(project)
        document: dict[str, Any] = {
            "session_id": check_session_id(session_id) if session_id is not None else self._make_id(),
            "feature_request": fields.FIELDS["feature_request"](feature_request or "", "feature_request"),
            "status": SessionStatus.INITIALIZING.value,
            "created_at": now,
            "updated_at": now,
            "git_context": fields.check_part("git_context", context._asdict()),
            "statistics": SessionStatistics().to_dict(),
            "configuration": fields.check_part("configuration", settings),
        }
        own = {"config": config.to_json() if config else None, "parent_session_id": parent}
        return document | {"lifecycle": {name: value for name, value in own.items() if value is not None}}

    def create(self, document: Document, build: Build | None = None) -> Session:
        """Store a drafted session; ``build`` fills its directory before it comes into sight."""
        stored = self.storage.create(document, document["created_at"], build)
        if self._projections:
            self._projections.publish(document["session_id"])
        return from_document(stored.document)

    def retry(self, session_id: str, *, checkpoint: SessionCheckpoint | None = None) -> Document:
        """The draft of a child that begins again with the parent's request and configuration."""
        parent = checkpoint.state_snapshot if checkpoint else self.storage.read(session_id).document
        config = record.lifecycle_of(parent).get("config")
        draft = self.draft(
            parent["feature_request"],
            from_document(parent).configuration,
            config=SessionConfig.from_json(config) if config else None,
            parent=session_id,
        )
        return {**draft, **{name: parent[name] for name in ("prd_reference", "current_phase") if name in parent}}

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
        chosen = queries.Filter(
            lifecycle.parse_status(status) if status else None,
            lifecycle.parse_phase(phase) if phase else None,
            created_after,
            created_before,
            branch,
            queries.check_limit(limit),
        )
        return [from_document(document) for document in chosen.select(self._documents())]

    def list_active_sessions(self) -> list[Session]:
        """Sessions that have not ended, newest first."""
        return [session for session in self.query_sessions() if session.status not in lifecycle.TERMINAL]

    def get_recent_sessions(self, count: int = 10) -> list[Session]:
        """The newest ``count`` sessions; 0 means all."""
        return self.query_sessions(limit=count)

    def get_state(self, session_id: str) -> SessionState:
        """The state of specification 58."""
        return self.get_session(session_id).state

    def get_progress(self, session_id: str) -> SessionProgress:
        """How far the session is, with the full lists of files and commands."""
        document = self.storage.read(session_id).document
        return fold_progress(document, self.storage.records(session_id), self._clock())

    def events(self, session_id: str, since: int = 0) -> list[TimestampedEvent]:
        """The events with a number above ``since``, oldest first, whoever recorded them."""
        return [timestamped(line) for line in self.records(session_id, since) if line.type in events.TYPES]

    def records(self, session_id: str, since: int = 0) -> Iterator[Line]:
        """Every record of the log with a number above ``since``, also those that are no events."""
        self.storage.read(session_id)
        return self.storage.records(session_id, since)

    def _documents(self) -> Iterator[Document]:
        for session_id in self.storage.list():
            try:
                yield self.storage.read(session_id).document
            except (DamagedError, FileNotFoundError):
                continue

    # --- changing ---

    def start_session(self, session_id: str) -> Session:
        """Begin the work: initializing → planning, one Started event."""
        return self.record_event(session_id, events.Started(self._config(session_id)))

    def transition_state(self, session_id: str, new_state: SessionStatus | str) -> Session:
        """Move to another status; raises RefusedError where the table of transitions does not lead there."""
        return self.change(session_id, lambda document, now: self._transition(document, new_state, now))

    def record_event(self, session_id: str, event: SessionEvent) -> Session:
        """Record an event; raises RefusedError where it cannot happen now."""
        return self.change(session_id, lambda document, now: guard.consequences(document, event, now))

    def complete_session(self, session_id: str) -> SessionSummary:
        """End the work with success, whatever running status it is in; the summary is stored with it."""
        return summary_of(self.record_event(session_id, events.Completed()).document)

    def update_session(self, session_id: str, updates: Mapping[str, Any]) -> Session:
        """Change fields. ``status`` goes the way of a transition; statistics and configuration merge."""
        return self.change(session_id, lambda document, now: self._updates(document, updates, now))

    def observe(self, session_id: str, changes: Mapping[str, Any]) -> Session:
        """Record what is wanted or was seen of the team; nothing is written where that is known."""
        return self.change(session_id, lambda document, _: guard.news(document, changes))

    def change(self, session_id: str, decide: Decide) -> Session:
        """Write what ``decide`` says, and whatever follows from it, under the session's lock."""
        with self.storage.lock(session_id):
            now = self._clock()
            stored = self.storage.prepare(session_id, now)
            before = stored.document
            lost = self._lost(before, now)
            stored = self._append(session_id, stored, lost, now)
            entries = decide(stored.document, now)
            stored = self._append(session_id, stored, entries, now)
        if self._projections and self._projections.differ(before, stored.document):
            self._projections.publish(session_id)
        if any(kind == "iteration_completed" for kind, _ in entries) and _automatic(stored):
            self.save_checkpoint(session_id)
        return from_document(stored.document)

    def delete_session(self, session_id: str, *, force: bool = False) -> None:
        """Remove a session and all its files; one that is wanted up is refused without ``force``."""
        with self.storage.lock(session_id):
            document = self._document_or_none(session_id)
            if document and runtime.wanted_up(document) and not force:
                msg = f"session {session_id} is wanted up"
                raise RefusedError(msg, hint=f"`mas stop {session_id}` first, or delete it by force")
            self._remove(session_id)

    def _remove(self, session_id: str) -> None:
        if not isinstance(self.storage, FileStorage):
            self.storage.delete(session_id)
            return
        discarded = self.storage.discard(session_id)
        if self._projections:
            self._projections.forget(session_id)
        self.storage.erase(session_id, discarded)

    # --- checkpoints ---

    def save_checkpoint(self, session_id: str) -> SessionCheckpoint:
        """Keep the record as it is now; the oldest checkpoint goes where there are more than MAX_CHECKPOINTS."""
        self.change(session_id, lambda _document, _now: [("checkpoint", {})])
        document = self.storage.read(session_id).document
        resumable = record.status_of(document) not in lifecycle.TERMINAL
        iteration = record.lifecycle_of(document).get("iteration", 0)
        checkpoint = SessionCheckpoint(iteration, document["updated_at"], document, resumable)
        with self.storage.lock(session_id):
            self.storage.put_checkpoint(session_id, checkpoint)
        self.prune_checkpoints(session_id, MAX_CHECKPOINTS)
        return checkpoint

    def prune_checkpoints(self, session_id: str, keep: int) -> list[int]:
        """Drop all whole checkpoints but the newest ``keep`` (at least one stays); returns the numbers dropped."""
        with self.storage.lock(session_id):
            old = [checkpoint.seq for checkpoint in self.storage.checkpoints(session_id)][: -max(1, keep)]
            for seq in old:
                self.storage.drop_checkpoint(session_id, seq)
        return old

    def restore_session(self, session_id: str) -> Session:
        """The session by replay of its whole log; nothing on disk changes. Raises DamagedError where it is broken."""
        stored = self.storage.read(session_id)
        document: Document | None = None
        for line in self.storage.records(session_id):
            document = record.fold(document, line.type, line.data, line.seq, line.ts)
        if stored.damage or (document and document["rev"] < stored.document["rev"] and stored.edited is None):
            msg = f"the log of session {session_id} is damaged: {stored.damage or 'it ends early'}"
            raise DamagedError(msg, hint=f"`mas doctor {session_id}` shows where")
        return from_document(document or stored.document)

    # --- observers ---

    def add_observer(self, observer: Observer) -> None:
        """Tell a callable or a SessionObserver of every event that this manager records from now on."""
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

    # --- details ---

    def _config(self, session_id: str) -> SessionConfig | None:
        config = record.lifecycle_of(self.storage.read(session_id).document).get("config")
        return SessionConfig.from_json(config) if config else None

    def _document_or_none(self, session_id: str) -> Document | None:
        try:
            return self.storage.read(session_id).document
        except DamagedError:
            return None

    def _lost(self, document: Document, now: str) -> list[Entry]:
        """Records for a team that is gone without having been stopped: noticed by whoever writes first, once."""
        if not runtime.wanted_up(document) or not runtime.lost(document, self._probe(document)):
            return []
        down: list[Entry] = [("runtime", {"observed": "down"})]
        if record.status_of(document) in lifecycle.RUNNING:
            down.append(guard.admit(document, events.Paused(runtime.INTERRUPTED, by="mas"), now))
        return down

    def _transition(self, document: Document, new_state: SessionStatus | str, now: str) -> list[Entry]:
        event = guard.transition_event(document, lifecycle.parse_status(new_state))
        if isinstance(event, events.Started):
            event = events.Started(self._config(document["session_id"]))
        return guard.consequences(document, event, now)

    def _updates(self, document: Document, updates: Mapping[str, Any], now: str) -> list[Entry]:
        values = fields.check_updates(document, updates)
        entries: list[Entry] = [("updated", {"set": values})] if values or "status" not in updates else []
        if "status" in updates and updates["status"] != document["status"]:
            return [*self._transition(document, updates["status"], now), *entries]
        return entries

    def _append(self, session_id: str, stored: Stored, entries: Sequence[Entry], now: str) -> Stored:
        """Append, and hand the events to the dispatcher while the lock still keeps them in order; it calls nobody yet."""
        if not entries:
            return stored
        grown = self.storage.append(session_id, stored, entries, now)
        first = grown.document["rev"] - len(entries) + 1
        for seq, (kind, data) in enumerate(entries, first):
            if kind in events.TYPES:
                happened = events.TimestampedEvent(seq, now, events.from_log(kind, data))
                self._dispatcher.publish(session_id, happened)
        return grown


def _automatic(stored: Stored) -> bool:
    return bool((stored.document.get("configuration") or {}).get("auto_checkpoint", True))
