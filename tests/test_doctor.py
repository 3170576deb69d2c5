"""Everything that can be wrong with a root, made by hand on disk and in tmux: found, and mended by one call."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import roots

from mas import doctor, events
from mas.app import Mas
from mas.errors import InvalidIdError, MasError
from mas.lifecycle import SessionStatus
from mas.manager import SessionManager
from mas.paths import Root
from mas.record import runtime_of

Wait = Callable[..., None]
Break = Callable[[Mas, str, Path], object]
"""Makes something wrong with a session; gets the tmux socket too."""

OTHER = "0f0f0f0f-1111-4222-8333-444444444444"


def edit(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def dead_pid() -> int:
    """The pid of a process that is gone."""
    with subprocess.Popen(["true"]) as child:
        return child.pid


# --- ways to break a session that is up ---


def leave_staging(mas: Mas, _session_id: str, _socket: Path) -> None:
    (mas.root.staging / OTHER / "unit").mkdir(parents=True)


def leave_trash(mas: Mas, session_id: str, _socket: Path) -> None:
    shutil.copytree(mas.root.session(session_id).directory, mas.root.trash / f"{OTHER}.0")


def leave_lock(mas: Mas, _session_id: str, _socket: Path) -> None:
    mas.root.lock(OTHER).touch()


def leave_temporary(mas: Mas, session_id: str, _socket: Path) -> None:
    (mas.root.session(session_id).directory / f".metadata.json.{dead_pid()}-0a1b2c3d.tmp").touch()


def leave_temporary_of_the_index(mas: Mas, _session_id: str, _socket: Path) -> None:
    (mas.root.sessions / f"..sessions.index.{dead_pid()}-0a1b2c3d.tmp").touch()


def leave_old_temporary_of_a_pid_that_is_somebodys(mas: Mas, session_id: str, _socket: Path) -> None:
    path = mas.root.session(session_id).directory / f".metadata.json.{os.getpid()}-0a1b2c3d.tmp"
    path.touch()
    os.utime(path, (0, 0))


def forget_row(mas: Mas, session_id: str, _socket: Path) -> None:
    mas.projections.forget(session_id)


def change_row(mas: Mas, session_id: str, _socket: Path) -> None:
    roots.put_row(mas.root, {"sessionId": session_id, "status": "stopped"})


def add_row(mas: Mas, _session_id: str, _socket: Path) -> None:
    roots.put_row(mas.root, {"sessionId": OTHER, "status": "active"})


def edit_index(mas: Mas, _session_id: str, _socket: Path) -> None:
    edit(mas.root.index, lambda raw: raw.replace(b'"active"', b'"stopped"'))


def empty_index(mas: Mas, _session_id: str, _socket: Path) -> None:
    mas.root.index.write_bytes(b"")


def remove_index(mas: Mas, _session_id: str, _socket: Path) -> None:
    mas.root.index.unlink()


def edit_shell(mas: Mas, session_id: str, _socket: Path) -> None:
    edit(mas.root.session(session_id).shell, lambda raw: raw.replace(b"STATUS=active", b"STATUS=stopped"))


def remove_shell(mas: Mas, session_id: str, _socket: Path) -> None:
    mas.root.session(session_id).shell.unlink()


def open_modes(mas: Mas, session_id: str, _socket: Path) -> None:
    paths = mas.root.session(session_id)
    paths.directory.chmod(0o755)
    paths.log.chmod(0o644)


def open_modes_of_the_root(mas: Mas, _session_id: str, _socket: Path) -> None:
    mas.root.index.chmod(0o644)
    mas.root.locks.chmod(0o777)


def tear_log(mas: Mas, session_id: str, _socket: Path) -> None:
    edit(mas.root.session(session_id).log, lambda raw: raw + b'{"v":1,"seq":9,"ts"')


def age_snapshot(mas: Mas, session_id: str, _socket: Path) -> None:
    snapshot = mas.root.session(session_id).snapshot
    old = snapshot.read_bytes()
    mas.manager.update_session(session_id, {"feature_request": "another"})
    snapshot.write_bytes(old)


def remove_snapshot(mas: Mas, session_id: str, _socket: Path) -> None:
    mas.root.session(session_id).snapshot.unlink()


def edit_snapshot(mas: Mas, session_id: str, _socket: Path) -> None:
    edit(
        mas.root.session(session_id).snapshot,
        lambda raw: raw.replace(b'"feature_request": ""', b'"feature_request": "x"'),
    )


def edit_snapshot_wrongly(mas: Mas, session_id: str, _socket: Path) -> None:
    edit(mas.root.session(session_id).snapshot, lambda raw: raw.replace(b'"initializing"', b'"nonsense"'))


def damage_checkpoint(mas: Mas, session_id: str, _socket: Path) -> None:
    mas.manager.save_checkpoint(session_id)
    (checkpoint,) = mas.root.session(session_id).checkpoints.iterdir()
    checkpoint.write_bytes(b"nonsense")


def remove_logs(mas: Mas, session_id: str, _socket: Path) -> None:
    shutil.rmtree(mas.root.session(session_id).logs)


def garble_messages(mas: Mas, session_id: str, _socket: Path) -> None:
    messages = mas.root.session(session_id).messages
    messages.write_bytes(b"nonsense\n")
    messages.chmod(0o600)


def kill_server(_mas: Mas, _session_id: str, socket: Path) -> None:
    roots.tmux(socket, "kill-server")


def want_down(mas: Mas, session_id: str, _socket: Path) -> None:
    mas.manager.observe(session_id, {"wanted": "down"})


def want_down_and_kill(mas: Mas, session_id: str, socket: Path) -> None:
    want_down(mas, session_id, socket)
    roots.tmux(socket, "kill-server")


def forget_that_it_was_seen(mas: Mas, session_id: str, _socket: Path) -> None:
    mas.manager.observe(session_id, {"observed": "unknown"})


def forget_that_it_was_seen_and_close_a_pane(mas: Mas, session_id: str, socket: Path) -> None:
    forget_that_it_was_seen(mas, session_id, socket)
    panes = runtime_of(mas.storage.read(session_id).document)["tmux"]["panes"]
    roots.tmux(socket, "kill-pane", "-t", panes["11"])


def believe_it_down(mas: Mas, session_id: str, _socket: Path) -> None:
    mas.manager.observe(session_id, {"observed": "down"})


def remove_directory(mas: Mas, session_id: str, _socket: Path) -> None:
    shutil.rmtree(mas.root.session(session_id).directory)


BREAKS: dict[Break, set[str]] = {
    leave_staging: {"staging"},
    leave_trash: {"trash"},
    leave_lock: {"lock_without_directory"},
    leave_temporary: {"temporary"},
    leave_temporary_of_the_index: {"temporary"},
    leave_old_temporary_of_a_pid_that_is_somebodys: {"temporary"},
    forget_row: {"directory_without_row"},
    change_row: {"row"},
    add_row: {"row_without_directory"},
    edit_index: {"index"},
    empty_index: {"index"},
    remove_index: {"index"},
    edit_shell: {"shell"},
    remove_shell: {"shell"},
    open_modes: {"modes"},
    open_modes_of_the_root: {"modes"},
    tear_log: {"torn"},
    age_snapshot: {"stale"},
    remove_snapshot: {"stale"},
    edit_snapshot: {"edited"},
    edit_snapshot_wrongly: {"rejected"},
    damage_checkpoint: {"checkpoint"},
    remove_logs: {"workspace"},
    garble_messages: {"messages"},
    kill_server: {"interrupted"},
    want_down: {"half_stopped"},
    want_down_and_kill: {"half_stopped"},
    forget_that_it_was_seen: {"half_started"},
    forget_that_it_was_seen_and_close_a_pane: {"half_built"},
    believe_it_down: {"half_started"},
    remove_directory: {"orphan_team", "row_without_directory", "lock_without_directory"},
}
"""What is found, once it was done, of the session or beside it."""


@pytest.mark.parametrize("spoil", BREAKS, ids=lambda spoil: spoil.__name__)
def test_what_is_wrong_is_found_and_mended_by_one_call(mas: Mas, tmux_socket: Path, spoil: Break) -> None:
    for _ in range(4 if spoil is remove_directory else 1):  # one of few would be too many at once
        roots.start(mas, team=False)
    session_id = roots.start(mas).session.session_id
    log = roots.log_of(mas.root, session_id)
    spoil(mas, session_id, tmux_socket)
    before = snapshot_of(mas.root)
    found = doctor.look(mas)
    assert snapshot_of(mas.root) == before
    assert {one.problem for one in found.findings} == BREAKS[spoil]
    assert {one.problem for one in found.remaining} == BREAKS[spoil]
    assert next(roots.violations(mas, tmux_socket), None)
    report = doctor.mend(mas)
    assert report.remaining == ()
    assert set(found.findings) <= set(report.findings)
    assert set(report.mended.values()) == {""}
    assert list(roots.violations(mas, tmux_socket)) == []
    if spoil is not remove_directory:
        assert roots.log_of(mas.root, session_id).startswith(log)
    mended = snapshot_of(mas.root)
    assert doctor.mend(mas).findings == ()
    assert snapshot_of(mas.root) == mended


def snapshot_of(root: Root) -> dict[str, bytes]:
    """Every file of a root but the lock files, which a look may not make either."""
    return {str(path): path.read_bytes() for path in sorted(root.path.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("spoil", BREAKS, ids=lambda spoil: spoil.__name__)
def test_a_named_session_is_mended_alone(mas: Mas, tmux_socket: Path, spoil: Break) -> None:
    """What is wrong with the index as a whole, or with another session, is not looked for."""
    session_id = roots.start(mas).session.session_id
    spoil(mas, session_id, tmux_socket)
    own = BREAKS[spoil] if spoil not in BESIDE else set()
    report = doctor.mend(mas, [session_id], force=True)
    assert {one.problem for one in report.findings if one.session_id == session_id} >= own
    assert {one.session_id for one in report.findings} <= {session_id}
    assert report.remaining == ()


BESIDE = {
    leave_staging,
    leave_trash,
    leave_lock,
    leave_temporary_of_the_index,
    open_modes_of_the_root,
    add_row,
    edit_index,
    empty_index,
    remove_index,
}


def test_everything_at_once_is_mended_by_one_call(mas: Mas, tmux_socket: Path) -> None:
    ids = {spoil: roots.start(mas, team=spoil not in QUIET).session.session_id for spoil in TOGETHER}
    for spoil, session_id in ids.items():
        spoil(mas, session_id, tmux_socket)
    assert doctor.mend(mas).remaining == ()
    assert list(roots.violations(mas, tmux_socket)) == []


QUIET = {leave_staging, leave_trash, leave_lock, leave_temporary, remove_shell, open_modes, tear_log, edit_snapshot}
TOGETHER = [*QUIET, want_down, forget_that_it_was_seen, believe_it_down, remove_index]


# --- what each mending leaves ---


def mend(mas: Mas) -> None:
    assert doctor.mend(mas).remaining == ()


def test_a_team_whose_record_was_lost_is_ended(mas: Mas, tmux_socket: Path) -> None:
    for _ in range(5):
        roots.start(mas, team=False)
    session_id = roots.start(mas).session.session_id
    remove_directory(mas, session_id, tmux_socket)
    mend(mas)
    assert roots.teams(tmux_socket, mas.root) == {}
    assert roots.launched(mas) == {}


def test_an_interrupted_session_is_paused(mas: Mas, tmux_socket: Path) -> None:
    session_id = roots.start(mas).session.session_id
    mas.manager.start_session(session_id)
    kill_server(mas, session_id, tmux_socket)
    mend(mas)
    session = mas.manager.get_session(session_id)
    assert session.status is SessionStatus.PAUSED
    assert session.document["lifecycle"]["pause"]["reason"] == "interrupted: runtime lost"
    assert mas.view(session_id).status == "stopped"


def test_a_start_that_was_cut_off_at_its_end_is_finished(mas: Mas, tmux_socket: Path) -> None:
    session_id = roots.start(mas).session.session_id
    before = runtime_of(mas.storage.read(session_id).document)
    mas.manager.observe(session_id, {"observed": "unknown", "tmux": {"socket": str(tmux_socket)}})
    mend(mas)
    assert runtime_of(mas.storage.read(session_id).document) == before
    assert mas.view(session_id).status == "active"


def test_a_resume_that_was_cut_off_at_its_end_goes_on_with_the_work(mas: Mas) -> None:
    session_id = roots.start(mas).session.session_id
    mas.manager.start_session(session_id)
    mas.stop(session_id, grace=0)
    mas.resume(session_id)
    mas.manager.record_event(session_id, events.Paused("stopped", by="mas"))
    mas.manager.observe(session_id, {"observed": "unknown"})
    mend(mas)
    assert mas.manager.get_session(session_id).status is SessionStatus.PLANNING


def test_a_pane_that_a_person_closed_is_no_reason_to_end_a_team(mas: Mas, tmux_socket: Path) -> None:
    started = roots.start(mas)
    session_id = started.session.session_id
    believe_it_down(mas, session_id, tmux_socket)
    panes = runtime_of(started.session.document)["tmux"]["panes"]
    roots.tmux(tmux_socket, "kill-pane", "-t", panes["11"])
    mend(mas)
    assert roots.teams(tmux_socket, mas.root) == {session_id: started.tmux_name}


def test_what_outlived_its_team_is_ended(mas: Mas, tmux_socket: Path) -> None:
    command = "sh -c 'trap \"\" HUP TERM; while :; do sleep 1000; done'"
    session_id = roots.start(mas, command=command).session.session_id
    kill_server(mas, session_id, tmux_socket)
    assert {one.problem for one in doctor.look(mas).findings} == {"survivors", "interrupted"}
    mend(mas)
    assert roots.launched(mas) == {}


def test_a_damaged_log_is_cut_only_where_its_session_is_named(mas: Mas, tmux_socket: Path) -> None:
    session_id = roots.start(mas).session.session_id
    mas.manager.start_session(session_id)
    paths = mas.root.session(session_id)
    whole = paths.log.read_bytes()
    edit(paths.log, lambda raw: raw.replace(b'"type":"started"', b'"type":"strated"'))
    report = doctor.mend(mas)
    assert [one.problem for one in report.remaining] == ["damage"]
    assert report.mended == {}
    report = doctor.mend(mas, [session_id])
    assert report.remaining == ()
    assert mas.manager.get_session(session_id).status is SessionStatus.PLANNING
    assert [path.name for path in paths.quarantine.iterdir()] == ["events.jsonl.0"]
    assert len((paths.quarantine / "events.jsonl.0").read_bytes()) == len(whole)
    assert list(roots.violations(mas, tmux_socket)) == []


def test_what_cannot_be_read_at_all_is_left_to_a_person(mas: Mas) -> None:
    started = roots.start(mas, team=False)
    for name in ("events.jsonl", "metadata.json"):
        (started.workspace / name).write_text("nonsense\n")
    session_id = started.session.session_id
    report = doctor.mend(mas, [session_id])
    assert [one.problem for one in report.remaining] == ["unreadable"]
    assert [view.status for view in mas.list().views] == [mas.view(session_id).status] == ["error"]
    before = snapshot_of(mas.root)
    assert [one.problem for one in doctor.mend(mas, [session_id]).findings] == ["unreadable"]
    assert snapshot_of(mas.root) == before


def test_what_a_newer_mas_wrote_is_left_to_it(mas: Mas) -> None:
    started = roots.start(mas, team=False)
    edit(started.workspace / "metadata.json", lambda raw: raw.replace(b'"schema": 1', b'"schema": 9'))
    report = doctor.mend(mas)
    assert "newer" in {one.problem for one in report.remaining} or report.remaining == ()


# --- what is not ours ---


def test_what_is_not_ours_is_named_and_left_alone(mas: Mas, tmux_socket: Path, tmp_path: Path) -> None:
    """Directories, links, files, and what only looks like ours."""
    roots.start(mas)
    sessions = mas.root.sessions
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "events.jsonl").write_text("mine\n")
    (tmp_path / "elsewhere" / f".metadata.json.{dead_pid()}-0a1b2c3d.tmp").touch()
    (sessions / OTHER).symlink_to(tmp_path / "elsewhere")
    (sessions / "notes").mkdir()
    (sessions / "notes" / "a.tmp").touch()
    (sessions / "with a space").mkdir()
    (sessions / "file").touch()
    (mas.root.staging / "notes").mkdir(parents=True)
    (sessions / ".hidden").mkdir()
    (sessions / "notes.tmp").touch()
    before = snapshot_of(Root(tmp_path))
    report = doctor.mend(mas)
    assert report.remaining == ()
    assert {one.session_id for one in report.findings} == {OTHER, "notes", "with a space", "file", "notes.tmp"}
    assert {one.problem for one in report.findings} == {"foreign_directory"}
    assert snapshot_of(Root(tmp_path)).keys() == before.keys()
    assert list(roots.teams(tmux_socket, mas.root)) != []


def put_a_link_in_place(place: Path, elsewhere: Path) -> None:
    place.rename(elsewhere)
    place.symlink_to(elsewhere)


def test_a_link_in_the_place_of_a_session_is_found_and_remains(mas: Mas, tmp_path: Path) -> None:
    started = roots.start(mas, team=False)
    put_a_link_in_place(started.workspace, tmp_path / "elsewhere")
    for _ in range(2):
        (left,) = doctor.mend(mas).remaining
        assert left.problem == "displaced"
        assert left.remedy.startswith("bring its directory back, or move this away and `mas rm ")


def test_a_link_in_the_place_of_what_a_shell_reads_is_left_to_a_person(mas: Mas, tmp_path: Path) -> None:
    started = roots.start(mas, team=False)
    put_a_link_in_place(started.workspace / ".session", tmp_path / "elsewhere")
    for _ in range(2):
        report = doctor.mend(mas)
        assert [(one.text, one.action) for one in report.remaining] == [(".session is no regular file", "")]
        assert report.mended == {}
    (started.workspace / ".session").unlink()
    assert doctor.mend(mas).remaining == ()


def test_neither_another_roots_team_nor_anybodys_session_is_touched(
    mas: Mas, tmux_socket: Path, tmp_path: Path
) -> None:
    other = Root(tmp_path / "another root")
    roots.make_template(other)
    roots.start(roots.mas_of(other), session_id=OTHER)
    roots.tmux(tmux_socket, "new-session", "-d", "-s", "mas-12345678", "cat")
    roots.start(mas, team=False, session_id=OTHER)
    for _ in range(2):
        assert doctor.mend(mas).findings == ()
    assert list(roots.teams(tmux_socket, other)) == [OTHER]
    assert roots.launched(roots.mas_of(other))
    assert "mas-12345678" in roots.tmux(tmux_socket, "list-sessions", "-F", "#{session_name}")


def test_a_row_that_could_lead_out_of_the_root_leads_nowhere(mas: Mas, tmp_path: Path) -> None:
    roots.start(mas, team=False)
    (tmp_path / "victim.lock").touch()
    roots.put_row(mas.root, {"sessionId": "../../../victim", "status": "active"})
    assert [one.problem for one in doctor.look(mas).findings] == ["row_without_directory"]
    assert doctor.mend(mas).remaining == ()
    assert (tmp_path / "victim.lock").exists()
    assert len(mas.rows()) == 1


def test_what_is_no_id_is_not_looked_at(mas: Mas) -> None:
    with pytest.raises(InvalidIdError):
        doctor.look(mas, ["../x"])


# --- where nothing may be concluded ---


def test_a_server_that_gives_no_answer_changes_nothing(mas: Mas, tmux_socket: Path) -> None:
    for _ in range(2):
        roots.start(mas)
    (pid,) = roots.tmux(tmux_socket, "display-message", "-p", "#{pid}")
    before = snapshot_of(mas.root)
    os.kill(int(pid), signal.SIGSTOP)
    try:
        assert doctor.mend(mas).findings == ()
    finally:
        os.kill(int(pid), signal.SIGCONT)
    assert snapshot_of(mas.root) == before
    assert len(roots.teams(tmux_socket, mas.root)) == 2


def test_another_server_says_nothing_about_our_teams(mas: Mas, tmux_socket: Path) -> None:
    session_id = roots.start(mas).session.session_id
    elsewhere = roots.mas_of(mas.root, {**os.environ, "MAS_TMUX_SOCKET": str(tmux_socket.with_name("other"))})
    assert doctor.mend(elsewhere).findings == ()
    assert elsewhere.view(session_id).stale
    assert elsewhere.view(session_id).status == "active"


def test_a_server_that_lost_its_socket_has_not_lost_its_teams(mas: Mas, tmux_socket: Path) -> None:
    session_id = roots.start(mas).session.session_id
    tmux_socket.unlink()
    assert doctor.mend(mas).findings == ()
    assert mas.view(session_id).status == "active"


@pytest.fixture
def hold(mas: Mas) -> Iterator[Callable[[str], int]]:
    """Holds a session's lock in another process."""
    program = (
        "import sys, time; from pathlib import Path; from mas import files\n"
        "with files.lock(Path(sys.argv[1])): print('held', flush=True); time.sleep(100000)"
    )
    holders: list[subprocess.Popen[bytes]] = []

    def held(session_id: str) -> int:
        words = [sys.executable, "-P", "-c", program, str(mas.root.lock(session_id))]
        holder = subprocess.Popen(words, stdout=subprocess.PIPE)
        assert holder.stdout is not None
        holder.stdout.readline()
        holders.append(holder)
        return holder.pid

    yield held
    for holder in holders:
        with holder:
            holder.kill()


