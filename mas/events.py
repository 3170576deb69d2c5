"""The event vocabulary: ten things that can happen to a session, frozen, checked where they are made.

An event is what observers hear. How it changes the record is said in ``mas.record``; how it is written is said in
``mas.lines``. A log also holds records that are no events (a snapshot imported, the runtime observed); those have no
class here and reach no observer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mas.config import SessionConfig
from mas.errors import RefusedError, shorten
from mas.lifecycle import RUNNING, SessionStatus, parse_status


def _check_text(value: object, name: str, *, empty: bool = False) -> None:
    if not isinstance(value, str) or not (value or empty):
        msg = f"{name} is {shorten(value)}, expected text"
        raise RefusedError(msg)


def _check_count(value: object, name: str, least: int = 0) -> None:
    if type(value) is not int or value < least:
        msg = f"{name} is {shorten(value)}, expected a whole number of at least {least}"
        raise RefusedError(msg)


@dataclass(frozen=True, slots=True)
class CommitInfo:
    """One git commit. ``sha`` is its full hexadecimal name, ``timestamp`` ISO 8601."""

    sha: str
    subject: str = ""
    author: str = ""
    timestamp: str = ""


@dataclass(frozen=True, slots=True)
class IterationChanges:
    """What one iteration changed: files relative to the project, lines, commands and commits."""

    files_modified: tuple[str, ...] = ()
    lines_added: int = 0
    lines_removed: int = 0
    commands_run: tuple[str, ...] = ()
    git_commits: tuple[CommitInfo, ...] = ()

    def __post_init__(self) -> None:
        """Refuse values that no iteration can have; lists become tuples."""
        for name in ("lines_added", "lines_removed"):
            _check_count(getattr(self, name), name)
        for name in ("files_modified", "commands_run"):
            words = getattr(self, name)
            if isinstance(words, str):
                _check_count(words, name)
            object.__setattr__(self, name, tuple(str(word) for word in words))
        object.__setattr__(self, "git_commits", tuple(self.git_commits))

    def to_json(self) -> dict[str, Any]:
        """The changes as plain JSON values."""
        return {
            "files_modified": list(self.files_modified),
            "lines_added": self.lines_added,
            "lines_removed": self.lines_removed,
            "commands_run": list(self.commands_run),
            "git_commits": [
                {"sha": one.sha, "subject": one.subject, "author": one.author, "timestamp": one.timestamp}
                for one in self.git_commits
            ],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "IterationChanges":
        """The reverse of ``to_json``; missing keys take their default, raises RefusedError for wrong types."""
        try:
            commits = tuple(_commit_from_json(commit) for commit in data.get("git_commits", ()))
            return cls(
                data.get("files_modified", ()),
                data.get("lines_added", 0),
                data.get("lines_removed", 0),
                data.get("commands_run", ()),
                commits,
            )
        except (TypeError, AttributeError):
            msg = f"changes are {shorten(data)}"
            raise RefusedError(msg, hint='expected {"files_modified": […], "lines_added": 0, …}') from None


def _commit_from_json(data: Any) -> CommitInfo:
    if isinstance(data, str):
        return CommitInfo(data)
    return CommitInfo(**{name: str(data[name]) for name in ("sha", "subject", "author", "timestamp") if name in data})


@dataclass(frozen=True, slots=True)
class Started:
    """The work begins."""

    config: SessionConfig | None = None

    def to_data(self) -> dict[str, Any]:
        """The event's fields as JSON values."""
        return {"config": self.config.to_json()} if self.config else {}


@dataclass(frozen=True, slots=True)
class PhaseChanged:
    """Running work moves from one running status to another."""

    previous: SessionStatus
    to: SessionStatus

    def to_data(self) -> dict[str, Any]:
        """The event's fields as JSON values."""
        return {"from": str(self.previous), "to": str(self.to)}


@dataclass(frozen=True, slots=True)
class IterationStarted:
    """Round ``number`` begins; the first is 1."""

    number: int

    def __post_init__(self) -> None:
        """Refuse a number below 1."""
        _check_count(self.number, "number", 1)

    def to_data(self) -> dict[str, Any]:
        """The event's fields as JSON values."""
        return {"number": self.number}


@dataclass(frozen=True, slots=True)
class IterationCompleted:
    """The open round ended with these changes."""

    changes: IterationChanges = field(default_factory=IterationChanges)
    success: bool = True

    def to_data(self) -> dict[str, Any]:
        """The event's fields as JSON values."""
        return {"changes": self.changes.to_json(), "success": self.success}


@dataclass(frozen=True, slots=True)
class AnalysisCompleted:
    """Somebody looked at the work; ``results`` are theirs."""

    results: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse anything but a table."""
        if not isinstance(self.results, Mapping):
            msg = f"results are {shorten(self.results)}, expected a table"
            raise RefusedError(msg)

    def to_data(self) -> dict[str, Any]:
        """The event's fields as JSON values."""
        return {"results": dict(self.results)}


