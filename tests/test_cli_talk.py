"""Texts to agents from the command line: every syntax, what is printed, and what the exit code says."""

import json
import os
import shlex
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import stubs
from commandline import PROGRAM, Done, environment, mas, ok, record
from hypothesis import given
from hypothesis import strategies as st
from roots import make_template, mas_of
from terminal import Terminal, open_terminal

from mas.app import Mas
from mas.cli.parse import build
from mas.cli.talk import COMMANDS, arrange
from mas.errors import UsageError
from mas.mailbox import Mailbox
from mas.messages import BEHIND, Address, Fate, Message
from mas.paths import Root

Wait = Callable[..., None]


@pytest.fixture
def alone(root: Root, tmux_socket: Path) -> Mas:
    del tmux_socket
    return mas_of(root)


@pytest.fixture
def fresh(alone: Mas) -> str:
    """Two agents that are up, for one test."""
    return stubs.start(alone)


@pytest.fixture(scope="module")
def started(shared_root: Root, shared_socket: Path) -> tuple[Mas, str]:
    """Two agents that are up, for all tests that only write to them."""
    del shared_socket
    mas = mas_of(shared_root)
    return mas, stubs.start(mas)


@pytest.fixture
def world(started: tuple[Mas, str], shared_socket: Path, monkeypatch: pytest.MonkeyPatch) -> Mas:
    monkeypatch.setenv("MAS_TMUX_SOCKET", str(shared_socket))
    return started[0]


@pytest.fixture
def team(world: Mas, started: tuple[Mas, str]) -> str:
    """The session of these; what its agents got before is forgotten."""
    for agent_id in ("10", "11"):
        (world.root.session(started[1]).unit / agent_id / "received").unlink(missing_ok=True)
    return started[1]


@pytest.fixture
def sent(world: Mas, team: str) -> Callable[[], list[Message]]:
    """The messages that were recorded since the test began."""
    before = len(world.messages(team))
    return lambda: [*world.messages(team).values()][before:]


@pytest.fixture
def terminal(fresh: str, tmp_path: Path, root: Root, wait_until: Wait) -> Iterator[Terminal]:
    del fresh
    opened = open_terminal(tmp_path, root.path, wait_until)
    yield opened
    opened.close()


def send(world: Mas, *words: str, stdin: str = "", code: int = 0, **env: str) -> Done:
    done = mas("send", *words, root=world.root.path, stdin=stdin, env=env)
    assert done.code == code, done
    return done


def got(world: Mas, session_id: str, agent_id: str, wait_until: Wait, *texts: str) -> None:
    wait_until(
        lambda: stubs.received(world, session_id, agent_id) == [*texts],
        what=lambda: f"{texts}, not {stubs.received(world, session_id, agent_id)}",
    )


# --- who gets what ---


@pytest.mark.parametrize(
    "words",
    [
        ("10", "hello"),
        ("agent-10", "hello"),
        ("-t", "10", "hello"),
        ("--target=10", "hello"),
        ("-p", "10", "hello"),
        ("hello", "-p", "10", "-e"),
        ("10", "hello", "--execute"),
        ("-e", "10", "--", "hello"),
    ],
    ids=" ".join,
)
def test_a_target_and_a_text_in_every_way(world: Mas, team: str, wait_until: Wait, words: tuple[str, ...]) -> None:
    assert send(world, *words).out == "10\tsubmitted\t\n"
    got(world, team, "10", wait_until, "hello")
    assert stubs.received(world, team, "11") == []


def test_an_agent_is_named_before_its_target(
    world: Mas, team: str, wait_until: Wait, sent: Callable[[], list[Message]]
) -> None:
    send(world, "10", "11", "hello")
    got(world, team, "11", wait_until, "[From: Agent 10] hello")
    (message,) = sent()
    assert (message.sender, message.verified) == ("10", False)


def test_three_words_of_which_the_first_is_no_agent_show_the_quoted_form(world: Mas, team: str) -> None:
    del team
    assert "quote the text: mas send all 'hello you'" in send(world, "all", "hello", "you", code=2).err


@pytest.mark.parametrize("option", ["--session", "-t", "--after"])
def test_an_option_without_its_value_is_a_wrong_call(alone: Mas, option: str) -> None:
    assert send(alone, "10", "x", option, code=2).err.startswith(f"mas: {option} needs a value")


def test_the_hint_to_quote_a_text_runs_nothing(alone: Mas) -> None:
    stubs.start(alone, program="cat")
    told = send(alone, "please", "tell", 'a"b$(x)', "me", code=2).err
    assert shlex.split(told.partition("quote the text: ")[2]) == ["mas", "send", "please", 'tell a"b$(x) me']


