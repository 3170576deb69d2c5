"""The only writer of state files, by two primitives: append to a log, replace a file. And the locks around them.

Every call works on an open directory and a plain name in it; it follows no links and takes regular files alone.
``append`` is durable when it returns. ``replace`` is atomic, and durable where asked: what the log can make again
(snapshot, projections) need not be. What the system refuses is a MasError naming the place, except FileNotFoundError.
"""

import errno
import os
import re
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from weakref import WeakValueDictionary

from mas.errors import BusyError, DamagedError, MasError, explained, explaining, shorten
from mas.locks import Lock

LOCK_TIMEOUT = 10.0
"""Seconds to wait for a lock before naming its holder and giving up."""

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_UPDATE = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_CHUNK = 1 << 20
_locks: "WeakValueDictionary[tuple[int, str], Lock]" = WeakValueDictionary()
_making = threading.Lock()


@contextmanager
def directory(path: str | Path, within: int | None = None) -> Iterator[int]:
    """An open directory; raises what ``open_directory`` raises."""
    fd = open_directory(path, within)
    try:
        yield fd
    finally:
        os.close(fd)


def open_directory(path: str | Path, within: int | None = None) -> int:
    """A directory's descriptor, of that name in the open one ``within`` where that is given; the caller closes it.

    Raises FileNotFoundError where there is none, DamagedError for a link or a file in its place.
    """
    try:
        return os.open(path, _DIRECTORY, dir_fd=within)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            msg = f"{shorten(str(path), 200)} is not a directory of its own"
            raise DamagedError(msg, hint="mas follows no links here; look at what it is and move it away") from None
        raise explained(error, path, "read") from error


# --- reading ---


def read(fd: int, name: str) -> bytes:
    """The bytes of a regular file; raises FileNotFoundError, or DamagedError for anything else of that name."""
    file, size = _open_regular(fd, name, _READ, "read")
    try:
        data = os.read(file, size + 1)
        while len(data) != size and (chunk := os.read(file, _CHUNK)):
            data, size = data + chunk, -1
    except OSError as error:
        raise explained(error, name, "read") from error
    finally:
        os.close(file)
    return data


def read_from(fd: int, name: str, offset: int, longest: int = _CHUNK) -> Iterator[bytes]:
    """The lines of a regular file from a byte offset on, each with its newline; the last may lack it.

    A line longer than ``longest`` bytes comes in pieces without one, so that memory stays bounded.
    """
    with os.fdopen(_open_regular(fd, name, _READ, "read")[0], "rb") as file, explaining(name, "read"):
        file.seek(offset)
        while line := file.readline(longest):
            yield line


def read_part(fd: int, name: str, offset: int, length: int) -> bytes:
    """Up to ``length`` bytes of a regular file from a byte offset on."""
    file, _ = _open_regular(fd, name, _READ, "read")
    try:
        with explaining(name, "read"):
            return os.pread(file, length, offset)
    finally:
        os.close(file)


def size_of(fd: int, name: str) -> int | None:
    """Size of a regular file in bytes; None where there is none. Raises DamagedError for anything else."""
    found = status_of(fd, name)
    return found.st_size if found else None


