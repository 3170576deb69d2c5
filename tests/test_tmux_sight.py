"""What is seen on a real server, and what is not taken for an answer."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import teams

from mas import tmux
from mas.errors import CapacityError, NotFoundError, RefusedError, UnknownStateError
from mas.tmux import Capacity, PaneFacts, Seen, Server
from mas.tmux.client import number

Wait = Callable[..., None]


@pytest.fixture
def server(tmux_socket: Path) -> Server:
    return Server(str(tmux_socket))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "a root" / "sessions" / teams.SESSION


def test_where_no_server_runs_nothing_is_there(server: Server) -> None:
    assert tmux.discover(server) == Seen(running=False)


def test_a_socket_without_a_server_is_no_server(server: Server, tmux_socket: Path) -> None:
    teams.start_server(tmux_socket)
    os.kill(tmux.discover(server).pid, signal.SIGKILL)
    assert tmux.discover(server).running is False
    assert tmux_socket.exists()


def test_a_server_without_a_session_runs(server: Server, tmux_socket: Path) -> None:
    teams.start_server(tmux_socket, "set -g exit-empty off")
    teams.tmux(tmux_socket, "kill-session", "-t", "bystander")
    seen = tmux.discover(server)
    assert (seen.running, seen.socket, seen.sessions) == (True, str(tmux_socket), ())
    assert Path(f"/proc/{seen.pid}/comm").read_text() == "tmux: server\n"


def test_sessions_are_told_with_their_stamps(server: Server, tmux_socket: Path, directory: Path) -> None:
    teams.start_server(tmux_socket)
    plan = teams.plan(directory, {"meta": 1})
    launched = tmux.launch(server, plan)
    seen = tmux.discover(server)
    assert (seen.pid, seen.started, seen.socket) == (launched.server_pid, launched.server_started, launched.socket)
    theirs, ours = seen.sessions
    assert (theirs.name, theirs.session_id, theirs.root) == ("bystander", "", "")
    assert (ours.tmux_id, ours.name, ours.session_id) == (launched.tmux_id, plan.name, plan.session_id)
    assert (ours.root, ours.attached) == (str(plan.root), 0)


def test_a_stamp_cannot_make_another_row(server: Server, tmux_socket: Path) -> None:
    teams.start_server(tmux_socket)
    lie = "/root\n$9 mas-bbbbbbbb fake /root 0 1 1\n"
    teams.tmux(tmux_socket, "set-option", "-t", "bystander", "@mas_root", lie)
    assert [session.root for session in tmux.discover(server).sessions] == [lie]


def test_a_stopped_server_is_unknown(server: Server, tmux_socket: Path) -> None:
    teams.start_server(tmux_socket)
    pid = tmux.discover(server).pid
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(UnknownStateError, match="did not answer"):
            tmux.discover(server, timeout=0.5)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert len(tmux.discover(server).sessions) == 1


NONSENSE = {
    "nothing": "exit 0",
    "garbage": "echo garbage; echo more",
    "an error": "echo 'error connecting to /x (Permission denied)' >&2; exit 1",
    "silent failure": "exit 1",
    "a crash": "kill -SEGV $$",
    "failed with an answer": 'tmux_real "$@"; exit 3',
    "short rows": 'tmux_real "$@" | cut -c1-60',
    "half an answer": 'tmux_real "$@" | head -c 100',
    "letters for numbers": 'tmux_real "$@" | tr 0-9 a-j',
    "no binary": None,
    "not executable": "",
}


@pytest.mark.parametrize("text", NONSENSE.values(), ids=NONSENSE.keys())
def test_what_is_no_answer_is_not_taken_for_one(
    server: Server, directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    plan = teams.plan(directory, {"meta": 2})
    launched = tmux.launch(server, plan)
    (tmp_path / "bin").mkdir()
    places = [str(tmp_path / "bin"), os.environ["PATH"]]
    if text is not None:
        script = tmp_path / "bin" / "tmux"
        script.write_text(f'#!/bin/sh\ntmux_real() {{ {shutil.which("tmux")} "$@"; }}\n{text}\n')
        script.chmod(0o755 if text else 0o644)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", ":".join(places if text else places[:1]))
        with pytest.raises(UnknownStateError):
            tmux.discover(server)
        with pytest.raises(UnknownStateError):
            tmux.panes(server, launched.tmux_id, plan.session_id)


def test_a_screen_with_something_before_it_is_no_answer(
    server: Server, directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = teams.plan(directory, {"meta": 1})
    launched = tmux.launch(server, plan)
    teams.fake_tmux(tmp_path / "bin", f'echo noise; exec {shutil.which("tmux")} "$@"', monkeypatch)
    with pytest.raises(UnknownStateError):
        tmux.capture(server, launched.panes["00"], plan.session_id)


@pytest.mark.parametrize("text", ["", "x", "-1", "1.0", "٣", "1\n"])
def test_what_is_no_number_is_no_answer(text: str) -> None:
    with pytest.raises(UnknownStateError):
        number(text)


def test_panes_are_told_with_agents_and_exit_codes(
    server: Server, tmux_socket: Path, directory: Path, wait_until: Wait
) -> None:
    plan = teams.plan(directory, {"meta": 1, "design": 2}, ("sh", "-c", "[ $MAS_AGENT_ID != 10 ] || exit 7; exec cat"))
    launched = tmux.launch(server, plan)
    teams.tmux(tmux_socket, "split-window", "-t", launched.panes["11"], "cat")
    wait_until(
        lambda: any(pane.exit_code is not None for pane in tmux.panes(server, launched.tmux_id, plan.session_id))
    )
    seen = tmux.panes(server, launched.tmux_id, plan.session_id)
    assert [(pane.window_index, pane.window, pane.agent_id, pane.exit_code, pane.dead) for pane in seen] == [
        (0, "meta", "00", None, False),
        (1, "design", "10", 7, False),
        (1, "design", "11", None, False),
        (1, "design", "", None, False),
    ]
    assert {pane.agent_id: pane.pane_id for pane in seen if pane.agent_id} == launched.panes
    assert all(Path(f"/proc/{pane.pid}").exists() for pane in seen)


def test_a_dead_pane_is_told(server: Server, tmux_socket: Path, directory: Path, wait_until: Wait) -> None:
    teams.start_server(tmux_socket, "set -g remain-on-exit on")
    plan = teams.plan(directory, {"meta": 2})
    launched = tmux.launch(server, plan)
    os.kill(tmux.panes(server, launched.tmux_id, plan.session_id)[0].pid, signal.SIGKILL)
    wait_until(lambda: [pane.dead for pane in tmux.panes(server, launched.tmux_id, plan.session_id)] == [True, False])


def test_panes_of_a_session_that_is_gone_are_none(server: Server, tmux_socket: Path) -> None:
    assert tmux.panes(server, "$0", teams.SESSION) == ()
    teams.start_server(tmux_socket)
    assert tmux.panes(server, "$7", teams.SESSION) == ()
    assert tmux.pane_facts(server, "$7", teams.SESSION) == {}


def test_an_id_that_was_given_to_another_session_shows_no_panes(server: Server, tmux_socket: Path) -> None:
    teams.start_server(tmux_socket)
    assert tmux.panes(server, "$0", teams.SESSION) == ()
    assert [pane.pane_id for pane in tmux.panes(server, "$0", "")] == ["%0"]


@pytest.mark.parametrize("target", ["mas-aaaaaaaa", "=mas:", "", "$0;"])
def test_only_ids_are_looked_up(server: Server, target: str) -> None:
    with pytest.raises(RefusedError):
        tmux.panes(server, target, teams.SESSION)
    with pytest.raises(RefusedError):
        tmux.capture(server, target, teams.SESSION)


def test_what_a_pane_shows_cannot_make_another_pane(
    server: Server, directory: Path, tmp_path: Path, wait_until: Wait
) -> None:
    liar = tmp_path / "a\n%99 mas-x 1\n"
    liar.mkdir()
    stub = tmp_path / "agent-x"
    stub.symlink_to(str(shutil.which("sleep")))
    plan = teams.plan(directory, {"meta": 2}, ("sh", "-c", f'cd "{liar}"; exec "{stub}" 1000'))
    launched = tmux.launch(server, plan)
    expected = PaneFacts("agent-x", str(liar))

    def facts() -> dict[str, PaneFacts]:
        return tmux.pane_facts(server, launched.tmux_id, plan.session_id)

    wait_until(lambda: all(fact == expected for fact in facts().values()), what=lambda: f"{facts()}")
    assert list(facts()) == list(launched.panes.values())


def test_capture_shows_the_screen_or_so_many_lines(server: Server, directory: Path, wait_until: Wait) -> None:
    plan = teams.plan(directory, {"meta": 1}, ("sh", "-c", "seq 300; printf 'ünd €\\n\\n'; exec cat"))
    launched = tmux.launch(server, plan)
    pane = launched.panes["00"]
    wait_until(lambda: "€" in tmux.capture(server, pane, plan.session_id))
    screen = tmux.capture(server, pane, plan.session_id).split("\n")
    assert screen[-2:] == ["300", "ünd €"]
    assert len(screen) <= plan.height
    assert tmux.capture(server, pane, plan.session_id, lines=3) == "299\n300\nünd €"
    assert tmux.capture(server, pane, plan.session_id, lines=200).split("\n")[0] == "102"
    assert tmux.capture(server, pane, plan.session_id, lines=9999).split("\n")[0] == "1"


def test_capture_of_an_empty_screen_is_empty(server: Server, directory: Path) -> None:
    plan = teams.plan(directory, {"meta": 1})
    launched = tmux.launch(server, plan)
    assert tmux.capture(server, launched.panes["00"], plan.session_id) == ""
    assert tmux.capture(server, launched.panes["00"], plan.session_id, lines=5) == ""


def test_capture_reads_no_pane_of_another_session(server: Server, tmux_socket: Path) -> None:
    with pytest.raises(NotFoundError):
        tmux.capture(server, "%0", teams.SESSION)
    teams.start_server(tmux_socket)
    for pane in ("%0", "%99"):
        with pytest.raises(NotFoundError, match=pane):
            tmux.capture(server, pane, teams.SESSION)


def test_capacity_counts_what_is_free(server: Server, tmux_socket: Path, directory: Path, wait_until: Wait) -> None:
    assert tmux.capacity(Seen(running=False)).descriptors is not None
    teams.start_server(tmux_socket)
    seen = tmux.discover(server)

    def room() -> int:
        free = tmux.capacity(seen)
        assert free.terminals is not None
        assert free.descriptors is not None
        return free.descriptors

    counts = [room()]  # the server may not yet have noticed that the client of a question is gone
    wait_until(lambda: counts.append(room()) or (len(counts) > 20 and len(set(counts[-20:])) == 1))  # type: ignore[func-returns-value]
    before = counts[-1]
    tmux.launch(server, teams.plan(directory, {"meta": 5}))
    wait_until(lambda: before - room() == 5, what=lambda: f"{before} and 5 less, not {room()}")


def test_a_server_that_is_full_by_our_count_still_answers(server: Server, tmux_socket: Path, directory: Path) -> None:
    limited = 'ulimit -n 64; exec tmux -f /dev/null -S "$0" new-session -d -s small cat'
    subprocess.run(["sh", "-c", limited, tmux_socket], check=True, timeout=10)
    room = tmux.capacity(tmux.discover(server))
    assert room.descriptors is not None
    assert 20 < room.descriptors < 50
    room.require(room.descriptors)
    with pytest.raises(CapacityError, match=f"{room.descriptors} are free"):
        room.require(room.descriptors + 1)
    tmux.launch(server, teams.plan(directory, {"meta": room.descriptors}, ("sleep", "1000")))
    assert len(tmux.discover(server).sessions) == 2


@pytest.mark.parametrize("room", [Capacity(12, None), Capacity(None, 12), Capacity(-3, 99)])
def test_what_is_short_is_told(room: Capacity) -> None:
    with pytest.raises(CapacityError, match="are free"):
        room.require(13)


def test_what_the_system_does_not_tell_is_no_limit() -> None:
    Capacity(None, None).require(1000)
