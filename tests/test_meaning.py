"""Which session is meant where none is named, step by step, on real servers."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import projects
import pytest
import roots

from mas import meaning, notes
from mas.app import Mas
from mas.errors import AmbiguousError, NotFoundError, UnknownStateError
from mas.paths import Root

Wait = Callable[..., None]
pytestmark = pytest.mark.usefixtures("place")


@pytest.fixture
def place(root: Root, tmux_socket: Path) -> Path:
    """A root with a small template, on a server that outlives the teams; its directory."""
    roots.make_template(root)
    roots.tmux(tmux_socket, "-f", os.devnull, "new-session", "-d", "-s", "bystander", "cat")
    return root.path


@pytest.fixture
def elsewhere(tmux_socket: Path) -> Iterator[Path]:
    """The socket of a second server."""
    socket = tmux_socket.with_name("elsewhere")
    yield socket
    roots.tmux(socket, "kill-server")


def asked(root: Root, **environ: str) -> Mas:
    """A caller in the root's directory with these variables."""
    return projects.seen_from(root.path, root, {**os.environ, **environ})


def up(root: Root) -> tuple[str, str]:
    """The id and the tmux name of a team that was started."""
    started = roots.start(roots.mas_of(root))
    return started.session.session_id, started.tmux_name


def pane_of(socket: Path, name: str) -> str:
    return roots.tmux(socket, "display-message", "-p", "-t", f"={name}:", "#{pane_id}")[0]


def unreachable(fake: roots.FakeTmux) -> None:
    fake.instead("echo 'the server is not well' >&2; exit 1")


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[roots.FakeTmux]:
    made = roots.FakeTmux(tmp_path / "programs")
    monkeypatch.setenv("PATH", f"{made.directory}:{os.environ['PATH']}")
    yield made
    made.away()


# --- the environment ---


def test_the_environment_names_one_of_several(root: Root) -> None:
    (one, name), (two, _) = up(root), up(root)
    assert asked(root, MAS_SESSION_NAME=name).resolve() == one
    assert asked(root, MAS_SESSION_ID=two).resolve() == two
    assert asked(root, MAS_SESSION_ID=one, MAS_SESSION_NAME=name).resolve() == one


def test_where_both_differ_the_name_counts_as_long_as_it_is_one(root: Root) -> None:
    (one, name), (two, _) = up(root), up(root)
    assert asked(root, MAS_SESSION_NAME=name, MAS_SESSION_ID=two).resolve() == one
    assert asked(root, MAS_SESSION_NAME="mas-gone", MAS_SESSION_ID=two).resolve() == two


def test_the_environment_names_whole_or_not_at_all(root: Root) -> None:
    one, name = up(root)
    for environ in ({"MAS_SESSION_ID": one[:8]}, {"MAS_SESSION_NAME": name[:-1]}, {"MAS_SESSION_NAME": one}):
        with pytest.raises(NotFoundError, match="is set, but there is no session") as refused:
            asked(root, **environ).resolve()
        assert refused.value.hint == f"name a session, or: unset {next(iter(environ))}"


def test_a_session_that_is_down_may_be_named_by_the_environment(root: Root) -> None:
    one, name = up(root)
    up(root)
    roots.mas_of(root).stop(one, grace=0)
    assert asked(root, MAS_SESSION_NAME=name).resolve() == one
    assert asked(root, MAS_SESSION_ID=one).resolve() == one


def test_panes_of_ours_are_answered_without_asking_tmux(root: Root, fake: roots.FakeTmux) -> None:
    one, name = up(root)
    unreachable(fake)
    assert asked(root, MAS_SESSION_ID=one, MAS_SESSION_NAME=name).resolve() == one
    assert fake.counted() == 0


def test_a_name_that_two_had_means_the_one_that_is_up(root: Root) -> None:
    mas = projects.share(root)
    first = projects.start(mas).session.session_id
    mas.manager.transition_state(first, "failed")
    mas.stop(first, grace=0)
    second = projects.start(mas).session.session_id
    assert first != second
    assert asked(root, MAS_SESSION_NAME="mas-tmux").resolve() == second
    mas.stop(second, grace=0)
    with pytest.raises(AmbiguousError, match="2 sessions were called mas-tmux") as refused:
        asked(root, MAS_SESSION_NAME="mas-tmux").resolve()
    assert len(refused.value.candidates) == 2


