"""What can go wrong, as types.

Every error a person can meet is a ``MasError``: a message that names the thing and its value, and a hint that says what
to type next. The leaves also inherit the built-in exception that callers of the earlier session manager catch.
"""

import errno
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def shorten(value: object, limit: int = 80) -> str:
    """``repr`` of a value that came from outside, printable and short enough for one line of a message."""
    text = ascii(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


class MasError(Exception):
    """Something was refused or failed; nothing half-made is left behind. Exit code 1."""

    exit_code = 1
    code = "failed"

    def __init__(self, message: str, hint: str | None = None) -> None:
        Exception.__init__(self, message)  # the built-in among the bases may want other arguments
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class UsageError(MasError):
    """The call itself is wrong: an unknown option value, too few words. Exit code 2."""

    exit_code = 2
    code = "usage"


class NotFoundError(MasError, FileNotFoundError):
    """No session, agent, template or checkpoint of that name."""

    code = "not_found"


class InvalidIdError(NotFoundError, ValueError):
    """Not the canonical text of a session id, so nothing can be stored under it."""

    code = "invalid_id"


class RefusedError(MasError, ValueError):
    """The session's state, or a field's type, does not allow it. Not a byte was written."""

    code = "refused"


class ConflictError(RefusedError):
    """What there is does not allow it, whatever had been asked for: something is in the way, or wrong with a place."""


class ExistsError(MasError, FileExistsError):
    """The id, name or directory is taken."""

    code = "exists"


class OccupiedError(ExistsError):
    """Another team works in the root's directories. ``session_id`` is empty where nobody has registered it."""

    def __init__(self, name: str, session_id: str, place: "Path") -> None:
        message = f"session {name} is up, and only one team at a time works in {shorten(str(place), 200)}"
        super().__init__(message, hint=f"`mas attach {name}`, or `mas stop {name}` first")
        self.name, self.session_id, self.place = name, session_id, place

    def __reduce__(self) -> tuple[type["OccupiedError"], tuple[str, str, "Path"]]:
        return type(self), (self.name, self.session_id, self.place)


class AmbiguousError(MasError):
    """A name that fits several sessions; nothing was done to any of them."""

    code = "ambiguous"

    def __init__(self, message: str, candidates: Iterable[str], hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.candidates = tuple(candidates)

    def __reduce__(self) -> tuple[type["AmbiguousError"], tuple[str, tuple[str, ...], str | None]]:
        return type(self), (self.message, self.candidates, self.hint)


class DamagedError(MasError, json.JSONDecodeError):
    """A stored file that cannot be read as what it should be. It is never overwritten without being asked."""

    code = "damaged"

    def __init__(self, message: str, hint: str | None = None) -> None:
        json.JSONDecodeError.__init__(self, message, "", 0)
        MasError.__init__(self, message, hint)

    def __reduce__(self) -> tuple[type["DamagedError"], tuple[str, str | None]]:
        return type(self), (self.message, self.hint)


class BusyError(MasError, TimeoutError):
    """Another process holds the lock, and held it for as long as we were willing to wait."""

    code = "busy"


class UnknownStateError(MasError):
    """A question that got no answer: tmux timed out or failed in a way that says nothing. Nothing may be concluded."""

    code = "unknown"


class MissingProgramError(MasError):
    """A program mas needs is not on PATH."""

    code = "missing_program"


class CapacityError(MasError):
    """The machine has no room for it: terminals, descriptors, disk."""

    code = "capacity"


class WaitTimeoutError(MasError, TimeoutError):
    """The condition did not come true in time. Exit code 124."""

    exit_code = 124
    code = "timeout"


_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE}
_DOING = {
    "write": "nothing was changed; make room or access and repeat",
    "read": "make it readable and repeat",
    "make durable": "it is written, but may be lost with the power; look at the disk",
}


_LIMITS = {errno.EMFILE: "ulimit -n 1024", errno.EFBIG: "ulimit -f unlimited"}


def remedy(error: OSError, otherwise: str | None) -> str | None:
    """What to do about a refusal: raise the limit of this process that is in the way, or what helps ``otherwise``."""
    limit = _LIMITS.get(error.errno or 0)
    return f"raise the limit and repeat: {limit}" if limit else otherwise


def explained(error: OSError, place: object, doing: str = "write") -> MasError:
    """An operating system's refusal as one of ours, naming the place."""
    kind = CapacityError if error.errno in _NO_ROOM else MasError
    reason = (error.strerror or str(error)).lower()
    return kind(f"cannot {doing} {shorten(str(place), 200)}: {reason}", hint=remedy(error, _DOING.get(doing)))


@contextmanager
def explaining(place: object, doing: str = "write") -> Iterator[None]:
    """What the operating system refuses within is ``explained``; only FileNotFoundError comes as it is."""
    try:
        yield
    except (MasError, FileNotFoundError):
        raise
    except OSError as error:
        raise explained(error, place, doing) from error
