"""What agents in real panes are doing, and how one can tell."""

from collections.abc import Callable
from pathlib import Path

import pytest
import stubs
import teams
from roots import mas_of

from mas import details, doings, restarting, tmux
from mas.agents import Doing
from mas.app import Mas
from mas.messages import Address, Fate
from mas.paths import Root
from mas.reach import reach

Wait = Callable[..., None]


@pytest.fixture
def mas(root: Root, tmux_socket: Path) -> Mas:
    del tmux_socket
    return mas_of(root)


def state(mas: Mas, session_id: str, agent_id: str, command: str = "") -> str:
    return str(doings.gather(mas, session_id, {agent_id: command})[agent_id])


def test_each_agent_is_told_with_the_evidence(mas: Mas, tmux_socket: Path, wait_until: Wait) -> None:
    session_id = stubs.start(mas, ids=("10", "11", "12", "13"), profile="idle = '^>$'")
    stubs.settled(mas, session_id, wait_until)
    for agent_id, text in (("11", "/ask"), ("12", "/exit 4")):
        mas.send(session_id, Address(agent_id, text))
    teams.tmux(tmux_socket, "kill-pane", "-t", reach(mas, session_id).panes["13"])
    wait_until(lambda: state(mas, session_id, "12") == "exited(4)")
    wait_until(lambda: state(mas, session_id, "11") == "waiting")
    assert doings.gather(mas, session_id, {}) == {
        "10": Doing("idle", "its screen shows '>'"),
        "11": Doing("waiting", "its screen shows 'May I?'"),
        "12": Doing("exited", "its wrapper recorded exit code 4", 4),
        "13": Doing("missing", "tmux has no pane for it"),
    }


def test_a_program_that_somebody_started_in_its_place_is_not_the_agent(
    mas: Mas, tmux_socket: Path, wait_until: Wait
) -> None:
    session_id = stubs.start(mas, program="cat", ids=("10",))
    found = reach(mas, session_id)
    teams.tmux(tmux_socket, "respawn-pane", "-k", "-t", found.panes["10"], "cat")
    assert doings.gather(mas, session_id, {})["10"] == Doing("exited", "another program was started in its pane")
    assert details.gather(mas, session_id).agents[0].status == "stopped"
    fate = mas.send(session_id, Address("10", "canary")).fates["10"]
    assert fate == Fate("queued", "another program was started in its pane")
    restarting.restart(mas, session_id, "10", grace=0)
    wait_until(lambda: "canary" in stubs.screen(mas, session_id, "10"))


def test_a_screen_that_changes_and_a_program_that_runs_are_told_too(mas: Mas, wait_until: Wait) -> None:
    busy = "sh -c 'while :; do date +%N; sleep 0.05; done'"
    session_id = stubs.start(mas, program=busy, ids=("10",))
    wait_until(lambda: stubs.screen(mas, session_id, "10").strip())
    assert doings.gather(mas, session_id, {})["10"] == Doing("running", "its screen is changing")
    mas.stop(session_id, grace=0)
    assert state(mas, session_id, "10") == "missing"


def test_who_has_not_shown_yet_that_it_is_ready_is_not_idle(mas: Mas, wait_until: Wait) -> None:
    program = "sh -c 'stty raw; echo up; exec cat'"
    session_id = stubs.start(mas, program=program, ids=("10",), profile="ready = 'hello'")
    wait_until(lambda: "up" in stubs.screen(mas, session_id, "10"))
    doing = Doing("running", "it is starting: what shows that it is ready was not seen yet")
    wait_until(lambda: doings.gather(mas, session_id, {})["10"] == doing)
    found = reach(mas, session_id)
    tmux.mark_ready(found.server, found.agents(["10"]), session_id)
    wait_until(lambda: state(mas, session_id, "10") == "idle")


def test_a_program_that_computes_in_silence_is_not_idle(mas: Mas, wait_until: Wait) -> None:
    computes = "sh -c 'stty raw; echo up; [ $MAS_AGENT_ID = 11 ] && exec cat; while :; do :; done'"
    session_id = stubs.start(mas, program=computes)
    wait_until(lambda: all("up" in stubs.screen(mas, session_id, one) for one in ("10", "11")))
    assert doings.gather(mas, session_id, {}) == {
        "10": Doing("running", "it computes"),
        "11": Doing("idle", "it reads keys, and nothing changes on its screen"),
    }


def test_what_runs_in_the_foreground_counts(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(mas, program="sh -c 'echo up; exec cat'")
    wait_until(lambda: "up" in stubs.screen(mas, session_id, "10"))
    assert doings.gather(mas, session_id, {"10": "cat"})["10"] == Doing("running", "its process runs (cat)")
