"""Teams in the root's own ``unit/`` and ``workflows/``: in place, nothing copied, one at a time.

Such a team has a record like any other, in a directory of its own without ``unit/`` and ``workflows/``. What it is
called in tmux says which record is its: the next start takes the same one up again, until its work has ended.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mas import files, naming, notes, planning, settings, stopping, tmux, watching, workspace
from mas.errors import ConflictError, OccupiedError, UsageError, shorten
from mas.index import Row
from mas.lifecycle import TERMINAL
from mas.paths import SessionPaths
from mas.planning import StartOptions, StartPlan
from mas.record import Document, runtime_of
from mas.structs import replace

if TYPE_CHECKING:
    from mas.app import Mas

_PATIENCE = 60.0
"""Seconds to wait for another start in the same directories: that takes as long as a team takes to come up."""


def plan(mas: "Mas", options: StartOptions) -> StartPlan:
    """Work out a start in the root's own directories; raises what it would be refused with, OccupiedError among it."""
    if options.template or not options.team:
        what = "a template" if options.template else "no team"
        raise UsageError(f"{what} was asked for, in the root's own directories", hint="`mas start --isolated` takes it")
    planning.check_place(mas)
    project = settings.load_settings(mas.root)
    name = naming.shared_name(project.session_name, project.project_name)
    check_free(mas, name)
    wanted = planning.ask(mas, options, workspace.shared_team(mas.root), project.agent)
    seen = tmux.discover(mas.server)
    document = _record(mas, options, name, seen)
    planning.check_room(mas, 0, 0)
    tmux.capacity(seen).require(len(wanted.team.ids))
    made = planning.assemble(mas, document, wanted, _fill)
    _check_places(mas, made)
    return replace(made, renews=bool(document.get("rev")))


def _record(mas: "Mas", options: StartOptions, name: str, seen: tmux.Seen) -> Document:
    """The record with what is intended: the one that the name has, or a new one."""
    known = find_record(mas, name)
    if known is None:
        given = options.session_id
        session_id = planning.free_id(mas, seen) if given is None else planning.given_id(mas, given, seen)
        known = mas.manager.draft(options.request, config=options.work, session_id=session_id)
    elif options.session_id not in (None, known["session_id"]):
        msg = f"session {name} has the id {known['session_id']}, not {options.session_id}"
        raise ConflictError(msg, hint="leave the id out")
    before = runtime_of(known)
    if options.label != before.get("label", ""):
        planning.check_label(mas, options.label)
    own = {"mode": settings.LEGACY, "label": options.label or before.get("label", ""), "project": str(mas.cwd)}
    intended = planning.intent(mas, known["session_id"], seen, up=True, name=name)
    request = options.request or known["feature_request"]
    return {**known, "feature_request": request, "runtime": {**before, **intended, **own}}


def _fill(paths: SessionPaths) -> None:
    paths.logs.mkdir(mode=0o700)


def _check_places(mas: "Mas", made: StartPlan) -> None:
    for pane in made.launch.panes if made.launch else ():
        if not pane.cwd.is_dir():
            msg = f"agent {pane.agent_id} of the team has no directory {shorten(str(pane.cwd), 200)}"
            raise ConflictError(msg, hint="make it, or take the agent out of team.toml")
    if not os.access(mas.cwd, os.W_OK):
        msg = f"{shorten(str(mas.cwd), 200)} cannot be written to, so no {notes.FILE} can be left there"
        raise ConflictError(msg, hint="start from the project's directory")


def find_record(mas: "Mas", name: str) -> Document | None:
    """The record of the team of that name, as long as its work has not ended; the newest where there are several."""
    rows = [row for row in _rows(mas) if row.get("tmuxSession") == name and row.get("lifecycle") not in TERMINAL]
    there = [row["sessionId"] for row in rows if mas.storage.has(row["sessionId"])]
    return mas.storage.read(there[-1]).document if there else None


def _rows(mas: "Mas") -> Sequence[Row]:
    return [row for row in mas.rows() if row.get("mode") == settings.LEGACY]


# --- one at a time ---


@contextmanager
def alone(mas: "Mas", document: Document) -> Iterator[None]:
    """Have the root's directories to itself while a team of theirs comes up; any other record is not concerned.

    Raises OccupiedError where one is up already.
    """
    runtime = runtime_of(document)
    if runtime.get("mode") != settings.LEGACY:
        yield
        return
    with files.lock(mas.root.shared_lock, _PATIENCE):
        check_free(mas, runtime["tmux_name"])
        yield


def check_free(mas: "Mas", name: str) -> None:
    """Raise OccupiedError where a team is up in the root's directories, or whatever else is called ``name``.

    Raises RefusedError where that is another root's session.
    """
    found = next(_occupants(mas, name), None)
    if found:
        raise OccupiedError(*found, mas.root.path)


def _occupants(mas: "Mas", name: str) -> Iterator[tuple[str, str]]:
    """The teams that are up in the root's directories: what they are called, and the ids of those with a record."""
    live = {one.name: one for one in tmux.discover(mas.server).sessions}
    if one := live.get(name):
        if (one.session_id or one.root) and not mas.is_ours(one):
            msg = f"the tmux session {name} belongs to {shorten(one.root, 200)}"
            raise ConflictError(msg, hint="give this project a name of its own: PROJECT_SESSION_NAME in its .masrc")
        yield name, one.session_id
    noted = live.get(notes.name_in(mas.cwd))
    if noted and (mas.is_ours(noted) or mas.is_stray(noted)):
        yield noted.name, noted.session_id
    for row in _rows(mas):
        document = stopping.readable(mas, row["sessionId"])
        if team := watching.look(mas, row["sessionId"], document).team:
            yield team.name, row["sessionId"]


# --- what scripts read ---


def leave_note(document: Document, root: Path) -> None:
    """Write ``.mas_session`` where the team of a record was started; in the root where that place is gone."""
    runtime = runtime_of(document)
    place = Path(runtime.get("project") or root)
    notes.leave(place if place.is_dir() else root, runtime["tmux_name"], root)
