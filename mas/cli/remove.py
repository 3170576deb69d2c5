"""``rm`` and ``clean``: removing sessions."""

from collections.abc import Sequence
from typing import Annotated

import typer

from mas import bounds, cleaning, meaning, naming
from mas.cli.calls import Call
from mas.cli.options import DryRun, Json, Quiet, call_of, seconds
from mas.cli.outcome import each, own_last
from mas.clock import utc_now
from mas.errors import UsageError


def remove(
    context: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="ID...", help="ids, their beginnings, labels, tmux names")
    ] = None,
    *,
    force: Annotated[bool, typer.Option("--force", "-f", help="also where the team is up: it is ended first")] = False,
    quiet: Quiet = False,
) -> int:
    """Remove sessions with their workspaces; what is up is refused."""
    call = call_of(context)
    if not names:
        raise _which(call)
    ids = call.mas.resolve_all(names)
    return each(call, own_last(call, ids), lambda one: _remove(call, one, force=force), quiet=quiet)


def _which(call: Call) -> UsageError:
    """What is removed is gone, so nothing is guessed; what could be meant is listed."""
    rows = [] if call.root.maestro else meaning.down(call.mas)
    shown = ", ".join(naming.describe(row) for row in rows[:6]) + (", …" if len(rows) > 6 else "")
    example = rows[0]["sessionId"][:8] if rows else "ID"
    msg = "`mas rm` was not told which session" + (f"; down are: {shown}" if rows else "")
    return UsageError(msg, hint=f"name it: `mas rm {example}`")


def _remove(call: Call, session_id: str, *, force: bool) -> str:
    bounds.check_may_end(call.mas, session_id)
    with call.busy(f"removing {session_id[:8]}"):
        if call.root.maestro:
            call.manager.delete_session(session_id, force=force)
        else:
            call.mas.remove(session_id, force=force)
    return "is removed"


def clean(
    context: typer.Context,
    *,
    older_than: Annotated[str, typer.Option(metavar="AGE", help="not touched for so long")] = "30d",
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Remove stopped sessions that nobody used for long. What is up, damaged or being worked on stays."""
    call = call_of(context)
    call.refuse_records_only("clean")
    age = seconds(older_than, "--older-than")
    chosen = cleaning.choose(call.mas.list(everything=True).views, age, utc_now())
    if as_json:
        call.json({"sessions": [view.to_json() for view in chosen], "count": len(chosen), "dryRun": dry_run})
    if dry_run:
        return _would_remove(call, [view.session_id for view in chosen], talk=not as_json, quiet=quiet)
    if not chosen and not quiet:
        call.say(f"nothing is older than {older_than}")
    return each(call, [view.session_id for view in chosen], lambda one: _remove(call, one, force=False), quiet=quiet)


def _would_remove(call: Call, ids: Sequence[str], *, talk: bool, quiet: bool) -> int:
    if talk:
        call.lines([one if quiet else f"would remove {one}" for one in ids])
        if not ids and not quiet:
            call.say("nothing would be removed")
    return 0


COMMANDS = {"rm": remove, "clean": clean}