def test_what_somebody_works_on_is_left_to_him(mas: Mas, tmux_socket: Path, hold: Callable[[str], int]) -> None:
    session_id = roots.start(mas).session.session_id
    want_down(mas, session_id, tmux_socket)
    pid = hold(session_id)
    for report in (doctor.look(mas), doctor.mend(mas)):
        (found,) = report.findings
        assert found.problem == "busy"
        assert found.text.startswith(f"not looked at: process {pid} (python")
        assert report.remaining == ()
    assert list(roots.teams(tmux_socket, mas.root)) == [session_id]


def test_what_is_being_made_is_left_to_whoever_makes_it(mas: Mas, hold: Callable[[str], int]) -> None:
    (mas.root.staging / OTHER).mkdir(parents=True)
    hold(OTHER)
    assert [one.problem for one in doctor.mend(mas).findings] == ["busy"]
    assert (mas.root.staging / OTHER).is_dir()


def test_a_file_that_somebody_writes_just_now_is_no_leftover(mas: Mas) -> None:
    started = roots.start(mas, team=False)
    (started.workspace / f".session.{os.getpid()}-0a1b2c3d.tmp").touch()
    (mas.root.sessions / f"..sessions.index.{os.getpid()}-0a1b2c3d.tmp").touch()
    assert doctor.mend(mas).findings == ()


