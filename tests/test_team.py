"""A team: its units and agents, who is meant, who may talk to whom, and what a configuration adds."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas.errors import RefusedError
from mas.team import MAX_AGENTS, Team, apply_config, parse_team

DATA: dict[str, Any] = {
    "name": "small",
    "description": "two units",
    "unit": [
        {"name": "meta", "aliases": ["meta-manager"], "agent": [{"id": "00", "name": "Lead", "role": "manager"}]},
        {
            "name": "design",
            "layout": "even-vertical",
            "agent": [{"id": "10", "role": "manager", "model": "opus"}, {"id": "11", "prompt": "begin"}],
        },
    ],
    "groups": {"managers": ["00", "10"]},
    "talk": {"00": ["10"], "10": ["00", "11"], "11": ["10"]},
}
TEAM = parse_team(DATA)


def changed(**changes: Any) -> dict[str, Any]:
    return {**DATA, **changes}


def unit(**changes: Any) -> dict[str, Any]:
    return changed(groups={}, talk={}, unit=[{"name": "meta", "agent": [{"id": "00"}], **changes}])


def agent(**changes: Any) -> dict[str, Any]:
    return unit(agent=[{"id": "00", **changes}])


def test_a_team_says_what_is_in_it() -> None:
    assert TEAM.ids == ("00", "10", "11")
    assert [one.name for one in TEAM.agents] == ["Lead", "Agent 10", "Agent 11"]
    assert (TEAM.agent("10").model, TEAM.agent("11").model) == ("opus", "sonnet")
    assert [(unit.name, unit.layout) for unit in TEAM.units] == [("meta", "tiled"), ("design", "even-vertical")]
    assert "managers" in TEAM.targets


def test_a_team_written_down_is_read_back_the_same() -> None:
    assert parse_team(TEAM.to_dict()) == TEAM


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        ("00", ("00",)),
        ("agent-11", ("11",)),
        ("design", ("10", "11")),
        ("meta-manager", ("00",)),
        ("window1", ("10", "11")),
        ("1", ("10", "11")),
        ("managers", ("00", "10")),
        ("all", ("00", "10", "11")),
        (" 11 , design ,00", ("11", "10", "00")),
    ],
)
def test_a_target_means_agents_each_once(target: str, wanted: tuple[str, ...]) -> None:
    assert TEAM.expand(target) == wanted


@pytest.mark.parametrize("target", ["", ",", "77", "DESIGN", "*", "00,77", "window9", "agent-"])
def test_a_target_that_means_nobody_is_refused_with_those_there_are(target: str) -> None:
    with pytest.raises(RefusedError) as caught:
        TEAM.expand(target)
    assert "managers" in str(caught.value.hint)


def test_windows_are_named_by_unit_alias_or_number() -> None:
    assert TEAM.window("window0") is TEAM.units[0]
    with pytest.raises(RefusedError, match="no window 'nowhere'"):
        TEAM.window("nowhere")
    with pytest.raises(RefusedError, match="no agent '12'"):
        TEAM.agent("12")


def test_the_talk_rules_hold_and_a_team_without_any_lets_everyone() -> None:
    assert TEAM.may_talk("00", "10")
    assert not TEAM.may_talk("00", "11")
    assert not TEAM.may_talk("77", "10")
    free = parse_team(changed(talk={}))
    assert free.may_talk("00", "11")
    assert not free.may_talk("00", "00")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (changed(name=""), "name"),
        (changed(colour="red"), "colour"),
        (changed(unit=[]), "unit"),
        (changed(unit="meta"), "unit"),
        (changed(unit=["meta"]), "unit"),
        (unit(name="Meta!"), "unit.name"),
        (unit(layout="round"), "layout"),
        (unit(size=3), "size"),
        (unit(agent=[]), "agent"),
        (unit(aliases=[3]), "aliases"),
        (unit(agent=[{"id": "00"}, {"id": "00"}]), "used once"),
        (changed(unit=[*DATA["unit"], {"name": "meta", "agent": [{"id": "20"}]}]), "used once"),
        (agent(id="0"), "agent.id"),
        (agent(id=0), "agent.id"),
        (agent(role="king"), "role"),
        (agent(model="-x"), "model"),
        (agent(name="two\nlines"), "name"),
        (agent(name="x" * 65), "name"),
        (agent(prompt=7), "prompt"),
        (agent(prompt="a\0b"), "prompt"),
        (agent(colour="red"), "colour"),
        (changed(groups={"g": ["77"]}), "77"),
        (changed(groups={"g": "00"}), "groups.g"),
        (changed(groups=["00"]), "groups"),
        (changed(talk={"77": ["00"]}), "77"),
        (changed(talk={"00": [7]}), "talk.00"),
    ],
)
def test_what_is_no_team_is_refused_naming_what_is_wrong(data: dict[str, Any], said: str) -> None:
    with pytest.raises(RefusedError) as caught:
        parse_team(data)
    assert said in str(caught.value)


def test_a_team_has_an_end() -> None:
    agents = [{"id": f"{number:02}"} for number in range(MAX_AGENTS + 1)]
    with pytest.raises(RefusedError, match="at most"):
        parse_team(unit(agent=agents))


UNITS = [{"manager": {"id": "10", "prompt": "lead"}, "workers": [{"id": "11", "name": "Paul", "model": "haiku"}]}]


@pytest.mark.parametrize(
    "config",
    [
        {"sessionName": "x", "agents": {"metaManager": {"prompt": "all"}}, "units": UNITS},
        {"metaManager": {"id": "00", "prompt": "all"}, "units": UNITS},
        {"agents": {"metaManager": {"id": "00", "prompt": "all"}, "units": UNITS}},
    ],
)
def test_three_forms_of_a_configuration_add_the_same(config: dict[str, Any]) -> None:
    team = apply_config(TEAM, config)
    assert [one.prompt for one in team.agents] == ["all", "lead", "begin"]
    assert (team.agent("11").name, team.agent("11").model) == ("Paul", "haiku")
    assert team.agent("10").role == "manager"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"agents": "all"}, 'agents is "all", expected an object'),
        ({"agents": [{"id": "11", "name": None}]}, 'agents is [{"id": "11", "name": null}], expected an object'),
        ({"agents": {"11": {"prompt": "hello"}}}, "agents has an unknown key '11'"),
        ({"agents": {"metaManager": {"prompt": "hello"}, "workers": []}}, "agents has an unknown key 'workers'"),
        ({"metaManager": "me"}, "metaManager"),
        ({"metaManager": {"id": 0}}, "metaManager"),
        ({"units": {}}, "units is {}, expected a list of objects"),
        ({"units": [{"manager": "me"}]}, "manager"),
        ({"units": [{"workers": [{}]}]}, "agent id"),
        ({"units": [{"workers": [{"id": "77"}]}]}, "77"),
        ({"units": [{"workers": [{"id": "11"}, {"id": "11"}]}]}, "each agent once"),
        ({"units": [{"workers": [{"id": "11", "prompt": 3}]}]}, "prompt"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(config: dict[str, Any], said: str) -> None:
    with pytest.raises(RefusedError) as caught:
        apply_config(TEAM, config)
    assert said in str(caught.value)


def test_an_empty_configuration_changes_nothing() -> None:
    assert apply_config(TEAM, {}) == TEAM


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["name", "unit", "agent", "id", "groups", "talk", "units", "manager", "workers", "agents"])


@given(st.dictionaries(KEYS, JSON, max_size=5))
def test_whatever_is_given_is_a_team_or_refused(data: dict[str, Any]) -> None:
    for read in (parse_team, lambda config: apply_config(TEAM, config)):
        with suppress(RefusedError):
            assert isinstance(read(data), Team)
