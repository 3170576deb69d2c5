"""Beginning again: a child with the parent's request and configuration and a copy of its workspace.

What ended stays as it ended; the child is a session of its own that knows its parent.
"""

from typing import TYPE_CHECKING, Any

from mas import copying, files, naming
from mas.paths import SessionPaths
from mas.record import runtime_of
from mas.session import Session
from mas.states import SessionCheckpoint

if TYPE_CHECKING:
    from mas.app import Mas
    from mas.manager import SessionManager

_KEPT = ("mode", "root", "agents", "template", "profile")
"""What a child's team has from its parent's; everything else begins anew."""


def retry(
    mas: "Mas", session_id: str, *, manager: "SessionManager", checkpoint: SessionCheckpoint | None = None
) -> Session:
    """Make a child of a session, from its record as it is or as a checkpoint has it. Its team is not started."""
    draft = manager.retry(session_id, checkpoint=checkpoint)
    runtime = runtime_of(mas.storage.read(session_id).document)
    if not runtime.get("mode"):
        return manager.create(draft)
    own: dict[str, Any] = {
        **{name: runtime[name] for name in _KEPT if name in runtime},
        "wanted": "down",
        "observed": "down",
        "tmux_name": naming.tmux_name(draft["session_id"], _tmux_names(mas)),
    }
    parent = mas.root.session(session_id)
    return manager.create({**draft, "runtime": own}, build=lambda staged: _build(parent, staged))


def _tmux_names(mas: "Mas") -> set[str]:
    return {row.get("tmuxSession") or "" for row in mas.rows()}


def _build(parent: SessionPaths, staged: SessionPaths) -> None:
    """The child's directory: what the parent's agents have now, and the team as it was asked for."""
    for source, target in ((parent.unit, staged.unit), (parent.workflows, staged.workflows)):
        if source.is_dir():
            copying.copy_tree(source, target)
    staged.logs.mkdir(mode=0o700)
    with files.directory(parent.directory) as fd:
        config = files.read(fd, parent.config.name)
    with files.directory(staged.directory) as fd:
        files.replace(fd, staged.config.name, config)