# --- so many at once ---


def test_many_missing_directories_are_rather_a_missing_disk(mas: Mas, tmp_path: Path) -> None:
    ids = [roots.start(mas, team=False).session.session_id for _ in range(4)]
    for session_id in ids[1:]:
        mas.root.session(session_id).directory.rename(tmp_path / session_id)
    with pytest.raises(MasError, match="the directories of 3 sessions are missing at once") as raised:
        doctor.mend(mas)
    assert raised.value.hint == "is a disk not mounted? `mas doctor --fix --force` gives them up all the same"
    assert len(mas.rows()) == 4
    for session_id in ids[1:]:
        (tmp_path / session_id).rename(mas.root.session(session_id).directory)
    assert doctor.mend(mas).findings == ()


def test_by_force_they_are_given_up(mas: Mas, tmux_socket: Path) -> None:
    for session_id in [roots.start(mas, team=False).session.session_id for _ in range(4)][1:]:
        shutil.rmtree(mas.root.session(session_id).directory)
    assert doctor.mend(mas, force=True).remaining == ()
    assert len(mas.rows()) == 1
    assert list(roots.violations(mas, tmux_socket)) == []


def test_where_all_of_it_is_missing_no_team_is_ended(mas: Mas, tmux_socket: Path, tmp_path: Path) -> None:
    """As when the disk with the sessions is not mounted while a single team is up."""
    session_id = roots.start(mas).session.session_id
    mas.root.sessions.rename(tmp_path / "unmounted")
    with pytest.raises(MasError, match="the directories of 1 sessions are missing at once"):
        doctor.mend(mas)
    assert list(roots.teams(tmux_socket, mas.root)) == [session_id]
    shutil.rmtree(mas.root.sessions, ignore_errors=True)
    (tmp_path / "unmounted").rename(mas.root.sessions)
    assert doctor.mend(mas).findings == ()


