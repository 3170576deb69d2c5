"""``start`` and ``resume``, as typer reads them."""

from typing import Annotated

import typer

from mas.cli import beginning
from mas.cli.options import DryRun, Json, Name, Quiet, Request, call_of

Attach = Annotated[bool, typer.Option("--attach/--no-attach", help="attach afterwards, only on a terminal")]


def start(  # noqa: PLR0913  one argument an option
    context: typer.Context,
    *,
    isolated: Annotated[bool, typer.Option("--isolated", help="in a workspace of its own")] = False,
    legacy: Annotated[bool, typer.Option("--legacy", help="in the root's own unit/ and workflows/")] = False,
    template: Annotated[str | None, typer.Option(metavar="NAME", help="the team, see `mas templates list`")] = None,
    config: Annotated[
        str | None, typer.Option(metavar="FILE", help="prompts, names, models as JSON; - is stdin")
    ] = None,
    agent: Annotated[str | None, typer.Option(metavar="PROFILE", help="the agent program, for example claude")] = None,
    command: Annotated[str | None, typer.Option(metavar="CMD", help="the agents' command line instead")] = None,
    label: Annotated[str, typer.Option(metavar="NAME", help="a name of your own for it")] = "",
    request: Request = "",
    session_id: Annotated[str | None, typer.Option("--id", metavar="UUID", help="its id, else one is drawn")] = None,
    attach: Annotated[
        bool | None,
        typer.Option("--attach/--no-attach", help="attach afterwards, only on a terminal; the default with --legacy"),
    ] = None,
    no_team: Annotated[bool, typer.Option("--no-team", help="only make it; `mas resume` starts the team")] = False,
    log: Annotated[bool, typer.Option("--log", help="keep what each agent's pane prints: `mas logs`")] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Start a team in tmux, each agent in a directory of its own.

    Without --agent or --command it is claude where that is installed, else plain shells.
    """
    return beginning.start(
        call_of(context),
        isolated=isolated,
        legacy=legacy,
        template=template,
        config=config,
        agent=agent,
        command=command,
        label=label,
        request=request,
        session_id=session_id,
        attach=attach,
        no_team=no_team,
        log=log,
        dry_run=dry_run,
        as_json=as_json,
        quiet=quiet,
    )


def resume(
    context: typer.Context, name: Name = None, *, attach: Attach = False, as_json: Json = False, quiet: Quiet = False
) -> int:
    """Bring a stopped team up again, as it was started, and go on with work that stopped with it."""
    call = call_of(context)
    call.refuse_records_only("resume")
    beginning.check_terminal(attach=attach)
    session_id = call.mas.resolve(name, down=True)
    with call.busy(f"resuming {session_id[:8]}"):
        started = call.mas.resume(session_id)
    return beginning.tell(call, started, as_json=as_json, quiet=quiet, attach=attach)


COMMANDS = {"start": start, "resume": resume}
