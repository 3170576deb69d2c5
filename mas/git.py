"""What git knows about a directory, and the door to it that everything about git goes through.

A question (``ask``) executes nothing a repository could have brought along: no hooks, no file-system monitor, no
transport that fetches what is missing. An action (``act``) is a git command that the user would have typed; it runs no
hooks either, but checks files out through the repository's filters and may fetch.
"""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from mas import proc
from mas.errors import MasError, shorten

ACTION_TIMEOUT = 600.0
"""Seconds a command may take that checks out or reads a whole work tree."""

UNKNOWN = "unknown"
"""The branch of a context that git could not be asked for."""

_KEPT = frozenset(
    {"GIT_EXEC_PATH", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_CEILING_DIRECTORIES"}
)
_FIXED = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
_OFFLINE = {"GIT_ALLOW_PROTOCOL": "", "GIT_NO_LAZY_FETCH": "1"}
_SETTINGS = (
    "core.fsmonitor=",
    f"core.hooksPath={os.devnull}",
    "submodule.recurse=false",
    "gc.auto=0",
    "maintenance.auto=false",
)
_OPTIONS = ("--no-optional-locks", *(word for setting in _SETTINGS for word in ("-c", setting)))

_MARK = "--mas"
_WHERE = ("--absolute-git-dir", "--git-common-dir", "--is-inside-work-tree", "--show-cdup")
_QUESTION = ("rev-parse", *(word for flag in _WHERE for word in (flag, _MARK)), "HEAD", "--symbolic-full-name", "HEAD")
_HEAD = re.compile(rb"([0-9a-f]{40,64})\n(?:(.+)\n)?")
_NO_REPOSITORY = rb"(?s)not a git repository \(or any|cannot change to .*: (No such file|Not a directory)"
_REASON = rb"(?m)^(?:fatal|error): (.*)"
_TRUST = rb"git config --global --add safe\.directory .+"


class Context(NamedTuple):
    """Where a directory stands. All empty but ``repo_root``, which is the directory itself, outside a repository.

    ``branch`` is ``HEAD`` where none is checked out and ``unknown`` where git could not be asked. ``commit`` is the
    full name, empty before the first commit. ``worktree_name`` is what git calls a linked worktree.
    """

    branch: str
    commit: str
    repo_root: str
    is_worktree: bool = False
    worktree_name: str | None = None


class Place(NamedTuple):
    """A repository as seen from a directory. ``top`` is None where there is no work tree around the directory.

    ``commit`` is empty before the first one; ``ref`` is the branch's full name, or ``HEAD`` where none is checked out.
    """

    directory: Path
    common: Path
    top: Path | None
    commit: str
    ref: str

    @property
    def is_worktree(self) -> bool:
        """Whether it is a linked worktree, whose repository is elsewhere."""
        return self.directory != self.common

    @property
    def branch(self) -> str:
        """The branch by its short name, or ``HEAD``."""
        return self.ref.removeprefix("refs/heads/")


def environment(environ: Mapping[str, str], *, offline: bool = True) -> dict[str, str]:
    """The environment for a git that looks at the directory it is given and nowhere else.

    A hook, an alias or ``git rebase --exec`` hands ``GIT_DIR``, ``GIT_INDEX_FILE`` and the like to its children: with
    those every answer would be about another repository, and a mutation would hit it. Others (``GIT_TRACE``,
    ``GIT_LITERAL_PATHSPECS``) change what is printed or meant. So only those stay that say where git and its
    configuration are.
    """
    kept = {name: value for name, value in environ.items() if not name.startswith("GIT_") or name in _KEPT}
    return kept | _FIXED | (_OFFLINE if offline else {})


def ask(
    path: Path,
    *words: str,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    timeout: float = proc.DEFAULT_TIMEOUT,
) -> proc.Result:
    """Ask git about ``path``, whatever the exit code. Raises MissingProgramError, UnknownStateError."""
    given = environment(os.environ) | dict(env or {})
    return proc.run(["git", *_OPTIONS, "-C", path, *words], env=given, stdin=stdin, timeout=timeout)


def act(path: Path, *words: str) -> proc.Result:
    """Let git do something at ``path``, whatever the exit code. Raises MissingProgramError, UnknownStateError."""
    given = environment(os.environ, offline=False)
    return proc.run(["git", *_OPTIONS, "-C", path, *words], env=given, timeout=ACTION_TIMEOUT)


def succeeded(answer: proc.Result, what: str, codes: Iterable[int] = (0,)) -> proc.Result:
    """The answer itself; raises MasError, with git's own reason, where its exit code is none of ``codes``."""
    if answer.returncode in codes:
        return answer
    raise refusal(answer, what)


def refusal(answer: proc.Result, what: str) -> MasError:
    """The error of a git that did not do ``what``; where it does not trust the owner, the hint says how to make it."""
    trust = re.search(_TRUST, answer.stderr)
    hint = f"if you trust it: {os.fsdecode(trust.group())}" if trust else None
    return MasError(f"git could not {what}: {reason(answer)}", hint=hint)


def reason(answer: proc.Result) -> str:
    """What git complained about, in one line."""
    found = re.search(_REASON, answer.stderr)
    return os.fsdecode(found.group(1)).strip() if found else answer.complaint or f"exit code {answer.returncode}"


def context(path: Path) -> Context:
    """Branch, commit and root of the repository around ``path``; never raises for what git says or fails to say."""
    try:
        here = place(path)
    except (MasError, OSError):
        return Context(UNKNOWN, "", os.path.realpath(path))
    if here is None:
        return Context("", "", os.path.realpath(path))
    root = here.top or find_root(path) or here.directory
    name = here.directory.name if here.is_worktree else None
    return Context(here.branch, here.commit, str(root), here.is_worktree, name)


def place(path: Path) -> Place | None:
    """The repository around ``path``, None where git says there is none.

    Raises MasError where there is one that git refuses to look at or cannot read (UnknownStateError where it does not
    answer), MissingProgramError.
    """
    answer = ask(path, *_QUESTION)
    here = parse_place(answer.stdout, os.path.realpath(path))
    if here is not None:
        return here if here.ref else _with_unborn_branch(path, here)
    if re.search(_NO_REPOSITORY, answer.stderr):
        return None
    raise refusal(answer, f"read the repository at {shorten(str(path))}")


def parse_place(printed: bytes, base: str) -> Place | None:
    """The answer to the question about a place, asked in directory ``base``; None where it broke off.

    Each path stands between marks of its own, since it may hold newlines.
    """
    parts = printed.split(f"{_MARK}\n".encode())
    if len(parts) != len(_WHERE) + 1:
        return None
    directory, common, inside, up = (os.fsdecode(part.removesuffix(b"\n")) for part in parts[:-1])
    head = _HEAD.match(parts[-1])
    commit, ref = (os.fsdecode(word or b"") for word in head.groups()) if head else ("", "")
    return Place(
        Path(os.path.realpath(directory)),
        Path(os.path.realpath(Path(base, common))),
        Path(os.path.normpath(Path(base, up))) if inside == "true" else None,
        commit,
        ref,
    )


def _with_unborn_branch(path: Path, here: Place) -> Place:
    """Before the first commit HEAD resolves to nothing, but still names a branch."""
    answer = ask(path, "symbolic-ref", "--quiet", "HEAD")
    return here._replace(ref=answer.text.removesuffix("\n") or "HEAD")


def find_root(path: Path) -> Path | None:
    """Top of the work tree around ``path``, links resolved; None where there is none. Starts no process.

    A broken repository counts: whoever works in it means it all the same.
    """
    here = Path(os.path.realpath(path))
    return next((directory for directory in (here, *here.parents) if _has_repository(directory)), None)


def _has_repository(directory: Path) -> bool:
    """What git itself looks for: a file that says where the repository is, or a directory with these three entries."""
    try:
        inside = {entry.name for entry in (directory / ".git").iterdir()}
    except NotADirectoryError:
        return True
    except OSError:
        return False
    return {"HEAD", "objects", "refs"} <= inside
