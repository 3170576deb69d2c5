"""What a directory's context is, in every kind of repository, and that asking for it runs nothing."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas import git
from mas.errors import MasError, MissingProgramError, UnknownStateError

IDENTITY = ("-c", "user.name=A Tester", "-c", "user.email=tester@example.invalid")


def run(path: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", path, *IDENTITY, "-c", "protocol.file.allow=always", *words],
        check=True,
        capture_output=True,
        timeout=30,
    )
    return os.fsdecode(done.stdout).removesuffix("\n")


def new_repository(path: Path, *options: str) -> Path:
    path.mkdir(parents=True)
    run(path, "init", "-q", "-b", "main", *options)
    if "--bare" not in options:
        run(path, "commit", "-q", "--allow-empty", "-m", "Begin")
    return path


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a program of the given shell lines in front of the real git."""

    def install(lines: str) -> None:
        directory = tmp_path / "bin"
        directory.mkdir()
        (directory / "git").write_text(f"#!/bin/sh\n{lines}\n")
        (directory / "git").chmod(0o755)
        monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")

    return install


def test_plain_repository(repo: Path) -> None:
    commit = run(repo, "rev-parse", "HEAD")
    assert git.context(repo) == ("main", commit, str(repo), False, None)


def test_subdirectory(repo: Path) -> None:
    deep = repo / "one/two"
    deep.mkdir(parents=True)
    assert git.context(deep) == git.context(repo)


def test_relative_path(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repo)
    assert git.context(Path()) == git.context(repo)


def test_through_a_link(repo: Path, tmp_path: Path) -> None:
    (repo / "sub").mkdir()
    (tmp_path / "link").symlink_to(repo / "sub")
    assert git.context(tmp_path / "link") == git.context(repo)


def test_a_linked_worktree_is_called_what_git_calls_it(repo: Path, tmp_path: Path) -> None:
    run(repo, "worktree", "add", "-q", "-b", "feature", str(tmp_path / "first name"))
    run(repo, "worktree", "move", str(tmp_path / "first name"), str(tmp_path / "second"))
    name = next((repo / ".git/worktrees").iterdir()).name
    expected = ("feature", run(repo, "rev-parse", "HEAD"), str(tmp_path / "second"), True, name)
    assert git.context(tmp_path / "second") == expected
    assert name != "second"


def test_detached_head(repo: Path) -> None:
    run(repo, "checkout", "-q", "--detach")
    assert git.context(repo)[:2] == ("HEAD", run(repo, "rev-parse", "HEAD"))


def test_before_the_first_commit_the_branch_has_its_name(tmp_path: Path) -> None:
    run(tmp_path, "init", "-q", "-b", "trunk")
    assert git.context(tmp_path) == ("trunk", "", str(tmp_path), False, None)


def test_a_file_called_head_is_no_commit(tmp_path: Path) -> None:
    run(tmp_path, "init", "-q", "-b", "trunk")
    (tmp_path / "HEAD").touch()
    assert git.context(tmp_path)[:2] == ("trunk", "")


@pytest.mark.parametrize("commits", [True, False])
def test_bare_repository(repo: Path, tmp_path: Path, *, commits: bool) -> None:
    bare = tmp_path / "bare.git"
    run(tmp_path, "clone", "-q", "--bare", str(repo), str(bare)) if commits else new_repository(bare, "--bare")
    commit = run(repo, "rev-parse", "HEAD") if commits else ""
    assert git.context(bare) == ("main", commit, str(bare), False, None)


def test_inside_the_git_directory_the_repository_is_meant(repo: Path) -> None:
    assert git.context(repo / ".git/refs") == git.context(repo)


def test_a_submodule_is_a_repository_of_its_own(repo: Path, tmp_path: Path) -> None:
    other = new_repository(tmp_path / "other")
    run(other, "commit", "-q", "--allow-empty", "-m", "Go on")
    run(repo, "submodule", "add", "-q", str(other), "sub")
    assert git.context(repo / "sub") == ("main", run(other, "rev-parse", "HEAD"), str(repo / "sub"), False, None)


