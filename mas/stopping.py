"""Ending a team, and proving that it ended. The workspace stays; ``remove`` takes that too.

The order: say what is wanted, ask the agents, end the tmux session by its verified id, find every process of its
launches and end it, then record it. Killed in between, ``mas stop`` or ``mas doctor --fix`` goes on where it was. A
team is ended even where its record cannot be written, for want of room or because it is damaged; that is then said.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mas import apart, events, guard, notes, processes, tmux, watching
from mas.errors import DamagedError, MasError, NotFoundError, RefusedError, UnknownStateError
from mas.lifecycle import RUNNING
from mas.record import Document, runtime_of, status_of
from mas.replay import Entry
from mas.runtime import STOPPED, is_settled
from mas.structs import Frozen
from mas.watching import Sight
from mas.wrapper import MARKER

if TYPE_CHECKING:
    from mas.app import Mas

ASKING = 3.0
"""Seconds that agents have between being asked to end and the end of their terminal."""


class Stopped(Frozen):
    """How a stop went: whether anything was up, and whether it was handed over to another process."""

    session_id: str
    was_up: bool
    handed_over: bool = False


# --- stop ---


def stop(mas: "Mas", session_id: str, *, grace: float = ASKING) -> Stopped:
    """End the team of a session, whatever is left of it; stopping one that is down succeeds.

    Raises UnknownStateError where tmux does not answer, and then nothing was done; MasError where a process could not
    be ended, and then the record does not say stopped.
    """
    with mas.storage.lock(session_id):
        document = _stoppable(mas, session_id)
        try:
            found = watching.look(mas, session_id, document)
        except UnknownStateError:
            if document and is_settled(document):
                return Stopped(session_id, was_up=False)
            raise
        if found.team is None and document and is_settled(document):
            return Stopped(session_id, was_up=False)
        members = _members(found, session_id)
        inside = _is_inside(mas, session_id, members)
        if not inside:
            with mas.sure(session_id, "up" if found.team else "down"):
                _record(mas, session_id, {"wanted": "down"})
            _end(mas, session_id, found, members, grace=grace)
            refusal = _record(mas, session_id, {"wanted": "down", "observed": "down"})
            _take_note_away(mas, document)
            if refusal:
                raise refusal
    return _hand_over(mas, session_id, grace) if inside else Stopped(session_id, was_up=found.team is not None)


def end_stray(mas: "Mas", seen: tmux.SeenSession) -> None:
    """End a tmux session that nobody registered; it is named in full by what was seen of it."""
    tmux.end(mas.server, seen.tmux_id, "", name=seen.name)
    for place in (mas.cwd, mas.root.path):
        notes.take_away(place, seen.name)


def _take_note_away(mas: "Mas", document: Document | None) -> None:
    """Remove ``.mas_session`` where it names the team that has ended."""
    runtime = runtime_of(document) if document else {}
    if name := runtime.get("tmux_name"):
        for place in {str(mas.cwd), runtime.get("project") or str(mas.root.path)}:
            notes.take_away(Path(place), name)


def _stoppable(mas: "Mas", session_id: str) -> Document | None:
    """The record of a session that may have a team; None where it cannot be read."""
    document = readable(mas, session_id)
    if document and not runtime_of(document).get("mode"):
        msg = f"session {session_id} has no team"
        raise RefusedError(msg, hint=f"`mas pause {session_id}` rests its work")
    return document


def readable(mas: "Mas", session_id: str) -> Document | None:
    """The record of a session, None where it is damaged or gone but something still speaks of it.

    Raises NotFoundError where nothing does.
    """
    try:
        return mas.storage.read(session_id).document
    except DamagedError:
        return None
    except NotFoundError:
        known = mas.storage.has(session_id) or mas.row(session_id) is not None
        if not known and not mas.ours(tmux.discover(mas.server), session_id):
            raise
        return None


def _record(mas: "Mas", session_id: str, changes: Mapping[str, str]) -> MasError | None:
    """Record what is wanted and seen of the team, and that the work rests; returns why that failed."""

    def decide(document: Document, now: str) -> Sequence[Entry]:
        entries = guard.news(document, changes)
        if status_of(document) in RUNNING:
            entries.append(guard.admit(document, events.Paused(STOPPED, by="mas"), now))
        return entries

    try:
        if mas.storage.has(session_id):
            mas.manager.change(session_id, decide)
    except MasError as error:
        error.message = f"the team of session {session_id} is down, but that could not be recorded: {error.message}"
        return error
    return None


# --- a team and its processes ---


def end_team(
    mas: "Mas",
    session_id: str,
    document: Document | None,
    *,
    grace: float = ASKING,
    patience: float = processes.GRACE,
) -> None:
    """End the tmux session of a session, if it is there, and every process of its launches.

    Agents are asked first and have ``grace`` seconds; what is left is ended, and killed after ``patience`` seconds.
    """
    found = watching.look(mas, session_id, document)
    _end(mas, session_id, found, _members(found, session_id), grace=grace, patience=patience)


def _members(found: Sight, session_id: str) -> frozenset[processes.Process]:
    return processes.descendants(_panes(found, session_id))


def _panes(found: Sight, session_id: str) -> list[int]:
    if found.team is None:
        return []
    return [pane.pid for pane in tmux.panes(found.server, found.team.tmux_id, session_id)]


def _end(
    mas: "Mas",
    session_id: str,
    found: Sight,
    members: Collection[processes.Process],
    *,
    grace: float,
    patience: float = processes.GRACE,
) -> None:
    if grace and members:
        processes.ask(processes.children(_panes(found, session_id)), grace=grace)
    if found.team:
        tmux.end(found.server, found.team.tmux_id, session_id)
    end_marked(mas, session_id, members, patience=patience)


def _is_inside(mas: "Mas", session_id: str, members: Collection[processes.Process]) -> bool:
    """Whether this process is one of a session's terminals or launches, so that it would end itself too."""
    carried = processes.values(MARKER, processes.ancestry())
    return bool(processes.own(members)) or any(_is_launch(mas, session_id, value) for value in carried)


