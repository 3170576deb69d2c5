"""What each agent of a session is doing, from two looks at its pane and its screen, and from what runs in it."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mas import processes, tmux
from mas.agents import Doing, Signs, classify
from mas.reach import LOOK, reach

if TYPE_CHECKING:
    from mas.app import Mas


def gather(mas: "Mas", session_id: str, commands: Mapping[str, str]) -> dict[str, Doing]:
    """What each agent does, by its id, with the evidence; ``commands`` is what runs in the foreground of its pane.

    Raises UnknownStateError where tmux gives no answer.
    """
    found = reach(mas, session_id)
    before = found.look(found.team.ids)
    pids = [look.pid for look in before.values() if look.there]
    used = processes.worked(pids) if pids else {}
    if pids:
        time.sleep(LOOK)
    now = found.look(found.team.ids)
    using = processes.worked(pids) if pids else {}
    signs = dict.fromkeys(found.team.ids, Signs(there=False))
    for agent_id, look in now.items():
        signs[agent_id] = Signs(
            there=True,
            dead=look.dead,
            replaced=look.replaced,
            ready=look.ready,
            exit_code=look.exit_code,
            command=commands.get(agent_id, ""),
            screen=look.screen,
            before=before[agent_id].screen if agent_id in before else None,
            keys=tmux.reads_keys(look.tty),
            worked=using.get(look.pid, 0) - used.get(look.pid, 0),
        )
    return {agent_id: classify(one, found.profile) for agent_id, one in signs.items()}
