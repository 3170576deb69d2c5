"""``show`` and ``agents``: looking at one session."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from mas import details, doings, render
from mas.agents import exited
from mas.cli.calls import Call
from mas.cli.options import Json, Name, Quiet, call_of
from mas.clock import utc_now
from mas.details import AgentDetail, Details
from mas.errors import RefusedError
from mas.lines import Line


def show(context: typer.Context, name: Name = None, *, as_json: Json = False) -> int:
    """Show a session: its team, its work, its place, and what happened last."""
    call = call_of(context)
    found = details.gather(call.mas, call.mas.resolve(name))
    if as_json:
        call.json(found.to_json())
        return 0
    call.lines([render.paint(_title(found), "bold" if call.colour else None), "", *call.facts(_facts(found))])
    if found.agents:
        call.lines(["", *_team(call, found)])
    if found.recent:
        call.lines(["", "recent", *recent(call, found.recent)])
    return 0


def _title(found: Details) -> str:
    view = found.view
    name = view.label or view.session_id[:8]
    return render.one_line(
        f"{name}: {view.status}{' (last known)' if view.stale else ''}, {view.lifecycle or 'no record'}"
    )


def _facts(found: Details) -> Iterator[tuple[str, str]]:
    view, document, now = found.view, found.document, utc_now()
    yield "problem", found.problem
    yield "remedy", found.remedy
    yield "id", view.session_id
    yield "label", view.label
    yield "request", document.get("feature_request", "")
    yield "work", ", ".join(_work(found))
    yield "directory", view.working_dir
    yield "project", found.project if found.project != view.working_dir else ""
    yield "tmux", ", ".join(_tmux(found)) if view.tmux_name else ""
    yield "git", _git(document.get("git_context") or {})
    yield "agents", ", ".join(_program(found))
    yield "created", f"{view.created_at} ({render.ago(view.created_at, now)} ago)" if view.created_at else ""
    yield (
        "changed",
        f"{view.last_activity[:19]}Z ({render.ago(view.last_activity, now)} ago)" if view.last_activity else "",
    )
    yield "parent", str((document.get("lifecycle") or {}).get("parent_session_id") or "")


def _work(found: Details) -> Iterator[str]:
    answer = found.to_json()
    if found.view.lifecycle:
        yield found.view.lifecycle
    if answer["phase"]:
        yield f"phase {answer['phase']}"
    if answer["iteration"]:
        yield f"iteration {answer['iteration']} of {answer['maxIterations']}"
    if found.reason:
        yield found.reason


def _tmux(found: Details) -> Iterator[str]:
    yield found.view.tmux_name
    if found.windows:
        yield f"{len(found.windows)} windows" if len(found.windows) > 1 else "1 window"
    if found.view.attached:
        yield "somebody looks at it"


def _git(context: Mapping[str, Any]) -> str:
    if not (context.get("branch") or context.get("commit")):
        return ""
    worktree = f", worktree {context.get('worktree_name') or ''}".rstrip() if context.get("is_worktree") else ""
    commit = context.get("commit", "")[:10]
    place = f" in {context['repo_root']}" if context.get("repo_root") else ""
    return f"{context.get('branch') or 'no branch'}{f' at {commit}' if commit else ''}{place}{worktree}"


def _program(found: Details) -> Iterator[str]:
    if found.agents:
        yield f"{len(found.agents)} of {found.team_name}"
    if found.program:
        yield f"each runs: {found.program}"


def _team(call: Call, found: Details) -> list[str]:
    """The agents: a tree on a terminal, lines in a pipe."""
    lines = render.aligned(_cells(agent, found) for agent in found.agents)
    if not call.on_terminal:
        return [f"  {line}" for line in lines]
    branches: dict[str, list[str]] = {}
    for agent, line in zip(found.agents, lines, strict=True):
        branches.setdefault(agent.unit, []).append(line[len(agent.unit) :].lstrip())
    return [render.tree(found.team_name, branches.items(), call.width, colour=call.colour)]


def _cells(agent: AgentDetail, found: Details) -> tuple[str, ...]:
    status = agent.status if agent.exit_code is None else exited(agent.exit_code)
    where = relative(agent.directory, found.view.working_dir)
    return (agent.unit, agent.id, agent.name, agent.model, status, agent.command, where)


def relative(path: str, base: str) -> str:
    """A path as it is seen from a directory, where it is below it."""
    return os.path.relpath(path, base) if base and Path(path).is_relative_to(base) else path


def recent(call: Call, lines: Iterable[Line]) -> list[str]:
    """What happened, a line each, cut to the terminal."""
    now = utc_now()
    rows = [(str(line.seq), f"{render.ago(line.ts, now)} ago", line.type, details.said(line)) for line in lines]
    return [f"  {render.cut(line, call.width - 2) if call.on_terminal else line}" for line in render.aligned(rows)]


def agents(
    context: typer.Context,
    name: Name = None,
    *,
    explain: Annotated[bool, typer.Option("--explain", help="what each does, and how one can tell")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Show the agents of a session and what each of them runs.

    With --explain whether it is running, waiting, idle, exited or missing, and the evidence.
    """
    call = call_of(context)
    found = details.gather(call.mas, call.mas.resolve(name))
    if found.problem and found.agents and not explain:
        call.say("mas: " + "; ".join(filter(None, (found.problem, found.remedy))))
    if explain and found.agents:
        _explain(call, found, as_json=as_json)
    elif as_json:
        call.json(found.agents_to_json())
    elif quiet:
        call.lines([agent.id for agent in found.agents])
    elif not found.agents:
        raise RefusedError(f"session {found.view.session_id} has no agents", hint=found.remedy or "it is only a record")
    else:
        call.lines(_agent_lines(call, found))
    return 0


def _explain(call: Call, found: Details, *, as_json: bool) -> None:
    doing = doings.gather(call.mas, found.view.session_id, {agent.id: agent.command for agent in found.agents})
    if as_json:
        told = [agent.to_json() | doing[agent.id].to_json() for agent in found.agents]
        call.json({"sessionId": found.view.session_id, "agents": told})
        return
    rows = [(agent.id, agent.name, str(doing[agent.id]), doing[agent.id].evidence) for agent in found.agents]
    if not call.on_terminal:
        call.lines(render.tab_separated(rows))
        return
    columns = [
        render.Column("ID"),
        render.Column("NAME", least=4),
        render.Column("DOES"),
        render.Column("BECAUSE", least=8),
    ]
    call.lines(render.table(columns, rows, call.width, colour=call.colour))


def _agent_lines(call: Call, found: Details) -> Sequence[str]:
    rows = [_cells(agent, found) for agent in found.agents]
    if not call.on_terminal:
        return render.tab_separated(rows)
    titles = ("WINDOW", "ID", "NAME", "MODEL", "STATUS", "RUNS", "WHERE")
    columns = [render.Column(title, least=4 if title in ("NAME", "MODEL", "RUNS", "WHERE") else 0) for title in titles]
    return render.table(columns, rows, call.width, colour=call.colour)


COMMANDS = {"show": show, "agents": agents}
