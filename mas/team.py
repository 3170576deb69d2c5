"""A team: its units, its agents, who is meant by a target, and who may talk to whom.

A team comes from a template's ``team.toml``; a configuration adds prompts, names and models to the agents it has. Pure:
what is read from a file is parsed elsewhere and handed in as plain values.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from mas.errors import RefusedError, shorten
from mas.layouts import LAYOUTS
from mas.structs import Frozen, replace

Role = Literal["manager", "worker"]

MAX_AGENTS = 64
"""More panes than this in one session is a mistake in a template."""

_AGENT_ID = re.compile(r"[0-9]{2}", re.ASCII)
_WINDOW = re.compile(r"[a-z][a-z0-9_-]{0,31}", re.ASCII)
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/\[\]-]{0,63}", re.ASCII)
_TEAM_KEYS = {"schema", "name", "description", "unit", "groups", "talk", "log"}
_UNIT_KEYS = {"name", "layout", "aliases", "agent"}
_AGENT_KEYS = {"id", "name", "model", "role", "prompt"}

CONFIG_KEYS = ("agents", "metaManager", "units")
"""What a configuration may say of a team, one of them at least."""

_SHAPE = 'an agent is named so: {"units": [{"workers": [{"id": "11", "prompt": "…"}]}]}'


class Agent(Frozen):
    """One agent, one pane. ``id`` is two digits and names its directory below ``unit/``."""

    id: str
    name: str
    model: str = "sonnet"
    role: Role = "worker"
    prompt: str = ""

    def to_dict(self) -> dict[str, str]:
        """The agent in the words of ``team.toml``; an empty prompt is left out."""
        words = {"id": self.id, "name": self.name, "model": self.model, "role": self.role}
        return words | ({"prompt": self.prompt} if self.prompt else {})


class Unit(Frozen):
    """One tmux window with its agents, in the order of their panes."""

    name: str
    agents: tuple[Agent, ...]
    layout: str = "tiled"
    aliases: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The unit in the words of ``team.toml``."""
        agents = [agent.to_dict() for agent in self.agents]
        return {"name": self.name, "layout": self.layout, "aliases": list(self.aliases), "agent": agents}


