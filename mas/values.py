"""Plain JSON values from outside, checked before they are let into a record. Pure.

What is stored can be read back everywhere: finite numbers, text keys given once, a bounded depth.
"""

import json
from collections.abc import Mapping
from typing import Any

from mas.errors import RefusedError, shorten

DEPTH = 32
"""Levels of lists and tables that a value from outside may have."""

LARGEST = 2**53 - 1
"""The largest whole number that every program reads back as it was written."""


def wrong(name: str, value: object, wanted: str) -> RefusedError:
    """The error for a value that is not what it should be."""
    return RefusedError(f"{name} is {shorten(value)}, expected {wanted}")


def check_text(value: object, name: str, *, empty: bool = False) -> str:
    """The value where it is text, without a NUL; an empty one only where ``empty`` lets it. Raises RefusedError."""
    if isinstance(value, str) and "\0" not in value and (value or empty):
        return value
    raise wrong(name, value, "text")


def check_count(value: object, name: str, least: int = 0) -> int:
    """The value where it is a whole number of at least ``least``; raises RefusedError."""
    if type(value) is int and least <= value <= LARGEST:
        return value
    raise wrong(name, value, f"a whole number of at least {least}")


def check_flag(value: object, name: str) -> bool:
    """The value where it is true or false; raises RefusedError."""
    if isinstance(value, bool):
        return value
    raise wrong(name, value, "true or false")


def check_json(value: object, name: str, *, depth: int = DEPTH) -> Any:
    """A copy of a value, as JSON would give it back; raises RefusedError, naming it, for what is no plain JSON."""
    if depth < 0:
        msg = f"{name} is nested more than {DEPTH} levels deep"
        raise RefusedError(msg)
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise _no_json(value, name)
        return {_text(key): check_json(item, name, depth=depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [check_json(item, name, depth=depth - 1) for item in value]
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and abs(value) < float("inf")):
        return value
    raise _no_json(value, name)


def _text(value: str) -> str:
    """Bare text, also of a member of an enumeration."""
    return str.__str__(value)


def _no_json(value: object, name: str) -> RefusedError:
    hint = "text, finite numbers, true and false, null, lists and tables with text keys"
    return RefusedError(f"{name} holds {shorten(value)}, which is no plain JSON", hint=hint)


def parse_json(text: str | bytes, name: str) -> Any:
    """JSON from outside; raises RefusedError for broken text, repeated keys, infinities and too deep a nesting."""
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