def test_longer_names_of_commits(tmp_path: Path) -> None:
    repo = new_repository(tmp_path / "long", "--object-format=sha256")
    commit = git.context(repo).commit
    assert commit == run(repo, "rev-parse", "HEAD")
    assert len(commit) == 64


@pytest.mark.parametrize(
    "branch", ["feature/a-b", "#1", "$(id)", "a'b", 'a"b', "-x", "日本", "b\udcff", "main.2", "a&b;c"]
)
def test_odd_branch_names(repo: Path, branch: str) -> None:
    run(repo, "symbolic-ref", "HEAD", f"refs/heads/{branch}")
    assert git.context(repo)[:2] == (branch, "")
    run(repo, "commit", "-q", "--allow-empty", "-m", "Go on")
    assert git.context(repo)[:2] == (branch, run(repo, "rev-parse", "HEAD"))


def test_a_tag_of_the_same_name_changes_nothing(repo: Path) -> None:
    run(repo, "tag", "main")
    run(repo, "update-ref", "refs/tags/HEAD", "HEAD")
    assert git.context(repo)[:2] == ("main", run(repo, "rev-parse", "HEAD"))
    run(repo, "checkout", "-q", "--detach")
    assert git.context(repo)[:2] == ("HEAD", run(repo, "rev-parse", "HEAD"))


@pytest.mark.parametrize("name", ["a b", "two\nlines", "--mas", "b\udcff", "'", " ", "$(id)", "true\n"])
def test_odd_paths(tmp_path: Path, name: str) -> None:
    repo = new_repository(tmp_path / name / name)
    (repo / name).mkdir()
    assert git.context(repo / name)[::2] == ("main", str(repo), None)
    run(repo, "worktree", "add", "-q", "-b", "other", str(tmp_path / name / "linked"))
    assert git.context(tmp_path / name / "linked")[2:4] == (str(tmp_path / name / "linked"), True)
    assert git.find_root(repo / name) == repo


def test_no_repository(tmp_path: Path) -> None:
    assert git.context(tmp_path) == ("", "", str(tmp_path), False, None)
    assert git.place(tmp_path) is None
    assert git.find_root(tmp_path) is None