class Team(Frozen):
    """Units in the order of their windows, named groups of agents, and the talk rules (sender to receivers)."""

    name: str
    units: tuple[Unit, ...]
    description: str = ""
    groups: Mapping[str, tuple[str, ...]] = {}
    talk: Mapping[str, tuple[str, ...]] = {}
    log: bool = False

    @property
    def agents(self) -> tuple[Agent, ...]:
        """All agents, in the order of windows and panes."""
        return tuple(agent for unit in self.units for agent in unit.agents)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all agents."""
        return tuple(agent.id for agent in self.agents)

    def agent(self, agent_id: str) -> Agent:
        """The agent of that id; raises RefusedError where the team has none."""
        for agent in self.agents:
            if agent.id == agent_id:
                return agent
        raise _unknown("agent", agent_id, self.ids)

    def window(self, name: str) -> Unit:
        """The unit called ``name``, one of its aliases, ``windowN`` or ``N``; raises RefusedError for others."""
        found = self._find_unit(name)
        if found is None:
            raise _unknown("window", name, [unit.name for unit in self.units])
        return found

    def expand(self, target: str) -> tuple[str, ...]:
        """The agents a target means, each once: an id, ``agent-NN``, a window, a group, ``all`` or a comma list.

        Raises RefusedError where a member means nobody.
        """
        members = [member.strip() for member in target.split(",") if member.strip()]
        found = dict.fromkeys(agent_id for member in members for agent_id in self._expand_member(member))
        if not found:
            raise _unknown("target", target, self.targets)
        return tuple(found)

    @property
    def targets(self) -> tuple[str, ...]:
        """Every word ``expand`` understands, for messages and completion."""
        return ("all", *self.groups, *(unit.name for unit in self.units), *self.ids)

    def may_talk(self, sender: str, receiver: str) -> bool:
        """Whether the talk rules let one agent write to another; a team without rules lets everyone."""
        return receiver in self.talk.get(sender, ()) if self.talk else sender != receiver

    def to_dict(self) -> dict[str, Any]:
        """The team in the words of ``team.toml``; ``parse_team`` reads it back."""
        rules = {name: {key: list(ids) for key, ids in table.items()} for name, table in self._tables()}
        units = [unit.to_dict() for unit in self.units]
        return {"name": self.name, "description": self.description, "unit": units, "log": self.log, **rules}

    def _tables(self) -> Iterator[tuple[str, Mapping[str, tuple[str, ...]]]]:
        yield "groups", self.groups
        yield "talk", self.talk

    def _find_unit(self, name: str) -> Unit | None:
        for position, unit in enumerate(self.units):
            if name in (unit.name, f"window{position}", str(position), *unit.aliases):
                return unit
        return None

    def _expand_member(self, member: str) -> tuple[str, ...]:
        if member == "all":
            return self.ids
        bare = member.removeprefix("agent-")
        if bare in self.ids:
            return (bare,)
        if member in self.groups:
            return self.groups[member]
        if unit := self._find_unit(member):
            return tuple(agent.id for agent in unit.agents)
        raise _unknown("target", member, self.targets)


def parse_team(data: Mapping[str, Any]) -> Team:
    """A team from the plain values of a ``team.toml``; raises RefusedError naming the key that is wrong."""
    _only(data, _TEAM_KEYS, "team")
    units = tuple(_parse_unit(unit) for unit in _list_of_tables(data.get("unit"), "unit"))
    team = Team(
        name=_text(data.get("name"), "name"),
        units=units,
        description=_text(data.get("description", ""), "description", empty=True),
        log=data.get("log") is True,
    )
    _check_unique(team)
    return replace(team, groups=_parse_table(data, "groups", team), talk=_parse_table(data, "talk", team))


def _parse_unit(data: Mapping[str, Any]) -> Unit:
    _only(data, _UNIT_KEYS, "unit")
    name = _matching(_WINDOW, data.get("name"), "unit.name")
    layout = data.get("layout", "tiled")
    if layout not in LAYOUTS:
        raise _wrong(f"unit {name}: layout", layout, f"one of {', '.join(LAYOUTS)}")
    agents = tuple(_parse_agent(agent) for agent in _list_of_tables(data.get("agent"), f"unit {name}: agent"))
    aliases = data.get("aliases", [])
    if not isinstance(aliases, list):
        raise _wrong(f"unit {name}: aliases", aliases, "a list of names")
    return Unit(name, agents, layout, tuple(_text(alias, f"unit {name}: aliases") for alias in aliases))


def _parse_agent(data: Mapping[str, Any]) -> Agent:
    _only(data, _AGENT_KEYS, "agent")
    agent = Agent(_matching(_AGENT_ID, data.get("id"), "agent.id"), "")
    changes = {key: value for key, value in data.items() if key != "id"}
    return _change_agent(replace(agent, name=f"Agent {agent.id}"), changes)


def _change_agent(agent: Agent, changes: Mapping[str, Any]) -> Agent:
    where = f"agent {agent.id}"
    role = changes.get("role", agent.role)
    if role not in ("manager", "worker"):
        raise _wrong(f"{where}: role", role, "manager or worker")
    return Agent(
        id=agent.id,
        name=display_name(changes.get("name", agent.name), f"{where}: name"),
        model=_matching(_MODEL, changes.get("model", agent.model), f"{where}: model"),
        role=role,
        prompt=_text(changes.get("prompt", agent.prompt), f"{where}: prompt", empty=True),
    )


def display_name(value: object, where: str) -> str:
    """A name that is shown to people: one line, at most 64 characters, nothing unprintable."""
    name = _text(value, where)
    if len(name) > 64 or not name.isprintable():
        raise _wrong(where, value, "one printable line of at most 64 characters")
    return name


def apply_config(team: Team, config: Mapping[str, Any]) -> Team:
    """The team with the prompts, names and models of a configuration.

    Three shapes are understood: ``{agents: {metaManager}, units}``, ``{metaManager, units}`` and ``{agents:
    {metaManager, units}}``. Raises RefusedError for an id the team lacks, one given twice, a value of a wrong type, or
    another key of ``agents``: what it says would reach nobody.
    """
    changes: dict[str, Mapping[str, Any]] = {}
    for agent_id, wanted in _configured(team, config):
        if agent_id in changes:
            raise _wrong("configuration: agent id", agent_id, "each agent once")
        team.agent(agent_id)
        changes[agent_id] = wanted
    units = tuple(
        replace(unit, agents=tuple(_configure(agent, changes) for agent in unit.agents)) for unit in team.units
    )
    return replace(team, units=units)


def _configure(agent: Agent, changes: Mapping[str, Mapping[str, Any]]) -> Agent:
    wanted = changes.get(agent.id, {})
    return _change_agent(agent, {key: wanted[key] for key in ("name", "model", "prompt") if key in wanted})


def _configured(team: Team, config: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    inner = _object(config.get("agents", {}), "agents")
    if unknown := sorted(inner.keys() - {"metaManager", "units"}):
        raise RefusedError(f"configuration: agents has an unknown key {shorten(unknown[0])}", hint=_SHAPE)
    meta = inner.get("metaManager", config.get("metaManager"))
    if meta is not None:
        told = _object(meta, "metaManager")
        yield _text(told.get("id", team.ids[0]), "metaManager: id"), told
    for unit in _objects(inner.get("units", config.get("units", [])), "units"):
        managers = [_object(unit["manager"], "manager")] if unit.get("manager") is not None else []
        for agent in [*managers, *_objects(unit.get("workers", []), "workers")]:
            yield _text(agent.get("id"), "agent id"), agent


def _objects(value: object, where: str) -> list[Mapping[str, Any]]:
    if isinstance(value, list):
        return [_object(item, where) for item in value]
    raise _no_object(value, where, "a list of objects")


def _object(value: object, where: str) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    raise _no_object(value, where, "an object")


def _no_object(value: object, where: str, wanted: str) -> RefusedError:
    """A configuration is JSON, so what is wrong with it is said in JSON's words."""
    text = json.dumps(value, default=str)
    shown = text if len(text) <= 80 else f"{text[:79]}…"
    return RefusedError(f"configuration: {where} is {shown}, expected {wanted}", hint=_SHAPE)


