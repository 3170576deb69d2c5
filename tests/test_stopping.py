"""A stop ends a team with every process of it, and nothing else; what is removed is gone. On the real tmux."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import roots

from mas import doctor, files, processes, stopping
from mas.app import Mas
from mas.errors import BusyError, DamagedError, MasError, NotFoundError, RefusedError, UnknownStateError
from mas.filestore import FileStorage
from mas.lifecycle import SessionStatus
from mas.paths import Root
from mas.record import runtime_of

Wait = Callable[..., None]
GIVEN = "0f0f0f0f-1111-4222-8333-444444444444"
STUBBORN = "sh -c 'trap \"\" HUP TERM; setsid sleep 100000 & while :; do sleep 100000; done'"
"""An agent that ignores being asked and hung up, and has put a child out of reach of its terminal."""


def members(mas: Mas, session_id: str) -> set[processes.Process]:
    """The processes of a session's launches."""
    return {one for mark in stopping.marks(mas, session_id) for one in processes.carriers(mark)}


# --- stop ---


def test_a_stop_ends_the_team_and_leaves_the_workspace(mas: Mas, tmux_socket: Path) -> None:
    started = roots.start(mas)
    session_id = started.session.session_id
    assert mas.stop(session_id) == stopping.Stopped(session_id, was_up=True)
    assert roots.teams(tmux_socket, mas.root) == {}
    assert roots.launched(mas) == {}
    assert mas.view(session_id).status == "stopped"
    assert (started.workspace / "unit" / "10" / "README.md").is_file()
    assert "bystander" in roots.tmux(tmux_socket, "list-sessions", "-F", "#{session_name}")
    assert list(roots.violations(mas, tmux_socket)) == []


def test_agents_are_asked_to_end_before_their_terminals_go(mas: Mas, wait_until: Wait) -> None:
    """What they say last can still be seen: it goes to the terminal, and here into a file."""
    command = "sh -c 'trap \"echo ended >said; exit\" TERM; echo ready >said; while :; do sleep 0.05; done'"
    started = roots.start(mas, command=command)
    said = [started.workspace / "unit" / agent_id / "said" for agent_id in ("10", "11")]
    wait_until(lambda: all(path.exists() for path in said))
    mas.stop(started.session.session_id)
    assert [path.read_text() for path in said] == ["ended\n"] * 2


def test_what_ignores_being_asked_is_ended_all_the_same(mas: Mas, wait_until: Wait) -> None:
    """Also what left its terminal, so that the end of that did not reach it."""
    session_id = roots.start(mas, command=STUBBORN).session.session_id
    wait_until(lambda: sum(_name(one) == "sleep" for one in members(mas, session_id)) == 4)
    everybody = members(mas, session_id)
    mas.stop(session_id, grace=0.1)
    assert [one for one in everybody if processes.find(one.pid) == one] == []
    assert roots.launched(mas) == {}


def _name(process: processes.Process) -> str:
    try:
        return Path(f"/proc/{process.pid}/comm").read_text().strip()
    except OSError:
        return ""


def test_what_outlived_its_team_is_ended_by_a_stop(mas: Mas, tmux_socket: Path, wait_until: Wait) -> None:
    session_id = roots.start(mas, command=STUBBORN).session.session_id
    wait_until(lambda: sum(_name(one) == "sleep" for one in members(mas, session_id)) == 4)
    roots.tmux(tmux_socket, "kill-server")
    assert members(mas, session_id)
    assert mas.stop(session_id, grace=0.1).was_up is False
    assert members(mas, session_id) == set()
    assert list(roots.violations(mas, tmux_socket)) == []


def test_stopping_what_is_stopped_succeeds(mas: Mas) -> None:
    session_id = roots.start(mas).session.session_id
    mas.stop(session_id, grace=0)
    log = roots.log_of(mas.root, session_id)
    assert mas.stop(session_id, grace=0) == stopping.Stopped(session_id, was_up=False)
    assert roots.log_of(mas.root, session_id) == log