def _is_launch(mas: "Mas", session_id: str, value: str) -> bool:
    """Whether a mark is of one of the session's launches; those of another root's copy of it are not ours."""
    return value.startswith(f"{session_id}:") and value.endswith(mas.mark)


def marks(mas: "Mas", session_id: str) -> list[str]:
    """What the processes of a session's launches carry in their environment."""
    found = sorted(value for value in processes.marks(MARKER) if _is_launch(mas, session_id, value))
    return [f"{MARKER}={value}" for value in found]


def end_marked(
    mas: "Mas",
    session_id: str,
    members: Collection[processes.Process] = (),
    *,
    patience: float = processes.GRACE,
) -> None:
    """End these processes and all of the session's launches; raises MasError where one remains."""
    survivors: tuple[processes.Process, ...] = ()
    for mark in marks(mas, session_id) or [""]:
        survivors += processes.end(members, mark, grace=patience).survivors
    if survivors:
        shown = ", ".join(str(process.pid) for process in survivors)
        msg = f"processes {shown} cannot be ended"
        raise MasError(msg, hint="look at what they wait for, then stop again")


def _hand_over(mas: "Mas", session_id: str, grace: float) -> Stopped:
    """A stop from inside the team would end itself half-way: a process of its own does it."""
    apart.run(mas, session_id, "stop", *([] if grace else ["--force"]), session_id)
    return Stopped(session_id, was_up=True, handed_over=True)


# --- remove ---


def remove(mas: "Mas", session_id: str, *, force: bool = False) -> None:
    """Delete a session, its workspace and its row.

    Without ``force`` one that is up is refused, one that cannot be read, and one whose worktree holds work that is only
    there. What is no session of ours is never deleted.
    """
    with mas.storage.lock(session_id):
        document = readable(mas, session_id)
        if document is None or runtime_of(document).get("mode"):
            if refusal := foreign(mas, session_id):
                raise refusal
            _end_for_removal(mas, session_id, document, force=force)
        delete(mas, session_id, force=force)


def foreign(mas: "Mas", session_id: str) -> RefusedError | None:
    """Why nothing is done to what is in the place of a session's directory; None where there is nothing, or ours."""
    paths = mas.root.session(session_id)
    if paths.directory.is_symlink():
        from mas import reconcile  # noqa: PLC0415  hardly any session is a link

        msg = f"{paths.directory} is a link, and no link is followed"
        return RefusedError(msg, hint=reconcile.move_away(session_id))
    if not mas.storage.has(session_id) or any(map(os.path.lexists, (paths.log, paths.snapshot))):
        return None
    msg = f"{paths.directory} holds no session; it is left alone"
    hint = "look at it; if nobody needs it, remove it by hand"
    return RefusedError(msg, hint="`mas migrate` takes it over" if mas.storage.is_earlier(session_id) else hint)


def _end_for_removal(mas: "Mas", session_id: str, document: Document | None, *, force: bool) -> None:
    try:
        found = watching.look(mas, session_id, document)
    except UnknownStateError:
        if document and is_settled(document):
            return
        raise
    if found.team and not force:
        msg = f"session {session_id} is active"
        raise RefusedError(msg, hint=f"`mas stop {session_id}` first, or `mas rm --force {session_id}`")
    members = _members(found, session_id)
    if _is_inside(mas, session_id, members):
        msg = f"session {session_id} is the one this runs in"
        raise RefusedError(msg, hint=f"call `mas rm --force {session_id}` from outside of it")
    _end(mas, session_id, found, members, grace=ASKING)
    _take_note_away(mas, document)
    refusal = _record(mas, session_id, {"wanted": "down", "observed": "down"})
    if refusal and not force:
        if document is None:
            refusal.hint = (
                f"`mas doctor {session_id[:8]}` shows what is left; `mas rm --force {session_id[:8]}` takes it"
            )
        raise refusal


def delete(mas: "Mas", session_id: str, *, force: bool) -> None:
    """Delete what there is of a session whose team is down; the caller holds its lock."""
    if mas.storage.has(session_id):
        mas.manager.delete_session(session_id, force=force)
    else:
        mas.projections.forget(session_id)
