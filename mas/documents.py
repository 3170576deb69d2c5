"""A session as the earlier session manager kept it, and how its document changes: a second opinion on the record. Pure.

Written apart from ``mas.record`` on purpose, so that one can be held against the other.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mas.errors import RefusedError
from mas.foreign import OWN_PARTS
from mas.record import OWN_KEYS, Document
from mas.replay import Entry

Change = Callable[[dict[str, Any], Mapping[str, Any], str], None]


def refused(what: str) -> RefusedError:
    """The error for what a document cannot hold."""
    msg = f"MAS_SESSION_ENGINE=documents cannot hold {what}"
    return RefusedError(msg, hint="unset MAS_SESSION_ENGINE, or set it to kernel")


def held(document: Document) -> dict[str, Any]:
    """What a document holds of a record: everything but what is ours."""
    own = {*OWN_KEYS, *OWN_PARTS}
    return {name: value for name, value in document.items() if name not in own}


def check(document: Document) -> None:
    """Raise RefusedError where a record says more than a document can."""
    for name in OWN_PARTS:
        for key in document.get(name) or ():
            raise refused(f"{name}.{key}")


def applied(document: Document, entries: Sequence[Entry], now: str) -> dict[str, Any]:
    """The document after these records; raises RefusedError for one that says more than a document can hold."""
    for kind, data in entries:
        if kind not in _CHANGES:
            raise refused(f"{kind} records")
        more = {name: value for name, value in data.items() if name in _DETAILS and value != _DETAILS[name]}
        more |= {"label": True} if kind == "updated" and "label" in data["set"] else {}
        if more:
            raise refused(f"{', '.join(sorted(more))} of {kind}")
    return shadowed(document, entries, now)


def shadowed(document: Document, entries: Sequence[Entry], now: str) -> dict[str, Any]:
    """The document after these records, as far as it can hold them."""
    changed = held(document)
    for kind, data in entries:
        changed["updated_at"] = now
        change = _ALL.get(kind)
        if change:
            change(changed, data, now)
    return changed


def _to(document: dict[str, Any], data: Mapping[str, Any], now: str) -> None:
    del now
    document["status"] = data["to"]


def _status(word: str) -> Change:
    def change(document: dict[str, Any], data: Mapping[str, Any], now: str) -> None:
        del data
        document["status"] = word
        if word in ("completed", "failed"):
            document["completed_at"] = now

    return change


def _set(document: dict[str, Any], data: Mapping[str, Any], now: str) -> None:
    del now
    document.update(data["set"])
    for name in [name for name, value in document.items() if value is None or name == "label"]:
        del document[name]


def _count_checkpoint(document: dict[str, Any], data: Mapping[str, Any], now: str) -> None:
    del data, now
    statistics = document.get("statistics", {})
    document["statistics"] = {**statistics, "checkpoints_created": statistics.get("checkpoints_created", 0) + 1}


_DETAILS = {"config": None, "reason": "paused", "by": "user", "error": "failed", "merged": None}
"""What a record may say besides the status, and what it says of it when it is a mere transition."""

_CHANGES: dict[str, Change] = {
    "started": _status("planning"),
    "phase_changed": _to,
    "resumed": _to,
    "paused": _status("paused"),
    "completed": _status("completed"),
    "failed": _status("failed"),
    "updated": _set,
}
_ALL: dict[str, Change] = {**_CHANGES, "checkpoint": _count_checkpoint}
