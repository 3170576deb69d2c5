import json
from collections.abc import Callable
from typing import Any

import pytest
import roots

from mas import teamfile
from mas.app import Mas
from mas.errors import DamagedError, NotFoundError


def test_the_team_is_stored_as_it_was_asked_for(mas: Mas) -> None:
    started = roots.start(mas)
    team, choice = teamfile.stored_team(mas, started.session.session_id)
    assert team == started.team
    assert (choice.profile.command, choice.reason) == (("sleep", "100000"), "as it was started")
    assert teamfile.own_config("duo", choice, team) == teamfile.stored_config(mas, started.session.session_id)["mas"]


BROKEN: list[Callable[[dict[str, Any]], object]] = [
    lambda config: config.pop("mas"),
    lambda config: config["mas"].pop("team"),
    lambda config: config["mas"].update(team=7),
    lambda config: config["mas"]["team"].update(unit=[]),
    lambda config: config["mas"].pop("profile"),
    lambda config: config["mas"]["profile"].pop("command"),
    lambda config: config.update(mas=[1, 2]),
]


@pytest.mark.parametrize("spoil", BROKEN, ids=range(len(BROKEN)))
def test_a_configuration_that_is_none_is_damaged(mas: Mas, spoil: Callable[[dict[str, Any]], object]) -> None:
    session_id = roots.start(mas).session.session_id
    path = mas.root.session(session_id).config
    config = json.loads(path.read_bytes())
    spoil(config)
    path.write_text(json.dumps(config))
    with pytest.raises(DamagedError, match=f"session {session_id}: config.json is damaged"):
        teamfile.stored_team(mas, session_id)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null", '"mas"', "[" * 100_000])
def test_a_file_that_is_no_configuration_is_damaged(mas: Mas, text: str) -> None:
    session_id = roots.start(mas).session.session_id
    mas.root.session(session_id).config.write_text(text)
    with pytest.raises(DamagedError):
        teamfile.stored_team(mas, session_id)


def test_a_configuration_that_is_gone_is_said(mas: Mas) -> None:
    session_id = roots.start(mas).session.session_id
    mas.root.session(session_id).config.unlink()
    with pytest.raises(NotFoundError, match="json is missing") as missing:
        teamfile.stored_team(mas, session_id)
    assert f"mas rm {session_id}" in str(missing.value.hint)
