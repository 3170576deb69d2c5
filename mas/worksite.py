"""Where a session's work happens, its project or a git worktree of its own, and what an iteration changes there.

What is made is remembered in the record; what git cannot tell is left out.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mas import guard
from mas.config import ExecutionMode
from mas.errors import MasError, RefusedError
from mas.events import (
    CommandExecuted,
    Completed,
    IterationCompleted,
    IterationStarted,
    SessionEvent,
    TimestampedEvent,
)
from mas.iteration import CommitInfo, IterationChanges
from mas.record import Document, lacks_worktree, lifecycle_of, options_of
from mas.structs import replace

if TYPE_CHECKING:
    from mas.worktrees import Worktree


def wanted_worktree(document: Document) -> str | None:
    """The branch of the worktree that a session is to have, None where it works in the project itself."""
    config = lifecycle_of(document).get("config") or {}
    return ExecutionMode.from_json(config.get("execution_mode")).worktree


def worktree_of(document: Document) -> Mapping[str, Any] | None:
    """What is remembered of a session's worktree: path, branch, original_branch, base and repo."""
    found = lifecycle_of(document).get("worktree")
    return found if isinstance(found, Mapping) else None


def place_of(document: Document) -> Path:
    """Where the work happens: the worktree, or the project. Raises RefusedError where the worktree is not made yet."""
    worktree = worktree_of(document)
    if worktree:
        return Path(worktree["path"])
    if lacks_worktree(document):
        raise guard.half_made(document)
    return project_of(document)


def project_of(document: Document) -> Path:
    """The project, whether or not the work happens in a worktree of it."""
    config = lifecycle_of(document).get("config") or {}
    return Path(config.get("project_path") or (document.get("git_context") or {}).get("repo_root") or ".")


def add_worktree(document: Document, path: Path, *, begun: bool = False) -> dict[str, Any]:
    """Make the worktree; the data of its record. Where it was ``begun`` and cut off, what is there of it is taken.

    Raises what ``worktrees.add`` raises, and then there is none.
    """
    from mas import worktrees  # noqa: PLC0415  few sessions have one

    repo, branch = project_of(document), wanted_worktree(document) or ""
    if begun and worktrees.is_there(repo, path):
        made = _made_before(document, path, branch)
    else:
        if begun:
            worktrees.forget_branch(repo, branch, (document.get("git_context") or {}).get("commit", ""))
        made = worktrees.add(repo, path, branch)
    return {
        "path": str(made.path),
        "branch": made.branch,
        "original_branch": made.original_branch,
        "base": made.base_commit,
        "repo": str(repo),
    }


def _made_before(document: Document, path: Path, branch: str) -> "Worktree":
    """It began where the project was when the session was created."""
    from mas.worktrees import Worktree  # noqa: PLC0415  see add_worktree

    context = document.get("git_context") or {}
    original = context.get("branch", "")
    return Worktree(path, branch, "" if original == "HEAD" else original, context.get("commit", ""))


def remove_worktree(document: Document, path: Path, *, force: bool) -> None:
    """Remove the worktree where there is one; what is only there is not thrown away without ``force``.

    One at ``path`` is the session's own also where making it was cut off before it was on record.
    """
    worktree = worktree_of(document)
    if worktree is None and not lacks_worktree(document):
        return
    from mas import worktrees  # noqa: PLC0415  see add_worktree

    repo, path = (Path(worktree["repo"]), Path(worktree["path"])) if worktree else (project_of(document), path)
    try:
        if worktree or worktrees.is_there(repo, path):
            worktrees.remove(repo, path, force=force)
    except (MasError, OSError):
        if not force:
            raise


Log = Callable[[str, int], Sequence[TimestampedEvent]]
"""The events of a session with a number above one."""

ASKING = frozenset({IterationStarted, IterationCompleted, Completed})
"""The events before which git may have something to say."""


def asked(
    document: Document, event: SessionEvent, exclude: Sequence[Path] = (), log: Log | None = None
) -> tuple[SessionEvent, Mapping[str, Any]]:
    """The event with what git says about it, and what is to be written beside it. Takes long; not to be called locked.

    ``log`` gives the events after a number, to tell which commands were reported before.
    Raises RefusedError where the work of a session that completes cannot be merged as it asks for.
    """
    match event:
        case IterationStarted() if options_of(document).get("collect_metrics"):
            return event, _marked(document, exclude)
        case IterationCompleted(changes):
            repeated = _repeated(document, changes, log)
            return replace(event, changes=changes.filled(_measured(document))), repeated
        case Completed() if options_of(document).get("auto_merge"):
            return event, _merged(document)
    return event, {}


def _repeated(document: Document, changes: IterationChanges, log: Log | None) -> dict[str, Any]:
    """How many of the commands were reported one by one since the iteration began: each counts once."""
    if not changes.commands_run or log is None:
        return {}
    happened = log(document["session_id"], lifecycle_of(document).get("opened_rev", 0))
    reported = [one.event.command for one in happened if isinstance(one.event, CommandExecuted)]
    count = len(changes.commands_run) - len(changes.news(reported))
    return {"repeated": count} if count else {}


def _merged(document: Document) -> dict[str, Any]:
    """Fast-forward the branch that the session's worktree began from; nothing else is ever merged."""
    worktree = worktree_of(document)
    if worktree is None:
        return {}
    from mas import worktrees  # noqa: PLC0415  see add_worktree

    repo, path, branch = Path(worktree["repo"]), Path(worktree["path"]), worktree["branch"]
    if not worktree["original_branch"]:
        msg = f"session {document['session_id']}: no branch was checked out to merge {branch} into"
        raise RefusedError(msg, hint=f"merge it by hand: git merge {branch}")
    if path.is_dir() and worktrees.is_dirty(path):
        msg = f"the worktree of session {document['session_id']} holds changes that are not committed"
        raise RefusedError(msg, hint=f"commit them: git -C {path} commit")
    return {"merged": worktrees.fast_forward(repo, worktree["original_branch"], branch)}


def _marked(document: Document, exclude: Sequence[Path]) -> dict[str, Any]:
    """How the work stands; where git cannot tell, the iteration goes unmeasured."""
    from mas import changes  # noqa: PLC0415  few iterations are measured

    try:
        found = changes.mark(place_of(document), exclude)
    except (MasError, OSError):
        return {}
    return {"mark": [*found]} if found.tree else {}


def _measured(document: Document) -> IterationChanges:
    """What changed since the open iteration began; nothing where no mark was made or git cannot tell."""
    stored = lifecycle_of(document).get("mark")
    if not stored:
        return IterationChanges()
    from mas import changes  # noqa: PLC0415  see _marked

    try:
        commit, tree, time, exclude = stored
        found = changes.since(place_of(document), changes.Mark(commit, tree, time, tuple(exclude)))
    except (MasError, OSError, ValueError, TypeError):
        return IterationChanges()
    commits = tuple(CommitInfo(*one) for one in found.commits)
    return IterationChanges(found.files, found.lines_added, found.lines_removed, (), commits)
