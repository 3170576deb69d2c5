"""Getting messages to agents: one sender at a time per pane, each step of a message's fate recorded before the next.

What was typed is never typed again by itself: a message whose sender was cut off becomes ``unknown``. One for an agent
that is not there, or does not read yet, waits in the session; ``mas.courier`` delivers it when it can.
"""

import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from mas import agents, apart, files, processes, settings, tmux
from mas.clock import utc_at, utc_now
from mas.errors import UnknownStateError
from mas.mailbox import Mailbox
from mas.messages import (
    CUT_OFF,
    DELIVERY_CUT_OFF,
    TYPED_ONLY,
    Address,
    Fate,
    Message,
    Outcome,
    behind,
    queued,
    recipients,
    sanitize,
    unentered,
    unsettled,
    waited_for,
)
from mas.reach import Looks, Reach, reach, until_they_read
from mas.structs import Frozen

if TYPE_CHECKING:
    from mas.app import Mas

LINE_BYTES = 4095
"""A terminal in canonical mode cuts a line after this many bytes, in silence."""

STARTING = 5.0
"""Seconds to wait for agents of which nobody knows yet that they read, before a message waits for them instead."""

PATIENCE = 3.0
"""Seconds to wait for a pane to show what was typed into it."""

MOST_WAITING = 1000
"""More messages than this do not wait for one agent."""

EOF, EOF_SECONDS = "EOF", 3
"""The word that follows each message where that is switched on, and after how long."""

_SENDING = 120.0
"""Seconds to wait for those who type to the same agents."""

_POLL = 0.01


class SendOptions(Frozen):
    """How to send. ``checked`` holds the sender to the team's talk rules; ``queue`` lets it wait for who is not there.

    ``verified`` says that the sender is who it says, see ``speaks_for``. ``eof`` says whether EOF follows, None leaves
    that to the settings. ``starting`` is how many seconds agents have that were just started. An ``answer`` goes to
    agents that ask for a decision and to no others, past what waits for them; it never waits itself.
    """

    execute: bool = True
    queue: bool = True
    checked: bool = False
    verified: bool = False
    eof: bool | None = None
    starting: float = STARTING
    answer: bool = False

    @property
    def late(self) -> Outcome:
        """The fate of a message to an agent that is not there."""
        return "queued" if self.queue and not self.answer else "refused"


def send(mas: "Mas", session_id: str, address: Address, options: SendOptions | None = None) -> Message:
    """Send a text to everybody its target means; the message tells the fate of each.

    Raises RefusedError, before anything is recorded, for a text, target or sender that is not allowed, and
    UnknownStateError where tmux cannot be asked.
    """
    options = options or SendOptions()
    found = reach(mas, session_id)
    message = _message(found, address, options)
    eof = settings.sends_eof(mas.environ, mas.root) if options.eof is None else options.eof
    box = Mailbox(mas.root, session_id)
    with only_sender(box, message.to):
        waiting = settle_cut_off(box, message.to)
        view = _view(found, message.to, waiting, options)
        with settled_if_cut_off(box, message):
            box.accept(message)
            fates = {one: fate for one in message.to if (fate := view.put_off(one, options))}
            typed_to = {one: view.seen[one] for one in message.to if one not in fates}
            fates |= deliver(found, message, typed_to, options, waiting)
            box.settle([(message.id, one, fates[one]) for one in message.to])
    if eof:
        _send_eof(mas, session_id, message.target)
    message = message._replace(fates={one: fates[one] for one in message.to})
    _see_to(mas, found, waited_for({**waiting, message.id: message}))
    return message


def _message(found: Reach, address: Address, options: SendOptions) -> Message:
    to = recipients(found.team, address, checked=options.checked)
    text, now = sanitize(address.text), utc_now()
    sent = Message(os.urandom(8).hex(), now, address.sender, address.target, to, text, execute=options.execute)
    return sent._replace(verified=options.verified and bool(address.sender))


@contextmanager
def only_sender(box: Mailbox, to: Collection[str]) -> Iterator[None]:
    """Hold the locks of several agents, always in the same order."""
    with ExitStack() as stack:
        for agent_id in sorted(to):
            stack.enter_context(files.lock(box.lock_of(agent_id), timeout=_SENDING, inside=True))
        yield


def settle_cut_off(box: Mailbox, to: Collection[str]) -> Mapping[str, Message]:
    """The open messages, once those for these agents whose senders were cut off are settled; their locks are held."""
    waiting = box.open()
    cut_off = [(one, agent_id) for one, agent_id in unsettled(waiting) if agent_id in to]
    box.settle(
        [(one.id, agent_id, DELIVERY_CUT_OFF if one.fates.get(agent_id) else CUT_OFF) for one, agent_id in cut_off]
    )
    return box.open() if cut_off else waiting


