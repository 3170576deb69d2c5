"""Which session a name means, and which names and ids are given."""

import itertools

import pytest
from hypothesis import given, strategies

from mas import naming
from mas.errors import AmbiguousError, MasError, NotFoundError
from mas.index import Row

ONE, TWO, THREE = (
    "0f0f0f0f-1111-4222-8333-444444444444",
    "0f0f0f0f-1111-4222-8333-555555555555",
    "ab12cd34-1111-4222-8333-444444444444",
)
ROWS: list[Row] = [
    {"sessionId": ONE, "tmuxSession": "mas-0f0f0f0f", "label": "mine", "status": "stopped"},
    {"sessionId": TWO, "tmuxSession": "mas-0f0f0f0f", "label": "", "status": "active"},
    {"sessionId": THREE, "tmuxSession": "mas-ab12cd34", "label": "yours", "status": "stopped"},
    {"sessionId": "test-session-123"},
]


@pytest.mark.parametrize(
    ("name", "session_id"),
    [
        (ONE, ONE),
        ("mine", ONE),
        ("yours", THREE),
        ("mas-ab12cd34", THREE),
        ("mas-0f0f0f0f", TWO),  # of two that had the name, the one that has it now
        ("ab12", THREE),
        ("ab12cd34-1", THREE),
        ("mas-ab12", THREE),
        (TWO[:30], TWO),
        ("test-session-123", "test-session-123"),
        ("test-", "test-session-123"),
    ],
)
def test_a_name_means(name: str, session_id: str) -> None:
    assert naming.find(name, ROWS)["sessionId"] == session_id


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ab1", "`mas list --all` shows what there is"),
        ("", "`mas list --all` shows what there is"),
        ("mime", "did you mean mine?"),
        ("mas-ab12cd35", "did you mean mas-ab12cd34?"),
        ("ab13", f"did you mean {THREE}?"),
        ("zzzzzzzzzz", "`mas list --all` shows what there is"),
        ("two\nlines", "`mas list --all` shows what there is"),
    ],
)
def test_what_is_not_there_is_suggested(name: str, hint: str) -> None:
    with pytest.raises(NotFoundError) as raised:
        naming.find(name, ROWS)
    assert raised.value.hint == hint
    assert "\n" not in raised.value.message


def test_a_name_that_fits_several_lists_them() -> None:
    rows: list[Row] = [{**ROWS[2], "sessionId": THREE.replace("cd", "ef")}, *ROWS]
    with pytest.raises(AmbiguousError, match="'ab12' fits 2 sessions: ab12ef34 \\(yours\\), ab12cd34") as raised:
        naming.find("ab12", rows)
    assert raised.value.candidates == ("ab12ef34 (yours)", "ab12cd34 (yours)")


def test_those_whose_ids_begin_alike_are_listed_by_the_whole_of_them() -> None:
    with pytest.raises(AmbiguousError) as raised:
        naming.find("0f0f", ROWS)
    assert raised.value.candidates == (f"{ONE} (mine)", TWO)


def test_of_very_many_candidates_a_few_are_told() -> None:
    rows: list[Row] = [{"sessionId": f"aaaa{number:04}"} for number in range(100)]
    with pytest.raises(AmbiguousError) as raised:
        naming.find("aaaa", rows)
    assert len(raised.value.candidates) == 100
    assert raised.value.message.endswith("aaaa0005, …")


def test_a_label_that_two_sessions_have_is_refused() -> None:
    with pytest.raises(AmbiguousError):
        naming.find("same", [{"sessionId": one, "label": "same"} for one in (ONE, TWO)])


@given(strategies.text())
def test_any_text_means_one_session_or_is_refused_in_one_line(name: str) -> None:
    try:
        found = naming.find(name, [*ROWS, {"sessionId": "x", "label": 7, "tmuxSession": ["y"]}])
    except (NotFoundError, AmbiguousError) as error:
        assert "\n" not in error.message  # noqa: PT017  either is right
    else:
        assert found["sessionId"]


def test_a_beginning_is_as_long_as_it_has_to_be() -> None:
    longer = f"{THREE[:8]}-1111"
    assert naming.beginnings([TWO, THREE, ONE, "short", longer]) == {
        ONE: ONE[:25],
        TWO: TWO[:25],
        THREE: THREE[:14],
        longer: longer,
        "short": "short",
    }


@given(strategies.lists(strategies.text("ab", min_size=9, max_size=12), unique=True))
def test_what_is_shown_of_ids_tells_them_apart(ids: list[str]) -> None:
    shown = naming.beginnings(ids)
    for one, beginning in shown.items():
        assert beginning == one or [other for other in ids if other.startswith(beginning)] == [one]


def test_a_tmux_name_is_as_long_as_it_has_to_be() -> None:
    taken: set[str] = set()
    names = []
    for _ in range(25):
        names.append(naming.tmux_name(ONE, taken))
        taken.add(names[-1])
    assert names[:3] == ["mas-0f0f0f0f", "mas-0f0f0f0f-1111", "mas-0f0f0f0f-1111-"]
    assert names[-1] == f"mas-{ONE}"
    with pytest.raises(MasError, match="every tmux name"):
        naming.tmux_name(ONE, taken)


def test_a_drawn_id_is_one_whose_beginning_is_free() -> None:
    assert naming.free_id([ONE, TWO, "no id", THREE], {"mas-0f0f0f0f"}) == THREE


def test_where_no_id_is_free_that_is_said() -> None:
    with pytest.raises(MasError, match="no free session id"):
        naming.free_id(itertools.repeat(ONE, 16), {"mas-0f0f0f0f"})