@pytest.mark.parametrize("name", ["nowhere", "file", "file/below"])
def test_a_path_that_is_no_directory(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    assert git.context(tmp_path / name) == ("", "", str(tmp_path / name), False, None)


def test_a_directory_that_cannot_be_entered_is_unknown(repo: Path) -> None:
    assert git.context(repo / ("x" * 300))[:2] == (git.UNKNOWN, "")


def test_a_worktree_whose_repository_is_gone_is_unknown(repo: Path, tmp_path: Path) -> None:
    run(repo, "worktree", "add", "-q", str(tmp_path / "linked"))
    shutil.rmtree(repo)
    assert git.context(tmp_path / "linked") == (git.UNKNOWN, "", str(tmp_path / "linked"), False, None)
    with pytest.raises(MasError, match=r"git could not read the repository at .*: not a git repository"):
        git.place(tmp_path / "linked")


@pytest.mark.parametrize("content", ["gitdir: /nonexistent\n", "", "nonsense"])
def test_a_git_file_that_leads_nowhere_is_unknown(tmp_path: Path, content: str) -> None:
    (tmp_path / ".git").write_text(content)
    assert git.context(tmp_path)[:2] == (git.UNKNOWN, "")


def test_without_git_it_is_unknown(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert git.context(repo) == (git.UNKNOWN, "", str(repo), False, None)
    with pytest.raises(MissingProgramError):
        git.place(repo)


def test_a_git_that_cannot_be_started_is_unknown(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "git").write_bytes(b"\x7fELF but no program")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git.context(repo)[:2] == (git.UNKNOWN, "")


def test_a_git_that_says_something_else_is_unknown(repo: Path, program: Callable[[str], None]) -> None:
    program("exit 3")
    assert git.context(repo)[:2] == (git.UNKNOWN, "")
    with pytest.raises(MasError, match="exit code 3"):
        git.place(repo)


def test_a_git_that_does_not_answer_is_unknown(repo: Path, program: Callable[[str], None]) -> None:
    program("exec sleep 60")
    with pytest.raises(UnknownStateError):
        git.ask(repo, "version", timeout=0.1)


def test_a_repository_of_somebody_else_is_named_with_the_remedy(repo: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a directory away")
    os.chown(repo, 1234, -1)
    os.chown(repo / ".git", 1234, -1)
    assert git.context(repo) == (git.UNKNOWN, "", str(repo), False, None)
    with pytest.raises(MasError, match="dubious ownership") as caught:
        git.place(repo)
    assert caught.value.hint == f"if you trust it: git config --global --add safe.directory '{repo}'"


@pytest.mark.parametrize(
    "name", ["GIT_DIR", "GIT_COMMON_DIR", "GIT_WORK_TREE", "GIT_NAMESPACE", "GIT_OBJECT_DIRECTORY"]
)
def test_variables_of_another_repository_change_nothing(
    repo: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = git.context(repo)
    monkeypatch.setenv(name, str(new_repository(tmp_path / "other") / ".git"))
    assert git.context(repo) == expected


def test_only_variables_that_say_where_git_and_its_settings_are_reach_it() -> None:
    before = {"HOME": "/home", "GIT_DIR": "/x", "GIT_TRACE": "1", "GIT_CONFIG_GLOBAL": "/y", "LC_ALL": "ja_JP.UTF-8"}
    after = git.environment(before)
    assert {"HOME": "/home", "GIT_CONFIG_GLOBAL": "/y", "LC_ALL": "C"}.items() <= after.items()
    assert not {"GIT_DIR", "GIT_TRACE"} & after.keys()


def test_asking_runs_nothing_that_the_repository_names(repo: Path, tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    for key in ("core.fsmonitor", "core.pager", "core.sshCommand", "alias.rev-parse", "core.editor"):
        run(repo, "config", key, f"touch '{trap}'; false")
    git.context(repo)
    git.place(repo)
    assert not trap.exists()


def test_asking_fetches_nothing(repo: Path, tmp_path: Path) -> None:
    """A partial clone fetches what it lacks, by a command of its own configuration."""
    trap = tmp_path / "sprung"
    run(repo, "config", "core.repositoryFormatVersion", "1")
    run(repo, "config", "extensions.partialClone", "origin")
    run(repo, "config", "remote.origin.promisor", "true")
    run(repo, "config", "remote.origin.url", f"ext::sh -c touch% {trap}")
    run(repo, "config", "protocol.allow", "always")
    missing = "1" * 40
    assert git.ask(repo, "cat-file", "-e", missing).returncode
    assert not trap.exists()
    git.act(repo, "cat-file", "-e", missing)
    assert trap.exists(), "the trap itself does not work"


@pytest.mark.parametrize("inside", ["", "deep/er", ".git", ".git/refs"])
def test_the_root_is_found_without_a_process(repo: Path, inside: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (repo / "deep/er").mkdir(parents=True)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert git.find_root(repo / inside) == repo


def test_the_root_is_the_one_git_finds(repo: Path, tmp_path: Path) -> None:
    other = new_repository(tmp_path / "other")
    run(repo, "submodule", "add", "-q", str(other), "sub")
    run(repo, "worktree", "add", "-q", "-b", "feature", str(tmp_path / "linked"))
    run(tmp_path, "init", "-q", "--separate-git-dir", str(tmp_path / "apart"), str(tmp_path / "separate"))
    (repo / "not/a/repository/.git").mkdir(parents=True)
    for path in (repo, repo / "sub", tmp_path / "linked", tmp_path / "separate", repo / "not/a/repository", other):
        assert str(git.find_root(path)) == run(path, "rev-parse", "--show-toplevel")


def test_a_path_through_a_link_has_the_real_root(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(repo)
    assert git.find_root(tmp_path / "link") == repo


def test_a_link_in_circles_is_no_repository(tmp_path: Path) -> None:
    (tmp_path / ".git").symlink_to(".git")
    assert git.find_root(tmp_path) is None


LINE = st.binary().map(lambda data: data.replace(b"\0", b"").replace(b"--mas", b""))


@given(LINE)
def test_an_answer_that_broke_off_is_none(printed: bytes) -> None:
    assert git.parse_place(printed, "/") is None
