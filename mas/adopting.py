"""Taking a team that runs already, and that nobody has registered, into the registry: recorded, then stamped.

Nothing in it is disturbed, so its agents go on where they are: they keep their directories and their environment until
the team is stopped and resumed. In this order a crash leaves a record of a team that is down, never a stamp without a
record.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mas import (
    codebase,
    copying,
    files,
    legacy,
    naming,
    notes,
    planning,
    settings,
    starting,
    teamfile,
    tmux,
    trees,
    watching,
    workspace,
)
from mas.errors import MasError, NotFoundError, RefusedError, shorten
from mas.paths import SHARED_PARTS, SessionPaths
from mas.record import Document, runtime_of
from mas.session import Session
from mas.structs import Frozen
from mas.team import Team, Unit

if TYPE_CHECKING:
    from mas.app import Mas


class Adopted(Frozen):
    """A team that was taken in. ``agents`` has the ids of those that were recognised, by the ids of their panes.

    ``unknown`` are the windows whose panes could not be told apart: nothing can be sent to the agents in them.
    """

    session: Session
    tmux_name: str
    workspace: Path
    team: Team
    agents: Mapping[str, str]
    unknown: tuple[str, ...]


def adopt(mas: "Mas", name: str | None = None, *, isolated: bool = False) -> Adopted:
    """Register the team of that full tmux name, without one the project's own.

    With ``isolated`` its session has a workspace, a copy of the root's directories as they are now. Raises
    NotFoundError, RefusedError where the team is registered or another root's, and what copying and tmux fail with.
    """
    server = tmux.discover(mas.server)
    seen = _chosen(mas, server, name)
    wanted = planning.ask(mas, planning.StartOptions(), workspace.shared_team(mas.root), _settings(mas).agent)
    agents, unknown = fit(wanted.team, tmux.panes(mas.server, seen.tmux_id, ""))
    document = _record(mas, server, seen, wanted, isolated=isolated)
    session_id = document["session_id"]
    up = {"observed": "up", "was_up": not isolated, "tmux": _panes(server, seen, agents)}
    with mas.storage.lock(session_id), _undone(mas, document, seen):
        _register(mas, document, wanted)
        tmux.stamp(mas.server, seen, session_id, str(mas.root.path), agents)
        session = starting.went_up(mas, session_id, up)
    place = mas.root.session(session_id).directory if isolated else mas.root.path
    return Adopted(session, seen.name, place, wanted.team, agents, unknown)


def running(mas: "Mas", tmux_name: str) -> bool:
    """Whether a team runs by that name that nobody has registered; raises UnknownStateError without an answer."""
    return any(one.name == tmux_name and mas.is_stray(one) for one in tmux.discover(mas.server).sessions)


def take_in(mas: "Mas", session_id: str) -> None:
    """Register the team that runs by the name of a session which was just taken over; the caller holds its lock."""
    server, document = tmux.discover(mas.server), mas.storage.read(session_id).document
    name = runtime_of(document)["tmux_name"]
    seen = next((one for one in server.sessions if one.name == name and mas.is_stray(one)), None)
    if seen is None:
        return
    agents: Mapping[str, str] = {}
    with suppress(NotFoundError):  # a workspace without agents has no team on record
        agents, _ = fit(teamfile.stored_team(mas, session_id)[0], tmux.panes(mas.server, seen.tmux_id, ""))
    with _undone(mas, document, seen):
        tmux_of = {"socket": server.socket}
        nonce = os.urandom(8).hex() + mas.mark
        mas.manager.observe(session_id, {"wanted": "up", "observed": "down", "tmux": tmux_of, "nonce": nonce})
        tmux.stamp(mas.server, seen, session_id, str(mas.root.path), agents)
        up = {"observed": "up", "was_up": True, "tmux": _panes(server, seen, agents)}
        starting.went_up(mas, session_id, up)


def _settings(mas: "Mas") -> settings.Settings:
    return settings.load_settings(mas.root)


# --- which team ---


def _chosen(mas: "Mas", server: tmux.Seen, name: str | None) -> tmux.SeenSession:
    live = {one.name: one for one in server.sessions}
    own = _settings(mas)
    project = naming.shared_name(own.session_name, own.project_name)
    if name is None:
        names = (notes.name_in(mas.cwd), notes.name_in(mas.root.path), project)
        name = next((one for one in names if one in live), project)
    seen = live.get(name)
    if seen is None:
        strays = ", ".join(one.name for one in server.sessions if mas.is_stray(one))
        hint = f"not registered are: {strays}" if strays else "`mas list` shows what runs; all of it is registered"
        raise NotFoundError(f"no tmux session is called {shorten(name)}", hint=hint)
    _refuse(mas, seen, project)
    return seen


def _refuse(mas: "Mas", seen: tmux.SeenSession, project: str) -> None:
    """Raise RefusedError for what is registered already, another root's, or no team by its name."""
    if seen.session_id and mas.is_ours(seen):
        msg = f"{seen.name} is registered: it is session {seen.session_id}"
        raise RefusedError(msg, hint=f"`mas show {seen.session_id[:8]}`")
    if (seen.session_id or seen.root) and not mas.is_ours(seen):
        msg = f"{seen.name} belongs to {shorten(seen.root, 200)}"
        raise RefusedError(msg, hint="--root names another root")
    if not mas.is_stray(seen) and seen.name != project:
        msg = f"{shorten(seen.name)} is not called as a team is, {naming.PREFIX}…"
        raise RefusedError(msg, hint="`mas list` shows what may be adopted")


