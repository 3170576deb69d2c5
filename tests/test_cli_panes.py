"""Logs, restarts and explanations on the command line."""

import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import stubs
import teams
from commandline import PROGRAM, environment, mas, ok
from roots import mas_of
from terminal import Terminal, open_terminal

from mas.app import Mas
from mas.messages import Address
from mas.paths import Root

Wait = Callable[..., None]


@pytest.fixture
def world(root: Root, tmux_socket: Path) -> Mas:
    del tmux_socket
    return mas_of(root)


@pytest.fixture
def place(world: Mas) -> Path:
    return world.root.path


@pytest.fixture
def terminal(place: Path, tmp_path: Path, wait_until: Wait) -> Iterator[Terminal]:
    opened = open_terminal(tmp_path, place, wait_until)
    yield opened
    opened.close()


def kept(world: Mas, session_id: str) -> bytes:
    log = world.root.session(session_id).agent_log("10")
    return log.read_bytes() if log.exists() else b""


def test_a_start_keeps_what_panes_print_where_that_is_asked_for(place: Path, world: Mas, wait_until: Wait) -> None:
    coloured = "sh -c 'printf \"\\033[31mred\\033[0m\\n\"; exec cat'"
    ok("start", "--isolated", "--log", "--template", "solo", "--command", coloured, root=place)
    (row,) = world.rows()
    log = next(iter(world.root.session(row["sessionId"]).logs.parent.glob("unit/*"))).name
    path = world.root.session(row["sessionId"]).agent_log(log)
    wait_until(lambda: path.exists() and b"red" in path.read_bytes())
    assert ok("logs", log, root=place).out == "\x1b[31mred\x1b[0m\r\n"
    assert ok("logs", row["sessionId"][:8], log, "--lines", "0", root=place).out == ""


def test_a_log_is_followed(place: Path, world: Mas, wait_until: Wait, tmp_path: Path) -> None:
    session_id = stubs.start(world, program="cat", log=True)
    world.send(session_id, Address("10", "one"))
    wait_until(lambda: kept(world, session_id).count(b"one") == 2)
    out = tmp_path / "out"
    with out.open("wb") as file:
        words = [*PROGRAM, "logs", "-f", "-n", "1", "10"]
        following = subprocess.Popen(words, stdout=file, env=environment(place))
    try:
        wait_until(lambda: out.read_bytes() == b"one\r\n")
        world.send(session_id, Address("10", "two"))
        wait_until(lambda: out.read_bytes().count(b"two") == 2)
    finally:
        following.terminate()
        assert following.wait(10) == 143


def test_a_terminal_gets_lines_without_codes(place: Path, world: Mas, wait_until: Wait, terminal: Terminal) -> None:
    del place
    program = "sh -c 'printf \"\\033[31mred\\033[0m\\n\\033]0;title\\007plain\\n\"; exec cat'"
    session_id = stubs.start(world, program=program, log=True)
    wait_until(lambda: b"plain" in kept(world, session_id))
    assert terminal.run("mas logs 10") == ["red", "plain"]
    terminal.type("clear; mas logs -f -n 1 10")
    terminal.wait(lambda: terminal.screen()[-1:] == ["plain"])
    world.send(session_id, Address("10", "x" * 4000))
    world.send(session_id, Address("10", "and more"))
    terminal.wait(lambda: terminal.screen()[-1:] == ["and more"])
    terminal.press("C-c")


def test_a_log_that_is_not_kept_is_said_to_be(place: Path, world: Mas) -> None:
    stubs.start(world, program="cat")
    done = mas("logs", "10", root=place)
    assert (done.code, "`mas start --log` keeps one" in done.err) == (1, True)
    assert mas("logs", "a", "b", "c", root=place).code == 2
    assert mas("logs", root=place).code == 2


def test_a_session_without_its_agent_is_said_to_lack_it(place: Path, world: Mas) -> None:
    stubs.start(world, program="cat", label="one")
    stubs.start(world, program="cat", label="two")
    for verb in ("logs", "restart-agent"):
        done = mas(verb, "one", root=place)
        assert (done.code, done.err) == (2, "mas: which agent of session 'one'?; add its id: one AGENT\n")
        assert "2 sessions are active" in mas(verb, "10", root=place).err


def test_an_agent_is_started_again(place: Path, world: Mas, wait_until: Wait, terminal: Terminal) -> None:
    session_id = stubs.start(world)
    world.send(session_id, Address("10", "/exit 3"))
    wait_until(lambda: "has ended" in stubs.screen(world, session_id, "10"))
    done = ok("restart-agent", "agent-10", "--force", root=place)
    assert done.out.startswith("agent 10 runs again in pane %")
    stubs.settled(world, session_id, wait_until)
    assert ok("restart-agent", session_id[:8], "10", "-q", root=place).out.strip() == session_id
    assert "runs again" in terminal.run("mas restart-agent --continue 10")[-1]
    assert mas("restart-agent", "77", root=place).code == 1


def test_an_agent_does_not_restart_itself(place: Path, world: Mas, wait_until: Wait) -> None:
    script = f"{shlex.join(PROGRAM)} restart-agent $MAS_AGENT_ID; echo code $?; exec cat"
    session_id = stubs.start(world, program=shlex.join(["sh", "-c", script]), ids=("10",))
    wait_until(lambda: "code 1" in stubs.screen(world, session_id, "10"), timeout=30)
    assert "the one this runs in" in stubs.screen(world, session_id, "10")
    del place


def test_what_each_agent_does_is_explained(
    place: Path, world: Mas, wait_until: Wait, terminal: Terminal, tmux_socket: Path
) -> None:
    session_id = stubs.start(world, profile="idle = '^>$'")
    stubs.settled(world, session_id, wait_until)
    idle = "\tidle\tits screen shows '>'"
    assert ok("agents", "--explain", root=place).lines == [f"10\tAgent 10{idle}", f"11\tAgent 11{idle}"]
    told = ok("agents", "--explain", "--json", session_id, root=place).json["agents"][0]
    assert (told["agentId"], told["state"], told["evidence"]) == ("10", "idle", "its screen shows '>'")
    assert [line.split()[0] for line in terminal.run("mas agents --explain")] == ["ID", "10", "11"]
    teams.tmux(tmux_socket, "kill-server")
    assert "missing" in ok("agents", "--explain", session_id, root=place).out
