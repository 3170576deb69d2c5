"""What an earlier program wrote, kept before it is written over for the first time, to be given back byte for byte.

The originals of a session lie in its ``quarantine/before``, and with them a list of what there was: once that list is
there all of them are.
"""

import json
import os
import stat
from contextlib import suppress

from mas import directories, files
from mas.errors import DamagedError
from mas.paths import Root, SessionPaths

PLACE = "before"
"""Directory of the originals below a session's ``quarantine/``."""

LIST = "originals.json"

INDEX = "sessions.index.before"
"""The index that an earlier program wrote, in the directory of the locks."""

_NAMES = ("metadata.json", ".session", "config.json")


def keep(fd: int, paths: SessionPaths) -> None:
    """Keep each file that will be written over, with its mode, and last the list of them; kept ones stay as they are.

    ``fd`` is the session's directory.
    """
    directories.make_child(fd, paths.quarantine.name)
    with files.directory(paths.quarantine.name, fd) as quarantine:
        directories.make_child(quarantine, PLACE)
        with files.directory(PLACE, quarantine) as kept:
            if files.size_of(kept, LIST) is not None:
                return
            modes = {}
            for name in _NAMES:
                if files.size_of(fd, name) is not None:
                    files.replace(kept, name, files.read(fd, name), durable=True)
                    modes[name] = _mode(fd, name)
            files.replace(kept, LIST, json.dumps(modes).encode("ascii"), durable=True)


def give_back(fd: int, paths: SessionPaths) -> None:
    """Put the originals where they were, and take away what was made of them; what was there now is kept aside."""
    with files.directory(paths.quarantine / PLACE) as kept:
        modes = json.loads(files.read(kept, LIST))
        for name in (paths.log.name, *_NAMES):
            there = files.size_of(fd, name) is not None
            if there:
                files.keep(paths.quarantine, name, files.read(fd, name))
            if name in modes:
                files.replace(fd, name, files.read(kept, name), durable=True)
                os.chmod(name, modes[name], dir_fd=fd)
            elif there:
                files.remove(fd, name)
        directories.sync(fd, paths.directory)
        files.remove(kept, LIST)


def keep_index(root: Root) -> None:
    """Keep an index that an earlier program wrote, before it is written over for the first time."""
    try:
        with files.directory(os.path.realpath(root.sessions)) as fd:
            raw, mode = files.read(fd, root.index.name), _mode(fd, root.index.name)
    except (FileNotFoundError, DamagedError):
        return
    if not raw or b'"checksum":"' in raw:
        return
    directories.make_directory(root.locks)
    with files.directory(root.locks) as kept:
        if files.size_of(kept, INDEX) is None:
            files.replace(kept, INDEX, raw, durable=True)
            os.chmod(INDEX, mode, dir_fd=kept)


def give_back_index(root: Root) -> None:
    """Put the index of an earlier program where it was, where one is kept; ours is made again at need."""
    with suppress(FileNotFoundError), files.directory(root.locks) as kept:
        if files.size_of(kept, INDEX) is None:
            return
        with files.lock(root.index_lock), files.directory(os.path.realpath(root.sessions)) as fd:
            files.replace(fd, root.index.name, files.read(kept, INDEX), durable=True)
            os.chmod(root.index.name, _mode(kept, INDEX), dir_fd=fd)
        files.remove(kept, INDEX)


def _mode(fd: int, name: str) -> int:
    return stat.S_IMODE(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode)