def test_a_session_before_the_target_shows_how_one_is_named(alone: Mas) -> None:
    for label in ("one", "two"):
        stubs.start(alone, program="cat", label=label)
    done = send(alone, "one", "10", "hi", code=2)
    assert done.err == "mas: 'one' is a session, not an agent that sends; mas send --session one 10 \"TEXT\"\n"


def test_a_session_in_place_of_a_target_shows_how_one_is_named(alone: Mas) -> None:
    told = "mas: 'one' is a session, not who gets a text; mas send --session one TO \"TEXT\"\n"
    stubs.start(alone, program="cat", label="one")
    assert send(alone, "one", "hi", code=2).err == told
    assert send(alone, "-t", "one", stdin="hi", code=2).err == told
    stubs.start(alone, program="cat", label="two")
    assert send(alone, "one", "hi", code=2).err == told
    assert "sessions are active" in send(alone, "nobody", "hi", code=1).err
    assert "no target 'one'" in send(alone, "--session", "two", "one", "hi", code=1).err


def test_a_unit_is_meant_also_where_a_session_is_called_like_it(alone: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(alone, label="design", ids=("10",))
    send(alone, "design", "hello")
    got(alone, session_id, "10", wait_until, "hello")


def test_talk_rules_hold_for_who_is_named_first_only(alone: Mas, wait_until: Wait) -> None:
    make_template(alone.root, "stubs", ("10", "11"))
    with (alone.root.path / "templates" / "stubs" / "team.toml").open("a") as file:
        file.write('[talk]\n10 = ["11"]\n')
    fresh = stubs.start(alone)
    assert "agent 11 may not write to 10" in send(alone, "11", "10", "no", code=1).err
    send(alone, "-s", "11", "10", "yes")
    got(alone, fresh, "10", wait_until, "yes")


def test_the_sender_gets_nothing(world: Mas, team: str, wait_until: Wait) -> None:
    assert send(world, "-p", "all", "-s", "10", "hello").out == "11\tsubmitted\t\n"
    assert "nobody but the sender" in send(world, "-s", "10", "10", "x", code=1).err
    assert "no agent '77'" in send(world, "-s", "77", "10", "x", code=1).err
    got(world, team, "11", wait_until, "hello")


@pytest.mark.parametrize("text", ["-X", "-n and more", "--help me", "--", "-next", "a;", "--target"], ids=str)
def test_what_looks_like_an_option_is_text(world: Mas, team: str, wait_until: Wait, text: str) -> None:
    send(world, "10", "--", text) if text in ("--", "--target") else send(world, "10", text)
    got(world, team, "10", wait_until, text)


OPTIONS = {
    name: bool(one.is_flag)
    for one in build("send", COMMANDS["send"]).params
    for name in (*one.opts, *one.secondary_opts)
    if name.startswith("-")
}
"""The options of the verb, and whether each is one without a value."""


@given(st.lists(st.text(alphabet="-nest=ab ", max_size=6) | st.sampled_from([*OPTIONS])))
def test_words_are_put_in_order_and_none_is_lost(words: list[str]) -> None:
    try:
        arranged = arrange(words)
    except UsageError:
        assert OPTIONS.get(words[-1]) is False
        return
    assert Counter(word for word in words if word != "--") <= Counter(arranged)
    assert arrange(arranged) == arranged


@pytest.mark.parametrize("name", [*OPTIONS, "--help", "-h"])
def test_every_option_is_told_from_text(name: str) -> None:
    """What is not known for an option would be typed to an agent."""
    flag = OPTIONS.get(name, True)
    assert arrange(["10", name, "word"]) == ([name, "--", "10", "word"] if flag else [name, "word", "--", "10"])
    if not flag and name.startswith("--"):
        assert arrange(["10", f"{name}=word"]) == [f"{name}=word", "--", "10"]


def test_help_is_shown(world: Mas) -> None:
    assert "[FROM] TO TEXT" in ok("send", "--help", root=world.root.path).out


# --- where a text comes from ---


def test_a_text_comes_from_stdin_or_a_file(world: Mas, team: str, wait_until: Wait, tmp_path: Path) -> None:
    send(world, "10", stdin="from stdin\n")
    send(world, "--file", "-", "10", stdin="also\nthis\n\n")
    (tmp_path / "text").write_bytes(b"from a file \xff\n")
    ok("send", "-t", "10", "-f", "text", root=world.root.path, cwd=tmp_path)
    got(world, team, "10", wait_until, "from stdin", "also\nthis\n", "from a file \N{REPLACEMENT CHARACTER}")


def test_each_line_of_a_batch_is_a_message(world: Mas, team: str, wait_until: Wait) -> None:
    text = "# a comment\n\none\n  two\n   \nthree\n"
    assert send(world, "10", "--batch", "--file", "-", stdin=text).out == "10\tsubmitted\t\n" * 3
    got(world, team, "10", wait_until, "one", "  two", "three")
    assert "no message" in send(world, "10", "--batch", stdin="# nothing\n", code=1).err


def test_many_programs_send_at_once_and_nothing_is_lost_or_mixed(world: Mas, team: str, wait_until: Wait) -> None:
    texts = [[f"{sender}.{number} " + "x" * 300 for number in range(3)] for sender in range(8)]
    words = [*PROGRAM, "send", "all", "--batch"]
    env = environment(world.root.path)
    sending = [
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, text=True) for _ in texts
    ]
    for process, lines in zip(sending, texts, strict=True):
        assert process.stdin
        process.stdin.write("\n".join(lines))
        process.stdin.close()
    assert [process.wait(60) for process in sending] == [0] * 8
    for process in sending:
        assert process.stdout
        assert process.stdout.read() == "10\tsubmitted\t\n11\tsubmitted\t\n" * 3
        process.stdout.close()
    for agent_id in ("10", "11"):
        got = stubs.until_received(world, team, agent_id, 24, wait_until)
        assert sorted(got) == sorted(text for lines in texts for text in lines)
        assert all([text for text in got if text in lines] == lines for lines in texts)


