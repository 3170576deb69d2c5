"""Looking at files and directories that somebody else made, safely.

``survey`` walks a tree and refuses what may not be copied from it; ``read_small`` reads one file. Both open without
following symbolic links and never wait on a pipe; what a survey found is copied by ``mas.copying``.
"""

import os
import stat
from collections.abc import Callable
from errno import ELOOP
from pathlib import Path

from mas.errors import MasError, NotFoundError, RefusedError, remedy, shorten
from mas.structs import Frozen

MIB = 1024 * 1024

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
"""How a directory is opened that may have been replaced by a link meanwhile."""

SOURCE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
"""How a file is opened that may be something else; opening a pipe so does not wait for its writer."""

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
}


class Limits(Frozen):
    """How much a tree may hold, and what else than files and directories may be in it.

    ``own`` marks a tree that one of our sessions made: its links are copied as links, without looking where they lead,
    and its pipes, sockets and devices are left out. In any other tree each of these is refused.
    """

    file_bytes: int = 64 * MIB
    total_bytes: int = 256 * MIB
    entries: int = 10_000
    depth: int = 64
    own: bool = False


TEMPLATE = Limits()
"""What a template may hold."""

WORKSPACE = Limits(16 * 1024 * MIB, 64 * 1024 * MIB, 1_000_000, 200, own=True)
"""What the working directories of a session may hold when another session takes them over."""


class FoundFile:
    """A file of a surveyed tree; ``share`` says which of the copying threads takes it."""

    __slots__ = ("identity", "mode", "name", "share", "size")

    def __init__(self, name: str, status: os.stat_result) -> None:
        self.name = name
        self.mode = status.st_mode & 0o777
        self.size = status.st_size
        self.identity = identity(status)
        self.share = 0


class FoundDirectory:
    """A directory of a surveyed tree, with the text of each link in it."""

    __slots__ = ("directories", "files", "links", "mode", "name")

    def __init__(self, name: str, status: os.stat_result) -> None:
        self.name = name
        self.mode = status.st_mode & 0o777 | 0o700
        self.files: list[FoundFile] = []
        self.directories: list[FoundDirectory] = []
        self.links: list[tuple[str, str]] = []


class Tree(Frozen):
    """A surveyed tree: ``entries`` things of ``bytes`` bytes in all, the top directory not counted."""

    source: Path
    entries: int
    bytes: int
    top: FoundDirectory

    def part(self, name: str) -> "Tree | None":
        """The directory of that name at the top, as a tree of its own; None where there is none."""
        for directory in self.top.directories:
            if directory.name == name:
                return Tree(self.source / name, *_weigh(directory), directory)
        return None


def survey(source: Path, limits: Limits = TEMPLATE, take: Callable[[str], bool] | None = None) -> Tree:
    """What a copy of ``source`` would take: all of it, or the entries whose path below ``source`` ``take`` agrees to.

    Raises NotFoundError where there is no such directory, and RefusedError, naming the entry, where the tree holds
    more than the limits allow or something that is neither a regular file nor a directory.
    """
    walk = _Survey(source, limits, take)
    try:
        opened = Opened(source, DIRECTORY)
    except OSError as error:
        raise unreadable(source, error) from error
    with opened as descriptor:
        top = walk.directory(descriptor, source.name, "")
    return Tree(source, walk.entries, walk.bytes, top)


def read_small(path: Path, limit: int = MIB, *, follow: bool = False) -> bytes:
    """The bytes of a regular file of at most ``limit`` bytes; with ``follow`` it may be reached by a symbolic link.

    Raises NotFoundError where there is none and RefusedError where it is larger or something else. Never waits on a
    pipe.
    """
    try:
        opened = Opened(path, SOURCE & ~os.O_NOFOLLOW if follow else SOURCE)
    except OSError as error:
        raise unreadable(path, error) from error
    with opened as descriptor:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _unfit(path, _kind(status.st_mode), "put a regular file there")
        if status.st_size > limit:
            raise _unfit(path, f"larger than {_size(limit)}", "make it smaller")
        return os.read(descriptor, limit)


class Opened:
    """An open descriptor, closed at the end of its ``with``; a file it makes is its owner's alone."""

    __slots__ = ("_number",)

    def __init__(self, path: str | Path, flags: int, directory: int | None = None) -> None:
        self._number = os.open(path, flags, 0o600, dir_fd=directory)

    def __enter__(self) -> int:
        return self._number

    def __exit__(self, *_: object) -> None:
        os.close(self._number)


