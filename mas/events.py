"""The event vocabulary: ten things that can happen to a session, frozen, checked where they are made.

An event is what observers hear. How it changes the record is said in ``mas.record``; how it is written is said in
``mas.lines``. A log also holds records that are no events (a snapshot imported, the runtime observed); those have no
class here and reach no observer.
"""

from collections.abc import Mapping
from typing import Any

from mas.config import SessionConfig
from mas.errors import RefusedError, shorten
from mas.iteration import IterationChanges
from mas.lifecycle import RUNNING, SessionStatus, parse_status, plain_word
from mas.structs import Frozen
from mas.values import check_count, check_flag, check_json, check_text, wrong


class Started(Frozen):
    """The work begins."""

    config: SessionConfig | None = None

    def to_data(self) -> dict[str, Any]:
        """The event's fields as JSON values."""
        return {"config": self.config.to_json()} if self.config else {}


class PhaseChanged(Frozen):
    """Running work moves from one running status to another."""

    previous: SessionStatus
    to: SessionStatus

    def __post_init__(self) -> None:
        """Turn words into statuses; refuse unknown ones."""
        object.__setattr__(self, "previous", parse_status(self.previous))
        object.__setattr__(self, "to", parse_status(self.to))

    def to_data(self) -> dict[str, Any]:
        """The event's fields as JSON values."""
        return {"from": str(self.previous), "to": str(self.to)}


class IterationStarted(Frozen):
    """Round ``number`` begins; the first is 1."""

    number: int

    def __post_init__(self) -> None:
        """Refuse a number below 1."""
        check_count(self.number, "number", 1)

    def to_data(self) -> dict[str, Any]:
        """The event's fields as JSON values."""
        return {"number": self.number}


class IterationCompleted(Frozen):
    """The open round ended with these changes."""

    changes: IterationChanges = IterationChanges()
    success: bool = True

    def __post_init__(self) -> None:
        """Refuse changes that are none, and a success that is no boolean."""
        if not isinstance(self.changes, IterationChanges):
            raise wrong("changes", self.changes, "IterationChanges")
        check_flag(self.success, "success")

    def to_data(self) -> dict[str, Any]:
        """The event's fields as JSON values."""
        return {"changes": self.changes.to_json(), "success": self.success}


class AnalysisCompleted(Frozen):
    """Somebody looked at the work; ``results`` are theirs."""

    results: Mapping[str, Any] = {}

    def __post_init__(self) -> None:
        """Refuse anything but a table of plain JSON."""
        if not isinstance(self.results, Mapping):
            raise wrong("results", self.results, "a table")
        object.__setattr__(self, "results", check_json(self.results, "results"))

    def to_data(self) -> dict[str, Any]:
        """The event's fields as JSON values."""
        return {"results": dict(self.results)}


class CommandExecuted(Frozen):
    """A command ran. ``output`` is kept only where the session's options say verbose."""

    command: str
    success: bool = True
    output: str = ""

    def __post_init__(self) -> None:
        """Refuse an empty command, and a success that is no boolean."""
        check_text(self.command, "command")
        check_text(self.output, "output", empty=True)
        check_flag(self.success, "success")

    def to_data(self) -> dict[str, Any]:
        """The event's fields as JSON values."""
        output = {"output": self.output} if self.output else {}
        return {"command": self.command, "success": self.success, **output}


class Paused(Frozen):
    """The work rests. ``by`` is ``mas`` for a pause that ``mas resume`` may take back."""

    reason: str
    by: str = "user"

    def __post_init__(self) -> None:
        """Refuse a reason or an author that is no text."""
        check_text(self.reason, "reason", empty=True)
        check_text(self.by, "by")

    def to_data(self) -> dict[str, Any]:
        """The event's fields as JSON values."""
        return {"reason": self.reason, "by": self.by}


