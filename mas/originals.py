"""What an earlier program wrote, kept before it is written over for the first time, to be given back byte for byte.

The originals of a session lie in its ``quarantine/before``, and with them a list of what there was: once that list is
there all of them are.
"""

import json
import os
import stat

from mas import directories, files
from mas.paths import SessionPaths

PLACE = "before"
"""Directory of the originals below a session's ``quarantine/``."""

LIST = "originals.json"

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
                    modes[name] = stat.S_IMODE(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode)
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
