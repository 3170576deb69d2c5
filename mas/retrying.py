"""Beginning again: a child with the parent's request and configuration and a copy of its workspace.

What ended stays as it ended; the child is a session of its own that knows its parent. Of a team that worked in the
project's own directories, the child has a copy of those.
"""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from mas import copying, planning, teamfile, tmux, trees
from mas.errors import RefusedError
from mas.paths import SHARED_PARTS, SessionPaths
from mas.planning import StartPlan, Wanted
from mas.projections import working_directory
from mas.record import Document, runtime_of
from mas.runtime import code_of
from mas.session import Session
from mas.states import SessionCheckpoint
from mas.structs import replace

if TYPE_CHECKING:
    from mas.app import Mas
    from mas.manager import SessionManager


def retry(
    mas: "Mas",
    session_id: str,
    *,
    manager: "SessionManager",
    checkpoint: SessionCheckpoint | None = None,
    start: bool = False,
) -> Session:
    """Make a child of a session, from its record as it is or as a checkpoint has it; ``start`` brings its team up.

    Raises what a start is refused with; what fails on the way leaves nothing.
    """
    draft = manager.retry(session_id, checkpoint=checkpoint)
    parent = mas.storage.read(session_id).document
    if runtime_of(parent).get("mode"):
        return mas.start(_plan(mas, parent, draft, start=start)).session
    if start:
        raise RefusedError(f"session {session_id} has no team, so its child has none", hint="leave --start out")
    return manager.create(draft)


def _plan(mas: "Mas", parent: Document, draft: Document, *, start: bool) -> StartPlan:
    """The start of a child, as that of any team, but with the parent's team and workspace for a template."""
    place, session_id = working_directory(parent, mas.root), parent["session_id"]
    found = {name: trees.survey(place / name, trees.WORKSPACE) for name in SHARED_PARTS if (place / name).is_dir()}
    planning.check_room(mas, sum(tree.bytes for tree in found.values()), sum(tree.entries for tree in found.values()))
    config = teamfile.stored_config(mas, session_id)
    wanted = Wanted(*teamfile.stored_team(mas, session_id), config)
    seen = tmux.discover(mas.server) if start else tmux.Seen(running=False)
    if start:
        tmux.capacity(seen).require(len(wanted.team.ids))
    own = {"mode": "isolated", "label": "", "project": code_of(parent)}
    runtime = planning.intent(mas, draft["session_id"], seen, up=start) | own
    made = planning.assemble(mas, {**draft, "runtime": runtime}, wanted, partial(_fill, found))
    kept = {"template": config["mas"].get("template", "")}
    document = {**made.document, "runtime": {**runtime_of(made.document), **kept}}
    return replace(made, document=document, config={**made.config, "mas": {**made.config["mas"], **kept}})


def _fill(found: Mapping[str, trees.Tree], staged: SessionPaths) -> None:
    for name in SHARED_PARTS:
        if name in found:
            copying.copy(found[name], staged.directory / name)
        else:
            (staged.directory / name).mkdir()
    staged.logs.mkdir(mode=0o700)