class _Survey:
    """One walk over a source, with what was counted so far."""

    def __init__(self, source: Path, limits: Limits, take: Callable[[str], bool] | None) -> None:
        self.source = source
        self.limits = limits
        self.take = take
        self.entries = 0
        self.bytes = 0

    def directory(self, descriptor: int, name: str, where: str) -> FoundDirectory:
        found = FoundDirectory(name, os.fstat(descriptor))
        try:
            inner = self._list(found, descriptor, where)
        except OSError as error:
            raise unreadable(self.source / where, error) from error
        found.directories = [self._descend(descriptor, child, f"{where}{child}/") for child in inner]
        return found

    def _list(self, found: FoundDirectory, descriptor: int, where: str) -> list[str]:
        inner = []
        with os.scandir(descriptor) as entries:
            for entry in entries:
                if self.take is not None and not self.take(where + entry.name):
                    continue
                status = entry.stat(follow_symlinks=False)
                self._count(where + entry.name, status)
                if stat.S_ISDIR(status.st_mode):
                    inner.append(entry.name)
                elif stat.S_ISREG(status.st_mode):
                    found.files.append(FoundFile(entry.name, status))
                elif stat.S_ISLNK(status.st_mode):
                    found.links.append((entry.name, os.readlink(entry.name, dir_fd=descriptor)))
        return inner

    def _descend(self, parent: int, name: str, where: str) -> FoundDirectory:
        if where.count("/") > self.limits.depth:
            raise _unfit(self.source / where, f"below more than {self.limits.depth} directories", "nest it less deeply")
        try:
            opened = Opened(name, DIRECTORY, parent)
        except OSError as error:
            raise unreadable(self.source / where, error) from error
        with opened as descriptor:
            return self.directory(descriptor, name, where)

    def _count(self, where: str, status: os.stat_result) -> None:
        limits = self.limits
        self.entries += 1
        if self.entries > limits.entries:
            raise _unfit(self.source, f"made of more than {limits.entries} entries", "take out what no agent needs")
        if stat.S_ISREG(status.st_mode):
            self.bytes += status.st_size
            if status.st_size > limits.file_bytes:
                raise _unfit(self.source / where, f"larger than {_size(limits.file_bytes)}", "keep it elsewhere")
            if self.bytes > limits.total_bytes:
                what = f"larger than {_size(limits.total_bytes)} in all"
                raise _unfit(self.source, what, "keep large files elsewhere")
        elif not (stat.S_ISDIR(status.st_mode) or limits.own):
            raise _unfit(self.source / where, _kind(status.st_mode), "replace it by a regular file, or remove it")


def _weigh(directory: FoundDirectory) -> tuple[int, int]:
    """Entries and bytes below a directory."""
    entries = len(directory.files) + len(directory.links) + len(directory.directories)
    size = sum(file.size for file in directory.files)
    for inner_entries, inner_size in map(_weigh, directory.directories):
        entries += inner_entries
        size += inner_size
    return entries, size


def identity(status: os.stat_result) -> tuple[int, int]:
    """What differs once a file was written to or another one took its place."""
    return status.st_ino, status.st_ctime_ns


def _kind(mode: int) -> str:
    return _KINDS.get(stat.S_IFMT(mode), "a device")


def _size(count: int) -> str:
    return f"{count // MIB} MiB"


def shown(path: Path) -> str:
    """A path for a message: quoted, printable, shortened."""
    return shorten(os.fspath(path), 240)


def _unfit(path: Path, what: str, hint: str) -> RefusedError:
    return RefusedError(f"{shown(path)} is {what}", hint=hint)


def unreadable(path: Path, error: OSError) -> MasError:
    """The error to raise where something cannot be opened or listed."""
    if isinstance(error, FileNotFoundError):
        return NotFoundError(f"not there: {shown(path)}", hint="look at the path")
    if isinstance(error, NotADirectoryError):
        return NotFoundError(f"not a directory: {shown(path)}", hint="a symbolic link is not followed")
    if error.errno == ELOOP:
        return _unfit(path, "a symbolic link", "put what it stands for there")
    return MasError(f"cannot read {shown(path)}: {error.strerror}", hint=remedy(error, "look at its permissions"))
