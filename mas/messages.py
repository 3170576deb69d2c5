"""Messages between people and agents: what may be sent, to whom, and what became of it. Pure.

A message and each step of its fate is one line of the session's ``messages.jsonl``; the queue is what they fold to.
"""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from mas.errors import RefusedError, UsageError, shorten
from mas.lines import Line
from mas.structs import Frozen
from mas.team import Team

MAX_BYTES = 1024 * 1024
"""The longest message, in UTF-8."""

INLINE_BYTES = 16 * 1024
"""A longer text is kept in a file of its own, which the line names."""

Outcome = Literal["submitted", "queued", "refused", "unknown"]

ACCEPTED: tuple[Outcome, ...] = ("submitted", "queued")
"""The outcomes of a text that its agent has, or will get."""

MESSAGE = "message"
FATE = "fate"

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_BREAK = re.compile(r"\r\n?")
_LONE = re.compile(r"[\ud800-\udfff]")


def sanitize(text: str) -> str:
    """The text as an agent gets it: line breaks are newlines, control characters other than tab and newline are gone.

    What was no valid UTF-8 becomes U+FFFD. Raises RefusedError for an empty text and one longer than MAX_BYTES.
    """
    clean = _CONTROL.sub("", _BREAK.sub("\n", _LONE.sub("\N{REPLACEMENT CHARACTER}", text)))
    size = len(clean.encode())
    if size > MAX_BYTES:
        raise RefusedError(f"the message has {size} bytes, at most {MAX_BYTES} can be sent", hint="send a file's path")
    if not clean.strip("\n"):
        raise RefusedError("the message is empty", hint="mas send TO TEXT")
    return clean


class Address(Frozen):
    """Who is to get a text, and from whom; ``sender`` is empty where nobody of the team is named."""

    target: str
    text: str
    sender: str = ""


def parse_words(words: Sequence[str], team: Team) -> Address:
    """``TO TEXT``, or ``FROM TO TEXT`` where FROM is an agent of the team: then the text begins with who that is.

    Raises UsageError for anything else.
    """
    if len(words) == 2:
        return Address(words[0], words[1])
    if len(words) == 3 and words[0].removeprefix("agent-") in team.ids:
        sender = words[0].removeprefix("agent-")
        return Address(words[1], f"[From: Agent {sender}] {words[2]}", sender)
    if len(words) < 2:
        raise UsageError("who gets which text?", hint='mas send TO "TEXT"')
    quoted = shlex.join((words[0], " ".join(words[1:])[:60]))
    raise UsageError(f"{len(words)} words were given", hint=f"quote the text: mas send {quoted}")


def batch(text: str) -> tuple[str, ...]:
    """The messages of a file, one a line; empty lines and those that begin with ``#`` are none."""
    return tuple(line for line in text.splitlines() if line.strip() and not line.startswith("#"))


def recipients(team: Team, address: Address, *, checked: bool = False) -> tuple[str, ...]:
    """The agents that get a text, the sender left out. With ``checked`` the team's talk rules hold for the sender.

    The rules speak of one agent and another: where a team has any, its agents write to no units, groups or lists.
    Raises RefusedError where nobody is meant, or somebody the sender may not write to.
    """
    found = tuple(agent_id for agent_id in team.expand(address.target) if agent_id != address.sender)
    if not found:
        raise RefusedError(f"{shorten(address.target)} means nobody but the sender", hint="name somebody else")
    checked = checked and bool(address.sender and team.talk)
    if checked and address.target.strip().removeprefix("agent-") not in team.ids:
        msg = f"agent {address.sender} may write to one agent at a time, not to {shorten(address.target)}"
        raise RefusedError(msg, hint=_allowed(team, address.sender))
    denied = [agent_id for agent_id in found if not team.may_talk(address.sender, agent_id)]
    if checked and denied:
        msg = f"agent {address.sender} may not write to {', '.join(denied)}"
        raise RefusedError(msg, hint=_allowed(team, address.sender))
    return found


def _allowed(team: Team, sender: str) -> str:
    return f"it may write to: {', '.join(team.talk.get(sender, ())) or 'nobody'}"


class Fate(NamedTuple):
    """What became of a message to one agent."""

    outcome: Outcome
    reason: str = ""


BEING_DELIVERED = Fate("queued", "it is being delivered")
"""What a courier records before it types: one that is cut off then has left a message that is never typed again."""

TYPED_ONLY = Fate("submitted", "typed, not entered")
CUT_OFF = Fate("unknown", "its sender was cut off")
DELIVERY_CUT_OFF = Fate("unknown", "its delivery was cut off")
BEHIND = Fate("submitted", "behind what a cut-off sender may have left")
"""It may have become one line with another text."""

_LEAVE_TEXT = frozenset({TYPED_ONLY, CUT_OFF, DELIVERY_CUT_OFF})
_MOST_LEFT = 20
"""So many of the texts that may lie in an agent's input are remembered."""


