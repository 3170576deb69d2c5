"""The team of a directory that has no ``team.toml``: worked out from the two-digit names below its ``unit/``. Pure.

An id that the pattern (the shipped ``default`` team) knows is that agent; any other joins the unit of its first digit,
as its manager where the second digit is 0.
"""

from collections.abc import Iterable, Mapping, Sequence

from mas.structs import replace
from mas.team import Agent, Team, Unit, parse_team


def derive_team(name: str, ids: Iterable[str], pattern: Team) -> Team:
    """A team of exactly these agents; raises RefusedError where they are too many or none."""
    known = {agent.id: agent for agent in pattern.agents}
    agents: dict[str, list[Agent]] = {}
    for agent_id in sorted(ids):
        agents.setdefault(agent_id[0], []).append(known.get(agent_id) or _unknown_agent(agent_id))
    shapes = {unit.agents[0].id[0]: unit for unit in pattern.units}
    units = tuple(
        replace(shapes.get(digit, Unit(f"unit{digit}", ())), agents=tuple(members)) for digit, members in agents.items()
    )
    managers = tuple(agent.id for unit in units for agent in unit.agents if agent.role == "manager")
    workers = tuple(agent.id for unit in units for agent in unit.agents if agent.role == "worker")
    groups = {"managers": managers, "workers": workers}
    return parse_team(Team(name, units, groups=groups, talk=talk_rules(units)).to_dict())


def talk_rules(units: Sequence[Unit]) -> Mapping[str, tuple[str, ...]]:
    """Who may write to whom: everybody within a unit, and each manager with the manager of the first unit."""
    managers = [agent.id for unit in units for agent in unit.agents if agent.role == "manager"]
    top = managers[:1]
    rules = {}
    for unit in units:
        inside = [agent.id for agent in unit.agents]
        for agent in unit.agents:
            above = [one for one in (managers if [agent.id] == top else top) if one not in inside]
            beyond = above if agent.role == "manager" else []
            rules[agent.id] = (*beyond, *(one for one in inside if one != agent.id))
    return rules


def _unknown_agent(agent_id: str) -> Agent:
    if agent_id[1] == "0":
        return Agent(agent_id, f"Manager {agent_id}", model="opus", role="manager")
    return Agent(agent_id, f"Agent {agent_id}")
