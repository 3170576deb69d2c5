import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas.errors import UnknownStateError
from mas.listings import Listing

MARK = "0f" * 8

fields = st.text(alphabet=st.characters(exclude_characters="0f"))


@given(rows=st.lists(st.tuples(fields, fields)), between=fields)
def test_rows_are_told_apart_whatever_they_hold(rows: list[tuple[str, str]], between: str) -> None:
    printed = between.join(f"{MARK}{a}{MARK}{b}{MARK}" for a, b in rows)
    assert Listing(MARK, ("a", "b")).rows(printed) == [[a, b] for a, b in rows]


def test_a_listing_asks_for_each_field_between_two_marks() -> None:
    assert Listing(MARK, ("pane_id", "@mas_agent")).format == f"{MARK}#{{pane_id}}{MARK}#{{@mas_agent}}{MARK}"


@pytest.mark.parametrize(
    "printed", [MARK, f"{MARK}a{MARK}", f"{MARK}a{MARK}b{MARK}\n{MARK}a", f"{MARK}a{MARK}b{MARK}c{MARK}"]
)
def test_half_a_row_says_nothing(printed: str) -> None:
    with pytest.raises(UnknownStateError):
        Listing(MARK, ("a", "b")).rows(printed)
