"""Real processes that do not want to end, and some that must not."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import teams

from mas import processes, tmux
from mas.processes import Process
from mas.tmux import Server

Wait = Callable[..., None]
Spawn = Callable[..., Process]

MARKER = f"MAS_LAUNCH={teams.SESSION}:{teams.NONCE}"
STUBBORN = """
import os, signal, sys, time
out = sys.argv[1]

def stay(name):
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with open(f"{out}/{os.environ['MAS_AGENT_ID']}-{name}", "w") as file:
        file.write(str(os.getpid()))
    time.sleep(1000)

if os.fork() == 0:  # a child in a session of its own
    os.setsid()
    stay("setsid")
if os.fork() == 0:  # a grandchild nobody is a parent of, whose command line says nothing
    os.setsid()
    if os.fork() == 0:
        script = 'trap "" HUP TERM; echo $$ >"$OUT/$MAS_AGENT_ID-orphan"; exec sleep 1000'
        read, write = os.pipe()
        os.dup2(read, 0)
        os.write(write, script.encode())
        os.close(write)
        os.execve("/bin/sh", ["x"], {**os.environ, "OUT": out})
    os._exit(0)
stay("agent")
"""


@pytest.fixture
def spawn(wait_until: Wait) -> Iterator[Spawn]:
    """Start a program with the marker in its environment; whatever is left of it is killed afterwards."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*argv: str, marker: str = MARKER, **env: str) -> Process:
        name, _, value = marker.partition("=")
        program = subprocess.Popen(argv, env={**os.environ, name: value, **env}, start_new_session=True)
        started.append(program)
        wait_until(lambda: name not in os.environ and processes.find(program.pid) in processes.carriers(marker))
        found = processes.find(program.pid)
        assert found is not None
        return found

    yield start
    for program in started:
        program.kill()
        program.wait()


def alive(process: Process) -> bool:
    return processes.find(process.pid) == process


def at(pid: int) -> Process:
    found = processes.find(pid)
    assert found is not None
    return found


def read_pid(file: Path, wait: Wait) -> Process:
    wait(lambda: file.exists() and file.read_text().strip(), what=str(file))
    return at(int(file.read_text()))


def test_a_process_is_found_while_it_lives() -> None:
    assert processes.find(os.getpid()) == at(os.getpid())
    ended = subprocess.Popen(["true"])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    assert processes.find(ended.pid) is None
    ended.wait()
    assert processes.find(ended.pid) is None


def test_a_program_with_an_odd_name_is_found(tmp_path: Path, spawn: Spawn) -> None:
    odd = tmp_path / "a) Z 1 (b\n"
    odd.symlink_to("/bin/sleep")
    assert alive(spawn(str(odd), "1000"))


def test_descendants_are_all_below_and_the_orphans_of_the_terminal(
    tmp_path: Path, spawn: Spawn, wait_until: Wait
) -> None:
    other = spawn("sleep", "1000")
    script = 'sh -c "sleep 1000 & wait" & (env -i sh -c \'echo $$ >"$0"; sleep 1000\' "$0" &); wait'
    top = spawn("sh", "-c", script, str(tmp_path / "orphan"))
    orphan = read_pid(tmp_path / "orphan", wait_until)
    wait_until(lambda: len(processes.descendants([top.pid])) == 5)
    found = processes.descendants([top.pid])
    assert {top, orphan} < found
    assert other not in found
    assert processes.end(found, grace=0.2).survivors == ()
    assert not any(alive(process) for process in found)
    assert alive(other)


def test_descendants_of_nobody_are_none() -> None:
    assert processes.descendants([]) == frozenset()
    assert processes.descendants([2**22 + 1]) == frozenset()


def test_work_is_that_of_a_process_and_of_all_below_it(spawn: Spawn, wait_until: Wait) -> None:
    busy, idle = spawn("sh", "-c", "sh -c 'sh -c \"while :; do :; done\" & wait' & wait"), spawn("sleep", "1000")
    wait_until(lambda: processes.worked([busy.pid])[busy.pid] > 5)
    used = processes.worked([busy.pid, idle.pid, 2**22 + 1])
    assert set(used) == {busy.pid, idle.pid}
    assert used[idle.pid] < 5 < used[busy.pid]
    assert processes.end(processes.descendants([busy.pid]), grace=0.2).survivors == ()