def test_text_that_is_not_there_is_refused(world: Mas, sent: Callable[[], list[Message]], tmp_path: Path) -> None:
    assert "empty" in send(world, "10", code=1).err
    assert "no file" in send(world, "10", "--file", str(tmp_path / "none"), code=1).err
    assert "who gets which text" in send(world, code=2).err
    assert "2 words were given beside --target" in send(world, "-t", "10", "two", "words", code=2).err
    assert sent() == []


def test_a_text_of_more_than_a_megabyte_is_refused(world: Mas, sent: Callable[[], list[Message]]) -> None:
    assert "at most 1048576" in send(world, "10", stdin="x" * 1048577, code=1).err
    assert "at most 1048576" in send(world, "10", stdin="x" * 6_000_000, code=1).err
    assert sent() == []


# --- how ---


def test_no_enter_is_pressed_where_none_is_wanted(world: Mas, team: str, wait_until: Wait) -> None:
    assert send(world, "-n", "10", "typed ").out == "10\tsubmitted\ttyped, not entered\n"
    send(world, "10", "and entered")
    got(world, team, "10", wait_until, "typed and entered")


def test_a_session_is_named(alone: Mas, fresh: str, wait_until: Wait) -> None:
    other = stubs.start(alone, label="other")
    assert "sessions are active" in send(alone, "10", "x", code=1).err
    send(alone, "--session", "other", "10", "hello")
    got(alone, other, "10", wait_until, "hello")
    assert stubs.received(alone, fresh, "10") == []
    assert "no session" in send(alone, "--session", "nobody", "10", "x", code=1).err


def test_who_is_not_there_gets_it_later_or_never(alone: Mas, fresh: str, wait_until: Wait) -> None:
    alone.stop(fresh, grace=0)
    assert send(alone, "--session", fresh, "10", "later").out == "10\tqueued\tit is not up\n"
    assert send(alone, "--session", fresh, "--no-queue", "10", "never", code=1).out == "10\trefused\tit is not up\n"
    ok("resume", fresh, root=alone.root.path)
    got(alone, fresh, "10", wait_until, "later")


def test_programs_are_told_in_json(world: Mas, team: str) -> None:
    told = send(world, "--json", "10", "hello").json
    assert (told["sessionId"], told["message"], told["target"], told["to"]) == (team, "hello", "10", ["10"])
    assert told["fates"] == {"10": {"outcome": "submitted", "reason": ""}}
    several = send(world, "--json", "10", "--batch", "--file", "-", stdin="a\nb\n").json
    assert [one["message"] for one in several["messages"]] == ["a", "b"]
    assert send(world, "--json", "77", "x", code=1).json["code"] == "refused"


def test_a_record_without_a_team_has_nobody_to_write_to(tmp_path: Path) -> None:
    done = mas("send", "--repo", tmp_path, "10", "x")
    assert (done.code, "needs a team" in done.err) == (1, True)


