"""Time and chance."""

import datetime as dt
import re

import pytest

from mas.clock import moment, new_id, utc_at, utc_now
from mas.paths import is_session_id


def test_the_present_moment_in_the_form_of_the_files() -> None:
    before = dt.datetime.now(dt.UTC)
    now = utc_now()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", now)
    assert before <= dt.datetime.fromisoformat(now) <= dt.datetime.now(dt.UTC)


def test_ids_are_fresh_and_canonical() -> None:
    ids = {new_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(is_session_id(one) and one[14] == "4" for one in ids)


def test_another_moment_in_the_same_form() -> None:
    assert utc_at(1e9 + 0.5) == "2001-09-09T01:46:40.500000Z"


def test_a_timestamp_without_an_offset_is_taken_as_utc() -> None:
    assert moment("2026-01-01T00:00:00") == moment("2026-01-01T01:00:00+01:00") == moment("2026-01-01T00:00:00Z")
    with pytest.raises(ValueError, match="nonsense"):
        moment("nonsense")
