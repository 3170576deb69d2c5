"""Records that other programs wrote: an earlier session manager's file, or a snapshot somebody edited. Pure.

What they lack is filled in, what we do not know is kept.
"""

from collections.abc import Mapping
from typing import Any

from mas.errors import MasError
from mas.fields import PARTS, RECORD, check_record
from mas.lifecycle import COARSE, Coarse, SessionStatus, check_reachable
from mas.record import Document, broken_invariant, lifecycle_of
from mas.session import check_document
from mas.values import check_json, check_text

OWN_KEYS = frozenset({"rev", "log", "schema", "checksum"})
"""Keys that describe a snapshot, not the session."""

OWN_PARTS = ("lifecycle", "runtime")
"""Keys of ours that say more of a session than the documents do."""

_KNOWN = frozenset({*RECORD, *PARTS})

_DROPPABLE = frozenset({"updated_at", "completed_at", "current_phase", "prd_reference"})
"""Keys whose absence says something; the earlier program drops every key that it does not know."""

_NEEDED: dict[Coarse, tuple[str, Any]] = {
    Coarse.PAUSED: ("pause", {"reason": "unknown", "by": "user", "substate": "planning", "iteration": 0}),
    Coarse.COMPLETED: ("summary", {}),
    Coarse.FAILED: ("error", "unknown"),
}
"""Where a status asks for data that an older program never wrote: its name, and what is put there."""


def adopt(document: Document) -> dict[str, Any]:
    """A whole record from one that an older program wrote.

    Raises KeyError, TypeError, ValueError or AttributeError where it describes no session.
    """
    adopted = {name: _without_nulls(name, value) for name, value in document.items() if name not in OWN_KEYS}
    adopted = {name: value for name, value in adopted.items() if value is not None or name not in _KNOWN}
    adopted["feature_request"] = document["feature_request"] or ""
    for name in ("session_id", "feature_request", "created_at"):
        check_text(adopted[name], name, empty=name == "feature_request")
    check_json(adopted, "the record")
    check_document(adopted)
    return _completed(adopted, dict(lifecycle_of(document)))


def _without_nulls(name: str, value: object) -> Any:
    """A table of the documents without the fields that say null, which is how we leave them out."""
    if name not in PARTS or not isinstance(value, Mapping):
        return value
    return {field: one for field, one in value.items() if one is not None or field not in PARTS[name]}


def _completed(document: dict[str, Any], lifecycle: dict[str, Any]) -> dict[str, Any]:
    """Add the data that belongs to the status, and drop what belongs to another."""
    coarse = COARSE[SessionStatus(document["status"])]
    since = document.get("updated_at") or document["created_at"]
    needed, value = _NEEDED.get(coarse, ("", None))
    for name, _ in _NEEDED.values():
        if name != needed:
            lifecycle.pop(name, None)
    if needed:
        lifecycle.setdefault(needed, {**value, "at": since} if needed == "pause" else value)
    if coarse in (Coarse.COMPLETED, Coarse.FAILED):
        document["completed_at"] = document.get("completed_at") or since
    else:
        document.pop("completed_at", None)
    if lifecycle or "lifecycle" in document:
        document["lifecycle"] = lifecycle
    return document


def imported(base: Document, edited: Document) -> dict[str, Any] | None:
    """Data of the record that takes over somebody's edit of a snapshot; None where it is not valid or not legal.

    An edit may change what the documents define and add keys. It may not change the identity or our own parts, move
    the status where no events could, or be made on a snapshot that has been left behind since.
    """
    own = {name: base[name] for name in OWN_PARTS if name in base}
    try:
        adopted = _moved(base, adopt({**edited, **own}))
        data = _difference(base, adopted)
        _check(base, adopted)
    except (MasError, KeyError, TypeError, ValueError, AttributeError):
        return None
    untouchable = (*OWN_PARTS, "rev") if data["set"] or data["unset"] else OWN_PARTS
    touched = any(name in edited and edited[name] != base.get(name) for name in untouchable)
    return None if touched or broken_invariant(adopted) else data


def _moved(base: Document, adopted: dict[str, Any]) -> dict[str, Any]:
    """The edited record with what our own events would have remembered of the status it had."""
    was, now = COARSE[SessionStatus(base["status"])], COARSE[SessionStatus(adopted["status"])]
    lifecycle = dict(lifecycle_of(adopted))
    if was is not now is Coarse.PAUSED:
        iteration = lifecycle.get("iteration", 0)
        lifecycle["pause"] = {**lifecycle["pause"], "substate": base["status"], "iteration": iteration}
    elif was is Coarse.CREATED and now is Coarse.RUNNING:
        lifecycle |= {"started_at": adopted.get("updated_at") or adopted["created_at"], "iteration": 0}
    else:
        return adopted
    return {**adopted, "lifecycle": lifecycle}


def _difference(base: Document, adopted: Document) -> dict[str, Any]:
    changed = {name: value for name, value in adopted.items() if name not in base or base[name] != value}
    missing = sorted(name for name in _DROPPABLE if name in base and name not in adopted)
    return {"set": changed, "unset": missing}


def _check(base: Document, adopted: Document) -> None:
    """Raise RefusedError where the edit says what no caller of ours may say. When it was made is ours to say."""
    check_record(base, {**adopted, "updated_at": base.get("updated_at", adopted["created_at"])})
    if adopted["status"] != base["status"]:
        check_reachable(SessionStatus(base["status"]), SessionStatus(adopted["status"]))
