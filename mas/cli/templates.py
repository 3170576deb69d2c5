"""``templates``: the teams to choose from."""

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from mas import render, workspace
from mas.cli.calls import Call
from mas.cli.options import Json, Quiet, call_of
from mas.errors import NotFoundError, RefusedError, shorten
from mas.team import Agent, Team


def group() -> None:
    """The teams to choose from."""


def list_(context: typer.Context, *, as_json: Json = False, quiet: Quiet = False) -> int:
    """Show every template, in the order in which they are looked for."""
    call = call_of(context)
    found = workspace.list_templates(call.root)
    if as_json:
        call.json({"templates": [_to_json(one) for one in found], "total": len(found), "count": len(found)})
    elif quiet:
        call.lines([one.name for one in found])
    else:
        _show_list(call, found)
    return 0


def _show_list(call: Call, found: Iterable[workspace.Listed]) -> None:
    rows = [(one.name, str(len(one.team.ids)) if one.team else "-", _words(one), str(one.path)) for one in found]
    if not call.on_terminal:
        call.lines(render.tab_separated(rows))
        return
    columns = [render.Column("TEMPLATE"), render.Column("AGENTS", right=True), render.Column("WHAT IT IS", least=10)]
    call.lines(render.table(columns, [row[:3] for row in rows], call.width))


def _words(one: workspace.Listed) -> str:
    if one.team is None:
        return f"cannot be used: {one.problem}"
    return one.team.description or ", ".join(unit.name for unit in one.team.units)


def _to_json(one: workspace.Listed) -> dict[str, Any]:
    team = one.team.to_dict() if one.team else None
    agents = len(one.team.ids) if one.team else 0
    return {"name": one.name, "path": str(one.path), "agentCount": agents, "problem": one.problem, "team": team}


def show(context: typer.Context, name: Annotated[str, typer.Argument(metavar="NAME")], *, as_json: Json = False) -> int:
    """Show the team of a template."""
    call = call_of(context)
    listed = workspace.list_templates(call.root)
    found = next((one for one in listed if one.name == name), None)
    if found is None:
        raise NotFoundError(f"no template {shorten(name)}", hint=f"there are: {', '.join(one.name for one in listed)}")
    if as_json:
        call.json(_to_json(found))
        return 0
    if found.team is None:
        raise RefusedError(f"template {name}: {found.problem}", hint=f"mend it in {found.path}")
    facts = [("description", found.team.description), ("directory", str(found.path)), ("start it", _command(name))]
    call.lines([f"{name}: {len(found.team.ids)} agents", "", *call.facts(facts), "", *_team(call, found.team)])
    return 0


def _command(name: str) -> str:
    return f"mas start --isolated --template {name}"


def _team(call: Call, team: Team) -> list[str]:
    rows = [(unit.name, *_cells(agent, team)) for unit in team.units for agent in unit.agents]
    if not call.on_terminal:
        return [f"  {line}" for line in render.aligned(rows)]
    lines = iter(render.aligned(row[1:] for row in rows))
    branches = [(unit.name, [next(lines) for _ in unit.agents]) for unit in team.units]
    return [render.tree(team.name, branches, call.width, colour=call.colour)]


def _cells(agent: Agent, team: Team) -> tuple[str, ...]:
    talks = ", ".join(team.talk.get(agent.id, ())) if team.talk else "everyone"
    return (agent.id, agent.name, agent.model, agent.role, f"writes to {talks or 'nobody'}")


COMMANDS = {"templates": {"": group, "list": list_, "show": show}}
