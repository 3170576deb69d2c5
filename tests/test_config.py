"""The configuration of a session: its constructors refuse what no session could work with."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas.config import ExecutionMode, SessionConfig, SessionOptions
from mas.errors import RefusedError

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}", fullmatch=True)
CONFIGS = st.builds(
    SessionConfig,
    project_path=st.sampled_from([Path("/a b"), Path("c"), Path("/ü")]),
    workflow=st.dictionaries(
        st.text(max_size=4), st.integers() | st.lists(st.text(max_size=4), max_size=2), max_size=3
    ),
    execution_mode=st.builds(ExecutionMode, st.none() | NAMES),
    max_iterations=st.integers(1, 2**53 - 1),
    focus=st.none() | st.text(),
    options=st.builds(SessionOptions, st.booleans(), st.booleans(), st.booleans(), st.booleans()),
)


@given(CONFIGS)
def test_a_configuration_survives_json(config: SessionConfig) -> None:
    assert SessionConfig.from_json(config.to_json()) == config


def test_missing_keys_take_their_default_and_unknown_ones_are_left_out() -> None:
    assert SessionConfig.from_json({"new": 1, "options": {"newer": 2}}) == SessionConfig(Path())


def test_a_path_may_be_given_as_text_and_the_workflow_is_copied() -> None:
    workflow = {"steps": [1]}
    config = SessionConfig("/x", workflow)  # type: ignore[arg-type]
    workflow["steps"].append(2)
    assert config.project_path == Path("/x")
    assert config.workflow == {"steps": [1]}


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_iterations": 0},
        {"max_iterations": "3"},
        {"max_iterations": True},
        {"max_iterations": 2**53},
        {"workflow": [1]},
        {"workflow": {"x": float("nan")}},
        {"options": [1]},
        {"options": {"verbose": "yes"}},
        {"execution_mode": "parallel"},
        {"execution_mode": {"worktree": ""}},
        {"execution_mode": {"worktree": "-x"}},
        {"execution_mode": {"worktree": "a b"}},
        {"execution_mode": {"worktree": None}},
        {"execution_mode": {"worktree": "x", "more": 1}},
        {"focus": 3},
        {"project_path": 3},
        {"project_path": "a\0b"},
    ],
)
def test_what_no_session_could_work_with_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(RefusedError):
        SessionConfig.from_json({"project_path": "/x", **wrong})


@pytest.mark.parametrize("value", [None, "x", 3, []])
def test_what_is_no_table_is_no_configuration(value: object) -> None:
    with pytest.raises(RefusedError, match="config is"):
        SessionConfig.from_json(value)


@pytest.mark.parametrize("name", ["options", "execution_mode"])
def test_the_parts_must_be_what_they_are_called(name: str) -> None:
    with pytest.raises(RefusedError, match=name):
        SessionConfig(Path("/x"), **{name: {}})  # type: ignore[arg-type]
