"""``send``, ``messages`` and ``deliver``: texts to agents, what became of them, and bringing what waits."""

import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from math import inf
from typing import Annotated, Any

import typer

from mas import courier, delivery, render, teamfile
from mas.cli.calls import Call
from mas.cli.options import Json, Name, call_of, names_agent, seconds
from mas.clock import utc_now
from mas.delivery import SendOptions
from mas.errors import AmbiguousError, NotFoundError, RefusedError, UsageError, explaining, shorten
from mas.following import LOOK
from mas.mailbox import Mailbox
from mas.messages import ACCEPTED, BEHIND, MAX_BYTES, Address, Fate, Message, batch, parse_words
from mas.team import Team

_NEWEST = 50
_FLAGS = {
    "-e",
    "--execute",
    "-n",
    "--no-execute",
    "--batch",
    "--queue",
    "--no-queue",
    "--json",
    "--eof",
    "--no-eof",
    "--answer",
}
_VALUES = {"-t", "--target", "-p", "-s", "--sender", "--session", "-f", "--file", "--after"}
_HELP = {"-h", "--help"}


def arrange(words: Sequence[str]) -> list[str]:
    """The words of ``mas send`` with its options first: all else is text, also where that begins with a dash."""
    options: list[str] = []
    rest: list[str] = []
    waiting = iter(words)
    for word in waiting:
        if word == "--":
            rest += waiting
        elif word in _FLAGS | _HELP or word.partition("=")[0] in {one for one in _VALUES if one.startswith("--")}:
            options += [word, *([_value(word, waiting)] if word in _VALUES else [])]
        elif word in _VALUES:
            options += [word, _value(word, waiting)]
        else:
            rest.append(word)
    return [*options, "--", *rest] if rest else options


def _value(option: str, waiting: Iterator[str]) -> str:
    """What follows an option. Raises UsageError where nothing does."""
    value = next(waiting, None)
    if value is None:
        raise UsageError(f"{option} needs a value", hint="`mas send --help` shows which")
    return value


def send(  # noqa: PLR0913  one argument an option
    context: typer.Context,
    words: Annotated[list[str] | None, typer.Argument(metavar="[FROM] TO TEXT")] = None,
    *,
    target: Annotated[str | None, typer.Option("--target", "-t", "-p", metavar="TO", help="who gets it")] = None,
    sender: Annotated[str | None, typer.Option("--sender", "-s", metavar="FROM", help="the agent it is from")] = None,
    no_enter: Annotated[bool, typer.Option("--no-execute", "-n", help="type it, and press no Enter")] = False,
    enter: Annotated[bool, typer.Option("--execute", "-e", help="press Enter, as is done anyway")] = False,
    session: Annotated[str | None, typer.Option(metavar="ID", help="the session, else the one that is meant")] = None,
    file: Annotated[str | None, typer.Option("--file", "-f", metavar="FILE", help="the text; - is stdin")] = None,
    lines: Annotated[bool, typer.Option("--batch", help="each line is a message; empty and # lines are none")] = False,
    queue: Annotated[bool, typer.Option(help="let it wait for an agent that is not there")] = True,
    answer: Annotated[bool, typer.Option("--answer", help="it answers what an agent asks, and waits for none")] = False,
    end: Annotated[bool | None, typer.Option("--eof/--no-eof", help="send EOF 3 s later")] = None,
    after: Annotated[str | None, typer.Option(metavar="TIME", help="wait so long first, for example 3s")] = None,
    as_json: Json = False,
) -> int:
    """Send a text to an agent, a unit, a group, several (10,11), or all; FROM is an agent that may write to TO.

    Without TEXT it is read from stdin. Exit code 0 only where every agent has it, or will get it.
    """
    call = call_of(context)
    call.refuse_records_only("send")
    _check_first(call, words or [], session)
    with _unless_session(call, target or "".join((words or [])[:1]), session):
        session_id = call.mas.resolve(session)
    team, _ = teamfile.stored_team(call.mas, session_id)
    spoken = _words(call, words or [], target, file)
    address = parse_words(spoken, team)
    with _unless_session(call, address.target, session):
        team.expand(address.target)
    address = _from(call, session_id, team, address, sender)
    texts = batch(address.text) if lines else (address.text,)
    if not texts:
        raise RefusedError("there is no message in it", hint="each line that is not empty and no # comment is one")
    options = SendOptions(
        execute=not no_enter or enter,
        queue=queue,
        checked=len(spoken) == 3,
        verified=_is_own(call, session_id, address.sender)
        and delivery.speaks_for(call.mas, session_id, address.sender),
        eof=end,
        answer=answer,
    )
    if after is not None:
        time.sleep(seconds(after, "--after"))
    sent = [call.mas.send(session_id, Address(address.target, text, address.sender), options) for text in texts]
    if as_json:
        told = [{"sessionId": session_id, **one.to_json()} for one in sent]
        call.json({"sessionId": session_id, "messages": told, "count": len(told)} if lines else told[0])
    else:
        _tell(call, sent)
    return 0 if all(fate.outcome in ACCEPTED for one in sent for fate in one.fates.values()) else 1


