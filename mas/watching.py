"""Whether a team is up: asked of the tmux server it was started on, and of no other.

That server is known by its socket, its pid and the time it was started. Where it still runs and only its socket was
removed, it is asked to make that again; where it cannot be reached all the same, nothing is known of its teams.
"""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mas import tmux
from mas.errors import UnknownStateError
from mas.record import Document, runtime_of
from mas.structs import Frozen

if TYPE_CHECKING:
    from mas.app import Mas

_REOPENING = 2.0
"""Seconds that a server has for making its socket again."""
_CLOCK_ERROR = 5.0
"""Seconds by which two ways of telling when a process was started may differ."""


class Sight(Frozen):
    """What a tmux server says about a session: all that it runs, and the session's team, None where it is down."""

    server: tmux.Server
    seen: tmux.Seen
    team: tmux.SeenSession | None


def look(mas: "Mas", session_id: str, document: Document | None = None) -> Sight:
    """Ask for the team of a session, of our server where no record says which it was started on.

    Raises UnknownStateError where there is no clear answer.
    """
    known = (runtime_of(document).get("tmux") or {}) if document else {}
    server = mas.server_of(known.get("socket", ""))
    seen = tmux.discover(server)
    if mas.ours(seen, session_id) is None and known.get("pid") != seen.pid and _runs(known):
        seen = _reached(server, seen, known)
    return Sight(server, seen, mas.ours(seen, session_id))


def on_record(tmux_id: str, server: tmux.Seen, panes: Mapping[str, str]) -> dict[str, Any]:
    """What a record keeps of a team in tmux: ``panes`` are the ids of its panes by those of their agents."""
    return {"id": tmux_id, "socket": server.socket, "pid": server.pid, "started": server.started, "panes": dict(panes)}


def _runs(known: Mapping[str, Any]) -> bool:
    """Whether the very server that a record names still runs, wherever its socket is."""
    from mas import processes  # noqa: PLC0415  most servers can be asked

    process = processes.find(known["pid"]) if known.get("pid") else None
    if process is None or not processes.is_tmux_server(process):
        return False
    return bool(abs(process.started - known.get("started", 0)) < _CLOCK_ERROR)


def _reached(server: tmux.Server, seen: tmux.Seen, known: Mapping[str, Any]) -> tmux.Seen:
    """What that server says once it has its socket again; one that listens in its place keeps its own."""
    deadline = time.monotonic() + (0 if seen.running else _REOPENING)
    if not seen.running:
        tmux.reopen_socket(known["pid"])
    while seen.pid != known["pid"] and time.monotonic() < deadline:
        time.sleep(0.02)
        seen = tmux.discover(server)
    if seen.pid == known["pid"]:
        return seen
    msg = f"the tmux server {known['pid']} of the session runs, but is not reached at {known['socket']}"
    raise UnknownStateError(msg, hint=f"see that nothing else is there, then: kill -USR1 {known['pid']}")
