"""A start makes all of a session or nothing; a resume brings its team back. On the real tmux."""

import json
import os
import resource
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import commandline
import pytest
import roots

from mas import doctor, events, planning, processes, stopping, teamfile
from mas.app import Mas
from mas.errors import (
    CapacityError,
    DamagedError,
    ExistsError,
    MasError,
    MissingProgramError,
    NotFoundError,
    RefusedError,
    UnknownStateError,
)
from mas.lifecycle import SessionStatus
from mas.paths import Root, SessionPaths
from mas.planning import StartOptions
from mas.record import runtime_of
from mas.structs import replace
from mas.wrapper import MARKER

Wait = Callable[..., None]
GIVEN = "0f0f0f0f-1111-4222-8333-444444444444"


def nothing(mas: Mas, socket: Path) -> list[str]:
    """What is left of a session that should never have been; empty where nothing is."""
    left = [str(path) for path in mas.root.sessions.rglob("*") if path.is_file() or path.parent != mas.root.sessions]
    kept = {".sessions.index", "index.lock", "labels.lock"}
    return [
        *(path for path in left if Path(path).name not in kept),
        *roots.teams(socket, mas.root),
        *roots.launched(mas),
        *(str(row) for row in mas.rows()),
    ]


# --- what a start makes ---


def test_a_start_makes_a_workspace_a_row_and_a_team(mas: Mas, tmux_socket: Path) -> None:
    started = roots.start(mas, label="a name", request="Build it.")
    session_id, place = started.session.session_id, started.workspace
    assert place == mas.root.sessions / session_id
    assert started.tmux_name == f"mas-{session_id[:8]}"
    assert started.session.feature_request == "Build it."
    assert started.session.status is SessionStatus.INITIALIZING
    assert (place / "unit" / "11" / "README.md").read_text() == "I am agent 11.\n"
    assert (place / "workflows" / "10_guide.md").is_file()
    assert roots.teams(tmux_socket, mas.root) == {session_id: started.tmux_name}
    assert mas.view(session_id).status == "active"
    assert list(roots.violations(mas, tmux_socket)) == []


def test_each_agent_works_in_its_own_directory_with_its_own_environment(mas: Mas, tmux_socket: Path) -> None:
    started = roots.start(mas)
    rows = roots.tmux(tmux_socket, "list-panes", "-s", "-t", f"={started.tmux_name}", "-F", "#{@mas_agent} #{pane_pid}")
    for agent_id, pid in (row.split() for row in rows):
        environ = environment(int(pid))
        assert Path(f"/proc/{pid}/cwd").readlink() == started.workspace / "unit" / agent_id
        assert environ["MAS_AGENT_ID"] == agent_id
        assert environ["MAS_SESSION_ID"] == started.session.session_id
        assert environ["UNIT_DIR"] == str(started.workspace / "unit")
        assert environ[MARKER].startswith(started.session.session_id)
    assert len(rows) == 2


def environment(pid: int) -> dict[str, str]:
    entries = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(entry.split("=", 1) for entry in entries if entry)


def test_what_is_acknowledged_is_on_record(mas: Mas, tmux_socket: Path) -> None:
    runtime = runtime_of(roots.start(mas).session.document)
    (state,) = roots.tmux(tmux_socket, "display-message", "-p", "#{pid} #{start_time} #{socket_path}")
    assert (runtime["wanted"], runtime["observed"], runtime["mode"]) == ("up", "up", "isolated")
    seen = runtime["tmux"]
    assert f"{seen['pid']} {seen['started']} {seen['socket']}" == state
    assert set(seen["panes"]) == {"10", "11"}


def test_files_are_their_owners_alone(mas: Mas) -> None:
    place = roots.start(mas, config={"units": []}).workspace
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [place, *place.iterdir()]}
    private = {place.name, "logs", "config.json", "events.jsonl", "metadata.json", ".session"}
    assert {name for name in private if modes[name] & 0o077} == set()


def test_a_configuration_is_kept_with_the_session_in_the_words_it_came_in(mas: Mas) -> None:
    config = {
        "sessionName": "mine",
        "agents": {"metaManager": {"id": "10", "prompt": "Lead."}},
        "units": [{"name": "u", "workers": [{"id": "11", "name": "Helper"}]}],
    }
    started = roots.start(mas, config=config)
    stored = json.loads((started.workspace / "config.json").read_text())
    own = stored.pop("mas")
    assert stored == config
    assert own["template"] == "duo"
    assert started.team.agent("10").prompt == "Lead."
    assert teamfile.stored_team(mas, started.session.session_id)[0] == started.team


