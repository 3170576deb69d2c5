"""What may be written into a record, and that the shipped schema says the same."""

import copy
import json
from datetime import datetime
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import T0, first

from mas import maestro
from mas.errors import RefusedError
from mas.fields import (
    FIELDS,
    FIXED,
    MAX_REQUEST,
    MERGED,
    NEEDED,
    PARTS,
    RECORD,
    REQUIRED,
    check_part,
    check_record,
    check_updates,
)
from mas.lifecycle import SessionPhase, SessionStatus
from mas.session import GitContext, PRDReference, SessionConfiguration, SessionStatistics
from mas.values import LARGEST

SCHEMA = json.loads(maestro.SCHEMA.read_bytes())
FORMATS = jsonschema.FormatChecker([])
FORMATS.checks("date-time", ValueError)(lambda it: not isinstance(it, str) or bool(datetime.fromisoformat(it)))
VALIDATOR = jsonschema.Draft7Validator(SCHEMA, format_checker=FORMATS)
FIELDS_OF_PARTS = [(part, field) for part, fields in PARTS.items() for field in fields]

HEX = st.text("0123456789abcdef", max_size=70)
ODD_HEX = st.sampled_from(["abc1234\n", "ABC1234", "abc12", "", "HEAD", "\nabc1234", "0" * 64, "0" * 65])
ANYTHING: st.SearchStrategy[Any] = st.one_of(
    st.booleans(),
    st.integers(),
    st.sampled_from([0, 1, -1, LARGEST, LARGEST + 1, 1.0, 0.0, -0.0, 1.5, 5e15, 2.0**53, 1e300]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    st.sampled_from(["", "a\0b", "\0", "a\n", "x" * MAX_REQUEST, "x" * (MAX_REQUEST + 1), *SessionPhase]),
    HEX,
    ODD_HEX,
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def accepts(check: Any, value: object) -> bool:
    try:
        check(value, "it")
    except RefusedError:
        return False
    return True


def with_field(part: str, field: str, value: object) -> dict[str, Any]:
    """A sound table with one of its fields changed."""
    return {**{name: first()["git_context"].get(name, "x") for name in REQUIRED.get(part, ())}, field: value}


@given(st.sampled_from(FIELDS_OF_PARTS), ANYTHING)
def test_fields_of_tables_are_what_the_schema_says(place: tuple[str, str], value: Any) -> None:
    part, field = place
    table = with_field(part, field, value)
    assert accepts(lambda table, _: check_part(part, table), table) == VALIDATOR.is_valid({**first(), part: table})


@given(st.sampled_from(["feature_request", "current_phase"]), ANYTHING)
def test_single_fields_are_what_the_schema_says(name: str, value: Any) -> None:
    assert accepts(FIELDS[name], value) == VALIDATOR.is_valid({**first(), name: value})


@pytest.mark.parametrize(("part", "field"), [("git_context", "worktree_name"), ("prd_reference", "version")])
def test_what_may_be_missing_may_be_given_as_none_and_is_left_out(part: str, field: str) -> None:
    assert field not in check_part(part, with_field(part, field, None))
    assert FIELDS["current_phase"](None, "current_phase") is None


@given(ANYTHING)
def test_what_is_accepted_is_stored_as_the_schema_wants_it(value: Any) -> None:
    for part, field in FIELDS_OF_PARTS:
        if accepts(lambda given, name, part=part, field=field: PARTS[part][field](given, name), value):
            kept = check_part(part, {field: value}, partial=True)
            instance = {**first(), part: {**first().get(part, {"filename": "a", "path": "b"}), **kept}}
            assert VALIDATOR.is_valid(instance), (part, field, value)


MOMENTS = st.sampled_from(
    ["2026-01-07T13:02:57Z", "2026-01-07T13:02:57.1+09:00", "2026-01-07", "2026-13-07T13:02:57Z", f"{T0}\n", "now"]
)
OTHERS = st.sampled_from([None, first()["session_id"], "main", "a" * 40, *SessionStatus])
PLACES = [(name,) for name in (*RECORD, *PARTS)] + FIELDS_OF_PARTS
WHOLE = first(
    current_phase="plan",
    completed_at=T0,
    prd_reference={"filename": "a", "path": "b", "version": "1"},
    git_context={**first()["git_context"], "worktree_name": "w"},
)


def changed(place: tuple[str, ...], *value: Any) -> dict[str, Any]:
    """A record that has everything, with something else in one place of it, or nothing."""
    document = copy.deepcopy(WHOLE)
    table = document if len(place) == 1 else document[place[0]]
    table.pop(place[-1])
    return document if not value else (table.update({place[-1]: value[0]}) or document)


@given(st.sampled_from(PLACES), ANYTHING | MOMENTS | OTHERS)
def test_a_record_may_be_written_where_the_schema_allows_it(place: tuple[str, ...], value: Any) -> None:
    document = changed(place, value)
    assert accepts(lambda after, _: check_record({}, after), document) == VALIDATOR.is_valid(document)


@pytest.mark.parametrize("place", PLACES, ids=".".join)
def test_what_a_record_may_lack_is_what_the_schema_says(place: tuple[str, ...]) -> None:
    document = changed(place)
    assert accepts(lambda after, _: check_record({}, after), document) == VALIDATOR.is_valid(document)


@given(st.sampled_from(PLACES), ANYTHING | MOMENTS | OTHERS)
def test_what_an_older_program_left_may_stay_and_nothing_like_it_is_added(place: tuple[str, ...], odd: Any) -> None:
    older = changed(place, odd)
    check_record(older, copy.deepcopy(older) | {"extra": 1})
    fixed = place in (("session_id",), ("created_at",)) and older != WHOLE
    assert accepts(lambda after, _: check_record(older, after), WHOLE) is not fixed
    if not VALIDATOR.is_valid(older):
        assert not accepts(lambda after, _: check_record(WHOLE, after), older)


def test_true_is_not_one() -> None:
    before, after = (changed(("statistics", "total_tasks"), value) for value in (1, True))
    with pytest.raises(RefusedError, match=r"statistics\.total_tasks is True"):
        check_record(before, after)


def test_the_schema_is_one_and_names_every_field() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    properties = SCHEMA["properties"]
    assert tuple(SCHEMA["required"]) == NEEDED
    assert properties.keys() == {*RECORD, *PARTS}
    for part, fields in PARTS.items():
        assert properties[part]["properties"].keys() == fields.keys()
        assert tuple(properties[part].get("required", ())) == REQUIRED.get(part, ())
    assert VALIDATOR.is_valid(first())
    assert not VALIDATOR.is_valid({**first(), "session_id": first()["session_id"] + "\n"})
    assert VALIDATOR.is_valid({**first(), "unknown": 1})


@pytest.mark.parametrize("part", [GitContext("main", "", "/x"), PRDReference("a", "b", "c"), SessionStatistics(3)])
def test_parts_may_be_given_as_objects(part: Any) -> None:
    names = {GitContext: "git_context", PRDReference: "prd_reference", SessionStatistics: "statistics"}
    assert check_part(names[type(part)], part) == part.to_dict()


def test_whole_numbers_may_come_as_floats() -> None:
    assert check_part("statistics", {"total_tasks": 4.0, "duration_seconds": 4}) == {
        "total_tasks": 4,
        "duration_seconds": 4,
    }
    assert type(check_part("statistics", {"total_tasks": 4.0})["total_tasks"]) is int


def test_tables_merge_or_are_replaced() -> None:
    document = first(prd_reference={"filename": "a", "path": "b", "version": "1"})
    values = check_updates(
        document,
        {
            "statistics": {"total_tasks": 5},
            "configuration": SessionConfiguration(timeout_minutes=5),
            "prd_reference": {"filename": "c", "path": "d"},
            "current_phase": SessionPhase.PLAN,
            "updated_at": "whatever",
            "status": "not looked at",
            "label": "mine",
        },
    )
    assert values["statistics"] == {**first()["statistics"], "total_tasks": 5}
    assert values["configuration"] == {**first()["configuration"], "timeout_minutes": 5}
    assert values["prd_reference"] == {"filename": "c", "path": "d"}
    assert (values["current_phase"], values["label"]) == ("plan", "mine")
    assert values.keys() == {*MERGED, "prd_reference", "current_phase", "label"}


def test_what_an_older_program_left_in_a_table_does_not_stand_in_the_way() -> None:
    assert check_updates({"statistics": [1]}, {"statistics": {"total_tasks": 1}}) == {"statistics": {"total_tasks": 1}}
    older = {"statistics": {"odd": "kept"}}
    assert check_updates(older, {"statistics": {"total_tasks": 1}})["statistics"] == {"odd": "kept", "total_tasks": 1}


def test_optional_things_can_be_taken_away() -> None:
    assert check_updates(first(), {"prd_reference": None, "current_phase": None}) == {
        "prd_reference": None,
        "current_phase": None,
    }


@pytest.mark.parametrize(
    ("updates", "complaint"),
    [
        ([], "updates is"),
        ({"session_id": "x"}, "session_id cannot be updated: an id never changes"),
        ({"created_at": "x"}, "created_at cannot be updated"),
        ({"completed_at": "x"}, "completed_at cannot be updated"),
        ({"colour": 1}, "Invalid session field: colour"),
        ({3: 1}, "Invalid session field: 3"),
        ({"a b\n": 1}, r"Invalid session field: 'a b\\n'"),
        ({"lifecycle": {}}, "Invalid session field: lifecycle"),
        ({"statistics": 3}, "statistics is 3, expected a table"),
        ({"statistics": {"more": 1}}, "statistics has no field 'more'"),
        ({"statistics": {"total_tasks": -1}}, "statistics.total_tasks is -1, expected a whole number of at least 0"),
        ({"statistics": {"total_tasks": None}}, "statistics.total_tasks is None"),
        ({"configuration": {"max_iterations": 0}}, "configuration.max_iterations is 0"),
        ({"configuration": {"max_iterations": 1.5}}, "whole number of at least 1"),
        ({"git_context": {"branch": "x"}}, "git_context lacks commit"),
        ({"git_context": None}, "git_context is None"),
        ({"prd_reference": {"filename": "x"}}, "prd_reference lacks path"),
        ({"current_phase": "x"}, "unknown phase 'x'"),
    ],
)
def test_a_wrong_update_is_refused_by_name(updates: Any, complaint: str) -> None:
    with pytest.raises(RefusedError, match=complaint):
        check_updates(first(), updates)


def test_fixed_fields_are_those_with_a_reason() -> None:
    assert FIXED.keys() == {"session_id", "created_at", "completed_at"}


def test_a_prompt_is_never_shown() -> None:
    for secret in ("hunter2" * MAX_REQUEST, "hunter2\0", {"hunter2": 1}, b"hunter2"):
        with pytest.raises(RefusedError) as refused:
            FIELDS["feature_request"](secret, "feature_request")
        assert "hunter2" not in str(refused.value) + str(refused.value.hint)


@pytest.mark.parametrize("label", ["", "mine", "Ünïcode ☕", "a b", "abc", "x" * 64, "release-1.0"])
def test_a_label_is_one_readable_line(label: str) -> None:
    assert FIELDS["label"](label, "label") == label


@pytest.mark.parametrize(
    "label", ["x" * 65, "a\nb", " a", "a ", "-a", "mas-x", "dead", "12345678", "de-ad", "\x1b[1m", "\u202e", 3, None]
)
def test_a_label_is_nothing_else(label: Any) -> None:
    with pytest.raises(RefusedError, match=r"^label"):
        FIELDS["label"](label, "label")
