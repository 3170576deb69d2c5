"""Which tmux session a person or a program wants to look at, and what shows it: a command, or libtmux's objects.

Besides our own it may be one that nobody registered (an earlier program's, or made by hand), named in full.
"""

import shlex
from typing import TYPE_CHECKING

from mas import meaning, proc, tmux, watching
from mas.errors import ConflictError, NotFoundError, RefusedError, shorten
from mas.naming import PREFIX
from mas.structs import Frozen

if TYPE_CHECKING:
    import libtmux

    from mas.app import Mas


class Target(Frozen):
    """A tmux session that is up; ``session_id`` is empty where nobody registered it."""

    server: tmux.Server
    seen: tmux.SeenSession
    session_id: str

    @property
    def by_hand(self) -> str:
        """What a person types to see it from any terminal."""
        return shlex.join([*self.server.argv, "attach-session", "-t", f"={self.seen.name}"])

    def objects(self) -> "libtmux.Session":
        """The session as libtmux sees it; raises ConflictError where it is gone by now."""
        name, up = self.seen.name, tmux.objects(self.server).sessions
        session = up.get(default=None, session_id=self.seen.tmux_id, session_name=name)
        if session is None:
            raise ConflictError(f"tmux session {name} is not up any more", hint="`mas list` shows what runs")
        return session


def find(mas: "Mas", name: str | None) -> Target:
    """The session that is meant; raises RefusedError where it is not up."""
    if name and (stray := find_stray(mas, name)):
        return stray
    found = meaning.meant(mas) if name is None else meaning.Meant(mas.resolve(name))
    if found.stray:
        return Target(mas.server, found.stray, "")
    session_id = found.session_id
    sight = watching.look(mas, session_id, mas.storage.read(session_id).document)
    if sight.team is None:
        raise RefusedError(f"session {session_id} is not up", hint=f"`mas resume {session_id[:8]}` brings it back")
    return Target(sight.server, sight.team, session_id)


def libtmux_session(mas: "Mas", name: str | None = None) -> "libtmux.Session":
    """The session that is meant, with its windows and panes as objects, for programs that want to work with them.

    Calls of libtmux know no timeout. Raises what ``find`` raises, and ConflictError where the session goes meanwhile.
    """
    return find(mas, name).objects()


def find_stray(mas: "Mas", name: str) -> Target | None:
    """The tmux session of exactly that name that nobody registered; None where there is no such."""
    if not name.startswith(PREFIX):
        return None
    live, _ = mas.live()
    seen = (live or {}).get(name)
    return Target(mas.server, seen, "") if seen and mas.is_stray(seen) else None


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
        from mas import teamfile  # noqa: PLC0415  an alias is looked up in the team

        name = teamfile.stored_team(mas, target.session_id)[0].window(window).name
        if name in names:
            return name
    known = ", ".join(dict.fromkeys(names))
    raise NotFoundError(f"no window {shorten(window)} in {target.seen.name}", hint=f"it has: {known}")
