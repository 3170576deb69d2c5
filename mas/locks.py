"""The lock of one path: taken at once where it is free, waited for by filelock where it is not.

Both are an flock on the same file, so it does not matter who takes it which way. That it is free is what nearly every
call finds, and to load filelock takes longer than all that most verbs do.
"""

import fcntl
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import UnixFileLock

_MODE = 0o600
_POLL_SECONDS = 0.01
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_open: "dict[int, Lock]" = {}
"""Whose the descriptors of this process are. A forked child closes its copies, or it would hold what its parent has."""


class Lock(threading.local):
    """What a thread holds of the lock of ``path``, re-entrant there; other threads, like other processes, wait."""

    def __init__(self, path: str) -> None:
        self.lock_counter = 0
        """How often this thread has acquired it and not yet released."""
        self._path = path
        self._descriptor: int | None = None
        self._waited: UnixFileLock | None = None

    def acquire(self, timeout: float) -> None:
        """Take it, for up to ``timeout`` seconds once more; raises TimeoutError after that, OSError."""
        if not self.lock_counter and not self._take():
            self._wait(timeout)
        self.lock_counter += 1

    def release(self) -> None:
        """Give it back, as often as it was acquired."""
        self.lock_counter -= 1
        if self.lock_counter:
            return
        if self._waited is not None:
            self._waited.release()
            self._waited = None
        self._close()

    def _take(self) -> bool:
        """Whether it was free; then it is ours."""
        self._close()  # a signal may have come between taking it and counting that
        self._descriptor = _opened(self._path)
        _open[self._descriptor] = self
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(self._descriptor).st_nlink:  # or its holder removed it, and others lock by another file
                return True
        except BlockingIOError:
            pass
        except BaseException:
            self._close()
            raise
        self._close()
        return False

    def _wait(self, timeout: float) -> None:
        from filelock import UnixFileLock  # noqa: PLC0415  see above

        lock = UnixFileLock(self._path, mode=_MODE, poll_interval=_POLL_SECONDS, fallback_to_soft=False)
        lock.acquire(timeout=timeout)
        self._waited = lock

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None and _open.get(descriptor) is self:  # not so in a forked child, which forgot it
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # whoever else may have a copy of it
            del _open[descriptor]
            os.close(descriptor)


def _opened(path: str) -> int:
    """A descriptor of the lock's file, made where it is missing: its owner's alone, whatever the umask."""
    with suppress(FileExistsError):
        made = os.open(path, _FLAGS | os.O_EXCL, _MODE)
        os.fchmod(made, _MODE)
        return made
    return os.open(path, _FLAGS, _MODE)


def _forget() -> None:
    """Close what a child has of its parent's locks; the parent goes on holding them."""
    for descriptor in _open:
        os.close(descriptor)
    _open.clear()


os.register_at_fork(after_in_child=_forget)
