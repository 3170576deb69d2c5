"""The record: what its log folds to."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import ID, T0, begun, first, grown, happened, in_status, time

from mas import record
from mas.config import SessionConfig, SessionOptions
from mas.events import (
    AnalysisCompleted,
    CommandExecuted,
    Completed,
    Failed,
    IterationCompleted,
    IterationStarted,
    Paused,
    PhaseChanged,
    Resumed,
    Started,
)
from mas.iteration import CommitInfo, IterationChanges
from mas.lifecycle import SessionStatus
from mas.record import (
    SALVAGED,
    active_seconds,
    broken_invariant,
    fold,
    lifecycle_of,
    max_iterations_of,
    options_of,
    seconds_between,
    status_of,
    summarize,
    timeout_minutes_of,
)

S = SessionStatus


def test_the_first_record_makes_the_document() -> None:
    assert begun().document == {**first(), "rev": 1}


def test_started_begins_the_work() -> None:
    config = SessionConfig("/x", options=SessionOptions(verbose=True))  # type: ignore[arg-type]
    document = happened(begun(), Started(config)).document
    assert document["status"] == "planning"
    assert document["updated_at"] == time(1)
    assert lifecycle_of(document) == {"started_at": time(1), "iteration": 0, "config": config.to_json()}
    assert options_of(document)["verbose"] is True
    assert "config" not in lifecycle_of(happened(begun(), Started()).document)


def test_an_iteration_is_open_until_it_is_completed() -> None:
    stored = happened(begun(), Started(), IterationStarted(1))
    assert lifecycle_of(stored.document)["open"] == 1
    changes = IterationChanges(("a", "b"), 10, 2, ("make",), (CommitInfo("c"),))
    document = happened(stored, IterationCompleted(changes)).document
    lifecycle = lifecycle_of(document)
    assert (lifecycle["iteration"], lifecycle["completed"]) == (1, 1)
    assert not {"open", "opened_at", "opened_rev", "mark"} & lifecycle.keys()
    assert lifecycle["counts"] == {
        "file_changes": 2,
        "lines_added": 10,
        "lines_removed": 2,
        "commits": 1,
        "commands": 1,
    }


def test_the_mark_of_an_iteration_stays_as_long_as_it_is_open() -> None:
    stored = grown(happened(begun(), Started()), ("iteration_started", {"number": 1, "mark": ["c", "t", 1, []]}))
    assert lifecycle_of(stored.document)["mark"] == ["c", "t", 1, []]
    assert "mark" not in lifecycle_of(happened(stored, IterationCompleted()).document)


def test_commands_and_analyses_count() -> None:
    document = happened(
        begun(), Started(), CommandExecuted("a"), CommandExecuted("b", success=False), AnalysisCompleted({"x": 1})
    ).document
    assert lifecycle_of(document)["counts"] == {"commands": 2, "failed_commands": 1}


def test_a_pause_remembers_where_it_was_and_is_not_work() -> None:
    stored = happened(begun(), Started(), at=10)
    stored = happened(stored, PhaseChanged(S.PLANNING, S.IMPLEMENTING), IterationStarted(1), at=20)
    paused = happened(stored, Paused("lunch"), at=30)
    pause = lifecycle_of(paused.document)["pause"]
    assert pause == {"reason": "lunch", "by": "user", "substate": "implementing", "iteration": 1, "at": time(30)}
    assert active_seconds(paused.document, time(500)) == 20
    resumed = happened(paused, Resumed(), at=90)
    assert resumed.document["status"] == "implementing"
    assert lifecycle_of(resumed.document)["paused_seconds"] == 60
    assert active_seconds(resumed.document, time(100)) == 30
    assert lifecycle_of(resumed.document)["iteration"] == 1


def test_time_before_the_work_began_is_no_pause() -> None:
    paused = happened(begun(), Paused("not yet"), at=10)
    assert active_seconds(paused.document, time(50)) == 0
    resumed = happened(paused, Resumed(), at=60)
    assert (resumed.document["status"], lifecycle_of(resumed.document)["started_at"]) == ("planning", time(60))
    assert "paused_seconds" not in lifecycle_of(resumed.document)
    failed = happened(paused, Failed("x"), at=60)
    assert "paused_seconds" not in lifecycle_of(failed.document)


def test_a_completed_session_has_its_summary() -> None:
    stored = happened(begun(), Started(), at=10)
    stored = happened(stored, IterationStarted(1), CommandExecuted("x"), IterationCompleted(), at=20)
    stored = happened(stored, Paused("p"), at=30)
    document = happened(stored, Completed(), at=90).document
    assert (document["status"], document["completed_at"]) == ("completed", time(90))
    summary = lifecycle_of(document)["summary"]
    assert summary["session_id"] == ID
    assert (summary["started_at"], summary["completed_at"]) == (time(10), time(90))
    assert (summary["iterations"], summary["commands"], summary["duration_seconds"]) == (1, 1, 20)
    assert "pause" not in lifecycle_of(document)
    assert active_seconds(document, time(3000)) == 20


def test_a_failed_session_has_its_error() -> None:
    document = happened(begun(), Failed("out of luck"), at=9).document
    assert (document["status"], document["completed_at"], lifecycle_of(document)["error"]) == (
        "failed",
        time(9),
        "out of luck",
    )


def test_updates_set_fields_and_take_them_away() -> None:
    prd = {"filename": "a", "path": "b"}
    stored = grown(begun(), ("updated", {"set": {"current_phase": "plan", "label": "mine", "prd_reference": prd}}))
    assert (stored.document["current_phase"], stored.document["runtime"]) == ("plan", {"label": "mine"})
    stored = grown(stored, ("updated", {"set": {"prd_reference": None, "current_phase": None}}))
    assert not {"prd_reference", "current_phase"} & stored.document.keys()


def test_checkpoints_worktrees_and_the_runtime_are_remembered() -> None:
    stored = grown(begun(), ("checkpoint", {}), ("runtime", {"wanted": "up"}), ("runtime", {"observed": "up"}))
    assert stored.document["statistics"]["checkpoints_created"] == 1
    assert stored.document["runtime"] == {"wanted": "up", "observed": "up"}
    stored = grown(stored, ("worktree", {"branch": "b"}))
    assert lifecycle_of(stored.document)["worktree"] == {"branch": "b"}
    stored = happened(stored, Started())
    data = {"summary": {}, "merged": "abc"}
    assert lifecycle_of(grown(stored, ("completed", data)).document)["worktree"] == {"branch": "b", "merged": "abc"}


def test_an_unknown_type_moves_only_the_number() -> None:
    stored = grown(begun(), ("from_the_future", {"x": 1}), at=5)
    assert stored.document == {**first(), "rev": 2, "updated_at": time(5)}


def test_a_salvaged_record_is_the_whole_record() -> None:
    document = fold(begun().document, SALVAGED, {**first(feature_request="newest"), "rev": 3}, 9, time(1))
    assert (document["feature_request"], document["rev"]) == ("newest", 9)


def test_keys_that_nobody_knows_survive_every_record() -> None:
    stored = happened(begun(start_time=17), Started(), Paused("x"), Resumed(), Completed())
    assert stored.document["start_time"] == 17


def test_folding_changes_no_document() -> None:
    stored = grown(happened(begun(), Started(), IterationStarted(1)), ("runtime", {"wanted": "up"}))
    before = repr(stored.document)
    happened(stored, IterationCompleted(IterationChanges(("a",))), Paused("x"), Failed("y"))
    grown(stored, ("checkpoint", {}), ("updated", {"set": {"label": "x"}}), ("runtime", {"wanted": "down"}))
    assert repr(stored.document) == before


@pytest.mark.parametrize("kind", ["phase_changed", "resumed", "iteration_started", "failed", "updated", "imported"])
def test_data_that_no_guard_let_through_raises(kind: str) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        fold(begun().document, kind, {"to": "nowhere"}, 2, T0)


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ({"status": "paused"}, "a session that is paused lacks pause data"),
        ({"lifecycle": {"pause": {}}}, "a session that is initializing has pause data"),
        ({"status": "completed", "completed_at": "t"}, "a session that is completed lacks a summary"),
        ({"status": "failed", "completed_at": "t"}, "a session that is failed lacks an error"),
        ({"status": "failed", "lifecycle": {"error": "x"}}, "a session that is failed lacks completed_at"),
        ({"completed_at": "t"}, "a session that is initializing has completed_at"),
    ],
)
def test_a_broken_invariant_is_named(lacking: dict[str, Any], said: str) -> None:
    assert broken_invariant(first(**lacking)) == said


@pytest.mark.parametrize("status", SessionStatus)
def test_no_invariant_is_broken_on_the_way_to_any_status(status: SessionStatus) -> None:
    document = in_status(status)
    assert status_of(document) is status
    assert broken_invariant(document) is None


@given(st.text() | st.none(), st.text() | st.none())
def test_seconds_between_whatever_stands_there(earlier: Any, later: Any) -> None:
    assert seconds_between(earlier, later) == 0


def test_seconds_never_run_backwards() -> None:
    assert seconds_between(time(5), time(3)) == 0
    assert seconds_between(time(3), time(5.5)) == 2.5
    assert seconds_between("2026-01-07T13:00:00", time(5)) == 0


def test_limits_are_read_from_whatever_an_older_program_wrote() -> None:
    assert (max_iterations_of(first()), timeout_minutes_of(first())) == (3, 120)
    for odd in ({}, {"configuration": None}, {"configuration": {"max_iterations": None, "timeout_minutes": "x"}}):
        assert (max_iterations_of(odd), timeout_minutes_of(odd)) == (3, 0)
    assert record.configured({}, "auto_checkpoint")
    assert not record.configured({"configuration": {"auto_checkpoint": False}}, "auto_checkpoint")


def test_a_session_that_ends_now_amounts_to_something() -> None:
    assert summarize(begun().document, time(9)).to_dict()["iterations"] == 0