@contextmanager
def settled_if_cut_off(box: Mailbox, message: Message) -> Iterator[None]:
    """Record what is known of a message whose sender is asked to end, or fails, while it types."""
    try:
        yield
    except BaseException:
        settle_cut_off(box, message.to)
        raise


def _see_to(mas: "Mas", found: Reach, agent_ids: Collection[str]) -> None:
    """Have delivered what waits for agents that are there: a courier that was killed is replaced."""
    with suppress(UnknownStateError):
        if agent_ids and any(look.there for look in found.look(agent_ids).values()):
            call_courier(mas, found.session_id)


def _view(found: Reach, to: Collection[str], waiting: Mapping[str, Message], options: SendOptions) -> "_View":
    """What is seen of agents; nobody waits for one to read for which something waits already."""
    behind = [] if options.answer else [agent_id for agent_id in to if queued(waiting, agent_id)]
    ahead = [agent_id for agent_id in to if agent_id not in behind]
    seen, readers = until_they_read(found, ahead, options.starting)
    return _View(found, seen | found.look(behind), readers, waiting)


class _View(Frozen):
    """What a sender knows when it decides to whom it types at once."""

    found: Reach
    seen: Looks
    readers: Collection[str]
    waiting: Mapping[str, Message]

    def put_off(self, agent_id: str, options: SendOptions) -> Fate | None:
        """The fate of a message that is not typed to an agent now; None where it is."""
        reason = self._unasked(agent_id) if options.answer else self._obstacle(agent_id)
        if reason and options.late == "queued" and len(queued(self.waiting, agent_id)) >= MOST_WAITING:
            return Fate("refused", f"{MOST_WAITING} messages wait for it already")
        return Fate(options.late, reason) if reason else None

    def _obstacle(self, agent_id: str) -> str:
        """Why an agent cannot be given a text now. What it asks is answered only by a message that is meant to."""
        if reason := self._absent(agent_id):
            return reason
        if self._asks(agent_id):
            return f"it waits for a decision: {self._chosen_by_hand(agent_id) or f'mas send --answer {agent_id} TEXT'}"
        if queued(self.waiting, agent_id):
            return "after those that wait for it"
        return "" if agent_id in self.readers else "it is starting"

    def _unasked(self, agent_id: str) -> str:
        """Why an agent cannot be given an answer."""
        if reason := self._absent(agent_id):
            return reason
        return self._chosen_by_hand(agent_id) if self._asks(agent_id) else "it asks for nothing"

    def _chosen_by_hand(self, agent_id: str) -> str:
        """What to do where an agent's menus take no answer; empty where they do."""
        by_keys = self.found.profile.menus == "keys"
        return "" if by_keys else f"its menus take only arrows and Enter, so choose there: mas attach -a {agent_id}"

    def _absent(self, agent_id: str) -> str:
        look = self.seen.get(agent_id)
        if look is None:
            return "it is not up"
        return tmux.ended(dead=look.dead, exit_code=look.exit_code, replaced=look.replaced)

    def _asks(self, agent_id: str) -> bool:
        return agents.asks(self.seen[agent_id].screen, self.found.profile)


# --- typing ---


def deliver(
    found: Reach, message: Message, seen: Looks, options: SendOptions, waiting: Mapping[str, Message] | None = None
) -> dict[str, Fate]:
    """Type a message to agents that were just seen, and say what became of it; the caller holds their locks.

    The open messages tell what may lie in their inputs.
    """
    left = {one: _of_this_launch(some, seen[one]) for one, some in unentered(waiting or {}).items() if one in seen}
    cut = {one: reason for one, look in seen.items() if (reason := _would_cut(look, message, left.get(one, [])))}
    fates = {agent_id: Fate("refused", reason) for agent_id, reason in cut.items()}
    panes = found.agents(agent_id for agent_id in seen if agent_id not in cut)
    enter_text = tmux.press_keys if options.answer else tmux.paste
    pasted = enter_text(found.server, panes, found.session_id, message.text.encode()) if panes else {}
    fates |= {panes[pane]: _untyped(typed, options) for pane, typed in pasted.items() if not typed.done}
    typed_to = {pane: agent_id for pane, agent_id in panes.items() if pasted[pane].done}
    if not message.execute:
        return fates | dict.fromkeys(typed_to.values(), TYPED_ONLY)
    before = {agent_id: seen[agent_id] for agent_id in typed_to.values()}
    shown = _until_shown(found, before)
    if options.answer:
        answered = _answered(found, before, shown)
        typed_to = {pane: agent_id for pane, agent_id in typed_to.items() if agent_id not in answered}
        fates |= answered
    entered = tmux.press_enter(found.server, typed_to, found.session_id) if typed_to else {}
    fates |= {typed_to[pane]: _entered(typed, typed_to[pane] in shown) for pane, typed in entered.items()}
    return {agent_id: behind(fate, agent_id, left.get(agent_id, [])) for agent_id, fate in fates.items()}


