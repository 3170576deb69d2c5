"""Values that are handed out: to callers, dataclasses, most of them frozen."""

import copy
import dataclasses
import inspect
import pickle
import pprint

import pytest
from pydantic import TypeAdapter

from mas.config import ExecutionMode, SessionOptions
from mas.events import Completed, Failed, IterationStarted, Paused
from mas.session import SessionStatistics
from mas.states import Paused as PausedState
from mas.states import SessionSummary
from mas.structs import Frozen, Struct, field, replace
from mas.team import Team


def test_fields_are_given_by_place_or_by_name_and_may_have_defaults() -> None:
    assert Paused("lunch") == Paused(reason="lunch") == Paused("lunch", by="user") == Paused(by="user", reason="lunch")
    assert SessionOptions(verbose=True).fail_fast is False
    assert (Completed(), Paused("lunch").by) == (Completed(), "user")


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ((), {}),
        (("x", "y", "z"), {}),
        (("x",), {"reason": "y"}),
        (("x",), {"why": "y"}),
        ((), {"by": "me"}),
        ((), {"why": "y"}),
        ((), {"why": "y", "by": "me"}),
    ],
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


class Crew(Struct):
    name: str
    members: list[str] = field(default_factory=list)


def test_a_value_that_may_be_changed_is_equal_by_its_fields_and_has_no_hash() -> None:
    crew = Crew("night")
    crew.name = "day"
    assert crew == Crew("day")
    assert crew != Crew("night")
    assert repr(crew) == "Crew(name='day', members=[])"
    with pytest.raises(TypeError, match="unhashable"):
        hash(crew)


def test_a_default_that_is_made_anew_is_shared_by_no_two_values() -> None:
    one, other = Crew("night"), Crew(name="day")
    one.members.append("00")
    assert (one.members, other.members) == (["00"], [])
    assert Crew("night", ["01"]).members == Crew("night", members=["01"]).members == ["01"]
    assert dataclasses.asdict(one) == {"name": "night", "members": ["00"]}


def test_a_value_is_replaced_as_dataclasses_do_it() -> None:
    assert replace(Crew("night", ["00"]), name="day") == dataclasses.replace(Crew("night", ["00"]), name="day")
    assert replace(Paused("lunch"), by="me") == Paused("lunch").__replace__(by="me") == Paused("lunch", "me")
    with pytest.raises(ValueError, match="number"):
        replace(IterationStarted(1), number=0)
    with pytest.raises(TypeError, match="Paused takes reason, by"):
        replace(Paused("lunch"), why="y")


def test_a_class_made_from_another_has_its_fields_first() -> None:
    class Watch(Crew):
        hours: int = 8

    class Same(Crew):
        pass

    assert Watch("night", hours=4) == Watch("night", [], 4) != Watch("night")
    assert (repr(Same("x")), Same("x") == Crew("x")) == (
        "Same(name='x', members=[])".replace("Same(", f"{Same.__qualname__}("),
        False,
    )
    assert [one.name for one in dataclasses.fields(Watch)] == ["name", "members", "hours"]
    assert dataclasses.asdict(Watch("night", ["00"])) == {"name": "night", "members": ["00"], "hours": 8}


def test_a_dataclass_may_be_made_from_a_value() -> None:
    @dataclasses.dataclass
    class Ship(Crew):
        sails: int = 3

    ship = Ship("night", sails=2)
    assert (ship.name, ship.members, ship.sails) == ("night", [], 2)
    assert ship == dataclasses.replace(ship, sails=2)


def test_what_prints_dataclasses_prints_values() -> None:
    for value in (Crew("x" * 50, ["y" * 50]), Paused("x" * 90)):
        assert pprint.pformat(value) == repr(value)


def test_fields_tell_their_defaults() -> None:
    name, members = dataclasses.fields(Crew)
    assert name.default is name.default_factory is dataclasses.MISSING
    assert members.default_factory is list
    assert [one.default for one in dataclasses.fields(Paused)] == [dataclasses.MISSING, "user"]
    assert [one.name for one in dataclasses.fields(Team)] == [*inspect.signature(Team).parameters]
    assert TypeAdapter(SessionStatistics).validate_python({"total_tasks": 2}) == SessionStatistics(2)
