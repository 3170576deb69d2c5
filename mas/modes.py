"""Who else may read or write what is ours: the modes of files and directories, and whose they are."""

import os
import shlex
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mas.paths import Root, SessionPaths

_OTHERS = 0o077
_WRITE = 0o022


Wrong = Iterator[tuple[Path, int]]
"""Files and directories that others may do too much with, each with the mode that it should have."""


def of_session(paths: SessionPaths) -> Wrong:
    """What of a session others may read or write. Links are passed over, so that nothing is changed through one."""
    for path in _private(paths):
        mode = _mode(path)
        if mode & _OTHERS:
            yield path, 0o700 if path.is_dir() else mode & ~_OTHERS


def _private(paths: SessionPaths) -> Iterator[Path]:
    yield from (paths.directory, paths.log, paths.snapshot, paths.shell, paths.config, paths.messages, paths.logs)
    for place in (paths.checkpoints, paths.quarantine, paths.directory / "messages"):
        yield place
        if not place.is_symlink():
            yield from sorted(place.glob("*"))


def of_root(root: Root) -> Wrong:
    """What all sessions share and others may write to; of the index, also what they may read."""
    for path in (root.sessions, root.locks, root.staging, root.trash):
        if _mode(path) & _WRITE:
            yield path, _mode(path) & ~_WRITE
    if _mode(root.index) & _OTHERS:
        yield root.index, _mode(root.index) & ~_OTHERS


def exposure(path: Path) -> str:
    """How others could put their own into a directory in the place of what is ours; empty where they cannot.

    A sticky bit keeps them from that. Root may work anywhere, and is trusted everywhere.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return ""
    user = os.geteuid()
    if user and found.st_uid not in (0, user):
        return "it belongs to another user"
    if found.st_mode & stat.S_ISVTX:
        return ""
    if found.st_mode & stat.S_IWOTH:
        return "everybody can write to it"
    if found.st_mode & stat.S_IWGRP and not _is_own_group(found.st_gid, found.st_uid):
        return "its group can write to it"
    return ""


def remedy(path: Path) -> str:
    """What helps against an exposure."""
    owned = os.geteuid() in (0, path.stat().st_uid)
    safe = f"`chmod go-w {shlex.quote(str(path))}`, or " if owned else ""
    return f"{safe}choose another place with --root"


def _is_own_group(group: int, user: int) -> bool:
    """Whether nobody but its owner is in a group: many systems give each user one, and let it write what is new."""
    if not group:
        return True
    import grp  # noqa: PLC0415  few directories are open to a group
    import pwd  # noqa: PLC0415

    try:
        known, name = grp.getgrgid(group), pwd.getpwuid(user).pw_name
    except KeyError:
        return group == user
    return known.gr_name == name and {*known.gr_mem} <= {name}


def _mode(path: Path) -> int:
    """The permissions of a file or directory; none of a link, or of what is not there."""
    with suppress(FileNotFoundError, NotADirectoryError):
        mode = path.lstat().st_mode
        return 0 if stat.S_ISLNK(mode) else stat.S_IMODE(mode)
    return 0
