"""Messages to agents in real panes: the right agent gets every byte once, or nobody does and the fate says so."""

import json
import os
import random
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from mas import delivery, tmux
from mas.app import Mas
from mas.errors import RefusedError
from mas.messages import Address, sanitize
from mas.paths import Root
from mas.starting import StartOptions

STUB = Path(__file__).with_name("stub_agent.py")
Start = Callable[..., str]


@pytest.fixture
def mas(root: Root, tmux_socket: Path) -> Mas:
    del tmux_socket
    return Mas(root, dict(os.environ), Path.cwd())


def template(root: Root, name: str, ids: Sequence[str]) -> None:
    """A small template: one unit with these agents."""
    place = root.path / "templates" / name
    for agent_id in ids:
        (place / "unit" / agent_id).mkdir(parents=True)
    (place / "workflows").mkdir()
    agents = "".join(f'[[unit.agent]]\nid = "{agent_id}"\nname = "Agent {agent_id}"\n' for agent_id in ids)
    (place / "team.toml").write_text(f'name = "{name}"\n[[unit]]\nname = "design"\n{agents}')


@pytest.fixture
def start(mas: Mas) -> Start:
    """Start a team of stub agents; each writes what it got into ``received`` in its directory."""

    def started(*flags: str, ids: Sequence[str] = ("10", "11"), command: str = "", config: object = None) -> str:
        if not (mas.root.path / "templates").exists():
            template(mas.root, "few", ids)
        words = command or " ".join([sys.executable, str(STUB), "received", *flags])
        options = StartOptions(template="few", command=words, config=config)  # type: ignore[arg-type]
        return mas.start(mas.plan(options)).session.session_id

    return started


def received(mas: Mas, session_id: str, agent_id: str) -> list[str]:
    path = mas.root.session(session_id).unit / agent_id / "received"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def settled(mas: Mas, session_id: str, wait_until: Callable[..., None]) -> None:
    """Wait until every agent's screen shows its prompt."""

    def all_show() -> bool:
        found = delivery.reach(mas, session_id)
        shown = tmux.screens(found.server, [pane.pane_id for pane in found.panes.values()])
        return bool(shown) and all(">" in screen for screen in shown.values())

    wait_until(all_show, what="the prompts of the agents")


HOSTILE = [
    "Enter",
    "C-c",
    "Escape",
    "-X",
    "-",
    "ends in ;",
    ";",
    "#(touch canary)",
    "$(touch canary) `touch canary`",
    "#{pane_id} #S ~ $HOME \\ \\n",
    "quotes ' \" and {braces}",
    "two\nlines\twith a tab",
    "日本語 ünïcödé",
    "out \x1b[201~\r of the paste",
    "x" * 20000,
]


def test_every_byte_arrives_once_and_in_order(mas: Mas, start: Start, wait_until: Callable[..., None]) -> None:
    session_id = start()
    settled(mas, session_id, wait_until)
    for text in HOSTILE:
        assert mas.send(session_id, Address("10", text)).fates["10"].outcome == "submitted", text
    wait_until(lambda: len(received(mas, session_id, "10")) == len(HOSTILE), what="the last message")
    assert received(mas, session_id, "10") == [sanitize(text) for text in HOSTILE]
    assert received(mas, session_id, "11") == []
    assert not [*mas.root.path.rglob("canary")]


def test_many_senders_reach_many_agents_without_mixing_texts(
    mas: Mas, start: Start, wait_until: Callable[..., None]
) -> None:
    session_id, chance = start(ids=("10", "11", "12")), random.Random(7)  # noqa: S311  repeatable, not secret
    settled(mas, session_id, wait_until)
    agents = ("10", "11", "12")
    plan = [
        [(chance.choice(agents), f"{sender}.{number} " + "x" * chance.randrange(3000)) for number in range(12)]
        for sender in range(4)
    ]

    def work(texts: list[tuple[str, str]]) -> None:
        for agent_id, text in texts:
            mas.send(session_id, Address(agent_id, text))

    threads = [threading.Thread(target=work, args=(texts,)) for texts in plan]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for agent_id in agents:
        wanted = [[text for to, text in texts if to == agent_id] for texts in plan]
        wait_until(lambda a=agent_id, n=sum(map(len, wanted)): len(received(mas, session_id, a)) == n, what="all texts")
        got = received(mas, session_id, agent_id)
        assert sorted(got) == sorted(text for texts in wanted for text in texts)
        for texts in wanted:  # each sender's in its own order
            assert [text for text in got if text in texts] == texts
    assert all(fate.outcome == "submitted" for one in mas.messages(session_id).values() for fate in one.fates.values())


def test_a_group_gets_it_and_the_sender_does_not(mas: Mas, start: Start, wait_until: Callable[..., None]) -> None:
    session_id = start()
    settled(mas, session_id, wait_until)
    message = mas.send(session_id, Address("all", "to you", sender="10"))
    assert message.to == ("11",)
    wait_until(lambda: received(mas, session_id, "11") == ["to you"])
    assert received(mas, session_id, "10") == []


def test_typed_only_is_not_entered(mas: Mas, start: Start, wait_until: Callable[..., None]) -> None:
    session_id = start()
    settled(mas, session_id, wait_until)
    options = delivery.SendOptions(execute=False)
    assert mas.send(session_id, Address("10", "half ", ""), options).fates["10"].reason == "typed, not entered"
    mas.send(session_id, Address("10", "a line"))
    wait_until(lambda: received(mas, session_id, "10") == ["half a line"])