@pytest.mark.parametrize(
    "config",
    [
        {"agents": {"metaManager": {"prompt": "Lead."}}, "units": []},
        {"metaManager": {"prompt": "Lead."}, "units": []},
        {"agents": {"metaManager": {"prompt": "Lead."}, "units": []}},
    ],
)
def test_each_form_of_a_configuration_reaches_the_team(mas: Mas, config: dict[str, object]) -> None:
    assert mas.plan(StartOptions(template="duo", command="cat", config=config)).team.agent("10").prompt == "Lead."


def test_without_a_team_only_the_workspace_is_made(mas: Mas, tmux_socket: Path) -> None:
    """For scripts that want a place first; the team comes up when it is asked for."""
    started = roots.start(mas, team=False)
    session_id = started.session.session_id
    assert (started.workspace / "unit" / "10").is_dir()
    assert roots.teams(tmux_socket, mas.root) == {}
    assert mas.view(session_id).status == "stopped"
    assert list(roots.violations(mas, tmux_socket)) == []
    assert mas.resume(session_id).tmux_name == started.tmux_name
    assert mas.view(session_id).status == "active"


def test_a_workspace_without_a_team_needs_no_tmux(root: Root, tmp_path: Path) -> None:
    roots.make_template(root)
    mas = roots.mas_of(root, {"PATH": f"{path_without_tmux(tmp_path)}", "MAS_TMUX_SOCKET": str(tmp_path / "none")})
    assert roots.start(mas, team=False).session.mode == "isolated"


def path_without_tmux(tmp_path: Path) -> Path:
    """A PATH on which there is everything a team needs but tmux."""
    place = tmp_path / "programs"
    place.mkdir()
    for program in ("sh", "sleep", "git", "cat"):
        (place / program).symlink_to(str(shutil.which(program)))
    return place


# --- what fails on the way ---


def fails(mas: Mas, socket: Path, plan: planning.StartPlan, kind: type[BaseException] = MasError) -> str:
    """Carry out a plan that cannot be carried out, see that nothing is left, and return what was said."""
    with pytest.raises(kind) as raised:
        mas.start(plan)
    assert nothing(mas, socket) == []
    assert list(roots.violations(mas, socket)) == []
    return str(raised.value)


def planned(mas: Mas, **wanted: object) -> planning.StartPlan:
    return mas.plan(StartOptions(**{"template": "duo", "command": roots.WAITING, **wanted}))  # type: ignore[arg-type]


def test_a_template_that_cannot_be_copied_leaves_nothing(mas: Mas, tmux_socket: Path) -> None:
    """It changed between being looked at and being copied."""
    plan = planned(mas)
    readme = mas.root.path / "templates" / "duo" / "unit" / "11" / "README.md"
    readme.write_text("Somebody writes here just now.\n")
    said = fails(mas, tmux_socket, plan)
    assert "changed while it was copied" in said
    assert said.endswith("nothing of the new session is left")


def test_a_team_that_tmux_does_not_build_leaves_nothing(mas: Mas, tmux_socket: Path) -> None:
    plan = planned(mas)
    assert plan.launch is not None
    said = fails(mas, tmux_socket, replace(plan, launch=replace(plan.launch, width=8, height=2)))
    assert said.startswith(f"tmux could not build {plan.launch.name}: ")
    assert said.endswith("nothing of the new session is left")


def test_a_tmux_name_that_was_taken_meanwhile_leaves_nothing_of_ours(mas: Mas, tmux_socket: Path) -> None:
    plan = planned(mas, session_id=GIVEN)
    roots.tmux(tmux_socket, "new-session", "-d", "-s", f"mas-{GIVEN[:8]}", "cat")
    assert "exists already; it was left alone" in fails(mas, tmux_socket, plan, ExistsError)
    assert f"mas-{GIVEN[:8]}" in roots.tmux(tmux_socket, "list-sessions", "-F", "#{session_name}")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interruption_leaves_nothing(mas: Mas, tmux_socket: Path, error: type[BaseException]) -> None:
    """At the end of the copying: the last moment before the session comes into sight."""
    plan = planned(mas)

    def fill(staged: SessionPaths) -> None:
        plan.fill(staged)
        raise error

    fails(mas, tmux_socket, replace(plan, fill=fill), error)


