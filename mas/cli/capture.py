"""``capture``: what an agent's screen shows."""

from collections.abc import Sequence
from typing import Annotated

import typer

from mas import attaching, tmux
from mas.cli.options import call_of, names_agent
from mas.errors import UsageError


def capture(
    context: typer.Context,
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[ID] [AGENT]", help="the session, and the agent")
    ] = None,
    *,
    agent: Annotated[str | None, typer.Option("--agent", "-a", metavar="ID", help="whose screen")] = None,
    lines: Annotated[int | None, typer.Option(min=1, metavar="N", help="the last N lines, history too")] = None,
) -> int:
    """Print what an agent's screen shows."""
    call = call_of(context)
    name, agent = _meant(words or [], agent)
    target = attaching.find(call.mas, name)
    panes = tmux.panes(target.server, target.seen.tmux_id, target.session_id)
    if agent is None and len(panes) > 1:
        known = ", ".join(pane.agent_id for pane in panes if pane.agent_id)
        raise UsageError(
            f"{target.seen.name} has {len(panes)} agents",
            hint=f"say which: mas capture {name or 'ID'} AGENT, of {known}",
        )
    pane_id = attaching.pane_of(target, agent) if agent else panes[0].pane_id
    call.out(tmux.capture(target.server, pane_id, target.session_id, lines=lines))
    return 0


def _meant(words: Sequence[str], agent: str | None) -> tuple[str | None, str | None]:
    """The session and the agent that up to two words and the option mean."""
    if len(words) > (2 if agent is None else 1):
        raise UsageError(f"{len(words)} words were given", hint="say which session, and which agent: ID AGENT")
    if agent is None and words and (len(words) == 2 or names_agent(words[0])):
        agent = words[-1]
        words = words[:-1]
    return words[0] if words else None, agent


COMMANDS = {"capture": capture}
