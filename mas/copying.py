"""Copying a tree: all of it or an error, fast, and nothing from outside of it.

It goes from directory to directory by descriptor and follows no symbolic link, so what was surveyed is what is copied,
even while somebody is changing the source. What a file is called is kept byte for byte.
"""

import os
from contextlib import suppress
from errno import EINVAL, ELOOP, ENOENT, ENOSYS, ENOTDIR, EOPNOTSUPP, EPERM, EXDEV
from pathlib import Path

from mas.errors import ExistsError, MasError, explained
from mas.trees import (
    DIRECTORY,
    MIB,
    SOURCE,
    FoundDirectory,
    FoundFile,
    Opened,
    Tree,
    identity,
    shown,
    unreadable,
)

TWO_THREADS_FROM = 8 * MIB
"""A tree of more bytes than this is copied by two threads; below, starting one costs more than it saves."""

NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
"""How a file is opened that must not be there yet."""

_GONE = (ENOENT, ENOTDIR, ELOOP)
_HAS_RANGE = hasattr(os, "copy_file_range")
_NO_RANGE = (EXDEV, EINVAL, ENOSYS, EOPNOTSUPP, EPERM)


def copy(tree: Tree, target: Path) -> None:
    """Copy what was surveyed to ``target``, which must not exist.

    Modes are kept whatever the umask, without setuid, setgid and sticky; a directory is always open to its owner, so
    that the copy can be worked in and removed. It returns when all is copied; otherwise it raises and leaves no
    target: ExistsError, CapacityError where the disk is full, MasError where a file changed or went away meanwhile.
    """
    try:
        target.mkdir(mode=0o700)
    except FileExistsError:
        msg = f"already there: {shown(target)}"
        raise ExistsError(msg, hint="a tree is copied to a new place only") from None
    except OSError as error:
        raise explained(error, target) from error
    try:
        _Copy(tree, target).run()
    except BaseException:
        remove(target)
        raise


def remove(target: Path) -> None:
    """Remove a copy, or a single file, as far as that is possible; follows no link."""
    import shutil  # noqa: PLC0415  only a failure needs it

    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target, ignore_errors=True)
    else:
        target.unlink(missing_ok=True)


class _Copy:
    """One copy being made. Each share walks the whole tree and takes its own files."""

    def __init__(self, tree: Tree, target: Path) -> None:
        self.tree = tree
        self.target = target
        self.failed = False

    def run(self) -> None:
        if self.tree.bytes <= TWO_THREADS_FROM:
            self.take(0)
            return
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  only large trees need it

        _divide(self.tree.top, [0, 0])
        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(self.take, 1)
            self.take(0)
            other.result()

    def take(self, share: int) -> None:
        try:
            with self._source(self.tree.source, "") as source, self._target(self.target, "") as target:
                self._directory(self.tree.top, share, (source, target), "")
        except BaseException as error:
            self.failed = True
            if isinstance(error, OSError):
                raise explained(error, self.target) from error
            raise

    def _directory(self, directory: FoundDirectory, share: int, within: tuple[int, int], where: str) -> None:
        os.fchmod(within[1], directory.mode)
        for file in directory.files:
            if self.failed:
                return
            if file.share == share:
                self._file(file, within, where + file.name)
        for child in directory.directories:
            self._descend(child, share, within, f"{where}{child.name}/")
        if share == 0:
            for name, leads_to in directory.links:
                os.symlink(leads_to, name, dir_fd=within[1])

    def _descend(self, child: FoundDirectory, share: int, within: tuple[int, int], where: str) -> None:
        with self._source(child.name, where, within[0]) as source:
            try:
                with suppress(FileExistsError):  # the other share may have been here first
                    os.mkdir(child.name, 0o700, dir_fd=within[1])
            except OSError as error:
                raise explained(error, self.target / where) from error
            with self._target(child.name, where, within[1]) as target:
                self._directory(child, share, (source, target), where)

    def _file(self, file: FoundFile, within: tuple[int, int], where: str) -> None:
        with self._source(file.name, where, within[0], SOURCE) as source:
            with self._target(file.name, where, within[1], NEW_FILE) as target:
                try:
                    os.fchmod(target, file.mode)
                    copied = _copy_bytes(source, target, file.size)
                except OSError as error:
                    raise explained(error, self.target / where) from error
            if copied != file.size or identity(os.fstat(source)) != file.identity:
                raise _changed(self.tree.source / where)

    def _source(self, name: str | Path, where: str, parent: int | None = None, flags: int = DIRECTORY) -> Opened:
        try:
            return Opened(name, flags, parent)
        except OSError as error:
            if error.errno in _GONE:
                raise _changed(self.tree.source / where) from error
            raise unreadable(self.tree.source / where, error) from error

    def _target(self, name: str | Path, where: str, parent: int | None = None, flags: int = DIRECTORY) -> Opened:
        try:
            return Opened(name, flags, parent)
        except OSError as error:
            raise explained(error, self.target / where) from error


def _copy_bytes(source: int, target: int, size: int) -> int:
    """Copy up to ``size`` bytes and return how many there were. The kernel does it where the file systems allow."""
    copied = 0
    try:
        while _HAS_RANGE and copied < size and (count := os.copy_file_range(source, target, size - copied)):
            copied += count
    except OSError as error:
        if error.errno not in _NO_RANGE:
            raise
    while copied < size:
        piece = os.read(source, min(size - copied, MIB))
        if not piece:
            break
        copied += write_all(target, piece)
    return copied


def write_all(target: int, piece: bytes) -> int:
    """Write all of it to a descriptor and return how many bytes that were."""
    written = 0
    while written < len(piece):
        written += os.write(target, piece[written:])
    return written


def _divide(directory: FoundDirectory, loads: list[int]) -> None:
    """Give each file to the share with less to do; making a file costs about as much as copying 16 KiB."""
    for file in directory.files:
        file.share = 0 if loads[0] <= loads[1] else 1
        loads[file.share] += file.size + 16 * 1024
    for child in directory.directories:
        _divide(child, loads)


def _changed(path: Path) -> MasError:
    msg = f"{shown(path)} changed while it was copied"
    return MasError(msg, hint="run the command again when nothing writes to it")
