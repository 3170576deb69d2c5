"""Which tmux session a person wants to look at, and the command that shows it.

Besides our own it may be one that nobody registered (an earlier program's, or made by hand), named in full.
"""

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mas import proc, tmux
from mas.errors import NotFoundError, RefusedError, shorten
from mas.record import runtime_of

if TYPE_CHECKING:
    from mas.app import Mas

_PREFIX = "mas-"


@dataclass(frozen=True, slots=True)
class Target:
    """A tmux session that is up; ``session_id`` is empty where nobody registered it."""

    server: tmux.Server
    seen: tmux.SeenSession
    session_id: str

    @property
    def by_hand(self) -> str:
        """What a person types to see it from any terminal."""
        return shlex.join([*self.server.argv, "attach-session", "-t", f"={self.seen.name}"])


def find(mas: "Mas", name: str | None) -> Target:
    """The session that is meant; raises RefusedError where it is not up."""
    if name and (stray := find_stray(mas, name)):
        return stray
    session_id = mas.resolve(name)
    document = mas.storage.read(session_id).document
    server = mas.server_of((runtime_of(document).get("tmux") or {}).get("socket", ""))
    seen = mas.ours(tmux.discover(server), session_id)
    if seen is None:
        raise RefusedError(f"session {session_id} is not up", hint=f"`mas resume {session_id[:8]}` brings it back")
    return Target(server, seen, session_id)


def find_stray(mas: "Mas", name: str) -> Target | None:
    """The tmux session of exactly that name where it is none that we registered; None where there is no such."""
    if not name.startswith(_PREFIX):
        return None
    seen = next((one for one in tmux.discover(mas.server).sessions if one.name == name), None)
    return Target(mas.server, seen, "") if seen and not seen.session_id else None


def command(mas: "Mas", target: Target, *, window: str | None = None, agent: str | None = None) -> list[str]:
    """The command line that shows a session, at a window or an agent; raises NotFoundError where it has none such."""
    found = target.seen.tmux_id
    pane = pane_of(target, agent) if agent else None
    name = _window(mas, target, window) if window else None
    return tmux.attach_argv(target.server, found, window=name, pane=pane, inside=is_inside(mas, target))


def pane_of(target: Target, agent: str) -> str:
    """The pane of an agent; raises NotFoundError where the session has none."""
    panes = tmux.panes(target.server, target.seen.tmux_id, target.session_id)
    wanted = agent.removeprefix("agent-")
    found = next((pane for pane in panes if pane.agent_id == wanted), None)
    if found is None or not wanted:
        known = ", ".join(pane.agent_id for pane in panes if pane.agent_id)
        raise NotFoundError(f"no agent {shorten(agent)} in {target.seen.name}", hint=f"it has: {known or 'none'}")
    return found.pane_id


def is_inside(mas: "Mas", target: Target) -> bool:
    """Whether we are in a terminal of the very server that has the session."""
    here = mas.environ.get("TMUX", "").partition(",")[0]
    return bool(here) and here == tmux.discover(target.server).socket


def environment(mas: "Mas", target: Target) -> dict[str, str]:
    """What the tmux client gets: nothing of a session, and of another server neither, or it would refuse to nest."""
    environ = proc.foreign_environment(mas.environ)
    if not is_inside(mas, target):
        environ.pop("TMUX", None)
    return environ


def _window(mas: "Mas", target: Target, window: str) -> str:
    names = [pane.window for pane in tmux.panes(target.server, target.seen.tmux_id, target.session_id)]
    if window in names:
        return window
    if target.session_id:
        from mas import starting  # noqa: PLC0415  an alias is looked up in the team

        name = starting.stored_team(mas, target.session_id)[0].window(window).name
        if name in names:
            return name
    known = ", ".join(dict.fromkeys(names))
    raise NotFoundError(f"no window {shorten(window)} in {target.seen.name}", hint=f"it has: {known}")
