"""What may be written into a record: one check a field, the same rules as the shipped JSON Schema.

Reading is lenient, older programs wrote all sorts of things; writing goes through here.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from mas.errors import RefusedError, shorten
from mas.lifecycle import SessionPhase, SessionStatus, parse_phase
from mas.values import LARGEST, check_flag, check_text, wrong

MAX_REQUEST = 32 * 1024
"""Characters of a feature request; a longer text belongs into a file."""

_COMMIT = re.compile(r"([0-9a-f]{7,64})?", re.ASCII)
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)
Check = Callable[[object, str], Any]


def _text(value: object, name: str) -> str:
    return check_text(value, name, empty=True)


def _request(value: object, name: str) -> str:
    """A prompt: what is wrong with it is said without showing it."""
    if not isinstance(value, str) or "\0" in value:
        msg = f"{name} is a {type(value).__name__}, expected text without NUL characters"
        raise RefusedError(msg)
    if len(value) > MAX_REQUEST:
        msg = f"{name} has {len(value)} characters, expected at most {MAX_REQUEST}"
        raise RefusedError(msg, hint="put the text into a file of the project and name it")
    return value


def _optional_text(value: object, name: str) -> str | None:
    return None if value is None else _text(value, name)


def _commit(value: object, name: str) -> str:
    if isinstance(value, str) and _COMMIT.fullmatch(value):
        return value
    raise wrong(name, value, "7 to 64 lower-case hexadecimal digits, or nothing")


def _number(value: object, name: str, least: int, wanted: str) -> int | float:
    if isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= LARGEST:
        return value
    raise wrong(name, value, f"{wanted} of at least {least}")


def _at_least(least: int) -> Check:
    def check(value: object, name: str) -> int:
        number = _number(value, name, least, "a whole number")
        if number != int(number):
            raise wrong(name, value, f"a whole number of at least {least}")
        return int(number)

    return check


def _seconds(value: object, name: str) -> float:
    return _number(value, name, 0, "a number")


def _phase(value: object, name: str) -> str | None:
    del name
    return None if value is None else str(parse_phase(value))


def _label(value: object, name: str) -> str:
    text = _text(value, name)
    if text and (len(text) > 64 or not text.isprintable() or text != text.strip() or text.startswith("-")):
        raise wrong(name, value, "one printable line of at most 64 characters that does not begin with -")
    if text and re.fullmatch(r"[0-9a-f-]{4,}", text):
        hint = f"ids are made of 0-9, a-f and -, so another letter is enough: {shorten(f'{text}-team')}"
        raise RefusedError(f"{name} is {shorten(text)}, which may be the beginning of an id", hint=hint)
    if text.startswith("mas-"):
        hint = "mas's own tmux sessions are called so; leave mas- away"
        raise RefusedError(f"{name} is {shorten(text)}, which may be the name of a tmux session", hint=hint)
    return text


def _id(value: object, name: str) -> str:
    if isinstance(value, str) and _ID.fullmatch(value):
        return value
    raise wrong(name, value, "a UUID in its canonical lower-case form")


def _word(words: type[SessionStatus] | type[SessionPhase]) -> Check:
    def check(value: object, name: str) -> str:
        if isinstance(value, str) and value in words._value2member_map_:
            return value
        raise wrong(name, value, f"one of: {', '.join(words)}")

    return check


def moment(value: object, name: str) -> str:
    """The value where it is a time as records have it: ISO 8601 to the second or finer, with its zone."""
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        try:
            datetime.fromisoformat(value)
        except ValueError:
            pass
        else:
            return value
    raise wrong(name, value, "a time like 2026-01-07T13:02:57Z")


_COUNT = _at_least(0)
_POSITIVE = _at_least(1)

PARTS: dict[str, dict[str, Check]] = {
    "git_context": {
        "branch": _text,
        "commit": _commit,
        "repo_root": _text,
        "is_worktree": check_flag,
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
        "auto_checkpoint": check_flag,
        "error_recovery_enabled": check_flag,
    },
}
"""The tables of a record and the check of each of their fields."""

REQUIRED = {"git_context": ("branch", "commit", "repo_root"), "prd_reference": ("filename", "path")}
"""Fields without which a table is refused; those of the other tables have defaults."""

RECORD: dict[str, Check] = {
    "session_id": _id,
    "feature_request": _request,
    "status": _word(SessionStatus),
    "created_at": moment,
    "current_phase": _word(SessionPhase),
    "updated_at": moment,
    "completed_at": moment,
}
"""The single fields of a record and the check of each as it is stored."""

NEEDED = ("session_id", "feature_request", "status", "created_at", "git_context")
"""What no record lacks."""

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
        raise wrong(name, values, "a table")
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
        raise wrong("updates", updates, "a table of fields")
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
    known = document.get(str(name))
    return {**known, **checked} if name in MERGED and isinstance(known, Mapping) else checked


def check_record(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Raise RefusedError for the first thing that is new in a record and that the schema does not allow.

    What an older program left and nobody touched may stay. ``before`` is empty for a record that begins.
    """
    for name in NEEDED:
        if name not in after and (name in before or not before):
            msg = f"the record lacks {name}"
            raise RefusedError(msg, hint=f"it needs: {', '.join(NEEDED)}")
    for name in ("session_id", "created_at"):
        if name in before and before[name] != after[name]:
            msg = f"{name} cannot be changed: {FIXED[name]}"
            raise RefusedError(msg)
    _check_changed(RECORD, before, after, "")
    for name in PARTS:
        if name in after and not (name in before and _same(before[name], after[name])):
            _check_table(name, before.get(name), after[name])


def _check_table(name: str, before: object, after: object) -> None:
    if not isinstance(after, Mapping):
        raise wrong(name, after, "a table")
    known = before if isinstance(before, Mapping) else {}
    for field in REQUIRED.get(name, ()):
        if field not in after and (field in known or not known):
            msg = f"{name} lacks {field}"
            raise RefusedError(msg, hint=f"it needs: {', '.join(REQUIRED[name])}")
    _check_changed(PARTS[name], known, after, f"{name}.")


def _check_changed(
    checks: Mapping[str, Check], before: Mapping[str, Any], after: Mapping[str, Any], prefix: str
) -> None:
    for name, check in checks.items():
        if name in after and not (name in before and _same(before[name], after[name])):
            if after[name] is None:
                raise wrong(prefix + name, None, "a value, or nothing at all")
            check(after[name], prefix + name)


def _same(one: object, other: object) -> bool:
    """Whether two values, tables among them, are written alike; 1 and true are not."""
    if one is other:
        return True
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(value, other[name]) for name, value in one.items())
    return type(one) is type(other) and one == other


def plain(value: object) -> Any:
    """A part of a record, or a table, as plain values: what has ``to_dict`` is asked for it."""
    return value.to_dict() if hasattr(value, "to_dict") else value
