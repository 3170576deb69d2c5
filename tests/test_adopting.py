"""A team that runs already is taken in: recorded, stamped, and otherwise left as it is. On the real tmux."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import projects
import pytest
import roots

from mas import adopting, doctor, notes, tmux, workspace
from mas.app import Mas
from mas.errors import MasError, NotFoundError, OccupiedError, RefusedError, UnknownStateError
from mas.messages import Address
from mas.paths import Root
from mas.record import runtime_of
from mas.team import Agent, Team, Unit

Wait = Callable[..., None]


@pytest.fixture
def mas(root: Root, tmux_socket: Path) -> Mas:
    """A project, on a server with a session that is nobody's business."""
    roots.tmux(tmux_socket, "-f", os.devnull, "new-session", "-d", "-s", "bystander", "cat")
    return projects.project(root)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[roots.FakeTmux]:
    made = roots.FakeTmux(tmp_path / "programs")
    monkeypatch.setenv("PATH", f"{made.directory}:{os.environ['PATH']}")
    yield made
    made.away()


def rows(socket: Path, what: str = "#{session_name} #{@mas_session} #{@mas_agent}") -> list[str]:
    return [line for line in roots.tmux(socket, "list-panes", "-a", "-F", what) if line.startswith("mas-")]


# --- in the project's own directories ---


def test_a_team_that_runs_is_taken_in(mas: Mas, tmux_socket: Path) -> None:
    projects.old_team(tmux_socket)
    pids = rows(tmux_socket, "mas- #{pane_pid}")
    adopted = mas.adopt("mas-tmux")
    session_id = adopted.session.session_id
    assert rows(tmux_socket) == [f"mas-tmux {session_id} 10", f"mas-tmux {session_id} 11"]
    assert rows(tmux_socket, "mas- #{pane_pid}") == pids
    assert (adopted.tmux_name, adopted.workspace, adopted.unknown) == ("mas-tmux", mas.root.path, ())
    assert sorted(adopted.agents.values()) == ["10", "11"]
    view = mas.view(session_id)
    assert (view.mode, view.status, view.agent_count) == ("legacy", "active", 2)
    assert [one.session_id for one in mas.list().views] == [session_id]
    assert mas.resolve() == mas.resolve("mas-tmux") == session_id
    assert list(doctor.look(mas).findings) == []
    assert sorted(path.name for path in mas.root.session(session_id).directory.iterdir()) == [
        ".session",
        "config.json",
        "events.jsonl",
        "logs",
        "metadata.json",
    ]


def test_its_agents_get_messages(mas: Mas, tmux_socket: Path, wait_until: Wait) -> None:
    projects.old_team(tmux_socket)
    adopted = mas.adopt("mas-tmux")
    message = mas.send(adopted.session.session_id, Address("11", "hello there"))
    assert message.fates["11"].outcome == "submitted"
    pane = next(pane for pane, agent_id in adopted.agents.items() if agent_id == "11")
    wait_until(lambda: "hello there" in roots.tmux(tmux_socket, "capture-pane", "-p", "-t", pane))


def test_it_is_stopped_and_comes_up_again_like_any_other(mas: Mas, tmux_socket: Path) -> None:
    projects.old_team(tmux_socket)
    notes.leave(mas.cwd, "mas-tmux", mas.root.path)
    session_id = mas.adopt("mas-tmux").session.session_id
    assert mas.stop(session_id, grace=0).was_up
    assert rows(tmux_socket) == []
    assert not (mas.cwd / notes.FILE).exists()
    assert mas.resume(session_id).tmux_name == "mas-tmux"
    mas.stop(session_id, grace=0)
    assert projects.start(mas).session.session_id == session_id


def test_the_record_of_that_name_is_taken_up(mas: Mas, tmux_socket: Path) -> None:
    session_id = projects.start(mas, label="shop").session.session_id
    mas.stop(session_id, grace=0)
    projects.old_team(tmux_socket)
    adopted = mas.adopt("mas-tmux").session
    assert (adopted.session_id, adopted.label) == (session_id, "shop")
    assert mas.view(session_id).status == "active"


