"""``list``, ``path``, ``env`` and ``version`` as typer reads them; ``mas.cli.quick`` reads their plain forms."""

from enum import StrEnum
from typing import Annotated

import typer

from mas.cli import answers
from mas.cli.options import Json, Name, Quiet, call_of


class Format(StrEnum):
    """How variables are written."""

    SHELL = "shell"
    JSON = "json"
    DOTENV = "dotenv"


def list_(  # noqa: PLR0913  one argument an option
    context: typer.Context,
    *,
    everything: Annotated[bool, typer.Option("--all", "-a", help="also the old ones")] = False,
    active: Annotated[bool, typer.Option("--active", help="only those that are up")] = False,
    status: Annotated[str | None, typer.Option(metavar="WORD", help="active, stopped, error or all")] = None,
    limit: Annotated[int | None, typer.Option(metavar="N", help="at most N, the newest")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    names: Annotated[bool, typer.Option("--names", help="print what may be typed for each")] = False,
) -> int:
    """Show the sessions: what is live, and the newest 50 others.

    In a pipe a session is a line of values parted by tabs: id, status, lifecycle, agents, created, tmux name,
    directory, label, mode.
    """
    return answers.sessions(
        call_of(context),
        everything=everything,
        active=active,
        status=status,
        limit=limit,
        as_json=as_json,
        quiet=quiet,
        names=names,
    )


def path(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[ID|lib|templates|root]")] = None,
) -> int:
    """Print the workspace of a session, or where lib, templates or the root are."""
    return answers.path(call_of(context), name)


def env(
    context: typer.Context,
    name: Name = None,
    form: Annotated[Format, typer.Option("--format", help="how they are written")] = Format.SHELL,
) -> int:
    """Print a session's variables: eval "$(mas env ID)"."""
    return answers.env(call_of(context), name, form=form.value)


def version(context: typer.Context, *, as_json: Json = False) -> int:
    """Print the version of mas."""
    return answers.version(call_of(context), as_json=as_json)


COMMANDS = {"list": list_, "path": path, "env": env, "version": version}