def test_where_tmux_cannot_be_asked_the_rest_is_left_to_the_doctor(
    mas: Mas, tmux_socket: Path, fake: roots.FakeTmux
) -> None:
    """It was there while planning, and went away while the team was built."""
    plan = planned(mas)
    fake.instead("exit 1")
    with pytest.raises(MasError) as raised:
        mas.start(plan)
    assert f"session {plan.session_id} is left over: " in raised.value.message
    assert raised.value.hint == f"`mas doctor --fix {plan.session_id}`, then `mas rm {plan.session_id}`"
    assert doctor.look(mas).findings == ()
    fake.away()
    assert doctor.mend(mas).remaining == ()
    assert list(roots.violations(mas, tmux_socket)) == []
    assert mas.view(plan.session_id).status == "stopped"


def test_a_disk_that_is_full_is_seen_before_anything_is_made(small_disk: Mas) -> None:
    fill_disk(small_disk.root.path, leave=planning.MIN_FREE_BYTES // 2)
    with pytest.raises(CapacityError, match="no room on the disk") as raised:
        planned(small_disk)
    assert raised.value.hint == "remove old sessions: `mas clean --dry-run`"


def test_a_disk_without_room_for_files_is_seen_before_anything_is_made(small_disk: Mas) -> None:
    for number in range(os.statvfs(small_disk.root.path).f_favail - planning.MIN_FREE_ENTRIES // 2):
        (small_disk.root.path / str(number)).touch()
    with pytest.raises(CapacityError, match="more files fit"):
        planned(small_disk)


@pytest.mark.parametrize("room", [0, 4096, 8192, 12288, 16384, 20480, 24576, 28672, 32768, 40960])
def test_a_disk_that_fills_up_meanwhile_leaves_nothing(small_disk: Mas, tmux_socket: Path, room: int) -> None:
    """Wherever it happens: while copying, while recording, after the team was up."""
    plan = planned(small_disk)
    before = sorted(small_disk.root.path.rglob("*"))
    ballast = fill_disk(small_disk.root.path, leave=room)
    try:
        started = small_disk.start(plan)
    except MasError as error:
        assert isinstance(error, CapacityError), error  # noqa: PT017  either outcome is right
        ballast.unlink()
        assert doctor.mend(small_disk).remaining == ()
        assert nothing(small_disk, tmux_socket) == []
        assert [path for path in before if not path.exists()] == []
    else:
        ballast.unlink()
        assert small_disk.view(started.session.session_id).status == "active"
        assert doctor.mend(small_disk).remaining == ()
    assert list(roots.violations(small_disk, tmux_socket)) == []


def test_terminals_that_run_out_meanwhile_leave_nothing(root: Root, tmux_socket: Path) -> None:
    """Where fewer may be used than the system tells, as in a container: the third agent of four gets none."""
    apart = "mount -t devpts -o newinstance,ptmxmode=0666,max=2 devpts /dev/pts"
    if subprocess.run(["unshare", "-m", "sh", "-c", apart], capture_output=True, check=False, timeout=10).returncode:
        pytest.skip("terminals of one's own can only be mounted by root")
    line = [
        *commandline.PROGRAM,
        "start",
        "--isolated",
        "--template",
        "squad",
        "--command",
        "cat",
        "--root",
        str(root.path),
    ]
    argv = ["unshare", "-m", "sh", "-c", f'{apart} && exec "$@"', "sh", *line]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("mas: tmux could not build mas-")
    assert done.stderr.endswith(
        "nothing of the new session is left; stop a session that is not needed; `mas list` shows them\n"
    )
    assert nothing(roots.mas_of(root), tmux_socket) == []
    assert list(roots.violations(roots.mas_of(root), tmux_socket)) == []


@pytest.fixture
def small_disk(tmp_path: Path, tmux_socket: Path) -> Iterator[Mas]:
    """A root on a file system of its own."""
    place = tmp_path / "a disk"
    place.mkdir()
    options = "size=40m,nr_inodes=600"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "mas", place], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("a file system can only be mounted by root")
    try:
        root = Root(place / "a root")
        roots.make_template(root)
        roots.tmux(tmux_socket, "-f", os.devnull, "new-session", "-d", "-s", "bystander", "cat")
        yield roots.mas_of(root)
    finally:
        roots.tmux(tmux_socket, "kill-server")
        subprocess.run(["umount", "-l", place], check=True, capture_output=True)


def fill_disk(place: Path, leave: int) -> Path:
    """Write a file that leaves only so many bytes."""
    ballast = place / "ballast"
    found = os.statvfs(place)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, found.f_bavail * found.f_frsize - leave)
    return ballast


