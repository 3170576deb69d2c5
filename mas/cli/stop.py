"""``stop``, ``rm``, ``clean``: ending teams and removing sessions."""

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated

import typer

from mas import attaching, cleaning, legacy, meaning, render, settings, stopping, tmux
from mas.cli.calls import Call
from mas.cli.options import DryRun, Json, Names, Quiet, call_of, seconds
from mas.clock import utc_now
from mas.errors import MasError, NotFoundError, UsageError

All = Annotated[bool, typer.Option("--all", help="every session that is up")]


def stop(
    context: typer.Context,
    names: Names = None,
    *,
    everything: All = False,
    force: Annotated[bool, typer.Option("--force", "-f", help="do not ask, give the agents no time to end")] = False,
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
        stopping.end_stray(call.mas, stray)
        call.say(f"{stray.name} has ended; nobody had registered it")
    return each(call, _own_last(call, ids), lambda one: _stop(call, one, force=force), quiet=quiet)


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
        if named or settings.session_mode(None, call.environ, settings.load_settings(call.root)) != legacy.MODE:
            raise
        return None, ()
    return (found.stray, ()) if found.stray else (None, [found.session_id])


def _agreed(call: Call, stray: tmux.SeenSession | None, ids: Sequence[str]) -> bool:
    """Whether the person at the terminal agrees, where a team of the project's own directories is to end."""
    rows = [row for one in ids if (row := call.mas.row(one)) and row.get("mode") == legacy.MODE]
    names = [stray.name] if stray else [row["tmuxSession"] for row in rows]
    if not names or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    call.ask(f"stop {', '.join(names)}? [y/N] ")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _up(call: Call) -> Sequence[str]:
    found = call.mas.list(active=True, everything=True).views
    return [view.session_id for view in found if view.session_id]


def _own_last(call: Call, ids: Iterable[str]) -> list[str]:
    """The session we are in ourselves comes last, or the others would not be reached."""
    return sorted(ids, key=lambda one: one == call.environ.get("MAS_SESSION_ID"))


def _stop(call: Call, session_id: str, *, force: bool) -> str:
    with call.busy(f"stopping {session_id[:8]}"):
        done = call.mas.stop(session_id, grace=0.0) if force else call.mas.stop(session_id)
    if done.handed_over:
        return "is being stopped from outside, it is the one you are in"
    return "is stopped" if done.was_up else "was stopped already"


def remove(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="ID...", help="ids, their beginnings, labels, tmux names")],
    *,
    force: Annotated[bool, typer.Option("--force", "-f", help="also where the team is up: it is ended first")] = False,
    quiet: Quiet = False,
) -> int:
    """Remove sessions with their workspaces; what is up is refused."""
    call = call_of(context)
    ids = call.mas.resolve_all(names)
    return each(call, _own_last(call, ids), lambda one: _remove(call, one, force=force), quiet=quiet)


def _remove(call: Call, session_id: str, *, force: bool) -> str:
    with call.busy(f"removing {session_id[:8]}"):
        if call.root.maestro:
            call.manager.delete_session(session_id, force=force)
        else:
            call.mas.remove(session_id, force=force)
    return "is removed"


def each(call: Call, ids: Iterable[str], act: Callable[[str], str], *, quiet: bool) -> int:
    """Do something to each session and say how it went; one that fails does not keep the others from their turn."""
    code = 0
    for session_id in ids:
        try:
            how = act(session_id)
        except MasError as error:
            hint = f"; {error.hint}" if error.hint else ""
            call.say(render.one_line(f"mas: {session_id[:8]}: {error.message}{hint}"))
            code = 1
        else:
            if quiet:
                call.out(session_id)
            else:
                call.say(f"{session_id[:8]} {how}")
    return code


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


COMMANDS = {"stop": stop, "rm": remove, "clean": clean}
