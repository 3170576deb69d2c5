"""Time and chance, the two things a pure module is handed."""

import datetime as dt

_FORM = "%Y-%m-%dT%H:%M:%S.%fZ"


def utc_now() -> str:
    """The present moment: UTC, ISO 8601 with microseconds and ``Z``."""
    return dt.datetime.now(dt.UTC).strftime(_FORM)


def utc_at(seconds: float) -> str:
    """A moment given as Unix time, in the same form."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime(_FORM)


def moment(timestamp: str) -> dt.datetime:
    """The moment that a timestamp tells, taken as UTC where it does not say; raises ValueError for one that is none."""
    found = dt.datetime.fromisoformat(timestamp)
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def new_id() -> str:
    """A fresh UUID v4 in its canonical form."""
    import uuid  # noqa: PLC0415  only creation needs it

    return str(uuid.uuid4())
