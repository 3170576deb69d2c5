"""Messages from bash: who is meant, what reaches whom, in a session of ours and in any other."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bashes import PROGRAM, READER, STRICT, Bash, Done, run
from teams import tmux

from mas.paths import Root

Wait = Callable[..., None]

ALL = "00 10 11 12 13 20 21 22 23 30 31 32 33"
ID = "1234abcd-0000-4000-8000-000000000001"
NAME = "mas-1234abcd"


@pytest.fixture(params=["", STRICT], ids=["plain", "strict"])
def sh(request: pytest.FixtureRequest, root: Root, tmux_socket: Path, monkeypatch: pytest.MonkeyPatch) -> Bash:
    assert os.environ["MAS_TMUX_SOCKET"] == str(tmux_socket)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(root.path.parent / "config"))
    return Bash(request.param, root.path, "message.sh")


def begin(sh: Bash, *words: str) -> str:
    """A session of mas with 13 agents that read."""
    start = ["start", "--isolated", "--root", str(sh.root), "--id", ID, "--command", READER]
    done = run([str(PROGRAM), *start, *words])
    assert done.code == 0, done.err
    return NAME


@pytest.fixture
def ours(sh: Bash) -> str:
    return begin(sh)


@pytest.fixture
def raw(sh: Bash, tmux_socket: Path) -> str:
    """A session that a script built, with ``cat`` in each pane."""
    tmux(tmux_socket, "start-server", ";", "set-option", "-g", "default-command", "exec cat", ";", *NEW)
    assert sh("create_mas_windows mas-raw").answer == (0, "")
    return "mas-raw"


NEW = ("new-session", "-d", "-x", "80", "-y", "24", "-s", "mas-raw", "-n", "meta")


def plain(done: Done) -> tuple[int, list[str]]:
    """The answer without colours, by lines."""
    code, out = done.answer
    return code, re.sub(r"\033\[[0-9;]*m", "", out).splitlines()


def screens(socket: Path, session: str) -> dict[str, str]:
    """What is shown in the pane of each agent of the default team."""
    format_ = "#{window_name} #{pane_id}"
    panes = [line.split() for line in tmux(socket, "list-panes", "-s", "-t", f"={session}:", "-F", format_).split("\n")]
    shown = [tmux(socket, "capture-pane", "-p", "-J", "-t", pane).strip() for _, pane in panes]
    return dict(zip(ALL.split(), shown, strict=True))


def recorded(sh: Bash) -> list[dict[str, Any]]:
    done = run([str(PROGRAM), "messages", ID, "--json", "--root", str(sh.root)])
    assert done.code == 0, done.err
    found: list[dict[str, Any]] = json.loads(done.out)["messages"]
    return found


# --- who is meant ---


@pytest.mark.parametrize(
    ("target", "expanded"),
    [
        ("00", "00"),
        ("33", "33"),
        ("01", "01"),
        ("agent-12", "12"),
        ("meta", "00"),
        ("design", "10 11 12 13"),
        ("development", "20 21 22 23"),
        ("business", "30 31 32 33"),
        ("window0", "00"),
        ("window2", "20 21 22 23"),
        ("meta-manager", "00"),
        ("unit1", "10 11 12 13"),
        ("dev", "20 21 22 23"),
        ("3", "30 31 32 33"),
        ("managers", "00 10 20 30"),
        ("workers", "11 12 13 21 22 23 31 32 33"),
        ("all", ALL),
        ("10, 11 ,design,nobody,10", "10 11 10 11 12 13 10"),
        (" 20 ", "20"),
    ],
)
def test_targets(sh: Bash, target: str, expanded: str) -> None:
    assert sh('IFS=,; expand_target "$1"', target).answer == (0, f"{expanded}\n")


@pytest.mark.parametrize(
    "target", ["", "40", "14", "99", "DESIGN", "*", "agent-", "agent-1", "000", "-n", ",", "window9"]
)
def test_nobody(sh: Bash, target: str) -> None:
    assert sh('expand_target "$1"', target).answer == (0, "\n")


def test_managers_of_units(sh: Bash) -> None:
    for unit, manager in {"meta": "00", "design": "10", "dev": "20", "business": "30", "x": "", "": ""}.items():
        assert sh('get_unit_manager "$1"', unit).answer == (0, f"{manager}\n")


# --- in a session of mas ---


def test_a_message_reaches_its_agent_and_is_recorded(sh: Bash, ours: str, tmux_socket: Path, wait_until: Wait) -> None:
    assert sh('send_to_agent "$1" 12 "$2" true', ours, "it's $(date) #(date);").answer == (0, "")
    wait_until(lambda: screens(tmux_socket, ours)["12"].count("it's $(date) #(date);") == 2)
    assert sh('send_to_agent "$1" 11 "typed only"', ours).answer == (0, "")
    wait_until(lambda: screens(tmux_socket, ours)["11"].count("typed only") == 1)
    assert [(one["target"], one["execute"]) for one in recorded(sh)] == [("12", True), ("11", False)]


@pytest.mark.parametrize(
    ("words", "said", "who"),
    [
        ("design hello 1", ["[SUCCESS] Message sent to 4/4 agents"], "10 11 12 13"),
        ("managers hello true", ["[SUCCESS] Message sent to 4/4 agents"], "00 10 20 30"),
        ("agent-33 hello true", ["[SUCCESS] Message sent to 1/1 agents"], "33"),
        ("'10, dev,xx' hello true", ["[SUCCESS] Message sent to 5/5 agents"], "10 20 21 22 23"),
        ("'10,01' hello", ["[ERROR] Invalid agent ID: 01", "[SUCCESS] Message sent to 1/2 agents"], "10"),
        ("design hello 1 11", ["[INFO] Skipping sender: 11", "[SUCCESS] Message sent to 3/4 agents"], "10 12 13"),
    ],
)
@pytest.mark.usefixtures("ours")
def test_a_message_is_routed(sh: Bash, words: str, said: list[str], who: str) -> None:
    assert plain(sh(f"SESSION_NAME={NAME}; route_message {words}")) == (0, said)
    assert [(one["to"], set(one["fates"])) for one in recorded(sh)] == [(who.split(), set(who.split()))]


def test_a_sender_is_recorded_and_left_out(sh: Bash, ours: str) -> None:
    code, lines = plain(sh("SESSION_NAME=$1; broadcast_message hello true 10", ours))
    assert (code, lines) == (0, ["[INFO] Skipping sender: 10", "[SUCCESS] Message sent to 12/13 agents"])
    assert [(one["sender"], len(one["to"])) for one in recorded(sh)] == [("10", 12)]
    assert plain(sh("SESSION_NAME=$1; route_message 10 hello true 10", ours))[1][-1].endswith("sent to 0/1 agents")


def test_units_write_to_units(sh: Bash, ours: str) -> None:
    code, lines = plain(sh("SESSION_NAME=$1; send_unit_to_unit design dev hello 1", ours))
    assert (code, lines) == (0, ["[SUCCESS] Message sent to 4/4 agents"])
    assert [(one["sender"], one["target"]) for one in recorded(sh)] == [("10", "dev")]
    assert plain(sh("send_unit_to_unit nobody dev hello"))[0] == 1


@pytest.mark.parametrize("target", ["40", "14", "99", "DESIGN", "*", "", "xx,yy"])
def test_an_invalid_target_is_an_error(sh: Bash, ours: str, target: str) -> None:
    done = sh('SESSION_NAME=$1; route_message "$2" hello', ours, target)
    assert (done.code, "Invalid target" in done.out) == (1, True)
    assert done.err == "" or target not in ("", "xx,yy"), "what cannot be a target is not asked about"
    assert recorded(sh) == []


@pytest.mark.parametrize("agent", ["99", "01", "", "x", "all", "10,11"])
def test_an_invalid_agent_is_an_error(sh: Bash, ours: str, agent: str) -> None:
    done = sh('send_to_agent "$1" "$2" hello', ours, agent)
    assert (done.code, "Invalid agent ID" in done.out) == (1, True)
    assert recorded(sh) == []


def test_a_team_of_its_own_is_known_to_mas(sh: Bash, tmux_socket: Path, wait_until: Wait) -> None:
    name = begin(sh, "--template", "solo")
    done = plain(sh("SESSION_NAME=$1; route_message all hello true", name))
    assert done == (0, ["[SUCCESS] Message sent to 1/1 agents"])
    wait_until(lambda: "hello" in tmux(tmux_socket, "capture-pane", "-p", "-t", f"={name}:"))


def test_a_message_to_a_stopped_session_waits(sh: Bash, ours: str) -> None:
    assert run([str(PROGRAM), "stop", ID, "--root", str(sh.root)]).code == 0
    for word in (ours, ID):
        code, lines = plain(sh("SESSION_NAME=$1; route_message 12 hello", word))
        assert (code, lines) == (0, ["[SUCCESS] Message sent to 1/1 agents"])
    assert [one["fates"]["12"]["outcome"] for one in recorded(sh)] == ["queued"] * 2


def test_a_long_text_arrives_whole(sh: Bash, ours: str) -> None:
    text = "".join(f"line {at} it's\n" for at in range(30000))
    script = "printf -v text '%s\\n' {0..29999}; text=${text//$'\\n'/ it\\'s$'\\n'}; send_to_agent $1 12 \"$text\""
    assert sh(script, ours).answer == (0, "")
    assert re.sub(r"line ", "", text) == recorded(sh)[0]["message"]


def test_without_a_session_nothing_is_sent(sh: Bash) -> None:
    code, lines = plain(sh("route_message 12 hello"))
    assert (code, lines) == (1, ["[ERROR] No active session found"])
    code, lines = plain(sh("SESSION_NAME=mas-gone; route_message 12 hello"))
    assert (code, lines) == (1, ["[ERROR] Session not found: mas-gone"])
    assert plain(sh("send_to_agent mas-gone 12 hello"))[0] == 1


def test_the_session_that_is_meant_is_found(sh: Bash, ours: str) -> None:
    assert plain(sh("unset SESSION_NAME; route_message 12 hello"))[0] == 0
    assert len(recorded(sh)) == 1
    assert ours == NAME


# --- in a session that a script built ---


def test_a_text_is_typed(sh: Bash, raw: str, tmux_socket: Path, wait_until: Wait) -> None:
    text = "it's $(date) #(date); Enter"
    assert sh('send_to_agent "$1" 12 "$2" 1', raw, text).answer == (0, "")
    wait_until(lambda: screens(tmux_socket, raw)["12"] == f"{text}\n{text}")
    assert sh('send_to_agent "$1" 11 "$2" yes', raw, text).answer == (0, "")
    wait_until(lambda: screens(tmux_socket, raw)["11"] == text)
    done = plain(sh('SESSION_NAME=$1; route_message "managers,13" hello true 20', raw))
    assert done == (0, ["[INFO] Skipping sender: 20", "[SUCCESS] Message sent to 4/5 agents"])
    wait_until(
        lambda: [one for one, text in screens(tmux_socket, raw).items() if "hello" in text] == "00 10 13 30".split()
    )


def test_who_is_not_there_does_not_get_it(sh: Bash, raw: str, tmux_socket: Path) -> None:
    tmux(tmux_socket, "kill-window", "-t", f"={raw}:=design")
    done = sh("SESSION_NAME=mas-raw; route_message 10,20 hello")
    assert (done.code, "sent to 1/2" in done.out) == (0, True)
    assert sh("send_to_agent mas-raw 10 hello").code == 1
    for target in ("nobody", "14", ""):
        assert plain(sh('SESSION_NAME=mas-raw; route_message "$1" x', target))[0] == 1
    assert plain(sh("send_to_agent mas-raw 01 x")) == (1, ["[ERROR] Invalid agent ID: 01"])


# --- many messages ---


def test_several_messages_go_one_after_another(sh: Bash, ours: str) -> None:
    code, lines = plain(sh('send_batch_messages "$1" 12 one "two words" -n', ours, env={"BATCH_MESSAGE_DELAY": "0"}))
    assert (code, lines) == (0, ["[SUCCESS] Message sent to 1/1 agents"] * 3)
    assert [(one["message"], one["execute"]) for one in recorded(sh)] == [
        ("one", False),
        ("two words", False),
        ("-n", False),
    ]
    assert sh("send_batch_messages $1 12", ours).answer == (0, "")
    assert sh("send_batch_messages").answer == (0, "")


def test_the_lines_of_a_file_are_messages(sh: Bash, ours: str, tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("one\n\n# no message\n  two #2\nthree")
    script = 'sleep() { command sleep 0; }; send_messages_from_file "$1" 12 "$2"'
    code, lines = plain(sh(script, str(tmp_path / "a file"), ours))
    assert (code, lines) == (0, ["[SUCCESS] Message sent to 1/1 agents"] * 3)
    assert [one["message"] for one in recorded(sh)] == ["one", "  two #2", "three"]
    for name in (str(tmp_path / "none"), str(tmp_path), ""):
        assert plain(sh('send_messages_from_file "$1" 12', name))[0] == 1


# --- texts ---


def test_texts(sh: Bash) -> None:
    assert re.fullmatch(
        r"\[[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}\] FROM: Unit-10 TO: design \| a %s \\n\n",
        sh("format_message 10 design 'a %s \\n'").answer[1],
    )
    assert sh("create_prompt_message 'build %s'").answer == (0, "タスク: build %s\n実行してください。\n")
    wanted = "タスク: build\nコンテキスト: a\\nb\n実行してください。\n"
    assert sh("create_prompt_message build 'a\\nb'").answer == (0, wanted)


def test_a_log_of_ones_own(sh: Bash, tmp_path: Path) -> None:
    log = tmp_path / "a place" / "log"
    env = {"MESSAGE_LOG_FILE": str(log)}
    assert plain(sh("show_message_history", env=env))[1][0].startswith("[WARNING] ")
    for number in range(25):
        assert sh("log_message 12 $1", str(number), env=env).answer == (0, "")
    assert re.fullmatch(r"\[[0-9: -]+\] TO: 12 \| 0\n", log.read_text().splitlines(keepends=True)[0])
    assert [line.split()[-1] for line in sh("show_message_history", env=env).out.splitlines()] == [
        str(number) for number in range(5, 25)
    ]
    assert len(sh("show_message_history 3", env=env).out.splitlines()) == 3
    assert sh("SESSION_DIR=$1 log_message 12 x", str(tmp_path)).answer == (0, "")
    assert (tmp_path / "logs" / "messages.log").exists()
    assert sh("log_message 12 x", env={"XDG_STATE_HOME": str(tmp_path / "state")}).answer == (0, "")
    assert (tmp_path / "state" / "mas" / "messages.log").exists()
