"""Where the code is that a team works on. The root only holds its sessions, and outside of a project is none of it."""

import os
from collections.abc import Mapping
from pathlib import Path

from mas import git
from mas.errors import NotFoundError, shorten
from mas.paths import Root, absolute
from mas.settings import FILE

VARIABLE = "MAS_PROJECT_DIR"
"""Tells agents where the code is; a team that one of them starts works on the same."""


def find(root: Root, environ: Mapping[str, str], cwd: Path) -> Path:
    """The directory that a team started now from ``cwd`` works on; starts no process.

    What MAS_PROJECT_DIR names, which is not of this root where MAS_ROOT names another; else the root where that is a
    project or around ``cwd``, else the top of the git repository around ``cwd``, else the root where that is in one,
    else ``cwd`` itself. Raises NotFoundError where what is named is not there.
    """
    place, here = Path(os.path.realpath(root.path)), Path(os.path.realpath(cwd))
    named, beside = environ.get(VARIABLE), environ.get("MAS_ROOT")
    if named and (not beside or os.path.realpath(absolute(beside, cwd)) == str(place)):
        return _checked(absolute(named, cwd))
    if (root.path / FILE).is_file() or here.is_relative_to(place):
        return root.path
    return git.find_root(cwd) or (root.path if git.find_root(root.path) else cwd)


def note(root: Root, place: Path) -> str:
    """How a record says where the code is: nothing where that is the root, which may be moved with all in it."""
    return "" if place == root.path else str(place)


def _checked(place: Path) -> Path:
    if place.is_dir():
        return place
    msg = f"{VARIABLE} is {shorten(str(place), 200)}, which is no directory"
    raise NotFoundError(msg, hint=f"unset {VARIABLE}, or set it to where the code is")
