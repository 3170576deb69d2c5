"""A team in the project's own directories: in place, one at a time, one record a name. On the real tmux."""

import json
import multiprocessing
import os
import pickle
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import projects
import pytest
import roots

from mas import doctor, files, legacy, naming, notes, retrying
from mas.app import Mas
from mas.errors import (
    CapacityError,
    DamagedError,
    ExistsError,
    MasError,
    NotFoundError,
    OccupiedError,
    RefusedError,
    UsageError,
)
from mas.lifecycle import SessionStatus
from mas.paths import Root
from mas.planning import StartOptions
from mas.record import runtime_of

Wait = Callable[..., None]
GIVEN = "0f0f0f0f-1111-4222-8333-444444444444"
OPTIONS = StartOptions(mode="legacy", command=roots.WAITING)


@pytest.fixture
def mas(root: Root, tmux_socket: Path) -> Mas:
    """A project, on a server that outlives its teams."""
    roots.tmux(tmux_socket, "-f", os.devnull, "new-session", "-d", "-s", "bystander", "cat")
    return projects.project(root)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[roots.FakeTmux]:
    made = roots.FakeTmux(tmp_path / "programs")
    monkeypatch.setenv("PATH", f"{made.directory}:{os.environ['PATH']}")
    yield made
    made.away()


def tree(place: Path) -> set[str]:
    """Everything below a directory but its sessions."""
    return {str(path.relative_to(place)) for path in place.rglob("*") if "sessions" not in path.parts}


# --- what a start makes ---


def test_a_team_comes_up_in_place(mas: Mas, tmux_socket: Path) -> None:
    before = tree(mas.root.path)
    started = projects.start(mas)
    assert (started.tmux_name, started.workspace) == ("mas-tmux", mas.root.path)
    rows = roots.tmux(tmux_socket, "list-panes", "-s", "-t", "=mas-tmux", "-F", "#{@mas_agent} #{pane_current_path}")
    assert rows == [f"{one} {mas.root.path}/unit/{one}" for one in ("10", "11")]
    assert tree(mas.root.path) - before == {".mas_session"}
    inside = {path.name for path in mas.root.session(started.session.session_id).directory.iterdir()}
    assert inside == {".session", "config.json", "events.jsonl", "logs", "metadata.json"}
    assert list(doctor.look(mas).findings) == []


def test_its_panes_know_where_they_are(mas: Mas, tmux_socket: Path) -> None:
    started = projects.start(mas)
    (pid,) = roots.tmux(tmux_socket, "display-message", "-p", "-t", "=mas-tmux:", "#{pane_pid}")
    entries = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    environ = dict(entry.split("=", 1) for entry in entries if entry)
    directory = str(mas.root.session(started.session.session_id).directory)
    for name, value in {
        "MAS_SESSION_MODE": "legacy",
        "MAS_SESSION_ID": started.session.session_id,
        "MAS_SESSION_NAME": "mas-tmux",
        "SESSION_NAME": "mas-tmux",
        "UNIT_DIR": f"{mas.root.path}/unit",
        "WORKFLOWS_DIR": f"{mas.root.path}/workflows",
        "SESSION_DIR": directory,
        "MAS_AGENT_ID": "10",
    }.items():
        assert environ[name] == value
    told = mas.environment_of(started.session.session_id)
    assert {name: value for name, value in environ.items() if name in told} == told


def test_what_scripts_read_says_the_same(mas: Mas) -> None:
    session_id = projects.start(mas).session.session_id
    assert notes.name_in(mas.cwd) == "mas-tmux"
    view = mas.view(session_id)
    assert (view.mode, view.status, view.working_dir) == ("legacy", "active", str(mas.root.path))
    shell = mas.root.session(session_id).shell.read_text()
    assert "MAS_SESSION_MODE=legacy\n" in shell
    assert f"UNIT_DIR='{mas.root.path}/unit'\n" in shell