@pytest.mark.parametrize("masrc", ["", "PROJECT_NAME=shop\n", "PROJECT_SESSION_NAME=team\n"])
def test_without_a_name_it_is_the_projects_own(root: Root, tmux_socket: Path, masrc: str) -> None:
    mas = projects.project(root, masrc=masrc)
    name = {"": "mas-tmux", "PROJECT_NAME=shop\n": "mas-shop"}.get(masrc, "team")
    projects.old_team(tmux_socket, name)
    projects.old_team(tmux_socket, "mas-another")
    assert mas.adopt().tmux_name == name


def test_without_a_name_the_projects_note_names_it(mas: Mas, tmux_socket: Path) -> None:
    projects.old_team(tmux_socket)
    projects.old_team(tmux_socket, "mas-noted")
    notes.leave(mas.cwd, "mas-noted", mas.root.path)
    assert mas.adopt().tmux_name == "mas-noted"
    assert notes.name_in(mas.cwd) == "mas-noted"


# --- in a workspace ---


def test_a_workspace_is_made_for_it(mas: Mas, tmux_socket: Path) -> None:
    projects.old_team(tmux_socket)
    (mas.root.path / "unit" / "10" / "work").write_text("half done")
    (mas.root.path / "unit" / "10" / "link").symlink_to("work")
    (mas.root.path / "unit" / "notes.txt").write_text("of all")
    adopted = mas.adopt("mas-tmux", isolated=True)
    session_id, place = adopted.session.session_id, adopted.workspace
    assert place == mas.root.sessions / session_id
    assert (place / "unit" / "10" / "work").read_text() == "half done"
    assert (place / "unit" / "10" / "link").readlink() == Path("work")
    assert (place / "unit" / "notes.txt").read_text() == "of all"
    assert (place / "workflows" / "10_guide.md").is_file()
    view = mas.view(session_id)
    assert (view.mode, view.status, view.tmux_name) == ("isolated", "active", "mas-tmux")
    assert list(doctor.look(mas).findings) == []


def test_its_team_comes_up_in_the_workspace_and_gives_the_name_back(mas: Mas, tmux_socket: Path) -> None:
    projects.old_team(tmux_socket)
    adopted = mas.adopt("mas-tmux", isolated=True)
    session_id = adopted.session.session_id
    with pytest.raises(OccupiedError):
        projects.start(mas)
    mas.stop(session_id, grace=0)
    resumed = mas.resume(session_id)
    assert resumed.tmux_name == f"mas-{session_id[:8]}"
    directories = roots.tmux(tmux_socket, "list-panes", "-s", "-t", f"={resumed.tmux_name}", "-F", "#{pane_start_path}")
    assert directories == [f"{adopted.workspace}/unit/{one}" for one in ("10", "11")]
    assert projects.start(mas).tmux_name == "mas-tmux"


def test_workflows_may_be_missing(mas: Mas, tmux_socket: Path) -> None:
    (mas.root.path / "workflows" / "10_guide.md").unlink()
    (mas.root.path / "workflows").rmdir()
    projects.old_team(tmux_socket)
    assert list((mas.adopt("mas-tmux", isolated=True).workspace / "workflows").iterdir()) == []


# --- what is refused ---


@pytest.mark.parametrize("name", ["mas-tm", "mas-tmux2", "tmux", None])
def test_a_team_is_named_in_full(root: Root, tmux_socket: Path, name: str | None) -> None:
    mas = projects.project(root, masrc="PROJECT_NAME=shop\n")
    projects.old_team(tmux_socket)
    with pytest.raises(NotFoundError, match=f"no tmux session is called '{name or 'mas-shop'}'") as refused:
        mas.adopt(name)
    assert refused.value.hint == "not registered are: mas-tmux"
    assert mas.rows() == []


def test_where_all_are_registered_that_is_said(mas: Mas) -> None:
    projects.start(mas)
    with pytest.raises(NotFoundError) as refused:
        mas.adopt("mas-other")
    assert refused.value.hint == "`mas list` shows what runs; all of it is registered"


def test_what_is_registered_is_not_taken_in_again(mas: Mas, tmux_socket: Path) -> None:
    projects.old_team(tmux_socket)
    session_id = mas.adopt("mas-tmux").session.session_id
    for name in ("mas-tmux", None):
        with pytest.raises(RefusedError, match=f"mas-tmux is registered: it is session {session_id}") as refused:
            mas.adopt(name, isolated=True)
        assert refused.value.hint == f"`mas show {session_id[:8]}`"


