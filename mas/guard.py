"""The guard in front of a session's log: which event may happen to a record now, and what the log then says. Pure.

A refusal raises and changes nothing; what is admitted is written as it stands, so the log can be folded without asking
again.
"""

from collections.abc import Mapping
from typing import Any

from mas import events
from mas.config import ExecutionMode, SessionConfig
from mas.errors import RefusedError, shorten
from mas.fields import check_updates
from mas.lifecycle import RUNNING, TERMINAL, SessionStatus, check_coarse, check_transition, parse_status
from mas.record import (
    Document,
    lacks_worktree,
    lifecycle_of,
    max_iterations_of,
    options_of,
    runtime_of,
    status_of,
    summarize,
)
from mas.replay import Entry

MAX_OUTPUT = 4000
"""Characters of a command's output that are kept, from its end."""


def admit(document: Document, event: events.SessionEvent, now: str) -> tuple[str, dict[str, Any]]:
    """The log's type and data for an event that may happen now; raises RefusedError for one that may not."""
    word, status = events.type_of(event), status_of(document)
    if status in TERMINAL:
        msg = f"session {document['session_id']} is {status}, nothing more can happen to it"
        raise RefusedError(msg, hint="`mas retry` makes a child that begins again")
    data = event.to_data()
    match event:
        case events.IterationStarted(number):
            _admit_iteration(document, status, number)
        case events.IterationCompleted():
            data["number"] = _open_iteration(document, status)
        case events.CommandExecuted() | events.AnalysisCompleted():
            _admit_progress(document, status)
            _keep_output(data, keep=bool(options_of(document).get("verbose")))
        case _:
            wanted = _wanted_status(document, event)
            check_coarse(status, wanted)
            if wanted in RUNNING and lacks_worktree(document):
                raise half_made(document)
            data |= _change_data(document, event, wanted, now)
    return word, data


def half_made(document: Document) -> RefusedError:
    """The error for work in a worktree that is not there yet."""
    msg = f"making the git worktree of session {document['session_id']} was cut off"
    return RefusedError(msg, hint=f"`mas doctor --fix {document['session_id']}` finishes it")


def _keep_output(data: dict[str, Any], *, keep: bool) -> None:
    output = data.pop("output", "")
    if keep and output:
        data["output"] = output[-MAX_OUTPUT:]


def transition_event(document: Document, wanted: SessionStatus) -> events.SessionEvent:
    """The event that a transition to ``wanted`` is; raises RefusedError where the fine table does not lead there."""
    status = status_of(document)
    check_transition(status, wanted)
    if wanted is SessionStatus.PAUSED:
        return events.Paused("paused")
    if wanted is SessionStatus.FAILED:
        return events.Failed("failed")
    if wanted is SessionStatus.COMPLETED:
        return events.Completed()
    if status is SessionStatus.PAUSED:
        return events.Resumed(wanted)
    return start(document) if status is SessionStatus.INITIALIZING else events.PhaseChanged(status, wanted)


def _admit_iteration(document: Document, status: SessionStatus, number: int) -> None:
    _require_running(document, status)
    lifecycle = lifecycle_of(document)
    if lifecycle.get("open"):
        msg = f"iteration {lifecycle['open']} is still open"
        raise RefusedError(msg, hint="complete it first: `mas record ID iteration_completed`")
    last, most = lifecycle.get("completed", 0), max_iterations_of(document)
    if not last < number <= most:
        msg = f"iteration {number} cannot begin: {last} were completed, at most {most} are allowed"
        raise RefusedError(msg, hint="raise it with `mas session update ID configuration.max_iterations=N`")


def _open_iteration(document: Document, status: SessionStatus) -> int:
    _require_running(document, status)
    number = lifecycle_of(document).get("open")
    if not number:
        msg = "no iteration is open"
        raise RefusedError(msg, hint="begin one: `mas record ID iteration_started --number N`")
    return int(number)


def _require_running(document: Document, status: SessionStatus) -> None:
    if status not in RUNNING:
        msg = f"session {document['session_id']} is {status}, not running"
        raise RefusedError(msg, hint="start or resume the work first: `mas session transition`, `mas unpause`")


def _admit_progress(document: Document, status: SessionStatus) -> None:
    if status is not SessionStatus.PAUSED:
        _require_running(document, status)


def _wanted_status(document: Document, event: events.SessionEvent) -> SessionStatus:
    status = status_of(document)
    match event:
        case events.Started():
            if status is not SessionStatus.INITIALIZING:
                raise _not_now(document, event, "it was started before")
            _check_place(document, event.config)
            return SessionStatus.PLANNING
        case events.PhaseChanged(previous, to):
            if previous is not status or to is status or status not in RUNNING or to not in RUNNING:
                raise _not_now(document, event, f"it is {status}")
            return to
        case events.Resumed(to):
            if status is not SessionStatus.PAUSED:
                raise _not_now(document, event, f"it is {status}, not paused")
            return to or remembered_status(document)
        case events.Paused():
            return SessionStatus.PAUSED
        case events.Completed():
            return SessionStatus.COMPLETED
        case _:
            return SessionStatus.FAILED


