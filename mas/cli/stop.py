"""``stop``: ending teams."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from mas import attaching, bounds, meaning, settings, stopping, tmux
from mas.cli.calls import Call
from mas.cli.options import Names, Quiet, call_of
from mas.cli.outcome import each, own_last
from mas.errors import NotFoundError, UsageError

All = Annotated[bool, typer.Option("--all", help="every session that is up")]


def stop(
    context: typer.Context,
    names: Names = None,
    *,
    everything: All = False,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="give agents no time; ask nothing about a team without a workspace")
    ] = False,
    quiet: Quiet = False,
) -> int:
    """End the teams of sessions. Their workspaces stay, `mas resume` brings them up again."""
    call = call_of(context)
    if everything and names:
        raise UsageError("--all and ids were both given", hint="give one of them")
    stray, ids = (None, _up(call)) if everything else _meant(call, names or [])
    if not (stray or ids) and not quiet:
        call.say("no session is up")
    if not (force or _agreed(call, stray, ids)):
        call.say("nothing was stopped")
        return 0
    if stray:
        bounds.check_may_end(call.mas, "")
        stopping.end_stray(call.mas, stray)
        call.say(f"{stray.name} has ended; nobody had registered it")
    return each(call, own_last(call, ids), lambda one: _stop(call, one, force=force), quiet=quiet)


def _meant(call: Call, names: Sequence[str]) -> tuple[tmux.SeenSession | None, Sequence[str]]:
    """The session that nobody registered, where that is meant, and the ids of those that are.

    In legacy mode a stop without a name succeeds where nothing is up.
    """
    if len(names) == 1 and (target := attaching.find_stray(call.mas, names[0])):
        return target.seen, ()
    if names:
        return None, call.mas.resolve_all(names)
    try:
        found = meaning.meant(call.mas)
    except NotFoundError:
        named = any(call.environ.get(one) for one in (meaning.NAME, meaning.ID))
        if named or settings.session_mode(None, call.environ, settings.load_settings(call.root)) != settings.LEGACY:
            raise
        return None, ()
    return (found.stray, ()) if found.stray else (None, [found.session_id])


def _agreed(call: Call, stray: tmux.SeenSession | None, ids: Sequence[str]) -> bool:
    """Whether the person at the terminal agrees, where a team of the project's own directories is to end."""
    rows = [row for one in ids if (row := call.mas.row(one)) and row.get("mode") == settings.LEGACY]
    names = [stray.name] if stray else [row["tmuxSession"] for row in rows]
    if not names or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    call.ask(f"stop {', '.join(names)}? [y/N] ")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _up(call: Call) -> Sequence[str]:
    found = call.mas.list(active=True, everything=True).views
    return [view.session_id for view in found if view.session_id]


def _stop(call: Call, session_id: str, *, force: bool) -> str:
    bounds.check_may_end(call.mas, session_id)
    with call.busy(f"stopping {session_id[:8]}"):
        done = call.mas.stop(session_id, grace=0.0) if force else call.mas.stop(session_id)
    if done.handed_over:
        return "is being stopped from outside, it is the one you are in"
    return "is stopped" if done.was_up else "was stopped already"


COMMANDS = {"stop": stop}
