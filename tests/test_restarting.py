"""One agent again, in the pane it has."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import stubs
import teams
from roots import make_template, mas_of, start

from mas import processes, restarting, tmux
from mas.app import Mas
from mas.errors import MasError, MissingProgramError, NotFoundError, RefusedError
from mas.messages import Address
from mas.paths import Root
from mas.reach import reach

Wait = Callable[..., None]


@pytest.fixture
def mas(root: Root, tmux_socket: Path) -> Mas:
    del tmux_socket
    return mas_of(root)


def inside(mas: Mas, session_id: str, agent_id: str) -> frozenset[processes.Process]:
    """What runs in an agent's pane."""
    return processes.descendants([reach(mas, session_id).look([agent_id])[agent_id].pid])


def test_an_agent_begins_again_in_the_same_pane(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(mas, config=stubs.prompts(a10="begin"))
    wait_until(lambda: stubs.received(mas, session_id, "10") == ["begin"])
    stubs.settled(mas, session_id, wait_until)
    pane, before = reach(mas, session_id).panes["10"], inside(mas, session_id, "10")
    others = inside(mas, session_id, "11")
    environment = {
        name: value for name, value in teams.environment(max(before).pid).items() if name != "TERM_SESSION_ID"
    }
    assert restarting.restart(mas, session_id, "10") == pane
    assert not [one for one in before if processes.find(one.pid) == one]
    assert inside(mas, session_id, "11") == others
    wait_until(lambda: stubs.received(mas, session_id, "10") == ["begin", "begin"], what="its prompt")
    assert teams.environment(max(inside(mas, session_id, "10")).pid) == environment
    wait_until(lambda: reach(mas, session_id).look(["10"])["10"].ready)


def test_an_agent_whose_program_is_gone_goes_on(mas: Mas, tmp_path: Path) -> None:
    program = tmp_path / "agent"
    program.write_text("#!/bin/sh\nexec cat\n")
    program.chmod(0o755)
    make_template(mas.root)
    session_id = start(mas, command=str(program)).session.session_id
    before = reach(mas, session_id).look(["10"])["10"].pid
    program.unlink()
    with pytest.raises(MissingProgramError):
        restarting.restart(mas, session_id, "10")
    assert reach(mas, session_id).look(["10"])["10"].pid == before


@pytest.mark.parametrize("how", ["it has ended", "its shell runs something", "it was killed"])
def test_an_agent_that_is_gone_comes_back_and_gets_what_waits(mas: Mas, wait_until: Wait, how: str) -> None:
    session_id = stubs.start(mas)
    pane = reach(mas, session_id).panes["10"]
    if how == "it was killed":
        stubs.settled(mas, session_id, wait_until)
        (agent,) = processes.children([reach(mas, session_id).look(["10"])["10"].pid])
        os.kill(agent.pid, signal.SIGKILL)
    else:
        mas.send(session_id, Address("10", "/exit 3"))
    wait_until(lambda: reach(mas, session_id).look(["10"])["10"].exit_code is not None)
    if how == "its shell runs something":
        teams.tmux(Path(os.environ["MAS_TMUX_SOCKET"]), "send-keys", "-t", pane, "sleep 1000", "Enter")
    assert mas.send(session_id, Address("10", "waits")).fates["10"].outcome == "queued"
    restarting.restart(mas, session_id, "agent-10", grace=0)
    wait_until(lambda: "waits" in stubs.received(mas, session_id, "10"))
    assert reach(mas, session_id).look(["10"])["10"].exit_code is None
    assert not (mas.root.session(session_id).logs / "agent-10.exit").exists()


def test_one_that_ignores_signals_and_one_that_moved_away_end_first(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(mas, "--ignore", "--apart")
    stubs.settled(mas, session_id, wait_until)

    def mine() -> frozenset[processes.Process]:
        return processes.carriers("MAS_AGENT_ID=10") & processes.carriers(f"MAS_SESSION_ID={session_id}")

    before = mine()
    restarting.restart(mas, session_id, "10", grace=0.2)
    assert not [one for one in before if processes.find(one.pid) == one]
    wait_until(lambda: len(mine()) == len(before))
    mas.stop(session_id, grace=0)


def test_it_goes_on_with_its_conversation_where_that_is_asked_for(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(
        mas, config=stubs.prompts(a10="begin"), profile="resume = ['sh', '-c', 'echo as before; exec cat']"
    )
    wait_until(lambda: stubs.received(mas, session_id, "10") == ["begin"])
    restarting.restart(mas, session_id, "10", again=True)
    wait_until(lambda: "as before" in stubs.screen(mas, session_id, "10"))
    assert len(mas.messages(session_id)) == 1


@pytest.mark.parametrize("asked", ["by an option", "by the template"])
def test_what_it_prints_is_still_kept(mas: Mas, wait_until: Wait, asked: str) -> None:
    team = make_template(mas.root, "stubs") / "team.toml"
    if asked == "by the template":
        team.write_text(f"log = true\n{team.read_text()}")
    session_id = stubs.start(mas, program="sh -c 'echo hello; exec cat'", log=asked == "by an option")
    log = mas.root.session(session_id).agent_log("10")
    wait_until(lambda: log.exists() and log.read_bytes().count(b"hello") == 1)
    restarting.restart(mas, session_id, "10", grace=0)
    wait_until(lambda: log.read_bytes().count(b"hello") == 2)


def test_what_cannot_be_restarted_is_left_alone(mas: Mas, wait_until: Wait) -> None:
    session_id = stubs.start(mas)
    stubs.settled(mas, session_id, wait_until)
    with pytest.raises(RefusedError, match="no agent '77'"):
        restarting.restart(mas, session_id, "77")
    place = mas.root.session(session_id).unit / "10"
    place.rename(place.with_name("away"))
    with pytest.raises(NotFoundError, match="the workspace lacks"):
        restarting.restart(mas, session_id, "10")
    place.with_name("away").rename(place)
    found = reach(mas, session_id)
    assert found.look(["10"])["10"].there
    teams.tmux(Path(os.environ["MAS_TMUX_SOCKET"]), "kill-pane", "-t", found.panes["10"])
    with pytest.raises(NotFoundError, match="has no pane"):
        restarting.restart(mas, session_id, "10")


def test_tmux_starts_nothing_in_a_pane_of_somebody_else(tmux_socket: Path, tmp_path: Path) -> None:
    directory = tmp_path / "a root" / "sessions" / teams.SESSION
    server, plan = tmux.Server(str(tmux_socket)), teams.plan(directory, {"a": 2})
    panes = tmux.launch(server, plan).panes
    with pytest.raises(NotFoundError):
        tmux.respawn(server, plan, "00", panes["01"])
    with pytest.raises(NotFoundError):
        tmux.respawn(server, plan, "00", "%999")
    teams.tmux(tmux_socket, "kill-server")
    with pytest.raises(MasError):
        tmux.respawn(server, plan, "00", panes["00"])
