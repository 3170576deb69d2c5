"""Getting messages to agents: one sender at a time per pane, each step of a message's fate recorded before the next.

What was typed is never typed again by itself: a message whose sender was cut off becomes ``unknown``. One for an agent that
is not there waits in the session and is delivered when it is.
"""

import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mas import agents, files, starting, tmux
from mas.clock import utc_now
from mas.definitions import Profile
from mas.errors import UnknownStateError
from mas.mailbox import Mailbox
from mas.messages import Address, Fate, Message, initial_prompts, queued, recipients, sanitize, unsettled
from mas.record import runtime_of
from mas.team import Team

if TYPE_CHECKING:
    from mas.app import Mas

LINE_BYTES = 4095
"""A terminal in canonical mode cuts a line after this many bytes, in silence."""

PATIENCE = 3.0
"""Seconds to wait for a pane to show what was typed into it."""

_POLL = 0.01
_LOOK = 0.2
_BLANK_LOOKS = 10
"""A program that shows nothing at all is taken to read after so many looks at the same screen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOptions:
    """How to send. ``checked`` holds the sender to the team's talk rules; ``kind`` tells prompts from messages."""

    execute: bool = True
    queue: bool = True
    checked: bool = False
    kind: str = "message"


@dataclass(frozen=True, slots=True)
class Reach:
    """A team as a sender sees it: what it is, where its panes are, and which of its agents are there."""

    team: Team
    profile: Profile
    server: tmux.Server
    panes: Mapping[str, tmux.SeenPane]

    def there(self, agent_id: str) -> bool:
        """Whether the agent can be typed to."""
        pane = self.panes.get(agent_id)
        return pane is not None and not pane.dead and pane.exit_code is None

    def absence(self, agent_id: str) -> str:
        """Why it cannot."""
        pane = self.panes.get(agent_id)
        if pane is None:
            return "it is not up"
        return "its pane is dead" if pane.dead else f"it has ended (exit {pane.exit_code})"


def reach(mas: "Mas", session_id: str) -> Reach:
    """Look at a session's team. Raises UnknownStateError where tmux gives no answer."""
    team, choice = starting.stored_team(mas, session_id)
    document = mas.storage.read(session_id).document
    server = mas.server_of((runtime_of(document).get("tmux") or {}).get("socket", ""))
    seen = mas.ours(tmux.discover(server), session_id)
    panes = tmux.panes(server, seen.tmux_id, session_id) if seen else ()
    return Reach(team, choice.profile, server, {pane.agent_id: pane for pane in panes if pane.agent_id})


def send(mas: "Mas", session_id: str, address: Address, options: SendOptions | None = None) -> Message:
    """Send a text to everybody its target means; the message tells the fate of each.

    Raises RefusedError, before anything is recorded, for a text, target or sender that is not allowed.
    """
    options = options or SendOptions()
    found = reach(mas, session_id)
    to = recipients(found.team, address, checked=options.checked)
    message = Message(
        os.urandom(8).hex(),
        utc_now(),
        address.sender,
        address.target,
        to,
        sanitize(address.text),
        options.execute,
        options.kind,
    )
    box = Mailbox(mas.root, session_id)
    with _only_sender(box, to):
        _flush(box, found, session_id, to)
        message = box.accept(message)
        fates = _deliver(found, session_id, message, to, options)
        box.settle_all([(message.id, agent_id, fate) for agent_id, fate in fates.items()])
    return replace(message, fates=fates)


@contextmanager
def _only_sender(box: Mailbox, to: Collection[str]) -> Iterator[None]:
    """Hold the locks of several panes, always in the same order."""
    with ExitStack() as stack:
        for agent_id in sorted(to):
            stack.enter_context(files.lock(box.lock_of(agent_id), timeout=120))
        yield


def _deliver(
    found: Reach, session_id: str, message: Message, to: Sequence[str], options: SendOptions
) -> dict[str, Fate]:
    """Type a message to each of its recipients and say what became of it."""
    fates = {agent_id: _absent(found, agent_id, options) for agent_id in to if not found.there(agent_id)}
    there = [agent_id for agent_id in to if agent_id not in fates]
    for agent_id in list(there):
        if reason := _would_cut(found, agent_id, message):
            fates[agent_id] = Fate("refused", reason)
            there.remove(agent_id)
    try:
        fates |= _type(found, session_id, message, there, options) if there else {}
    except UnknownStateError as error:
        fates |= {agent_id: Fate("unknown", error.message) for agent_id in there if agent_id not in fates}
    return {agent_id: fates[agent_id] for agent_id in to}


def _absent(found: Reach, agent_id: str, options: SendOptions) -> Fate:
    return Fate("queued" if options.queue else "refused", found.absence(agent_id))