def _check_first(call: Call, words: Sequence[str], session: str | None) -> None:
    """Raise UsageError where the first of three words is a session: other verbs name it so."""
    if session is None and len(words) == 3 and not names_agent(words[0]) and call.is_session(words[0]):
        hint = f'mas send --session {words[0]} {words[1]} "TEXT"'
        raise UsageError(f"{shorten(words[0])} is a session, not an agent that sends", hint=hint)


@contextmanager
def _unless_session(call: Call, target: str, session: str | None) -> Iterator[None]:
    """Raise UsageError for what was refused because a session stands where somebody of a team should."""
    try:
        yield
    except (AmbiguousError, NotFoundError, RefusedError):
        with suppress(AmbiguousError):
            if session is None and target and not names_agent(target) and call.is_session(target):
                hint = f'mas send --session {target} TO "TEXT"'
                raise UsageError(f"{shorten(target)} is a session, not who gets a text", hint=hint) from None
        raise


def _words(call: Call, words: Sequence[str], target: str | None, file: str | None) -> list[str]:
    """Who gets which text, as ``parse_words`` reads it: an option, a file or stdin may say a part of it."""
    spoken = [*words] if target is None else [target, *words]
    if target is not None and len(words) > 1:
        raise UsageError(f"{len(words)} words were given beside --target", hint='quote the text: mas send -t TO "TEXT"')
    if file is not None:
        return [*spoken, _read(call, file)]
    if len(spoken) == 1 and not sys.stdin.isatty():
        return [*spoken, _read(call, "-")]
    return spoken


def _read(call: Call, name: str) -> str:
    """A text from a file or stdin, without the newline at its end, but not more than may be sent."""
    if name == "-":
        data = sys.stdin.buffer.read(4 * MAX_BYTES)
    else:
        try:
            with explaining(name, "read"), (call.cwd / name).open("rb") as file:
                data = file.read(4 * MAX_BYTES)
        except FileNotFoundError:
            raise NotFoundError(f"no file {shorten(name)}", hint="--file - reads stdin") from None
    return data.decode("utf-8", "surrogateescape").removesuffix("\n")


def _from(call: Call, session_id: str, team: Team, address: Address, sender: str | None) -> Address:
    """The address with its sender: the named one, else the agent in whose pane this runs, unless it means only that."""
    if sender is not None:
        return Address(address.target, address.text, team.agent(sender.removeprefix("agent-")).id)
    own = call.environ.get("MAS_AGENT_ID", "")
    known = _is_own(call, session_id, own) and own in team.ids
    if address.sender or not known or team.expand(address.target) == (own,):
        return address
    return Address(address.target, address.text, own)


def _is_own(call: Call, session_id: str, agent_id: str) -> bool:
    """Whether the environment says that we are this agent of the session."""
    own = (call.environ.get("MAS_SESSION_ID"), call.environ.get("MAS_AGENT_ID"))
    return bool(agent_id) and own == (session_id, agent_id)


def _tell(call: Call, sent: Sequence[Message]) -> None:
    """For a person in few words where all went well; for scripts a line for each agent."""
    rows = [(agent_id, fate.outcome, fate.reason) for one in sent for agent_id, fate in one.fates.items()]
    if not call.on_terminal:
        call.lines(render.tab_separated(rows))
    elif all(outcome == "submitted" and reason != BEHIND.reason for _, outcome, reason in rows):
        many = f"{len(sent)} messages " if len(sent) > 1 else ""
        call.out(f"{many}submitted to {', '.join(dict.fromkeys(agent_id for agent_id, *_ in rows))}")
    else:
        call.lines(render.aligned(rows))