def test_one_that_nobody_registered_may_be_named_and_what_takes_it_in_is_said(root: Root, tmux_socket: Path) -> None:
    projects.old_team(tmux_socket)
    found = meaning.meant(asked(root, MAS_SESSION_NAME="mas-tmux"))
    assert found.stray is not None
    assert (found.session_id, found.stray.name) == ("", "mas-tmux")
    for variables, name in (({"MAS_SESSION_NAME": "mas-tmux"}, None), ({}, "mas-tmux")):
        with pytest.raises(NotFoundError, match="mas-tmux is not registered") as refused:
            asked(root, **variables).resolve(name)
        assert refused.value.hint == "`mas adopt mas-tmux` takes it in"
    with pytest.raises(NotFoundError, match="no session 'mas-tmu'"):
        asked(root).resolve("mas-tmu")


# --- the terminal we are in ---


def test_the_session_we_are_in_comes_before_others(root: Root, place: Path, tmux_socket: Path) -> None:
    (one, name), (two, other) = up(root), up(root)
    notes.leave(place, other, place)
    for mine, called in ((one, name), (two, other)):
        pane = pane_of(tmux_socket, called)
        assert asked(root, TMUX=f"{tmux_socket},1,99", TMUX_PANE=pane).resolve() == mine


def test_where_a_pane_is_now_is_asked_for(root: Root, tmux_socket: Path) -> None:
    (_, name), (two, other) = up(root), up(root)
    pane = pane_of(tmux_socket, name)
    roots.tmux(tmux_socket, "move-pane", "-d", "-s", pane, "-t", f"={other}:")
    assert asked(root, TMUX=f"{tmux_socket},1,1", TMUX_PANE=pane).resolve() == two


def test_without_a_pane_the_session_of_the_variable_counts(root: Root, tmux_socket: Path) -> None:
    (_, _), (two, other) = up(root), up(root)
    number = roots.tmux(tmux_socket, "display-message", "-p", "-t", f"={other}:", "#{session_id}")[0][1:]
    assert asked(root, TMUX=f"{tmux_socket},1,{number}", TMUX_PANE="%1; kill-server").resolve() == two


def test_the_server_we_are_in_is_asked(root: Root, elsewhere: Path) -> None:
    up(root)
    there = asked(root, MAS_TMUX_SOCKET=str(elsewhere))
    three = roots.start(there)
    pane = pane_of(elsewhere, three.tmux_name)
    assert asked(root, TMUX=f"{elsewhere},1,0", TMUX_PANE=pane).resolve() == three.session.session_id


def test_a_foreign_terminal_is_no_session(root: Root, tmux_socket: Path, elsewhere: Path) -> None:
    one, _ = up(root)
    roots.tmux(elsewhere, "-f", os.devnull, "new-session", "-d", "-s", "mine", "cat")
    for socket, pane in (
        (elsewhere, pane_of(elsewhere, "mine")),
        (tmux_socket, pane_of(tmux_socket, "bystander")),
        (tmux_socket, "%4711"),
        (Path("/nowhere/tmux"), "%0"),
    ):
        assert asked(root, TMUX=f"{socket},1,0", TMUX_PANE=pane).resolve() == one


def test_a_terminal_of_another_root_is_none_of_ours(root: Root, tmux_socket: Path, tmp_path: Path) -> None:
    one, _ = up(root)
    other = Root(tmp_path / "another root")
    roots.make_template(other)
    theirs = roots.start(roots.mas_of(other))
    pane = pane_of(tmux_socket, theirs.tmux_name)
    assert asked(root, TMUX=f"{tmux_socket},1,0", TMUX_PANE=pane).resolve() == one


# --- the project's note ---


def test_the_note_of_the_project_comes_before_who_is_looked_at(root: Root, place: Path, tmp_path: Path) -> None:
    (one, name), (two, other) = up(root), up(root)
    notes.leave(place, name, place)
    assert asked(root).resolve() == one
    notes.leave(tmp_path, other, place)
    assert projects.seen_from(tmp_path, root).resolve() == two
    (tmp_path / notes.FILE).unlink()
    assert projects.seen_from(tmp_path, root).resolve() == one


