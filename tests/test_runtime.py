"""The second axis: the word for a session, row by row of the table."""

from typing import Any

import pytest
from records import first, in_status

from mas.lifecycle import SessionStatus
from mas.record import configured
from mas.runtime import INTERRUPTED, STOPPED, Observed, Status, derive, interrupts, lost, may_go_on, recorded, wanted_up

S = SessionStatus


def team(wanted: str, observed: str, status: SessionStatus = S.PLANNING) -> dict[str, Any]:
    return {**in_status(status), "runtime": {"wanted": wanted, "observed": observed}}


@pytest.mark.parametrize(
    ("document", "observed", "word"),
    [
        (team("up", "up", S.FAILED), "up", "error"),
        (team("up", "up", S.FAILED), "unknown", "error"),
        (team("down", "up"), "down", "stopped"),
        (team("down", "up"), "up", "active"),
        (team("up", "up"), "up", "active"),
        (team("up", "down"), "up", "active"),
        (team("up", "up"), "down", "stopped"),
        (first(), "down", "stopped"),
    ],
)
def test_the_word_from_what_was_wanted_and_seen(document: dict[str, Any], observed: Observed, word: str) -> None:
    assert derive(document, observed) == Status(word)  # type: ignore[arg-type]


@pytest.mark.parametrize(("last", "word"), [("up", "active"), ("down", "stopped"), ("unknown", "stopped")])
def test_no_answer_leaves_the_last_word_and_marks_it_stale(last: str, word: str) -> None:
    assert derive(team("up", last), "unknown") == Status(word, stale=True)  # type: ignore[arg-type]
    assert recorded(team("up", last)) == word


@pytest.mark.parametrize(
    ("document", "observed", "gone"),
    [
        (team("up", "up"), "down", True),
        (team("up", "unknown"), "down", True),
        (team("up", "down"), "down", False),
        (team("up", "up"), "up", False),
        (team("up", "up"), "unknown", False),
        (team("down", "up"), "down", False),
        (first(), "down", False),
    ],
)
def test_a_loss_is_one_only_once(document: dict[str, Any], observed: Observed, gone: bool) -> None:  # noqa: FBT001
    assert lost(document, observed) is gone
    assert interrupts(document, observed) is gone


def test_a_loss_pauses_only_running_work() -> None:
    for status in (S.INITIALIZING, S.PAUSED, S.COMPLETED, S.FAILED):
        assert not interrupts(team("up", "up", status), "down")


def test_a_session_that_is_only_a_record_has_no_team() -> None:
    assert not wanted_up(first())
    assert wanted_up(team("up", "down"))


@pytest.mark.parametrize(
    ("pause", "goes_on"),
    [
        ({"reason": STOPPED, "by": "mas"}, True),
        ({"reason": INTERRUPTED, "by": "mas"}, True),
        ({"reason": INTERRUPTED, "by": "user"}, False),
        ({"reason": "lunch", "by": "user"}, False),
        ({"reason": STOPPED, "by": "user"}, False),
        ({"reason": "lunch", "by": "mas"}, False),
    ],
)
def test_only_our_own_pauses_are_taken_back(pause: dict[str, str], goes_on: bool) -> None:  # noqa: FBT001
    document = first(status="paused", lifecycle={"pause": pause})
    assert may_go_on(document) is goes_on
    assert not may_go_on({**document, "status": "planning"})


@pytest.mark.parametrize(
    ("configuration", "goes_on"),
    [({}, True), ({"error_recovery_enabled": False}, False), ({"error_recovery_enabled": 0}, True), (None, True)],
)
def test_the_configuration_has_a_say_as_when_the_loss_was_noticed(configuration: object, *, goes_on: bool) -> None:
    pause = {"reason": INTERRUPTED, "by": "mas"}
    document = first(status="paused", configuration=configuration, lifecycle={"pause": pause})
    assert may_go_on(document) is goes_on
    assert configured(document, "error_recovery_enabled") is goes_on