# --- other roots ---


def test_a_root_in_which_nothing_ever_was_is_clean(root: Root, tmux_socket: Path) -> None:
    del tmux_socket
    mas = roots.mas_of(root)
    assert doctor.look(mas).findings == ()
    assert doctor.mend(mas).findings == ()
    assert not root.path.exists()


def test_a_root_of_records_only_is_looked_at_as_one(repo: Path, tmux_socket: Path) -> None:
    """It has neither rows nor anything for a shell."""
    del tmux_socket
    root = Root(repo / ".flow" / "maestro", maestro=True)
    mas = roots.mas_of(root)
    manager = SessionManager(repo, storage=mas.storage)
    session_id = manager.create_session("Build it").session_id
    (root.sessions / "test-session-123").mkdir()
    (root.sessions / "test-session-123" / "checkpoints.json").write_text("{}")
    assert [one.problem for one in doctor.look(mas).findings] == ["foreign_directory"]
    tear_log(mas, session_id, Path())
    assert {one.problem for one in doctor.look(mas).remaining} == {"torn"}
    assert doctor.mend(mas).remaining == ()
    assert not root.index.exists()


def test_where_no_lock_can_be_taken_nothing_is_mended_and_it_is_told_why(mas: Mas, tmp_path: Path) -> None:
    """As where its directory is a link: who came by another name would hold another lock."""
    session_id = roots.start(mas, team=False).session.session_id
    mas.root.session(session_id).shell.unlink()
    mas.root.locks.rename(tmp_path / "elsewhere")
    mas.root.locks.symlink_to(tmp_path / "elsewhere")
    report = doctor.mend(mas)
    assert [one.problem for one in report.remaining] == ["redirected", "shell"]
    assert "locks' is not a directory of its own" in report.mended[report.remaining[1]]