def test_a_pane_in_copy_mode_gets_it_too(mas: Mas, start: Start, wait_until: Callable[..., None]) -> None:
    session_id = start()
    settled(mas, session_id, wait_until)
    found = delivery.reach(mas, session_id)
    tmux.objects(found.server).cmd("copy-mode", "-t", found.panes["10"].pane_id)
    assert mas.send(session_id, Address("10", "hello")).fates["10"].outcome == "submitted"
    wait_until(lambda: received(mas, session_id, "10") == ["hello"])


def test_an_agent_that_has_ended_is_not_typed_to(mas: Mas, start: Start, wait_until: Callable[..., None]) -> None:
    session_id = start()
    settled(mas, session_id, wait_until)
    mas.send(session_id, Address("10", "/exit 3"))
    wait_until(lambda: delivery.reach(mas, session_id).panes["10"].exit_code == 3)
    queued = mas.send(session_id, Address("10", "touch canary"))
    assert (queued.fates["10"].outcome, queued.fates["10"].reason) == ("queued", "it has ended (exit 3)")
    refused = mas.send(session_id, Address("10", "touch canary"), delivery.SendOptions(queue=False))
    assert refused.fates["10"].outcome == "refused"
    assert not [*mas.root.path.rglob("canary")]


def test_what_waits_is_delivered_once_when_the_team_is_back(
    mas: Mas, start: Start, wait_until: Callable[..., None]
) -> None:
    session_id = start()
    mas.stop(session_id, grace=0)
    for text in ("first", "second"):
        assert mas.send(session_id, Address("10", text)).fates["10"].outcome == "queued"
    mas.resume(session_id)
    assert delivery.deliver_queue(mas, session_id, timeout=20) == ()
    wait_until(lambda: received(mas, session_id, "10") == ["first", "second"])
    assert delivery.deliver_queue(mas, session_id, timeout=1) == ()
    assert received(mas, session_id, "10") == ["first", "second"]


def test_prompts_wait_for_an_agent_that_is_slow_to_read(
    mas: Mas, start: Start, wait_until: Callable[..., None]
) -> None:
    config = {"units": [{"manager": {"id": "10", "prompt": "begin\nhere"}, "workers": []}]}
    session_id = start("--slow", "1", config=config)
    assert delivery.enqueue_prompts(mas, session_id, delivery.reach(mas, session_id).team) == 1
    assert delivery.deliver_queue(mas, session_id, timeout=20) == ()
    wait_until(lambda: received(mas, session_id, "10") == ["begin\nhere"])
    (prompt,) = mas.messages(session_id).values()
    assert (prompt.kind, prompt.fates["10"].outcome) == ("prompt", "submitted")


def test_a_question_for_permission_is_not_answered_by_what_waits(mas: Mas, start: Start) -> None:
    session_id = start("--ask")
    mas.stop(session_id, grace=0)
    mas.send(session_id, Address("10", "yes"))
    mas.resume(session_id)
    assert received(mas, session_id, "10") == []


def test_a_line_that_the_terminal_would_cut_is_refused(mas: Mas, start: Start) -> None:
    session_id = start(command="cat")
    fate = mas.send(session_id, Address("10", "x" * 5000)).fates["10"]
    assert fate.outcome == "refused"
    assert "4095" in fate.reason
    assert mas.send(session_id, Address("10", "x" * 4000)).fates["10"].outcome == "submitted"


def test_a_team_of_another_root_is_never_typed_to(mas: Mas, start: Start, tmp_path: Path) -> None:
    session_id = start(command="cat")
    other = Mas(Root(tmp_path / "another root"), dict(os.environ), Path.cwd())
    template(other.root, "few", ("10",))
    with pytest.raises(FileNotFoundError):
        other.send(session_id, Address("10", "hello"))
    found = delivery.reach(mas, session_id)
    typed = tmux.paste(found.server, [found.panes["10"].pane_id], "0" * 36, b"hello")
    assert [one.reason for one in typed.values()] == ["its pane belongs to another session"]


def test_a_bad_target_records_nothing(mas: Mas, start: Start) -> None:
    session_id = start(command="cat")
    for address in (Address("77", "x"), Address("10", ""), Address("10", "x", sender="10")):
        with pytest.raises(RefusedError):
            mas.send(session_id, address)
    assert mas.messages(session_id) == {}


def test_a_message_whose_sender_was_cut_off_is_unknown_and_not_typed_again(
    mas: Mas, start: Start, wait_until: Callable[..., None]
) -> None:
    session_id = start()
    settled(mas, session_id, wait_until)
    box = delivery.Mailbox(mas.root, session_id)
    box.accept(delivery.Message("cut", "", "", "10", ("10",), "cut off"))
    mas.send(session_id, Address("10", "next"))
    wait_until(lambda: received(mas, session_id, "10") == ["next"])
    assert mas.messages(session_id)["cut"].fates["10"].outcome == "unknown"


def test_panes_that_die_while_being_typed_to_leave_the_server_alive(
    mas: Mas, start: Start, wait_until: Callable[..., None]
) -> None:
    session_id = start(command="cat")
    found = delivery.reach(mas, session_id)
    objects = tmux.objects(found.server)
    objects.cmd("set-option", "-g", "remain-on-exit", "on")
    for _ in range(30):
        made = objects.cmd(
            "new-window", "-d", "-P", "-F", "#{pane_id}", "-t", f"{found_session(mas, session_id)}:", "sleep 0.02"
        )
        pane = made.stdout[0]
        objects.cmd("set-option", "-p", "-t", pane, "@mas_agent", "99")
        for _ in range(3):
            tmux.paste(found.server, [pane], session_id, b"into a dying pane")
    assert tmux.discover(found.server).running
    assert mas.send(session_id, Address("10", "still here")).fates["10"].outcome == "submitted"


def found_session(mas: Mas, session_id: str) -> str:
    seen = mas.ours(tmux.discover(mas.server), session_id)
    assert seen
    return seen.tmux_id