def fit(team: Team, panes: Sequence[tmux.SeenPane]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Which agent each pane is, by the order of windows and panes; and the windows that do not have the team's shape.

    A window is a unit's by its name, or where no name is known by its place, and its panes are the unit's agents where
    there is one for each: where one has ended, those behind it would be taken for their neighbours.
    """
    windows: dict[tuple[int, str], list[tmux.SeenPane]] = {}
    for pane in panes:
        windows.setdefault((pane.window_index, pane.window), []).append(pane)
    units = _units(team, [name for _, name in windows])
    agents: dict[str, str] = {}
    unknown = []
    for ((_, name), members), unit in zip(windows.items(), units, strict=True):
        if unit and len(unit.agents) == len(members):
            agents |= {pane.pane_id: agent.id for pane, agent in zip(members, unit.agents, strict=True)}
        else:
            unknown.append(name)
    return agents, tuple(unknown)


def _units(team: Team, windows: Sequence[str]) -> list[Unit | None]:
    found: list[Unit | None] = []
    for name in windows:
        unit = next((unit for unit in team.units if name in (unit.name, *unit.aliases)), None)
        found.append(unit if unit not in found else None)
    if not any(found) and len(windows) == len(team.units):
        return [*team.units]
    return found


# --- its record ---


def _record(
    mas: "Mas", server: tmux.Seen, seen: tmux.SeenSession, wanted: planning.Wanted, *, isolated: bool
) -> Document:
    """The record that the team has, or a new one, with what is known of it until it is seen to be stamped."""
    known = None if isolated else legacy.find_record(mas, seen.name)
    document = known or mas.manager.draft(session_id=planning.free_id(mas, server))
    runtime = {
        **runtime_of(document),
        "mode": "isolated" if isolated else settings.LEGACY,
        "root": str(mas.root.path),
        "wanted": "up",
        "observed": "down",
        "tmux_name": seen.name,
        "tmux": {"socket": server.socket},
        "nonce": os.urandom(8).hex() + mas.mark,
        "agents": list(wanted.team.ids),
        "template": workspace.OWN,
        "profile": wanted.choice.profile.name,
        "label": runtime_of(document).get("label", ""),
        "project": _code(mas) if isolated else str(mas.cwd),
    }
    return {**document, "runtime": runtime}


def _code(mas: "Mas") -> str:
    return codebase.note(mas.root, codebase.find(mas.root, mas.environ, mas.cwd))


def _panes(server: tmux.Seen, seen: tmux.SeenSession, agents: Mapping[str, str]) -> dict[str, Any]:
    return watching.on_record(seen.tmux_id, server, {agent_id: pane for pane, agent_id in agents.items()})


def _register(mas: "Mas", document: Document, wanted: planning.Wanted) -> None:
    """Write the record, and where it is a new one of a session with a workspace, make that."""
    session_id = document["session_id"]
    config = {**wanted.config, "mas": teamfile.own_config(workspace.OWN, wanted.choice, wanted.team)}
    if mas.storage.has(session_id):
        _write(mas.root.session(session_id), config)
        mas.manager.observe(session_id, runtime_of(document))
        return
    isolated = runtime_of(document)["mode"] != settings.LEGACY
    places = [mas.root.path / name for name in SHARED_PARTS if isolated and (mas.root.path / name).is_dir()]
    found = [trees.survey(place, trees.WORKSPACE) for place in places]
    planning.check_room(mas, sum(tree.bytes for tree in found), sum(tree.entries for tree in found))

    def build(staged: SessionPaths) -> None:
        for tree in found:
            copying.copy(tree, staged.directory / tree.source.name)
        if isolated:
            staged.workflows.mkdir(exist_ok=True)
        staged.logs.mkdir(mode=0o700)
        _write(staged, config)

    mas.manager.create(document, build=build)


def _write(paths: SessionPaths, config: Mapping[str, Any]) -> None:
    with files.directory(paths.directory) as fd:
        files.replace(fd, paths.config.name, json.dumps(config, indent=2).encode("ascii"))


@contextmanager
def _undone(mas: "Mas", document: Document, seen: tmux.SeenSession) -> Iterator[None]:
    """Take stamps and record back where the adoption fails. The stamps go first: a team without a record is ended."""
    session_id = document["session_id"]
    known = mas.storage.has(session_id)
    try:
        yield
    except BaseException as error:
        try:
            tmux.unstamp(mas.server, seen, session_id)
            if known:
                mas.manager.observe(session_id, {"wanted": "down", "observed": "down"})
            elif mas.storage.has(session_id):
                mas.manager.delete_session(session_id, force=True)
        except MasError as left:
            error.add_note(f"session {session_id} is left over: {left.message}")
        raise
