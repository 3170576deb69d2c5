"""The only writer of state files, by two primitives: append to a log, replace a file. And the locks around them.

Every call works on an open directory and a plain name in it; links are not followed, and what is not a regular file is
refused. ``append`` is durable when it returns. ``replace`` is atomic, and durable where asked: what the log can make again
(snapshot, projections) need not be.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mas.errors import BusyError, CapacityError, DamagedError, ExistsError, MasError, shorten

if TYPE_CHECKING:
    from filelock import UnixFileLock

LOCK_TIMEOUT = 10.0
"""Seconds to wait for a lock before naming its holder and giving up."""

_POLL_SECONDS = 0.01
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE}
_locks: dict[tuple[int, str], "UnixFileLock"] = {}


@contextmanager
def directory(path: Path) -> Iterator[int]:
    """An open directory. Raises FileNotFoundError where there is none, DamagedError for a link or a file in its place."""
    try:
        fd = os.open(path, _DIRECTORY)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            msg = f"{shorten(str(path), 200)} is not a directory of its own"
            raise DamagedError(msg, hint="mas follows no links here; look at what it is and move it away") from None
        raise
    try:
        yield fd
    finally:
        os.close(fd)


def make_directory(path: Path, mode: int = 0o755) -> None:
    """Make a directory and its parents where they are missing."""
    try:
        path.mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError as error:
        raise explained(error, path) from error


def read(fd: int, name: str) -> bytes:
    """The bytes of a regular file; raises FileNotFoundError, or DamagedError for anything else of that name."""
    file = _open_regular(fd, name, _READ)
    try:
        size = os.fstat(file).st_size
        data = os.read(file, size + 1)
        while chunk := os.read(file, 1 << 20):
            data += chunk
        return data
    finally:
        os.close(file)


def read_from(fd: int, name: str, offset: int) -> Iterator[bytes]:
    """The lines of a regular file from a byte offset on, each with its newline; the last may lack it."""
    with os.fdopen(_open_regular(fd, name, _READ), "rb") as file:
        file.seek(offset)
        yield from file


def size_of(fd: int, name: str) -> int | None:
    """Size of a regular file in bytes; None where there is none. Raises DamagedError for anything else."""
    try:
        found = os.stat(name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise _not_regular(name)
    return found.st_size


def append(fd: int, name: str, data: bytes, *, at: int, tail: bytes = b"") -> None:
    """Append to a log and make it durable; the file must be ``at`` bytes long and end in ``tail``.

    Raises DamagedError where it is not, and MasError naming the file where it cannot be written; then the file is cut
    back to what it was. The caller holds the session's lock.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    file = _open_regular(fd, name, flags | (0 if at else os.O_CREAT))
    try:
        if os.fstat(file).st_size != at or os.pread(file, len(tail), at - len(tail)) != tail:
            msg = f"{name} is not what it was when it was read"
            raise DamagedError(msg, hint="`mas doctor` shows what changed")
        _write_or_cut(file, data, at)
    except OSError as error:
        raise explained(error, name) from error
    finally:
        os.close(file)


def _write_or_cut(file: int, data: bytes, at: int) -> None:
    try:
        written = os.write(file, data)
        if written != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(file)
    except OSError:
        os.ftruncate(file, at)
        raise


def cut(fd: int, name: str, at: int) -> None:
    """Cut a log back to its first ``at`` bytes, durably. The caller saved the rest and holds the session's lock."""
    file = _open_regular(fd, name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.ftruncate(file, at)
        os.fsync(file)
    finally:
        os.close(file)


def replace(fd: int, name: str, data: bytes, *, durable: bool = False, mode: int = 0o600) -> None:
    """Put ``data`` in the place of a file, at once for every reader. Raises MasError, and then the old one stands."""
    temporary = f".{name}.{os.getpid()}-{os.urandom(4).hex()}.tmp"
    try:
        size_of(fd, name)
        _write_new(fd, temporary, data, mode, durable=durable)
        os.rename(temporary, name, src_dir_fd=fd, dst_dir_fd=fd)
    except OSError as error:
        _unlink(fd, temporary)
        raise explained(error, name) from error
    except BaseException:
        _unlink(fd, temporary)
        raise
    if durable:
        os.fsync(fd)


def keep(place: Path, name: str, data: bytes) -> Path:
    """Save what is about to be cut or overwritten below ``place``, durably; returns the new file."""
    make_directory(place, 0o700)
    with directory(place) as fd:
        number = next(count for count in range(1 << 20) if size_of(fd, f"{name}.{count}") is None)
        replace(fd, f"{name}.{number}", data, durable=True)
    return place / f"{name}.{number}"


def is_temporary(name: str) -> bool:
    """Whether a file name is one that ``replace`` gives to what it has not finished."""
    head, _, tail = name.removesuffix(".tmp").rpartition(".")
    pid, _, random = tail.partition("-")
    return name.startswith(".") and name.endswith(".tmp") and bool(head) and pid.isdigit() and len(random) == 8


def _write_new(fd: int, name: str, data: bytes, mode: int, *, durable: bool) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(name, flags, mode, dir_fd=fd)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(file, view) :]
        if durable:
            os.fsync(file)
    finally:
        os.close(file)


