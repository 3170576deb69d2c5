"""``capture``: what an agent's screen shows."""

from typing import Annotated

import typer

from mas import attaching, tmux
from mas.cli.options import Name, call_of
from mas.errors import UsageError


def capture(
    context: typer.Context,
    name: Name = None,
    *,
    agent: Annotated[str | None, typer.Option("--agent", "-a", metavar="ID", help="whose screen")] = None,
    lines: Annotated[int | None, typer.Option(min=1, metavar="N", help="the last N lines, history too")] = None,
) -> int:
    """Print what an agent's screen shows."""
    call = call_of(context)
    target = attaching.find(call.mas, name)
    panes = tmux.panes(target.server, target.seen.tmux_id, target.session_id)
    if agent is None and len(panes) > 1:
        known = ", ".join(pane.agent_id for pane in panes if pane.agent_id)
        raise UsageError(f"{target.seen.name} has {len(panes)} agents", hint=f"say which with --agent: {known}")
    pane_id = attaching.pane_of(target, agent) if agent else panes[0].pane_id
    call.out(tmux.capture(target.server, pane_id, target.session_id, lines=lines))
    return 0


COMMANDS = {"capture": capture}
