"""Where the code is that a team works on, and that everybody who has to do with the team is told the same."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import roots

from mas import adopting, codebase, details, retrying
from mas.app import Mas
from mas.config import SessionConfig
from mas.errors import NotFoundError
from mas.paths import Root
from mas.record import runtime_of
from mas.starting import Started

VARIABLE = codebase.VARIABLE
Wait = Callable[..., None]


def test_outside_of_a_project_it_is_the_repository_around_the_caller_or_the_callers_directory(
    root: Root, repo: Path, tmp_path: Path
) -> None:
    below = repo / "src"
    below.mkdir()
    assert codebase.find(root, {}, below) == repo
    assert codebase.find(root, {}, tmp_path) == tmp_path


def test_in_a_project_it_is_the_root(root: Root, repo: Path) -> None:
    """Wherever it was called from, where the root says that it is a project; else where the caller is in it."""
    root.path.mkdir()
    link = root.path.with_name("link")
    link.symlink_to(root.path)
    assert codebase.find(root, {}, link) == root.path
    assert codebase.find(root, {}, repo) == repo
    (root.path / ".masrc").touch()
    assert codebase.find(root, {}, repo) == root.path


def test_a_root_in_a_repository_is_the_code_unless_the_caller_is_in_another(root: Root, repo: Path) -> None:
    inner = Root(repo / "teams")
    assert codebase.find(inner, {}, root.path.parent) == inner.path
    assert codebase.find(inner, {}, repo) == repo


def test_it_may_be_named_and_then_it_must_be_there(root: Root, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    assert codebase.find(root, {VARIABLE: "code"}, tmp_path) == tmp_path / "code"
    with pytest.raises(NotFoundError, match="which is no directory") as refused:
        codebase.find(root, {VARIABLE: "gone"}, tmp_path)
    assert refused.value.hint == f"unset {VARIABLE}, or set it to where the code is"


def test_what_a_team_of_another_root_works_on_is_not_inherited(root: Root, repo: Path, tmp_path: Path) -> None:
    """An agent may start a team elsewhere, with --root."""
    pane = {VARIABLE: str(tmp_path / "code"), "MAS_ROOT": str(tmp_path / "theirs")}
    assert codebase.find(root, pane, repo) == repo
    (tmp_path / "code").mkdir()
    assert codebase.find(root, {**pane, "MAS_ROOT": str(root.path)}, repo) == tmp_path / "code"


def test_a_root_that_is_the_code_may_be_moved(root: Root, repo: Path) -> None:
    assert codebase.note(root, root.path) == ""
    assert codebase.note(root, repo) == str(repo)


SEEN = "sh -c 'printf %s \"$MAS_PROJECT_DIR\" >seen; exec sleep 100000'"


def elsewhere(mas: Mas, cwd: Path) -> Mas:
    return Mas(mas.root, os.environ, cwd)


def seen(started: Started) -> str:
    place = started.workspace / "unit" / "10" / "seen"
    return place.read_text() if place.exists() else ""


def test_agents_are_told_it_and_again_when_they_are_brought_back(mas: Mas, repo: Path, wait_until: Wait) -> None:
    started = roots.start(elsewhere(mas, repo), command=SEEN)
    session_id = started.session.session_id
    wait_until(lambda: seen(started) == str(repo))
    mas.stop(session_id, grace=0)
    (started.workspace / "unit" / "10" / "seen").unlink()
    mas.resume(session_id)
    wait_until(lambda: seen(started) == str(repo))
    assert mas.environment_of(session_id)[VARIABLE] == str(repo)


def test_the_record_and_everything_that_is_made_of_it_say_it(mas: Mas, repo: Path) -> None:
    started = roots.start(elsewhere(mas, repo), team=False)
    session_id, document = started.session.session_id, started.session.document
    assert runtime_of(document)["project"] == str(repo)
    assert (document["git_context"]["branch"], document["git_context"]["repo_root"]) == ("main", str(repo))
    assert details.gather(mas, session_id).to_json()["projectDir"] == str(repo)
    mas.projections.rebuild()
    assert mas.environment_of(session_id)[VARIABLE] == str(repo)
    child = retrying.retry(mas, session_id, manager=mas.manager)
    assert runtime_of(child.document)["project"] == child.document["git_context"]["repo_root"] == str(repo)


def test_where_it_is_the_root_nothing_is_noted(mas: Mas) -> None:
    started = roots.start(elsewhere(mas, mas.root.path), team=False)
    session_id = started.session.session_id
    assert runtime_of(started.session.document)["project"] == ""
    assert details.gather(mas, session_id).project == mas.environment_of(session_id)[VARIABLE] == str(mas.root.path)


def test_work_that_names_its_project_is_done_there(mas: Mas, repo: Path, tmp_path: Path) -> None:
    started = roots.start(elsewhere(mas, tmp_path), team=False, work=SessionConfig(project_path=Path("a repo")))
    assert runtime_of(started.session.document)["project"] == str(repo)


def test_a_team_in_the_roots_own_directories_works_on_the_root(mas: Mas, repo: Path) -> None:
    (mas.root.path / "unit" / "10").mkdir(parents=True)
    started = roots.start(elsewhere(mas, repo), mode="legacy", template=None)
    session_id = started.session.session_id
    assert mas.environment_of(session_id)[VARIABLE] == str(mas.root.path)
    assert details.gather(mas, session_id).project == str(mas.root.path)
    mas.stop(session_id, grace=0)
    child = retrying.retry(mas, session_id, manager=mas.manager)
    assert runtime_of(child.document)["project"] == ""


def test_a_team_that_is_taken_into_a_workspace_works_where_the_caller_is(
    mas: Mas, repo: Path, tmux_socket: Path
) -> None:
    (mas.root.path / "unit" / "10").mkdir(parents=True)
    roots.tmux(tmux_socket, "new-session", "-d", "-s", "mas-tmux", "cat")
    adopted = adopting.adopt(elsewhere(mas, repo), "mas-tmux", isolated=True)
    assert runtime_of(adopted.session.document)["project"] == str(repo)


def test_the_guides_name_it() -> None:
    """Each guide that says where an agent's files are says where the code is."""
    guides = [*(Path(__file__).parents[1] / "templates").glob("*/unit/*/AGENTS.md")]
    texts = [guide.read_text() for guide in guides]
    assert texts
    assert [guide for guide, text in zip(guides, texts, strict=True) if "$MAS_ROOT" in text] == []
    assert "".join(texts).count(f"`${VARIABLE}`") > 5
