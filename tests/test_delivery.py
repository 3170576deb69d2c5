"""Messages to agents in real panes: the right agent gets every byte once, or nobody does and the fate says so."""

import os
import random
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import stubs
import teams
from commandline import PROGRAM, environment
from roots import make_template, mas_of

from mas import delivery, tmux
from mas.app import Mas
from mas.delivery import MOST_WAITING, SendOptions
from mas.errors import RefusedError, UnknownStateError
from mas.mailbox import Mailbox
from mas.messages import BEHIND, CUT_OFF, MAX_BYTES, Address, Fate, Message, sanitize
from mas.paths import Root
from mas.reach import reach

Wait = Callable[..., None]


@pytest.fixture
def mas(root: Root, tmux_socket: Path) -> Mas:
    del tmux_socket
    return mas_of(root)


def send(mas: Mas, session_id: str, target: str, text: str, sender: str = "", **options: Any) -> dict[str, Fate]:
    """What became of a message, by agent."""
    return dict(mas.send(session_id, Address(target, text, sender), SendOptions(**options)).fates)


def tmux_of(*words: str) -> str:
    return teams.tmux(Path(os.environ["MAS_TMUX_SOCKET"]), *words)


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
    "\udcff no UTF-8",
    "   ",
    "x" * 20000,
]


