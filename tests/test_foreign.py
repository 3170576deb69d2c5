"""Records of other programs: read leniently, taken over where they are valid and legal."""

import copy
from collections.abc import Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from records import T0, begun, first, grown, happened, in_status, time

from mas import foreign, guard, projections
from mas.config import SessionConfig
from mas.errors import RefusedError
from mas.events import CommandExecuted, Completed, IterationCompleted, IterationStarted, Paused, Resumed, Started
from mas.fields import MAX_REQUEST
from mas.foreign import adopt, imported
from mas.lifecycle import COARSE, COARSE_TRANSITIONS, SessionStatus
from mas.paths import Root
from mas.progress import fold_progress
from mas.record import CREATED, IMPORTED, OWN_KEYS, broken_invariant, lifecycle_of
from mas.replay import Stored, extend
from mas.session import from_document
from mas.states import state_of

S = SessionStatus


def plain(status: SessionStatus, **more: Any) -> dict[str, Any]:
    """The file of the earlier session manager: nothing of ours in it."""
    document = {name: value for name, value in first(status=status.value).items() if name != "lifecycle"}
    if status in ("completed", "failed"):
        document["completed_at"] = time(9)
    return {**document, **more}


@pytest.mark.parametrize("status", SessionStatus)
def test_an_older_record_is_made_whole(status: SessionStatus) -> None:
    adopted = adopt(plain(status, start_time=17))
    assert broken_invariant(adopted) is None
    assert adopted["start_time"] == 17
    assert type(state_of(adopted)).__module__ == "mas.states"
    assert {name: value for name, value in adopted.items() if name != "lifecycle"} == plain(status, start_time=17)


def test_what_is_missing_is_filled_in() -> None:
    paused = adopt(plain(S.PAUSED))
    assert lifecycle_of(paused)["pause"] == {
        "reason": "unknown",
        "by": "user",
        "substate": "planning",
        "iteration": 0,
        "at": T0,
    }
    assert lifecycle_of(adopt(plain(S.FAILED)))["error"] == "unknown"
    assert lifecycle_of(adopt(plain(S.COMPLETED)))["summary"] == {}
    ended = plain(S.COMPLETED)
    for name in ("completed_at", "updated_at"):
        del ended[name]
    assert adopt(ended)["completed_at"] == T0


def test_what_belongs_to_another_status_goes() -> None:
    odd = plain(S.PLANNING, completed_at="t", lifecycle={"pause": {}, "error": "x", "iteration": 2})
    adopted = adopt(odd)
    assert lifecycle_of(adopted) == {"iteration": 2}
    assert "completed_at" not in adopted


def test_a_request_that_was_never_made_is_empty() -> None:
    assert adopt(plain(S.PLANNING, feature_request=None))["feature_request"] == ""


def test_null_is_how_others_leave_something_out() -> None:
    git = {**first()["git_context"], "worktree_name": None, "theirs": None}
    older = plain(S.PLANNING, git_context=git, current_phase=None, prd_reference=None, theirs=None)
    kept = {**first()["git_context"], "theirs": None}
    assert adopt(older) == {**plain(S.PLANNING, git_context=kept), "theirs": None}


OTHERS: dict[str, tuple[Any, ...]] = {
    "lifecycle": ("x", [1], {"iteration": "x"}, {"pause": 3}, {"config": {"options": 1}}),
    "runtime": (3, {"agents": 3}, {"agents": [1]}, {"tmux": []}, {"tmux": {"pid": "1"}}),
}


@pytest.mark.parametrize(("name", "odd"), [(name, odd) for name in OTHERS for odd in OTHERS[name]])
def test_a_part_of_ours_that_is_not_in_our_form_is_somebody_elses(name: str, odd: object) -> None:
    assert adopt(plain(S.PLANNING, **{name: odd})) == plain(S.PLANNING)


@pytest.mark.parametrize(
    ("part", "field", "odd"),
    [
        ("git_context", "branch", 3),
        ("git_context", "commit", ["a"]),
        ("git_context", "is_worktree", "yes"),
        ("statistics", "total_tasks", "3"),
        ("configuration", "max_iterations", True),
        ("configuration", "auto_checkpoint", 1),
    ],
)
def test_a_field_of_another_form_is_left_out(part: str, field: str, odd: object) -> None:
    known = first()[part]
    kept = {name: value for name, value in known.items() if name != field}
    assert adopt(plain(S.PLANNING, **{part: {**known, field: odd, "theirs": odd}}))[part] == {**kept, "theirs": odd}


ODD: tuple[Any, ...] = (None, 3, "x", "", [], {}, True, 1.5, {"a": 1}, [1], ["a", {}])
FULL = plain(
    S.PLANNING,
    prd_reference={"filename": "a", "path": "b", "version": "1"},
    lifecycle={
        "iteration": 1,
        "open": 1,
        "completed": 0,
        "opened_rev": 1,
        "started_at": T0,
        "paused_seconds": 1.5,
        "counts": {"commands": 1},
        "config": SessionConfig(Path("/x")).to_json(),
    },
    runtime={
        "mode": "isolated",
        "wanted": "up",
        "observed": "up",
        "tmux_name": "mas-x",
        "label": "x",
        "agents": ["10"],
        "tmux": {"socket": "s", "pid": 1, "started": 1.5, "panes": {}},
    },
)