def test_what_is_known_to_be_stopped_needs_no_tmux_to_be_stopped(mas: Mas, fake: roots.FakeTmux) -> None:
    session_id = roots.start(mas).session.session_id
    mas.stop(session_id, grace=0)
    fake.instead("exit 1")
    assert mas.stop(session_id).was_up is False


def test_a_running_session_rests_while_it_is_stopped(mas: Mas) -> None:
    session_id = roots.start(mas).session.session_id
    mas.manager.start_session(session_id)
    mas.stop(session_id, grace=0)
    session = mas.manager.get_session(session_id)
    assert session.status is SessionStatus.PAUSED
    assert session.document["lifecycle"]["pause"]["reason"] == "stopped"


def test_one_that_died_meanwhile_is_interrupted_and_not_stopped(mas: Mas, tmux_socket: Path) -> None:
    session_id = roots.start(mas).session.session_id
    mas.manager.start_session(session_id)
    roots.tmux(tmux_socket, "kill-server")
    mas.stop(session_id, grace=0)
    pause = mas.manager.get_session(session_id).document["lifecycle"]["pause"]
    assert pause["reason"] == "interrupted: runtime lost"


def test_where_tmux_gives_no_answer_nothing_is_done(mas: Mas, tmux_socket: Path, fake: roots.FakeTmux) -> None:
    session_id = roots.start(mas).session.session_id
    log = roots.log_of(mas.root, session_id)
    fake.instead("echo garbage; exit 0")
    with pytest.raises(UnknownStateError):
        mas.stop(session_id)
    with pytest.raises(UnknownStateError):
        mas.remove(session_id, force=True)
    fake.away()
    assert roots.log_of(mas.root, session_id) == log
    assert list(roots.teams(tmux_socket, mas.root)) == [session_id]


def test_a_server_that_hangs_is_waited_for_a_few_seconds(mas: Mas, tmux_socket: Path) -> None:
    session_id = roots.start(mas).session.session_id
    log = roots.log_of(mas.root, session_id)
    (pid,) = roots.tmux(tmux_socket, "display-message", "-p", "#{pid}")
    os.kill(int(pid), signal.SIGSTOP)
    try:
        with pytest.raises(UnknownStateError, match="did not answer within 5 s"):
            mas.stop(session_id)
    finally:
        os.kill(int(pid), signal.SIGCONT)
    assert roots.log_of(mas.root, session_id) == log
    assert mas.view(session_id).status == "active"


def test_only_the_session_that_was_meant_is_stopped(mas: Mas, tmux_socket: Path, tmp_path: Path) -> None:
    """Neither another of the same root, nor another root's of the same id, nor one whose name begins so."""
    mine = roots.start(mas, session_id=GIVEN).session.session_id
    other = roots.start(mas).session.session_id
    copy = Root(tmp_path / "a copy")
    roots.make_template(copy)
    twin = roots.mas_of(copy)
    roots.start(twin, session_id=GIVEN)
    roots.tmux(tmux_socket, "new-session", "-d", "-s", f"mas-{GIVEN[:8]}1", "cat")
    mas.stop(mine, grace=0)
    assert list(roots.teams(tmux_socket, mas.root)) == [other]
    assert list(roots.teams(tmux_socket, copy)) == [GIVEN]
    assert roots.launched(twin).keys() == {GIVEN}
    assert f"mas-{GIVEN[:8]}1" in roots.tmux(tmux_socket, "list-sessions", "-F", "#{session_name}")
    assert [*roots.violations(mas, tmux_socket), *roots.violations(twin, tmux_socket)] == []


def test_a_copied_root_does_not_take_the_originals_processes_for_its_own(
    mas: Mas, tmux_socket: Path, tmp_path: Path
) -> None:
    session_id = roots.start(mas).session.session_id
    shutil.copytree(mas.root.path, tmp_path / "a copy", symlinks=True)
    copied = roots.mas_of(Root(tmp_path / "a copy"))
    assert copied.stop(session_id, grace=0).was_up is False
    assert doctor.mend(copied).remaining == ()
    assert list(roots.teams(tmux_socket, mas.root)) == [session_id]
    assert roots.launched(mas).keys() == {session_id}


