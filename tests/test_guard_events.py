"""The guard: every event in every status, and what the log then says.

What is admitted is written down here word by word, apart from the guard's own reasoning.
"""

from itertools import product
from typing import Any

import pytest
from records import begun, first, grown, happened, in_status, time

from mas import events, guard
from mas.config import ExecutionMode, SessionConfig, SessionOptions
from mas.errors import RefusedError
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
    SessionEvent,
    Started,
)
from mas.iteration import PORTION_BYTES, IterationChanges
from mas.lifecycle import RUNNING, SessionStatus
from mas.record import broken_invariant, fold, lifecycle_of

S = SessionStatus
NOW = time(30)
RUN = sorted(RUNNING)

EVENTS: dict[str, SessionEvent] = {
    "started": Started(),
    "phase_changed": PhaseChanged(S.PLANNING, S.VALIDATING),
    "iteration_started": IterationStarted(1),
    "iteration_completed": IterationCompleted(),
    "analysis_completed": AnalysisCompleted({"score": 1}),
    "command_executed": CommandExecuted("make"),
    "paused": Paused("lunch"),
    "resumed": Resumed(),
    "resumed_to": Resumed(S.VALIDATING),
    "completed": Completed(),
    "failed": Failed("luck"),
}
RESULTS: dict[str, dict[str, str]] = {
    "started": {"initializing": "planning"},
    "phase_changed": {"planning": "validating"},
    "iteration_started": {status: status for status in RUN},
    "iteration_completed": {},
    "analysis_completed": {status: status for status in [*RUN, "paused"]},
    "command_executed": {status: status for status in [*RUN, "paused"]},
    "paused": dict.fromkeys(["initializing", *RUN], "paused"),
    "resumed": {"paused": "planning"},
    "resumed_to": {"paused": "validating"},
    "completed": dict.fromkeys([*RUN, "paused"], "completed"),
    "failed": dict.fromkeys(["initializing", *RUN, "paused"], "failed"),
}
"""By event and status in which it may happen: the status it leads to. No iteration is open."""


@pytest.mark.parametrize(("name", "status"), [*product(EVENTS, SessionStatus)])
def test_each_event_in_each_status(name: str, status: SessionStatus) -> None:
    document = in_status(status)
    before = repr(document)
    if status in RESULTS[name]:
        entries = guard.consequences(document, EVENTS[name], NOW)
        assert [kind for kind, _ in entries] == [events.type_of(EVENTS[name])]
        after = fold(document, *entries[0], document["rev"] + 1, NOW)
        assert after["status"] == RESULTS[name][status]
        assert broken_invariant(after) is None
    else:
        with pytest.raises(RefusedError) as refused:
            guard.consequences(document, EVENTS[name], NOW)
        assert str(refused.value)
    assert repr(document) == before


@pytest.mark.parametrize(("status", "wanted"), [*product(SessionStatus, repeat=2)])
def test_a_transition_is_one_record_and_leads_where_it_says(status: SessionStatus, wanted: SessionStatus) -> None:
    document = in_status(status)
    try:
        entries = guard.transition(document, wanted, NOW)
    except RefusedError as error:
        assert "Invalid state transition" in str(error)  # noqa: PT017
        return
    assert len(entries) == 1
    after = fold(document, *entries[0], document["rev"] + 1, NOW)
    assert after["status"] == wanted
    assert broken_invariant(after) is None


@pytest.mark.parametrize(
    ("status", "wanted", "kind"),
    [
        (S.INITIALIZING, S.PLANNING, "started"),
        (S.PLANNING, S.GENERATING_TASKS, "phase_changed"),
        (S.PAUSED, S.IMPLEMENTING, "resumed"),
        (S.VALIDATING, S.PAUSED, "paused"),
        (S.PAUSED, S.COMPLETED, "completed"),
        (S.GENERATING_REPORT, S.COMPLETED, "completed"),
        (S.INITIALIZING, S.FAILED, "failed"),
    ],
)
def test_the_event_of_a_transition(status: SessionStatus, wanted: SessionStatus, kind: str) -> None:
    assert events.type_of(guard.transition_event(in_status(status), wanted)) == kind


