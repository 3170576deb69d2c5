"""Records that other programs wrote: an earlier session manager's file, or a snapshot somebody edited. Pure.

What they lack is filled in, what we do not know is kept.
"""

from collections.abc import Mapping
from typing import Any

from mas.config import SessionConfig
from mas.errors import MasError, RefusedError
from mas.fields import PARTS, RECORD, check_record
from mas.lifecycle import COARSE, Coarse, SessionStatus, check_reachable
from mas.record import COUNTS, OWN_KEYS, Document, broken_invariant, lifecycle_of
from mas.session import check_document
from mas.values import check_json, check_text

OWN_PARTS = ("lifecycle", "runtime")
"""Keys of ours that say more of a session than the documents do."""

_KNOWN = frozenset({*RECORD, *PARTS, *OWN_PARTS})

_FORMS: dict[str, Any] = {
    "lifecycle": {
        **dict.fromkeys(("iteration", "open", "completed", "opened_rev"), int),
        **dict.fromkeys(("started_at", "opened_at", "error", "parent_session_id"), str),
        "paused_seconds": float,
        "counts": dict.fromkeys(COUNTS, int),
        "pause": {"reason": str, "by": str, "substate": str, "iteration": int, "at": str},
        "summary": {},
        "worktree": {},
        "mark": list,
    },
    "runtime": {
        **dict.fromkeys(("mode", "root", "wanted", "observed", "tmux_name", "label"), str),
        **dict.fromkeys(("template", "profile", "nonce", "project"), str),
        "agents": [str],
        "tmux": {"id": str, "socket": str, "pid": int, "started": float, "panes": {}},
    },
    "git_context": {**dict.fromkeys(("branch", "commit", "repo_root", "worktree_name"), str), "is_worktree": bool},
    "prd_reference": dict.fromkeys(PARTS["prd_reference"], str),
    "statistics": dict.fromkeys(PARTS["statistics"], float),
    "configuration": {
        **dict.fromkeys(("max_iterations", "timeout_minutes"), float),
        **dict.fromkeys(("auto_checkpoint", "error_recovery_enabled"), bool),
    },
}
"""What the parts of a record hold, as far as it is relied on."""

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

    What stands in the place of a value of ours or the documents' and is of another form is left out; the file itself is
    kept when it is taken over. Raises KeyError, TypeError, ValueError or AttributeError where it describes no session.
    """
    return _whole({name: _readable(name, value) for name, value in document.items()})


def _readable(name: str, value: object) -> Any:
    form = _FORMS.get(name, {})
    if name in OWN_PARTS:
        return value if _fits(value, form) and _is_configured(value) else None
    if not isinstance(value, Mapping):
        return value
    return {field: one for field, one in value.items() if field not in form or _fits(one, form[field])}


def _fits(value: object, form: Any) -> bool:
    """Whether a value is of that form: a type, a list of one form, or a table with forms for some of its keys."""
    if isinstance(form, dict):
        return isinstance(value, Mapping) and all(_fits(value[key], form[key]) for key in form.keys() & value.keys())
    if isinstance(form, list):
        return isinstance(value, list) and all(_fits(one, form[0]) for one in value)
    return type(value) is form or (form is float and type(value) is int)


def _is_configured(part: Any) -> bool:
    """Whether the configuration in a part is one, where it has any."""
    try:
        return part.get("config") is None or bool(SessionConfig.from_json(part["config"]))
    except RefusedError:
        return False


def _whole(document: Document) -> dict[str, Any]:
    """The record without what says null, which is how we leave something out, and with the data of its status."""
    adopted = {name: _without_nulls(name, value) for name, value in document.items() if name not in OWN_KEYS}
    adopted = {name: value for name, value in adopted.items() if value is not None or name not in _KNOWN}
    adopted["feature_request"] = document["feature_request"] or ""
    for name in ("session_id", "feature_request", "created_at"):
        check_text(adopted[name], name, empty=name == "feature_request")
    check_json(adopted, "the record")
    check_document(adopted)
    return _completed(adopted, dict(lifecycle_of(adopted)))


def _without_nulls(name: str, value: object) -> Any:
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
        adopted = _moved(base, _whole({**edited, **own}))
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
