"""Worktrees: made whole or not at all, never removed with what exists nowhere else, and the way back."""

import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mas import worktrees
from mas.errors import ExistsError, MasError, NotFoundError, RefusedError, UnknownStateError
from mas.worktrees import Worktree, add, fast_forward, is_dirty, remove

IDENTITY = ("-c", "user.name=A Tester", "-c", "user.email=tester@example.invalid")


def run(path: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", path, *IDENTITY, "-c", "protocol.file.allow=always", *words],
        check=True,
        capture_output=True,
        timeout=30,
    )
    return os.fsdecode(done.stdout).removesuffix("\n")


def commit(path: Path, name: str, content: str = "1\n") -> str:
    (path / name).write_text(content)
    run(path, "add", "--force", name)
    run(path, "commit", "-q", "-m", f"Change {name}")
    return run(path, "rev-parse", "HEAD")


def state(repo: Path) -> tuple[str, str]:
    """All branches and all worktrees."""
    return run(repo, "for-each-ref"), run(repo, "worktree", "list", "--porcelain")


@pytest.fixture
def linked(repo: Path, tmp_path: Path) -> Path:
    return add(repo, tmp_path / "linked", "feature").path


# --- making ---


@pytest.mark.parametrize("name", ["linked", "with space", "new\nline", "b\udcff", "-x"])
def test_a_worktree_on_a_branch_of_its_own(repo: Path, tmp_path: Path, name: str) -> None:
    made = add(repo, tmp_path / name, "feature/one")
    head = run(repo, "rev-parse", "HEAD")
    assert made == Worktree(tmp_path / name, "feature/one", "main", head)
    assert run(made.path, "symbolic-ref", "HEAD") == "refs/heads/feature/one"
    assert (made.path / "README.md").exists()
    assert run(repo, "symbolic-ref", "HEAD") == "refs/heads/main"