@pytest.mark.parametrize(
    ("masrc", "name"),
    [
        ("", "mas-tmux"),
        ("PROJECT_NAME='my shop!'\n", "mas-my-shop-"),
        ("PROJECT_NAME=shop\nPROJECT_SESSION_NAME=mas-other\n", "mas-other"),
        ('PROJECT_NAME=""\nWORKSPACE_ROOT=""\n', "mas-tmux"),
        ('{"version":"2.0.0","project_name":"shop","session_name":"mas-shop","created_at":"2025-11-01"}', "mas-shop"),
        ('{"project_name":"a.b:c"}', "mas-a-b-c"),
        ("PROJECT_SESSION_NAME=team\n", "team"),
    ],
)
def test_the_name_is_the_projects(root: Root, tmux_socket: Path, masrc: str, name: str) -> None:
    mas = projects.project(root, masrc=masrc)
    assert projects.start(mas).tmux_name == name
    assert roots.teams(tmux_socket, root) == {mas.resolve(): name}


def test_a_team_may_have_no_team_toml(mas: Mas) -> None:
    (mas.root.path / "team.toml").unlink()
    (mas.root.path / "unit" / "00").mkdir()
    assert projects.start(mas).team.ids == ("00", "10", "11")


def test_what_is_in_the_directories_does_not_matter(mas: Mas) -> None:
    """Nothing is copied, so links, pipes and large trees are nobody's business."""
    (mas.root.path / "unit" / "10" / "link").symlink_to("/")
    os.mkfifo(mas.root.path / "unit" / "10" / "pipe")
    assert projects.start(mas).tmux_name == "mas-tmux"


def test_a_configuration_is_kept_with_the_record(mas: Mas) -> None:
    started = projects.start(mas, config={"units": [{"manager": {"id": "10", "name": "Ada"}}]})
    assert started.team.agent("10").name == "Ada"
    stored = json.loads(mas.root.session(started.session.session_id).config.read_text())
    assert stored["units"] == [{"manager": {"id": "10", "name": "Ada"}}]


# --- one record a name ---


def test_the_next_start_takes_the_same_record_up(mas: Mas) -> None:
    first = projects.start(mas, label="shop", request="Sell.").session
    mas.manager.start_session(first.session_id)
    mas.stop(first.session_id, grace=0)
    assert not (mas.cwd / notes.FILE).exists()
    again = projects.start(mas)
    assert again.session.session_id == first.session_id
    assert (again.session.label, again.session.feature_request) == ("shop", "Sell.")
    assert again.session.status is SessionStatus.PLANNING
    mas.stop(first.session_id, grace=0)
    new = projects.start(mas, label="market", request="Buy.", config={"units": []})
    assert (new.session.session_id, new.session.label, new.session.feature_request) == (
        first.session_id,
        "market",
        "Buy.",
    )
    assert len(mas.rows()) == 1
    assert list(doctor.look(mas).findings) == []


def test_work_that_has_ended_is_not_taken_up(mas: Mas) -> None:
    first = projects.start(mas).session.session_id
    mas.manager.transition_state(first, "failed")
    mas.stop(first, grace=0)
    second = projects.start(mas).session
    assert second.session_id != first
    assert second.status is SessionStatus.INITIALIZING
    assert mas.view(first).status == "stopped"


def test_each_name_has_its_own_record(mas: Mas) -> None:
    first = projects.start(mas).session.session_id
    mas.stop(first, grace=0)
    (mas.root.path / ".masrc").write_text("PROJECT_NAME=shop\n")
    second = projects.start(mas).session.session_id
    mas.stop(second, grace=0)
    (mas.root.path / ".masrc").unlink()
    assert projects.start(mas).session.session_id == first != second


def test_a_record_whose_directory_is_gone_is_not_taken_up(mas: Mas) -> None:
    first = projects.start(mas).session.session_id
    mas.stop(first, grace=0)
    shutil.rmtree(mas.root.session(first).directory)
    assert projects.start(mas).session.session_id != first


def test_a_damaged_record_is_not_passed_over(mas: Mas) -> None:
    first = projects.start(mas).session.session_id
    mas.stop(first, grace=0)
    mas.root.session(first).log.write_text("nothing of it is left\n")
    mas.root.session(first).snapshot.write_text("{")
    with pytest.raises(DamagedError):
        mas.plan(OPTIONS)


