"""What one iteration changed, measured by git: files, lines and commits between a mark and now.

The work tree is looked at as ``git add --all`` would see it, uncommitted and untracked files included and ignored ones
not, in an index of our own: the user's index, branches and files are not touched. What stays are loose objects, which
git collects in its own time. The repository's content filters are not run, so files are counted as they lie there.
"""

import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from mas import git

_FILTER_KEYS = ("config", "-z", "--name-only", "--get-regexp", r"^filter\..*\.(clean|process|required)$")
_GITLINK = re.compile(rb"160000 [0-9a-f]+ [0-3]\t(.+)", re.DOTALL)
_COMMIT_FORMAT = "--format=%H%x00%s%x00%an%x00%cI"


class Mark(NamedTuple):
    """The state of a work tree at one moment, small enough to be stored: names of a commit and a tree, and Unix time.

    ``tree`` is empty where there was no work tree. ``exclude`` holds paths relative to its top that do not count.
    """

    commit: str = ""
    tree: str = ""
    time: int = 0
    exclude: tuple[str, ...] = ()


class Commit(NamedTuple):
    """One commit: its full name, first line, author's name and the time it was committed (ISO 8601)."""

    sha: str
    subject: str
    author: str
    timestamp: str


class Changes(NamedTuple):
    """Files relative to the top of the work tree (of a renamed one both names), lines, and commits, newest first."""

    files: tuple[str, ...] = ()
    lines_added: int = 0
    lines_removed: int = 0
    commits: tuple[Commit, ...] = ()


def mark(path: Path, exclude: Sequence[Path] = ()) -> Mark:
    """Remember how the work tree around ``path`` is; what lies at or below the paths of ``exclude`` does not count.

    Raises MasError where git cannot read it, UnknownStateError where it takes too long, MissingProgramError.
    """
    now = int(time.time())
    here = git.place(path)
    if here is None or here.top is None:
        return Mark(time=now)
    without = tuple(_below(here.top, exclude))
    with _snapshot(here.top, here.directory, without) as index:
        answer = git.ask(here.top, "write-tree", env=index, timeout=git.ACTION_TIMEOUT)
        tree = git.succeeded(answer, "write down the work tree").text.strip()
    return Mark(here.commit, tree, now, without)


def since(path: Path, start: Mark) -> Changes:
    """What changed in the work tree around ``path`` since ``start``; nothing where there is no work tree.

    Commits are those made since then that HEAD has now, whichever branch it is on. Raises what ``mark`` raises.
    """
    here = git.place(path)
    if here is None or here.top is None or not start.tree:
        return Changes()
    with _snapshot(here.top, here.directory, start.exclude) as index:
        words = ("diff-index", "--cached", "--numstat", "-z", "-M", "--no-ext-diff", "--no-textconv", start.tree, "--")
        answer = git.ask(here.top, *words, *_pathspec(start.exclude), env=index, timeout=git.ACTION_TIMEOUT)
    files, added, removed = parse_numstat(git.succeeded(answer, "compare the work tree").stdout)
    return Changes(files, added, removed, _commits(here.top, here.commit, start))


def _commits(top: Path, commit: str, start: Mark) -> tuple[Commit, ...]:
    """Commits since the mark. A branch switched to brings older ones along: those nobody made in this iteration."""
    if not commit:
        return ()
    fixed = ("log", "-z", "--no-patch", "--no-show-signature", "--encoding=UTF-8", "--ignore-missing", _COMMIT_FORMAT)
    known = [f"^{start.commit}"] if start.commit else []
    answer = git.ask(top, *fixed, f"--max-age={start.time}", commit, *known)
    return parse_commits(git.succeeded(answer, "list the commits").stdout)


def parse_commits(printed: bytes) -> tuple[Commit, ...]:
    """Commits from ``git log -z``, four fields each."""
    fields = [os.fsdecode(field) for field in printed.split(b"\0")]
    return tuple(Commit(*fields[at : at + 4]) for at in range(0, len(fields) - 4, 4))


def parse_numstat(printed: bytes) -> tuple[tuple[str, ...], int, int]:
    """Files, lines added and lines removed from ``--numstat -z``; a binary file has no lines."""
    words = iter(printed.split(b"\0")[:-1])
    files: list[str] = []
    added = removed = 0
    for word in words:
        plus, minus, name = word.split(b"\t", 2)
        files += map(os.fsdecode, [name] if name else [next(words), next(words)])
        if plus != b"-":
            added, removed = added + int(plus), removed + int(minus)
    return tuple(files), added, removed


@contextmanager
def _snapshot(top: Path, directory: Path, exclude: Sequence[str]) -> Iterator[dict[str, str]]:
    """The variables that let git see the work tree as it is, by way of an index that goes afterwards."""
    import shutil  # noqa: PLC0415  both cost start-up time, and only measured iterations need them
    import tempfile  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="mas-") as place:
        copy = Path(place, "index")
        with suppress(FileNotFoundError):
            # With its time: a file changed in the moment the index was written is recognised by it.
            shutil.copy2(directory / "index", copy)
        index = {"GIT_INDEX_FILE": str(copy), **_settings(top)}
        _add_all(top, exclude, index)
        yield index


def _add_all(top: Path, exclude: Sequence[str], index: dict[str, str]) -> None:
    """Take everything into the index; what cannot be read, or has vanished meanwhile, stays as it was.

    Submodules go by their commit alone: git would look inside by running there, with the filters they bring along.
    """
    listed = git.ask(top, "ls-files", "--stage", "-z", env=index, timeout=git.ACTION_TIMEOUT)
    submodules = parse_gitlinks(git.succeeded(listed, "list the files").stdout)
    spec = _pathspec([*exclude, *map(os.fsdecode, submodules)])
    added = git.ask(top, "add", "--all", "--ignore-errors", "--", *spec, env=index, timeout=git.ACTION_TIMEOUT)
    if added.returncode not in (0, 1) or b"failed to insert into database" in added.stderr:
        raise git.refusal(added, "write down the work tree")
    if submodules:
        git.ask(top, "update-index", "--remove", "-z", "--stdin", env=index, stdin=b"\0".join([*submodules, b""]))


def parse_gitlinks(printed: bytes) -> list[bytes]:
    """The submodules in ``ls-files --stage -z``."""
    return [found.group(1) for entry in printed.split(b"\0") if (found := _GITLINK.fullmatch(entry))]


def _settings(top: Path) -> dict[str, str]:
    """Variables that keep git from writing beside the user's index and from refusing a file for its line ends.

    They switch every content filter off too: each is a command line of the repository's own choice.
    """
    answer = git.succeeded(git.ask(top, *_FILTER_KEYS), "read its configuration", codes=(0, 1))
    keys = [os.fsdecode(key) for key in answer.stdout.split(b"\0")[:-1]]
    pairs = [("core.splitIndex", "false"), ("core.safecrlf", "false"), *((key, "") for key in keys)]
    named: dict[str, str] = {}
    for at, (key, value) in enumerate(pairs):
        named |= {f"GIT_CONFIG_KEY_{at}": key, f"GIT_CONFIG_VALUE_{at}": value}
    return {"GIT_CONFIG_COUNT": str(len(pairs)), **named}


def _pathspec(exclude: Sequence[str]) -> list[str]:
    return [".", *(f":(top,exclude,literal){path}" for path in exclude)]


def _below(top: Path, paths: Sequence[Path]) -> Iterator[str]:
    """The paths that lie in the work tree, relative to its top."""
    for path in paths:
        real = Path(os.path.realpath(path))
        if real != top and real.is_relative_to(top):
            yield str(real.relative_to(top))