@pytest.mark.skipif(not processes._LISTS_CHILDREN, reason="this kernel does not tell the children of a process")
def test_whose_work_is_asked_for_is_all_that_is_looked_at(spawn: Spawn) -> None:
    """Also where a child is one of a thread; the system may run thousands that are none of ours."""
    script = (
        "import subprocess, threading, time\n"
        "threading.Thread(target=lambda: subprocess.run(['sleep', '1000'])).start(); time.sleep(1000)"
    )
    top = spawn(sys.executable, "-c", script)
    look = (
        "import re, sys\nfrom mas import processes\nseen, pid = set(), int(sys.argv[1])\n"
        "def note(what, told): what == 'open' and seen.update(re.findall('/proc/([0-9]+)', str(told[0])))\n"
        "sys.addaudithook(note)\n"
        "while len(seen) < 2: processes.worked([pid])\n"
        "print(*sorted(map(int, seen)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", look, str(top.pid)], capture_output=True, text=True, timeout=20, check=True
    )
    family = processes.descendants([top.pid])
    assert done.stdout.split() == [str(one.pid) for one in sorted(family)]
    assert len(family) == 2
    processes.end(family, grace=0.2)


def test_carriers_carry_exactly_the_marker(spawn: Spawn) -> None:
    ours = spawn("sleep", "1000")
    later = spawn("sleep", "1000", marker=MARKER + "0")
    spawn("sleep", "1000", marker="X" + MARKER)
    spawn("sleep", "1000", marker="OTHER=1", TEXT=f"x\n{MARKER}")
    assert processes.carriers(MARKER) == {ours}
    assert processes.carriers(MARKER + "0") == {later}


def test_marks_are_counted_by_their_values(spawn: Spawn) -> None:
    name = f"MAS_MARK_{teams.NONCE}"
    for value in ("a", "a", "b=c"):
        spawn("sleep", "1000", marker=f"{name}={value}")
    assert processes.marks(name) == {"a": 2, "b=c": 1}


def test_none_of_a_launch_survives_and_all_of_another_does(tmux_socket: Path, tmp_path: Path, wait_until: Wait) -> None:
    server = Server(str(tmux_socket))
    (out := tmp_path / "out").mkdir()
    argv = (sys.executable, "-c", STUBBORN, str(out))
    plan = teams.plan(tmp_path / "one", {"meta": 1, "design": 2}, argv)
    launched = tmux.launch(server, plan)
    other = teams.plan(tmp_path / "two", {"meta": 2}, session_id="other", name="mas-other", nonce=f"{teams.NONCE}0")
    tmux.launch(server, other)
    names = [f"{agent}-{kind}" for agent in launched.panes for kind in ("agent", "setsid", "orphan")]
    stubborn = [read_pid(out / name, wait_until) for name in names]
    bystanders = processes.carriers(other.marker)

    panes = [pane.pid for pane in tmux.panes(server, launched.tmux_id, plan.session_id)]
    members = processes.descendants(panes)
    tmux.end(server, launched.tmux_id, plan.session_id)
    assert [process for process in stubborn if not alive(process)] == []
    assert processes.end(members, plan.marker, grace=0.2) == processes.Ended((), (), ())
    assert [process for process in stubborn if alive(process)] == []
    assert processes.carriers(plan.marker) == frozenset()
    assert [process for process in bystanders if not alive(process)] == []
    assert processes.is_tmux_server(at(launched.server_pid))


def test_an_agent_that_was_asked_finishes_and_its_wrapper_tells_how(
    tmux_socket: Path, tmp_path: Path, wait_until: Wait
) -> None:
    server = Server(str(tmux_socket))
    script = 'trap "echo saved >done; exit 5" TERM; echo up; while :; do sleep 0.05; done'
    plan = teams.plan(tmp_path / "one", {"meta": 2}, ("sh", "-c", script))
    launched = tmux.launch(server, plan)
    for pane in launched.panes.values():
        wait_until(lambda pane=pane: "up" in tmux.capture(server, pane, plan.session_id))
    agents = processes.children([pane.pid for pane in tmux.panes(server, launched.tmux_id, plan.session_id)])
    assert len(agents) == 2
    processes.ask(agents)
    assert not any(alive(agent) for agent in agents)
    assert [(pane.cwd / "done").read_text() for pane in plan.panes] == ["saved\n"] * 2
    wait_until(lambda: [pane.exit_code for pane in tmux.panes(server, launched.tmux_id, plan.session_id)] == [5, 5])


def test_one_that_is_stopped_can_still_finish(tmp_path: Path, spawn: Spawn, wait_until: Wait) -> None:
    script = 'trap "echo saved >\\"$0\\"; exit" TERM; echo >"$0"; while :; do sleep 0.05; done'
    process = spawn("sh", "-c", script, str(tmp_path / "file"))
    wait_until((tmp_path / "file").exists)
    os.kill(process.pid, signal.SIGSTOP)
    processes.ask([process])
    assert (tmp_path / "file").read_text() == "saved\n"