def test_a_session_is_stopped_by_whatever_path_its_root_is_reached(mas: Mas, tmux_socket: Path, tmp_path: Path) -> None:
    session_id = roots.start(mas).session.session_id
    (tmp_path / "link").symlink_to(mas.root.path)
    linked = roots.mas_of(Root(tmp_path / "link"))
    assert linked.view(session_id).status == "active"
    assert doctor.look(linked).findings == ()
    assert linked.stop(session_id, grace=0).was_up is True
    assert roots.teams(tmux_socket, mas.root) == {}


def test_a_shell_with_the_sessions_variables_is_no_part_of_it(mas: Mas) -> None:
    """Somebody evaluated `mas env`, perhaps to call `mas stop` from there."""
    session_id = roots.start(mas).session.session_id
    environ = os.environ | mas.environment_of(session_id)
    with subprocess.Popen(["sleep", "100000"], env=environ) as shell:
        assert mas.stop(session_id, grace=0).handed_over is False
        assert shell.poll() is None
        shell.kill()


def test_a_session_whose_workspace_is_gone_can_be_stopped_and_removed(mas: Mas, tmux_socket: Path) -> None:
    started = roots.start(mas)
    session_id = started.session.session_id
    shutil.rmtree(started.workspace)
    assert mas.view(session_id).status == "error"
    assert mas.stop(session_id, grace=0).was_up is True
    assert roots.launched(mas) == {}
    mas.remove(session_id)
    assert list(roots.violations(mas, tmux_socket)) == []
    assert mas.rows() == []


def test_a_damaged_session_is_stopped_though_its_record_cannot_say_so(mas: Mas, tmux_socket: Path) -> None:
    started = roots.start(mas)
    session_id = started.session.session_id
    for name in ("events.jsonl", "metadata.json"):
        (started.workspace / name).write_text("nonsense\n")
    with pytest.raises(DamagedError, match=r"the team of session .* is down, but that could not be recorded"):
        mas.stop(session_id, grace=0)
    assert roots.teams(tmux_socket, mas.root) == {}
    assert roots.launched(mas) == {}


def test_a_record_has_no_team_to_stop(mas: Mas) -> None:
    session_id = mas.manager.create_session("only a record").session_id
    with pytest.raises(RefusedError, match="has no team"):
        mas.stop(session_id)


def test_what_never_was_cannot_be_stopped_and_leaves_no_lock(mas: Mas) -> None:
    mas.manager.create_session("somebody")
    for act in (mas.stop, mas.remove):
        with pytest.raises(NotFoundError):
            act(GIVEN)
    assert not mas.root.lock(GIVEN).exists()


@pytest.fixture
def frozen() -> Iterator[Callable[[int], None]]:
    """Freezes a process, so that it does not even end when it is killed; only root can."""
    group = Path("/sys/fs/cgroup/freezer/mas-tests")
    if not os.access(group.parent, os.W_OK):
        pytest.skip("there is no freezer here")
    group.mkdir(exist_ok=True)

    def freeze(pid: int) -> None:
        (group / "cgroup.procs").write_text(str(pid))
        (group / "freezer.state").write_text("FROZEN")

    yield freeze
    (group / "freezer.state").write_text("THAWED")
    while (group / "cgroup.procs").read_text():
        os.sched_yield()
    group.rmdir()


@pytest.mark.slow
def test_a_process_that_cannot_be_ended_is_named_and_the_session_not_called_stopped(
    mas: Mas, frozen: Callable[[int], None]
) -> None:
    session_id = roots.start(mas).session.session_id
    victim = next(one for one in members(mas, session_id) if _name(one) == "sleep")
    frozen(victim.pid)
    with pytest.raises(MasError, match=f"processes {victim.pid} cannot be ended"):
        mas.stop(session_id, grace=0.1)
    assert runtime_of(mas.storage.read(session_id).document)["observed"] == "up"
    assert [one.problem for one in doctor.look(mas).findings] == ["half_stopped"]


# --- a stop from inside ---