def test_a_root_that_everybody_can_write_to_is_left_to_a_person(mas: Mas) -> None:
    roots.start(mas, team=False)
    mas.root.path.chmod(0o777)
    (found,) = doctor.mend(mas).remaining
    assert (found.problem, found.text) == ("exposed", f"'{mas.root.path}' is not safe: everybody can write to it")
    assert found.remedy == f"`chmod go-w '{mas.root.path}'`, or choose another place with --root"


def test_an_index_keeps_what_others_added_where_its_sessions_are_known(mas: Mas) -> None:
    session_id = roots.start(mas, team=False).session.session_id
    data = json.loads(mas.root.index.read_text())
    data["sessions"][0]["colour"] = "green"
    mas.root.index.write_text(json.dumps(data))
    assert doctor.mend(mas).remaining == ()
    row = mas.row(session_id)
    assert row is not None
    assert row["colour"] == "green"
    assert row["status"] == "stopped"


def test_a_refusal_is_told_and_the_rest_mended(mas: Mas, tmp_path: Path) -> None:
    """Messages that cannot be set aside: a file is in the place of the directory that would keep them."""
    session_id = roots.start(mas, team=False).session.session_id
    garble_messages(mas, session_id, tmp_path)
    mas.root.session(session_id).quarantine.touch(0o600)
    open_modes(mas, session_id, tmp_path)
    report = doctor.mend(mas)
    (left,) = report.remaining
    assert (left.problem, left.action) == ("messages", "set_messages_aside")
    assert "quarantine" in report.mended[left]
    assert {one.problem for one, how in report.mended.items() if not how} >= {"modes"}
