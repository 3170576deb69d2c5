"""``status``: how a session is; of a project's own team in the words of old."""

from typing import Annotated

import typer

from mas import details, meaning, naming, settings
from mas.cli import look
from mas.cli.calls import Call
from mas.cli.options import Json, Name, call_of
from mas.errors import NotFoundError
from mas.structs import Frozen


def status(
    context: typer.Context,
    name: Name = None,
    *,
    detail: Annotated[bool, typer.Option("--detail", "-d", help="and all that `mas show` says")] = False,
    as_json: Json = False,
) -> int:
    """Show a session like `mas show`; one of a project's own directories in the three lines of old.

    Where none is up that is no failure in legacy mode.
    """
    call = call_of(context)
    told = None if as_json else _in_lines(call, name)
    if told is None:
        return look.show(context, name, as_json=as_json)
    from mas.api import presence  # noqa: PLC0415  of a project's own team only

    server = "running" if presence.running(call.root) else "stopped"
    call.out(f"Session: {told.name}\nStatus: {told.word}\nHTTP Server: {server}")
    if detail and told.session_id:
        call.out("")
        return look.show(context, told.session_id)
    return 0


class _Told(Frozen):
    name: str
    word: str
    session_id: str = ""
    """Empty where nothing is on record."""


def _in_lines(call: Call, name: str | None) -> _Told | None:
    """What the session is called and how it is, in the words of old; None for one with a workspace, or a record."""
    try:
        found = meaning.meant(call.mas) if name is None else meaning.Meant(call.mas.resolve(name))
    except NotFoundError:
        own = settings.load_settings(call.root)
        if name is not None or settings.session_mode(None, call.environ, own) != settings.LEGACY:
            raise
        return _of_name(call, naming.shared_name(own.session_name, own.project_name))
    if found.stray:
        return _Told(found.stray.name, "running")
    told = details.gather(call.mas, found.session_id)
    if told.view.mode != settings.LEGACY:
        return None
    return _Told(told.view.tmux_name, told.word, found.session_id)


def _of_name(call: Call, name: str) -> _Told:
    live, _ = call.mas.live()
    return _Told(name, "unknown" if live is None else "running" if name in live else "stopped")


COMMANDS = {"status": status}
