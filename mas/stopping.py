"""Ending a team, and proving that it ended. The workspace stays; ``remove`` takes that too.

The order: say what is wanted, ask the agents, end the tmux session by its verified id, find every process of this
launch and end it, then record it. Killed in between, ``mas stop`` or ``mas doctor --fix`` goes on where it was.
"""

import os
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mas import events, guard, launch, proc, processes, tmux
from mas.errors import MasError, NotFoundError, RefusedError
from mas.lifecycle import RUNNING
from mas.record import Document, runtime_of, status_of
from mas.replay import Entry
from mas.runtime import STOPPED

if TYPE_CHECKING:
    from mas.app import Mas


@dataclass(frozen=True, slots=True)
class Stopped:
    """How a stop went: whether anything was up, and whether it was handed over to another process."""

    session_id: str
    was_up: bool
    handed_over: bool = False


def stop(mas: "Mas", session_id: str, *, grace: float = 3.0) -> Stopped:
    """End the team of a session, whatever is left of it; stopping one that is down succeeds.

    Raises MasError where a process of it could not be ended; then the record does not say stopped.
    """
    with mas.storage.lock(session_id):
        document = mas.storage.read(session_id).document
        if not runtime_of(document).get("mode"):
            msg = f"session {session_id} has no team"
            raise RefusedError(msg, hint=f"`mas pause {session_id}` rests its work")
        if processes.own(processes.carriers(marker_of(document))):
            return _hand_over(mas, session_id)
        was_up = mas.observe(document) == "up"
        mas.manager.change(session_id, _want_down)
        end_team(mas, document, grace=grace)
        mas.manager.observe(session_id, {"observed": "down"})
    return Stopped(session_id, was_up)


def _want_down(document: Document, now: str) -> Sequence[Entry]:
    entries = guard.news(document, {"wanted": "down"})
    if status_of(document) in RUNNING:
        entries.append(guard.admit(document, events.Paused(STOPPED, by="mas"), now))
    return entries


def marker_of(document: Document) -> str:
    """What every process of a session's last launch carries in its environment."""
    return launch.marker(document["session_id"], runtime_of(document).get("nonce", ""))


def end_team(mas: "Mas", document: Document, *, grace: float) -> None:
    """End the tmux session of a record, if it is there, and every process of its launch."""
    known = runtime_of(document).get("tmux") or {}
    server = mas.server_of(known.get("socket", ""))
    session_id = document["session_id"]
    seen = mas.ours(tmux.discover(server), session_id)
    panes = [pane.pid for pane in tmux.panes(server, seen.tmux_id, session_id)] if seen else []
    members = processes.descendants(panes)
    if grace:
        processes.ask(processes.children(panes), grace=grace)
    if seen:
        tmux.end(server, seen.tmux_id, session_id)
    end_processes(members, marker_of(document))


def end_processes(members: Collection[processes.Process], mark: str) -> None:
    """End these, and every process that carries the mark of a launch; raises MasError where one remains."""
    survivors = processes.end(members, mark).survivors
    if survivors:
        shown = ", ".join(str(process.pid) for process in survivors)
        msg = f"processes {shown} cannot be ended"
        raise MasError(msg, hint="look at what they wait for, then stop again")


def _hand_over(mas: "Mas", session_id: str) -> Stopped:
    """A stop from inside the team would end itself half-way: a process of its own does it."""
    argv = [sys.executable, "-P", "-m", "mas", "stop", "--root", str(mas.root.path), session_id]
    log = mas.root.session(session_id).logs / "session.log"
    proc.detach(argv, env=proc.foreign_environment(mas.environ) | _socket(mas), log=log)
    return Stopped(session_id, was_up=True, handed_over=True)


def _socket(mas: "Mas") -> dict[str, str]:
    return {"MAS_TMUX_SOCKET": mas.server.socket} if mas.server.socket else {}


def remove(mas: "Mas", session_id: str, *, force: bool = False) -> None:
    """Delete a session, its workspace and its row; raises RefusedError for a live one unless forced."""
    with mas.storage.lock(session_id):
        document = _document_or_none(mas, session_id)
        if document and runtime_of(document).get("mode"):
            if mas.observe(document) != "down" and not force:
                msg = f"session {session_id} is active, or tmux cannot say that it is not"
                raise RefusedError(msg, hint=f"`mas stop {session_id}` first, or `mas rm --force {session_id}`")
            end_team(mas, document, grace=3.0)
        mas.manager.delete_session(session_id, force=True)


def _document_or_none(mas: "Mas", session_id: str) -> Document | None:
    try:
        return mas.storage.read(session_id).document
    except NotFoundError:
        if os.path.lexists(mas.root.session(session_id).directory):
            return None
        raise
    except MasError:
        return None