def test_one_that_ignores_it_is_not_waited_for(tmp_path: Path, spawn: Spawn, wait_until: Wait) -> None:
    process = spawn("sh", "-c", 'trap "" TERM; echo >"$0"; exec sleep 1000', str(tmp_path / "file"))
    wait_until((tmp_path / "file").exists)
    processes.ask([process], grace=3600)
    assert alive(process)


def test_a_pid_that_is_another_process_by_now_is_left_alone(spawn: Spawn) -> None:
    process = spawn("sleep", "1000", marker="OTHER=1")
    earlier = Process(process.pid, process.start - 1)
    assert processes.send(earlier, signal.SIGKILL) is False
    processes.ask([earlier])
    assert processes.end([earlier], MARKER, grace=0.2) == processes.Ended((), (), ())
    assert alive(process)
    assert processes.send(process, signal.SIGKILL) is True


def test_a_process_that_has_ended_cannot_be_signalled() -> None:
    with subprocess.Popen(["sleep", "1000"]) as program:
        process = at(program.pid)
        program.kill()
    assert processes.send(process, signal.SIGTERM) is False


def test_this_process_and_its_parents_are_told_and_not_ended(spawn: Spawn) -> None:
    child = spawn("sleep", "1000")
    here = at(os.getpid())
    ended = processes.end([here, child], grace=0.2)
    assert ended == processes.Ended((), (here,), ())
    assert not alive(child)
    assert processes.own([child]) == ()
    assert processes.own([child, at(os.getppid()), here]) == (here, at(os.getppid()))


INSIDE = """
import os, sys, time
from mas import processes
while not os.path.exists("go"):
    time.sleep(0.02)
ended = processes.end([], sys.argv[1], grace=0.2)
with open("report.new", "w") as file:
    print([process.pid for process in ended.own], len(ended.survivors), file=file)
os.rename("report.new", "report")
time.sleep(1000)
"""


def test_whoever_stops_its_own_session_lives_to_hand_over(tmux_socket: Path, tmp_path: Path, wait_until: Wait) -> None:
    server = Server(str(tmux_socket))
    plan = teams.plan(tmp_path / "one", {"meta": 3}, (sys.executable, "-c", INSIDE, MARKER))
    launched = tmux.launch(server, plan)
    (plan.panes[0].cwd / "go").touch()
    report = plan.panes[0].cwd / "report"
    wait_until(report.exists)
    (pane,) = tmux.panes(server, launched.tmux_id, plan.session_id)
    assert pane.agent_id == "00"
    (agent,) = teams.children(pane.pid)
    assert report.read_text() == f"{[agent, pane.pid]} 0\n"


def test_a_tmux_server_started_inside_is_spared_with_what_it_holds(tmux_socket: Path, spawn: Spawn) -> None:
    nested = tmux_socket.with_name("nested")
    env = {"MAS_TMUX_SOCKET": str(tmux_socket), MARKER.partition("=")[0]: MARKER.partition("=")[2]}
    words = ["tmux", "-f", os.devnull, "-S", str(nested), "new-session", "-d", "-s", "theirs", "sleep", "1000"]
    subprocess.run(words, env={**os.environ, **env}, check=True, timeout=10)
    try:
        pids = teams.tmux(nested, "display-message", "-p", "-t", "theirs", "#{pid} #{pane_pid}").split()
        inside = tuple(sorted(at(int(pid)) for pid in pids))
        agent = spawn("sleep", "1000")
        assert set(inside) <= processes.carriers(MARKER)
        processes.ask([*inside[:1], agent], grace=0.2)
        assert processes.end([agent], MARKER, grace=0.2) == processes.Ended((), (), inside)
        assert all(alive(process) for process in inside)
        assert not alive(agent)
    finally:
        teams.tmux(nested, "kill-server")


def test_a_program_that_only_calls_itself_a_tmux_server_is_none(tmp_path: Path, spawn: Spawn, wait_until: Wait) -> None:
    script = (
        "import sys, time; open('/proc/self/comm', 'w').write('tmux: server'); open(sys.argv[1], 'w'); time.sleep(1e3)"
    )
    process = spawn(sys.executable, "-c", script, str(tmp_path / "file"))
    wait_until((tmp_path / "file").exists)
    assert processes.is_tmux_server(process) is False
    assert processes.end([], MARKER, grace=0.2).spared == ()
    assert not alive(process)


def test_what_is_gone_meanwhile_is_no_error() -> None:
    with subprocess.Popen(["true"]) as program:
        descriptor = os.pidfd_open(program.pid)
    assert processes._deliver(descriptor, signal.SIGTERM) is False
    os.close(descriptor)
    assert processes._ignores(program.pid, signal.SIGTERM) is False