def test_an_id_may_be_given_to_the_first_record(mas: Mas) -> None:
    assert projects.start(mas, session_id=GIVEN).session.session_id == GIVEN
    mas.stop(GIVEN, grace=0)
    assert projects.start(mas, session_id=GIVEN).session.session_id == GIVEN
    mas.stop(GIVEN, grace=0)
    with pytest.raises(RefusedError, match=f"session mas-tmux has the id {GIVEN}, not "):
        projects.start(mas, session_id=GIVEN.replace("0f", "1f"))


def test_a_label_belongs_to_one_session(mas: Mas) -> None:
    roots.start(mas, label="shop")
    with pytest.raises(ExistsError, match="the label 'shop' is taken"):
        mas.plan(StartOptions(mode="legacy", label="shop"))


# --- one at a time ---


def test_a_team_that_is_up_is_in_the_way(mas: Mas) -> None:
    started = projects.start(mas)
    with pytest.raises(OccupiedError, match="session mas-tmux is up, and only one team at a time works in") as refused:
        mas.plan(OPTIONS)
    assert (refused.value.name, refused.value.session_id) == ("mas-tmux", started.session.session_id)
    assert refused.value.hint == "`mas attach mas-tmux`, or `mas stop mas-tmux` first"
    assert isinstance(refused.value, ExistsError)
    assert str(pickle.loads(pickle.dumps(refused.value))) == str(refused.value)  # noqa: S301
    with pytest.raises(OccupiedError):
        mas.resume(started.session.session_id)


def test_one_that_came_up_meanwhile_is_in_the_way_too(mas: Mas, tmux_socket: Path) -> None:
    plan = mas.plan(OPTIONS)
    first = projects.start(mas).session.session_id
    with pytest.raises(OccupiedError):
        mas.start(plan)
    assert roots.teams(tmux_socket, mas.root) == {first: "mas-tmux"}
    assert [row["sessionId"] for row in mas.rows()] == [first]


def test_a_team_of_another_name_is_in_the_way(mas: Mas) -> None:
    first = projects.start(mas).session.session_id
    (mas.root.path / ".masrc").write_text("PROJECT_NAME=shop\n")
    with pytest.raises(OccupiedError) as refused:
        mas.plan(OPTIONS)
    assert (refused.value.name, refused.value.session_id) == ("mas-tmux", first)


def test_a_team_on_another_server_is_in_the_way(mas: Mas, tmux_socket: Path) -> None:
    started = projects.start(mas)
    socket = tmux_socket.with_name("elsewhere")
    there = projects.seen_from(mas.cwd, mas.root, {**os.environ, "MAS_TMUX_SOCKET": str(socket)})
    with pytest.raises(OccupiedError) as refused:
        there.plan(OPTIONS)
    assert refused.value.session_id == started.session.session_id


@pytest.mark.parametrize("name", ["mas-tmux", "mas-old"])
def test_an_earlier_programs_team_is_in_the_way(mas: Mas, tmux_socket: Path, name: str) -> None:
    projects.old_team(tmux_socket, name)
    notes.leave(mas.cwd, name, mas.root.path)
    with pytest.raises(OccupiedError) as refused:
        mas.plan(OPTIONS)
    assert (refused.value.name, refused.value.session_id) == (name, "")


def test_a_note_does_not_make_a_team_of_anything(mas: Mas) -> None:
    notes.leave(mas.cwd, "bystander", mas.root.path)
    assert projects.start(mas).tmux_name == "mas-tmux"


def test_what_a_script_made_under_the_name_is_in_the_way(mas: Mas, tmux_socket: Path) -> None:
    projects.old_team(tmux_socket)
    roots.tmux(tmux_socket, "set-option", "-t", "=mas-tmux:", "@mas_root", str(mas.root.path))
    with pytest.raises(OccupiedError):
        mas.plan(OPTIONS)