def test_another_roots_team_is_refused(mas: Mas, tmux_socket: Path, tmp_path: Path) -> None:
    projects.start(projects.project(Root(tmp_path / "another root")))
    with pytest.raises(RefusedError, match=r"mas-tmux belongs to .*another root"):
        mas.adopt("mas-tmux")
    projects.old_team(tmux_socket, "mas-theirs")
    roots.tmux(tmux_socket, "set-option", "-t", "=mas-theirs:", "@mas_root", "/elsewhere")
    with pytest.raises(RefusedError, match="mas-theirs belongs to '/elsewhere'"):
        mas.adopt("mas-theirs")


def test_what_a_script_made_for_this_root_is_taken_in(mas: Mas, tmux_socket: Path) -> None:
    projects.old_team(tmux_socket)
    roots.tmux(tmux_socket, "set-option", "-t", "=mas-tmux:", "@mas_root", str(mas.root.path))
    assert mas.adopt("mas-tmux").session.mode == "legacy"


def test_what_is_no_team_by_its_name_is_refused(mas: Mas) -> None:
    with pytest.raises(RefusedError, match="'bystander' is not called as a team is, mas-…"):
        mas.adopt("bystander")


def test_directories_are_needed(root: Root, tmux_socket: Path) -> None:
    projects.old_team(tmux_socket)
    with pytest.raises(RefusedError, match=r"there is no unit/ in"):
        roots.mas_of(root).adopt("mas-tmux")
    assert not root.path.exists()


# --- what fails is undone ---


@pytest.mark.parametrize("isolated", [False, True])
def test_a_team_that_cannot_be_stamped_is_left_alone(
    mas: Mas, tmux_socket: Path, fake: roots.FakeTmux, *, isolated: bool
) -> None:
    projects.old_team(tmux_socket)
    before = rows(tmux_socket)
    fake.instead("exit 1", of=3, once=True)
    with pytest.raises(RefusedError, match="not what it was a moment ago"):
        mas.adopt("mas-tmux", isolated=isolated)
    assert (rows(tmux_socket), mas.rows()) == (before, [])
    assert list(doctor.look(mas).findings) == []


def test_a_record_that_was_there_stays_as_it_was(mas: Mas, tmux_socket: Path, fake: roots.FakeTmux) -> None:
    session_id = projects.start(mas).session.session_id
    mas.stop(session_id, grace=0)
    projects.old_team(tmux_socket)
    fake.instead("exit 1", of=3, once=True)
    with pytest.raises(RefusedError):
        mas.adopt("mas-tmux")
    fake.away()
    runtime = runtime_of(mas.storage.read(session_id).document)
    assert (runtime["wanted"], runtime["observed"]) == ("down", "down")
    assert mas.view(session_id).status == "stopped"
    assert list(doctor.look(mas).findings) == []


def test_where_a_stamp_may_stay_the_record_stays_too(mas: Mas, tmux_socket: Path, fake: roots.FakeTmux) -> None:
    """A stamp without a record would be taken for an orphan, and its team ended."""
    projects.old_team(tmux_socket)
    fake.instead("echo 'the server is not well' >&2; exit 1", of=4)
    with pytest.raises(UnknownStateError) as refused:
        mas.adopt("mas-tmux")
    fake.away()
    (row,) = mas.rows()
    assert refused.value.__notes__[0].startswith(f"session {row['sessionId']} is left over")
    assert rows(tmux_socket)[0] == f"mas-tmux {row['sessionId']} 10"
    assert [one.problem for one in doctor.look(mas).findings] == ["half_started"]
    assert doctor.mend(mas).remaining == ()
    assert mas.view(row["sessionId"]).status == "active"
    assert len(rows(tmux_socket)) == 2


def test_a_copy_that_fails_leaves_the_team_alone(mas: Mas, tmux_socket: Path) -> None:
    projects.old_team(tmux_socket)
    before = rows(tmux_socket)
    (mas.root.path / "unit" / "10" / "README.md").unlink()
    (mas.root.path / "workflows" / "10_guide.md").unlink()
    (mas.root.path / "workflows").rmdir()
    (mas.root.path / "workflows").symlink_to(mas.root.path / "unit")
    with pytest.raises(MasError, match=r"not a directory|symbolic link"):
        mas.adopt("mas-tmux", isolated=True)
    assert (rows(tmux_socket), mas.rows()) == (before, [])