@dataclass(frozen=True, slots=True)
class CommandExecuted:
    """A command ran. ``output`` is kept only where the session's options say verbose."""

    command: str
    success: bool = True
    output: str = ""

    def __post_init__(self) -> None:
        """Refuse an empty command, and a success that is no boolean."""
        _check_text(self.command, "command")
        _check_text(self.output, "output", empty=True)
        if type(self.success) is not bool:
            msg = f"success is {shorten(self.success)}, expected true or false"
            raise RefusedError(msg)

    def to_data(self) -> dict[str, Any]:
        """The event's fields as JSON values."""
        output = {"output": self.output} if self.output else {}
        return {"command": self.command, "success": self.success, **output}


@dataclass(frozen=True, slots=True)
class Paused:
    """The work rests. ``by`` is ``mas`` for a pause that ``mas resume`` may take back."""

    reason: str
    by: str = "user"

    def __post_init__(self) -> None:
        """Refuse a reason that is no text."""
        _check_text(self.reason, "reason", empty=True)

    def to_data(self) -> dict[str, Any]:
        """The event's fields as JSON values."""
        return {"reason": self.reason, "by": self.by}


@dataclass(frozen=True, slots=True)
class Resumed:
    """The work goes on, in status ``to`` or, without it, where it was paused."""

    to: SessionStatus | None = None

    def __post_init__(self) -> None:
        """Refuse a status in which no work runs."""
        if self.to is not None and self.to not in RUNNING:
            msg = f"cannot resume to {self.to}"
            raise RefusedError(msg, hint=f"one of: {', '.join(sorted(RUNNING))}")

    def to_data(self) -> dict[str, Any]:
        """The event's fields as JSON values."""
        return {"to": str(self.to)} if self.to else {}


@dataclass(frozen=True, slots=True)
class Completed:
    """The work is done. The summary is worked out from the record when the event is applied."""

    def to_data(self) -> dict[str, Any]:
        """The event's fields as JSON values: none."""
        return {}


@dataclass(frozen=True, slots=True)
class Failed:
    """The work ended without success."""

    error: str

    def __post_init__(self) -> None:
        """Refuse an error that is no text."""
        _check_text(self.error, "error", empty=True)

    def to_data(self) -> dict[str, Any]:
        """The event's fields as JSON values."""
        return {"error": self.error}


SessionEvent = (
    Started
    | PhaseChanged
    | IterationStarted
    | IterationCompleted
    | AnalysisCompleted
    | CommandExecuted
    | Paused
    | Resumed
    | Completed
    | Failed
)

TYPES: dict[str, type] = {
    "started": Started,
    "phase_changed": PhaseChanged,
    "iteration_started": IterationStarted,
    "iteration_completed": IterationCompleted,
    "analysis_completed": AnalysisCompleted,
    "command_executed": CommandExecuted,
    "paused": Paused,
    "resumed": Resumed,
    "completed": Completed,
    "failed": Failed,
}
"""The word of each event in a log. A log's other words reach no observer."""

_WORDS = {kind: word for word, kind in TYPES.items()}


def type_of(event: SessionEvent) -> str:
    """The word of an event in a log."""
    return _WORDS[type(event)]


def from_data(word: str, data: Mapping[str, Any]) -> SessionEvent:
    """The event of a log's word and data.

    Raises RefusedError for an unknown word, an unknown or missing field, or a wrong value.
    """
    if word not in TYPES:
        msg = f"unknown event {shorten(word)}"
        raise RefusedError(msg, hint=f"one of: {', '.join(TYPES)}")
    names = _FIELDS[word]
    unknown = sorted(data.keys() - names.keys())
    if unknown:
        msg = f"event {word} has no field {shorten(unknown[0])}"
        raise RefusedError(msg, hint=f"its fields: {', '.join(names) or 'none'}")
    try:
        return TYPES[word](**{_ATTRIBUTES.get(name, name): names[name](value) for name, value in data.items()})
    except TypeError:
        msg = f"event {word} lacks a field"
        raise RefusedError(msg, hint=f"its fields: {', '.join(names)}") from None


def from_log(word: str, data: Mapping[str, Any]) -> SessionEvent:
    """The event of a log's line; fields that the log holds besides the event's own are passed over."""
    return from_data(word, {name: value for name, value in data.items() if name in _FIELDS[word]})


def _as_it_is(value: Any) -> Any:
    return value


def _config(value: Any) -> SessionConfig | None:
    return SessionConfig.from_json(value) if value else None


def _status(value: Any) -> SessionStatus | None:
    return parse_status(value) if value else None


_ATTRIBUTES = {"from": "previous"}
_FIELDS: dict[str, dict[str, Any]] = {
    "started": {"config": _config},
    "phase_changed": {"from": parse_status, "to": parse_status},
    "iteration_started": {"number": _as_it_is},
    "iteration_completed": {"changes": IterationChanges.from_json, "success": _as_it_is},
    "analysis_completed": {"results": _as_it_is},
    "command_executed": {"command": _as_it_is, "success": _as_it_is, "output": _as_it_is},
    "paused": {"reason": _as_it_is, "by": _as_it_is},
    "resumed": {"to": _status},
    "completed": {},
    "failed": {"error": _as_it_is},
}


@dataclass(frozen=True, slots=True)
class TimestampedEvent:
    """An event with its place in the session's log and the time it was recorded (UTC, ISO 8601 with ``Z``)."""

    seq: int
    timestamp: str
    event: SessionEvent