def test_another_roots_team_of_that_name_is_not_taken_for_ours(mas: Mas, tmp_path: Path) -> None:
    projects.start(projects.project(Root(tmp_path / "another root")))
    with pytest.raises(RefusedError, match=r"the tmux session mas-tmux belongs to .*another root") as refused:
        mas.plan(OPTIONS)
    assert "PROJECT_SESSION_NAME" in str(refused.value.hint)
    (mas.root.path / ".masrc").write_text("PROJECT_NAME=shop\n")
    assert projects.start(mas).tmux_name == "mas-shop"


def test_teams_with_a_workspace_are_not_in_the_way(mas: Mas, tmux_socket: Path) -> None:
    own = roots.start(mas).session.session_id
    shared = projects.start(mas).session.session_id
    other = roots.start(mas).session.session_id
    assert set(roots.teams(tmux_socket, mas.root)) == {own, shared, other}
    modes = {view.session_id: view.mode for view in mas.list().views}
    assert modes == {own: "isolated", shared: "legacy", other: "isolated"}


def race(root: Root, results: "multiprocessing.Queue[str]") -> None:
    mas = projects.seen_from(root.path, root)
    try:
        results.put(projects.start(mas).session.session_id)
    except OccupiedError as occupied:
        results.put(f"occupied {occupied.session_id}")
    except MasError as error:
        results.put(repr(error))


def test_of_many_that_start_at_once_one_wins_and_the_others_hear_of_it(mas: Mas, tmux_socket: Path) -> None:
    context = multiprocessing.get_context("fork")
    results: multiprocessing.Queue[str] = context.Queue()
    racers = [context.Process(target=race, args=(mas.root, results)) for _ in range(5)]
    for one in racers:
        one.start()
    said = sorted(results.get(timeout=60) for _ in racers)
    for one in racers:
        one.join(timeout=10)
    (winner,) = roots.teams(tmux_socket, mas.root)
    assert said == sorted([winner, *[f"occupied {winner}"] * 4])
    assert [row["sessionId"] for row in mas.rows()] == [winner]
    assert list(doctor.look(mas).findings) == []


# --- what is refused ---


@pytest.mark.usefixtures("tmux_socket")
def test_without_directories_of_its_own_two_ways_on_are_told(root: Root) -> None:
    mas = roots.mas_of(root)
    with pytest.raises(RefusedError, match=r"there is no unit/ in .* to start a team in") as refused:
        mas.plan(OPTIONS)
    assert refused.value.hint == "`mas init` makes one here, `mas start --isolated` a workspace of its own"
    assert not root.path.exists()


@pytest.mark.parametrize("wanted", [{"template": "duo"}, {"team": False}])
def test_what_belongs_to_a_workspace_is_refused(mas: Mas, wanted: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="was asked for, in the root's own directories"):
        projects.start(mas, **wanted)
    assert mas.rows() == []


def test_an_agent_without_a_directory_is_refused(mas: Mas) -> None:
    shutil.rmtree(mas.root.path / "unit" / "11")
    with pytest.raises(RefusedError, match=r"agent 11 of the team has no directory .*/unit/11") as refused:
        mas.plan(OPTIONS)
    assert refused.value.hint == "make it, or take the agent out of team.toml"
    assert mas.rows() == []


@pytest.mark.usefixtures("tmux_socket")
def test_a_unit_without_an_agent_is_refused(root: Root) -> None:
    (root.path / "unit" / "somebody").mkdir(parents=True)
    with pytest.raises(RefusedError, match=r"neither team\.toml nor an agent's directory"):
        roots.mas_of(root).plan(OPTIONS)


def test_a_place_for_the_note_is_needed(mas: Mas) -> None:
    at_proc = projects.seen_from(Path("/proc/self"), mas.root)
    with pytest.raises(RefusedError, match=r"cannot be written to, so no \.mas_session can be left there"):
        at_proc.plan(OPTIONS)


def test_there_has_to_be_room(mas: Mas, tmux_socket: Path) -> None:
    pid = int(roots.tmux(tmux_socket, "display-message", "-p", "#{pid}")[0])
    limit = len(list(Path(f"/proc/{pid}/fd").iterdir())) + 10
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, limit))
    with pytest.raises(CapacityError, match="capacity: 2 panes are needed"):
        mas.plan(OPTIONS)


# --- what fails is undone ---


