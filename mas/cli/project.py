"""``init``, ``status``, ``adopt``: a project and the team that works in its own directories."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from mas import details, meaning, naming, project, render, settings
from mas.adopting import Adopted
from mas.api import presence
from mas.cli import look
from mas.cli.calls import Call
from mas.cli.options import Json, Name, Quiet, call_of
from mas.cli.start import summary
from mas.errors import NotFoundError
from mas.legacy import MODE


def init(
    context: typer.Context,
    *,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="of the project, else the directory's")] = None,
    template: Annotated[str | None, typer.Option(metavar="NAME", help="the team, see `mas templates list`")] = None,
    as_json: Json = False,
) -> int:
    """Make the working directory, or that of --root, a project: .masrc, unit/, workflows/ and sessions/.

    What is there already stays as it is.
    """
    call = call_of(context)
    call.refuse_records_only("init")
    done = project.init(call.place, name, template)
    if as_json:
        call.json({"root": str(done.root.path), "made": done.made, "kept": done.kept, "tmuxSession": done.session_name})
        return 0
    pairs = [("Project", str(done.root.path)), ("Made", ", ".join(done.made)), ("Kept", ", ".join(done.kept))]
    call.out("\n".join(f"{title}: {value}" for title, value in pairs if value))
    call.say(f"`mas start` brings its team up as {done.session_name}, `mas start --isolated` one in a workspace")
    return 0


def status(
    context: typer.Context,
    name: Name = None,
    *,
    detail: Annotated[bool, typer.Option("--detail", "-d", help="all that `mas show` says")] = False,
    as_json: Json = False,
) -> int:
    """Show a session like `mas show`; one of a project's own directories in the three lines of old.

    Where none is up that is no failure in legacy mode.
    """
    call = call_of(context)
    found = None if detail or as_json else _in_lines(call, name)
    if found is None:
        return look.show(context, name, as_json=as_json)
    server = "running" if presence.running(call.root) else "stopped"
    call.out(f"Session: {found[0]}\nStatus: {found[1]}\nHTTP Server: {server}")
    return 0


def _in_lines(call: Call, name: str | None) -> tuple[str, str] | None:
    """What the session is called and how it is, in the words of old; None for one with a workspace, or a record."""
    try:
        found = meaning.meant(call.mas) if name is None else meaning.Meant(call.mas.resolve(name))
    except NotFoundError:
        own = settings.load_settings(call.root)
        if name is not None or settings.session_mode(None, call.environ, own) != MODE:
            raise
        return _of_name(call, naming.shared_name(own.session_name, own.project_name))
    if found.stray:
        return found.stray.name, "running"
    told = details.gather(call.mas, found.session_id)
    return (told.view.tmux_name, _word(told)) if told.view.mode == MODE else None


def _of_name(call: Call, name: str) -> tuple[str, str]:
    live, _ = call.mas.live()
    return name, "unknown" if live is None else "running" if name in live else "stopped"


def _word(told: details.Details) -> str:
    if told.view.stale:
        return "unknown"
    if told.view.status != "active":
        return told.view.status
    return "running" if all(agent.status == "running" for agent in told.agents) else "partial"


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


def _facts(done: Adopted) -> Iterator[tuple[str, str]]:
    yield "Session ID", done.session.session_id
    yield "Session", done.tmux_name
    yield "Workspace", str(done.workspace)
    yield "Team", summary(done.team)
    yield "Recognised", ", ".join(done.agents.values()) or "none"


def _notes(done: Adopted) -> Iterator[str]:
    if done.unknown:
        windows = ", ".join(render.one_line(window) for window in done.unknown)
        yield f"whose panes are in {windows} cannot be told; a stop and a resume put that right"
    if done.session.mode != MODE:
        session_id = done.session.session_id[:8]
        yield (
            "the agents that run keep their old directories and environment; "
            f"they come up in the workspace after `mas stop {session_id}` and `mas resume {session_id}`"
        )


def _to_json(call: Call, done: Adopted) -> dict[str, Any]:
    return {
        **call.mas.view(done.session.session_id).to_json(),
        "agents": list(done.agents.values()),
        "unknownWindows": list(done.unknown),
    }


COMMANDS = {"init": init, "status": status, "adopt": adopt}
