"""The earlier manager's document: a second opinion on the record, and what it cannot hold."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import begun, first, grown, in_status, path_to, time

from mas import documents, guard
from mas.errors import RefusedError
from mas.lifecycle import SessionStatus

S = SessionStatus


@pytest.mark.parametrize("status", SessionStatus)
def test_both_ways_lead_to_the_same_document(status: SessionStatus) -> None:
    stored, copy = begun(), documents.held(begun().document)
    for at, step in enumerate(path_to(status), 2):
        entries = guard.transition(stored.document, step, time(at))
        stored, copy = grown(stored, *entries, at=at), documents.applied(copy, entries, time(at))
        assert copy == documents.held(stored.document)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "statistics": st.fixed_dictionaries({"total_tasks": st.integers(0, 9)}),
            "current_phase": st.sampled_from(["plan", None]),
            "prd_reference": st.just({"filename": "a", "path": "b"}) | st.none(),
        },
    )
)
def test_updates_are_the_same_both_ways(updates: dict[str, Any]) -> None:
    stored = begun()
    entries = guard.update(stored.document, updates, time(2))
    changed = documents.applied(stored.document, entries, time(2))
    assert changed == documents.held(grown(stored, *entries, at=2).document)


def test_nothing_of_ours_is_in_a_document() -> None:
    document = {**in_status(S.PAUSED), "runtime": {}, "log": {}, "schema": 1, "checksum": "x", "extra": 1}
    assert documents.held(document).keys() == first().keys() - {"lifecycle"} | {"extra"}


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        (("iteration_started", {"number": 1}), "iteration_started records"),
        (("command_executed", {"command": "x"}), "command_executed records"),
        (("checkpoint", {}), "checkpoint records"),
        (("runtime", {}), "runtime records"),
        (("started", {"config": {}}), "config of started"),
        (("paused", {"reason": "lunch", "by": "user"}), "reason of paused"),
        (("paused", {"reason": "paused", "by": "mas"}), "by of paused"),
        (("failed", {"error": "out of luck"}), "error of failed"),
        (("completed", {"merged": "abc"}), "merged of completed"),
        (("updated", {"set": {"label": "x"}}), "label of updated"),
    ],
)
def test_what_a_document_cannot_hold_is_refused_by_name(entry: Any, what: str) -> None:
    with pytest.raises(RefusedError, match=f"cannot hold {what}") as refused:
        documents.applied(first(), [entry], time(2))
    assert "kernel" in (refused.value.hint or "")


@pytest.mark.parametrize("more", [{"lifecycle": {"config": {}}}, {"runtime": {"label": "x"}}])
def test_a_record_that_says_more_is_no_document(more: dict[str, Any]) -> None:
    with pytest.raises(RefusedError, match="cannot hold"):
        documents.check(first(**more))
    documents.check(first())


def test_the_shadow_takes_what_it_can() -> None:
    entries: Any = [("iteration_started", {"number": 1}), ("checkpoint", {}), ("updated", {"set": {"label": "x"}})]
    changed = documents.shadowed(first(), entries, time(2))
    assert changed["statistics"]["checkpoints_created"] == 1
    assert changed["updated_at"] == time(2)
    assert not {"label", "lifecycle"} & changed.keys()
