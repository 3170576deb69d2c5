"""A team as a sender sees it: what it is, where its panes are, and which of its agents read."""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from mas import agents, processes, teamfile, tmux, watching
from mas.definitions import Profile
from mas.errors import UnknownStateError
from mas.record import runtime_of
from mas.structs import Frozen, Struct, field
from mas.team import Team

if TYPE_CHECKING:
    from mas.app import Mas

LOOK = 0.2
"""Seconds between two looks at agents of which nobody knows yet whether they read."""

Looks = Mapping[str, tmux.Look]
"""What was seen of agents, by their ids; those without a pane of ours are left out."""


class Reach(Frozen):
    """A team and its panes, as they are on record: what is in them is asked when it is needed."""

    session_id: str
    team: Team
    profile: Profile
    server: tmux.Server
    panes: Mapping[str, str]
    """Pane by agent."""
    is_ours: Callable[[tmux.Look], bool]

    def look(self, agent_ids: Iterable[str]) -> dict[str, tmux.Look]:
        """What the panes of agents are and show; raises UnknownStateError where tmux gives no answer."""
        wanted = {self.panes[agent_id]: agent_id for agent_id in agent_ids if agent_id in self.panes}
        seen = {wanted[pane]: one for pane, one in tmux.looks(self.server, [*wanted]).items()} if wanted else {}
        return {
            agent_id: one
            for agent_id, one in seen.items()
            if (one.session_id, one.agent_id) == (self.session_id, agent_id) and self.is_ours(one)
        }

    def agents(self, agent_ids: Iterable[str]) -> dict[str, str]:
        """Agent by pane, as tmux is told whom to type to."""
        return {self.panes[agent_id]: agent_id for agent_id in agent_ids}


class Patience(Struct):
    """Several looks at agents that were just started, to tell from them who reads."""

    found: Reach
    _last: dict[str, tuple[object, ...]] = field(default_factory=dict)
    _rests: dict[str, int] = field(default_factory=dict)

    def readers(self, seen: Looks) -> list[str]:
        """The agents that read, by these looks and the ones before; that is noted on their panes."""
        there = {agent_id: one for agent_id, one in seen.items() if one.there}
        unknown = {agent_id: one for agent_id, one in there.items() if not one.ready}
        worked = processes.worked([one.pid for one in unknown.values()]) if unknown else {}
        new = [agent_id for agent_id, one in unknown.items() if self._reads(agent_id, one, worked.get(one.pid, 0))]
        if new:
            tmux.mark_ready(self.found.server, self.found.agents(new), self.found.session_id)
        return [agent_id for agent_id, one in there.items() if one.ready or agent_id in new]

    def _reads(self, agent_id: str, one: tmux.Look, worked: int) -> bool:
        """A program that draws its own input line may work meanwhile; any other that does is still starting."""
        keys = tmux.reads_keys(one.tty)
        now = (one.shows(), keys, None if keys and one.screen.strip() else worked)
        self._rests[agent_id] = self._rests.get(agent_id, 0) + 1 if self._last.get(agent_id) == now else 0
        self._last[agent_id] = now
        signs = agents.Signs(there=True, screen=one.screen, rests=self._rests[agent_id], keys=keys)
        return agents.ready(signs, self.found.profile)


def reach(mas: "Mas", session_id: str) -> Reach:
    """The team of a session, from its record. Raises NotFoundError, DamagedError."""
    team, choice = teamfile.stored_team(mas, session_id)
    document = mas.storage.read(session_id).document
    known = runtime_of(document).get("tmux") or {}
    if known.get("pid") and not os.path.exists(known.get("socket", "")):  # noqa: PTH110  it may have been removed
        with suppress(UnknownStateError):  # who looks at the panes hears of it
            watching.look(mas, session_id, document)
    server = mas.server_of(known.get("socket", ""))
    return Reach(session_id, team, choice.profile, server, known.get("panes") or {}, mas.is_ours)


def until_they_read(found: Reach, agent_ids: Iterable[str], seconds: float) -> tuple[dict[str, tmux.Look], list[str]]:
    """Look at agents until all that run read, or ask for a decision, or time is over: the last look, and who reads."""
    wanted, patience = [*agent_ids], Patience(found)
    deadline = time.monotonic() + seconds
    while True:
        seen = found.look(wanted)
        readers = patience.readers(seen)
        silent = [one for agent_id, one in seen.items() if one.there and agent_id not in readers]
        if all(agents.asks(one.screen, found.profile) for one in silent) or time.monotonic() > deadline:
            return seen, readers
        time.sleep(LOOK)