def _of_this_launch(left: Sequence[Message], look: tmux.Look) -> list[Message]:
    """Those of the messages that were sent since the program in a pane was started: an earlier one took its input."""
    process = processes.find(look.pid)
    if process is None:
        return []
    started = utc_at(process.started)
    return [one for one in left if one.timestamp >= started]


def _untyped(typed: tmux.Typed, options: SendOptions) -> Fate:
    return Fate("unknown" if typed.unknown else options.late if typed.ended else "refused", typed.reason)


def _entered(typed: tmux.Typed, shown: bool) -> Fate:  # noqa: FBT001  says what was seen
    if not typed.done:
        return Fate("unknown", f"it was typed, then {typed.reason}")
    return Fate("submitted") if shown else Fate("unknown", "it was typed and entered, and the screen never showed it")


def _answered(found: Reach, before: Looks, shown: Collection[str]) -> dict[str, Fate]:
    """The fates of answers that are not to be entered: one key chooses from a menu, and an Enter would answer the next.

    Where the screen is as it was, with what was typed behind it, the answer is a line, which an Enter ends.
    """
    never = Fate("unknown", "its screen did not show it: attach, and answer there")
    fates = {agent_id: never for agent_id in before if agent_id not in shown}
    try:
        now = found.look(shown)
    except UnknownStateError as error:
        return fates | dict.fromkeys(shown, Fate("unknown", f"it was typed, then {error.message}"))
    for agent_id, look in now.items():
        if not look.screen.startswith(before[agent_id].screen.rstrip()):
            still = agents.asks(look.screen, found.profile)
            fates[agent_id] = Fate("submitted", "it asks again" if still else "")
    return fates


def _until_shown(found: Reach, before: Looks) -> set[str]:
    """Wait until each agent's screen is another, and then as long as its program wants; those whose is, in time."""
    shown: set[str] = set()
    deadline = time.monotonic() + PATIENCE
    while len(shown) < len(before) and time.monotonic() < deadline:
        with suppress(UnknownStateError):
            now = found.look(agent_id for agent_id in before if agent_id not in shown)
            shown |= {agent_id for agent_id, look in now.items() if look.shows() != before[agent_id].shows()}
        if len(shown) < len(before):
            time.sleep(_POLL)
    if shown and found.profile.enter_delay:
        time.sleep(found.profile.enter_delay)
    return shown


def _would_cut(look: tmux.Look, message: Message, left: Sequence[Message]) -> str:
    """Why a reader in canonical mode would not get the whole text; empty where it would."""
    whole = "".join(one.text for one in left) + message.text
    lines = whole.encode().split(b"\n")[-1 - message.text.count("\n") :]
    longest = max(map(len, lines))
    if longest <= LINE_BYTES or not tmux.reads_lines(look.tty):
        return ""
    before = ", with what was typed before and not entered" if longest == len(lines[0]) and left else ""
    return f"its terminal reads whole lines and would cut one of {longest} bytes after {LINE_BYTES}{before}"


# --- who sends, and who delivers later ---


def speaks_for(mas: "Mas", session_id: str, agent_id: str) -> bool:
    """Whether this process runs in the pane of that very agent, whatever its environment says."""
    look = reach(mas, session_id).look([agent_id]).get(agent_id)
    pane = processes.find(look.pid) if look else None
    return pane is not None and bool(processes.own([pane]))


def call_courier(mas: "Mas", session_id: str) -> None:
    """Have a process of its own deliver what waits, unless one is at it."""
    if not files.is_locked(Mailbox(mas.root, session_id).lock_of_courier):
        apart.run(mas, session_id, "deliver", session_id)


def _send_eof(mas: "Mas", session_id: str, target: str) -> None:
    """Some older agents wait for this word after each text."""
    own = ("--session", session_id, "--after", f"{EOF_SECONDS}s", "--no-eof")
    apart.run(mas, session_id, "send", *own, "--", target, EOF)
