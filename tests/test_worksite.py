"""Worktrees of sessions, measured iterations and fast-forward merges, with a real repository."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mas import worksite, worktrees
from mas.config import ExecutionMode, SessionConfig, SessionOptions
from mas.errors import ExistsError, MasError, NotFoundError, RefusedError
from mas.events import CommandExecuted, Completed, IterationCompleted, IterationStarted
from mas.iteration import IterationChanges
from mas.manager import SessionManager
from mas.record import lifecycle_of
from mas.session import Session
from mas.storage import MemoryStorage


def git(place: Path, *words: str) -> str:
    fixed = ["git", "-c", "user.name=A", "-c", "user.email=a@example.invalid", "-C", str(place)]
    return subprocess.run([*fixed, *words], check=True, capture_output=True, text=True, timeout=20).stdout.strip()


def commit(place: Path, name: str, text: str = "x\n") -> str:
    (place / name).write_text(text)
    git(place, "add", name)
    git(place, "commit", "-q", "-m", f"Add {name}")
    return git(place, "rev-parse", "HEAD")


def config(repo: Path, branch: str | None = None, **options: bool) -> SessionConfig:
    return SessionConfig(repo, execution_mode=ExecutionMode(branch), options=SessionOptions(**options))


@pytest.fixture
def manager(repo: Path) -> SessionManager:
    return SessionManager(repo)


def worktree(session: Session) -> dict[str, Any]:
    return dict(lifecycle_of(session.document)["worktree"])


def branches(repo: Path) -> set[str]:
    return {*git(repo, "for-each-ref", "--format=%(refname:short)", "refs/heads").split()}


# --- worktrees ---


def test_a_session_works_in_a_worktree_of_its_own_and_remembers_where_it_came_from(
    repo: Path, manager: SessionManager
) -> None:
    session = manager.create_session("x", config=config(repo, "feature/login"))
    place = manager.sessions_dir / session.id / "worktree"
    assert worktree(session) == {
        "path": str(place),
        "branch": "feature/login",
        "original_branch": "main",
        "base": git(repo, "rev-parse", "main"),
        "repo": str(repo),
    }
    assert git(place, "rev-parse", "--abbrev-ref", "HEAD") == "feature/login"
    assert (place / "README.md").exists()
    assert [line.type for line in manager.records(session.id)] == ["created", "worktree"]
    assert manager.get_session(session.id).document == session.document


def test_it_goes_with_the_session_and_its_branch_stays(repo: Path, manager: SessionManager) -> None:
    session = manager.create_session("x", config=config(repo, "feature"))
    made = commit(Path(worktree(session)["path"]), "new.txt")
    manager.delete_session(session.id)
    assert git(repo, "worktree", "list", "--porcelain").count("worktree ") == 1
    assert git(repo, "rev-parse", "feature") == made
    assert manager.storage.list() == []


def test_what_is_only_there_is_not_thrown_away_without_force(repo: Path, manager: SessionManager) -> None:
    session = manager.create_session("x", config=config(repo, "feature"))
    place = Path(worktree(session)["path"])
    (place / "precious").write_text("x")
    with pytest.raises(RefusedError, match="holds changes that are not committed"):
        manager.delete_session(session.id)
    assert (place / "precious").read_text() == "x"
    assert manager.get_session(session.id).id == session.id
    manager.delete_session(session.id, force=True)
    assert git(repo, "worktree", "list", "--porcelain").count("worktree ") == 1


@pytest.mark.parametrize("branch", ["main", "bad..name", "a.lock"])
def test_where_no_worktree_can_be_made_there_is_no_session(repo: Path, manager: SessionManager, branch: str) -> None:
    with pytest.raises((ExistsError, RefusedError)):
        manager.create_session("x", config=config(repo, branch))
    assert manager.storage.list() == []
    assert branches(repo) == {"main"}
    assert git(repo, "worktree", "list", "--porcelain").count("worktree ") == 1
    assert [path.name for path in (manager.sessions_dir / ".trash").iterdir()] == []


def test_without_a_repository_or_files_there_is_none_either(tmp_path: Path, repo: Path) -> None:
    (tmp_path / "bare").mkdir()
    manager = SessionManager(tmp_path / "bare")
    with pytest.raises(NotFoundError, match="no git repository"):
        manager.create_session("x", config=config(tmp_path / "bare", "feature"))
    assert manager.storage.list() == []
    with pytest.raises(RefusedError, match="not kept in files"):
        SessionManager(repo, storage=MemoryStorage()).create_session("x", config=config(repo, "feature"))


def test_a_worktree_that_is_gone_is_in_nobodys_way(repo: Path, manager: SessionManager) -> None:
    session = manager.create_session("x", config=config(repo, "feature"))
    git(repo, "worktree", "remove", worktree(session)["path"])
    manager.delete_session(session.id)
    assert manager.storage.list() == []


def test_a_repository_that_is_gone_takes_force(tmp_path: Path, repo: Path) -> None:
    manager = SessionManager(tmp_path / "elsewhere")
    session = manager.create_session("x", config=config(repo, "feature"))
    repo.rename(tmp_path / "moved away")
    with pytest.raises(MasError):
        manager.delete_session(session.id)
    manager.delete_session(session.id, force=True)
    assert manager.storage.list() == []


def test_a_child_gets_a_worktree_of_its_own(repo: Path, manager: SessionManager) -> None:
    parent = manager.create_session("x", config=config(repo, "feature"))
    child = manager.create(manager.retry(parent.id))
    assert worktree(child)["branch"] == f"feature-{child.id[:8]}"
    assert child.parent_session_id == parent.id
    assert branches(repo) == {"main", "feature", f"feature-{child.id[:8]}"}


# --- making one is cut off ---


def cut_off(repo: Path, manager: SessionManager, when: str) -> str:
    """A session whose creator was killed: before its worktree was made, or before that was on record."""
    document = manager.draft("x", config=config(repo, "feature"))
    manager.storage.create(document, document["created_at"])
    place = manager.sessions_dir / document["session_id"] / "worktree"
    if when == "made":
        worktrees.add(repo, place, "feature")
    elif when == "begun":
        git(repo, "branch", "feature")
        place.mkdir()
    return str(document["session_id"])


@pytest.mark.parametrize("when", ["made", "begun", "before"])
def test_no_work_begins_until_the_worktree_is_finished(repo: Path, manager: SessionManager, when: str) -> None:
    session_id = cut_off(repo, manager, when)
    place = manager.sessions_dir / session_id / "worktree"
    for begin in (manager.start_session, lambda one: manager.transition_state(one, "planning")):
        with pytest.raises(RefusedError, match=r"making the git worktree of session .* was cut off") as refused:
            begin(session_id)
        assert refused.value.hint == f"`mas doctor --fix {session_id}` finishes it"
    with pytest.raises(RefusedError, match="was cut off"):
        worksite.place_of(manager.get_session(session_id).document)
    if when == "made":
        (place / "precious").write_text("x")
    manager.finish_worktree(session_id)
    assert worktree(manager.start_session(session_id)) == {
        "path": str(place),
        "branch": "feature",
        "original_branch": "main",
        "base": git(repo, "rev-parse", "main"),
        "repo": str(repo),
    }
    assert git(place, "rev-parse", "--abbrev-ref", "HEAD") == "feature"
    assert (place / "precious").exists() == (when == "made")


@pytest.mark.parametrize("when", ["made", "begun", "before"])
def test_what_is_in_a_worktree_that_is_not_on_record_is_not_thrown_away(
    repo: Path, manager: SessionManager, when: str
) -> None:
    session_id = cut_off(repo, manager, when)
    place = manager.sessions_dir / session_id / "worktree"
    if when == "made":
        (place / "precious").write_text("x")
        with pytest.raises(RefusedError, match="holds changes that are not committed"):
            manager.delete_session(session_id)
        assert (place / "precious").exists()
        (place / "precious").unlink()
    manager.delete_session(session_id)
    assert manager.storage.list() == []
    assert git(repo, "worktree", "list", "--porcelain").count("worktree ") == 1


def test_a_branch_that_somebody_works_on_is_not_taken(repo: Path, manager: SessionManager) -> None:
    session_id = cut_off(repo, manager, "before")
    git(repo, "checkout", "-q", "-b", "feature")
    with pytest.raises(ExistsError, match="branch 'feature' exists already"):
        manager.finish_worktree(session_id)
    made = commit(repo, "new.txt")
    git(repo, "checkout", "-q", "main")
    with pytest.raises(ExistsError, match="branch 'feature' exists already"):
        manager.finish_worktree(session_id)
    assert git(repo, "rev-parse", "feature") == made


# --- measured iterations ---


def run(manager: SessionManager, session: Session, number: int = 1) -> None:
    if number == 1:
        manager.start_session(session.id)
    manager.record_event(session.id, IterationStarted(number))


def test_an_iteration_is_measured_where_it_is_asked_for(repo: Path, manager: SessionManager) -> None:
    (repo / "before.txt").write_text("not of this iteration\n")
    session = manager.create_session("x", config=config(repo, collect_metrics=True))
    run(manager, session)
    sha = commit(repo, "committed.txt", "1\n2\n")
    (repo / "README.md").write_text("changed\n")
    (repo / "untracked ü.txt").write_text("1\n")
    manager.record_event(session.id, CommandExecuted("make"))
    manager.record_event(session.id, IterationCompleted())
    progress = manager.get_progress(session.id)
    assert progress.files_changed == {Path("committed.txt"), Path("README.md"), Path("untracked ü.txt")}
    [iteration] = progress.metrics.iterations
    assert (iteration.changes.lines_added, iteration.changes.lines_removed) == (4, 1)
    assert [one.sha for one in iteration.changes.git_commits] == [sha]
    assert iteration.changes.commands_run == ("make",)
    counts = lifecycle_of(manager.get_session(session.id).document)["counts"]
    assert (counts["file_changes"], counts["lines_added"], counts["commits"], counts["commands"]) == (3, 4, 1, 1)
    assert git(repo, "status", "--porcelain", "--", "README.md") == "M README.md"


def test_it_is_measured_in_the_worktree(repo: Path, manager: SessionManager) -> None:
    session = manager.create_session("x", config=config(repo, "feature", collect_metrics=True))
    run(manager, session)
    (Path(worktree(session)["path"]) / "new.txt").write_text("x\n")
    (repo / "elsewhere.txt").write_text("x\n")
    manager.record_event(session.id, IterationCompleted())
    assert manager.get_progress(session.id).files_changed == {Path("new.txt")}


def test_what_is_reported_counts_more_than_what_is_measured(repo: Path, manager: SessionManager) -> None:
    session = manager.create_session("x", config=config(repo, collect_metrics=True))
    run(manager, session)
    (repo / "new.txt").write_text("x\n")
    manager.record_event(session.id, IterationCompleted(IterationChanges(("reported.txt",))))
    assert manager.get_progress(session.id).files_changed == {Path("reported.txt")}


def test_what_a_report_leaves_out_is_measured(repo: Path, manager: SessionManager) -> None:
    session = manager.create_session("x", config=config(repo, collect_metrics=True))
    run(manager, session)
    sha = commit(repo, "new.txt", "1\n2\n")
    manager.record_event(session.id, IterationCompleted(IterationChanges(lines_removed=7, commands_run=("make",))))
    [iteration] = manager.get_progress(session.id).metrics.iterations
    found = iteration.changes
    assert (found.files_modified, found.lines_added, found.lines_removed) == (("new.txt",), 0, 7)
    assert ([one.sha for one in found.git_commits], found.commands_run) == ([sha], ("make",))


def test_a_command_that_is_reported_twice_counts_once(repo: Path, manager: SessionManager) -> None:
    session = manager.create_session("x", config=config(repo))
    for number in (1, 2):
        run(manager, session, number)
        for command in ("make", "make", "ls"):
            manager.record_event(session.id, CommandExecuted(command))
        changes = IterationChanges(commands_run=("make", "echo", "make", "make"))
        manager.record_event(session.id, IterationCompleted(changes))
        told = [one.command for one in manager.get_progress(session.id).commands_executed]
        assert told == ["make", "make", "ls", "echo", "make"] * number
    assert manager.restore_session(session.id).document == manager.get_session(session.id).document
    assert manager.complete_session(session.id).commands == 10


def test_nothing_is_measured_unasked_or_where_there_is_nothing_to_measure(tmp_path: Path, repo: Path) -> None:
    for place, asked in ((repo, False), (tmp_path, True)):
        manager = SessionManager(place)
        session = manager.create_session("x", config=config(place, collect_metrics=asked))
        run(manager, session)
        (place / "new.txt").write_text("x\n")
        manager.record_event(session.id, IterationCompleted())
        assert manager.get_progress(session.id).files_changed == frozenset()


def test_an_iteration_goes_unmeasured_where_git_cannot_tell(
    repo: Path, manager: SessionManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = manager.create_session("x", config=config(repo, collect_metrics=True))
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", str(tmp_path))
    run(manager, session)
    assert "mark" not in lifecycle_of(manager.get_session(session.id).document)
    manager.record_event(session.id, IterationCompleted())
    monkeypatch.setenv("PATH", path)
    run(manager, session, 2)
    assert "mark" in lifecycle_of(manager.get_session(session.id).document)
    (repo / "new.txt").write_text("x\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    manager.record_event(session.id, IterationCompleted())
    assert manager.get_progress(session.id).files_changed == frozenset()


def test_many_files_of_one_iteration_are_all_there(repo: Path, manager: SessionManager) -> None:
    session = manager.create_session("x", config=config(repo, collect_metrics=True))
    run(manager, session)
    (repo / "many").mkdir()
    for number in range(1500):
        (repo / "many" / f"{number:04}-{'x' * 60}.txt").write_text("1\n")
    manager.record_event(session.id, IterationCompleted())
    assert len(manager.get_progress(session.id).files_changed) == 1500
    [event] = [one.event for one in manager.events(session.id) if isinstance(one.event, IterationCompleted)]
    assert len(event.changes.files_modified) == 1500
    assert manager.restore_session(session.id).document == manager.get_session(session.id).document


# --- merging ---


def test_completion_fast_forwards_the_branch_it_began_from(repo: Path, manager: SessionManager) -> None:
    session = manager.create_session("x", config=config(repo, "feature", auto_merge=True))
    made = commit(Path(worktree(session)["path"]), "new.txt")
    manager.start_session(session.id)
    manager.complete_session(session.id)
    assert git(repo, "rev-parse", "main") == made
    assert (repo / "new.txt").exists()
    assert worktree(manager.get_session(session.id))["merged"] == made


COMPLETIONS: dict[str, Any] = {
    "complete_session": lambda manager, one: manager.complete_session(one),
    "record_event": lambda manager, one: manager.record_event(one, Completed()),
    "transition_state": lambda manager, one: manager.transition_state(one, "Completed"),
    "update_session": lambda manager, one: manager.update_session(
        one, {"status": "COMPLETED", "current_phase": "plan"}
    ),
}


@pytest.mark.parametrize("name", COMPLETIONS)
@pytest.mark.parametrize("why", ["diverged", "dirty", "detached"])
def test_what_is_no_fast_forward_leaves_the_session_uncompleted(
    repo: Path, manager: SessionManager, name: str, why: str
) -> None:
    if why == "detached":
        git(repo, "checkout", "-q", "--detach")
    session = manager.create_session("x", config=config(repo, "feature", auto_merge=True))
    place = Path(worktree(session)["path"])
    commit(place, "new.txt")
    if why == "diverged":
        commit(repo, "other.txt")
    if why == "dirty":
        (place / "uncommitted.txt").write_text("x")
    manager.start_session(session.id)
    manager.transition_state(session.id, "paused")
    before, main = manager.get_session(session.id).document, git(repo, "rev-parse", "main")
    with pytest.raises(RefusedError):
        COMPLETIONS[name](manager, session.id)
    assert manager.get_session(session.id).document == before
    assert git(repo, "rev-parse", "main") == main


@pytest.mark.parametrize("name", COMPLETIONS)
def test_every_way_to_complete_merges(repo: Path, manager: SessionManager, name: str) -> None:
    session = manager.create_session("x", config=config(repo, "feature", auto_merge=True))
    made = commit(Path(worktree(session)["path"]), "new.txt")
    manager.start_session(session.id)
    manager.transition_state(session.id, "paused")
    COMPLETIONS[name](manager, session.id)
    assert git(repo, "rev-parse", "main") == made


def test_nothing_is_merged_before_it_may_complete(repo: Path, manager: SessionManager) -> None:
    session = manager.create_session("x", config=config(repo, "feature", auto_merge=True))
    commit(Path(worktree(session)["path"]), "new.txt")
    main = git(repo, "rev-parse", "main")
    for complete in COMPLETIONS.values():
        with pytest.raises(RefusedError):
            complete(manager, session.id)
    assert git(repo, "rev-parse", "main") == main


def test_nothing_is_merged_unasked_or_without_a_worktree(repo: Path, manager: SessionManager) -> None:
    main = git(repo, "rev-parse", "main")
    for settings in (config(repo, "feature"), config(repo, auto_merge=True)):
        session = manager.create_session("x", config=settings)
        if settings.execution_mode.worktree:
            commit(Path(worktree(session)["path"]), "new.txt")
        manager.start_session(session.id)
        manager.complete_session(session.id)
    assert git(repo, "rev-parse", "main") == main
