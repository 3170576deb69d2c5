"""The five states, and what older programs left out of them."""

import pytest
from records import first, in_status

from mas.lifecycle import SessionStatus
from mas.states import (
    Completed,
    Created,
    Failed,
    PersistedSession,
    Running,
    SessionCheckpoint,
    SessionState,
    SessionSummary,
    state_of,
    summary_of,
)

S = SessionStatus


@pytest.mark.parametrize("status", SessionStatus)
def test_every_status_has_its_state(status: SessionStatus) -> None:
    kinds = {S.INITIALIZING: "Created", S.PAUSED: "Paused", S.COMPLETED: "Completed", S.FAILED: "Failed"}
    assert type(state_of(in_status(status))).__name__ == kinds.get(status, "Running")


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("initializing", Created()),
        ("implementing", Running(0)),
        ("paused", "unknown"),
        ("completed", Completed(SessionSummary())),
        ("failed", Failed("unknown")),
    ],
)
def test_what_an_older_program_did_not_write_is_filled_in(status: str, state: SessionState | str) -> None:
    document = {name: value for name, value in first(status=status).items() if name != "lifecycle"}
    found = state_of(document)
    assert getattr(found, "reason", found) == state


def test_a_summary_is_read_as_far_as_it_is_known() -> None:
    document = first(lifecycle={"summary": {"iterations": 3, "new": 1}})
    assert summary_of(document) == SessionSummary(iterations=3)
    assert SessionSummary(iterations=3).to_dict()["iterations"] == 3


def test_a_checkpoint_stands_at_a_record() -> None:
    assert SessionCheckpoint(1, "t", {"rev": 9}).seq == 9
    assert SessionCheckpoint(1, "t", {}).seq == 0


def test_a_checkpoint_is_told_with_its_number() -> None:
    told = SessionCheckpoint(1, "t", {"rev": 9}, resumable=False).to_dict()
    assert [*told.items()] == [
        ("seq", 9),
        ("iteration", 1),
        ("timestamp", "t"),
        ("resumable", False),
        ("state_snapshot", {"rev": 9}),
    ]


def test_a_whole_session_is_a_value() -> None:
    one = PersistedSession("id", None, Created(), document={"a": 1})
    assert one == PersistedSession("id", None, Created(), document={"a": 1})
    assert "document" not in repr(one)