def _type(
    found: Reach, session_id: str, message: Message, there: Sequence[str], options: SendOptions
) -> dict[str, Fate]:
    panes = {found.panes[agent_id].pane_id: agent_id for agent_id in there}
    before = tmux.screens(found.server, [*panes]) if message.execute else {}
    pasted = tmux.paste(found.server, [*panes], session_id, message.text.encode())
    fates = {panes[pane]: _refusal(typed, options) for pane, typed in pasted.items() if not typed.done}
    typed_to = [pane for pane in panes if pasted[pane].done]
    if not message.execute:
        return fates | {panes[pane]: Fate("submitted", "typed, not entered") for pane in typed_to}
    shown = _wait_until_shown(found.server, before, typed_to)
    if found.profile.enter_delay and typed_to:
        time.sleep(found.profile.enter_delay)
    entered = tmux.press_enter(found.server, typed_to, session_id) if typed_to else {}
    return fates | {panes[pane]: _entered(entered[pane], pane in shown) for pane in typed_to}


def _refusal(typed: tmux.Typed, options: SendOptions) -> Fate:
    return Fate("queued" if typed.ended and options.queue else "refused", typed.reason)


def _entered(typed: tmux.Typed, shown: bool) -> Fate:  # noqa: FBT001  says what was seen
    if not typed.done:
        return Fate("unknown", f"it was typed, then {typed.reason}")
    return Fate("submitted") if shown else Fate("unknown", "it was typed and entered, and the screen never showed it")


def _wait_until_shown(server: tmux.Server, before: Mapping[str, str], panes: Sequence[str]) -> set[str]:
    """Wait until each pane's screen differs from what it was; returns those whose did, in time."""
    shown: set[str] = set()
    deadline = time.monotonic() + PATIENCE
    while len(shown) < len(panes) and time.monotonic() < deadline:
        now = tmux.screens(server, [pane for pane in panes if pane not in shown])
        shown |= {pane for pane, screen in now.items() if screen != before.get(pane)}
        if len(shown) < len(panes):
            time.sleep(_POLL)
    return shown


def _would_cut(found: Reach, agent_id: str, message: Message) -> str:
    """Why a reader in canonical mode would not get the whole text; empty where it would."""
    longest = max(len(line) for line in message.text.encode().split(b"\n"))
    if longest <= LINE_BYTES:
        return ""
    tty = tmux.tty_of(found.server, found.panes[agent_id].pane_id)
    if not tty or not tmux.reads_lines(tty):
        return ""
    return f"its terminal reads whole lines and would cut one of {longest} bytes after {LINE_BYTES}"


def _flush(box: Mailbox, found: Reach, session_id: str, agent_ids: Sequence[str]) -> None:
    """Deliver what waits for agents that are there, oldest first; the caller holds their locks."""
    messages = box.messages()
    cut_off = [pair for pair in unsettled(messages) if pair[1] in agent_ids]
    box.settle_all([(one.id, agent_id, Fate("unknown", "its sender was cut off")) for one, agent_id in cut_off])
    for agent_id in filter(found.there, agent_ids):
        for message in queued(messages, agent_id):
            box.settle(message.id, agent_id, Fate("unknown", "its delivery was cut off"))
            fates = _deliver(found, session_id, message, [agent_id], SendOptions(execute=message.execute))
            box.settle(message.id, agent_id, fates[agent_id])


def enqueue_prompts(mas: "Mas", session_id: str, team: Team) -> int:
    """Queue the first prompt of every agent that has one, once a launch; returns how many there are."""
    box = Mailbox(mas.root, session_id)
    prompts = initial_prompts(team)
    for agent_id, prompt in prompts:
        words = (os.urandom(8).hex(), utc_now(), "", agent_id, (agent_id,), sanitize(prompt))
        message = box.accept(Message(*words, kind="prompt"))
        box.settle(message.id, agent_id, Fate("queued", "until it reads"))
    return len(prompts)


def deliver_queue(mas: "Mas", session_id: str, *, timeout: float) -> tuple[str, ...]:
    """Deliver what waits, to each agent as soon as it reads input; returns the agents for whom something still waits.

    Ends when nothing waits, when the team is gone, or after ``timeout`` seconds.
    """
    box = Mailbox(mas.root, session_id)
    deadline = time.monotonic() + timeout
    before: Mapping[str, str] = {}
    rests: dict[str, int] = {}
    while waiting := _waiting(box):
        found = reach(mas, session_id)
        there = [agent_id for agent_id in waiting if found.there(agent_id)]
        if not there or time.monotonic() > deadline:
            return waiting
        now = tmux.screens(found.server, [found.panes[agent_id].pane_id for agent_id in there])
        rests = {pane: rests.get(pane, 0) + 1 if before.get(pane) == screen else 0 for pane, screen in now.items()}
        for agent_id in there:
            if _reads(found, agent_id, before, now) or rests.get(found.panes[agent_id].pane_id, 0) > _BLANK_LOOKS:
                with _only_sender(box, [agent_id]):
                    _flush(box, found, session_id, [agent_id])
        before = now
        time.sleep(_LOOK)
    return ()


def _waiting(box: Mailbox) -> tuple[str, ...]:
    messages = box.messages()
    agent_ids = dict.fromkeys(agent_id for one in messages.values() for agent_id in one.to)
    return tuple(agent_id for agent_id in agent_ids if queued(messages, agent_id))


def _reads(found: Reach, agent_id: str, before: Mapping[str, str], now: Mapping[str, str]) -> bool:
    pane = found.panes[agent_id].pane_id
    signs = agents.Signs(there=pane in now, screen=now.get(pane, ""), before=before.get(pane))
    return agents.ready(signs, found.profile)
