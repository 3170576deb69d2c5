"""``session``: the records themselves, in the words in which they are stored."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from mas import bounds, render, values
from mas.cli.calls import Call, json_table
from mas.cli.options import Json, Name, Quiet, Request, call_of
from mas.cli.outcome import each, tell
from mas.clock import utc_now
from mas.config import ExecutionMode, SessionConfig, SessionOptions
from mas.errors import UsageError, shorten
from mas.paths import absolute
from mas.session import Session, SessionConfiguration

One = Annotated[str, typer.Argument(metavar="ID", help="id, its beginning, label or tmux name")]


def group() -> None:
    """The records of sessions: what is asked for, its status, its history. Teams are started by `mas start`."""


def create(  # noqa: PLR0913  one argument an option
    context: typer.Context,
    *,
    request: Request = "",
    max_iterations: Annotated[int, typer.Option(metavar="N", help="how many iterations it may have")] = 3,
    timeout_minutes: Annotated[int, typer.Option(metavar="N", help="how long the work may take")] = 120,
    project: Annotated[str | None, typer.Option(metavar="DIR", help="where the work happens, else here")] = None,
    worktree: Annotated[str | None, typer.Option(metavar="NAME", help="work in a git worktree, on that branch")] = None,
    focus: Annotated[str | None, typer.Option(metavar="TEXT", help="what to look at above all")] = None,
    workflow: Annotated[str | None, typer.Option(metavar="JSON", help="how to go about it, any JSON object")] = None,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="a command that fails fails the session")] = False,
    auto_merge: Annotated[bool, typer.Option("--auto-merge", help="merge the worktree when it completes")] = False,
    collect_metrics: Annotated[bool, typer.Option("--collect-metrics", help="measure iterations by git")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="keep what commands print")] = False,
    session_id: Annotated[str | None, typer.Option("--id", metavar="UUID", help="its id, else one is drawn")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Make a record without a team."""
    call = call_of(context)
    settings = SessionConfiguration(max_iterations=max_iterations, timeout_minutes=timeout_minutes)
    here = call.manager.repo_root if call.root.maestro else call.cwd
    config = SessionConfig(
        absolute(project, call.cwd) if project is not None else here,
        json_table(workflow, "--workflow") if workflow is not None else {},
        ExecutionMode(worktree),
        max_iterations,
        focus,
        SessionOptions(fail_fast, auto_merge, collect_metrics, verbose),
    )
    said = config if config != SessionConfig(here, max_iterations=max_iterations) else None
    session = call.manager.create_session(request, settings, config=said, session_id=session_id)
    if as_json or quiet:
        return tell(call, session, as_json=as_json, quiet=quiet)
    call.out(f"Session ID: {session.session_id}")
    return 0


def get(context: typer.Context, name: Name = None, *, as_json: Json = False) -> int:
    """Show a record."""
    call = call_of(context)
    document = call.manager.get_session(call.mas.resolve(name)).document
    if as_json:
        call.json(dict(document))
    else:
        call.lines(call.facts(_flat(document), indent=0))
    return 0


