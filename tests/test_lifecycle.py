"""The two tables, pair by pair."""

from itertools import product

import pytest

from mas.errors import RefusedError
from mas.lifecycle import (
    COARSE,
    COARSE_TRANSITIONS,
    RUNNING,
    TERMINAL,
    TRANSITIONS,
    Coarse,
    SessionPhase,
    SessionStatus,
    check_coarse,
    check_reachable,
    check_transition,
    parse_phase,
    parse_status,
)

DOCUMENTED = {
    "initializing": "planning failed paused",
    "planning": "generating_tasks failed paused",
    "generating_tasks": "implementing failed paused",
    "implementing": "validating failed paused",
    "validating": "generating_report implementing failed paused",
    "generating_report": "completed failed paused",
    "completed": "",
    "failed": "",
    "paused": "planning generating_tasks implementing validating generating_report failed completed",
}
DOCUMENTED_COARSE = {
    "created": "running paused failed",
    "running": "running paused completed failed",
    "paused": "running completed failed",
    "completed": "",
    "failed": "",
}
COARSE_SAMPLES = {
    Coarse.CREATED: SessionStatus.INITIALIZING,
    Coarse.RUNNING: SessionStatus.IMPLEMENTING,
    Coarse.PAUSED: SessionStatus.PAUSED,
    Coarse.COMPLETED: SessionStatus.COMPLETED,
    Coarse.FAILED: SessionStatus.FAILED,
}


@pytest.mark.parametrize(("current", "wanted"), [*product(SessionStatus, repeat=2)])
def test_each_of_the_81_fine_pairs_is_as_documented(current: SessionStatus, wanted: SessionStatus) -> None:
    if wanted in DOCUMENTED[current].split():
        check_transition(current, wanted)
        return
    with pytest.raises(RefusedError) as refused:
        check_transition(current, wanted)
    assert str(refused.value) == (
        f"Invalid state transition: {current} -> {wanted}. "
        f"Valid transitions from {current}: {DOCUMENTED[current].split()}"
    )


@pytest.mark.parametrize(("current", "wanted"), [*product(Coarse, repeat=2)])
def test_each_of_the_25_coarse_pairs_is_as_documented(current: Coarse, wanted: Coarse) -> None:
    if wanted in DOCUMENTED_COARSE[current].split():
        check_coarse(COARSE_SAMPLES[current], COARSE_SAMPLES[wanted])
    else:
        with pytest.raises(RefusedError, match=f"is {COARSE_SAMPLES[current]} cannot become"):
            check_coarse(COARSE_SAMPLES[current], COARSE_SAMPLES[wanted])


def test_26_pairs_are_allowed() -> None:
    assert sum(map(len, TRANSITIONS.values())) == 26


def test_the_coarse_table_allows_whatever_the_fine_one_does() -> None:
    for current, allowed in TRANSITIONS.items():
        for wanted in allowed:
            check_coarse(current, wanted)


def test_every_status_has_its_coarse_state() -> None:
    assert COARSE.keys() == set(SessionStatus) == TRANSITIONS.keys()
    assert COARSE_TRANSITIONS.keys() == set(Coarse)
    assert len(RUNNING) == 5
    assert {"completed", "failed"} == TERMINAL


@pytest.mark.parametrize("text", ["generating-tasks", "GeneratingTasks", "GENERATING_TASKS", "Generating-Tasks"])
def test_a_word_may_be_spelled_as_others_spell_it(text: str) -> None:
    assert parse_status(text) is parse_status("generating_tasks")
    assert parse_phase("GenerateTasks") is SessionPhase.GENERATE_TASKS


def test_members_equal_their_text() -> None:
    words = {"planning": 1, "cleanup": 2}
    assert (words[SessionStatus.PLANNING], words[SessionPhase.CLEANUP]) == (1, 2)
    assert str(SessionStatus.PLANNING) == f"{SessionStatus.PLANNING}" == "planning"


def test_words_become_members() -> None:
    assert parse_status("paused") is SessionStatus.PAUSED
    assert parse_status(SessionStatus.PAUSED) is SessionStatus.PAUSED
    assert parse_phase("plan") is SessionPhase.PLAN


@pytest.mark.parametrize("value", ["Plannin", "", "x", 3, None, [], object()])
def test_other_words_are_refused_with_the_choice(value: object) -> None:
    with pytest.raises(RefusedError) as refused:
        parse_status(value)
    assert "unknown status" in str(refused.value)
    assert "planning" in (refused.value.hint or "")
    with pytest.raises(ValueError, match="unknown phase"):
        parse_phase(value)


def test_what_ended_stays_ended_and_the_hint_says_what_to_do() -> None:
    with pytest.raises(RefusedError) as refused:
        check_transition(SessionStatus.FAILED, SessionStatus.PLANNING)
    assert "mas retry" in (refused.value.hint or "")


@pytest.mark.parametrize("wanted", SessionStatus)
def test_what_several_changes_lead_to_is_reachable(wanted: SessionStatus) -> None:
    if wanted is SessionStatus.INITIALIZING:
        check_reachable(SessionStatus.INITIALIZING, wanted)
    for current in SessionStatus:
        if current in TERMINAL and wanted is not current:
            with pytest.raises(RefusedError, match="never becomes"):
                check_reachable(current, wanted)
        elif wanted is not SessionStatus.INITIALIZING:
            check_reachable(current, wanted)
    with pytest.raises(RefusedError, match="never becomes initializing"):
        check_reachable(SessionStatus.PLANNING, SessionStatus.INITIALIZING)