def status_of(fd: int, name: str) -> os.stat_result | None:
    """What the system knows of a regular file, as ``size_of`` tells its size."""
    try:
        found = os.stat(name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise explained(error, name, "read") from error
    if not stat.S_ISREG(found.st_mode):
        raise _not_regular(name)
    return found


# --- writing ---


def append(fd: int, name: str, data: bytes, *, at: int, tail: bytes = b"") -> None:
    """Append to a log and make it durable; the file must be ``at`` bytes long and end in ``tail``.

    Raises DamagedError where it is not, and MasError naming the file where it cannot be written; then the file is cut
    back to what it was. The caller holds the session's lock.
    """
    try:
        file, size = _open_regular(fd, name, _UPDATE | os.O_APPEND | (0 if at else os.O_CREAT))
    except FileNotFoundError:
        raise _changed(name) from None
    try:
        with explaining(name):
            if size != at or os.pread(file, len(tail), max(0, at - len(tail))) != tail:
                raise _changed(name)
            _write_or_cut(file, data, at)
            if not at:
                os.fsync(fd)
    finally:
        os.close(file)


def _changed(name: str) -> DamagedError:
    return DamagedError(f"{name} is not what it was when it was read", hint="`mas doctor` shows what changed")


def _write_or_cut(file: int, data: bytes, at: int) -> None:
    try:
        _write_at_once(file, data)
        os.fsync(file)
    except BaseException:
        os.ftruncate(file, at)
        raise


def _write_at_once(file: int, data: bytes | memoryview) -> None:
    if os.write(file, data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def cut(fd: int, name: str, at: int) -> None:
    """Cut a log back to its first ``at`` bytes, durably. The caller saved the rest and holds the session's lock."""
    file, _ = _open_regular(fd, name, _UPDATE)
    try:
        with explaining(name):
            os.ftruncate(file, at)
            os.fsync(file)
    finally:
        os.close(file)


def replace(fd: int, name: str, *data: bytes | memoryview, durable: bool = False, mode: int = 0o600) -> os.stat_result:
    """Put ``data`` in the place of a file, at once for every reader, and tell what it is known as before its rename.

    Raises MasError, and then the old one stands; only where the directory itself cannot be made durable, the last step,
    the new one stands and the error says so.
    """
    temporary = f".{name}.{os.getpid()}-{os.urandom(4).hex()}.tmp"
    with explaining(name):
        try:
            size_of(fd, name)
            written = _write_new(fd, temporary, data, mode, durable=durable)
            os.rename(temporary, name, src_dir_fd=fd, dst_dir_fd=fd)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=fd)
            raise
    if durable:
        with explaining(name, "make durable"):
            os.fsync(fd)
    return written


def _write_new(fd: int, name: str, data: Sequence[bytes | memoryview], mode: int, *, durable: bool) -> os.stat_result:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(name, flags, mode, dir_fd=fd)
    try:
        if (size := sum(map(len, data))) > _CHUNK:
            with suppress(OSError, AttributeError):  # else ext4 finds the room at the rename, in four times the time
                os.posix_fallocate(file, 0, size)
        for part in data:
            _write_at_once(file, part)
        if durable:
            os.fsync(file)
        return os.fstat(file)
    finally:
        os.close(file)


def keep(place: Path, name: str, data: bytes) -> Path:
    """Save what is about to be cut or overwritten below ``place``, durably and each content once; the file it is in."""
    with directory(place.parent) as above:
        with explaining(place), suppress(FileExistsError):
            os.mkdir(place.name, 0o700, dir_fd=above)
            os.fsync(above)
        with directory(place.name, above) as fd:
            number = 0
            while size_of(fd, f"{name}.{number}") is not None and read(fd, f"{name}.{number}") != data:
                number += 1
            if size_of(fd, f"{name}.{number}") is None:
                replace(fd, f"{name}.{number}", data, durable=True)
    return place / f"{name}.{number}"


def remove(fd: int, name: str) -> None:
    """Remove a file, durably; one that is gone is fine."""
    with explaining(name), suppress(FileNotFoundError):
        os.unlink(name, dir_fd=fd)
        os.fsync(fd)


def writer_of(name: str) -> int | None:
    """The process that writes, or wrote, a file of this name by ``replace``; None where that gives no such name."""
    found = re.fullmatch(r"\..+\.([0-9]{1,10})-[0-9a-f]{8}\.tmp", name, re.DOTALL)
    return int(found[1]) if found else None


def _open_regular(fd: int, name: str, flags: int, doing: str = "write") -> tuple[int, int]:
    """Descriptor and size of a regular file."""
    try:
        file = os.open(name, flags, 0o600, dir_fd=fd)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.ENODEV):
            raise _not_regular(name) from None
        raise explained(error, name, doing) from error
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode):
        os.close(file)
        raise _not_regular(name)
    return file, found.st_size


def _not_regular(name: str) -> DamagedError:
    return DamagedError(f"{shorten(name)} is no regular file", hint="mas follows no links; look at it and move it away")


# --- locks: an flock ends with its holder, whatever ends that; none is ever broken, and no child inherits one ---


@contextmanager
def lock(
    path: Path, timeout: float = LOCK_TIMEOUT, *, guards: Path | None = None, inside: bool = False
) -> Iterator[None]:
    """Hold a lock, re-entrant in a thread. Raises BusyError naming the holder after ``timeout`` seconds.

    Where ``guards``, the thing that is written under it, is not there at the end, the lock's file goes too. One that is
    ``inside`` of it raises FileNotFoundError where that is gone, and does not make it again.
    """
    held = _lock_object(path, inside=inside)
    try:
        held.acquire(timeout=timeout)
    except TimeoutError:
        msg = f"{path.stem} is in use by {holder(path)}"
        raise BusyError(msg, hint="wait for it, or end it; nobody's lock is ever broken") from None
    except OSError as error:
        raise explained(error, path) from error
    except BaseException:  # a signal, perhaps between making the file and holding it
        with suppress(MasError), lock(path, 0, guards=guards):
            pass
        raise
    try:
        yield
    finally:
        if held.lock_counter == 1 and guards is not None and not os.path.lexists(guards):
            with suppress(OSError):
                path.unlink()
        held.release()


def is_locked(path: Path) -> bool:
    """Whether another process holds a lock at this moment; looking makes no file. What nobody can hold is none."""
    if not path.exists():
        return False
    try:
        with lock(path, 0, inside=True):
            return False
    except MasError as error:
        return isinstance(error, BusyError)


def _lock_object(path: Path, *, inside: bool) -> Lock:
    """One object a path as long as somebody holds it, made anew in a forked child: that is what makes it re-entrant."""
    key = (os.getpid(), str(path))
    with _making:
        held = _locks.get(key)
        if held is None:
            _prepare_place(path.parent, inside=inside)
            held = _locks[key] = Lock(str(path))
        return held


def _prepare_place(place: Path, *, inside: bool) -> None:
    """Make the directory of a lock, or see that it is there; a link would part those who lock by it from all others."""
    if not inside:
        with explaining(place):
            place.mkdir(parents=True, exist_ok=True)
    with directory(place):
        pass


def holder(path: Path) -> str:
    """Who holds a lock, as far as the kernel tells."""
    try:
        found = path.stat()
        place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
        rows = [line.split() for line in Path("/proc/locks").read_text("ascii").splitlines()]
        pid = next(row[4] for row in rows if row[1] == "FLOCK" and row[5] == place)
        fields = Path(f"/proc/{pid}/status").read_text("utf-8", "replace").splitlines()
        known = dict(field.split(":\t", 1) for field in fields if ":\t" in field)
        return f"process {pid} ({known['Name']}, state {known['State']})"
    except (OSError, StopIteration, IndexError, KeyError):
        return "another process"