def test_a_note_of_a_team_that_is_gone_says_nothing(root: Root, place: Path) -> None:
    (one, name), (two, _) = up(root), up(root)
    notes.leave(place, name, place)
    roots.mas_of(root).stop(one, grace=0)
    notes.leave(place, name, place)
    assert asked(root).resolve() == two


@pytest.mark.parametrize("name", ["bystander", "mas-nothing", "mas"])
def test_a_note_cannot_name_what_is_no_team(root: Root, place: Path, name: str) -> None:
    one, _ = up(root)
    notes.leave(place, name, place)
    assert asked(root).resolve() == one


def test_a_note_may_name_one_that_nobody_registered(root: Root, place: Path, tmux_socket: Path) -> None:
    up(root)
    projects.old_team(tmux_socket)
    notes.leave(place, "mas-tmux", place)
    found = meaning.meant(asked(root)).stray
    assert found is not None
    assert found.name == "mas-tmux"


# --- the others ---


def test_the_one_that_is_looked_at_comes_before_the_others(root: Root, tmux_socket: Path, wait_until: Wait) -> None:
    (one, name), (_, other) = up(root), up(root)
    for called, number in ((name, 1), (other, 2)):
        attach = f"TMUX= TERM=screen exec tmux -S '{tmux_socket}' attach -t '={called}'"
        roots.tmux(tmux_socket, "new-session", "-d", "-s", f"viewer{number}", "sh", "-c", attach)
        wait_until(
            lambda called=called: roots.tmux(tmux_socket, "list-clients", "-t", f"={called}", "-F", "x") == ["x"]
        )
        if number == 1:
            assert asked(root).resolve() == one
    with pytest.raises(AmbiguousError, match="2 sessions are active"):
        asked(root).resolve()


def test_the_only_one_is_meant_and_of_several_none(root: Root, tmux_socket: Path) -> None:
    one, _ = up(root)
    projects.old_team(tmux_socket)
    assert asked(root).resolve() == one
    two, _ = up(root)
    with pytest.raises(AmbiguousError, match="2 sessions are active") as refused:
        asked(root).resolve()
    assert {text[:8] for text in refused.value.candidates} == {one[:8], two[:8]}


def test_where_none_is_up_what_to_type_is_said(root: Root, tmux_socket: Path) -> None:
    one, _ = up(root)
    roots.mas_of(root).stop(one, grace=0)
    with pytest.raises(NotFoundError, match="no session is active") as refused:
        asked(root).resolve()
    assert refused.value.hint == "`mas start --isolated` starts one, `mas list` shows the others"
    projects.old_team(tmux_socket, "mas-old")
    with pytest.raises(NotFoundError) as refused:
        asked(root).resolve()
    assert refused.value.hint == "mas-old runs and is not registered: name it in full, or `mas adopt mas-old`"


def test_the_only_one_that_is_down_is_brought_back_and_of_several_none(root: Root) -> None:
    """A session without a team, or without its workspace, is none of them."""
    (one, _), (two, _), (lost, _) = up(root), up(root), up(root)
    mas = asked(root)
    mas.manager.create_session("only a record")
    with pytest.raises(NotFoundError, match="no session is down"):
        mas.resolve(down=True)
    mas.stop(one, grace=0)
    mas.stop(lost, grace=0)
    shutil.rmtree(root.session(lost).directory)
    assert mas.resolve(down=True) == one
    mas.stop(two, grace=0)
    with pytest.raises(AmbiguousError, match=f"^2 sessions are down: {two[:8]}, {one[:8]}$") as refused:
        mas.resolve(down=True)
    assert refused.value.hint == f"`mas resume {two}` brings back the newest"
    assert asked(root, MAS_SESSION_ID=one).resolve(down=True) == one


def test_where_tmux_gives_no_answer_none_is_guessed(root: Root, place: Path, fake: roots.FakeTmux) -> None:
    _, name = up(root)
    unreachable(fake)
    with pytest.raises(UnknownStateError, match="cannot tell which session is meant"):
        asked(root).resolve()
    notes.leave(place, name, place)
    with pytest.raises(UnknownStateError, match="cannot tell which session is meant"):
        asked(root).resolve()
    assert asked(root, MAS_SESSION_NAME=name).resolve()
