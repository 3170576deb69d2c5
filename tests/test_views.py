"""How a session looks from outside, from its row and what tmux says now."""

import json

import pytest

from mas import views
from mas.views import Live, View

ID = "0f0f0f0f-1111-4222-8333-444444444444"
ROW = {
    "sessionId": ID,
    "tmuxSession": "mas-0f0f0f0f",
    "status": "active",
    "createdAt": "2026-01-07T13:00:00Z",
    "workingDir": "/a root/sessions/x",
    "mode": "isolated",
    "lastActivity": "2026-01-07T13:05:00.000000Z",
    "label": "mine",
    "agentCount": 2,
    "lifecycle": "planning",
}
HERE = Live("mas-0f0f0f0f", ID, attached=False)
WATCHED = Live("mas-0f0f0f0f", ID, attached=True)


def word(status: object, live: Live | None, *, known: bool = True, sound: bool = True) -> tuple[str, bool]:
    found = views.of_row(ROW | {"status": status}, live, known=known, sound=sound)
    return found.status, found.stale


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (word("active", HERE), ("active", False)),
        (word("stopped", HERE), ("active", False)),
        (word("active", None), ("stopped", False)),
        (word("stopped", None), ("stopped", False)),
        (word("active", None, known=False), ("active", True)),
        (word("stopped", None, known=False), ("stopped", True)),
        (word("error", HERE), ("error", False)),
        (word("error", None), ("error", False)),
        (word("active", HERE, sound=False), ("error", False)),
        (word("active", None, known=False, sound=False), ("error", True)),
        (word("terminated", None, known=False), ("stopped", True)),
        (word("running", None, known=False), ("active", True)),
        (word("", None), ("stopped", False)),
        (word(7, None, known=False), ("stopped", True)),
    ],
)
def test_the_word_for_a_session(found: tuple[str, bool], wanted: tuple[str, bool]) -> None:
    assert found == wanted


def test_a_view_holds_what_the_row_says() -> None:
    assert views.of_row(ROW, WATCHED) == View(
        session_id=ID,
        tmux_name="mas-0f0f0f0f",
        status="active",
        lifecycle="planning",
        mode="isolated",
        label="mine",
        created_at="2026-01-07T13:00:00Z",
        last_activity="2026-01-07T13:05:00.000000Z",
        working_dir="/a root/sessions/x",
        agent_count=2,
        attached=True,
    )


def test_a_row_that_somebody_else_wrote_may_lack_anything_and_hold_anything() -> None:
    strange = {"sessionId": ID, "createdAt": 3, "label": ["x"], "agentCount": "many", "tmuxSession": None}
    seen = [views.of_row(strange, None), views.of_row({"sessionId": ID}, None), views.of_row(ROW, None)]
    assert seen[0] == seen[1] == View(ID, "", "stopped")
    assert views.newest_first(seen)[0] == seen[2]


def test_a_view_in_json_has_the_words_of_all_its_readers() -> None:
    shown = views.of_row(ROW, HERE).to_json()
    assert shown["mode"] == shown["sessionMode"] == "isolated"
    assert shown["createdAt"] == shown["startedAt"]
    assert (shown["status"], shown["lifecycle"], shown["attached"], shown["stale"]) == (
        "active",
        "planning",
        False,
        False,
    )
    assert json.loads(json.dumps(shown)) == shown


def test_what_nobody_registered_is_shown_as_such() -> None:
    shown = views.unregistered(Live("mas-tmux", "", attached=True), agents=13)
    assert (shown.session_id, shown.tmux_name, shown.status, shown.mode) == ("", "mas-tmux", "active", "legacy")
    assert (shown.agent_count, shown.attached) == (13, True)


def test_live_ones_come_first_and_of_each_the_newest() -> None:
    def made(status: str, when: str) -> View:
        return View(when, "", status, created_at=when)

    shuffled = [made("stopped", "3"), made("active", "1"), made("error", "4"), made("active", "2")]
    assert [view.session_id for view in views.newest_first(shuffled)] == ["2", "1", "4", "3"]


def test_a_listing_says_how_many_there_are() -> None:
    shown = views.listing([views.of_row(ROW, HERE)], 7, "2026-01-07T13:00:00Z")
    assert (shown["total"], shown["count"], shown["timestamp"]) == (7, 1, "2026-01-07T13:00:00Z")
    assert [row["sessionId"] for row in shown["sessions"]] == [ID]


def test_of_one_second_what_came_later_is_newer() -> None:
    found = [View(session_id, "", "stopped", created_at="2026-01-07T13:00:00Z") for session_id in ("b", "a")]
    assert [view.session_id for view in views.newest_first(found)] == ["a", "b"]
