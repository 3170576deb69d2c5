"""What is there: the sessions of a server, their panes, what these show, and how much room is left."""

import os
from typing import NamedTuple

from mas import proc
from mas.errors import CapacityError, NotFoundError
from mas.structs import Frozen
from mas.tmux.client import REPLACED, Server, ask, equals, listing, number, pane_target, session_target, unclear

_SERVER = ("pid", "start_time", "socket_path")
_SESSION = ("session_id", "session_name", "@mas_session", "@mas_root", "session_attached")
_PANE = ("window_index", "window_name", "@mas_agent", "pane_pid", "pane_dead", "@mas_exit", "window_active", REPLACED)
_FACTS = ("pane_current_command", "pane_current_path")
_SPARE_DESCRIPTORS = 16
"""What a server needs beside its panes: a socket for each client, and a few more while it starts a pane."""


class SeenSession(NamedTuple):
    """A session as tmux tells it. ``session_id`` and ``root`` are empty where it is not one of ours.

    ``attached`` is the number of clients.
    """

    tmux_id: str
    name: str
    session_id: str
    root: str
    attached: int


class Seen(Frozen):
    """All sessions of a server. Where none runs, ``running`` is false and all else empty."""

    running: bool
    pid: int = 0
    started: int = 0
    socket: str = ""
    sessions: tuple[SeenSession, ...] = ()


class SeenPane(NamedTuple):
    """A pane as tmux tells it. ``agent_id`` is empty for one that a person opened.

    ``exit_code`` is None while the agent runs; after that a shell has taken its place. ``window_active`` is whether its
    window is the one that is shown, ``replaced`` whether somebody has started another program in it.
    """

    pane_id: str
    window_index: int
    window: str
    agent_id: str
    pid: int
    dead: bool
    exit_code: int | None
    window_active: bool = False
    replaced: bool = False


class PaneFacts(Frozen):
    """What runs in a pane, and where. That program chose these words: they may hold anything."""

    command: str
    path: str


class Capacity(Frozen):
    """How many more panes there is room for; None where the system does not tell."""

    terminals: int | None
    descriptors: int | None

    def require(self, panes: int) -> None:
        """Raise CapacityError unless so many panes fit. At its limit of open files tmux does not fail, it hangs."""
        for what, free in (("terminals", self.terminals), ("open files of the tmux server", self.descriptors)):
            if free is not None and free < panes:
                msg = f"capacity: {panes} panes are needed, {max(free, 0)} are free ({what})"
                raise CapacityError(msg, hint="stop a session that is not needed; `mas list` shows them")


def discover(server: Server, *, timeout: float = proc.DEFAULT_TIMEOUT) -> Seen:
    """All sessions of the server, by one question; raises UnknownStateError where the answer is not clear."""
    rows, state = listing(*_SESSION), listing(*_SERVER)
    # The server's own row comes last, so that an answer that was cut is seen to be cut.
    words = ("list-sessions", "-F", rows.format, ";", "display-message", "-p", state.format)
    answer = ask(server, *words, timeout=timeout)
    if answer is None:
        return Seen(running=False)
    if not (found := state.rows(answer)):
        raise unclear("it ended too early")
    pid, started, socket = found[0]
    sessions = tuple(_session(*row) for row in rows.rows(answer))
    return Seen(running=True, pid=number(pid), started=number(started), socket=socket, sessions=sessions)


def _session(tmux_id: str, name: str, session_id: str, root: str, attached: str) -> SeenSession:
    return SeenSession(session_target(tmux_id), name, session_id, root, number(attached))


def panes(server: Server, tmux_id: str, session_id: str) -> tuple[SeenPane, ...]:
    """The panes of a session, in order; none where it is gone, or where the id by now means another session.

    ``session_id`` is what the session must be stamped with, empty for one that is not ours.
    """
    return tuple(_pane(*row) for row in _pane_rows(server, tmux_id, session_id, _PANE))


def _pane(pane_id: str, index: str, window: str, agent_id: str, pid: str, *state: str) -> SeenPane:
    dead, code, active, replaced = state
    exit_code = number(code) if code else None
    place = pane_target(pane_id), number(index), window
    return SeenPane(*place, agent_id, number(pid), dead == "1", exit_code, active == "1", replaced == "1")


def pane_facts(server: Server, tmux_id: str, session_id: str) -> dict[str, PaneFacts]:
    """What runs in each pane of a session, by pane id. tmux looks at every process for it, so ask only to show it."""
    rows = _pane_rows(server, tmux_id, session_id, _FACTS)
    return {pane: PaneFacts(command, path) for pane, command, path in rows}


def _pane_rows(server: Server, tmux_id: str, session_id: str, fields: tuple[str, ...]) -> list[list[str]]:
    rows = listing("@mas_session", "pane_id", *fields)
    answer = ask(server, "list-panes", "-s", "-t", session_target(tmux_id), "-F", rows.format)
    if answer is None:
        return []
    if not (found := rows.rows(answer)):
        raise unclear("a session without a pane")
    return [row[1:] for row in found if row[0] == session_id]


def capture(server: Server, pane_id: str, session_id: str, *, lines: int | None = None) -> str:
    """The screen of a pane as text, or its last ``lines`` lines, history included; without empty lines at the end.

    Raises NotFoundError where the pane is gone, or by now belongs to another session.
    """
    target = pane_target(pane_id)
    head = listing("pane_id")
    first = "" if lines is None else f" -S -{lines}"
    shown = f"display-message -p -t '{target}' '{head.format}' ; capture-pane -p -t '{target}'{first}"
    answer = ask(server, "if-shell", "-F", "-t", target, equals("@mas_session", session_id), shown)
    if not answer:
        msg = f"session {session_id} has no pane {pane_id} any more"
        raise NotFoundError(msg, hint="`mas agents` shows the panes it has")
    before, _, screen = answer.partition(f"{head.mark}{target}{head.mark}\n")
    if before:
        raise unclear("something else stands before the screen")
    found = screen.rstrip().split("\n")
    return "\n".join(found if lines is None else found[-lines:])


def capacity(seen: Seen) -> Capacity:
    """How much room a server has; where none runs, how much one would have that is started from here."""
    from mas import limits  # noqa: PLC0415  only who starts a team asks

    free = limits.free_descriptors(seen.pid if seen.running else os.getpid())
    return Capacity(limits.free_terminals(), None if free is None else free - _SPARE_DESCRIPTORS)