def messages(
    context: typer.Context,
    name: Name = None,
    *,
    agent: Annotated[str | None, typer.Option("--agent", "-a", metavar="ID", help="what it sent or was sent")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="go on as they come, and as their fates change")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="the newest N")] = _NEWEST,
    as_json: Json = False,
) -> int:
    """Show the messages of a session, oldest first, and what became of each. With --follow --json one a line."""
    call = call_of(context)
    session_id = call.mas.resolve(name)
    call.mas.storage.read(session_id)
    box = Mailbox(call.root, session_id)
    wanted = teamfile.stored_team(call.mas, session_id)[0].agent(agent.removeprefix("agent-")).id if agent else ""
    size, known = box.size(), box.messages()
    found = _of_agent(known.values(), wanted)[-limit:]
    if follow:
        for one in chain(found, _as_they_come(box, size, known, wanted)):
            _show(call, [one], as_json=as_json, indent=None)
            call.flush()
    elif as_json:
        call.json({"sessionId": session_id, "messages": [one.to_json() for one in found], "count": len(found)})
    else:
        _show(call, found, as_json=False)
        if not found:
            call.say("no messages")
    return 0


def _of_agent(found: Iterable[Message], agent: str) -> list[Message]:
    """The messages that an agent sent or was sent; all where none is named."""
    return [one for one in found if not agent or agent in (one.sender, *one.to)]


def _as_they_come(box: Mailbox, size: int, known: Mapping[str, Message], agent: str) -> Iterator[Message]:
    """Each message whenever something of its fate changes; ``size`` was taken before the messages that are known."""
    while True:
        if box.size() != size:
            size, before, known = box.size(), known, box.messages()
            yield from _of_agent((one for key, one in known.items() if before.get(key) != one and one.fates), agent)
        time.sleep(LOOK)


def _show(call: Call, found: Sequence[Message], *, as_json: bool, indent: int | None = 2) -> None:
    if as_json:
        for one in found:
            call.out(render.to_json(one.to_json(), indent=indent))
        return
    rows = [(one.timestamp, one.sender or "-", one.target, _fate(one), one.text) for one in found]
    if not call.on_terminal:
        call.lines(render.tab_separated(rows))
        return
    now = utc_now()
    lines = render.aligned((f"{render.ago(row[0], now)} ago", f"{row[1]} > {row[2]}", *row[3:]) for row in rows)
    call.lines([render.cut(line, call.width) for line in lines])


def _fate(message: Message) -> str:
    """One word where all had the same fate, else each agent's."""
    said = {one: _said(message.fates[one]) if one in message.fates else "unsettled" for one in message.to}
    words = set(said.values())
    return words.pop() if len(words) == 1 else ", ".join(f"{agent_id} {word}" for agent_id, word in said.items())


def _said(fate: Fate) -> str:
    return f"{fate.outcome} ({fate.reason})" if fate.reason else fate.outcome


def deliver(
    context: typer.Context,
    name: Name = None,
    *,
    timeout: Annotated[str | None, typer.Option(metavar="TIME", help="give up after so long")] = None,
    config: Annotated[
        str | None, typer.Option(metavar="FILE", help="let its prompts wait first, and go; - is stdin")
    ] = None,
    begin: Annotated[
        str | None, typer.Option(metavar="AGENT", help="with its first prompt, for it begins anew")
    ] = None,
) -> int:
    """Deliver what waits, each as soon as its agent reads. mas runs this by itself when there is something to deliver.

    It goes on as long as anybody is there for whom something waits. Exit code 1 where something still waits at the end.
    """
    call = call_of(context)
    limit, session_id = inf if timeout is None else seconds(timeout, "--timeout"), call.mas.resolve(name)
    if config is not None:
        return _deliver_config(call, session_id, config)
    if begin is not None:
        team, _ = teamfile.stored_team(call.mas, session_id)
        courier.enqueue_prompts(call.mas, session_id, team, [begin])

    def tell(message: Message, agent_id: str, fate: Fate) -> None:
        call.out(f"{utc_now()} {message.kind} {message.id} for {agent_id}: {_said(fate)}")
        call.flush()

    waiting = courier.deliver_waiting(call.mas, session_id, timeout=limit, tell=tell)
    if waiting:
        call.say(f"messages wait for {', '.join(waiting)}")
    return 1 if waiting else 0


def _deliver_config(call: Call, session_id: str, config: str) -> int:
    """Let the prompts of a configuration be delivered by a process of its own."""
    from mas.cli.beginning import read_config  # noqa: PLC0415  scripts of old alone ask for it

    count = courier.enqueue_config(call.mas, session_id, read_config(call, config) or {})
    if count:
        delivery.call_courier(call.mas, session_id)
    call.out(f"{count} prompts are on their way")
    return 0


COMMANDS: dict[str, Any] = {"send": send, "messages": messages, "deliver": deliver}
ARRANGED = {"send": arrange}
"""The verbs whose words are put in order before they are parsed."""
