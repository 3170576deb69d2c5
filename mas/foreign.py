"""Records that other programs wrote: an earlier session manager's file, or a snapshot somebody edited. Pure.

What they lack is filled in, what we do not know is kept.
"""

from collections.abc import Mapping
from typing import Any

from mas.errors import MasError
from mas.lifecycle import COARSE, Coarse, SessionStatus, check_coarse
from mas.record import Document, broken_invariant, lifecycle_of
from mas.session import from_document

OWN_KEYS = frozenset({"rev", "log", "schema", "checksum"})
"""Keys that describe a snapshot, not the session."""


def adopt(document: Document) -> dict[str, Any]:
    """A whole record from one that an older program wrote.

    Raises KeyError, TypeError or ValueError where it describes no session.
    """
    from_document(document)
    adopted = {name: value for name, value in document.items() if name not in OWN_KEYS}
    return _completed(adopted, dict(lifecycle_of(document)))


def _completed(document: dict[str, Any], lifecycle: dict[str, Any]) -> dict[str, Any]:
    """Add the data that belongs to the status, and drop what belongs to another."""
    status = SessionStatus(document["status"])
    since = document.get("updated_at") or document["created_at"]
    pause = {"reason": "unknown", "by": "user", "substate": "planning", "iteration": 0, "at": since}
    wanted = {Coarse.PAUSED: ("pause", pause), Coarse.COMPLETED: ("summary", {}), Coarse.FAILED: ("error", "unknown")}
    name, value = wanted.get(COARSE[status], ("", None))
    for other, _ in wanted.values():
        if other != name:
            lifecycle.pop(other, None)
    if name:
        lifecycle.setdefault(name, value)
    if COARSE[status] in (Coarse.COMPLETED, Coarse.FAILED):
        document["completed_at"] = document.get("completed_at") or since
    else:
        document.pop("completed_at", None)
    if lifecycle or "lifecycle" in document:
        document["lifecycle"] = lifecycle
    return document


def imported(base: Document, edited: Document) -> dict[str, Any] | None:
    """Data of the record that takes over somebody's edit of a snapshot; None where it is not valid or not legal.

    An edit may change what the documents define and add keys; it may not change the identity, our own parts, or move the
    status where no event could.
    """
    try:
        adopted = adopt({**edited, "lifecycle": lifecycle_of(base), "runtime": base.get("runtime")})
        if any(adopted.get(name) != base.get(name) for name in ("session_id", "created_at")):
            return None
        _check_status(base, adopted)
    except (MasError, KeyError, TypeError, ValueError, AttributeError):
        return None
    if adopted["runtime"] is None:
        adopted.pop("runtime")
    return None if broken_invariant(adopted) else _difference(base, adopted)


def _check_status(base: Document, adopted: Mapping[str, Any]) -> None:
    if adopted["status"] != base["status"]:
        check_coarse(SessionStatus(base["status"]), SessionStatus(adopted["status"]))


def _difference(base: Document, adopted: Mapping[str, Any]) -> dict[str, Any]:
    changed = {name: value for name, value in adopted.items() if base.get(name) != value}
    missing = [name for name in base if name not in adopted and name not in OWN_KEYS]
    return {"set": changed, "unset": missing}