def test_exactly_one_eof_follows_where_that_is_switched_on(alone: Mas, fresh: str, wait_until: Wait) -> None:
    (alone.root.path / ".masrc").write_text("MAS_SEND_EOF=1\n")
    send(alone, "10", "hello")
    send(alone, "10", "without", MAS_SEND_EOF="0")
    send(alone, "--no-eof", "10", "without")
    got(alone, fresh, "10", wait_until, "hello", "without", "without", "EOF")
    send(alone, "--after", "1s", "--no-eof", "10", "the end")
    got(alone, fresh, "10", wait_until, "hello", "without", "without", "EOF", "the end")


def test_a_setting_that_is_neither_yes_nor_no_is_refused(world: Mas, sent: Callable[[], list[Message]]) -> None:
    assert "MAS_SEND_EOF is 'maybe'" in send(world, "10", "x", code=2, MAS_SEND_EOF="maybe").err
    assert sent() == []


def test_what_an_agent_asks_is_answered_where_that_is_meant(alone: Mas, wait_until: Wait) -> None:
    fresh = stubs.start(alone, "--ask", ids=("10",))
    wait_until(lambda: "May I?" in stubs.screen(alone, fresh, "10"))
    held = "10\tqueued\tit waits for a decision: mas send --answer 10 TEXT\n"
    assert send(alone, "10", "by the way").out == held
    assert send(alone, "--answer", "10", "yes").out == "10\tsubmitted\t\n"
    got(alone, fresh, "10", wait_until, "by the way")
    assert send(alone, "--answer", "10", "and yes", code=1).out == "10\trefused\tit asks for nothing\n"


# --- from inside ---


