"""The five states of a session, and what is told of its progress and its end."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from mas.config import SessionConfig
from mas.events import TimestampedEvent
from mas.iteration import IterationChanges
from mas.lifecycle import COARSE, Coarse, SessionStatus
from mas.structs import Frozen


class Created(Frozen):
    """The record exists, no work was begun."""


class Running(Frozen):
    """Work goes on in round ``iteration``, 0 before the first."""

    iteration: int


class Paused(Frozen):
    """Work rests."""

    reason: str


class SessionSummary(Frozen):
    """What a completed session amounts to. Durations are seconds, pauses left out."""

    session_id: str = ""
    started_at: str = ""
    completed_at: str = ""
    duration_seconds: float = 0.0
    iterations: int = 0
    commands: int = 0
    failed_commands: int = 0
    file_changes: int = 0
    lines_added: int = 0
    lines_removed: int = 0
    commits: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The summary as JSON values."""
        return dict(vars(self))


class Completed(Frozen):
    """Work is done."""

    summary: SessionSummary


class Failed(Frozen):
    """Work ended without success."""

    error: str


SessionState = Created | Running | Paused | Completed | Failed


class ExecutedCommand(Frozen):
    """A command that was reported, and when."""

    command: str
    success: bool
    timestamp: str
    output: str = ""


class IterationMetrics(Frozen):
    """One iteration: when it ran and what it changed. ``completed_at`` is empty while it is open."""

    number: int
    started_at: str
    completed_at: str = ""
    duration_seconds: float = 0.0
    success: bool = True
    changes: IterationChanges = IterationChanges()


class SessionMetrics(Frozen):
    """The iterations of a session in their order."""

    iterations: tuple[IterationMetrics, ...] = ()


class SessionProgress(Frozen):
    """How far a session is. ``duration`` leaves pauses out; ``files_changed`` are relative to the project.

    ``timeout`` is how long the session's configuration lets it work; nobody ends a session for it.
    """

    state: SessionState
    iterations_completed: int
    total_iterations: int
    files_changed: frozenset[Path]
    commands_executed: tuple[ExecutedCommand, ...]
    duration: timedelta
    current_phase: str | None
    metrics: SessionMetrics = SessionMetrics()
    timeout: timedelta = timedelta(0)

    @property
    def overdue(self) -> bool:
        """Whether the session has worked longer than its configuration lets it."""
        return bool(self.timeout) and self.duration > self.timeout


class SessionCheckpoint(Frozen):
    """A state to go back to. ``state_snapshot`` is the record as it was; a terminal one is not ``resumable``."""

    iteration: int
    timestamp: str
    state_snapshot: Mapping[str, Any]
    resumable: bool = True

    @property
    def seq(self) -> int:
        """Number of the log record the checkpoint stands at."""
        return int(self.state_snapshot.get("rev", 0))

    def to_dict(self) -> dict[str, Any]:
        """The checkpoint as JSON values, with its number."""
        return {
            "seq": self.seq,
            "iteration": self.iteration,
            "timestamp": self.timestamp,
            "resumable": self.resumable,
            "state_snapshot": dict(self.state_snapshot),
        }


class PersistedSession(Frozen):
    """A whole session as a storage saves and loads it."""

    id: str
    config: SessionConfig | None
    state: SessionState
    events: tuple[TimestampedEvent, ...] = ()
    checkpoints: tuple[SessionCheckpoint, ...] = ()
    document: Mapping[str, Any] = {}

    def __repr__(self) -> str:
        """The session without its record, which is long and may hold what nobody wants in a message."""
        return f"PersistedSession(id={self.id!r}, state={self.state!r})"


class SessionInfo(Protocol):
    """What every session that a query returns can be asked; ``mas.session.Session`` answers all of it."""

    @property
    def id(self) -> str:
        """The session's id."""

    @property
    def state(self) -> SessionState:
        """Which of the five states it is in."""

    @property
    def iteration(self) -> int:
        """The latest iteration."""

    @property
    def label(self) -> str:
        """The name a person gave it."""

    @property
    def mode(self) -> str | None:
        """``isolated``, ``legacy`` or None."""


def state_of(document: Mapping[str, Any]) -> SessionState:
    """The state a record describes. What an older program did not write is filled in: "unknown", or empty."""
    lifecycle = document.get("lifecycle") or {}
    match COARSE[SessionStatus(document["status"])]:
        case Coarse.CREATED:
            return Created()
        case Coarse.RUNNING:
            return Running(lifecycle.get("iteration", 0))
        case Coarse.PAUSED:
            return Paused((lifecycle.get("pause") or {}).get("reason", "unknown"))
        case Coarse.COMPLETED:
            return Completed(summary_of(document))
        case _:
            return Failed(lifecycle.get("error", "unknown"))


def summary_of(document: Mapping[str, Any]) -> SessionSummary:
    """The summary a completed record holds; an empty one where an older program wrote none."""
    stored = (document.get("lifecycle") or {}).get("summary") or {}
    known = SessionSummary.__match_args__
    return SessionSummary(**{name: value for name, value in stored.items() if name in known})
