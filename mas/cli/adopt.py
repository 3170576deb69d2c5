"""``adopt``: a team that runs already gets a session."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mas import render, settings
from mas.cli.calls import Call
from mas.cli.options import Json, Quiet, call_of
from mas.cli.outcome import summary

if TYPE_CHECKING:
    from mas.adopting import Adopted


def adopt(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="its tmux name in full")] = None,
    *,
    isolated: Annotated[bool, typer.Option("--isolated", help="in a workspace, copied from unit/, workflows/")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Register a team that runs already: one that an earlier mas started, or that was made by hand.

    Its agents go on undisturbed. Without NAME it is the project's own.
    """
    call = call_of(context)
    call.refuse_records_only("adopt")
    with call.busy("adopting"):
        done = call.mas.adopt(name, isolated=isolated)
    if as_json:
        call.json(_to_json(call, done))
    elif quiet:
        call.out(done.session.session_id)
    else:
        call.out("\n".join(f"{title}: {value}" for title, value in _facts(done)))
    for text in _notes(done):
        call.say(text)
    return 0


def _facts(done: "Adopted") -> Iterator[tuple[str, str]]:
    yield "Session ID", done.session.session_id
    yield "Session", done.tmux_name
    yield "Workspace", str(done.workspace)
    yield "Team", summary(done.team)
    yield "Recognised", ", ".join(done.agents.values()) or "none"


def _notes(done: "Adopted") -> Iterator[str]:
    if done.unknown:
        windows = ", ".join(render.one_line(window) for window in done.unknown)
        yield f"whose panes are in {windows} cannot be told; a stop and a resume put that right"
    if done.session.mode != settings.LEGACY:
        session_id = done.session.session_id[:8]
        yield (
            "the agents that run keep their old directories and environment; "
            f"they come up in the workspace after `mas stop {session_id}` and `mas resume {session_id}`"
        )


def _to_json(call: Call, done: "Adopted") -> dict[str, Any]:
    return {
        **call.mas.view(done.session.session_id).to_json(),
        "agents": list(done.agents.values()),
        "unknownWindows": list(done.unknown),
    }


COMMANDS = {"adopt": adopt}
