"""Directories of state: made, renamed and made durable. What is in them is written by ``mas.files``."""

import os
from contextlib import suppress
from pathlib import Path

from mas.errors import ExistsError, explained, explaining, shorten
from mas.files import directory


def make_directory(path: Path, mode: int = 0o755) -> None:
    """Make a directory and its parents where they are missing, durably."""
    if path.is_dir():
        return
    with explaining(path):
        if not path.parent.is_dir():
            make_directory(path.parent)
        with suppress(FileExistsError):
            path.mkdir(mode)
            sync_directory(path.parent)
        with directory(path):  # somebody else may have been faster, with something else
            pass


def make_child(fd: int, name: str, *, durable: bool = True) -> None:
    """Make a directory for us alone in an open one, where it is missing."""
    with explaining(name), suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=fd)
        if durable:
            os.fsync(fd)


def move(source: Path, target: Path) -> None:
    """Rename a directory to a place that must be free, durably, or not at all. Raises ExistsError where it is taken."""
    if os.path.lexists(target):
        msg = f"{shorten(str(target), 200)} exists"
        raise ExistsError(msg, hint="mas never writes into what it did not make; look at it and move it away")
    with explaining(target):
        source.rename(target)
        try:
            sync_directory(target.parent)
            if source.parent != target.parent:
                sync_directory(source.parent)
        except BaseException:
            target.rename(source)
            raise


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable, be it reached by a link."""
    with directory(os.path.realpath(path)) as fd:
        sync(fd, path)


def sync(fd: int, place: str | Path) -> None:
    """Make the names in an open directory durable."""
    with explaining(place):
        os.fsync(fd)


def names(fd: int) -> list[str]:
    """The names in an open directory."""
    with explaining("a directory", "read"):
        return os.listdir(fd)


def sync_filesystem(path: Path) -> None:
    """Make everything below ``path`` durable in one step, whatever the number of files."""
    import ctypes  # noqa: PLC0415  only a start needs it

    with directory(path) as fd:
        if ctypes.CDLL(None, use_errno=True).syncfs(fd) != 0:
            code = ctypes.get_errno()
            raise explained(OSError(code, os.strerror(code)), path)
