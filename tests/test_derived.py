"""Teams worked out from the names of directories."""

import pytest

from mas.derived import derive_team
from mas.errors import RefusedError
from mas.paths import shipped
from mas.team import Team, parse_team
from mas.workspace import DEFAULT


@pytest.fixture(scope="module")
def pattern() -> Team:
    import tomllib  # noqa: PLC0415

    text = (shipped("templates") / DEFAULT / "team.toml").read_text(encoding="utf-8")
    return parse_team(tomllib.loads(text))


def test_the_thirteen_known_ids_make_the_default_team(pattern: Team) -> None:
    team = derive_team("old", reversed(pattern.ids), pattern)
    assert team.name == "old"
    assert team.units == pattern.units
    assert team.groups == pattern.groups
    assert team.agents == pattern.agents
    for sender in team.ids:
        assert set(team.talk[sender]) == set(pattern.talk[sender])


def test_some_of_the_known_ids_keep_their_names_and_places(pattern: Team) -> None:
    team = derive_team("part", ["12", "20", "22"], pattern)
    assert [(unit.name, [agent.name for agent in unit.agents]) for unit in team.units] == [
        ("design", ["UX Designer"]),
        ("development", ["Development Manager", "Backend Developer"]),
    ]
    assert team.window("dev").name == "development"


def test_unknown_ids_join_the_unit_of_their_first_digit(pattern: Team) -> None:
    team = derive_team("more", ["10", "14", "40", "41"], pattern)
    assert [unit.name for unit in team.units] == ["design", "unit4"]
    assert [(agent.id, agent.name, agent.role, agent.model) for agent in team.agents if agent.id != "10"] == [
        ("14", "Agent 14", "worker", "sonnet"),
        ("40", "Manager 40", "manager", "opus"),
        ("41", "Agent 41", "worker", "sonnet"),
    ]
    assert team.groups == {"managers": ("10", "40"), "workers": ("14", "41")}


def test_without_a_meta_manager_the_first_manager_talks_with_the_others(pattern: Team) -> None:
    team = derive_team("headless", ["10", "11", "20", "21", "30"], pattern)
    assert team.talk == {
        "10": ("20", "30", "11"),
        "11": ("10",),
        "20": ("10", "21"),
        "21": ("20",),
        "30": ("10",),
    }


def test_workers_alone_may_talk_within_their_unit(pattern: Team) -> None:
    team = derive_team("workers", ["11", "12", "21"], pattern)
    assert team.talk == {"11": ("12",), "12": ("11",), "21": ()}
    assert not team.may_talk("21", "11")


def test_more_agents_than_a_team_may_have_are_refused(pattern: Team) -> None:
    assert len(derive_team("full", [f"{number:02}" for number in range(64)], pattern).agents) == 64
    with pytest.raises(RefusedError, match="number of agents is 65"):
        derive_team("too many", [f"{number:02}" for number in range(65)], pattern)


def test_nobody_is_no_team(pattern: Team) -> None:
    with pytest.raises(RefusedError, match="unit"):
        derive_team("nobody", [], pattern)