# --- resume ---


def test_a_resumed_team_is_the_one_that_was_asked_for(mas: Mas, tmux_socket: Path) -> None:
    started = roots.start(mas, config={"units": [{"workers": [{"id": "11", "name": "Helper"}]}]})
    session_id = started.session.session_id
    mas.stop(session_id, grace=0)
    resumed = mas.resume(session_id)
    assert resumed.team == started.team
    assert resumed.tmux_name == started.tmux_name
    assert roots.teams(tmux_socket, mas.root) == {session_id: started.tmux_name}
    assert mas.view(session_id).status == "active"
    assert list(roots.violations(mas, tmux_socket)) == []


def test_a_team_whose_program_is_gone_stays_down(mas: Mas, tmux_socket: Path, tmp_path: Path) -> None:
    program = tmp_path / "agent"
    program.write_text("#!/bin/sh\nexec cat\n")
    program.chmod(0o755)
    session_id = roots.start(mas, command=str(program)).session.session_id
    mas.stop(session_id, grace=0)
    program.unlink()
    log = roots.log_of(mas.root, session_id)
    with pytest.raises(MissingProgramError, match="is not there, or not on PATH") as refused:
        mas.resume(session_id)
    assert refused.value.hint == "bring it back, or put its directory on PATH"
    assert roots.log_of(mas.root, session_id) == log
    assert roots.teams(tmux_socket, mas.root) == {}


def test_where_no_socket_can_be_made_that_is_said(root: Root, tmp_path: Path) -> None:
    roots.make_template(root)
    nowhere = roots.mas_of(root, {**os.environ, "MAS_TMUX_SOCKET": str(tmp_path / "nowhere" / "tmux")})
    with pytest.raises(MasError, match="error creating") as refused:
        roots.start(nowhere)
    assert refused.value.hint == "MAS_TMUX_SOCKET names a place where a socket can be made"


def test_a_team_is_brought_back_after_its_server_was_killed(mas: Mas, tmux_socket: Path) -> None:
    session_id = roots.start(mas).session.session_id
    roots.tmux(tmux_socket, "kill-server")
    assert mas.view(session_id).status == "stopped"
    mas.resume(session_id)
    assert mas.view(session_id).status == "active"
    assert list(roots.violations(mas, tmux_socket)) == []


def test_agents_are_brought_back_by_the_command_for_that_and_begun_by_the_other(mas: Mas, wait_until: Wait) -> None:
    profile = '[profile.two]\ncommand = ["sleep", "111111"]\nresume = ["sleep", "222222"]\n'
    (mas.root.path / "profiles.toml").write_text(profile)
    session_id = roots.start(mas, command=None, agent="two", team=False).session.session_id
    for seconds in ("111111", "222222"):
        mas.resume(session_id)
        wait_until(lambda seconds=seconds: asleep(mas, session_id) == [f"sleep {seconds}"] * 2)
        mas.stop(session_id, grace=0)


def asleep(mas: Mas, session_id: str) -> list[str]:
    """The command lines of a session's agents."""
    found = (processes.carriers(mark) for mark in stopping.marks(mas, session_id))
    lines = (Path(f"/proc/{one.pid}/cmdline").read_bytes() for some in found for one in some)
    return [line.decode().replace("\0", " ").strip() for line in lines if line.startswith(b"sleep\0")]


def test_what_is_up_is_not_brought_up_again(mas: Mas, tmux_socket: Path) -> None:
    started = roots.start(mas)
    with pytest.raises(RefusedError, match="is up"):
        mas.resume(started.session.session_id)
    assert len(roots.teams(tmux_socket, mas.root)) == 1


def test_what_may_be_up_is_not_brought_up_again(mas: Mas, fake: roots.FakeTmux) -> None:
    session_id = roots.start(mas).session.session_id
    log = roots.log_of(mas.root, session_id)
    fake.instead("exit 1")
    with pytest.raises(UnknownStateError):
        mas.resume(session_id)
    assert roots.log_of(mas.root, session_id) == log


