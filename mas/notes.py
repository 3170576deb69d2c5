"""``.mas_session``: by what scripts find the team that works in a project's own directories.

It stands in the directory in which the team was started, as the earlier programs wrote it. Nothing is concluded from
it: the name it gives is looked for in tmux.
"""

import os
import time
from contextlib import suppress
from pathlib import Path

from mas import files
from mas.errors import MasError
from mas.projections import encode_shell, parse_shell

FILE = ".mas_session"
_NAME = "SESSION_NAME"


def name_in(place: Path) -> str:
    """The tmux name that the note in a directory gives; empty where there is no note that can be read."""
    try:
        with files.directory(os.path.realpath(place)) as fd:
            text = files.read_part(fd, FILE, 0, 1 << 16).decode("utf-8", "surrogateescape")
    except (FileNotFoundError, MasError):
        return ""
    return parse_shell(text).get(_NAME, "")


def leave(place: Path, name: str, root: Path) -> None:
    """Write that the team called ``name`` works in the directories of ``root``, over what was noted there before."""
    values = {
        _NAME: name,
        "STARTED_AT": time.strftime("%Y-%m-%d %H:%M:%S"),
        "PID": str(os.getpid()),
        "PROJECT_DIR": str(place),
        "UNIT_DIR": str(root / "unit"),
        "WORKFLOWS_DIR": str(root / "workflows"),
    }
    with files.directory(os.path.realpath(place)) as fd:
        files.replace(fd, FILE, encode_shell(values), mode=0o644)


def take_away(place: Path, name: str) -> None:
    """Remove the note of a team that has ended. One that cannot be removed says nothing that is believed."""
    if name and name_in(place) == name:
        with suppress(FileNotFoundError, MasError), files.directory(os.path.realpath(place)) as fd:
            files.remove(fd, FILE)
