"""Delivering what waits: first prompts, and messages to agents that were not there or did not read.

One process a session does it, started by whoever made something wait for an agent that runs. It goes on as long as
anybody is there for whom something waits, and ends by itself. An agent gets one message at a time, and none while it
asks for a decision: that would be answered by it.
"""

import os
import time
from collections.abc import Callable, Collection, Mapping
from math import inf
from typing import TYPE_CHECKING, Any

from mas import agents, files
from mas.clock import utc_now
from mas.delivery import SendOptions, deliver, only_sender, settle_cut_off, settled_if_cut_off
from mas.errors import BusyError, DamagedError, UnknownStateError
from mas.mailbox import Mailbox
from mas.messages import BEING_DELIVERED, Fate, Message, initial_prompts, queued, waited_for, waits
from mas.reach import LOOK, Looks, Patience, reach
from mas.team import Team, apply_config
from mas.teamfile import stored_team

if TYPE_CHECKING:
    from mas.app import Mas

PROMPT = "prompt"
"""The kind of a message that an agent begins with."""

PACE = 60.0, 3.0
"""So many seconds after the last message came or went, it looks only every so many seconds."""

Tell = Callable[[Message, str, Fate], None]


def enqueue_prompts(mas: "Mas", session_id: str, team: Team, agent_ids: Collection[str] | None = None) -> int:
    """Let the first prompts of a team's agents, or of some, wait for them; returns how many are new.

    Called before they are started. One that still waits is not queued twice, and gives way to another text.
    """
    box = Mailbox(mas.root, session_id)
    wanted = {one: text for one, text in initial_prompts(team) if agent_ids is None or one in agent_ids}
    for one in [box.with_text(one) for one in box.open().values() if _is_waiting_prompt(one)]:
        (agent_id,) = one.to
        if wanted.get(agent_id) == one.text:
            del wanted[agent_id]
        elif agent_id in wanted:
            box.settle([(one.id, agent_id, Fate("refused", "another prompt took its place"))])
    if wanted:
        box.accept(*(_prompt(agent_id, text) for agent_id, text in wanted.items()))
    return len(wanted)


def enqueue_config(mas: "Mas", session_id: str, config: Mapping[str, Any]) -> int:
    """Let the prompts of a configuration wait for their agents, but none that was given since the team was launched.

    Returns how many are new.
    """
    team = apply_config(stored_team(mas, session_id)[0], config)
    launched = _launched(mas, session_id)
    messages = Mailbox(mas.root, session_id).messages().values()
    prompts = (one for one in messages if one.kind == PROMPT and one.timestamp >= launched)
    had = {(one.to, one.text) for one in prompts if all(fate.outcome != "refused" for fate in one.fates.values())}
    new = [agent_id for agent_id, text in initial_prompts(team) if ((agent_id,), text) not in had]
    return enqueue_prompts(mas, session_id, team, new)


def _launched(mas: "Mas", session_id: str) -> str:
    """When the team was brought up again, just before its first prompts were made to wait; empty where it never was."""
    times = (line.ts for line in mas.storage.records(session_id) if line.type == "runtime" and "nonce" in line.data)
    return max(times, default="")


def _prompt(agent_id: str, text: str) -> Message:
    fates = {agent_id: Fate("queued", "until it reads")}
    words = (os.urandom(8).hex(), utc_now(), "", agent_id, (agent_id,), text)
    return Message(*words, kind=PROMPT, fates=fates)


def unprompted(mas: "Mas", session_id: str) -> frozenset[str]:
    """The agents whose first prompt still waits, so that they cannot have begun a conversation by it."""
    prompts = filter(_is_waiting_prompt, Mailbox(mas.root, session_id).open().values())
    return frozenset(agent_id for one in prompts for agent_id in one.to)


def _is_waiting_prompt(message: Message) -> bool:
    return message.kind == PROMPT and waits(message, message.to[0])


