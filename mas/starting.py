"""Bringing a team up: plan with nothing touched, build aside, rename into place, launch, record.

What can be refused is refused while planning. What fails after that undoes all it made, tmux too; what a crash leaves,
``mas doctor`` rolls back before the rename and forward after it.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mas import definitions, fields, files, launch, naming, profiles, settings, team, tmux, workspace
from mas.clock import new_id
from mas.config import SessionConfig
from mas.errors import CapacityError, DamagedError, ExistsError, NotFoundError, RefusedError
from mas.paths import SessionPaths, check_session_id
from mas.record import Document, runtime_of
from mas.session import Session
from mas.team import Team

if TYPE_CHECKING:
    from mas.app import Mas

MIN_FREE_BYTES = 16 * 1024 * 1024
"""A start is refused where the file system has less room than this besides the template."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOptions:
    """What a person asks for. Empty means the default; ``config`` is the parsed configuration."""

    mode: str = "isolated"
    session_id: str | None = None
    template: str | None = None
    config: Mapping[str, Any] | None = None
    agent: str | None = None
    command: str | None = None
    label: str = ""
    request: str = ""
    work: SessionConfig | None = None


@dataclass(frozen=True, slots=True)
class StartPlan:
    """What a start will do."""

    document: Document
    template: workspace.Template
    team: Team
    choice: profiles.Choice
    config: Mapping[str, Any]
    launch: launch.LaunchPlan

    @property
    def session_id(self) -> str:
        """The id of the session to be."""
        return str(self.document["session_id"])


@dataclass(frozen=True, slots=True)
class Started:
    """A team that is up."""

    session: Session
    tmux_name: str
    workspace: Path
    team: Team
    reason: str
    """Why it is this agent program, in one line."""


def plan(mas: "Mas", options: StartOptions) -> StartPlan:
    """Work out a start and refuse whatever can be refused; nothing is touched."""
    project = settings.load_settings(mas.root)
    template = workspace.find_template(options.template, mas.root, project.template)
    chosen_team = team.apply_config(template.team, options.config or {})
    known = profiles.load(mas.root, mas.environ)
    choice = profiles.choose(options.agent, options.command, known, mas.environ, project.agent)
    seen = tmux.discover(mas.server)
    names = {one.name for one in seen.sessions}
    session_id = _session_id(mas, options.session_id, names)
    label = _label(mas, options.label)
    tmux.capacity(seen).require(len(chosen_team.ids))
    _check_disk(mas, template)
    config = {**(options.config or {}), "mas": _own_config(template, choice, chosen_team)}
    runtime = {
        "mode": options.mode,
        "root": str(mas.root.path),
        "wanted": "up",
        "observed": "unknown",
        "tmux_name": naming.tmux_name(session_id, names),
        "agents": list(chosen_team.ids),
        "template": template.name,
        "profile": choice.profile.name,
        "label": label,
        "nonce": os.urandom(8).hex(),
    }
    draft = mas.manager.draft(options.request, config=options.work, session_id=session_id)
    document = {**draft, "runtime": runtime}
    return StartPlan(
        document, template, chosen_team, choice, config, launch_plan(mas, document, chosen_team, choice.profile)
    )


def _session_id(mas: "Mas", wanted: str | None, names: set[str]) -> str:
    if wanted is None:
        taken = {*names, *(f"{naming.PREFIX}{one[:8]}" for one in mas.storage.list())}
        return naming.free_id((new_id() for _ in range(16)), taken)
    if os.path.lexists(mas.root.session(check_session_id(wanted)).directory):
        msg = f"session {wanted} exists"
        raise ExistsError(msg, hint=f"`mas resume {wanted}` brings it back, `mas rm {wanted}` removes it")
    return wanted


def _label(mas: "Mas", label: str) -> str:
    checked = fields.FIELDS["label"](label, "label")
    if checked and any(row.get("label") == checked for row in mas.rows()):
        msg = f"the label {checked!r} is taken"
        raise ExistsError(msg, hint="labels are unique; choose another")
    return str(checked)


def _check_disk(mas: "Mas", template: workspace.Template) -> None:
    place = next(path for path in (mas.root.sessions, *mas.root.sessions.parents) if path.is_dir())
    found = os.statvfs(place)
    if found.f_bavail * found.f_frsize < MIN_FREE_BYTES + template.size:
        msg = f"no room on the disk of {place}: {found.f_bavail * found.f_frsize // 1024} KiB are free"
        raise CapacityError(msg, hint="remove old sessions: `mas clean --dry-run`")
    if not os.access(place, os.W_OK):
        msg = f"{place} cannot be written to"
        raise RefusedError(msg, hint="choose another place with --root")


def _own_config(template: workspace.Template, choice: profiles.Choice, chosen: Team) -> dict[str, Any]:
    return {"template": template.name, "profile": choice.profile.to_dict(), "team": chosen.to_dict()}


