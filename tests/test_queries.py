"""Which sessions a filter chooses, and in which order."""

from typing import Any

import pytest
from records import first

from mas.errors import RefusedError
from mas.lifecycle import SessionPhase, SessionStatus
from mas.queries import Filter, check_bound, check_limit


def made(number: int, **more: Any) -> dict[str, Any]:
    return first(f"{number:08}-0000-4000-8000-000000000000", created_at=f"2026-01-0{number}T00:00:00Z", **more)


ALL = [
    made(2, status="planning"),
    made(1, current_phase="plan"),
    made(3, git_context={"branch": "feature"}),
    made(4, git_context=None),
]


def chosen(**wanted: Any) -> list[int]:
    return [int(document["session_id"][:8]) for document in Filter(**wanted).select(iter(ALL))]


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ({}, [4, 3, 2, 1]),
        ({"status": SessionStatus.PLANNING}, [2]),
        ({"phase": SessionPhase.PLAN}, [1]),
        ({"branch": "feature"}, [3]),
        ({"branch": ""}, [4, 3, 2, 1]),
        ({"created_after": "2026-01-02T00:00:00Z"}, [4, 3, 2]),
        ({"created_before": "2026-01-02T00:00:00Z"}, [2, 1]),
        ({"created_after": "2026-01-02", "created_before": "2026-01-03"}, [2]),
        ({"created_after": "", "limit": 2}, [4, 3]),
        ({"status": SessionStatus.INITIALIZING, "limit": 1}, [4]),
    ],
)
def test_each_filter_and_their_combination(wanted: dict[str, Any], numbers: list[int]) -> None:
    assert chosen(**wanted) == numbers


def test_of_the_same_moment_the_id_decides() -> None:
    twins = [first("b" * 8), first("c" * 8), first("a" * 8)]
    assert [one["session_id"][0] for one in Filter().select(twins)] == ["c", "b", "a"]


def test_limits_and_bounds_are_checked() -> None:
    assert (check_limit(None), check_limit(0), check_limit(5)) == (0, 0, 5)
    assert (check_bound(None, "x"), check_bound("", "x"), check_bound("2026", "x")) == (None, "", "2026")
    for limit in (-1, "5", 1.0, True):
        with pytest.raises(RefusedError, match="limit is"):
            check_limit(limit)  # type: ignore[arg-type]
    with pytest.raises(RefusedError, match="created_after is 3"):
        check_bound(3, "created_after")  # type: ignore[arg-type]