def _parse_table(data: Mapping[str, Any], key: str, team: Team) -> dict[str, tuple[str, ...]]:
    table = _table(data.get(key, {}), key)
    parsed: dict[str, tuple[str, ...]] = {}
    for name, ids in table.items():
        if not isinstance(ids, Sequence) or isinstance(ids, str):
            raise _wrong(f"{key}.{name}", ids, "a list of agent ids")
        parsed[name] = tuple(team.agent(_text(agent_id, f"{key}.{name}")).id for agent_id in ids)
        if key == "talk":
            team.agent(name)
    return parsed


def _check_unique(team: Team) -> None:
    names = [unit.name for unit in team.units]
    for words, what in ((team.ids, "agent id"), (names, "unit name")):
        twice = next((word for word in words if list(words).count(word) > 1), None)
        if twice:
            raise _wrong(what, twice, "used once in a team")
    if len(team.ids) > MAX_AGENTS:
        raise _wrong("number of agents", len(team.ids), f"at most {MAX_AGENTS}")


def _only(data: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(set(data) - known)
    if unknown:
        raise _wrong(f"{where}: key", unknown[0], f"one of {', '.join(sorted(known))}")


def _list_of_tables(value: object, where: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not value:
        raise _wrong(where, value, "a list of tables")
    return [_table(item, where) for item in value]


def _table(value: object, where: str) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    raise _wrong(where, value, "a table")


def _text(value: object, where: str, *, empty: bool = False) -> str:
    if isinstance(value, str) and (value or empty) and "\0" not in value:
        return value
    raise _wrong(where, value, "text")


def _matching(pattern: re.Pattern[str], value: object, where: str) -> str:
    if isinstance(value, str) and pattern.fullmatch(value):
        return value
    raise _wrong(where, value, f"text like {pattern.pattern}")


def _wrong(where: str, value: object, wanted: str) -> RefusedError:
    return RefusedError(f"{where} is {shorten(value)}, expected {wanted}")


def _unknown(what: str, value: str, known: Iterable[str]) -> RefusedError:
    return RefusedError(f"the team has no {what} {shorten(value)}", hint=f"it has: {', '.join(known)}")