def launch_plan(
    mas: "Mas", document: Document, chosen: Team, profile: definitions.Profile, *, again: bool = False
) -> launch.LaunchPlan:
    """The team of a record as tmux is to build it; ``again`` for agents that are brought back."""
    runtime = runtime_of(document)
    place = workspace.Place(
        session_id=document["session_id"],
        tmux_name=runtime["tmux_name"],
        root=mas.root,
        mode=runtime["mode"],
        socket=mas.server.socket or None,
        program=mas.program,
    )
    return launch.LaunchPlan(
        session_id=document["session_id"],
        name=runtime["tmux_name"],
        root=mas.root.path,
        env=workspace.session_environment(place, mas.environ),
        windows=tuple(_windows(place, chosen, profile, again=again)),
        nonce=runtime["nonce"],
    )


def _windows(
    place: workspace.Place, chosen: Team, profile: definitions.Profile, *, again: bool
) -> Iterator[launch.WindowPlan]:
    for unit in chosen.units:
        panes = tuple(
            launch.PanePlan(
                agent.id,
                agent.name,
                place.agent_directory(agent.id),
                profiles.argv(profile, agent, unit.name, place.session_id, resume=again),
                workspace.agent_environment(place, agent, unit.name) | dict(profile.env),
            )
            for agent in unit.agents
        )
        yield launch.WindowPlan(unit.name, unit.layout, panes)


def start(mas: "Mas", made: StartPlan) -> Started:
    """Carry a plan out under the session's lock; a failure undoes all of it and says so."""
    with mas.storage.lock(made.session_id):
        session = mas.manager.create(made.document, build=lambda staged: _build(made, staged))
        try:
            session = _launch(mas, made.launch)
        except BaseException:
            _undo(mas, made)
            raise
    return _started(mas, session, made.team, made.choice.reason)


def _build(made: StartPlan, staged: SessionPaths) -> None:
    workspace.build(made.template, made.team, staged)
    with files.directory(staged.directory) as fd:
        files.replace(fd, staged.config.name, json.dumps(made.config, indent=2).encode("ascii"))


def _launch(mas: "Mas", wanted: launch.LaunchPlan) -> Session:
    launched = tmux.launch(mas.server, wanted)
    seen = {
        "id": launched.tmux_id,
        "socket": launched.socket,
        "pid": launched.server_pid,
        "started": launched.server_started,
        "panes": dict(launched.panes),
    }
    changes = {"wanted": "up", "observed": "up", "tmux": seen, "nonce": wanted.nonce, "tmux_name": wanted.name}
    return mas.manager.observe(wanted.session_id, changes)


def _undo(mas: "Mas", made: StartPlan) -> None:
    from mas import stopping  # noqa: PLC0415  only a failure needs it

    stopping.end_team(mas, made.document, grace=0)
    mas.manager.delete_session(made.session_id, force=True)


def _started(mas: "Mas", session: Session, chosen: Team, reason: str) -> Started:
    runtime = runtime_of(session.document)
    place = mas.root.session(session.session_id).directory
    return Started(session, runtime["tmux_name"], mas.root.path if session.mode == "legacy" else place, chosen, reason)


def resume(mas: "Mas", session_id: str) -> Started:
    """Bring a team up again from what the session's ``config.json`` says; raises RefusedError where it is up."""
    with mas.storage.lock(session_id):
        document = mas.storage.read(session_id).document
        if mas.observe(document) == "up":
            msg = f"session {session_id} is up"
            raise RefusedError(msg, hint=f"`mas attach {session_id}`")
        chosen, choice = stored_team(mas, session_id)
        seen = tmux.discover(mas.server)
        names = {one.name for one in seen.sessions}
        tmux.capacity(seen).require(len(chosen.ids))
        fresh = {"tmux_name": naming.tmux_name(session_id, names), "nonce": os.urandom(8).hex()}
        renewed = {**document, "runtime": {**runtime_of(document), **fresh}}
        wanted = launch_plan(mas, renewed, chosen, choice.profile, again=True)
        _check_directories(wanted)
        mas.manager.observe(session_id, {"wanted": "up", "observed": "unknown", **fresh})
        try:
            session = _launch(mas, wanted)
        except BaseException:
            mas.manager.observe(session_id, {"wanted": "down", "observed": "down"})
            raise
    return _started(mas, session, chosen, choice.reason)


def _check_directories(wanted: launch.LaunchPlan) -> None:
    missing = next((pane.cwd for pane in wanted.panes if not pane.cwd.is_dir()), None)
    if missing:
        msg = f"the workspace lacks {missing}"
        raise NotFoundError(msg, hint=f"bring it back, or `mas rm {wanted.session_id}`")


def stored_team(mas: "Mas", session_id: str) -> tuple[Team, profiles.Choice]:
    """The team and the agent program of a session, from its ``config.json``. Raises DamagedError, NotFoundError."""
    paths = mas.root.session(session_id)
    try:
        with files.directory(paths.directory) as fd:
            own = json.loads(files.read(fd, paths.config.name))["mas"]
        return team.parse_team(own["team"]), profiles.Choice(profiles.from_dict(own["profile"]), "as it was started")
    except FileNotFoundError:
        raise NotFoundError(f"session {session_id} has no team to bring up: config.json is missing") from None
    except (ValueError, KeyError, TypeError) as error:
        msg = f"session {session_id}: config.json is damaged: {error}"
        raise DamagedError(msg, hint="restore it, or start a new session from its unit/") from None