def test_what_ended_says_how_to_begin_again() -> None:
    with pytest.raises(RefusedError, match="is failed, nothing more can happen to it") as refused:
        guard.consequences(in_status(S.FAILED), CommandExecuted("x"), NOW)
    assert "mas retry" in (refused.value.hint or "")


@pytest.mark.parametrize("number", [1, 3, 4, 5])
def test_iterations_go_up_to_the_limit_and_never_back(number: int) -> None:
    document = happened(begun(), Started(), IterationStarted(2), IterationCompleted()).document
    if number == 3:
        assert guard.admit(document, IterationStarted(number), NOW)
    else:
        with pytest.raises(RefusedError, match=f"iteration {number} cannot begin: 2 were completed, at most 3"):
            guard.admit(document, IterationStarted(number), NOW)


def test_one_iteration_at_a_time() -> None:
    stored = happened(begun(), Started(), IterationStarted(1))
    with pytest.raises(RefusedError, match="iteration 1 is still open"):
        guard.admit(stored.document, IterationStarted(2), NOW)
    assert guard.admit(stored.document, IterationCompleted(), NOW)[1]["number"] == 1
    with pytest.raises(RefusedError, match="no iteration is open"):
        guard.admit(happened(stored, IterationCompleted()).document, IterationCompleted(), NOW)
    paused = happened(stored, Paused("x"))
    with pytest.raises(RefusedError, match="not running"):
        guard.admit(paused.document, IterationCompleted(), NOW)


def test_a_pause_goes_back_to_where_it_came_from() -> None:
    document = happened(begun(), Started(), PhaseChanged(S.PLANNING, S.VALIDATING), Paused("x")).document
    assert guard.remembered_status(document) is S.VALIDATING
    assert guard.consequences(document, Resumed(), NOW) == [("resumed", {"to": "validating"})]
    for odd in (
        {},
        {"lifecycle": {"pause": {"substate": "nowhere"}}},
        {"lifecycle": {"pause": {"substate": "failed"}}},
    ):
        assert guard.remembered_status(odd) is S.PLANNING


def test_a_phase_changes_from_the_phase_it_is() -> None:
    document = in_status(S.PLANNING)
    for previous, to in ((S.VALIDATING, S.PLANNING), (S.PLANNING, S.PLANNING), (S.PLANNING, S.PAUSED)):
        with pytest.raises(RefusedError, match="cannot take phase_changed"):
            guard.admit(document, PhaseChanged(previous, to), NOW)


def with_options(**options: bool) -> Any:
    return happened(begun(), Started(SessionConfig("/x", options=SessionOptions(**options))))  # type: ignore[arg-type]


def test_a_session_that_fails_fast_fails_with_what_failed() -> None:
    careful = with_options(fail_fast=True)
    assert guard.consequences(careful.document, CommandExecuted("make test", success=False), NOW) == [
        ("command_executed", {"command": "make test", "success": False}),
        ("failed", {"error": "failed: 'make test'"}),
    ]
    opened = happened(careful, IterationStarted(1))
    entries = guard.consequences(opened.document, IterationCompleted(success=False), NOW)
    assert [kind for kind, _ in entries] == ["iteration_completed", "failed"]
    assert len(guard.consequences(careful.document, CommandExecuted("make"), NOW)) == 1
    assert len(guard.consequences(with_options().document, CommandExecuted("x", success=False), NOW)) == 1


def test_output_is_kept_where_it_is_asked_for_and_then_its_end() -> None:
    event = CommandExecuted("x", output="a" + "☕" * guard.MAX_OUTPUT)
    assert "output" not in guard.admit(with_options().document, event, NOW)[1]
    verbose = with_options(verbose=True)
    assert guard.admit(verbose.document, event, NOW)[1]["output"] == "☕" * guard.MAX_OUTPUT
    assert "output" not in guard.admit(verbose.document, CommandExecuted("x"), NOW)[1]
    grown(verbose, *guard.consequences(verbose.document, event, NOW))


