"""What may stand in the definition of a profile, key by key."""

import json

import pytest

from mas.definitions import BUILT_IN, Profile, parse_profile
from mas.errors import RefusedError
from mas.profiles import from_dict


def test_a_command_line_is_split_like_a_shell_splits_it_but_expands_nothing() -> None:
    profile = parse_profile("x", {"command": "agent --say 'two words' $HOME *", "resume": "agent -c"}, "here")
    assert profile.command == ("agent", "--say", "two words", "$HOME", "*")
    assert profile.resume == ("agent", "-c")
    assert profile.program == "agent"


def test_a_list_of_words_is_taken_as_it_is() -> None:
    assert parse_profile("x", {"command": ["an agent", "a 'b", ""]}, "here").command == ("an agent", "a 'b", "")


def test_what_is_not_said_is_empty() -> None:
    assert parse_profile("x", {"command": "x"}, BUILT_IN) == Profile("x", ("x",))


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ("claude", r" is 'claude', expected a table"),
        ({}, r"\.command is None, expected a command line"),
        ({"command": ""}, r"\.command is ''"),
        ({"command": []}, r"\.command is \[\]"),
        ({"command": [""]}, r"\.command is \[''\]"),
        ({"command": "it's"}, r"\.command is .*No closing quotation"),
        ({"command": ["x", 5]}, r"\.command is"),
        ({"command": {}}, r"\.command is"),
        ({"command": ["x", "\0"]}, r"\.command is"),
        ({"resume": 5}, r"\.resume is 5"),
        ({"env": {"A B": "x"}}, r"\.env is"),
        ({"env": {"A": 5}}, r"\.env is"),
        ({"env": {"A": "\0"}}, r"\.env is"),
        ({"env": "A=B"}, r"\.env is"),
        ({"models": ["a"]}, r"\.models is"),
        ({"kind": "robot"}, r"\.kind is 'robot', expected agent or shell"),
        ({"kind": ["agent"]}, r"\.kind is \['agent'\]"),
        ({"ready": "("}, r"\.ready is '\(', expected a regular expression"),
        ({"waiting": 5}, r"\.waiting is 5"),
        ({"busy": "["}, r"\.busy is '\[', expected a regular expression"),
        ({"menus": "mouse"}, r"\.menus is 'mouse', expected keys or arrows"),
        ({"idle": "a{99999999999999999999}"}, r"\.idle is"),
        ({"enter_delay": "1"}, r"\.enter_delay is '1', expected seconds from 0 to 30"),
        ({"enter_delay": True}, r"\.enter_delay is True"),
        ({"enter_delay": float("nan")}, r"\.enter_delay is nan"),
        ({"enter_delay": 31}, r"\.enter_delay is 31"),
        ({"colour": "red"}, r"\.colour is 'red', expected one of the keys busy, command,"),
        ({"name": "y"}, r"\.name is 'y'"),
    ],
)
def test_a_wrong_value_is_named(values: object, complaint: str) -> None:
    table = {"command": "x", **values} if isinstance(values, dict) and values else values
    with pytest.raises(RefusedError, match=rf"^here: profile\.x{complaint}") as caught:
        parse_profile("x", table, "here")
    assert caught.value.hint
    assert "\n" not in caught.value.message


def test_a_stored_profile_is_read_back_equal() -> None:
    values = {"command": "x {model}", "env": {"A": "b"}, "models": {"opus": ""}, "enter_delay": 0.5, "ready": "^> "}
    profile = parse_profile("x", values, "'a file'")
    assert from_dict(json.loads(json.dumps(profile.to_dict()))) == profile
