import pytest

from mas import cleaning
from mas.lifecycle import RUNNING, SessionStatus
from mas.views import View

NOW = "2026-03-01T00:00:00.000000Z"
OLD = "2026-01-01T00:00:00.000000Z"
DAY = 86400.0


def view(session_id: str = "a", **others: object) -> View:
    values = {"status": "stopped", "lifecycle": "paused", "mode": "isolated", "last_activity": OLD, **others}
    return View(session_id, "mas-a", **values)  # type: ignore[arg-type]


def test_what_was_not_used_for_long_goes_oldest_first() -> None:
    older = view("b", last_activity="2025-12-01T00:00:00Z")
    never = view("c", last_activity="", created_at="2025-11-01T00:00:00")
    assert cleaning.choose([view(), older, never], 30 * DAY, NOW) == [never, older, view()]


def test_the_age_is_exact() -> None:
    assert cleaning.choose([view()], 59 * DAY, NOW) == [view()]
    assert cleaning.choose([view()], 59 * DAY + 1, NOW) == []


@pytest.mark.parametrize(
    "kept",
    [
        view(status="active"),
        view(status="error"),
        view(stale=True),
        view(""),
        view(mode=""),
        view(last_activity="", created_at=""),
        *(view(lifecycle=str(status)) for status in sorted(RUNNING)),
    ],
    ids=lambda kept: f"{kept.status} {kept.lifecycle} {kept.mode}",
)
def test_what_stays_whatever_its_age(kept: View) -> None:
    assert cleaning.choose([kept], 1, NOW) == []


@pytest.mark.parametrize("status", sorted(set(SessionStatus) - RUNNING))
def test_work_that_rests_or_ended_may_go(status: SessionStatus) -> None:
    assert cleaning.choose([view(lifecycle=str(status))], DAY, NOW) != []
