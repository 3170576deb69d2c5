"""The event vocabulary: ten words, each refusing what it cannot mean."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas import events
from mas.config import SessionConfig
from mas.errors import RefusedError
from mas.events import (
    TYPES,
    AnalysisCompleted,
    CommandExecuted,
    Completed,
    Failed,
    IterationCompleted,
    IterationStarted,
    Paused,
    PhaseChanged,
    Resumed,
    SessionEvent,
    Started,
)
from mas.iteration import IterationChanges
from mas.lifecycle import RUNNING, SessionStatus

TEXT = st.text(st.characters(exclude_characters="\0"))
STATUSES = st.sampled_from(sorted(SessionStatus))
EVENTS: st.SearchStrategy[SessionEvent] = st.one_of(
    st.builds(Started, st.none() | st.just(SessionConfig(Path("/x")))),
    st.builds(PhaseChanged, STATUSES, STATUSES),
    st.builds(IterationStarted, st.integers(1, 1000)),
    st.builds(IterationCompleted, st.builds(IterationChanges, st.lists(TEXT).map(tuple)), st.booleans()),
    st.builds(AnalysisCompleted, st.dictionaries(TEXT, st.integers() | TEXT)),
    st.builds(CommandExecuted, TEXT.filter(bool), st.booleans(), TEXT),
    st.builds(Paused, TEXT, TEXT.filter(bool)),
    st.builds(Resumed, st.none() | st.sampled_from(sorted(RUNNING))),
    st.builds(Completed),
    st.builds(Failed, TEXT),
)


@given(EVENTS)
def test_an_event_survives_the_log(event: SessionEvent) -> None:
    word, data = events.type_of(event), json.loads(json.dumps(event.to_data()))
    assert events.from_data(word, data) == event
    assert events.from_log(word, {**data, "summary": {}, "mark": [1]}) == event


def test_there_are_ten_events_and_each_has_its_word() -> None:
    assert len(TYPES) == 10
    assert set(TYPES.values()) == set(SessionEvent.__args__)
    assert events.PORTION not in TYPES


def test_words_are_taken_for_statuses() -> None:
    assert Resumed("planning").to is SessionStatus.PLANNING  # type: ignore[arg-type]
    assert PhaseChanged("planning", "implementing").to is SessionStatus.IMPLEMENTING  # type: ignore[arg-type]


def test_results_are_a_copy() -> None:
    results: dict[str, Any] = {"a": [1]}
    event = AnalysisCompleted(results)
    results["a"].append(2)
    assert event.results == {"a": [1]}


@pytest.mark.parametrize(
    ("word", "data"),
    [
        ("pausd", {}),
        ("paused", {}),
        ("paused", {"reason": 3}),
        ("paused", {"reason": "x", "by": ""}),
        ("paused", {"reason": "x", "extra": 1}),
        ("failed", {}),
        ("failed", {"error": None}),
        ("command_executed", {}),
        ("command_executed", {"command": ""}),
        ("command_executed", {"command": "x", "success": "yes"}),
        ("command_executed", {"command": "x", "output": 3}),
        ("iteration_started", {}),
        ("iteration_started", {"number": 0}),
        ("iteration_started", {"number": True}),
        ("iteration_completed", {"changes": 3}),
        ("iteration_completed", {"success": 1}),
        ("analysis_completed", {"results": [1]}),
        ("analysis_completed", {"results": {"x": float("nan")}}),
        ("phase_changed", {"from": "planning"}),
        ("phase_changed", {"from": "planning", "to": "x"}),
        ("resumed", {"to": "paused"}),
        ("resumed", {"to": "x"}),
        ("started", {"config": {"max_iterations": 0}}),
        ("completed", {"x": 1}),
        ("started", {1: 2}),
    ],
)
def test_what_an_event_cannot_mean_is_refused(word: str, data: dict[str, Any]) -> None:
    with pytest.raises(RefusedError):
        events.from_data(word, data)


@pytest.mark.parametrize("word", ["IterationStarted", "iteration-started", "ITERATION_STARTED", "iteration_started"])
def test_an_event_may_be_spelled_as_the_documents_spell_it(word: str) -> None:
    assert events.from_data(word, {"number": 1}) == events.IterationStarted(1)


def test_changes_are_changes() -> None:
    with pytest.raises(RefusedError, match="changes is"):
        IterationCompleted({})  # type: ignore[arg-type]


def test_an_unknown_event_is_told_the_choice() -> None:
    with pytest.raises(RefusedError) as refused:
        events.from_data("x", {})
    assert "command_executed" in (refused.value.hint or "")
    with pytest.raises(RefusedError, match="event command_executed lacks command") as refused:
        events.from_data("command_executed", {})
    assert "output" in (refused.value.hint or "")


@pytest.mark.parametrize("thing", ["paused", Completed, None, {}])
def test_only_an_event_is_one(thing: Any) -> None:
    with pytest.raises(RefusedError, match="not an event") as refused:
        events.type_of(thing)
    assert "IterationStarted" in (refused.value.hint or "")