def places(table: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in table.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from places(value, (*above, name))


@pytest.mark.parametrize("place", [*places(FULL)], ids=".".join)
def test_whatever_stands_in_a_field_it_is_a_record_or_none(place: tuple[str, ...]) -> None:
    """Everything that looks at a record, or changes one, can go on with what was adopted."""
    for odd in ODD:
        table = document = copy.deepcopy(FULL)
        for name in place[:-1]:
            table = table[name]
        table[place[-1]] = odd
        try:
            adopted = adopt(document)
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
        assert type(state_of(adopted)).__module__ == "mas.states"
        assert from_document(adopted).to_dict()["session_id"] == adopted["session_id"]
        assert projections.row_of(adopted, Root(Path("/r")))["sessionId"] == adopted["session_id"]
        assert fold_progress(adopted, (), T0).iterations_completed in (0, True, 3)
        stored = Stored(adopted, logged=False)
        for event in (CommandExecuted("make"), IterationCompleted(), Paused("x"), Resumed(), Completed()):
            with suppress(RefusedError):
                entries = guard.consequences(stored.document, event, T0)
                stored = extend(stored, [(CREATED, adopted)] * (not stored.logged) + entries, T0)[1]
        assert extend(stored, [("checkpoint", {})], T0)[1].document["rev"] > 1


@pytest.mark.parametrize(
    "broken",
    [
        {"status": "x"},
        {"status": 3},
        {"session_id": 3},
        {"session_id": ""},
        {"created_at": None},
        {"feature_request": [1]},
        {"git_context": "x"},
        {"statistics": [1]},
        {"current_phase": "x"},
        {"score": float("nan")},
    ],
)
def test_what_describes_no_session_is_not_adopted(broken: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        adopt(plain(S.PLANNING, **broken))


def edit(base: Any, **changes: Any) -> dict[str, Any]:
    """What the earlier session manager would write over a snapshot: it drops every key that it does not know."""
    known = {name: value for name, value in base.items() if name not in (*OWN_KEYS, *foreign.OWN_PARTS)}
    return {name: value for name, value in {**known, **changes}.items() if value is not None}


def test_a_legal_edit_is_what_changed() -> None:
    base = begun(runtime={"label": "mine"}, extra=1).document
    data = imported(base, edit(base, current_phase="plan", more=2, extra=None))
    assert data == {"set": {"current_phase": "plan", "more": 2}, "unset": []}


def test_what_the_earlier_program_takes_away_goes_and_what_it_does_not_know_stays() -> None:
    base = grown(begun(extra=1), ("updated", {"set": {"current_phase": "plan"}})).document
    data = imported(base, edit(base, current_phase=None, extra=None))
    assert data == {"set": {}, "unset": ["current_phase"]}
    assert grown(begun(), (IMPORTED, data)).document.get("current_phase") is None


def test_fields_of_another_program_in_our_tables_are_taken_over() -> None:
    base = begun().document
    statistics = {**base["statistics"], "tokens": 9}
    assert imported(base, edit(base, statistics=statistics)) == {"set": {"statistics": statistics}, "unset": []}


def test_no_change_is_none() -> None:
    base = begun().document
    nulls = {"current_phase": None, "completed_at": None, "prd_reference": None}
    git = {**base["git_context"], "worktree_name": None}
    assert imported(base, {**edit(base, git_context=git), **nulls}) == {"set": {}, "unset": []}
    assert imported(base, base) == imported(base, edit(base)) == {"set": {}, "unset": []}


def reachable(status: SessionStatus, wanted: SessionStatus) -> bool:
    """Whether events could lead from one status to the other, in any number of steps."""
    seen = {COARSE[status]}
    for _ in range(5):
        seen |= {following for coarse in seen for following in COARSE_TRANSITIONS[coarse]}
    return status is wanted or (COARSE[wanted] in seen and wanted is not S.INITIALIZING)


@pytest.mark.parametrize(("status", "wanted"), [*product(SessionStatus, repeat=2)])
def test_an_edit_may_move_the_status_where_events_could(status: SessionStatus, wanted: SessionStatus) -> None:
    base = in_status(status)
    ended = time(40) if wanted in ("completed", "failed") else None
    data = imported(base, edit(base, status=wanted.value, completed_at=ended))
    assert (data is not None) == reachable(status, wanted)
    if data:
        after = {**base, **data["set"]}
        for name in data["unset"]:
            del after[name]
        assert after["status"] == wanted
        assert broken_invariant(after) is None


def test_a_pause_by_edit_remembers_where_the_work_was() -> None:
    base = happened(begun(), Started(), IterationStarted(1)).document
    data = imported(base, edit(base, status="paused", updated_at=time(7)))
    assert data is not None
    assert data["set"]["lifecycle"]["pause"] == {
        "reason": "unknown",
        "by": "user",
        "substate": "planning",
        "iteration": 1,
        "at": time(7),
    }


def test_a_start_by_edit_begins_the_time() -> None:
    base = begun().document
    data = imported(base, edit(base, status="implementing", updated_at=time(7)))
    assert data is not None
    assert data["set"]["lifecycle"] == {"started_at": time(7), "iteration": 0}


@pytest.mark.parametrize(
    "wrong",
    [
        {"session_id": "another"},
        {"created_at": "2020-01-01T00:00:00Z"},
        {"lifecycle": {"iteration": 7}},
        {"runtime": {"wanted": "up"}},
        {"rev": 99, "current_phase": "plan"},
        {"status": "nowhere"},
        {"statistics": {"total_tasks": -1}},
        {"configuration": {"max_iterations": 0}},
        {"git_context": {"branch": "x"}},
        {"current_phase": "nowhere"},
        {"feature_request": 3},
        {"feature_request": "x" * (MAX_REQUEST + 1)},
        {"status": "failed", "completed_at": 3},
        {"odd": float("inf")},
    ],
)
def test_an_edit_that_is_not_valid_is_not_taken_over(wrong: dict[str, Any]) -> None:
    base = begun().document
    assert imported(base, {**edit(base), **wrong}) is None


def test_what_ended_stays_ended() -> None:
    base = in_status(S.FAILED)
    assert imported(base, edit(base, status="planning", completed_at=None)) is None