def test_an_agent_sends_as_itself(alone: Mas, wait_until: Wait) -> None:
    send_it = f"{shlex.join(PROGRAM)} send all hello; {shlex.join(PROGRAM)} send 10 myself; exec cat >/dev/null"
    text = f"case $MAS_AGENT_ID in 10) echo up; sleep 1; {send_it};; *) exec {shlex.join(stubs.command())};; esac"
    alone.environ = {**os.environ, "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    fresh = stubs.start(alone, program=shlex.join(["sh", "-c", text]), profile="ready = '.'")
    got(alone, fresh, "11", wait_until, "hello")
    wait_until(lambda: len(alone.messages(fresh)) == 2 and [*alone.messages(fresh).values()][1].fates)
    first, second = alone.messages(fresh).values()
    assert (first.sender, first.verified, first.to) == ("10", True, ("11",))
    assert (second.sender, second.verified, second.to) == ("", False, ("10",))


def test_who_only_says_to_be_an_agent_is_not_believed(
    world: Mas, team: str, wait_until: Wait, sent: Callable[[], list[Message]]
) -> None:
    send(world, "11", "hello", MAS_SESSION_ID=team, MAS_AGENT_ID="10")
    got(world, team, "11", wait_until, "hello")
    (message,) = sent()
    assert (message.sender, message.verified) == ("10", False)
    send(world, "--session", team, "11", "x", MAS_SESSION_ID="0" * 36, MAS_AGENT_ID="10")
    assert sent()[1].sender == ""


# --- what a person sees ---


def test_a_person_reads_one_line_where_all_went_well(alone: Mas, fresh: str, terminal: Terminal) -> None:
    assert terminal.run("mas send all hello") == ["submitted to 10, 11"]
    terminal.run(f"mas stop --force {fresh[:8]}")
    assert terminal.run(f"mas send --session {fresh[:8]} all later") == [
        "10  queued  it is not up",
        "11  queued  it is not up",
    ]
    shown = terminal.run(f"mas messages {fresh[:8]}")
    assert [line.split("ago", 1)[1].split() for line in shown] == [
        ["-", ">", "all", "submitted", "hello"],
        ["-", ">", "all", "queued", "(it", "is", "not", "up)", "later"],
    ]
    assert alone.messages(fresh)
    assert "who gets which text" in terminal.run(f"mas send --session {fresh[:8]} 10")[0]


# --- looking back ---


def test_messages_are_shown_with_what_became_of_them(alone: Mas, fresh: str) -> None:
    send(alone, "10", "one")
    send(alone, "-s", "10", "all", "two\twith a tab")
    alone.stop(fresh, grace=0)
    send(alone, "--session", fresh, "--no-queue", "all", "three", code=1)
    rows = [line.split("\t")[1:] for line in ok("messages", fresh, root=alone.root.path).lines]
    assert rows == [
        ["-", "10", "submitted", "one"],
        ["10", "all", "submitted", "two\\twith a tab"],
        ["-", "all", "refused (it is not up)", "three"],
    ]
    told = ok("messages", fresh, "--agent", "agent-10", "--limit", "2", "--json", root=alone.root.path).json
    assert [one["message"] for one in told["messages"]] == ["two\twith a tab", "three"]
    assert ok("messages", fresh, "--agent", "11", "--limit", "1", root=alone.root.path).lines[0].endswith("three")
    assert mas("messages", "nobody", root=alone.root.path).code == 1


def test_no_messages_are_said_to_be_none_and_no_agent_to_be_nobody(alone: Mas, fresh: str) -> None:
    done = ok("messages", fresh, root=alone.root.path)
    assert (done.out, done.err) == ("", "no messages\n")
    assert ok("messages", fresh, "--agent", "10", "--json", root=alone.root.path).json["count"] == 0
    done = mas("messages", fresh, "--agent", "77", root=alone.root.path)
    assert (done.code, "no agent '77'" in done.err) == (1, True)


def test_messages_are_followed_as_their_fates_change(alone: Mas, fresh: str, wait_until: Wait, tmp_path: Path) -> None:
    alone.stop(fresh, grace=0)
    send(alone, "--session", fresh, "10", "hello")
    out = tmp_path / "out"
    with out.open("wb") as file:
        words = [*PROGRAM, "messages", fresh, "--follow", "--json"]
        following = subprocess.Popen(words, stdout=file, env=environment(alone.root.path))
    try:
        wait_until(lambda: out.read_text().count("\n") == 1)
        send(alone, "--session", fresh, "11", "you too")
        alone.resume(fresh)
        wait_until(lambda: '"submitted"' in out.read_text().rpartition("\n")[0].rpartition("\n")[2])
    finally:
        following.terminate()
        assert following.wait(10) == 143
    told = [json.loads(line) for line in out.read_text().splitlines()]
    assert [next(iter(one["fates"].values()))["outcome"] for one in told][:2] == ["queued", "queued"]
    assert {one["message"] for one in told} == {"hello", "you too"}


def test_a_message_that_comes_while_the_first_ones_are_shown_is_shown_too(root: Root, wait_until: Wait) -> None:
    session_id = record(root.path)
    box = Mailbox(root, session_id)
    first = Message("first", "", "", "10", ("10",), "x" * 4000, fates={"10": Fate("submitted")})
    box.accept(*(first._replace(id=f"{number}") for number in range(50)))
    words = [*PROGRAM, "messages", session_id, "--follow"]
    following = subprocess.Popen(words, stdout=subprocess.PIPE, env=environment(root.path))
    out = following.stdout
    assert out
    wait_until(lambda: "pipe_write" in Path(f"/proc/{following.pid}/wchan").read_text())
    box.accept(first._replace(id="late", text="late"))
    os.set_blocking(out.fileno(), False)
    shown: list[bytes] = []

    def is_shown() -> bool:
        shown.append(out.read() or b"")
        return b"late" in b"".join(shown)

    try:
        wait_until(is_shown)
    finally:
        following.terminate()
        following.communicate()
    assert b"".join(shown).count(b"\n") == 51


def test_a_message_whose_sender_was_cut_off_is_shown_as_such(alone: Mas, fresh: str) -> None:

    Mailbox(alone.root, fresh).accept(Message("m", "", "", "all", ("10", "11"), "x"))
    Mailbox(alone.root, fresh).accept(Message("n", "", "", "all", ("10", "11"), "y"))
    alone.send(fresh, Address("10", "z"))
    fates = [line.split("\t")[3] for line in ok("messages", fresh, root=alone.root.path).lines]
    cut_off = "10 unknown (its sender was cut off), 11 unsettled"
    assert fates == [cut_off, cut_off, f"submitted ({BEHIND.reason})"]


# --- bringing what waits ---


def test_what_waits_can_be_brought_by_hand(alone: Mas, fresh: str, wait_until: Wait) -> None:
    alone.stop(fresh, grace=0)
    send(alone, "--session", fresh, "10", "hello")
    done = mas("deliver", fresh, "--timeout", "1s", root=alone.root.path)
    assert (done.code, done.err) == (1, "messages wait for 10\n")
    alone.resume(fresh)
    got(alone, fresh, "10", wait_until, "hello")
    wait_until(lambda: mas("deliver", fresh, root=alone.root.path).code == 0)
    assert ok("deliver", fresh, root=alone.root.path).out == ""
