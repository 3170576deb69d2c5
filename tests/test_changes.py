"""What is measured between a mark and now, and that measuring touches and runs nothing of the repository."""

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mas import changes
from mas.changes import Changes, Commit, Mark, mark, since
from mas.errors import MasError

IDENTITY = ("-c", "user.name=A Tester", "-c", "user.email=tester@example.invalid")


def run(path: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", path, *IDENTITY, "-c", "protocol.file.allow=always", *words],
        check=True,
        capture_output=True,
        timeout=30,
    )
    return os.fsdecode(done.stdout).removesuffix("\n")


def commit(path: Path, subject: str) -> str:
    run(path, "add", "--all")
    run(path, "commit", "-q", "--allow-empty", "-m", subject)
    return run(path, "rev-parse", "HEAD")


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The indexes of our own go again."""
    directory = tmp_path / "temporary"
    directory.mkdir()
    monkeypatch.setenv("TMPDIR", str(directory))
    tempfile.tempdir = None  # it remembers the first one it was asked for
    yield
    tempfile.tempdir = None
    assert list(directory.iterdir()) == []


def test_nothing_changed(repo: Path) -> None:
    assert since(repo, mark(repo)) == Changes()


def test_every_kind_of_change(repo: Path) -> None:
    text = "".join(f"line {number}\n" for number in range(20))
    for name in ("changed", "staged", "deleted", "renamed"):
        (repo / name).write_text(f"{name}\n{text}")
    commit(repo, "Files")
    start = mark(repo)
    (repo / "changed").write_text(f"other\n{text}more\n")
    (repo / "staged").write_text("")
    run(repo, "add", "staged")
    (repo / "deleted").unlink()
    (repo / "renamed").rename(repo / "new name")
    (repo / "untracked\tfile").write_text("one\ntwo")
    (repo / "binary").write_bytes(b"\0" * 100)
    found = since(repo, start)
    names = {"changed", "staged", "deleted", "renamed", "new name", "untracked\tfile", "binary"}
    assert (set(found.files), len(found.files)) == (names, len(names))
    assert (found.lines_added, found.lines_removed) == (2 + 2, 1 + 21 + 21)
    assert found.commits == ()


def test_what_was_uncommitted_before_is_not_counted_again(repo: Path) -> None:
    (repo / "README.md").write_text("changed before\n")
    (repo / "new").write_text("made before\n")
    start = mark(repo)
    (repo / "new").write_text("made before\nand after\n")
    assert since(repo, start) == Changes(("new",), 1, 0)
    commit(repo, "All of it")
    assert since(repo, start)[:3] == (("new",), 1, 0)


def test_ignored_files_do_not_count(repo: Path) -> None:
    (repo / ".gitignore").write_text("*.log\n")
    start = mark(repo)
    (repo / "a.log").write_text("line\n")
    assert since(repo, start) == Changes()


def test_excluded_paths_do_not_count(repo: Path, tmp_path: Path) -> None:
    own = repo / ".flow" / "*"
    own.mkdir(parents=True)
    (own / "tracked").touch()
    commit(repo, "Files")
    start = mark(repo, [own, tmp_path / "elsewhere", repo])
    (own / "tracked").write_text("line\n")
    (own / "new").write_text("line\n")
    commit(repo, "More of them")
    (repo / ".flow" / "other").write_text("line\n")
    assert start.exclude == (".flow/*",)
    assert since(repo, start)[:3] == ((".flow/other",), 1, 0)


def test_commits_are_listed_newest_first(repo: Path) -> None:
    start = mark(repo)
    first, second = commit(repo, "Straße, first"), commit(repo, "Second\n\nWith a body")
    stamps = [run(repo, "show", "-s", "--format=%cI", sha) for sha in (second, first)]
    expected = (Commit(second, "Second", "A Tester", stamps[0]), Commit(first, "Straße, first", "A Tester", stamps[1]))
    assert since(repo, start) == Changes(commits=expected)


def test_repository_without_commits(tmp_path: Path) -> None:
    run(tmp_path, "init", "-q", "repo")
    repo = tmp_path / "repo"
    (repo / "before").write_text("1\n")
    start = mark(repo)
    assert start.commit == ""
    (repo / "after").write_text("1\n2\n")
    assert since(repo, start) == Changes(("after",), 2, 0)
    sha = commit(repo, "Begin")
    assert [one.sha for one in since(repo, start).commits] == [sha]


def test_older_commits_of_another_branch_were_not_made_now(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(repo, "switch", "-q", "-c", "older")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2001-01-01T00:00:00Z")
    (repo / "older").write_text("1\n")
    commit(repo, "Long ago")
    monkeypatch.delenv("GIT_COMMITTER_DATE")
    run(repo, "switch", "-q", "main")
    start = mark(repo)
    run(repo, "switch", "-q", "older")
    sha = commit(repo, "Now")
    found = since(repo, start)
    assert found[:3] == (("older",), 1, 0)
    assert [one.sha for one in found.commits] == [sha]


def test_after_a_reset_to_an_older_commit(repo: Path) -> None:
    (repo / "file").write_text("1\n2\n")
    commit(repo, "File")
    start = mark(repo)
    run(repo, "reset", "-q", "--hard", "HEAD~1")
    assert since(repo, start) == Changes(("file",), 0, 2)


def test_when_the_marked_commit_is_gone(repo: Path) -> None:
    start = mark(repo)._replace(commit="1" * 40)
    sha = commit(repo, "Go on")
    assert sha in [one.sha for one in since(repo, start).commits]


def test_when_the_marked_tree_is_gone(repo: Path) -> None:
    with pytest.raises(MasError, match="git could not compare the work tree: bad object"):
        since(repo, Mark("", "1" * 40, 1))


def test_in_a_worktree(repo: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    run(repo, "worktree", "add", "-q", "-b", "feature", str(linked))
    start = mark(linked)
    (repo / "elsewhere").write_text("1\n")
    (linked / "here").write_text("1\n")
    assert since(linked, start) == Changes(("here",), 1, 0)


def test_a_mark_from_a_subdirectory_sees_the_whole_tree(repo: Path) -> None:
    (repo / "sub").mkdir()
    start = mark(repo / "sub")
    (repo / "above").write_text("1\n")
    assert since(repo / "sub", start) == Changes(("above",), 1, 0)


def test_a_submodule_counts_by_its_commit(repo: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    run(tmp_path, "init", "-q", "-b", "main", str(other))
    commit(other, "Begin")
    run(repo, "submodule", "add", "-q", str(other), "sub")
    commit(repo, "Submodule")
    start = mark(repo)
    (repo / "sub/new").write_text("1\n")
    assert since(repo, start) == Changes()
    commit(repo / "sub", "Go on")
    assert since(repo, start).files == ("sub",)
    run(repo, "rm", "-q", "-f", "sub")
    assert set(since(repo, start).files) == {"sub", ".gitmodules"}


@pytest.mark.parametrize("where", ["nothing", "bare"])
def test_without_a_work_tree(tmp_path: Path, where: str) -> None:
    if where == "bare":
        run(tmp_path, "init", "-q", "--bare")
    start = mark(tmp_path)
    assert (start.commit, start.tree) == ("", "")
    (tmp_path / "file").touch()
    assert since(tmp_path, start) == Changes()


def test_a_repository_made_in_between(tmp_path: Path) -> None:
    start = mark(tmp_path)
    run(tmp_path, "init", "-q")
    assert since(tmp_path, start) == Changes()


@pytest.mark.parametrize("name", ["a b", "new\nline", "b\udcff", ":(top)", "-x", "*", "--mas"])
def test_odd_names(repo: Path, name: str) -> None:
    start = mark(repo)
    (repo / name).write_text("1\n")
    assert since(repo, start) == Changes((name,), 1, 0)


def test_a_change_in_the_moment_the_index_was_written_is_seen(repo: Path) -> None:
    """Same size, same time: only the time of the index itself says that the file must be read."""
    run(repo, "config", "core.trustctime", "false")
    long_ago = (1_000_000_000, 1_000_000_000)
    (repo / "file").write_text("1\n")
    os.utime(repo / "file", long_ago)
    run(repo, "add", "file")
    os.utime(repo / ".git/index", long_ago)
    start = mark(repo)
    (repo / "file").write_text("2\n")
    os.utime(repo / "file", long_ago)
    assert since(repo, start) == Changes(("file",), 1, 1)


def test_line_ends_that_git_would_refuse_are_measured(repo: Path) -> None:
    run(repo, "config", "core.autocrlf", "input")
    run(repo, "config", "core.safecrlf", "true")
    start = mark(repo)
    (repo / "file").write_bytes(b"1\r\n2\r\n")
    assert since(repo, start) == Changes(("file",), 2, 0)


@pytest.mark.parametrize("setting", ["core.splitIndex", "core.untrackedCache", "core.safecrlf", "core.autocrlf"])
def test_measuring_leaves_index_and_files_alone(repo: Path, setting: str) -> None:
    run(repo, "config", setting, "true")
    (repo / "staged").write_text("1\n")
    run(repo, "add", "staged")
    run(repo, "update-index", "--refresh")
    (repo / "README.md").write_text("changed\r\n")
    (repo / "untracked").write_text("1\n")
    before = files(repo)
    since(repo, mark(repo))
    assert files(repo) == before


def files(repo: Path) -> dict[str, bytes]:
    """Everything but the objects, with its content."""
    found = (path for path in repo.rglob("*") if path.is_file() and repo / ".git/objects" not in path.parents)
    return {str(path): path.read_bytes() for path in found}


def test_measuring_runs_nothing_that_the_repository_names(repo: Path, tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    command = f"touch '{trap}'; cat"
    inner = tmp_path / "inner"
    run(tmp_path, "init", "-q", str(inner))
    commit(inner, "Begin")
    run(repo, "submodule", "add", "-q", str(inner), "sub")
    (repo / ".gitattributes").write_text("* filter=odd=x diff=odd\n")
    (repo / "sub/.gitattributes").write_text("* filter=inner\n")
    commit(repo / "sub", "Files")
    (repo / "file").write_text("1\n")
    commit(repo, "Files")
    run(repo / "sub", "config", "filter.inner.clean", command)
    for where in (repo, repo / "sub"):
        for key in ("filter.odd=x.clean", "filter.odd.clean", "filter.odd=x.process", "core.fsmonitor"):
            run(where, "config", key, command)
        run(where, "config", "filter.odd=x.required", "true")
    for key in ("diff.odd.command", "diff.odd.textconv", "diff.external", "core.pager"):
        run(repo, "config", key, command)
    run(repo, "config", "log.showSignature", "true")
    run(repo, "config", "gpg.program", str(program(tmp_path / "gpg", trap)))
    for name in ("post-index-change", "reference-transaction", "pre-commit", "post-checkout"):
        program(repo / ".git/hooks" / name, trap)
    start = mark(repo)
    signed = sign(repo, run(repo, "rev-parse", "HEAD"))
    for path in (repo / "file", repo / "new", repo / "sub/new"):
        path.write_text("1\n2\n")
    os.utime(repo / "sub/.gitattributes", (1, 1))
    found = since(repo, start)
    assert found[:3] == (("file", "new"), 3, 0)
    assert [one.sha for one in found.commits] == [signed]
    assert not trap.exists()
    subprocess.run(["git", "-C", repo, "add", "file"], check=False, capture_output=True, timeout=30)
    assert trap.exists(), "the trap itself does not work"
    trap.unlink()
    run(repo, "log", "-1")
    assert trap.exists(), "the trap of the signature does not work"


def sign(repo: Path, sha: str) -> str:
    """Replace a commit by one of this minute with a signature, which git checks by a program the repository names."""
    head, _, body = run(repo, "cat-file", "commit", sha).partition("\n\n")
    head = re.sub(r"(committer .*> )\d+", lambda found: f"{found[1]}{int(time.time()) + 1}", head)
    signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n odd\n -----END PGP SIGNATURE-----"
    signed = f"{head}\n{signature}\n\n{body}\n"
    words = ["git", "-C", str(repo), "hash-object", "-t", "commit", "-w", "--stdin"]
    done = subprocess.run(words, input=signed.encode(), check=True, capture_output=True, timeout=30)
    (repo / ".git/refs/heads/main").write_bytes(done.stdout)
    return done.stdout.decode().strip()


def program(path: Path, trap: Path) -> Path:
    path.write_text(f"#!/bin/sh\ntouch '{trap}'\n")
    path.chmod(0o755)
    return path


def test_what_git_cannot_take_down_hinders_nothing_else(repo: Path) -> None:
    run(repo, "init", "-q", str(repo / "nested and empty"))
    start = mark(repo)
    os.mkfifo(repo / "pipe")
    (repo / "a directory").mkdir()
    (repo / "file").write_text("1\n")
    assert since(repo, start) == Changes(("file",), 1, 0)


def test_outside_a_sparse_checkout_nothing_counts(repo: Path) -> None:
    (repo / "in").mkdir()
    (repo / "in/file").touch()
    (repo / "out").mkdir()
    (repo / "out/file").touch()
    commit(repo, "Files")
    run(repo, "sparse-checkout", "set", "in")
    start = mark(repo)
    (repo / "out").mkdir()
    for name in ("in/new", "out/new"):
        (repo / name).write_text("1\n")
    assert since(repo, start) == Changes(("in/new",), 1, 0)


def test_an_unfinished_merge_is_measured(repo: Path) -> None:
    run(repo, "switch", "-q", "-c", "other")
    (repo / "README.md").write_text("theirs\n")
    commit(repo, "Theirs")
    run(repo, "switch", "-q", "main")
    (repo / "README.md").write_text("ours\n")
    commit(repo, "Ours")
    start = mark(repo)
    subprocess.run(["git", "-C", repo, "merge", "other"], check=False, capture_output=True, timeout=30)
    assert since(repo, start)[:3] == (("README.md",), 4, 0)


def test_objects_that_cannot_be_written_are_an_error(repo: Path) -> None:
    (repo / "new").write_text("1\n")
    name = run(repo, "hash-object", "new")
    (repo / ".git/objects" / name[:2]).write_text("in the way")
    with pytest.raises(MasError, match="git could not write down the work tree"):
        mark(repo)


def test_a_damaged_index_is_an_error(repo: Path) -> None:
    (repo / ".git/index").write_bytes(b"damaged")
    with pytest.raises(MasError, match="git could not list the files"):
        mark(repo)


def test_numstat_of_renames_and_binaries() -> None:
    printed = b"1\t2\ta\tb\0-\t-\tbinary\x003\t0\t\0old\0new\0"
    assert changes.parse_numstat(printed) == (("a\tb", "binary", "old", "new"), 4, 2)
    assert changes.parse_numstat(b"") == ((), 0, 0)
