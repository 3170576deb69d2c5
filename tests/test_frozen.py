"""Values that are handed out: to callers, frozen dataclasses."""

import copy
import dataclasses
import inspect
import pickle

import pytest

from mas.config import ExecutionMode, SessionOptions
from mas.events import Completed, Failed, IterationStarted, Paused
from mas.frozen import Frozen
from mas.states import Paused as PausedState
from mas.states import SessionSummary


def test_fields_are_given_by_place_or_by_name_and_may_have_defaults() -> None:
    assert Paused("lunch") == Paused(reason="lunch") == Paused("lunch", by="user") == Paused(by="user", reason="lunch")
    assert SessionOptions(verbose=True).fail_fast is False
    assert (Completed(), Paused("lunch").by) == (Completed(), "user")


@pytest.mark.parametrize(
    ("values", "named"),
    [((), {}), (("x", "y", "z"), {}), (("x",), {"reason": "y"}), (("x",), {"why": "y"}), ((), {"by": "me"})],
)
def test_a_field_that_is_missing_unknown_or_given_twice_is_refused(
    values: tuple[str, ...], named: dict[str, str]
) -> None:
    with pytest.raises(TypeError, match="Paused takes reason, by, each once; given were"):
        Paused(*values, **named)


def test_values_are_equal_to_their_own_kind_only() -> None:
    assert PausedState("x") != Failed("x")
    assert Paused("x") != Paused("y")
    assert Paused("x") != "x"
    assert len({Paused("x"), Paused("x"), Failed("x")}) == 2
    assert hash(SessionSummary()) == hash(SessionSummary())


def test_nothing_of_a_value_changes() -> None:
    event = Paused("lunch")
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot change reason"):
        event.reason = "dinner"  # type: ignore[misc]
    with pytest.raises(AttributeError, match="cannot change reason"):
        del event.reason
    assert event == Paused("lunch")


def test_a_value_shows_how_it_would_be_made() -> None:
    assert repr(Paused("lunch")) == "Paused(reason='lunch', by='user')"
    assert repr(Completed()) == "Completed()"


def test_the_functions_for_dataclasses_know_values() -> None:
    event = Paused("lunch")
    assert dataclasses.is_dataclass(event)
    assert dataclasses.replace(event, reason="dinner") == Paused("dinner")
    assert dataclasses.asdict(event) == {"reason": "lunch", "by": "user"}
    assert [field.name for field in dataclasses.fields(ExecutionMode)] == ["worktree"]
    with pytest.raises(ValueError, match="number"):
        dataclasses.replace(IterationStarted(1), number=0)  # checked as every other


def test_help_shows_how_a_value_is_made() -> None:
    assert str(inspect.signature(Paused)) == "(reason: str, by: str = 'user')"


def test_copies_are_equal() -> None:
    event = Paused("lunch")
    assert copy.deepcopy(event) == copy.copy(event) == pickle.loads(pickle.dumps(event)) == event  # noqa: S301  our own


def test_a_match_takes_a_value_apart() -> None:
    match Paused("lunch"):
        case Paused(reason, by):
            assert (reason, by) == ("lunch", "user")


def test_a_class_has_its_own_fields_only() -> None:
    class Point(Frozen):
        x: int
        y: int = 0

    class Nothing(Frozen):
        pass

    assert (Point.__match_args__, Nothing.__match_args__) == (("x", "y"), ())
    assert Point(1) == Point(1, 0)