@pytest.mark.parametrize("stamped", [False, True])
def test_a_crash_costs_nothing(mas: Mas, tmux_socket: Path, fake: roots.FakeTmux, *, stamped: bool) -> None:
    """Killed before or after the team was stamped."""
    projects.old_team(tmux_socket)
    fake.instead(f'{f"""{fake.real} "$@";""" if stamped else ""} kill -9 $PPID; exit 1', of=3, once=True)
    pid = os.fork()
    if not pid:
        mas.adopt("mas-tmux")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -9
    fake.away()
    before = rows(tmux_socket)
    assert doctor.mend(mas).remaining == ()
    assert rows(tmux_socket) == before
    (row,) = mas.rows()
    if not stamped:
        assert mas.adopt("mas-tmux").session.session_id == row["sessionId"]
    assert mas.view(row["sessionId"]).status == "active"


# --- which pane is whose ---


def pane(number: int, window: str, index: int) -> tmux.SeenPane:
    return tmux.SeenPane(f"%{number}", index, window, "", 1, dead=False, exit_code=None)


def team(*shape: tuple[str, str, int]) -> Team:
    units = (
        Unit(name, tuple(Agent(f"{at}{one}", "A") for one in range(count)), aliases=tuple(alias.split()))
        for at, (name, alias, count) in enumerate(shape)
    )
    return Team("t", tuple(units))


TWO = team(("meta", "meta-manager", 1), ("design", "unit1", 2))


@pytest.mark.parametrize(
    ("windows", "agents", "unknown"),
    [
        (["meta", "design", "design"], "00 10 11", ()),
        (["bash", "meta-manager", "unit1", "unit1", "monitor"], "- 00 10 11 -", ("bash", "monitor")),
        (["design", "design", "meta"], "10 11 00", ()),
        (["one", "two", "two"], "00 10 11", ()),
        (["one", "two", "two", "three"], "- - - -", ("one", "two", "three")),
        (["meta", "design"], "00 -", ("design",)),
        (["meta", "design", "design", "design"], "00 - - -", ("design",)),
        (["meta", "meta", "design", "design"], "- - 10 11", ("meta",)),
        (["one", "design", "design"], "- 10 11", ("one",)),
    ],
)
def test_agents_are_told_by_windows_and_panes(windows: list[str], agents: str, unknown: tuple[str, ...]) -> None:
    numbers = {name: at for at, name in enumerate(dict.fromkeys(windows))}
    panes = [pane(at, name, numbers[name]) for at, name in enumerate(windows)]
    found, odd = adopting.fit(TWO, panes)
    assert " ".join(found.get(one.pane_id, "-") for one in panes) == agents
    assert odd == unknown


def test_of_two_windows_of_one_name_the_first_counts() -> None:
    panes = [pane(0, "meta", 0), pane(1, "meta", 1), pane(2, "design", 2), pane(3, "design", 2)]
    assert adopting.fit(TWO, panes) == ({"%0": "00", "%2": "10", "%3": "11"}, ("meta",))


def test_the_shipped_team_fits_what_the_earlier_program_made(root: Root) -> None:
    shipped = workspace.find_template(workspace.DEFAULT, root).team
    windows = ["meta", *["design"] * 4, *["development"] * 4, *["business"] * 4]
    panes = [
        pane(at, name, ("meta", "design", "development", "business").index(name)) for at, name in enumerate(windows)
    ]
    found, odd = adopting.fit(shipped, panes)
    assert [found[one.pane_id] for one in panes] == "00 10 11 12 13 20 21 22 23 30 31 32 33".split()
    assert odd == ()


def test_what_does_not_fit_is_told_and_the_rest_taken_in(mas: Mas, tmux_socket: Path) -> None:
    projects.old_team(tmux_socket, panes=3)
    adopted = mas.adopt("mas-tmux")
    assert (dict(adopted.agents), adopted.unknown) == ({}, ("design",))
    stored = json.loads(mas.root.session(adopted.session.session_id).config.read_text())
    assert stored["mas"]["template"] == "project"
    assert mas.view(adopted.session.session_id).status == "active"