def test_every_byte_arrives_once_and_in_order(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(mas)
    for text in HOSTILE:
        assert send(mas, session_id, "10", text) == {"10": Fate("submitted")}, text
    wait_until(lambda: len(stubs.received(mas, session_id, "10")) == len(HOSTILE), what="the last message")
    assert stubs.received(mas, session_id, "10") == [sanitize(text) for text in HOSTILE]
    assert stubs.received(mas, session_id, "11") == []
    assert not [*mas.root.path.rglob("canary")]


def test_a_megabyte_arrives(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(mas)
    text = "".join(random.Random(1).choices("abc \nµ日", k=MAX_BYTES // 2))  # noqa: S311  repeatable, not secret
    text = text.encode()[:MAX_BYTES].decode(errors="ignore").strip("\n")
    assert send(mas, session_id, "10", text) == {"10": Fate("submitted")}
    wait_until(lambda: stubs.received(mas, session_id, "10") == [text])


def exchange(mas: Mas, session_id: str, *, senders: int, each: int, largest: int) -> dict[str, list[list[str]]]:
    """Random texts from several senders at once; what each of them sent to each agent, in its order."""
    chance = random.Random(senders)  # noqa: S311  repeatable, not secret
    ids = reach(mas, session_id).team.ids
    alphabet = [*map(chr, range(1, 256)), "日", "\udc80", "🙂"]

    def text(sender: int, number: int) -> str:
        size = int(largest ** chance.random())
        return f"{sender}.{number} " + "".join(chance.choices(alphabet, k=size)).replace("\n", " ")

    plan = [[(chance.choice(ids), text(sender, number)) for number in range(each)] for sender in range(senders)]
    outcomes: list[str] = []

    def work(texts: list[tuple[str, str]]) -> None:
        for agent_id, one in texts:
            outcomes.extend(fate.outcome for fate in send(mas, session_id, agent_id, one).values())

    threads = [threading.Thread(target=work, args=(texts,)) for texts in plan]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == ["submitted"] * (senders * each)
    return {one: [[sanitize(text) for to, text in texts if to == one] for texts in plan] for one in ids}


def arrived(mas: Mas, session_id: str, sent: dict[str, list[list[str]]], wait_until: Wait) -> None:
    """Every agent got what was sent to it and nothing else, once, each sender's texts in their order."""
    for agent_id, wanted in sent.items():
        whole = sorted(text for texts in wanted for text in texts)
        got = stubs.until_received(mas, session_id, agent_id, len(whole), wait_until)
        assert sorted(got) == whole
        for texts in wanted:
            assert [text for text in got if text in set(texts)] == texts


def test_many_senders_reach_many_agents_without_mixing_texts(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(mas, ids=("10", "11", "12"))
    arrived(mas, session_id, exchange(mas, session_id, senders=4, each=6, largest=4000), wait_until)


@pytest.mark.slow
def test_a_thousand_messages_of_any_bytes_to_a_whole_team(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(mas, ids=[f"{number}" for number in range(10, 23)])
    arrived(mas, session_id, exchange(mas, session_id, senders=8, each=125, largest=64 * 1024), wait_until)


def test_a_group_gets_it_and_the_sender_does_not(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(mas)
    message = mas.send(session_id, Address("all", "to you", sender="10"))
    assert message.to == ("11",)
    wait_until(lambda: stubs.received(mas, session_id, "11") == ["to you"])
    assert stubs.received(mas, session_id, "10") == []


def test_typed_only_is_not_entered(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(mas)
    assert send(mas, session_id, "10", "half ", execute=False) == {"10": Fate("submitted", "typed, not entered")}
    send(mas, session_id, "10", "a line")
    wait_until(lambda: stubs.received(mas, session_id, "10") == ["half a line"])


def test_enter_waits_as_long_as_the_program_wants(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(mas, "--deaf", "0.3", profile="enter_delay = 0.5")
    send(mas, session_id, "10", "not swallowed")
    wait_until(lambda: stubs.received(mas, session_id, "10") == ["not swallowed"])


# --- who is not there, or does not read ---


def test_an_agent_that_has_ended_is_not_typed_to(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(mas)
    send(mas, session_id, "10", "/exit 3")
    wait_until(lambda: reach(mas, session_id).look(["10"])["10"].exit_code == 3)
    assert send(mas, session_id, "10", "touch canary") == {"10": Fate("queued", "it has ended (exit 3)")}
    assert send(mas, session_id, "10", "touch canary", queue=False)["10"].outcome == "refused"
    assert not [*mas.root.path.rglob("canary")]


def test_an_agent_whose_pane_is_gone_or_dead_is_not_typed_to(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(mas)
    found = reach(mas, session_id)
    tmux_of("kill-pane", "-t", found.panes["10"])
    tmux_of("set-option", "-g", "remain-on-exit", "on")
    os.kill(found.look(["11"])["11"].pid, signal.SIGKILL)
    wait_until(lambda: found.look(["11"])["11"].dead)
    assert send(mas, session_id, "all", "canary") == {
        "10": Fate("queued", "it is not up"),
        "11": Fate("queued", "its pane is dead"),
    }
    assert tmux.discover(mas.server).running


def test_a_team_that_is_down_gets_it_later_or_never(mas: Mas) -> None:
    session_id = stubs.start(mas)
    mas.stop(session_id, grace=0)
    assert send(mas, session_id, "10", "later") == {"10": Fate("queued", "it is not up")}
    assert send(mas, session_id, "10", "never", queue=False) == {"10": Fate("refused", "it is not up")}


def test_not_too_many_wait_for_one_agent(mas: Mas) -> None:
    session_id = stubs.start(mas)
    mas.stop(session_id, grace=0)
    waits = {"10": Fate("queued")}
    messages = (Message(f"{number}", "", "", "10", ("10",), "x", fates=waits) for number in range(MOST_WAITING))
    Mailbox(mas.root, session_id).accept(*messages)
    assert send(mas, session_id, "10", "one more") == {"10": Fate("refused", "1000 messages wait for it already")}
    assert send(mas, session_id, "11", "somebody else")["11"].outcome == "queued"


def test_an_agent_that_starts_is_waited_for(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(mas, "--slow", "1", profile="ready = ''")
    assert send(mas, session_id, "10", "hello") == {"10": Fate("submitted")}
    wait_until(lambda: stubs.received(mas, session_id, "10") == ["hello"])


def test_an_agent_that_does_not_come_to_read_gets_it_when_it_does(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(mas, "--slow", "1", ids=("10",), profile="ready = '^>'")
    assert send(mas, session_id, "10", "hello", starting=0.1) == {"10": Fate("queued", "it is starting")}
    assert send(mas, session_id, "10", "again") == {"10": Fate("queued", "after those that wait for it")}
    wait_until(lambda: stubs.received(mas, session_id, "10") == ["hello", "again"], what="what waits")


def test_a_question_is_answered_only_by_a_message_that_is_meant_to(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(mas, "--ask")
    wait_until(lambda: all("May I?" in stubs.screen(mas, session_id, one) for one in ("10", "11")))
    held = Fate("queued", "it waits for a decision: mas send --answer 10 TEXT")
    assert send(mas, session_id, "10", "me too", sender="11") == {"10": held}
    assert send(mas, session_id, "11", "by the way", queue=False)["11"].outcome == "refused"
    assert send(mas, session_id, "10", "yes", answer=True) == {"10": Fate("submitted")}
    wait_until(lambda: stubs.received(mas, session_id, "10") == ["me too"], what="what waits, behind the answer")
    assert "May I?" in stubs.screen(mas, session_id, "11")


def test_an_answer_is_keys_and_entered_only_where_it_is_a_line(mas: Mas, wait_until: Wait) -> None:
    """A menu reads no pastes, an Enter behind one would say yes; behind a key it would answer the next question."""
    session_id = stubs.start(mas, "--ask")
    wait_until(lambda: all("May I?" in stubs.screen(mas, session_id, one) for one in ("10", "11")))
    assert send(mas, session_id, "10", "2", answer=True) == {"10": Fate("submitted")}
    assert send(mas, session_id, "11", "no", answer=True) == {"11": Fate("submitted")}
    send(mas, session_id, "all", "next")
    units = mas.root.session(session_id).unit
    for agent_id, chosen in (("10", "2"), ("11", "1")):
        wait_until(lambda agent_id=agent_id: stubs.received(mas, session_id, agent_id) == ["next"])
        assert (units / agent_id / "chosen").read_text() == chosen


def test_where_only_arrows_choose_an_answer_is_refused_with_what_to_do(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(mas, "--ask", ids=("10",), profile="menus = 'arrows'")
    wait_until(lambda: "May I?" in stubs.screen(mas, session_id, "10"))
    by_hand = "its menus take only arrows and Enter, so choose there: mas attach -a 10"
    assert send(mas, session_id, "10", "1", answer=True) == {"10": Fate("refused", by_hand)}
    assert send(mas, session_id, "10", "later") == {"10": Fate("queued", f"it waits for a decision: {by_hand}")}


def test_an_answer_goes_to_who_asks_and_never_waits(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(mas)
    stubs.settled(mas, session_id, wait_until)
    assert send(mas, session_id, "10", "yes", answer=True) == {"10": Fate("refused", "it asks for nothing")}
    mas.stop(session_id, grace=0)
    assert send(mas, session_id, "10", "yes", answer=True) == {"10": Fate("refused", "it is not up")}


def test_a_line_that_the_terminal_would_cut_is_refused(mas: Mas) -> None:
    session_id = stubs.start(mas, program="cat")
    fate = send(mas, session_id, "10", "x" * 4096)["10"]
    assert fate.outcome == "refused"
    assert "4095" in fate.reason
    assert send(mas, session_id, "10", "x" * 4095) == {"10": Fate("submitted")}


def test_a_line_that_what_was_typed_before_makes_too_long_is_refused(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(mas, program="sh -c 'exec cat >got'", ids=("10",))
    assert send(mas, session_id, "10", "a\n" + "x" * 3000, execute=False)["10"].outcome == "submitted"
    reason = send(mas, session_id, "10", "y" * 3000)["10"].reason
    assert reason.endswith("cut one of 6000 bytes after 4095, with what was typed before and not entered")
    assert send(mas, session_id, "10", "z" * 1000)["10"] == Fate("submitted")
    assert send(mas, session_id, "10", "y" * 3000)["10"] == Fate("submitted")
    got = mas.root.session(session_id).unit / "10" / "got"
    wait_until(lambda: got.read_bytes() == b"a\n" + b"x" * 3000 + b"z" * 1000 + b"\n" + b"y" * 3000 + b"\n")


def test_what_an_earlier_program_was_given_makes_no_line_longer(mas: Mas) -> None:
    session_id = stubs.start(mas, program="cat", ids=("10",))
    send(mas, session_id, "10", "x" * 3000, execute=False)
    mas.stop(session_id, grace=0)
    mas.resume(session_id)
    assert send(mas, session_id, "10", "y" * 3000) == {"10": Fate("submitted")}


def test_nobody_waits_for_an_agent_for_which_something_waits(mas: Mas, wait_until: Wait) -> None:
    """Else each sender had the agent's lock for seconds, and who came last might go first."""
    session_id = stubs.start(mas, "--slow", "3", ids=("10",), profile="ready = '^>'")
    send(mas, session_id, "10", "first", starting=0.1)
    assert send(mas, session_id, "10", "second", starting=60) == {"10": Fate("queued", "after those that wait for it")}
    assert ">" not in stubs.screen(mas, session_id, "10")
    wait_until(lambda: stubs.received(mas, session_id, "10") == ["first", "second"])


def test_a_sender_has_delivered_what_waits_for_others(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(mas)
    stubs.settled(mas, session_id, wait_until)
    Mailbox(mas.root, session_id).accept(Message("m", "", "", "11", ("11",), "left", fates={"11": Fate("queued")}))
    assert send(mas, session_id, "10", "hello") == {"10": Fate("submitted")}
    wait_until(lambda: stubs.received(mas, session_id, "11") == ["left"])


def test_what_a_program_never_shows_is_unknown_and_an_answer_not_entered(mas: Mas, wait_until: Wait) -> None:
    program = "sh -c 'stty -echo -icanon -icrnl; echo ready; [ $MAS_AGENT_ID = 11 ] && echo May I?; exec cat >got'"
    session_id = stubs.start(mas, program=program, profile="ready = 'ready'")
    wait_until(lambda: "May I?" in stubs.screen(mas, session_id, "11"))
    with ThreadPoolExecutor() as pool:
        text = pool.submit(send, mas, session_id, "10", "hello")
        answer = pool.submit(send, mas, session_id, "11", "2", answer=True)
    fate = Fate("unknown", "it was typed and entered, and the screen never showed it")
    assert text.result() == {"10": fate}
    assert answer.result() == {"11": Fate("unknown", "its screen did not show it: attach, and answer there")}
    units = mas.root.session(session_id).unit
    assert [(units / one / "got").read_bytes() for one in ("10", "11")] == [b"hello\r", b"2"]


def test_a_pane_that_takes_no_input_refuses(mas: Mas) -> None:
    session_id = stubs.start(mas)
    tmux_of("select-pane", "-d", "-t", reach(mas, session_id).panes["10"])
    assert send(mas, session_id, "10", "lost") == {"10": Fate("refused", "the input of its pane is switched off")}


# --- what must not happen ---


def test_a_team_of_another_root_is_never_typed_to(mas: Mas, tmp_path: Path) -> None:
    session_id = stubs.start(mas, program="cat")
    other = mas_of(Root(tmp_path / "another root"))
    make_template(other.root, "duo")
    with pytest.raises(FileNotFoundError):
        other.send(session_id, Address("10", "hello"))


def test_a_copy_of_a_root_does_not_reach_the_team_of_the_first(mas: Mas, tmp_path: Path) -> None:
    session_id = stubs.start(mas, program="cat")
    (tmp_path / "a copy").mkdir()
    subprocess.run(["cp", "-a", mas.root.path, tmp_path / "a copy"], check=True)
    copied = mas_of(Root(tmp_path / "a copy" / mas.root.path.name))
    assert send(copied, session_id, "10", "canary") == {"10": Fate("queued", "it is not up")}


def test_what_is_not_allowed_records_nothing(mas: Mas) -> None:
    session_id = stubs.start(mas, program="cat")
    for address in (Address("77", "x"), Address("10", ""), Address("10", "x", sender="10")):
        with pytest.raises(RefusedError):
            mas.send(session_id, address)
    assert mas.messages(session_id) == {}


def test_a_message_whose_sender_was_cut_off_is_unknown_and_not_typed_again(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(mas)
    Mailbox(mas.root, session_id).accept(Message("cut", "", "", "10", ("10",), "cut off"))
    send(mas, session_id, "10", "next")
    wait_until(lambda: stubs.received(mas, session_id, "10") == ["next"])
    assert mas.messages(session_id)["cut"].fates == {"10": Fate("unknown", "its sender was cut off")}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_a_cut_off_sender_typed_is_told_with_the_message_behind_it(
    mas: Mas, wait_until: Wait, number: signal.Signals
) -> None:
    session_id = stubs.start(mas, profile="enter_delay = 3")
    stubs.settled(mas, session_id, wait_until)
    words = [*PROGRAM, "send", "--session", session_id, "10", "cut me "]
    sender = subprocess.Popen(words, env=environment(mas.root.path), stderr=subprocess.PIPE, text=True)
    wait_until(lambda: "cut me" in stubs.screen(mas, session_id, "10"))
    sender.send_signal(number)
    assert "undone" not in sender.communicate(timeout=20)[1]
    settled = [one.fates for one in mas.messages(session_id).values()]
    assert settled == ([{}] if number == signal.SIGKILL else [{"10": CUT_OFF}])
    assert send(mas, session_id, "10", "next") == {"10": BEHIND}
    assert send(mas, session_id, "10", "last") == {"10": Fate("submitted")}
    wait_until(lambda: stubs.received(mas, session_id, "10") == ["cut me next", "last"])


@pytest.mark.slow
def test_a_server_that_hangs_is_unknown_and_nothing_is_typed_twice(
    mas: Mas, tmp_path: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = stubs.start(mas, ids=("10",))
    send(mas, session_id, "10", "first")
    server = tmux.discover(mas.server).pid
    real = shutil.which("tmux")
    with monkeypatch.context() as patch:  # the client that types meets a server that has just been stopped
        stop = f'case "$*" in *load-buffer*) kill -STOP {server};; esac\nexec {real} "$@"'
        teams.fake_tmux(tmp_path / "bin", stop, patch)
        try:
            fate = send(mas, session_id, "10", "once at most")["10"]
            assert fate == Fate("unknown", "tmux did not answer within 5 s")
            with pytest.raises(UnknownStateError):
                send(mas, session_id, "10", "not at all")
        finally:
            os.kill(server, signal.SIGCONT)
    send(mas, session_id, "10", "last")
    wait_until(lambda: "last" in "".join(stubs.received(mas, session_id, "10")))
    assert "".join(stubs.received(mas, session_id, "10")).count("once at most") <= 1
    assert [one.text for one in mas.messages(session_id).values()] == ["first", "once at most", "last"]


def test_who_sends_is_proved_by_the_pane_it_runs_in(mas: Mas) -> None:
    session_id = stubs.start(mas)
    assert not delivery.speaks_for(mas, session_id, "10")
    assert not delivery.speaks_for(mas, session_id, "77")
    sent = mas.send(session_id, Address("10", "x", "11"), SendOptions(verified=True))
    assert mas.messages(session_id)[sent.id].verified


def test_the_talk_rules_hold_where_they_are_asked_for(mas: Mas) -> None:
    make_template(mas.root, "stubs", ("10", "11", "12"))
    with (mas.root.path / "templates" / "stubs" / "team.toml").open("a") as team:
        team.write('[talk]\n10 = ["11"]\n')
    session_id = stubs.start(mas)
    with pytest.raises(RefusedError, match="agent 10 may not write to 12"):
        send(mas, session_id, "12", "x", sender="10", checked=True)
    assert send(mas, session_id, "11", "x", sender="10", checked=True) == {"11": Fate("submitted")}
    assert send(mas, session_id, "12", "x", sender="10") == {"12": Fate("submitted")}


def test_who_comes_too_late_does_not_bring_a_removed_session_back(mas: Mas) -> None:
    box = Mailbox(mas.root, "0f0f0f0f-0000-4000-8000-000000000000")
    with pytest.raises(FileNotFoundError), delivery.only_sender(box, ["10"]):
        pass
    assert not mas.root.sessions.exists()
