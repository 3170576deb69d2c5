"""Starting one agent again in the pane it has: the same program, directory and environment."""

import time
from collections.abc import Collection
from typing import TYPE_CHECKING

from mas import courier, delivery, launch, planning, processes, profiles, tmux
from mas.errors import MasError, NotFoundError, RefusedError
from mas.reach import LOOK, Reach, reach
from mas.stopping import ASKING

if TYPE_CHECKING:
    from mas.app import Mas

_SETTLING = 5.0
"""Seconds that the wrapper of a pane has to notice that its agent is gone."""


def restart(mas: "Mas", session_id: str, agent_id: str, *, again: bool = False, grace: float = ASKING) -> str:
    """End what is left of an agent and start it anew; returns the id of its pane, which stays the same.

    It begins with its prompt again, or with ``again`` goes on with its conversation, where its program can. Raises
    RefusedError where the team has no such agent or this runs in it, NotFoundError where it has no pane,
    MissingProgramError where its program is gone, MasError where a process cannot be ended: then nothing is started.
    """
    with mas.storage.lock(session_id):
        document = mas.storage.read(session_id).document
        found = reach(mas, session_id)
        agent = found.team.agent(agent_id.removeprefix("agent-"))
        plan = planning.launch_plan(mas, document, found.team, found.profile, again=[agent.id] if again else [])
        planning.check_directories(plan)
        profiles.check_present(found.profile, mas.environ, "bring it back, or put its directory on PATH")
        look = _pane(found, agent.id)
        old = _processes(plan, agent.id, look.pid)
        if processes.own(old):
            msg = f"agent {agent.id} is the one this runs in"
            raise RefusedError(msg, hint="call it from outside of that pane")
        if not (again and found.profile.resume):
            courier.enqueue_prompts(mas, session_id, found.team, [agent.id])
        if not look.replaced:  # there no wrapper keeps the pane, which would end with what runs in it
            _end_agent(found, agent.id, look.pid, old, grace)
        tmux.respawn(found.server, plan, agent.id, found.panes[agent.id])
        _end(old)
    if courier.something_waits(mas, session_id):
        delivery.call_courier(mas, session_id)
    return found.panes[agent.id]


def _pane(found: Reach, agent_id: str) -> tmux.Look:
    look = found.look([agent_id]).get(agent_id)
    if look is None:
        short = found.session_id[:8]
        msg = f"agent {agent_id} of session {short} has no pane"
        raise NotFoundError(msg, hint=f"`mas stop {short}`, then `mas resume {short}`")
    return look


def _processes(plan: launch.LaunchPlan, agent_id: str, pid: int) -> frozenset[processes.Process]:
    """What runs in the pane, and what it left elsewhere: its own variables tell it from the other agents' processes."""
    own = processes.carriers(plan.marker) & processes.carriers(f"MAS_AGENT_ID={agent_id}")
    return processes.descendants([pid]) | own


def _end_agent(found: Reach, agent_id: str, pid: int, old: Collection[processes.Process], grace: float) -> None:
    """End all but the wrapper, and let that record how its agent ended."""
    inner = {one for one in old if one.pid != pid}
    processes.ask(processes.children([pid]), grace=grace)
    _end(inner)
    deadline = time.monotonic() + _SETTLING
    while time.monotonic() < deadline:
        look = found.look([agent_id]).get(agent_id)
        if look is None or not look.there:
            return
        time.sleep(LOOK)


def _end(members: Collection[processes.Process]) -> None:
    survivors = processes.end(members).survivors
    if survivors:
        shown = ", ".join(str(process.pid) for process in survivors)
        raise MasError(f"processes {shown} cannot be ended", hint="look at what they wait for, then restart again")
