"""Git worktrees: a directory and a branch of its own for a session, and the way of its commits back.

What only exists in a worktree is never thrown away unasked. Its branch stays when the worktree goes.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from mas import git
from mas.errors import ExistsError, MasError, NotFoundError, RefusedError, UnknownStateError, shorten
from mas.structs import Frozen


class Worktree(Frozen):
    """A linked worktree. ``original_branch`` was checked out in the repository when it was made, empty for none."""

    path: Path
    branch: str
    original_branch: str
    base_commit: str


def add(repo: Path, path: Path, branch: str) -> Worktree:
    """Make ``path`` a worktree of ``repo`` on a new branch that begins at the commit checked out there.

    Neither path nor branch may exist, the directory above the path must. When it fails nothing of it is left. Raises
    RefusedError for a name git does not take or where there is no commit yet, ExistsError, NotFoundError, MasError.
    """
    here, path = _repository(repo), path.absolute()
    if not here.commit:
        raise RefusedError(f"no commit in {shorten(str(repo))}", hint="in a new repository: commit something first")
    with ExitStack() as undo:
        undo.enter_context(_new_branch(repo, check_branch_name(repo, branch), here.commit))
        undo.enter_context(_new_directory(repo, path))
        answer = git.act(repo, "worktree", "add", "--quiet", "--", str(path), branch)
        git.succeeded(answer, f"make a worktree at {shorten(str(path))}")
    return Worktree(path, branch, "" if here.ref == "HEAD" else here.branch, here.commit)


def remove(repo: Path, path: Path, *, force: bool = False) -> None:
    """Remove a worktree; one that is already gone is forgotten by git too.

    Without ``force`` one is refused that holds changes, files or commits which exist nowhere else (RefusedError). A
    locked one is always refused (MasError), and so is a directory that is no worktree of ``repo``.
    """
    path = path.absolute()
    gone = not os.path.lexists(path)
    if not gone:
        _check_linked(repo, path)
        if not force:
            _check_nothing_lost(path)
    answer = git.act(repo, "worktree", "remove", *(["--force"] if force else []), "--", str(path))
    if answer.returncode and not (gone and "is not a working tree" in git.reason(answer)):
        error = git.refusal(answer, f"remove the worktree at {shorten(str(path))}")
        if "a locked working tree" in error.message:
            error.hint = f"git worktree unlock {path}"
        raise error


def is_there(repo: Path, path: Path) -> bool:
    """Whether a worktree of ``repo`` is at ``path``; an empty directory, begun for one, is taken away.

    Raises RefusedError for anything else.
    """
    with suppress(OSError):
        path.rmdir()
    if not os.path.lexists(path):
        return False
    _check_linked(repo, path.absolute())
    return True


def forget_branch(repo: Path, name: str, commit: str) -> None:
    """Drop a branch that was begun for a worktree, where it is still at ``commit`` and nobody has checked it out."""
    answer = git.ask(repo, "rev-parse", "--quiet", "--verify", f"refs/heads/{check_branch_name(repo, name)}")
    if answer.text.strip() == commit and _checked_out_at(repo, name) is None:
        git.act(repo, "update-ref", "-d", f"refs/heads/{name}", commit)


def is_dirty(path: Path) -> bool:
    """Whether a work tree holds modified, staged or untracked files; ignored ones do not count."""
    words = ("status", "--porcelain", "-z", "--untracked-files=normal", "--ignore-submodules=none")
    return bool(git.succeeded(git.act(path, *words), f"see what changed in {shorten(str(path))}").stdout)


def fast_forward(repo: Path, original: str, branch: str) -> str:
    """Move branch ``original`` forward to where ``branch`` is, and return that commit's name.

    Where ``original`` is checked out its files follow; local changes stay, and where they are in the way nothing moves.
    Raises RefusedError unless it is a fast-forward, NotFoundError for a branch that is not there.
    """
    old, new = _tip(repo, original), _tip(repo, branch)
    if _is_ancestor(repo, new, old):
        return old
    if not _is_ancestor(repo, old, new):
        msg = f"branch {shorten(original)} has commits that {shorten(branch)} lacks"
        raise RefusedError(msg, hint=f"merge it by hand: git merge {branch}")
    where = _checked_out_at(repo, original)
    if where:
        _forward_files(where, original, branch, new)
    else:
        _forward_alone(repo, original, branch, (old, new))
    if _tip(repo, original) != new:
        msg = f"branch {shorten(original)} moved while it was fast-forwarded"
        raise UnknownStateError(msg, hint=f"look at it: git log {original}")
    return new


def check_branch_name(repo: Path, name: str) -> str:
    """The name itself; raises RefusedError for one that git does not take, or that is an option or an expression."""
    odd = "\0" in name or "@{" in name or name == "@"
    if odd or git.ask(repo, "check-ref-format", "--branch", name).returncode:
        msg = f"not a name for a branch: {shorten(name)}"
        raise RefusedError(msg, hint="letters, digits, - and / will do, for example feature/login")
    return name


@contextmanager
def _new_branch(repo: Path, name: str, commit: str) -> Iterator[None]:
    """A branch that is dropped again when the block fails. Git makes it or refuses, so it is ours when it is there."""
    answer = git.act(repo, "branch", "--", name, commit)
    if "already exists" in git.reason(answer) and answer.returncode:
        msg = f"branch {shorten(name)} exists already"
        raise ExistsError(msg, hint=f"choose another name, or delete it: git branch -d {name}")
    git.succeeded(answer, f"make branch {shorten(name)}")
    try:
        yield
    except BaseException:
        with suppress(MasError):
            git.act(repo, "update-ref", "-d", f"refs/heads/{name}", commit)
        raise


@contextmanager
def _new_directory(repo: Path, path: Path) -> Iterator[None]:
    """An empty directory that is removed again, with what a worktree put there, when the block fails."""
    try:
        path.mkdir()
    except FileExistsError:
        msg = f"{shorten(str(path))} exists already"
        raise ExistsError(msg, hint="a worktree is made where nothing is yet") from None
    except FileNotFoundError:
        msg = f"no directory {shorten(str(path.parent))}"
        raise NotFoundError(msg, hint="make it first") from None
    try:
        yield
    except BaseException:
        import shutil  # noqa: PLC0415  costs start-up time, and this fails rarely

        with suppress(MasError):
            git.act(repo, "worktree", "remove", "--force", "--force", "--", str(path))
        shutil.rmtree(path, ignore_errors=True)
        raise


def _repository(repo: Path) -> git.Place:
    here = git.place(repo)
    if here is None:
        msg = f"no git repository at {shorten(str(repo))}"
        raise NotFoundError(msg, hint="a worktree needs one: git init")
    return here


def _tip(repo: Path, branch: str) -> str:
    answer = git.ask(repo, "rev-parse", "--quiet", "--verify", f"refs/heads/{branch}^{{commit}}")
    if answer.returncode:
        msg = f"no branch {shorten(branch)} in {shorten(str(repo))}"
        raise NotFoundError(msg, hint="`git branch` lists them")
    return answer.text.strip()


def _is_ancestor(repo: Path, old: str, new: str) -> bool:
    answer = git.ask(repo, "merge-base", "--is-ancestor", old, new)
    return git.succeeded(answer, "compare two branches", codes=(0, 1)).returncode == 0


def _checked_out_at(repo: Path, branch: str) -> Path | None:
    """The work tree a branch is checked out in: moving the branch below it would make its files look changed."""
    answer = git.ask(repo, "for-each-ref", "--format=%(worktreepath)", f"refs/heads/{branch}")
    printed = git.succeeded(answer, f"see where branch {shorten(branch)} is checked out").text.removesuffix("\n")
    bare = printed and Path(printed) == _repository(repo).common
    return Path(printed) if printed and not bare else None


def _forward_files(where: Path, original: str, branch: str, commit: str) -> None:
    """Let git move the branch together with the files of its work tree."""
    fixed = ("--ff-only", "--quiet", "--no-stat", "--no-squash", "--no-autostash", "--no-overwrite-ignore")
    answer = git.act(where, "merge", "--no-verify-signatures", *fixed, commit)
    if answer.returncode:
        msg = f"git would not fast-forward {shorten(original)} in {shorten(str(where))}: {git.reason(answer)}"
        raise RefusedError(msg, hint=f"commit or stash what changed there, then: git merge --ff-only {branch}")


def _forward_alone(repo: Path, original: str, branch: str, step: tuple[str, str]) -> None:
    """Move a branch that no files follow, unless it is elsewhere by now."""
    old, new = step
    words = ("update-ref", "-m", f"mas: fast-forward to {branch}", f"refs/heads/{original}", new, old)
    git.succeeded(git.act(repo, *words), f"move branch {shorten(original)}")


def _check_linked(repo: Path, path: Path) -> None:
    here, there = _repository(repo), git.place(path)
    linked = there is not None and there.is_worktree and there.common == here.common
    if there is None or not linked or there.top != Path(os.path.realpath(path)):
        msg = f"{shorten(str(path))} is no worktree of {shorten(str(repo))}"
        raise RefusedError(msg, hint="`git worktree list` shows them")


def _check_nothing_lost(path: Path) -> None:
    if is_dirty(path):
        msg = f"the worktree {shorten(str(path))} holds changes that are not committed"
        raise RefusedError(msg, hint="commit them, or remove it by force")
    if _holds_the_only_way(path):
        msg = f"the worktree {shorten(str(path))} holds commits that are on no branch"
        raise RefusedError(msg, hint="give them one (git switch -c NAME), or remove it by force")


def _holds_the_only_way(path: Path) -> bool:
    """Commits made without a branch are found by the worktree's own HEAD alone, which goes with it."""
    here = git.place(path)
    if here is None or here.ref != "HEAD" or not here.commit:
        return False
    answer = git.ask(path, "for-each-ref", "--count=1", "--format=%(refname)", f"--contains={here.commit}")
    return not git.succeeded(answer, "look for branches").stdout
