"""The tmux server: build a team, see what is there, read a screen, end a session.

Every call is one client process with a timeout. Sessions and panes are named by the ids tmux gave them, and checked
against the stamp ``@mas_session`` in the same call: an id alone means another session once the server was restarted.
A question that got no clear answer raises UnknownStateError, so "there is none" always means that there is none.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mas.tmux.client import SOCKET_VARIABLE, Server, objects, reopen_socket, socket_path
from mas.tmux.sight import (
    Capacity,
    PaneFacts,
    Seen,
    SeenPane,
    SeenSession,
    capacity,
    capture,
    discover,
    pane_facts,
    panes,
)

if TYPE_CHECKING:
    from mas.tmux.look import Look, ended, looks
    from mas.tmux.tags import stamp, unstamp
    from mas.tmux.teams import attach_argv, end, launch, respawn, undo
    from mas.tmux.typing import Typed, mark_ready, paste, press_enter, press_keys, reads_keys, reads_lines

__all__ = [
    "SOCKET_VARIABLE",
    "Capacity",
    "Look",
    "PaneFacts",
    "Seen",
    "SeenPane",
    "SeenSession",
    "Server",
    "Typed",
    "attach_argv",
    "capacity",
    "capture",
    "discover",
    "end",
    "ended",
    "launch",
    "looks",
    "mark_ready",
    "objects",
    "pane_facts",
    "panes",
    "paste",
    "press_enter",
    "press_keys",
    "reads_keys",
    "reads_lines",
    "reopen_socket",
    "respawn",
    "socket_path",
    "stamp",
    "undo",
    "unstamp",
]

_LATER = {
    "look": ("Look", "ended", "looks"),
    "tags": ("stamp", "unstamp"),
    "teams": ("attach_argv", "end", "launch", "respawn", "undo"),
    "typing": ("Typed", "mark_ready", "paste", "press_enter", "press_keys", "reads_keys", "reads_lines"),
}
"""What is loaded when it is first used: who only looks does not pay for it."""


def __getattr__(name: str) -> Any:
    """The name from the module that is loaded for it."""
    module = next((module for module, names in _LATER.items() if name in names), None)
    if module is None:
        raise AttributeError(name)
    return getattr(import_module(f"mas.tmux.{module}"), name)