class Resumed(Frozen):
    """The work goes on, in status ``to`` or, without it, where it was paused."""

    to: SessionStatus | None = None

    def __post_init__(self) -> None:
        """Refuse a status in which no work runs."""
        if self.to is None:
            return
        object.__setattr__(self, "to", parse_status(self.to))
        if self.to not in RUNNING:
            msg = f"cannot resume to {self.to}"
            raise RefusedError(msg, hint=f"one of: {', '.join(sorted(RUNNING))}")

    def to_data(self) -> dict[str, Any]:
        """The event's fields as JSON values."""
        return {"to": str(self.to)} if self.to else {}


class Completed(Frozen):
    """The work is done. The summary is worked out from the record when the event is applied."""

    def to_data(self) -> dict[str, Any]:
        """The event's fields as JSON values: none."""
        return {}


class Failed(Frozen):
    """The work ended without success."""

    error: str

    def __post_init__(self) -> None:
        """Refuse an error that is no text."""
        check_text(self.error, "error", empty=True)

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

TYPES: dict[str, type[SessionEvent]] = {
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

PORTION = "changes"
"""The word of a record that holds a piece of the long lists of the iteration that the next such event completes."""

_WORDS = {kind: word for word, kind in TYPES.items()}


def type_of(event: SessionEvent) -> str:
    """The word of an event in a log; raises RefusedError for what is no event."""
    try:
        return _WORDS[type(event)]
    except KeyError:
        msg = f"not an event: {shorten(event)}"
        raise RefusedError(msg, hint=f"one of: {', '.join(kind.__name__ for kind in _WORDS)}") from None


def from_data(word: str, data: Mapping[str, Any]) -> SessionEvent:
    """The event of a word, however it is spelled, and its data.

    Raises RefusedError for an unknown word, an unknown or missing field, or a wrong value.
    """
    word = word if word in TYPES else plain_word(word)
    if word not in TYPES:
        msg = f"unknown event {shorten(word)}"
        raise RefusedError(msg, hint=f"one of: {', '.join(TYPES)}")
    parsers = _FIELDS[word]
    unknown = sorted(data.keys() - parsers.keys(), key=str)
    if unknown:
        msg = f"event {word} has no field {shorten(unknown[0])}"
        raise RefusedError(msg, hint=f"its fields: {', '.join(parsers) or 'none'}")
    missing = [name for name in _REQUIRED.get(word, ()) if name not in data]
    if missing:
        msg = f"event {word} lacks {missing[0]}"
        raise RefusedError(msg, hint=f"its fields: {', '.join(parsers)}")
    return TYPES[word](**{_ATTRIBUTES.get(name, name): parsers[name](value) for name, value in data.items()})


def from_log(word: str, data: Mapping[str, Any]) -> SessionEvent:
    """The event of a log's line; fields that the log holds besides the event's own are passed over."""
    return from_data(word, {name: value for name, value in data.items() if name in _FIELDS[word]})


def _as_it_is(value: Any) -> Any:
    return value


def _config(value: Any) -> SessionConfig | None:
    return SessionConfig.from_json(value) if value else None


_ATTRIBUTES = {"from": "previous"}
_REQUIRED = {
    "phase_changed": ("from", "to"),
    "iteration_started": ("number",),
    "command_executed": ("command",),
    "paused": ("reason",),
    "failed": ("error",),
}
_FIELDS: dict[str, dict[str, Any]] = {
    "started": {"config": _config},
    "phase_changed": {"from": _as_it_is, "to": _as_it_is},
    "iteration_started": {"number": _as_it_is},
    "iteration_completed": {"changes": IterationChanges.from_json, "success": _as_it_is},
    "analysis_completed": {"results": _as_it_is},
    "command_executed": {"command": _as_it_is, "success": _as_it_is, "output": _as_it_is},
    "paused": {"reason": _as_it_is, "by": _as_it_is},
    "resumed": {"to": _as_it_is},
    "completed": {},
    "failed": {"error": _as_it_is},
}


class TimestampedEvent(Frozen):
    """An event with its place in the session's log and the time it was recorded (UTC, ISO 8601 with ``Z``)."""

    seq: int
    timestamp: str
    event: SessionEvent