def test_a_team_is_brought_up_on_the_server_that_is_named_now(mas: Mas, tmux_socket: Path) -> None:
    """It is known to be down on the one it was started on, so nothing is in the way."""
    session_id = roots.start(mas).session.session_id
    mas.stop(session_id, grace=0)
    other = tmux_socket.with_name("other")
    moved = roots.mas_of(mas.root, {**os.environ, "MAS_TMUX_SOCKET": str(other)})
    try:
        moved.resume(session_id)
        assert list(roots.teams(other, mas.root)) == [session_id]
        assert mas.observe(mas.storage.read(session_id).document) == "up"
        assert mas.view(session_id).stale
        with pytest.raises(RefusedError, match="is up"):
            mas.resume(session_id)
        assert mas.stop(session_id, grace=0).was_up
        assert roots.teams(other, mas.root) == {}
    finally:
        roots.tmux(other, "kill-server")


def test_a_name_that_was_taken_meanwhile_gives_the_team_a_longer_one(mas: Mas, tmux_socket: Path) -> None:
    roots.start(mas, session_id=GIVEN)
    mas.stop(GIVEN, grace=0)
    roots.tmux(tmux_socket, "new-session", "-d", "-s", f"mas-{GIVEN[:8]}", "cat")
    assert mas.resume(GIVEN).tmux_name == f"mas-{GIVEN[:13]}"
    assert mas.row(GIVEN)["tmuxSession"] == f"mas-{GIVEN[:13]}"  # type: ignore[index]


def test_what_outlived_an_earlier_team_does_not_work_beside_the_new_one(
    mas: Mas, tmux_socket: Path, wait_until: Wait
) -> None:
    command = "sh -c 'trap \"\" HUP TERM; sleep 100000; sleep 100000'"
    session_id = roots.start(mas, command=command).session.session_id
    wait_until(lambda: len(asleep(mas, session_id)) == 2)
    old = {one for mark in stopping.marks(mas, session_id) for one in processes.carriers(mark)}
    roots.tmux(tmux_socket, "kill-server")
    assert roots.launched(mas)
    mas.resume(session_id)
    assert not any(processes.find(one.pid) == one for one in old)
    mas.stop(session_id, grace=0)


@pytest.mark.parametrize("recovers", [True, False])
def test_an_interrupted_session_goes_on_by_itself_where_it_may(mas: Mas, tmux_socket: Path, *, recovers: bool) -> None:
    session_id = roots.start(mas).session.session_id
    mas.manager.update_session(session_id, {"configuration": {"error_recovery_enabled": recovers}})
    mas.manager.start_session(session_id)
    roots.tmux(tmux_socket, "kill-server")
    resumed = mas.resume(session_id).session
    assert resumed.status is (SessionStatus.PLANNING if recovers else SessionStatus.PAUSED)
    kinds = [type(one.event).__name__ for one in mas.manager.events(session_id)]
    assert kinds == ["Started", "Paused", *(["Resumed"] if recovers else [])]


def test_a_stopped_session_goes_on_where_it_was(mas: Mas) -> None:
    session_id = roots.start(mas).session.session_id
    mas.manager.start_session(session_id)
    mas.manager.transition_state(session_id, "generating_tasks")
    mas.stop(session_id, grace=0)
    assert mas.manager.get_session(session_id).status is SessionStatus.PAUSED
    assert mas.resume(session_id).session.status is SessionStatus.GENERATING_TASKS


def test_a_persons_pause_stays(mas: Mas) -> None:
    session_id = roots.start(mas).session.session_id
    mas.manager.start_session(session_id)
    mas.manager.record_event(session_id, events.Paused("lunch"))
    mas.stop(session_id, grace=0)
    assert mas.resume(session_id).session.status is SessionStatus.PAUSED


def test_a_session_whose_workspace_is_gone_is_not_resumed(mas: Mas) -> None:
    started = roots.start(mas, team=False)
    started.workspace.rename(mas.root.path / "moved")
    with pytest.raises(NotFoundError, match=r"the workspace of session .* is gone") as raised:
        mas.resume(started.session.session_id)
    assert raised.value.hint == f"bring it back, or `mas rm {started.session.session_id}`"


