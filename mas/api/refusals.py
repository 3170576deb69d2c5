"""What is answered where a request cannot be served: status, and one body for every error. Pure.

The body is the union of what the earlier servers and the command line said: ``error``, ``code``, ``details``, ``hint``,
``timestamp``, and ``status`` which is always ``failed``.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mas.errors import (
    AmbiguousError,
    BusyError,
    CapacityError,
    ConflictError,
    DamagedError,
    ExistsError,
    InvalidIdError,
    MasError,
    MissingProgramError,
    NotFoundError,
    RefusedError,
    UnknownStateError,
    UsageError,
    WaitTimeoutError,
)

LONGEST = 600
"""Characters of a message; what is longer was not meant for anybody to read."""

STATUSES: tuple[tuple[type[MasError], int], ...] = (
    (InvalidIdError, 400),
    (UsageError, 400),
    (NotFoundError, 404),
    (RefusedError, 409),
    (ExistsError, 409),
    (AmbiguousError, 409),
    (DamagedError, 409),
    (BusyError, 503),
    (CapacityError, 503),
    (UnknownStateError, 503),
    (MissingProgramError, 503),
    (WaitTimeoutError, 503),
    (MasError, 503),
)
"""The status of each kind of error; the first that fits."""

RETRY_AFTER: Mapping[type[MasError], int] = {BusyError: 1, UnknownStateError: 5, CapacityError: 60}
"""After how many seconds the same request may be served."""


class HttpError(MasError):
    """A request that is answered with ``status`` whatever it asked for."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        hint: str | None = None,
        details: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, hint)
        self.status, self.code, self.details, self.headers = status, code, details, headers or {}


def bad_request(message: str, *, hint: str | None = None, details: object = None) -> HttpError:
    """The answer to a request that is wrong in itself."""
    return HttpError(400, "bad_request", message, hint=hint, details=details)


@contextmanager
def as_input() -> Iterator[None]:
    """What is refused within is the request's own fault: a value in it that means nothing, or may not be.

    A ConflictError is not: the same request may be served at another time.
    """
    try:
        yield
    except ConflictError:
        raise
    except (UsageError, RefusedError, NotFoundError, MissingProgramError) as error:
        raise bad_request(error.message, hint=error.hint) from error


def status_of(error: MasError) -> int:
    """The HTTP status of an error."""
    if isinstance(error, HttpError):
        return error.status
    return next(status for kind, status in STATUSES if isinstance(error, kind))


def headers_of(error: MasError) -> dict[str, str]:
    """The headers that go with it."""
    if isinstance(error, HttpError):
        return dict(error.headers)
    seconds = next((seconds for kind, seconds in RETRY_AFTER.items() if isinstance(error, kind)), None)
    return {} if seconds is None else {"Retry-After": str(seconds)}


def body_of(error: MasError, now: str) -> dict[str, Any]:
    """The body that says it."""
    message = error.message if len(error.message) <= LONGEST else f"{error.message[: LONGEST - 1]}…"
    return {
        "error": message,
        "code": error.code,
        "details": _details(error),
        "hint": error.hint or "",
        "status": "failed",
        "timestamp": now,
    }


def _details(error: MasError) -> object:
    if isinstance(error, AmbiguousError):
        return {"candidates": list(error.candidates)}
    return (error.details if isinstance(error, HttpError) else None) or {}