def run_inside(socket: Path, name: str, *words: str) -> Path:
    """Type a command of mas into the first pane of a team of shells; returns where its output goes, then its code."""
    (where,) = roots.tmux(socket, "display-message", "-p", "-t", f"={name}:", "#{pane_current_path}")
    said = Path(where) / "said"
    line = f"'{sys.executable}' -P -m mas {' '.join(words)} >said 2>&1; echo code $? >>said"
    roots.tmux(socket, "send-keys", "-t", f"={name}:", line, "Enter")
    return said


@pytest.mark.parametrize("words", [("stop",), ("stop", "--force")])
def test_a_team_can_stop_itself(mas: Mas, tmux_socket: Path, wait_until: Wait, words: tuple[str, ...]) -> None:
    """The one who asks is told so, and then ends with the team."""
    started = roots.start(mas, command="sh -i")
    session_id = started.session.session_id
    said = run_inside(tmux_socket, started.tmux_name, *words)
    wait_until(lambda: mas.view(session_id).status == "stopped" and not roots.launched(mas), timeout=20)
    wait_until(lambda: not files.is_locked(mas.root.lock(session_id)))
    assert "is being stopped from outside, it is the one you are in" in said.read_text()
    assert list(roots.violations(mas, tmux_socket)) == []


def test_a_team_whose_logs_are_gone_can_stop_itself(mas: Mas, tmux_socket: Path, wait_until: Wait) -> None:
    started = roots.start(mas, command="sh -i")
    shutil.rmtree(started.workspace / "logs")
    said = run_inside(tmux_socket, started.tmux_name, "stop")
    wait_until(lambda: mas.view(started.session.session_id).status == "stopped" and not roots.launched(mas), timeout=20)
    wait_until(lambda: not files.is_locked(mas.root.lock(started.session.session_id)))
    assert "is being stopped from outside" in said.read_text()


def test_a_window_that_a_person_opened_in_a_session_can_stop_it(mas: Mas, tmux_socket: Path, wait_until: Wait) -> None:
    """It does not carry the mark of the launch, but ends with the session."""
    started = roots.start(mas)
    roots.tmux(tmux_socket, "new-window", "-t", f"={started.tmux_name}:", "-c", str(started.workspace), "sh", "-i")
    said = run_inside(tmux_socket, started.tmux_name, "stop")
    wait_until(lambda: roots.teams(tmux_socket, mas.root) == {} and not roots.launched(mas), timeout=20)
    wait_until(lambda: not files.is_locked(mas.root.lock(started.session.session_id)))
    assert "is being stopped from outside" in said.read_text()
    assert list(roots.violations(mas, tmux_socket)) == []


def test_a_server_inside_a_team_can_stop_it_though_it_lives_on_for_a_while(
    mas: Mas, tmux_socket: Path, wait_until: Wait
) -> None:
    """Whoever asked is still the parent of what he began: that must not count as being inside."""
    program = (
        "import os, time; from pathlib import Path; from mas.app import Mas; from mas.paths import Root;"
        "Mas(Root(Path(os.environ['MAS_ROOT'])), os.environ, Path.cwd()).stop(os.environ['MAS_SESSION_ID'], grace=0);"
        "time.sleep(100000)"
    )
    started = roots.start(
        mas, command=f'sh -c "trap \'\' HUP TERM; exec \'{sys.executable}\' -P -c \\"$0\\"" "{program}"'
    )
    wait_until(lambda: roots.teams(tmux_socket, mas.root) == {} and not roots.launched(mas), timeout=20)
    wait_until(lambda: not files.is_locked(mas.root.lock(started.session.session_id)))
    assert list(roots.violations(mas, tmux_socket)) == []


def test_a_session_is_not_removed_from_inside(mas: Mas, tmux_socket: Path, wait_until: Wait) -> None:
    started = roots.start(mas, command="sh -i")
    said = run_inside(tmux_socket, started.tmux_name, "rm", "--force", started.session.session_id)
    wait_until(lambda: said.exists() and "code" in said.read_text(), timeout=20)
    assert "is the one this runs in" in said.read_text()
    assert mas.view(started.session.session_id).status == "active"


# --- remove ---


