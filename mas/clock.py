"""Time and chance, the two things a pure module is handed."""

import datetime


def utc_now() -> str:
    """The present moment: UTC, ISO 8601 with microseconds and ``Z``."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def new_id() -> str:
    """A fresh UUID v4 in its canonical form."""
    import uuid  # noqa: PLC0415  only creation needs it

    return str(uuid.uuid4())
