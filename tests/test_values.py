"""Values from outside: what may be stored comes back as it was, everything else is refused by name."""

import json
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas.errors import RefusedError
from mas.values import DEPTH, LARGEST, check_count, check_flag, check_json, check_text, parse_json

PLAIN: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


class Word(StrEnum):
    ONE = "one"


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@given(PLAIN)
def test_plain_values_are_what_json_gives_back(value: Any) -> None:
    checked = check_json(value, "it")
    assert checked == value == json.loads(json.dumps(checked))
    assert parse_json(json.dumps(value), "it") == value


@given(PLAIN)
def test_a_checked_value_shares_nothing_that_could_change(value: Any) -> None:
    checked = check_json([value], "it")
    assert checked[0] is not value or not isinstance(value, list | dict)


def test_tuples_become_lists_and_members_text() -> None:
    checked = check_json({"a": (1, 2), Word.ONE: Word.ONE}, "it")
    assert checked == {"a": [1, 2], "one": "one"}
    assert type(checked["one"]) is str
    assert {type(key) for key in checked} == {str}


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), -float("inf"), {1: 2}, {None: 1}, {1, 2}, b"x", object(), [1j]]
)
def test_what_json_cannot_hold_is_refused_by_name(value: object) -> None:
    with pytest.raises(RefusedError, match=r"^results holds .* no plain JSON"):
        check_json(value, "results")


def test_depth_is_bounded() -> None:
    assert check_json(nested(DEPTH), "it") == nested(DEPTH)
    with pytest.raises(RefusedError, match="it is nested more than 32 levels deep"):
        check_json(nested(DEPTH + 1), "it")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "Expecting value"),
        ("{", "property name"),
        ('{"a":1,"a":2}', "a key is given twice"),
        ("NaN", "NaN is no number"),
        ("[-Infinity]", "-Infinity is no number"),
        ("1e999", "no plain JSON"),
        ("[" * 100_000, "nested too deeply"),
        (json.dumps(nested(40)), "levels deep"),
        (b"\xff", "it is no JSON"),
    ],
)
def test_broken_json_is_refused_with_the_reason(text: str | bytes, complaint: str) -> None:
    with pytest.raises(RefusedError, match=complaint):
        parse_json(text, "it")


def test_simple_values_are_checked() -> None:
    assert check_text("a", "it") == "a"
    assert check_text("", "it", empty=True) == ""
    assert (check_count(0, "it"), check_count(LARGEST, "it", 1)) == (0, LARGEST)
    assert check_flag(True, "it") is True  # noqa: FBT003


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (check_text, ""),
        (check_text, "a\0b"),
        (check_text, 1),
        (check_count, -1),
        (check_count, True),
        (check_count, 1.0),
        (check_count, LARGEST + 1),
        (check_count, "1"),
        (check_flag, 1),
        (check_flag, None),
    ],
)
def test_others_are_refused_by_name(check: Any, value: object) -> None:
    with pytest.raises(RefusedError, match=r"^it is .*, expected "):
        check(value, "it")