def test_a_first_start_that_fails_leaves_nothing(mas: Mas, fake: roots.FakeTmux, tmux_socket: Path) -> None:
    before = tree(mas.root.path)
    plan = mas.plan(OPTIONS)
    fake.instead("echo 'no space for new pane' >&2; exit 1", of=2, once=True)
    with pytest.raises(MasError, match="nothing of the new session is left"):
        mas.start(plan)
    assert roots.teams(tmux_socket, mas.root) == {}
    assert tree(mas.root.path) == before
    assert [*mas.rows(), *roots.launched(mas)] == []


def test_a_later_start_that_fails_leaves_the_record_as_stopped(
    mas: Mas, fake: roots.FakeTmux, tmux_socket: Path
) -> None:
    session_id = projects.start(mas).session.session_id
    mas.stop(session_id, grace=0)
    plan = mas.plan(OPTIONS)
    before = len(mas.manager.get_session(session_id).document)
    fake.instead("echo 'no space for new pane' >&2; exit 1", of=2, once=True)
    with pytest.raises(MasError, match="no space for new pane"):
        mas.start(plan)
    fake.away()
    document = mas.manager.get_session(session_id).document
    assert (runtime_of(document)["wanted"], runtime_of(document)["observed"]) == ("down", "down")
    assert (len(document), roots.teams(tmux_socket, mas.root)) == (before, {})
    assert list(doctor.look(mas).findings) == []
    assert projects.start(mas).session.session_id == session_id


def test_a_note_that_cannot_be_written_undoes_the_start(mas: Mas, tmux_socket: Path) -> None:
    plan = mas.plan(OPTIONS)
    (mas.cwd / notes.FILE).mkdir()
    with pytest.raises(DamagedError, match="no regular file"):
        mas.start(plan)
    assert (roots.teams(tmux_socket, mas.root), mas.rows()) == ({}, [])


def test_a_record_that_went_away_meanwhile_is_not_made_again(mas: Mas) -> None:
    session_id = projects.start(mas).session.session_id
    mas.stop(session_id, grace=0)
    plan = mas.plan(OPTIONS)
    mas.remove(session_id)
    with pytest.raises(NotFoundError):
        mas.start(plan)
    assert mas.rows() == []


# --- stop, resume, remove ---


def test_a_stop_takes_the_note_away_where_it_was_left(mas: Mas, tmp_path: Path) -> None:
    here = projects.seen_from(tmp_path, mas.root)
    session_id = projects.start(here).session.session_id
    assert notes.name_in(tmp_path) == "mas-tmux"
    assert not (mas.root.path / notes.FILE).exists()
    mas.stop(session_id, grace=0)
    assert not (tmp_path / notes.FILE).exists()


def test_a_stop_leaves_the_note_of_another_team(mas: Mas) -> None:
    session_id = projects.start(mas).session.session_id
    notes.leave(mas.cwd, "mas-other", mas.root.path)
    mas.stop(session_id, grace=0)
    assert notes.name_in(mas.cwd) == "mas-other"


def test_a_stop_ends_all_of_the_team_and_leaves_the_directories(mas: Mas, tmux_socket: Path) -> None:
    before = tree(mas.root.path)
    session_id = projects.start(mas).session.session_id
    assert mas.stop(session_id, grace=0).was_up
    assert (roots.teams(tmux_socket, mas.root), roots.launched(mas)) == ({}, {})
    assert tree(mas.root.path) == before


def test_a_stopped_team_is_brought_back(mas: Mas, tmp_path: Path) -> None:
    here = projects.seen_from(tmp_path, mas.root)
    session_id = projects.start(here).session.session_id
    roots.tmux(Path(os.environ["MAS_TMUX_SOCKET"]), "kill-server")
    resumed = mas.resume(session_id)
    assert (resumed.tmux_name, resumed.workspace) == ("mas-tmux", mas.root.path)
    assert notes.name_in(tmp_path) == "mas-tmux"