def test_a_relative_path_is_the_callers(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = add(Path(repo.name), Path("linked"), "feature")
    assert made.path == tmp_path / "linked"
    remove(Path(repo.name), Path("linked"))
    assert not made.path.exists()


def test_without_a_branch_there_is_no_original(repo: Path, tmp_path: Path) -> None:
    run(repo, "checkout", "-q", "--detach")
    assert add(repo, tmp_path / "linked", "feature").original_branch == ""


def test_a_worktree_of_a_worktree_returns_to_that_ones_branch(repo: Path, tmp_path: Path, linked: Path) -> None:
    assert add(linked, tmp_path / "second", "second").original_branch == "feature"
    remove(repo, tmp_path / "second")


NO_NAMES = [
    "",
    "-x",
    "--force",
    "..",
    "a/../b",
    "/abs",
    "a b",
    "HEAD",
    "@{-1}",
    "@",
    "a.lock",
    "a\0b",
    "a\nb",
    "a~1",
    "*",
]


@pytest.mark.parametrize("name", NO_NAMES)
def test_names_that_are_none_are_refused(repo: Path, tmp_path: Path, name: str) -> None:
    run(repo, "switch", "-q", "-c", "another")
    before = state(repo)
    with pytest.raises(RefusedError, match="not a name for a branch"):
        add(repo, tmp_path / "linked", name)
    assert state(repo) == before
    assert not (tmp_path / "linked").exists()


def test_before_the_first_commit_it_is_refused(tmp_path: Path) -> None:
    run(tmp_path, "init", "-q", "repo")
    with pytest.raises(RefusedError, match="no commit") as caught:
        add(tmp_path / "repo", tmp_path / "linked", "feature")
    assert "commit something first" in str(caught.value.hint)


def test_outside_a_repository_there_is_nothing_to_link(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no git repository"):
        add(tmp_path, tmp_path / "linked", "feature")


def test_a_branch_that_exists_is_refused_and_stays(repo: Path, tmp_path: Path) -> None:
    run(repo, "branch", "feature")
    before = state(repo)
    with pytest.raises(ExistsError, match="branch 'feature' exists already"):
        add(repo, tmp_path / "linked", "feature")
    assert state(repo) == before
    assert not (tmp_path / "linked").exists()


def test_a_branch_below_another_is_refused(repo: Path, tmp_path: Path) -> None:
    before = state(repo)
    with pytest.raises(MasError, match="git could not make branch 'main/one'"):
        add(repo, tmp_path / "linked", "main/one")
    assert state(repo) == before


@pytest.mark.parametrize("kind", ["file", "directory", "link"])
def test_a_path_that_exists_is_refused_and_stays(repo: Path, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "linked"
    if kind == "link":
        path.symlink_to("nowhere")
    elif kind == "file":
        path.touch()
    else:
        path.mkdir()
    before = state(repo)
    with pytest.raises(ExistsError, match="exists already"):
        add(repo, path, "feature")
    assert state(repo) == before
    assert os.path.lexists(path)


def test_the_directory_above_must_be_there(repo: Path, tmp_path: Path) -> None:
    before = state(repo)
    with pytest.raises(NotFoundError, match="no directory"):
        add(repo, tmp_path / "not/there", "feature")
    assert state(repo) == before


def test_a_checkout_that_fails_leaves_nothing(repo: Path, tmp_path: Path) -> None:
    commit(repo, ".gitattributes", "*.bin filter=broken\n")
    commit(repo, "a.bin")
    run(repo, "config", "filter.broken.smudge", "false")
    run(repo, "config", "filter.broken.required", "true")
    before = state(repo)
    with pytest.raises(MasError, match="git could not make a worktree"):
        add(repo, tmp_path / "linked", "feature")
    assert state(repo) == before
    assert not (tmp_path / "linked").exists()
    assert not list(repo.glob(".git/worktrees/*"))


def test_a_worktree_that_git_cannot_take_down_leaves_nothing(repo: Path, tmp_path: Path) -> None:
    (repo / ".git/worktrees").write_text("in the way")
    with pytest.raises(MasError, match="git could not make a worktree"):
        add(repo, tmp_path / "linked", "feature")
    assert not (tmp_path / "linked").exists()
    assert run(repo, "branch", "--list", "feature") == ""


def test_a_checkout_that_is_interrupted_leaves_nothing(repo: Path, tmp_path: Path) -> None:
    """Git itself is killed half-way, as it is when it takes too long."""
    commit(repo, ".gitattributes", "*.bin filter=deadly\n")
    commit(repo, "a.bin")
    run(repo, "config", "filter.deadly.smudge", "kill -9 $(ps -o ppid= -p $PPID) $PPID")
    before = state(repo)
    with pytest.raises(MasError):
        add(repo, tmp_path / "linked", "feature")
    assert state(repo) == before
    assert not (tmp_path / "linked").exists()


def test_of_many_that_want_one_branch_one_gets_it(repo: Path, tmp_path: Path) -> None:
    made: list[Worktree] = []
    refused: list[MasError] = []

    def attempt(number: int) -> None:
        try:
            made.append(add(repo, tmp_path / f"linked {number}", "feature"))
        except MasError as error:
            refused.append(error)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), len(refused)) == (1, 7)
    assert run(made[0].path, "symbolic-ref", "HEAD") == "refs/heads/feature"
    assert sorted(path.name for path in tmp_path.glob("linked*")) == [made[0].path.name]


def test_no_hook_runs(repo: Path, tmp_path: Path) -> None:
    for name in ("post-checkout", "reference-transaction", "post-merge"):
        (repo / ".git/hooks" / name).write_text(f"#!/bin/sh\ntouch '{tmp_path / 'sprung'}'\n")
        (repo / ".git/hooks" / name).chmod(0o755)
    made = add(repo, tmp_path / "linked", "feature")
    run(made.path, "-c", "core.hooksPath=/dev/null", "commit", "-q", "--allow-empty", "-m", "Go on")
    fast_forward(repo, "main", "feature")
    remove(repo, made.path)
    assert not (tmp_path / "sprung").exists()


# --- removing ---


def test_a_clean_one_goes_and_its_branch_stays(repo: Path, linked: Path) -> None:
    tip = commit(linked, "file")
    remove(repo, linked)
    assert not linked.exists()
    assert run(repo, "rev-parse", "feature") == tip
    assert len(run(repo, "worktree", "list").splitlines()) == 1


def modify(path: Path) -> None:
    (path / "README.md").write_text("changed")


def stage(path: Path) -> None:
    modify(path)
    run(path, "add", "README.md")


def delete(path: Path) -> None:
    (path / "README.md").unlink()


def leave_untracked(path: Path) -> None:
    (path / "untracked").touch()


@pytest.mark.parametrize("soil", [modify, stage, delete, leave_untracked])
def test_a_dirty_one_goes_by_force_only(repo: Path, linked: Path, soil: Callable[[Path], None]) -> None:
    assert not is_dirty(linked)
    soil(linked)
    run(repo, "config", "status.showUntrackedFiles", "no")
    assert is_dirty(linked)
    with pytest.raises(RefusedError, match="not committed") as caught:
        remove(repo, linked)
    assert "by force" in str(caught.value.hint)
    assert linked.exists()
    remove(repo, linked, force=True)
    assert not linked.exists()


def test_ignored_files_do_not_make_it_dirty(repo: Path, linked: Path) -> None:
    commit(linked, ".gitignore", "*.log\n")
    (linked / "a.log").touch()
    assert not is_dirty(linked)
    remove(repo, linked)
    assert not linked.exists()


def test_commits_on_no_branch_go_by_force_only(repo: Path, linked: Path) -> None:
    run(linked, "checkout", "-q", "--detach")
    commit(linked, "file")
    with pytest.raises(RefusedError, match="on no branch"):
        remove(repo, linked)
    run(linked, "tag", "kept")
    remove(repo, linked)
    assert not linked.exists()


def test_without_any_commit_nothing_is_lost(repo: Path, linked: Path) -> None:
    run(linked, "switch", "-q", "--orphan", "empty")
    remove(repo, linked)
    assert not linked.exists()


def test_one_that_is_gone_is_forgotten(repo: Path, linked: Path) -> None:
    shutil.rmtree(linked)
    remove(repo, linked)
    assert not list(repo.glob(".git/worktrees/*"))
    remove(repo, linked)
    remove(repo, linked, force=True)


def test_others_that_are_gone_are_left_alone(repo: Path, tmp_path: Path, linked: Path) -> None:
    add(repo, tmp_path / "on a disk that is away", "other")
    (tmp_path / "on a disk that is away").rename(tmp_path / "away")
    shutil.rmtree(linked)
    remove(repo, linked)
    assert "on a disk that is away" in run(repo, "worktree", "list")


@pytest.mark.parametrize("gone", [True, False])
@pytest.mark.parametrize("force", [True, False])
def test_a_locked_one_stays(repo: Path, linked: Path, *, gone: bool, force: bool) -> None:
    run(repo, "worktree", "lock", "--reason", "on a stick", str(linked))
    if gone:
        linked.rename(linked.with_name("away"))
    with pytest.raises(MasError, match=r"locked working tree.*on a stick") as caught:
        remove(repo, linked, force=force)
    assert "git worktree unlock" in str(caught.value.hint)
    assert len(list(repo.glob(".git/worktrees/*"))) == 1


def test_what_is_no_worktree_of_it_is_refused(repo: Path, tmp_path: Path, linked: Path) -> None:
    run(tmp_path, "clone", "-q", str(repo), str(tmp_path / "other"))
    elsewhere = add(tmp_path / "other", tmp_path / "elsewhere", "feature").path
    (tmp_path / "plain").mkdir()
    (linked / "sub").mkdir()
    for path in (repo, tmp_path / "other", elsewhere, tmp_path / "plain", linked / "sub"):
        for force in (True, False):
            with pytest.raises(RefusedError, match="is no worktree of"):
                remove(repo, path, force=force)
            assert path.exists()


def test_a_worktree_with_submodules_is_left_to_its_owner(repo: Path, tmp_path: Path, linked: Path) -> None:
    run(tmp_path, "clone", "-q", str(repo), str(tmp_path / "other"))
    run(linked, "submodule", "add", "-q", str(tmp_path / "other"), "sub")
    run(linked, "commit", "-q", "-m", "Submodule")
    with pytest.raises(MasError, match="submodules"):
        remove(repo, linked)
    leave_untracked(linked / "sub")
    assert is_dirty(linked)


def test_whether_nothing_is_dirty_is_no_question(tmp_path: Path) -> None:
    with pytest.raises(MasError, match="not a git repository"):
        is_dirty(tmp_path)


# --- the way back ---


def test_a_branch_that_is_checked_out_moves_with_its_files(repo: Path, linked: Path) -> None:
    tip = commit(linked, "file")
    assert fast_forward(repo, "main", "feature") == tip
    assert run(repo, "rev-parse", "main") == tip
    assert (repo / "file").exists()
    assert not is_dirty(repo)


def test_from_inside_the_worktree_too(repo: Path, linked: Path) -> None:
    tip = commit(linked, "file")
    assert fast_forward(linked, "main", "feature") == tip
    assert not is_dirty(repo)


def test_local_changes_elsewhere_stay(repo: Path, linked: Path) -> None:
    commit(linked, "file")
    stage(repo)
    leave_untracked(repo)
    fast_forward(repo, "main", "feature")
    assert ((repo / "README.md").read_text(), (repo / "file").read_text()) == ("changed", "1\n")
    assert (repo / "untracked").exists()
    assert run(repo, "status", "--porcelain") == "M  README.md\n?? untracked"


@pytest.mark.parametrize("soil", [modify, stage])
def test_local_changes_in_the_way_are_kept_and_nothing_moves(
    repo: Path, linked: Path, soil: Callable[[Path], None]
) -> None:
    commit(linked, "README.md", "theirs")
    soil(repo)
    before = state(repo)
    with pytest.raises(RefusedError, match="git would not fast-forward 'main'") as caught:
        fast_forward(repo, "main", "feature")
    assert "commit or stash" in str(caught.value.hint)
    assert state(repo) == before
    assert (repo / "README.md").read_text() == "changed"


@pytest.mark.parametrize("ignored", [True, False])
def test_files_in_the_way_that_git_does_not_know_are_kept(repo: Path, linked: Path, *, ignored: bool) -> None:
    commit(linked, "secret", "theirs")
    (repo / ".git/info/exclude").write_text("secret\n" if ignored else "")
    (repo / "secret").write_text("mine")
    with pytest.raises(RefusedError, match="git would not fast-forward"):
        fast_forward(repo, "main", "feature")
    assert (repo / "secret").read_text() == "mine"


def test_settings_of_the_repository_change_nothing(repo: Path, linked: Path) -> None:
    tip = commit(linked, "file")
    run(repo, "config", "branch.main.mergeOptions", "--no-ff --squash --no-commit")
    run(repo, "config", "merge.ff", "false")
    run(repo, "config", "merge.verifySignatures", "true")
    assert fast_forward(repo, "main", "feature") == tip
    assert run(repo, "rev-parse", "main") == tip


def test_a_branch_that_is_not_checked_out_moves_alone(repo: Path, linked: Path) -> None:
    tip = commit(linked, "file")
    run(repo, "switch", "-q", "-c", "third")
    modify(repo)
    assert fast_forward(repo, "main", "feature") == tip
    assert run(repo, "rev-parse", "main") == tip
    assert run(repo, "symbolic-ref", "HEAD") == "refs/heads/third"
    assert not (repo / "file").exists()
    assert "fast-forward to feature" in run(repo, "reflog", "main")


def test_a_branch_checked_out_in_another_worktree_moves_with_its_files(
    repo: Path, tmp_path: Path, linked: Path
) -> None:
    run(repo, "switch", "-q", "-c", "third")
    run(repo, "worktree", "add", "-q", str(tmp_path / "new\nline"), "main")
    commit(linked, "file")
    fast_forward(repo, "main", "feature")
    assert (tmp_path / "new\nline/file").exists()
    assert not is_dirty(tmp_path / "new\nline")


def test_the_branch_of_a_bare_repository_has_no_files(repo: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    run(tmp_path, "clone", "-q", "--bare", str(repo), str(bare))
    made = add(bare, tmp_path / "linked", "feature")
    tip = commit(made.path, "file")
    assert made.original_branch == "main"
    assert fast_forward(bare, "main", "feature") == tip
    assert run(bare, "rev-parse", "main") == tip


def test_nothing_to_do_is_done(repo: Path, linked: Path) -> None:
    tip = commit(repo, "file")
    before = state(repo)
    assert fast_forward(repo, "main", "feature") == tip
    assert fast_forward(repo, "main", "main") == tip
    assert state(repo) == before
    assert linked.exists()


def test_anything_else_than_a_fast_forward_is_refused(repo: Path, linked: Path) -> None:
    commit(linked, "theirs")
    commit(repo, "ours")
    before = state(repo)
    with pytest.raises(RefusedError, match="branch 'main' has commits that 'feature' lacks") as caught:
        fast_forward(repo, "main", "feature")
    assert caught.value.hint == "merge it by hand: git merge feature"
    assert state(repo) == before


@pytest.mark.parametrize("name", ["nowhere", "-x", "", "HEAD", "feature^"])
def test_branches_that_are_not_there(repo: Path, linked: Path, name: str) -> None:
    assert linked.exists()
    for pair in ((name, "feature"), ("main", name)):
        with pytest.raises(NotFoundError, match="no branch"):
            fast_forward(repo, *pair)


def test_a_branch_that_another_moves_is_not_moved_back(repo: Path, linked: Path) -> None:
    """What was seen is what is replaced: the name of the old commit is compared when the branch is written."""
    old, new = run(repo, "rev-parse", "main"), commit(linked, "file")
    run(repo, "switch", "-q", "-c", "third")
    other = commit(repo, "other")
    run(repo, "update-ref", "refs/heads/main", other)
    with pytest.raises(MasError, match="git could not move branch 'main'"):
        worktrees._forward_alone(repo, "main", "feature", (old, new))
    assert run(repo, "rev-parse", "main") == other


def test_a_work_tree_that_changes_branches_meanwhile_is_noticed(
    repo: Path, tmp_path: Path, linked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(linked, "file")
    git = shutil.which("git")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").write_text(
        f"""#!/bin/sh
case " $* " in *' merge '*) {git} -C '{repo}' switch -q -c third ;; esac
exec {git} "$@"
"""
    )
    (tmp_path / "bin/git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with pytest.raises(UnknownStateError, match="branch 'main' moved while"):
        fast_forward(repo, "main", "feature")