def test_a_session_that_never_was_is_not_resumed(mas: Mas) -> None:
    with pytest.raises(NotFoundError, match="Session not found"):
        mas.resume(GIVEN)
    assert not mas.root.sessions.exists() or list(mas.root.locks.iterdir()) == []


@pytest.mark.parametrize("damage", [None, "", "[]", "{}", '{"mas": {}}', '{"mas": {"team": 1, "profile": {}}}'])
def test_a_session_without_a_readable_team_is_not_resumed(mas: Mas, tmux_socket: Path, damage: str | None) -> None:
    started = roots.start(mas, team=False)
    config = started.workspace / "config.json"
    config.unlink() if damage is None else config.write_text(damage)
    with pytest.raises(NotFoundError if damage is None else DamagedError, match=r"config\.json is") as raised:
        mas.resume(started.session.session_id)
    assert raised.value.hint
    assert roots.teams(tmux_socket, mas.root) == {}


def test_a_session_whose_agents_lost_their_directories_is_not_resumed(mas: Mas, tmux_socket: Path) -> None:
    started = roots.start(mas, team=False)
    shutil.rmtree(started.workspace / "unit" / "11")
    with pytest.raises(NotFoundError, match=r"the workspace lacks .*unit/11"):
        mas.resume(started.session.session_id)
    assert roots.teams(tmux_socket, mas.root) == {}


@pytest.mark.parametrize("name", ["unit", "unit/10", "logs", "bin"])
def test_a_workspace_that_leads_elsewhere_by_a_link_is_not_resumed(
    mas: Mas, tmux_socket: Path, tmp_path: Path, name: str
) -> None:
    started = roots.start(mas, team=False)
    place = started.workspace / name
    place.rename(tmp_path / "elsewhere") if place.exists() else (tmp_path / "elsewhere").mkdir()
    place.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RefusedError, match=f"{name}'? is a link"):
        mas.resume(started.session.session_id)
    assert roots.teams(tmux_socket, mas.root) == {}
    assert mas.view(started.session.session_id).status == "stopped"


def test_a_record_without_a_team_is_not_resumed(mas: Mas) -> None:
    session_id = mas.manager.create_session("only a record").session_id
    with pytest.raises(RefusedError, match="has no team"):
        mas.resume(session_id)


def test_a_resume_that_fails_leaves_the_session_as_stopped_as_it_was(mas: Mas, tmux_socket: Path) -> None:
    session_id = roots.start(mas).session.session_id
    mas.manager.start_session(session_id)
    mas.stop(session_id, grace=0)
    config = mas.root.session(session_id).config
    sound = config.read_text()
    config.write_text(sound.replace('"sleep"', '"no\\u0000such"'))
    with pytest.raises(MasError):
        mas.resume(session_id)
    config.write_text(sound)
    assert mas.view(session_id).status == "stopped"
    assert mas.manager.get_session(session_id).status is SessionStatus.PAUSED
    assert list(roots.violations(mas, tmux_socket)) == []


def test_a_resume_that_fails_where_tmux_cannot_be_asked_is_finished_by_the_doctor(
    mas: Mas, tmux_socket: Path, fake: roots.FakeTmux
) -> None:
    session_id = roots.start(mas, team=False).session.session_id
    fake.instead("exit 1", of=2)
    with pytest.raises(MasError):
        mas.resume(session_id)
    fake.away()
    assert doctor.mend(mas).remaining == ()
    assert mas.view(session_id).status == "stopped"
    assert list(roots.violations(mas, tmux_socket)) == []


@pytest.mark.parametrize("spare", range(200, 500, 25))
def test_a_team_that_cannot_be_recorded_is_ended(mas: Mas, tmux_socket: Path, spare: int) -> None:
    """Also where the log takes neither that it is up nor that it is not to be."""
    session_id = roots.start(mas, team=False).session.session_id
    for text in "abcdefgh":
        mas.manager.update_session(session_id, {"feature_request": text * 8000})
    resumed = False
    with files_of_at_most(mas.root.session(session_id).log.stat().st_size + spare), suppress(MasError):
        mas.resume(session_id)
        resumed = True
    assert bool(roots.teams(tmux_socket, mas.root)) == bool(roots.launched(mas)) == resumed
    assert doctor.mend(mas).remaining == ()
    assert list(roots.violations(mas, tmux_socket)) == []


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
