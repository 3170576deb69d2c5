"""What an iteration changed, also where that is too much for one record."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas import iteration
from mas.errors import RefusedError
from mas.iteration import CommitInfo, IterationChanges

TEXT = st.text(st.characters(exclude_characters="\0"))
COMMITS = st.builds(CommitInfo, TEXT.filter(bool), TEXT, TEXT, TEXT)
CHANGES = st.builds(
    IterationChanges,
    st.lists(TEXT).map(tuple),
    st.integers(0, 2**53 - 1),
    st.integers(0, 2**53 - 1),
    st.lists(TEXT).map(tuple),
    st.lists(COMMITS).map(tuple),
)


@given(CHANGES)
def test_changes_survive_json(changes: IterationChanges) -> None:
    assert IterationChanges.from_json(json.loads(json.dumps(changes.to_json()))) == changes


@given(CHANGES)
def test_small_changes_stay_in_one_piece(changes: IterationChanges) -> None:
    assert changes.split() == ([], changes)


@given(st.integers(1, 3), st.data())
def test_large_changes_are_split_and_joined_again(factor: int, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 3000))
    names = tuple(
        f"{number:05}-" + "ü" * size for number in range(factor * iteration.PORTION_BYTES // (6 * size + 8) + 2)
    )
    commits = tuple(CommitInfo(f"{number:040x}", "s" * 100) for number in range(200))
    changes = IterationChanges(names, 7, 8, ("make",), commits)
    pieces, rest = changes.split()
    assert rest == IterationChanges(lines_added=7, lines_removed=8)
    assert rest.joined(pieces) == changes
    for piece in pieces:
        [things] = piece.values()
        assert len(json.dumps(things)) <= iteration.PORTION_BYTES + 8 or len(things) == 1


def test_paths_become_text_and_lists_tuples() -> None:
    changes = IterationChanges([Path("a/b"), "c"])  # type: ignore[arg-type]
    assert changes.files_modified == ("a/b", "c")


def test_a_commit_may_be_given_by_its_name_alone() -> None:
    assert IterationChanges.from_json({"git_commits": ["abc"]}).git_commits == (CommitInfo("abc"),)


@pytest.mark.parametrize(
    "wrong",
    [
        3,
        None,
        {"files_modified": "a"},
        {"files_modified": [1]},
        {"commands_run": {"a": 1}},
        {"lines_added": -1},
        {"lines_removed": "1"},
        {"git_commits": "abc"},
        {"git_commits": [3]},
        {"git_commits": [{}]},
        {"git_commits": [{"sha": 3}]},
        {"git_commits": [{"sha": ""}]},
    ],
)
def test_changes_that_no_iteration_makes_are_refused(wrong: Any) -> None:
    with pytest.raises(RefusedError):
        IterationChanges.from_json(wrong)