def something_waits(mas: "Mas", session_id: str) -> bool:
    """Whether any message waits for any agent."""
    return bool(waited_for(Mailbox(mas.root, session_id).open()))


def deliver_waiting(
    mas: "Mas", session_id: str, *, timeout: float = inf, pace: tuple[float, float] = PACE, tell: Tell | None = None
) -> tuple[str, ...]:
    """Deliver what waits, to each agent as soon as it reads; returns the agents for whom something still waits.

    Ends when nothing waits, when nobody is there for whom something does, or after ``timeout`` seconds. Where another
    process is at it, that one does it.
    """
    box = Mailbox(mas.root, session_id)
    deadline = time.monotonic() + timeout
    while waiting := waited_for(box.open()):  # again after the lock is gone, for who found it held
        try:
            with files.lock(box.lock_of_courier, timeout=0, inside=True):
                if not _Round(mas, session_id, box, pace, tell or (lambda *_: None)).run(deadline):
                    return waited_for(box.open())
        except BusyError:
            return waiting
    return ()


class _Round:
    """One courier at work."""

    def __init__(self, mas: "Mas", session_id: str, box: Mailbox, pace: tuple[float, float], tell: Tell) -> None:
        self._mas, self._session_id = mas, session_id
        self._box, self._pace, self._tell = box, pace, tell
        self._changed = time.monotonic()
        self._find()
        self._size, self._ids = -1, tuple[str, ...]()

    def run(self, deadline: float) -> bool:
        """Until nothing waits, true; or until nobody is there, or the time is over."""
        with only_sender(self._box, ids := waited_for(self._box.open())):  # who was at it before was cut off
            settle_cut_off(self._box, ids)
        while self._waiting():
            try:
                if not self._look():
                    return False
            except UnknownStateError:  # tmux hangs: it is asked again
                pass
            now = time.monotonic()
            if now > deadline:
                return False
            soon, later = self._pace
            time.sleep(min(LOOK if now < self._changed + soon else later, deadline - now))
        return True

    def _waiting(self) -> tuple[str, ...]:
        """For whom something waits; the log is read only where it has grown."""
        size = self._box.size()
        if size != self._size:
            self._changed = time.monotonic()
            self._size, self._ids = size, waited_for(self._box.open())
        return self._ids

    def _find(self) -> None:
        """Where the team's panes are."""
        self._found = reach(self._mas, self._session_id)
        self._patience = Patience(self._found)

    def _look(self) -> bool:
        """Deliver to each agent that reads; whether any is there at all."""
        seen = self._found.look(self._ids)
        if not any(look.there for look in seen.values()):  # the team may have come back, in other panes
            self._find()
            seen = self._found.look(self._ids)
        for agent_id in self._patience.readers(seen):
            if not agents.asks(seen[agent_id].screen, self._found.profile):
                self._deliver_oldest(agent_id)
        return any(look.there for look in seen.values())

    def _deliver_oldest(self, agent_id: str) -> None:
        """Deliver one message that waits for an agent, if it still does and can be."""
        with only_sender(self._box, [agent_id]):
            waiting = settle_cut_off(self._box, [agent_id])
            message = next(iter(queued(waiting, agent_id)), None)
            seen = self._found.look([agent_id])
            if message is None or agents.asks(seen[agent_id].screen if seen else "", self._found.profile):
                return
            with settled_if_cut_off(self._box, message._replace(to=(agent_id,))):
                self._box.settle([(message.id, agent_id, BEING_DELIVERED)])
                fate = self._typed(message, agent_id, seen, waiting)
                self._box.settle([(message.id, agent_id, fate)])
        self._tell(message, agent_id, fate)

    def _typed(self, message: Message, agent_id: str, seen: Looks, waiting: Mapping[str, Message]) -> Fate:
        try:
            whole = self._box.with_text(message)
        except DamagedError as error:
            return Fate("refused", error.message)
        return deliver(self._found, whole, seen, SendOptions(), waiting).get(agent_id, Fate("queued", "it is not up"))
