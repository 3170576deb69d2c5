"""``attach``: going to a session's terminal."""

import sys
from typing import Annotated

import typer

from mas import attaching, proc
from mas.cli.calls import Call
from mas.cli.options import Name, call_of
from mas.errors import RefusedError, UsageError


def attach(
    context: typer.Context,
    name: Name = None,
    *,
    window: Annotated[str | None, typer.Option("--window", "-w", metavar="NAME", help="show this window")] = None,
    agent: Annotated[str | None, typer.Option("--agent", "-a", metavar="ID", help="show this agent")] = None,
) -> int:
    """Go to a session's terminal; inside tmux the terminal switches to it."""
    if window and agent:
        raise UsageError("--window and --agent were both given", hint="an agent is in one window only")
    return go(call_of(context), name, window=window, agent=agent)


def go(call: Call, name: str | None, *, window: str | None = None, agent: str | None = None) -> int:
    """Become the tmux client that shows a session; returns only where it cannot."""
    target = attaching.find(call.mas, name)
    argv = attaching.command(call.mas, target, window=window, agent=agent)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise RefusedError("this is no terminal, so nothing can be shown on it", hint=f"on one, type: {target.by_hand}")
    sys.stdout.flush()
    proc.become(argv, attaching.environment(call.mas, target))
    return 0


COMMANDS = {"attach": attach}