def test_lists_too_long_for_one_record_go_into_several() -> None:
    changes = IterationChanges(tuple(f"{number:0100}" for number in range(PORTION_BYTES // 50)), 1, 2)
    opened = happened(begun(), Started(), IterationStarted(1))
    entries = guard.consequences(opened.document, IterationCompleted(changes), NOW)
    kinds = [kind for kind, _ in entries]
    assert kinds == ["changes"] * (len(kinds) - 1) + ["iteration_completed"]
    assert len(kinds) > 2
    after = grown(opened, *entries)
    counts = lifecycle_of(after.document)["counts"]
    assert (counts["file_changes"], counts["lines_added"]) == (len(changes.files_modified), 1)


def test_extra_data_stands_beside_the_events_own() -> None:
    document = in_status(S.PLANNING)
    entries = guard.consequences(document, IterationStarted(1), NOW, {"mark": ["a"]})
    assert entries == [("iteration_started", {"number": 1, "mark": ["a"]})]


def test_a_session_starts_with_the_configuration_it_was_created_with() -> None:
    config = SessionConfig("/x")  # type: ignore[arg-type]
    assert guard.start(first(lifecycle={"config": config.to_json()})) == Started(config)
    assert guard.start(first()) == Started()
    changed = first(lifecycle={"config": config.to_json()}, configuration={"max_iterations": 5})
    assert guard.start(changed) == Started(SessionConfig("/x", max_iterations=5))  # type: ignore[arg-type]


def test_the_bound_of_a_starts_configuration_counts_from_then_on() -> None:
    config = SessionConfig("/x", max_iterations=5)  # type: ignore[arg-type]
    (update, started) = guard.consequences(first(configuration={"timeout_minutes": 9}), Started(config), NOW)
    assert update == ("updated", {"set": {"configuration": {"timeout_minutes": 9, "max_iterations": 5}}})
    assert started == ("started", {"config": config.to_json()})


@pytest.mark.parametrize(("made", "asked"), [(None, "feature"), ("feature", None), ("feature", "other")])
def test_a_start_cannot_ask_for_another_place(made: str | None, asked: str | None) -> None:
    before, wanted = (SessionConfig("/x", execution_mode=ExecutionMode(name)) for name in (made, asked))  # type: ignore[arg-type]
    document = first(lifecycle={"config": before.to_json(), "worktree": {"path": "/y"}})
    with pytest.raises(RefusedError, match=f"made with git worktree {made or 'none'}, and cannot start with"):
        guard.admit(document, Started(wanted), NOW)


@pytest.mark.parametrize(
    ("updates", "kinds"),
    [
        ({}, ["updated"]),
        ({"current_phase": "plan"}, ["updated"]),
        ({"status": "planning"}, ["started"]),
        ({"status": "planning", "current_phase": "plan"}, ["started", "updated"]),
        ({"status": "initializing"}, []),
        ({"status": "initializing", "label": "x"}, ["updated"]),
        ({"updated_at": "x"}, ["updated"]),
    ],
)
def test_an_update_is_as_many_records_as_it_says_things(updates: dict[str, Any], kinds: list[str]) -> None:
    assert [kind for kind, _ in guard.update(first(), updates, NOW)] == kinds


@pytest.mark.parametrize("updates", [{"status": "completed"}, {"status": "x"}, {"status": "planning", "x": 1}, 3])
def test_an_update_is_refused_as_a_whole(updates: Any) -> None:
    with pytest.raises(RefusedError):
        guard.update(first(), updates, NOW)


def test_news_are_only_what_is_not_known() -> None:
    document = first(runtime={"wanted": "up"})
    assert guard.news(document, {"wanted": "up"}) == []
    assert guard.news(document, {"wanted": "up", "observed": "up"}) == [("runtime", {"wanted": "up", "observed": "up"})]


def test_what_is_no_event_cannot_happen() -> None:
    with pytest.raises(RefusedError, match="not an event"):
        guard.admit(first(), "paused", NOW)  # type: ignore[arg-type]
