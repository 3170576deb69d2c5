"""Making a project: the directory that sessions belong to, and what a team finds in it. Nothing is overwritten."""

import os
from contextlib import suppress
from pathlib import Path

from mas import directories, guides, naming, settings, workspace
from mas.errors import RefusedError, UsageError, explaining, shorten
from mas.paths import SHARED_PARTS, Root
from mas.structs import Frozen, replace


class Made(Frozen):
    """A project: the names of what was made for it, and of what was there before."""

    root: Root
    made: tuple[str, ...]
    kept: tuple[str, ...]
    session_name: str
    """What the team of its own directories is called in tmux."""


def init(root: Root, name: str | None = None, template: str | None = None) -> Made:
    """Make of a directory a project: ``.masrc``, ``unit/`` and ``workflows/`` of a template, ``sessions/``.

    Called again it makes what is missing. Raises RefusedError where the project has another name, NotFoundError for a
    template that is not there, UsageError for a name that is none; then nothing is made.
    """
    known = settings.load_settings(root)
    wanted = _named(root, known, name)
    missing = [one for one in SHARED_PARTS if not os.path.lexists(root.path / one)]
    source = workspace.find_template(template or known.template or workspace.DEFAULT, root) if missing else None
    made: list[str] = []
    directories.make_directory(root.path)
    with explaining(root.path):
        if _write(root.path / settings.FILE, wanted):
            made.append(settings.FILE)
        made += workspace.lay_out(source, root) if source else ()
        if not root.sessions.is_dir():
            directories.make_directory(root.sessions)
            made.append(root.sessions.name)
    kept = [one for one in (settings.FILE, *SHARED_PARTS, root.sessions.name) if one not in made]
    return Made(root, tuple(made), tuple(kept), naming.shared_name(wanted.session_name, wanted.project_name))


def _named(root: Root, known: settings.Settings, name: str | None) -> settings.Settings:
    """The settings of the project: those it has, else new ones with its name."""
    if name is not None and not (name.strip() and name.isprintable()):
        raise UsageError(f"the name of a project cannot be {shorten(name)}", hint="give one printable line")
    if (root.path / settings.FILE).exists():
        if name not in (None, known.project_name):
            msg = f"the project in {shorten(str(root.path), 200)} is called {shorten(known.project_name)}"
            raise RefusedError(msg, hint=f"its name is set in {settings.FILE}")
        return known
    inner = naming.shared_name("", name or root.path.name).removeprefix(naming.PREFIX).strip("-")
    project = name or (root.path.name if root.path.name.isprintable() else inner)
    return replace(known, project_name=project, session_name=naming.shared_name("", inner))


def _write(path: Path, wanted: settings.Settings) -> bool:
    """Write the settings; false where the file is there."""
    with suppress(FileExistsError):
        guides.write(path, wanted.to_text().encode())
        return True
    return False