def test_the_note_of_a_place_that_is_gone_is_left_in_the_root(mas: Mas, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    session_id = projects.start(projects.seen_from(tmp_path / "gone", mas.root)).session.session_id
    mas.stop(session_id, grace=0)
    (tmp_path / "gone").rmdir()
    mas.resume(session_id)
    assert notes.name_in(mas.root.path) == "mas-tmux"


def test_a_record_is_removed_and_the_directories_stay(mas: Mas) -> None:
    before = tree(mas.root.path)
    session_id = projects.start(mas).session.session_id
    mas.remove(session_id, force=True)
    assert mas.rows() == []
    assert tree(mas.root.path) == before


def test_a_child_has_a_copy_of_the_directories(mas: Mas) -> None:
    session_id = projects.start(mas).session.session_id
    (mas.root.path / "unit" / "10" / "work").write_text("half done")
    child = retrying.retry(mas, session_id, manager=mas.manager, start=True)
    assert child.mode == "isolated"
    assert (mas.root.session(child.session_id).unit / "10" / "work").read_text() == "half done"
    assert {view.status for view in mas.list().views} == {"active"}


# --- modes, back and forth ---


def test_nothing_is_lost_between_the_modes(mas: Mas) -> None:
    shared = projects.start(mas).session.session_id
    (mas.root.path / "unit" / "10" / "work").write_text("shared")
    mas.stop(shared, grace=0)
    own = mas.start(mas.plan(StartOptions(command=roots.WAITING)))
    copied = own.workspace / "unit" / "10" / "work"
    assert copied.read_text() == "shared"
    copied.write_text("its own")
    mas.stop(own.session.session_id, grace=0)
    assert projects.start(mas).session.session_id == shared
    assert (mas.root.path / "unit" / "10" / "work").read_text() == "shared"
    mas.resume(own.session.session_id)
    assert copied.read_text() == "its own"
    assert {view.status for view in mas.list().views} == {"active"}


def test_the_environment_of_one_team_does_not_reach_the_next(root: Root, tmux_socket: Path) -> None:
    """On a server that the first team's start has brought up."""
    mas = projects.project(root, {**os.environ, "MAS_SESSION_ID": GIVEN, "UNIT_DIR": "/elsewhere"})
    shared = projects.start(mas)
    own = roots.start(mas)
    roots.tmux(tmux_socket, "new-session", "-d", "-s", "bystander", "cat")
    shown = roots.tmux(tmux_socket, "show-environment", "-g")
    ours = ("MAS_", "UNIT_DIR", "WORKFLOWS_DIR", "SESSION_NAME", "SESSION_DIR")
    assert [line for line in shown if line.startswith(ours)] == []
    seen = {}
    for name in (shared.tmux_name, own.tmux_name, "bystander"):
        (pid,) = roots.tmux(tmux_socket, "display-message", "-p", "-t", f"={name}:", "#{pane_pid}")
        entries = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
        seen[name] = {entry.partition("=")[0]: entry.partition("=")[2] for entry in entries}
    assert seen[shared.tmux_name]["UNIT_DIR"] == f"{root.path}/unit"
    assert seen[own.tmux_name]["UNIT_DIR"] == f"{own.workspace}/unit"
    assert seen[own.tmux_name]["MAS_SESSION_ID"] == own.session.session_id
    assert [name for name in seen["bystander"] if name.startswith(ours)] == []


# --- its parts ---


@pytest.mark.parametrize(
    ("session", "project", "name"),
    [
        ("", "", "mas-tmux"),
        ("", "a b/c", "mas-a-b-c"),
        ("x.y", "z", "x-y"),
        ("", "日本", "mas---"),
        ("", "_-9", "mas-_-9"),
    ],
)
def test_names_are_made_fit_for_tmux(session: str, project: str, name: str) -> None:
    assert naming.shared_name(session, project) == name


def test_a_start_waits_for_another_in_the_same_directories(mas: Mas) -> None:
    document = mas.plan(OPTIONS).document
    with legacy.alone(mas, document):
        assert files.is_locked(mas.root.shared_lock) is False  # by us: it is re-entrant
        assert mas.root.shared_lock.exists()
    own = roots.start(mas).session.document
    mas.root.shared_lock.unlink()
    with legacy.alone(mas, own):
        assert not mas.root.shared_lock.exists()
