"""``serve`` and ``token``: the HTTP API."""

import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from mas import codebase, files, proc
from mas.api import config as settings
from mas.api import presence
from mas.api.config import ServeConfig
from mas.api.presence import Running
from mas.cli.calls import Call, own_program
from mas.cli.options import Json, call_of
from mas.errors import ExistsError, MissingProgramError, UsageError

_READY_IN = 30.0
_END_IN = 90.0
_LIBRARIES = ("fastapi", "uvicorn", "pydantic", "starlette", "h11")

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="print the URL only, or nothing")]


def serve(  # noqa: PLR0913  one argument an option
    context: typer.Context,
    *,
    host: Annotated[str | None, typer.Option(metavar="ADDRESS", help="where to listen, else 127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(metavar="N", help="at which port, else 8765; 0 is any free one")] = None,
    uds: Annotated[str | None, typer.Option(metavar="PATH", help="at a unix socket instead")] = None,
    background: Annotated[bool, typer.Option("--background", help="come back when it is ready")] = False,
    status: Annotated[bool, typer.Option("--status", help="say whether one runs, and where")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="end the one that runs; its sessions go on")] = False,
    no_auth: Annotated[bool, typer.Option("--no-auth", help="ask nobody for a token")] = False,
    allow_remote: Annotated[bool, typer.Option("--allow-remote", help="let other machines reach it")] = False,
    origin: Annotated[list[str] | None, typer.Option(metavar="URL", help="let pages of this site use it")] = None,
    allow_host: Annotated[list[str] | None, typer.Option(metavar="NAME", help="a name that it is called by")] = None,
    print_openapi: Annotated[bool, typer.Option("--print-openapi", help="print its description")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Serve the sessions over HTTP.

    Without --background until ^C or TERM, which finish what was asked for and leave the sessions running. MAS_API_HOST
    and MAS_API_PORT stand for --host and --port.
    """
    call = call_of(context)
    if sum((background, status, stop, print_openapi)) > 1:
        raise UsageError("--background, --status, --stop and --print-openapi were mixed", hint="give one of them")
    if print_openapi:
        return _print_openapi(call)
    call.refuse_records_only("serve")
    if status:
        return _tell(call, presence.running(call.root), as_json=as_json, quiet=quiet)
    if stop:
        ended = presence.stop(call.root, _END_IN)
        if not quiet:
            call.say(f"the server (process {ended.pid}) has ended; its sessions go on")
        return 0
    chosen_host, chosen_port, socket = settings.address(host, port, uds, call.environ, call.cwd)
    config = settings.check(
        ServeConfig(
            host=chosen_host,
            port=chosen_port,
            uds=socket,
            token=None if no_auth else presence.token(call.root),
            allow_remote=allow_remote,
            origins=tuple(origin or ()),
            names=tuple(allow_host or ()),
        )
    )
    if background:
        return _tell(call, _begin(call, config), as_json=as_json, quiet=quiet)
    return _serve(call, config)


def _serve(call: Call, config: ServeConfig) -> int:
    try:
        from mas.api.server import serve as run  # noqa: PLC0415  heavy, and an extra
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    from mas.app import Mas  # noqa: PLC0415

    mas = Mas(call.root, _environment(call), call.root.path, own_program())
    run(mas, config, lambda server: call.say(f"serving {call.root.path} on {_place(server)}; ^C ends it"))
    return 0


def _environment(call: Call) -> dict[str, str]:
    """What a server works in; its teams work on the code that is around this call."""
    place = codebase.find(call.root, call.environ, call.cwd)
    return settings.outside(call.environ) | {codebase.VARIABLE: str(place)}


def _missing(error: ModuleNotFoundError) -> Exception:
    if error.name is None or error.name.partition(".")[0] not in _LIBRARIES:
        return error
    return MissingProgramError(f"the HTTP API needs {error.name}", hint="type: pip install 'mas[api]'")


def _begin(call: Call, config: ServeConfig) -> Running:
    """Start a server that outlives us and wait until it is ready."""
    if other := presence.running(call.root):
        msg = f"a server of {call.root.path} runs already on {_place(other)} (process {other.pid})"
        raise ExistsError(msg, hint="`mas serve --stop` ends it")
    with presence.opened(call.root) as fd:
        files.remove(fd, presence.LOG)
    argv = [sys.executable, "-P", "-m", "mas", "serve", "--root", str(call.root.path), *_words(config)]
    log = presence.directory(call.root) / presence.LOG
    with call.busy("starting the server"):
        pid = proc.detach(argv, env=_environment(call), log=log)
        return presence.wait_until_ready(call.root, pid, _READY_IN)


def _words(config: ServeConfig) -> Iterator[str]:
    """The options that say the same."""
    if config.uds:
        yield from ("--uds", str(config.uds))
    else:
        yield from ("--host", config.host, "--port", str(config.port))
    if config.token is None:
        yield "--no-auth"
    if config.allow_remote:
        yield "--allow-remote"
    for origin in config.origins:
        yield from ("--origin", origin)
    for name in config.names:
        yield from ("--allow-host", name)


def _tell(call: Call, server: Running | None, *, as_json: bool, quiet: bool) -> int:
    """Say whether a server runs; exit code 1 where none does."""
    if as_json:
        call.json(server.to_json() if server else {"status": "stopped"})
    elif quiet:
        call.lines([server.url] if server else [])
    else:
        call.out(f"running on {_place(server)} (process {server.pid})" if server else "stopped")
    return 0 if server else 1


def _place(server: Running) -> str:
    return f"unix socket {server.uds}" if server.uds else server.url


def _print_openapi(call: Call) -> int:
    try:
        from mas.api.application import bare  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    call.json(bare().openapi())
    return 0


def token(
    context: typer.Context,
    *,
    header: Annotated[bool, typer.Option("--header", help="as a header, for curl -H @FILE")] = False,
    renew: Annotated[bool, typer.Option("--renew", help="make another; a server takes it when it starts")] = False,
) -> int:
    """Print the token that `mas serve` asks for; it is made once and kept for its owner alone.

    Programs of others can see what is on a command line: curl -H @<(mas token --header) does without.
    """
    call = call_of(context)
    call.refuse_records_only("token")
    text = presence.token(call.root, renew=renew)
    call.lines([f"Authorization: Bearer {text}" if header else text])
    return 0


COMMANDS = {"serve": serve, "token": token}