def _flat(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Every value under its dotted key."""
    pairs: list[tuple[str, str]] = []
    for name, value in table.items():
        if isinstance(value, Mapping):
            pairs += _flat(value, f"{prefix}{name}.")
        else:
            pairs.append((prefix + name, value if isinstance(value, str) else render.to_json(value, indent=None)))
    return pairs


def list_(  # noqa: PLR0913  one argument an option
    context: typer.Context,
    *,
    status: Annotated[str | None, typer.Option(metavar="WORD", help="of the work, for example planning")] = None,
    phase: Annotated[str | None, typer.Option(metavar="WORD", help="for example implement")] = None,
    after: Annotated[str | None, typer.Option(metavar="TIME", help="created at or after it (ISO 8601, UTC)")] = None,
    before: Annotated[str | None, typer.Option(metavar="TIME", help="created at or before it")] = None,
    branch: Annotated[str | None, typer.Option(metavar="NAME", help="begun on this git branch")] = None,
    limit: Annotated[int, typer.Option(min=0, metavar="N", help="the newest N, 0 for all")] = 10,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Show records, newest first."""
    call = call_of(context)
    found = call.manager.query_sessions(status, phase, after, before, branch, limit)
    if as_json:
        call.json([dict(session.document) for session in found])
    elif quiet:
        call.lines([session.session_id for session in found])
    else:
        _show(call, found)
    return 0


def _show(call: Call, found: Sequence[Session]) -> None:
    rows = [
        (one.session_id, str(one.status), one.created_at, one.git_context.branch, one.feature_request) for one in found
    ]
    if not call.on_terminal:
        call.lines(render.tab_separated(rows))
    elif not rows:
        call.say(f"no records in {call.root.path}")
    else:
        now = utc_now()
        cells = [(row[0][:8], row[1], render.ago(row[2], now), *row[3:]) for row in rows]
        titles = ("SESSION", "STATUS", "AGE", "BRANCH", "REQUEST")
        columns = [render.Column(title, least=6 if title in ("BRANCH", "REQUEST") else 0) for title in titles]
        call.lines(render.table(columns, cells, call.width, colour=call.colour))


def update(
    context: typer.Context,
    name: One,
    changes: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="dots part tables and fields")
    ] = None,
    *,
    data: Annotated[str | None, typer.Option(metavar="JSON", help="the changes as a JSON object")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Change fields of a record, for example: current_phase=plan statistics.total_tasks=7.

    A value is read as JSON where it is JSON and the field is no text.
    """
    call = call_of(context)
    if (data is None) == (not changes):
        raise UsageError(
            "changes are needed, as KEY=VALUE or with --data", hint="`mas session update --help` shows how"
        )
    session_id = call.mas.resolve(name)
    updates = json_table(data, "--data") if data is not None else parse_changes(changes or [])
    if changes:
        updates = _merged(call.manager.get_session(session_id).document, updates, changes)
    return tell(call, call.manager.update_session(session_id, updates), as_json=as_json, quiet=quiet)


def _merged(document: Mapping[str, Any], updates: Mapping[str, Any], words: Sequence[str]) -> dict[str, Any]:
    """The updates, where a dotted key changes one field of a table that is there and leaves its others."""
    whole = {word.partition("=")[0] for word in words}
    fields = {name: value for name, value in updates.items() if name not in whole}
    return {**updates, **{name: {**(document.get(name) or {}), **value} for name, value in fields.items()}}


def parse_changes(words: Sequence[str]) -> dict[str, Any]:
    """The table that words like ``statistics.total_tasks=7`` mean; raises UsageError for one that is none such."""
    changes: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        table, dot, field = key.partition(".")
        if not equals or not table or (dot and not field):
            raise UsageError(f"{shorten(word)} is no KEY=VALUE", hint="for example: statistics.total_tasks=7")
        value = _value(key, text)
        if dot:
            inside = changes.setdefault(table, {})
            if not isinstance(inside, dict):
                raise UsageError(f"{table} is given twice", hint="once as a whole, or field by field")
            inside[field] = value
        else:
            changes[table] = value
    return changes


def _value(key: str, text: str) -> Any:
    """Text stays text where the field is one, whatever it looks like; no phase at all is none."""
    if key == "current_phase" and not text:
        return None
    if key in TEXTS:
        return text
    try:
        return values.parse_json(text, key)
    except ValueError:
        return text


TEXTS = {
    *("feature_request", "current_phase", "label", "status"),
    *(f"git_context.{name}" for name in ("branch", "commit", "repo_root", "worktree_name")),
    *(f"prd_reference.{name}" for name in ("filename", "path", "version")),
}
"""The keys whose values are text."""


def transition(
    context: typer.Context,
    name: One,
    status: Annotated[str, typer.Argument(metavar="STATUS", help="where the work is now")],
    *,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Move the work of a session to another status."""
    call = call_of(context)
    session = call.manager.transition_state(call.mas.resolve(name), status)
    return tell(call, session, as_json=as_json, quiet=quiet)


def delete(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="ID...", help="ids, their beginnings, labels, tmux names")],
    *,
    quiet: Quiet = False,
) -> int:
    """Remove records, with all that belongs to them; one whose team is wanted up is refused."""
    call = call_of(context)
    ids = call.mas.resolve_all(names)
    return each(call, ids, lambda one: _delete(call, one), quiet=quiet)


def _delete(call: Call, session_id: str) -> str:
    bounds.check_may_end(call.mas, session_id)
    call.manager.delete_session(session_id)
    return "is removed"


COMMANDS = {
    "session": {
        "": group,
        "create": create,
        "get": get,
        "list": list_,
        "update": update,
        "transition": transition,
        "delete": delete,
    }
}
