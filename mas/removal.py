"""Removing a tree that mas put aside: all of it, whatever is in it, and nothing else."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import ENOTEMPTY
from pathlib import Path

from mas.errors import MasError, shorten

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ATTEMPTS = 3
"""How often to begin again where a process that outlived its session still writes into the tree."""


def remove_tree(path: Path) -> None:
    """Remove what is at ``path``; nothing there is fine. No link is followed and no other file system entered.

    Depth does not matter, nor what agents forbade themselves to write. Raises MasError where something stays.
    """
    try:
        for _ in range(_ATTEMPTS):
            if _removed(path):
                return
    except OSError as error:
        msg = f"{shorten(str(path), 200)} could not be removed completely: {(error.strerror or str(error)).lower()}"
        raise MasError(msg, hint="see what is in the way, then `mas doctor --fix`") from error
    msg = f"{shorten(str(path), 200)} could not be removed: somebody keeps writing into it"
    raise MasError(msg, hint="end that process, then `mas doctor --fix`")


def _removed(path: Path) -> bool:
    try:
        if path.is_dir() and not path.is_symlink():
            with _opened(path) as top:
                _empty(top)
            path.rmdir()
        else:
            path.unlink()
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno == ENOTEMPTY:
            return False
        raise
    return True


def _empty(top: int) -> None:
    """Empty a directory by lifting what is below its subdirectories up into it, so that no depth is too deep."""
    while directories := _unlinked(top):
        for name in directories:
            lifted = _lift(name, top, top)
            with _opened(lifted, top) as inside:
                for deeper in _unlinked(inside):
                    _lift(deeper, inside, top)
            os.rmdir(lifted, dir_fd=top)


def _unlinked(fd: int) -> list[str]:
    """Remove everything in a directory but directories; those are left, and their names returned."""
    with os.scandir(fd) as found:
        entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]
    for name, is_directory in entries:
        if not is_directory:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=fd)
    return [name for name, is_directory in entries if is_directory]


def _lift(name: str, source: int, target: int) -> str:
    """Move a directory to a new name, which is returned. A mount point refuses that, so none is ever entered."""
    lifted = f".{os.urandom(8).hex()}"
    try:
        os.rename(name, lifted, src_dir_fd=source, dst_dir_fd=target)
    except PermissionError:  # its owner may not write to it, and moving it would change it
        os.chmod(name, 0o700, dir_fd=source)
        os.rename(name, lifted, src_dir_fd=source, dst_dir_fd=target)
    return lifted


@contextmanager
def _opened(name: str | Path, within: int | None = None) -> Iterator[int]:
    """A directory opened so that everything in it may be removed."""
    try:
        fd = os.open(name, _DIRECTORY, dir_fd=within)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=within)
        fd = os.open(name, _DIRECTORY, dir_fd=within)
    try:
        if os.fstat(fd).st_mode & 0o700 != 0o700:
            os.fchmod(fd, 0o700)
        yield fd
    finally:
        os.close(fd)
