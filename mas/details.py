"""Everything there is to say about one session, gathered from its record, its configuration and tmux.

What cannot be read or asked is left empty and said in ``problem``; looking at a session never fails for that.
"""

import re
import shlex
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mas import reconcile, runtime, tmux, watching
from mas.errors import DamagedError, MasError, NotFoundError, UnknownStateError
from mas.events import TYPES
from mas.lines import Line
from mas.paths import SessionPaths
from mas.projections import working_directory
from mas.record import CREATED, lifecycle_of, max_iterations_of, runtime_of
from mas.structs import Frozen, replace
from mas.team import Team
from mas.views import View

if TYPE_CHECKING:
    from mas.app import Mas

RECENT = 8
"""How many of the newest events are told."""


class AgentDetail(Frozen):
    """One agent and its pane.

    ``status`` is running or stopped, error where a team that is up lacks its pane, unknown where tmux gave no answer.
    """

    id: str
    name: str
    unit: str
    model: str
    role: str
    position: int
    """Place of the pane in its window, from 0."""
    status: str
    directory: str
    pane_id: str = ""
    command: str = ""
    exit_code: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The agent in the words of the HTTP API, whose clients know no fourth: error is also what nobody knows."""
        return {
            "agentId": self.id,
            "name": self.name,
            "status": "error" if self.status == "unknown" else self.status,
            "window": self.unit,
            "pane": self.position,
            "paneId": self.pane_id,
            "model": self.model,
            "role": self.role,
            "command": self.command,
            "exitCode": self.exit_code,
            "workingDir": self.directory,
        }


class Window(Frozen):
    """A tmux window of a session."""

    index: int
    name: str
    panes: int
    active: bool = False

    def to_json(self) -> dict[str, Any]:
        """The window in the words of the HTTP API."""
        return {"index": self.index, "name": self.name, "paneCount": self.panes, "active": self.active}


class Details(Frozen):
    """A session. ``document`` is empty where its record cannot be read."""

    view: View
    document: Mapping[str, Any] = {}
    team_name: str = ""
    program: str = ""
    agents: tuple[AgentDetail, ...] = ()
    windows: tuple[Window, ...] = ()
    recent: tuple[Line, ...] = ()
    problem: str = ""
    remedy: str = ""
    project: str = ""
    """Where the code is that the team works on; empty without a team."""

    @property
    def reason(self) -> str:
        """Why the work rests or failed, empty where it does neither."""
        own = lifecycle_of(self.document)
        return str((own.get("pause") or {}).get("reason") or own.get("error") or "")

    @property
    def word(self) -> str:
        """How its team is: running, partial where some agents are not, stopped, error, unknown where tmux is silent."""
        if self.view.stale:
            return "unknown"
        if self.view.status != "active":
            return self.view.status
        return "running" if all(agent.status == "running" for agent in self.agents) else "partial"

    def agents_to_json(self) -> dict[str, Any]:
        """Its agents alone in the words of the HTTP API, and what is wrong where something is."""
        told = {"sessionId": self.view.session_id, "agents": [agent.to_json() for agent in self.agents]}
        return told | ({"problem": self.problem, "remedy": self.remedy} if self.problem else {})

    def to_json(self) -> dict[str, Any]:
        """The session in the words of the HTTP API."""
        own, of_team = lifecycle_of(self.document), runtime_of(self.document)
        return {
            **self.view.to_json(),
            "request": self.document.get("feature_request", ""),
            "phase": self.document.get("current_phase"),
            "reason": self.reason,
            "iteration": own.get("iteration", 0),
            "maxIterations": max_iterations_of(self.document),
            "parentSessionId": own.get("parent_session_id"),
            "template": of_team.get("template", ""),
            "profile": of_team.get("profile", ""),
            "projectDir": self.project,
            "unitDir": f"{self.view.working_dir}/unit",
            "workflowsDir": f"{self.view.working_dir}/workflows",
            "gitContext": _camel(self.document.get("git_context") or {}),
            "agents": [agent.to_json() for agent in self.agents],
            "windows": [one.to_json() for one in self.windows],
            "events": [line_to_json(line) for line in self.recent],
            "problem": self.problem,
            "remedy": self.remedy,
        }


def line_to_json(line: Line) -> dict[str, Any]:
    """A record of a log in the words of the HTTP API."""
    return {"seq": line.seq, "timestamp": line.ts, "type": line.type, "data": dict(line.data)}


def said(line: Line) -> str:
    """The plain values of a record in few words; nothing of the first one, which is a whole record."""
    if "session_id" in line.data:
        return ""
    plain = (pair for pair in line.data.items() if isinstance(pair[1], str | int | float) and pair[1] != "")
    return ", ".join(f"{name} {str(value).lower() if isinstance(value, bool) else value}" for name, value in plain)


def gather(mas: "Mas", session_id: str) -> Details:
    """Look at a session; raises NotFoundError where nothing speaks of it."""
    try:
        stored = mas.storage.read(session_id)
    except (NotFoundError, DamagedError) as error:
        return _unreadable(mas, mas.view(session_id), error)
    with_team = bool(runtime_of(stored.document).get("mode"))
    view = mas.view(session_id, asked=False)  # the team is looked for below, once
    recent, damage = _recent(mas, session_id)
    found = Details(view._replace(stale=with_team), stored.document, recent=recent)
    if with_team:
        found = replace(found, project=runtime.code_of(stored.document) or str(mas.root.path))
        found = _with_flaw(mas, _with_team(mas, found))
    if stored.damage:
        found = replace(found, view=found.view._replace(status="error"))
    if stored.damage or (damage and not found.problem):
        return replace(found, problem=stored.damage or damage, remedy=f"`mas doctor --fix {session_id[:8]}`")
    return found


def _unreadable(mas: "Mas", view: View, error: MasError) -> Details:
    from mas import migration, stopping  # noqa: PLC0415  few sessions are not ours, or not yet

    if migration.takes_over(mas, view.session_id):
        return Details(view, problem="an earlier mas has kept it", remedy="`mas migrate` takes it over")
    view = view._replace(status="error", stale=False)
    error = stopping.foreign(mas, view.session_id) or error
    if isinstance(error, NotFoundError):
        missing = f"its workspace is missing: {view.working_dir}"
        return Details(view, problem=missing, remedy=f"bring it back, or forget it: `mas rm {view.session_id[:8]}`")
    return Details(view, problem=error.message, remedy=error.hint or "")


def _recent(mas: "Mas", session_id: str) -> tuple[tuple[Line, ...], str]:
    """The newest events, starts and stops among them, as far as the log can be read; and where it is damaged."""
    told, found, damage = {CREATED, "runtime", *TYPES}, deque[Line](maxlen=RECENT), ""
    try:
        found.extend(line for line in mas.storage.records(session_id) if line.type in told)
    except DamagedError as error:
        damage = error.message
    return tuple(found), damage


def _with_team(mas: "Mas", found: Details) -> Details:
    from mas import teamfile  # noqa: PLC0415  a session that is only a record does without

    session_id = found.view.session_id
    found, panes, facts = _seen(mas, found)
    found = replace(found, windows=windows_of(panes))
    try:
        team, choice = teamfile.stored_team(mas, session_id)
    except MasError as error:
        return replace(found, problem=error.message, remedy=error.hint or "")
    place = SessionPaths(working_directory(found.document, mas.root)).unit
    absent = "unknown" if found.view.stale else "error" if panes else "stopped"
    agents = tuple(agents_of(team, panes, facts, place, absent))
    found = replace(found, team_name=team.name, program=shlex.join(choice.profile.command), agents=agents)
    missing = [agent.id for agent in agents if agent.status == "error"]
    if not missing:
        return found
    remedy = f"`mas stop {session_id[:8]}`, then `mas resume {session_id[:8]}`"
    return replace(found, problem=f"its tmux session lacks agents {', '.join(missing)}", remedy=remedy)


def _with_flaw(mas: "Mas", found: Details) -> Details:
    """The session with what is wrong with its workspace, where nothing else is."""
    from mas import belongings  # noqa: PLC0415  see _with_team

    session_id = found.view.session_id
    flaw = next(reconcile.of_workspace(session_id, belongings.look(mas, found.document)), None)
    if flaw is None or found.problem:
        return found
    return replace(found, problem=flaw.text, remedy=flaw.remedy or f"`mas doctor --fix {session_id[:8]}` mends it")


def _seen(mas: "Mas", found: Details) -> tuple[Details, Sequence[tmux.SeenPane], Mapping[str, tmux.PaneFacts]]:
    """The session as tmux sees it now, on whatever server it is, and its panes; where tmux is silent, that is said."""
    session_id = found.view.session_id
    try:
        sight = watching.look(mas, session_id, found.document)
        status = runtime.derive(found.document, "up" if sight.team else "down")
        attached = bool(sight.team and sight.team.attached)
        found = replace(found, view=found.view._replace(status=status.word, stale=False, attached=attached))
        if sight.team is None:
            return found, (), {}
        target = sight.server, sight.team.tmux_id, session_id
        return found, tmux.panes(*target), tmux.pane_facts(*target)
    except UnknownStateError as error:
        view = found.view._replace(stale=True)
        return replace(found, view=view, problem=error.message, remedy=error.hint or ""), (), {}


def windows_of(panes: Sequence[tmux.SeenPane]) -> tuple[Window, ...]:
    """The windows that these panes are in."""
    counts = Counter((pane.window_index, pane.window, pane.window_active) for pane in panes)
    return tuple(Window(index, name, count, active) for (index, name, active), count in counts.items())


def agents_of(
    team: Team,
    panes: Sequence[tmux.SeenPane],
    facts: Mapping[str, tmux.PaneFacts],
    place: Path,
    absent: str = "error",
) -> Iterator[AgentDetail]:
    """The agents of a team in these panes, or ``absent``; below ``place`` each has its directory."""
    for unit in team.units:
        for position, agent in enumerate(unit.agents):
            directory = str(place / agent.id)
            told = (agent.id, agent.name, unit.name, agent.model, agent.role, position, absent, directory)
            pane = next((pane for pane in panes if pane.agent_id == agent.id), None)
            detail = AgentDetail(*told)
            yield _in_pane(detail, pane, facts.get(pane.pane_id)) if pane else detail


def _in_pane(agent: AgentDetail, pane: tmux.SeenPane, seen: tmux.PaneFacts | None) -> AgentDetail:
    return replace(
        agent,
        status="stopped" if pane.dead or pane.replaced or pane.exit_code is not None else "running",
        pane_id=pane.pane_id,
        command=seen.command if seen else "",
        directory=seen.path if seen else agent.directory,
        exit_code=pane.exit_code,
    )


def _camel(table: Mapping[str, Any]) -> dict[str, Any]:
    return {re.sub(r"_([a-z])", lambda found: found[1].upper(), name): value for name, value in table.items()}
