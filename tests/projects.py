"""A project with a small team in its own directories, and teams of an earlier program."""

import os
from collections.abc import Mapping
from pathlib import Path

import roots

from mas import workspace
from mas.app import Mas
from mas.paths import Root
from mas.planning import StartOptions
from mas.starting import Started


def project(root: Root, environ: Mapping[str, str] | None = None, masrc: str = "") -> Mas:
    """A root with ``unit/`` and ``workflows/`` of its own, seen from its own directory."""
    roots.make_template(root)
    if masrc:
        (root.path / ".masrc").write_text(masrc)
    return share(root, environ)


def share(root: Root, environ: Mapping[str, str] | None = None) -> Mas:
    """The same of a root that has the small template already."""
    workspace.lay_out(workspace.find_template("duo", root), root)
    return seen_from(root.path, root, environ)


def seen_from(place: Path, root: Root, environ: Mapping[str, str] | None = None) -> Mas:
    """What a command called in that directory would work with."""
    return Mas(root, os.environ if environ is None else environ, place)


def start(mas: Mas, **wanted: object) -> Started:
    """Start the team of the project's own directories."""
    options = {"mode": "legacy", "command": roots.WAITING} | wanted
    return mas.start(mas.plan(StartOptions(**options)))  # type: ignore[arg-type]


def old_team(socket: Path, name: str = "mas-tmux", window: str = "design", panes: int = 2) -> None:
    """A tmux session as an earlier program made it: windows, panes, and no stamp."""
    roots.tmux(socket, "-f", os.devnull, "new-session", "-d", "-s", name, "-n", window, "cat")
    for _ in range(panes - 1):
        roots.tmux(socket, "split-window", "-t", f"={name}:={window}", "cat")