class Message(NamedTuple):
    """A message and what became of it, agent by agent. ``file`` names where a long text is kept.

    ``sender`` is what whoever sent it said, ``verified`` that it came out of that agent's own pane. ``kind`` is
    message, or prompt for what an agent begins with.
    """

    id: str
    timestamp: str
    sender: str
    target: str
    to: tuple[str, ...]
    text: str
    execute: bool = True
    kind: str = "message"
    verified: bool = False
    file: str = ""
    fates: Mapping[str, Fate] = {}

    def to_data(self) -> dict[str, Any]:
        """The data of the line that records the message."""
        text = {"file": self.file} if self.file else {"text": self.text}
        return {
            "id": self.id,
            "sender": self.sender,
            "target": self.target,
            "to": list(self.to),
            "execute": self.execute,
            "kind": self.kind,
            "verified": self.verified,
            **text,
        }

    def to_json(self) -> dict[str, Any]:
        """The message in the words of the HTTP API."""
        fates = {agent_id: {"outcome": fate.outcome, "reason": fate.reason} for agent_id, fate in self.fates.items()}
        return {
            "messageId": self.id,
            "timestamp": self.timestamp,
            "sender": self.sender or "unknown",
            "senderVerified": self.verified,
            "target": self.target,
            "to": list(self.to),
            "message": self.text,
            "execute": self.execute,
            "kind": self.kind,
            "fates": fates,
        }


def fate_data(message_id: str, agent_id: str, fate: Fate) -> dict[str, Any]:
    """The data of the line that records a fate."""
    return {"id": message_id, "agent": agent_id, "outcome": fate.outcome, "reason": fate.reason}


def fold_messages(log: Iterable[Line]) -> dict[str, Message]:
    """All messages by id, in the order they were recorded, each with its latest fate for every agent."""
    found: dict[str, Message] = {}
    for line in log:
        data = line.data
        if line.type == MESSAGE:
            found[data["id"]] = _message(line)
        elif line.type == FATE and data["id"] in found:
            message = found[data["id"]]
            fate = Fate(data["outcome"], data.get("reason", ""))
            found[data["id"]] = message._replace(fates={**message.fates, data["agent"]: fate})
    return found


def _message(line: Line) -> Message:
    data = line.data
    return Message(
        data["id"],
        line.ts,
        data.get("sender", ""),
        data.get("target", ""),
        tuple(data.get("to", ())),
        data.get("text", ""),
        data.get("execute", True),
        data.get("kind", "message"),
        data.get("verified", False),
        data.get("file", ""),
    )


def is_open(message: Message) -> bool:
    """Whether it waits for an agent, or nobody knows what became of it."""
    return any(agent_id not in message.fates or message.fates[agent_id].outcome == "queued" for agent_id in message.to)


def waits(message: Message, agent_id: str) -> bool:
    """Whether a message waits for an agent, and nobody has begun to type it."""
    fate = message.fates.get(agent_id)
    return fate is not None and fate.outcome == "queued" and fate != BEING_DELIVERED


def queued(messages: Mapping[str, Message], agent_id: str) -> tuple[Message, ...]:
    """The messages that wait for an agent, oldest first."""
    return tuple(one for one in messages.values() if waits(one, agent_id))


def waited_for(messages: Mapping[str, Message]) -> tuple[str, ...]:
    """The agents for whom a courier has something to do: to deliver it, or to say that its delivery was cut off."""
    some = (agent_id for one in messages.values() for agent_id, fate in one.fates.items() if fate.outcome == "queued")
    return tuple(dict.fromkeys(some))


def unentered(messages: Mapping[str, Message]) -> dict[str, list[Message]]:
    """The messages whose texts may lie in an agent's input still, by agent: no later one was entered."""
    left: dict[str, list[Message]] = {}
    for message in messages.values():
        for agent_id, fate in message.fates.items():
            if fate in _LEAVE_TEXT:
                left[agent_id] = [*left.get(agent_id, ()), message][-_MOST_LEFT:]
            elif fate.outcome == "submitted":
                left.pop(agent_id, None)
    return left


def unsettled(messages: Mapping[str, Message]) -> tuple[tuple[Message, str], ...]:
    """Messages that nobody types any more, and their agents: who did was cut off. They are never typed again."""
    pairs = ((one, agent_id) for one in messages.values() for agent_id in one.to)
    return tuple(pair for pair in pairs if pair[0].fates.get(pair[1], BEING_DELIVERED) == BEING_DELIVERED)


def behind(fate: Fate, agent_id: str, left: Iterable[Message]) -> Fate:
    """The fate of a message to an agent whose input may have held these, told where nobody knows whether it did."""
    unknown = any(one.fates[agent_id].outcome == "unknown" for one in left)
    return BEHIND if unknown and fate == Fate("submitted") else fate


def initial_prompts(team: Team) -> tuple[tuple[str, str], ...]:
    """Agent and prompt, for every agent that begins with one. Raises RefusedError for one that cannot be sent."""
    return tuple((agent.id, sanitize(agent.prompt)) for agent in team.agents if agent.prompt)
