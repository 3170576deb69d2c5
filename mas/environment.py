"""What those who work in a session find in their environment: where everything is, and who they are."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mas.paths import Root, SessionPaths
from mas.structs import Frozen

if TYPE_CHECKING:
    from mas.team import Agent

PROGRAMS = "bin"
"""Directory of a session that holds ``mas`` and nothing else."""


class Place(Frozen):
    """Where a session is for good; ``socket`` names the tmux server where it is not the user's own."""

    session_id: str
    tmux_name: str
    root: Root
    mode: str
    socket: str | None = None
    program: Path | None = None
    """The ``mas`` that agents are to find on their PATH."""
    project: str = ""
    """Where the code is that the team works on; empty where that is the root."""

    @property
    def paths(self) -> SessionPaths:
        """The session's files."""
        return self.root.session(self.session_id)

    @property
    def shared(self) -> SessionPaths:
        """Where ``unit/`` and ``workflows/`` are: with the session's files, or in the root in legacy mode."""
        return self.paths if self.mode == "isolated" else SessionPaths(self.root.path)

    def agent_directory(self, agent_id: str) -> Path:
        """The directory an agent works in."""
        return self.shared.unit / agent_id


def session_environment(place: Place, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that every pane of a session gets, PATH among them where the program is known."""
    directory, root = str(place.paths.directory), str(place.root.path)
    unit, workflows = str(place.shared.unit), str(place.shared.workflows)
    variables = {
        "MAS_ROOT": root,
        "MAS_PROJECT_DIR": place.project or root,
        "MAS_PROJECT_ROOT": root,
        "MAS_WORKSPACE_ROOT": root,
        "MAS_SESSION_ID": place.session_id,
        "MAS_SESSION_NAME": place.tmux_name,
        "MAS_SESSION_DIR": directory,
        "MAS_SESSION_MODE": place.mode,
        "SESSION_NAME": place.tmux_name,
        "SESSION_DIR": directory,
        "UNIT_DIR": unit,
        "WORKFLOWS_DIR": workflows,
        "MAS_UNIT_DIR": unit,
        "MAS_WORKFLOWS_DIR": workflows,
    }
    if place.socket:
        variables["MAS_TMUX_SOCKET"] = place.socket
    if place.program:
        inherited = environ.get("PATH", os.defpath)
        variables["PATH"] = search_path(place.paths.directory / PROGRAMS, inherited, place.program)
    return variables


def agent_environment(place: Place, agent: "Agent", unit: str) -> dict[str, str]:
    """The variables that only the pane of one agent gets; ``unit`` is the name of its window."""
    return {
        "MAS_AGENT_ID": agent.id,
        "MAS_AGENT_NAME": agent.name,
        "MAS_AGENT_DIR": str(place.agent_directory(agent.id)),
        "MAS_UNIT_TYPE": unit,
        "MAS_AGENT_MODEL": agent.model,
    }


def search_path(directory: Path, inherited: str, program: Path) -> str:
    """A PATH that begins with ``directory``, which stands in it once.

    A directory with a colon in its name cannot stand in a PATH; then that of the program itself comes last.
    """
    first = str(directory)
    places = inherited.split(":") if inherited else []
    if ":" not in first:
        return ":".join([first, *(place for place in places if place != first)])
    own = str(program.resolve().parent)
    return ":".join(places if ":" in own or own in places else [*places, own])
