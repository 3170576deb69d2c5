"""``record``, ``pause``, ``unpause``, ``complete``, ``fail``, ``progress``: what the work is doing."""

from collections.abc import Iterator
from typing import Annotated

import typer

from mas import events, render, views
from mas.cli.calls import Call, json_table
from mas.cli.options import Json, Name, Quiet, call_of
from mas.cli.outcome import tell
from mas.lifecycle import parse_status
from mas.session import Session
from mas.states import SessionProgress

Data = Annotated[str | None, typer.Option(metavar="JSON", help="its fields as a JSON object")]


def record(  # noqa: PLR0913  one argument an option
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="[ID]", help="id, its beginning, label or tmux name")],
    event: Annotated[str | None, typer.Argument(metavar="EVENT", help=f"one of: {', '.join(events.TYPES)}")] = None,
    *,
    number: Annotated[int | None, typer.Option(metavar="N", help="of the iteration that starts")] = None,
    data: Data = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Report what happened to a session, so that its history and progress hold it."""
    call = call_of(context)
    session, event = (name, event) if event is not None else (None, name)
    fields = json_table(data, "--data") if data is not None else {}
    if number is not None:
        fields = {**fields, "number": number}
    happened = events.from_data(event, fields)
    return _record(call, session, happened, as_json=as_json, quiet=quiet)


def _record(call: Call, name: str | None, event: events.SessionEvent, *, as_json: bool, quiet: bool) -> int:
    session = call.manager.record_event(call.mas.resolve(name), event)
    return tell(call, session, as_json=as_json, quiet=quiet)


def pause(
    context: typer.Context,
    name: Name = None,
    *,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="why")] = "paused by hand",
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Rest the work of a session. Its team is left alone."""
    return _record(call_of(context), name, events.Paused(reason), as_json=as_json, quiet=quiet)


def unpause(
    context: typer.Context,
    name: Name = None,
    *,
    to: Annotated[str | None, typer.Option(metavar="STATUS", help="go on there, not where it was paused")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Go on with work that was paused."""
    event = events.Resumed(parse_status(to) if to is not None else None)
    return _record(call_of(context), name, event, as_json=as_json, quiet=quiet)


def complete(context: typer.Context, name: Name = None, *, as_json: Json = False, quiet: Quiet = False) -> int:
    """End the work of a session with success."""
    call = call_of(context)
    session_id = call.mas.resolve(name)
    summary = call.manager.complete_session(session_id)
    if as_json:
        call.json(summary.to_dict())
        return 0
    return tell(call, call.manager.get_session(session_id), as_json=False, quiet=quiet)


def fail(
    context: typer.Context,
    name: Name = None,
    *,
    error: Annotated[str, typer.Option("--error", "--reason", metavar="TEXT", help="what went wrong")] = "",
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """End the work of a session without success."""
    return _record(call_of(context), name, events.Failed(error), as_json=as_json, quiet=quiet)


def progress(context: typer.Context, name: Name = None, *, as_json: Json = False) -> int:
    """Show how far a session is: iterations, files, commands, and its time without the pauses."""
    call = call_of(context)
    session_id = call.mas.resolve(name)
    session = call.manager.get_session(session_id)
    found = call.manager.get_progress(session_id)
    if as_json:
        call.json(views.progress(session, found))
        return 0
    bar = render.bar(found.iterations_completed, found.total_iterations, 30, plain=not call.on_terminal)
    counted = f"{found.iterations_completed} of {found.total_iterations} iterations"
    title = render.one_line(f"{session.label or session_id[:8]}: {session.status}")
    call.lines([title, "", f"  {bar}  {counted}", "", *call.facts(_facts(session, found))])
    return 0


def _facts(session: Session, found: SessionProgress) -> Iterator[tuple[str, str]]:
    failed = sum(not one.success for one in found.commands_executed)
    changes = [one.changes for one in found.metrics.iterations]
    added, removed = (sum(getattr(one, name) for one in changes) for name in ("lines_added", "lines_removed"))
    yield "phase", found.current_phase or ""
    yield "files", f"{len(found.files_changed)} changed, {added} lines added, {removed} removed"
    yield "commands", f"{len(found.commands_executed)} run, {failed} failed"
    limit = session.configuration.timeout_minutes * 60
    over = ", overdue" if found.overdue else ""
    yield "time", f"{render.duration(found.duration.total_seconds())} of {render.duration(limit)}, without pauses{over}"


COMMANDS = {
    "record": record,
    "pause": pause,
    "unpause": unpause,
    "complete": complete,
    "fail": fail,
    "progress": progress,
}