def _unlink(fd: int, name: str) -> None:
    with suppress(OSError):
        os.unlink(name, dir_fd=fd)


def _open_regular(fd: int, name: str, flags: int) -> int:
    try:
        file = os.open(name, flags, 0o600, dir_fd=fd)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise _not_regular(name) from None
        raise
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise _not_regular(name)
    return file


def _not_regular(name: str) -> DamagedError:
    return DamagedError(f"{shorten(name)} is no regular file", hint="mas follows no links; look at it and move it away")


def move(source: Path, target: Path) -> None:
    """Rename a directory to a place that must be free, durably. Raises ExistsError where it is taken, even by nothing."""
    if os.path.lexists(target):
        msg = f"{shorten(str(target), 200)} exists"
        raise ExistsError(msg, hint="mas never writes into what it did not make; look at it and move it away")
    source.rename(target)
    sync_directory(target.parent)
    if source.parent != target.parent:
        sync_directory(source.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    with directory(path) as fd:
        os.fsync(fd)


def sync_filesystem(path: Path) -> None:
    """Make everything below ``path`` durable in one step, whatever the number of files."""
    import ctypes  # noqa: PLC0415  only a start needs it

    with directory(path) as fd:
        if ctypes.CDLL(None, use_errno=True).syncfs(fd) != 0:
            code = ctypes.get_errno()
            raise explained(OSError(code, os.strerror(code)), path)


def remove_tree(path: Path) -> None:
    """Remove a directory that mas made aside (staging, trash), following no link; one that is gone is fine."""
    import shutil  # noqa: PLC0415  only removing needs it

    for _ in range(3):  # a process whose working directory this was may still write into it
        shutil.rmtree(path, ignore_errors=True)
        if not os.path.lexists(path):
            return
    msg = f"{shorten(str(path), 200)} could not be removed completely"
    raise MasError(msg, hint="`mas doctor --fix` tries again")


@contextmanager
def lock(path: Path, timeout: float = LOCK_TIMEOUT) -> Iterator[None]:
    """Hold a lock, re-entrant in a thread. Raises BusyError naming the holder after ``timeout`` seconds."""
    import filelock  # noqa: PLC0415  costs start-up time, and readers take no lock

    held = _lock_object(path)
    try:
        held.acquire(timeout=timeout)
    except filelock.Timeout:
        msg = f"{path.stem} is in use by {_holder(path)}"
        raise BusyError(msg, hint="wait for it, or end it; nobody's lock is ever broken") from None
    except OSError as error:
        raise explained(error, path) from error
    try:
        yield
    finally:
        held.release()


def is_locked(path: Path) -> bool:
    """Whether another process holds a lock at this moment; looking makes no file."""
    if not path.exists():
        return False
    try:
        with lock(path, 0):
            return False
    except BusyError:
        return True


def _lock_object(path: Path) -> "UnixFileLock":
    from filelock import UnixFileLock  # noqa: PLC0415  see lock

    key = (os.getpid(), str(path))
    if key not in _locks:
        make_directory(path.parent)
        options = {"mode": 0o600, "poll_interval": _POLL_SECONDS, "fallback_to_soft": False}
        return _locks.setdefault(key, UnixFileLock(str(path), **options))  # type: ignore[arg-type]
    return _locks[key]


def _holder(path: Path) -> str:
    try:
        found = path.stat()
        place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
        rows = [line.split() for line in Path("/proc/locks").read_text("ascii").splitlines()]
        pid = next(row[4] for row in rows if row[1] == "FLOCK" and row[5] == place)
        fields = Path(f"/proc/{pid}/status").read_text("utf-8", "replace").splitlines()
        known = dict(field.split(":\t", 1) for field in fields if ":\t" in field)
    except (OSError, StopIteration, IndexError):
        return "another process"
    return f"process {pid} ({known['Name']}, state {known['State']})"


def explained(error: OSError, place: str | Path) -> MasError:
    """An operating system's refusal as one of ours, naming the place."""
    kind = CapacityError if error.errno in _FULL else MasError
    reason = (error.strerror or str(error)).lower()
    return kind(
        f"cannot write {shorten(str(place), 200)}: {reason}", hint="nothing was changed; make room or access and repeat"
    )
