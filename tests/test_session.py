"""The objects callers hold: Maestro's keys in their order, older programs' files read as they are."""

import copy as copying
import pickle
from dataclasses import replace
from typing import Any

import pytest
from records import ID, begun, first, happened, in_status

from mas import structs
from mas.events import IterationStarted, Started
from mas.lifecycle import SessionPhase, SessionStatus
from mas.session import (
    GitContext,
    PRDReference,
    Session,
    SessionConfiguration,
    SessionStatistics,
    check_document,
    from_document,
)
from mas.states import Created, Paused, Running

KEYS = (
    "session_id feature_request status created_at updated_at completed_at git_context current_phase prd_reference "
    "statistics configuration"
).split()


def test_a_session_gives_maestros_keys_in_their_order_without_what_is_none() -> None:
    full = first(
        completed_at="t", current_phase="plan", prd_reference={"filename": "a", "path": "b"}, runtime={}, extra=1
    )
    assert [*from_document(full).to_dict()] == KEYS
    assert [*from_document(first()).to_dict()] == [key for key in KEYS if key in first()]
    assert from_document(first()).to_dict() == {key: first()[key] for key in KEYS if key in first()}


def test_defaults_are_maestros() -> None:
    assert SessionConfiguration() == SessionConfiguration(3, 120, auto_checkpoint=True, error_recovery_enabled=True)
    assert set(SessionStatistics().to_dict().values()) == {0}
    assert GitContext("main", "abc", "/x").to_dict() == {
        "branch": "main",
        "commit": "abc",
        "repo_root": "/x",
        "is_worktree": False,
    }
    assert PRDReference("a", "b").to_dict() == {"filename": "a", "path": "b"}


def test_words_become_members() -> None:
    made = Session(ID, "x", "planning", "t", GitContext("", "", ""), "implement")  # type: ignore[arg-type]
    assert made.status is SessionStatus.PLANNING
    assert made.current_phase is SessionPhase.IMPLEMENT
    with pytest.raises(ValueError, match="nowhere"):
        Session(ID, "x", "nowhere", "t", GitContext("", "", ""))  # type: ignore[arg-type]


def test_a_session_is_a_copy_that_may_be_changed() -> None:
    document = first()
    copy = from_document(document)
    copy.statistics.total_tasks = 9
    copy.git_context.branch = "x"
    assert document == first()


def test_a_session_made_by_hand_has_a_state_too() -> None:
    made = Session(ID, "x", SessionStatus.PLANNING, "t", GitContext("", "", ""))
    assert made.state == Running(0)
    assert (made.id, made.iteration, made.label, made.mode, made.parent_session_id, made.rev) == (
        ID,
        0,
        "",
        None,
        None,
        0,
    )


def test_a_session_answers_what_a_listing_asks() -> None:
    document = {
        **first(runtime={"label": "mine", "mode": "isolated"}, lifecycle={"parent_session_id": "p", "iteration": 2}),
        "rev": 7,
    }
    found = from_document(document)
    assert (found.id, found.label, found.mode, found.parent_session_id) == (ID, "mine", "isolated", "p")
    assert (found.iteration, found.rev, found.state) == (2, 7, Created())
    assert from_document({**document, "runtime": None, "lifecycle": None}).label == ""


def test_the_state_follows_the_record() -> None:
    assert from_document(in_status(SessionStatus.PAUSED)).state == Paused("paused")
    assert from_document(happened(begun(), Started(), IterationStarted(1)).document).state == Running(1)


@pytest.mark.parametrize(
    "older",
    [
        {"session_id": "test-session-123"},
        {"created_at": "2026-01-07T13:00:00"},
        {"git_context": {"branch": "main", "commit": "abc123", "repo_root": "/x"}},
        {"git_context": {"branch": "HEAD", "commit": "HEAD", "repo_root": "/x", "is_worktree": True, "more": 1}},
        {"statistics": None},
        {"configuration": None},
        {"statistics": {"total_tasks": 4, "unknown": 5}},
        {"start_time": 17, "feature_request": ""},
        {"git_context": None},
    ],
)
def test_what_older_programs_wrote_is_read(older: dict[str, Any]) -> None:
    document = {name: value for name, value in {**first(), **older}.items() if value is not None}
    found = from_document(document)
    assert found.session_id == document["session_id"]
    assert found.created_at == document["created_at"]
    assert found.statistics.total_tasks == (document.get("statistics") or {}).get("total_tasks", 0)


@pytest.mark.parametrize(
    "broken", [{"status": "nowhere"}, {"current_phase": "x"}, {"git_context": [1]}, {"statistics": [1]}]
)
def test_what_describes_no_session_raises(broken: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        check_document({**first(), **broken})


@pytest.mark.parametrize("missing", ["session_id", "feature_request", "status", "created_at"])
def test_what_lacks_an_essential_key_raises(missing: str) -> None:
    with pytest.raises(KeyError, match=missing):
        from_document({name: value for name, value in first().items() if name != missing})


def test_the_record_behind_a_session_is_neither_compared_nor_shown() -> None:
    found, later = from_document(first()), from_document({**first(), "rev": 7})
    assert (found == later, found.rev, later.rev) == (True, 0, 7)
    assert "rev" not in repr(later)


def test_a_part_is_made_once_and_kept() -> None:
    found = from_document(first())
    found.statistics.total_tasks = 7
    assert found.statistics.total_tasks == found.to_dict()["statistics"]["total_tasks"] == 7
    others = (
        replace(found, feature_request="other"),
        structs.replace(from_document(first()), statistics=found.statistics),
    )
    for copy in (pickle.loads(pickle.dumps(found)), copying.deepcopy(found), *others):  # noqa: S301
        assert copy.statistics == found.statistics
        assert copy.git_context == found.git_context
    with pytest.raises(AttributeError, match="nothing"):
        found.nothing  # noqa: B018
    assert found == replace(found)
