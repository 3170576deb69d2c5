"""The lifecycle: nine words for what the work is doing, and which may follow which.

Rule 1: everything that decides whether a status may change lives in the two tables of this file. Rule 2: this file
knows neither records nor events; it knows words.

The nine words are the leaves of a statechart whose five states are ``Coarse``: *running* holds five of the nine. The
coarse table holds for every change; ``transition_state`` additionally holds the fine one.
"""

import re
from enum import StrEnum

from mas.errors import RefusedError, shorten


class SessionStatus(StrEnum):
    """What the work of a session is doing. Members equal their text."""

    INITIALIZING = "initializing"
    PLANNING = "planning"
    GENERATING_TASKS = "generating_tasks"
    IMPLEMENTING = "implementing"
    VALIDATING = "validating"
    GENERATING_REPORT = "generating_report"
    COMPLETED = "completed"
    FAILED = "failed"
    PAUSED = "paused"


class SessionPhase(StrEnum):
    """The phase an orchestrator says it is in; free of rules."""

    PLAN = "plan"
    GENERATE_TASKS = "generate_tasks"
    IMPLEMENT = "implement"
    VALIDATE = "validate"
    CLEANUP = "cleanup"


class Coarse(StrEnum):
    """The five states that the nine words refine."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"


_S = SessionStatus
_ENDS_OR_PAUSES = (_S.FAILED, _S.PAUSED)

TRANSITIONS: dict[SessionStatus, tuple[SessionStatus, ...]] = {
    _S.INITIALIZING: (_S.PLANNING, *_ENDS_OR_PAUSES),
    _S.PLANNING: (_S.GENERATING_TASKS, *_ENDS_OR_PAUSES),
    _S.GENERATING_TASKS: (_S.IMPLEMENTING, *_ENDS_OR_PAUSES),
    _S.IMPLEMENTING: (_S.VALIDATING, *_ENDS_OR_PAUSES),
    _S.VALIDATING: (_S.GENERATING_REPORT, _S.IMPLEMENTING, *_ENDS_OR_PAUSES),
    _S.GENERATING_REPORT: (_S.COMPLETED, *_ENDS_OR_PAUSES),
    _S.COMPLETED: (),
    _S.FAILED: (),
    _S.PAUSED: (
        _S.PLANNING,
        _S.GENERATING_TASKS,
        _S.IMPLEMENTING,
        _S.VALIDATING,
        _S.GENERATING_REPORT,
        _S.FAILED,
        _S.COMPLETED,
    ),
}
"""The fine table: 26 of 81 pairs. ``transition_state`` allows nothing else."""

COARSE: dict[SessionStatus, Coarse] = {
    _S.INITIALIZING: Coarse.CREATED,
    _S.PLANNING: Coarse.RUNNING,
    _S.GENERATING_TASKS: Coarse.RUNNING,
    _S.IMPLEMENTING: Coarse.RUNNING,
    _S.VALIDATING: Coarse.RUNNING,
    _S.GENERATING_REPORT: Coarse.RUNNING,
    _S.PAUSED: Coarse.PAUSED,
    _S.COMPLETED: Coarse.COMPLETED,
    _S.FAILED: Coarse.FAILED,
}

COARSE_TRANSITIONS: dict[Coarse, tuple[Coarse, ...]] = {
    Coarse.CREATED: (Coarse.RUNNING, Coarse.PAUSED, Coarse.FAILED),
    Coarse.RUNNING: (Coarse.RUNNING, Coarse.PAUSED, Coarse.COMPLETED, Coarse.FAILED),
    Coarse.PAUSED: (Coarse.RUNNING, Coarse.COMPLETED, Coarse.FAILED),
    Coarse.COMPLETED: (),
    Coarse.FAILED: (),
}
"""The coarse table: what no event may break."""

TERMINAL = frozenset({SessionStatus.COMPLETED, SessionStatus.FAILED})
_HUMP = r"(?<=[a-z])(?=[A-Z])"
_STATUSES, _PHASES = frozenset(SessionStatus), frozenset(SessionPhase)
RUNNING = frozenset(status for status, coarse in COARSE.items() if coarse is Coarse.RUNNING)


def plain_word(text: str) -> str:
    """A word as we write it: ``IterationStarted``, ``iteration-started`` and ``ITERATION_STARTED`` mean the same."""
    return re.sub(_HUMP, "_", text).replace("-", "_").lower()


def parse_status(value: object) -> SessionStatus:
    """The status of that word, however it is spelled; raises RefusedError for anything else."""
    if isinstance(value, str) and plain_word(value) in _STATUSES:
        return SessionStatus(plain_word(value))
    raise _unknown_word("status", value, SessionStatus)


def parse_phase(value: object) -> SessionPhase:
    """The phase of that word, however it is spelled; raises RefusedError for anything else."""
    if isinstance(value, str) and plain_word(value) in _PHASES:
        return SessionPhase(plain_word(value))
    raise _unknown_word("phase", value, SessionPhase)


def check_transition(current: SessionStatus, wanted: SessionStatus) -> None:
    """Raise RefusedError where the fine table does not lead from one status to the other."""
    allowed = TRANSITIONS[current]
    if wanted not in allowed:
        valid = [str(status) for status in allowed]
        msg = f"Invalid state transition: {current} -> {wanted}. Valid transitions from {current}: {valid}"
        raise RefusedError(
            msg, hint=None if valid else "a session that has ended stays ended; `mas retry` makes a child"
        )


def check_coarse(current: SessionStatus, wanted: SessionStatus) -> None:
    """Raise RefusedError where the coarse table does not lead from one status to the other."""
    if COARSE[wanted] not in COARSE_TRANSITIONS[COARSE[current]]:
        msg = f"a session that is {current} cannot become {wanted}"
        raise RefusedError(msg, hint="a session that has ended stays ended" if current in TERMINAL else None)


def check_reachable(current: SessionStatus, wanted: SessionStatus) -> None:
    """Raise RefusedError where no number of changes of the coarse table leads from one status to the other."""
    reached = list(COARSE_TRANSITIONS[COARSE[current]])
    for coarse in reached:
        reached += [following for following in COARSE_TRANSITIONS[coarse] if following not in reached]
    if wanted is not current and COARSE[wanted] not in reached:
        msg = f"a session that is {current} never becomes {wanted}"
        raise RefusedError(msg)


def _unknown_word(what: str, value: object, words: type[StrEnum]) -> RefusedError:
    return RefusedError(f"unknown {what} {shorten(value)}", hint=f"one of: {', '.join(word.value for word in words)}")
