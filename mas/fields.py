"""What may be written into a record: one check a field, the same rules as the shipped JSON Schema.

Reading is lenient, older programs wrote all sorts of things; writing goes through here.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from mas.errors import RefusedError, shorten
from mas.lifecycle import parse_phase

MAX_REQUEST = 32 * 1024
"""Characters of a feature request; a longer text belongs into a file."""

_COMMIT = re.compile(r"([0-9a-f]{7,64})?", re.ASCII)
Check = Callable[[object, str], Any]


def _fail(value: object, name: str, wanted: str) -> RefusedError:
    return RefusedError(f"{name} is {shorten(value)}, expected {wanted}")


def _text(value: object, name: str) -> str:
    if isinstance(value, str) and "\0" not in value:
        return value
    raise _fail(value, name, "text")


def _request(value: object, name: str) -> str:
    if len(_text(value, name)) > MAX_REQUEST:
        raise _fail(value, name, f"at most {MAX_REQUEST} characters")
    return str(value)


def _optional_text(value: object, name: str) -> str | None:
    return None if value is None else _text(value, name)


def _commit(value: object, name: str) -> str:
    if isinstance(value, str) and (_COMMIT.fullmatch(value)):
        return value
    raise _fail(value, name, "7 to 64 lower-case hexadecimal digits, or nothing")


def _boolean(value: object, name: str) -> bool:
    if isinstance(value, bool):
        return value
    raise _fail(value, name, "true or false")


def _at_least(least: int) -> Check:
    def check(value: object, name: str) -> int:
        if type(value) is int and least <= value < 2**53:
            return value
        raise _fail(value, name, f"a whole number of at least {least}")

    return check


def _seconds(value: object, name: str) -> float:
    if type(value) in (int, float) and 0 <= value < float("inf"):  # type: ignore[operator]
        return value  # type: ignore[return-value]
    raise _fail(value, name, "a number of at least 0")


def _phase(value: object, name: str) -> str | None:
    del name
    return None if value is None else str(parse_phase(value))


def _label(value: object, name: str) -> str:
    text = _text(value, name)
    if text and (len(text) > 64 or not text.isprintable() or text != text.strip() or text.startswith("-")):
        raise _fail(value, name, "one printable line of at most 64 characters that does not begin with -")
    if text and re.fullmatch(r"[0-9a-f-]{4,}", text):
        raise _fail(value, name, "a name that cannot be taken for the beginning of an id")
    if text.startswith("mas-"):
        raise _fail(value, name, "a name that cannot be taken for a tmux session of mas")
    return text


_COUNT = _at_least(0)
_POSITIVE = _at_least(1)

PARTS: dict[str, dict[str, Check]] = {
    "git_context": {
        "branch": _text,
        "commit": _commit,
        "repo_root": _text,
        "is_worktree": _boolean,
        "worktree_name": _optional_text,
    },
    "prd_reference": {"filename": _text, "path": _text, "version": _optional_text},
    "statistics": {
        "total_tasks": _COUNT,
        "completed_tasks": _COUNT,
        "failed_tasks": _COUNT,
        "decisions_made": _COUNT,
        "checkpoints_created": _COUNT,
        "error_recovery_count": _COUNT,
        "duration_seconds": _seconds,
    },
    "configuration": {
        "max_iterations": _POSITIVE,
        "timeout_minutes": _POSITIVE,
        "auto_checkpoint": _boolean,
        "error_recovery_enabled": _boolean,
    },
}
"""The tables of a record and the check of each of their fields."""

REQUIRED = {"git_context": ("branch", "commit", "repo_root"), "prd_reference": ("filename", "path")}
"""Fields without which a table is refused; those of the other tables have defaults."""

MERGED = frozenset({"statistics", "configuration"})
"""Tables that an update changes field by field; the others it replaces."""

FIELDS: dict[str, Check] = {"feature_request": _request, "current_phase": _phase, "label": _label}
"""The single fields that an update may set."""

FIXED = {
    "session_id": "an id never changes",
    "created_at": "the time of creation never changes",
    "completed_at": "it is set when the session completes or fails",
}
"""Fields of a record that an update may not set, and why."""


def check_part(name: str, values: object, *, partial: bool = False) -> dict[str, Any]:
    """The table ``name`` with every field checked; raises RefusedError for the first that is wrong.

    With ``partial`` required fields may be missing. A field that is None is left out.
    """
    table = plain(values)
    if not isinstance(table, Mapping):
        raise _fail(values, name, "a table")
    unknown = sorted(set(table) - set(PARTS[name]), key=str)
    if unknown:
        msg = f"{name} has no field {shorten(unknown[0])}"
        raise RefusedError(msg, hint=f"its fields: {', '.join(PARTS[name])}")
    missing = [field for field in REQUIRED.get(name, ()) if table.get(field) is None]
    if missing and not partial:
        msg = f"{name} lacks {missing[0]}"
        raise RefusedError(msg, hint=f"it needs: {', '.join(REQUIRED[name])}")
    checked = {field: PARTS[name][field](value, f"{name}.{field}") for field, value in table.items()}
    return {field: value for field, value in checked.items() if value is not None}


def check_updates(document: Mapping[str, Any], updates: object) -> dict[str, Any]:
    """The new values of the fields that ``updates`` changes; raises RefusedError, and then nothing may be written.

    ``status`` and ``updated_at`` are not among them: the one is a transition, the other is set by every record.
    """
    if not isinstance(updates, Mapping):
        raise _fail(updates, "updates", "a table of fields")
    passed_over = ("status", "updated_at")
    return {name: _update(document, name, value) for name, value in updates.items() if name not in passed_over}


def _update(document: Mapping[str, Any], name: object, value: object) -> Any:
    if name in FIXED:
        msg = f"{name} cannot be updated: {FIXED[str(name)]}"
        raise RefusedError(msg)
    if name in FIELDS:
        return FIELDS[str(name)](value, str(name))
    if name not in PARTS:
        msg = f"Invalid session field: {name if isinstance(name, str) and name.isidentifier() else shorten(name)}"
        raise RefusedError(msg, hint=f"fields: {', '.join([*FIELDS, *PARTS, 'status'])}")
    if name == "prd_reference" and value is None:
        return None
    checked = check_part(str(name), value, partial=name in MERGED)
    return {**document.get(str(name), {}), **checked} if name in MERGED else checked


def plain(value: object) -> Any:
    """A part of a record, or a table, as plain values: what has ``to_dict`` is asked for it."""
    return value.to_dict() if hasattr(value, "to_dict") else value


def check_json(value: object, name: str, *, depth: int = 32) -> Any:
    """Plain JSON values from outside: finite numbers, text keys, at most ``depth`` levels; raises RefusedError."""
    if depth < 0:
        msg = f"{name} is nested too deeply"
        raise RefusedError(msg)
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise _fail(value, name, "text keys")
        return {key: check_json(item, name, depth=depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [check_json(item, name, depth=depth - 1) for item in value]
    if value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and abs(value) < float("inf")):
        return value
    raise _fail(value, name, "plain JSON values")


def parse_json(text: str | bytes, name: str) -> Any:
    """JSON from outside; raises RefusedError for broken text, repeated keys, infinities and values nested too deeply."""
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        reason = getattr(error, "msg", str(error)) if isinstance(error, ValueError) else "nested too deeply"
        msg = f"{name} is no JSON: {reason}"
        raise RefusedError(msg) from None
    return check_json(value, name)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        msg = "a key is given twice"
        raise ValueError(msg)
    return table


def _no_constant(word: str) -> None:
    msg = f"{word} is no number"
    raise ValueError(msg)