def _check_place(document: Document, config: SessionConfig | None) -> None:
    """A worktree is made with the session; a configuration that comes with its start cannot ask for another place."""
    if config is None:
        return
    stored = ExecutionMode.from_json((lifecycle_of(document).get("config") or {}).get("execution_mode"))
    if config.execution_mode != stored:
        made, asked = (mode.worktree or "none" for mode in (stored, config.execution_mode))
        msg = f"session {document['session_id']} was made with git worktree {made}, and cannot start with {asked}"
        raise RefusedError(msg, hint="make another session with the configuration that is meant")


def _not_now(document: Document, event: events.SessionEvent, why: str) -> RefusedError:
    return RefusedError(f"session {document['session_id']} cannot take {events.type_of(event)}: {why}")


def remembered_status(document: Document) -> SessionStatus:
    """The running status that a pause interrupted; planning where none was running or none is known."""
    substate = (lifecycle_of(document).get("pause") or {}).get("substate", SessionStatus.PLANNING)
    return SessionStatus(substate) if substate in RUNNING else SessionStatus.PLANNING


def _change_data(document: Document, event: events.SessionEvent, wanted: SessionStatus, now: str) -> dict[str, Any]:
    match event:
        case events.Paused():
            return {"substate": document["status"], "iteration": lifecycle_of(document).get("iteration", 0)}
        case events.Resumed():
            return {"to": str(wanted)}
        case events.Completed():
            return {"summary": summarize(document, now).to_dict()}
        case _:
            return {}


def consequences(
    document: Document, event: events.SessionEvent, now: str, extra: Mapping[str, Any] | None = None
) -> list[Entry]:
    """Everything the log says when this event happens: itself, and the failure it means where a session fails fast.

    ``extra`` is written beside the event's own data.
    """
    word, data = admit(document, event, now)
    entries = [*_bounds(document, event), *_in_pieces(event, (word, {**data, **(extra or {})}))]
    failing = isinstance(event, events.CommandExecuted | events.IterationCompleted) and not event.success
    if failing and options_of(document).get("fail_fast"):
        what = event.command if isinstance(event, events.CommandExecuted) else "the iteration"
        entries.append(admit(document, events.Failed(f"failed: {shorten(what)}"), now))
    return entries


def _bounds(document: Document, event: events.SessionEvent) -> list[Entry]:
    """The update that the bound in a start's configuration means, where the record has another."""
    most = event.config.max_iterations if isinstance(event, events.Started) and event.config else None
    if most in (None, max_iterations_of(document)):
        return []
    return [("updated", {"set": {"configuration": {**(document.get("configuration") or {}), "max_iterations": most}}})]


def start(document: Document) -> events.Started:
    """The event that begins a session's work, with the configuration it was created with, as it was changed since."""
    config = lifecycle_of(document).get("config")
    return events.Started(
        SessionConfig.from_json({**config, "max_iterations": max_iterations_of(document)}) if config else None
    )


def transition(
    document: Document, wanted: SessionStatus, now: str, extra: Mapping[str, Any] | None = None
) -> list[Entry]:
    """What the log says when a session moves to a status; raises RefusedError where it cannot."""
    return consequences(document, transition_event(document, wanted), now, extra)


def update(document: Document, updates: object, now: str, extra: Mapping[str, Any] | None = None) -> list[Entry]:
    """What the log says when fields are updated; a status among them goes the way of a transition.

    Raises RefusedError for the first that may not be.
    """
    values = check_updates(document, updates)
    status = updates.get("status") if isinstance(updates, Mapping) else None
    wanted = None if status is None else parse_status(status)
    moved = [] if wanted in (None, document["status"]) else transition(document, SessionStatus(wanted), now, extra)
    return [*moved, *([("updated", {"set": values})] if values or status is None else [])]


def _in_pieces(event: events.SessionEvent, entry: tuple[str, dict[str, Any]]) -> list[Entry]:
    """The entry of an event, after records for those of its lists that are too long for it."""
    if not isinstance(event, events.IterationCompleted):
        return [entry]
    word, data = entry
    pieces, rest = event.changes.split()
    own: list[Entry] = [(word, {**data, "changes": rest.to_json()})]
    return [*((events.PORTION, {"number": data["number"], **piece}) for piece in pieces), *own]


def news(document: Document, changes: Mapping[str, Any]) -> list[Entry]:
    """The record of what is wanted or was seen of a team; none where all of it is known."""
    known = runtime_of(document)
    return [("runtime", dict(changes))] if any(known.get(name) != value for name, value in changes.items()) else []
