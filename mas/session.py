"""The parts of a session's record, as the objects callers hold.

These are plain mutable copies: changing one changes nothing stored. ``to_dict`` gives the keys of ``metadata.json`` in
their order, absent values left out. The constructors take what older programs wrote; what may be written is decided by
``mas.fields``.
"""

from collections.abc import Callable, Mapping
from typing import Any

from mas.lifecycle import SessionPhase, SessionStatus
from mas.states import SessionState, state_of
from mas.structs import Struct, field


class GitContext(Struct):
    """Where the repository stood. Outside a repository ``branch`` and ``commit`` are empty."""

    branch: str
    commit: str
    repo_root: str
    is_worktree: bool = False
    worktree_name: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The context as JSON values; a missing worktree name is left out."""
        return _present(self)


class PRDReference(Struct):
    """The requirements document a session works from."""

    filename: str
    path: str
    version: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The reference as JSON values; a missing version is left out."""
        return _present(self)


class SessionStatistics(Struct):
    """Counts that an orchestrator keeps; ``duration_seconds`` is a number of at least 0."""

    total_tasks: int = 0
    completed_tasks: int = 0
    failed_tasks: int = 0
    decisions_made: int = 0
    checkpoints_created: int = 0
    error_recovery_count: int = 0
    duration_seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The counts as JSON values."""
        return _present(self)


class SessionConfiguration(Struct):
    """Limits and switches of a session."""

    max_iterations: int = 3
    timeout_minutes: int = 120
    auto_checkpoint: bool = True
    error_recovery_enabled: bool = True

    def to_dict(self) -> dict[str, Any]:
        """The configuration as JSON values."""
        return _present(self)


class Session(Struct):
    """One session. Besides Maestro's fields it answers what ``SessionInfo`` asks."""

    session_id: str
    feature_request: str
    status: SessionStatus
    created_at: str
    git_context: GitContext
    current_phase: SessionPhase | None = None
    updated_at: str | None = None
    completed_at: str | None = None
    prd_reference: PRDReference | None = None
    statistics: SessionStatistics = field(default_factory=SessionStatistics)
    configuration: SessionConfiguration = field(default_factory=SessionConfiguration)
    document: Mapping[str, Any] = field(default_factory=dict)
    """The record this was read from: to be read, never changed, and neither compared nor shown."""

    def __post_init__(self) -> None:
        """Turn words into members of their enumerations."""
        self.status = SessionStatus(self.status)
        if self.current_phase is not None:
            self.current_phase = SessionPhase(self.current_phase)

    def __getattr__(self, name: str) -> Any:
        """A part that was not made yet."""
        if name not in _PARTS or "document" not in self.__dict__:
            raise AttributeError(name)
        part = self.__dict__[name] = _PARTS[name](self.document.get(name))
        return part

    @property
    def id(self) -> str:
        """The session's id."""
        return self.session_id

    @property
    def state(self) -> SessionState:
        """Which of the five states the record describes."""
        return state_of(self.document or self.to_dict())

    @property
    def iteration(self) -> int:
        """The latest iteration, 0 before the first."""
        return int(self._own("lifecycle").get("iteration", 0))

    @property
    def label(self) -> str:
        """The name a person gave it, or an empty text."""
        return str(self._own("runtime").get("label", ""))

    @property
    def mode(self) -> str | None:
        """``isolated``, ``legacy``, or None for a session that is only a record."""
        mode = self._own("runtime").get("mode")
        return str(mode) if mode else None

    @property
    def parent_session_id(self) -> str | None:
        """The session this one was retried or restored from."""
        parent = self._own("lifecycle").get("parent_session_id")
        return str(parent) if parent else None

    @property
    def rev(self) -> int:
        """Number of the last record in the session's log."""
        return int(self.document.get("rev", 0))

    def _told(self) -> dict[str, Any]:
        return {name: value for name, value in super()._told().items() if name != "document"}

    def _own(self, part: str) -> Mapping[str, Any]:
        return self.document.get(part) or {}

    def to_dict(self) -> dict[str, Any]:
        """Maestro's keys in their order; what is None is left out."""
        values = {
            "session_id": self.session_id,
            "feature_request": self.feature_request,
            "status": self.status.value,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "completed_at": self.completed_at,
            "git_context": self.git_context.to_dict(),
            "current_phase": self.current_phase.value if self.current_phase else None,
            "prd_reference": self.prd_reference.to_dict() if self.prd_reference else None,
            "statistics": self.statistics.to_dict(),
            "configuration": self.configuration.to_dict(),
        }
        return {key: value for key, value in values.items() if value is not None}


def from_document(document: Mapping[str, Any]) -> Session:
    """The session of a record. Missing parts take their defaults, unknown keys are passed over.

    A query makes thousands, so no constructor is called, and most parts are made when they are first asked for. Raises
    KeyError, TypeError or ValueError where the record lacks what every session has.
    """
    phase = document.get("current_phase")
    made = object.__new__(Session)
    made.__dict__ = {
        "session_id": document["session_id"],
        "feature_request": document["feature_request"],
        "status": _STATUSES.get(document["status"]) or SessionStatus(document["status"]),
        "created_at": document["created_at"],
        "current_phase": None if phase is None else SessionPhase(phase),
        "updated_at": document.get("updated_at"),
        "completed_at": document.get("completed_at"),
        "prd_reference": _prd_reference(document.get("prd_reference")),
        "document": document,
    }
    return made


def check_document(document: Mapping[str, Any]) -> None:
    """Raise KeyError, TypeError, ValueError or AttributeError for a document that describes no session."""
    session = from_document(document)
    for name in _PARTS:
        getattr(session, name)


def _part(kind: type[Any], values: Mapping[str, Any] | None) -> Any:
    known = kind.__match_args__
    return kind(**{name: value for name, value in (values or {}).items() if name in known})


def _git_context(values: Mapping[str, Any] | None) -> GitContext:
    """One that an older program left parts of out is read all the same."""
    found: GitContext = _part(GitContext, {"branch": "", "commit": "", "repo_root": "", **(values or {})})
    return found


def _prd_reference(values: Mapping[str, Any] | None) -> PRDReference | None:
    return _part(PRDReference, {"filename": "", "path": "", **values}) if values else None


_STATUSES = {status.value: status for status in SessionStatus}
_PARTS: dict[str, Callable[[Any], Any]] = {
    "git_context": _git_context,
    "statistics": lambda values: _part(SessionStatistics, values),
    "configuration": lambda values: _part(SessionConfiguration, values),
}


def _present(part: Any) -> dict[str, Any]:
    values = {name: getattr(part, name) for name in part.__match_args__}
    return {name: value for name, value in values.items() if value is not None}