def test_what_is_removed_is_gone(mas: Mas, tmux_socket: Path) -> None:
    started = roots.start(mas)
    session_id = started.session.session_id
    mas.stop(session_id, grace=0)
    mas.remove(session_id)
    assert not started.workspace.exists()
    assert mas.rows() == []
    assert not mas.root.lock(session_id).exists()
    assert list(roots.violations(mas, tmux_socket)) == []


def test_what_is_up_is_removed_by_force_only(mas: Mas, tmux_socket: Path) -> None:
    session_id = roots.start(mas).session.session_id
    with pytest.raises(RefusedError, match="is active") as raised:
        mas.remove(session_id)
    assert "mas stop" in str(raised.value.hint)
    assert mas.view(session_id).status == "active"
    mas.remove(session_id, force=True)
    assert roots.launched(mas) == {}
    assert list(roots.violations(mas, tmux_socket)) == []


def test_what_died_is_removed_without_force(mas: Mas, tmux_socket: Path) -> None:
    session_id = roots.start(mas).session.session_id
    roots.tmux(tmux_socket, "kill-server")
    mas.remove(session_id)
    assert mas.rows() == []


def test_what_is_known_to_be_stopped_needs_no_tmux_to_be_removed(mas: Mas, fake: roots.FakeTmux) -> None:
    session_id = roots.start(mas, team=False).session.session_id
    fake.instead("exit 1")
    mas.remove(session_id)
    assert mas.rows() == []


def test_a_record_is_removed_too(mas: Mas) -> None:
    session_id = mas.manager.create_session("only a record").session_id
    mas.remove(session_id)
    assert mas.rows() == []


def test_a_damaged_session_is_removed_by_force_only(mas: Mas, tmux_socket: Path) -> None:
    started = roots.start(mas)
    for name in ("events.jsonl", "metadata.json"):
        (started.workspace / name).write_text("nonsense\n")
    roots.tmux(tmux_socket, "kill-server")
    short = started.session.session_id[:8]
    with pytest.raises(DamagedError) as refused:
        mas.remove(started.session.session_id)
    assert refused.value.hint == f"`mas doctor {short}` shows what is left; `mas rm --force {short}` takes it"
    mas.remove(started.session.session_id, force=True)
    assert list(roots.violations(mas, tmux_socket)) == []


@pytest.mark.parametrize("force", [False, True])
def test_what_is_not_ours_is_never_removed(mas: Mas, *, force: bool) -> None:
    place = mas.root.sessions / "somebodys-notes"
    place.mkdir(parents=True)
    (place / "note").write_text("mine")
    with pytest.raises(RefusedError, match="holds no session; it is left alone"):
        mas.remove("somebodys-notes", force=force)
    assert (place / "note").read_text() == "mine"


@pytest.mark.parametrize("force", [False, True])
def test_a_link_in_the_place_of_a_session_is_not_removed_and_its_team_lives_on(
    mas: Mas, tmux_socket: Path, tmp_path: Path, *, force: bool
) -> None:
    started = roots.start(mas)
    session_id = started.session.session_id
    started.workspace.rename(tmp_path / "elsewhere")
    started.workspace.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RefusedError, match="is a link, and no link is followed") as refused:
        mas.remove(session_id, force=force)
    remedy = f"bring its directory back, or move this away and `mas rm {session_id[:8]}`"
    assert refused.value.hint == remedy
    assert [*roots.teams(tmux_socket, mas.root)] == [session_id]
    started.workspace.unlink()
    mas.remove(session_id, force=True)
    assert mas.rows() == []


def test_a_session_that_somebody_works_on_is_not_stopped_meanwhile(mas: Mas) -> None:
    session_id = roots.start(mas, team=False).session.session_id
    program = (
        "import sys, time; from pathlib import Path; from mas import files\n"
        "with files.lock(Path(sys.argv[1])): print('held', flush=True); time.sleep(100000)"
    )
    words = [sys.executable, "-P", "-c", program, str(mas.root.lock(session_id))]
    mas.storage = FileStorage(mas.root, lock_timeout=0.2)
    with subprocess.Popen(words, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(BusyError, match=rf"process {holder.pid} \(python"):
            mas.stop(session_id)
        holder.kill()
