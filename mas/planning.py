"""What a start will do, worked out with nothing touched: whatever can be refused is refused here.

The id, the team and its programs, the tmux name, the room it takes, the label. A plan may be shown, or carried out by
``mas.starting``.
"""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from mas import (
    codebase,
    definitions,
    environment,
    fields,
    labels,
    launch,
    modes,
    naming,
    profiles,
    recorder,
    settings,
    team,
    tmux,
    values,
    workspace,
)
from mas.clock import new_id
from mas.config import SessionConfig
from mas.errors import CapacityError, ConflictError, ExistsError, NotFoundError, shorten
from mas.paths import Root, SessionPaths, absolute, check_new_id
from mas.record import Document, runtime_of
from mas.structs import Frozen, replace
from mas.team import Agent, Team
from mas.teamfile import own_config

if TYPE_CHECKING:
    from mas.app import Mas

MIN_FREE_BYTES = 16 * 1024 * 1024
"""A start is refused where the file system has less room than this besides what is copied."""

MIN_FREE_ENTRIES = 64
"""The same for files and directories."""


class StartOptions(Frozen):
    """What a person asks for. Empty means the default; ``config`` is the parsed configuration.

    Without ``team`` only the workspace is made; ``mas resume`` brings its team up later. With ``log`` what each agent's
    pane prints is kept in ``logs/``.
    """

    mode: str = "isolated"
    session_id: str | None = None
    template: str | None = None
    config: Mapping[str, Any] | None = None
    agent: str | None = None
    command: str | None = None
    label: str = ""
    request: str = ""
    work: SessionConfig | None = None
    team: bool = True
    log: bool = False


class StartPlan(Frozen):
    """What a start will do. ``template`` is None where nothing is copied, ``launch`` where no team is started.

    One that ``renews`` takes up a record that is there; every other one makes a new session.
    """

    document: Document
    template: workspace.Template | None
    team: Team
    choice: profiles.Choice
    config: Mapping[str, Any]
    fill: Callable[[SessionPaths], None]
    """Makes ``unit/``, ``workflows/`` and ``logs/`` in a directory that is still aside."""
    launch: launch.LaunchPlan | None
    renews: bool = False

    @property
    def session_id(self) -> str:
        """The id of the session to be."""
        return str(self.document["session_id"])

    @property
    def label(self) -> str:
        """Its label, or an empty text."""
        return str(runtime_of(self.document)["label"])


def plan(mas: "Mas", options: StartOptions) -> StartPlan:
    """Work out a start from a template; raises whatever it would be refused with."""
    check_place(mas)
    project = settings.load_settings(mas.root)
    template = workspace.find_template(options.template, mas.root, project.template)
    wanted = ask(mas, options, template.team, project.agent)
    seen = tmux.discover(mas.server) if options.team else tmux.Seen(running=False)
    session_id = free_id(mas, seen) if options.session_id is None else given_id(mas, options.session_id, seen)
    check_label(mas, options.label)
    check_room(mas, template.size, template.tree.entries)
    if options.team:
        tmux.capacity(seen).require(len(wanted.team.ids))
    code = codebase.find(mas.root, mas.environ, mas.cwd)
    document = mas.manager.draft(options.request, config=options.work, session_id=session_id, place=code)
    place = absolute(options.work.project_path, code) if options.work else code
    own = {"mode": "isolated", "label": options.label, "project": codebase.note(mas.root, place)}
    name = naming.tmux_name(session_id, ()) if options.session_id is None else ""  # no other id begins like a drawn one
    runtime = intent(mas, session_id, seen, up=options.team, name=name) | own
    fill = partial(workspace.build, template, wanted.team)
    return assemble(mas, {**document, "runtime": runtime}, wanted, fill, template)


class Wanted(Frozen):
    """A team as it is asked for: what its agents are told, which program they are, and the configuration as given."""

    team: Team
    choice: profiles.Choice
    config: Mapping[str, Any]


def ask(mas: "Mas", options: StartOptions, found: Team, agent: str) -> Wanted:
    """The team that is wanted of the one that was ``found``; ``agent`` is the project's own choice of a program."""
    config = values.check_json(options.config or {}, "the configuration")
    known = profiles.load(mas.root, mas.environ) if options.command is None else {}
    choice = profiles.choose(options.agent, options.command, known, mas.environ, agent)
    chosen = team.apply_config(found, config)
    if any(agent.prompt for agent in chosen.agents):
        from mas import messages  # noqa: PLC0415  most teams begin without a prompt

        messages.initial_prompts(chosen)  # refuses what could not be sent
    return Wanted(replace(chosen, log=chosen.log or options.log), choice, config)


def assemble(
    mas: "Mas",
    document: Document,
    wanted: Wanted,
    fill: Callable[[SessionPaths], None],
    template: workspace.Template | None = None,
) -> StartPlan:
    """The plan for a record whose ``runtime`` says what is intended; without a template nothing is to be copied."""
    name, choice = template.name if template else workspace.OWN, wanted.choice
    team_of = {"agents": list(wanted.team.ids), "template": name, "profile": choice.profile.name}
    runtime = {**runtime_of(document), "root": str(mas.root.path), **team_of}
    document = {**document, "runtime": runtime}
    up = runtime["wanted"] == "up"
    return StartPlan(
        document,
        template,
        wanted.team,
        choice,
        {**wanted.config, "mas": own_config(name, choice, wanted.team)},
        fill,
        launch_plan(mas, document, wanted.team, choice.profile) if up else None,
    )


def intent(mas: "Mas", session_id: str, seen: tmux.Seen, *, up: bool, name: str = "") -> dict[str, Any]:
    """What a record says of a team before it is brought up, or of none; ``name`` is kept where it is free."""
    names = {one.name for one in seen.sessions}
    free = name and name not in names
    socket = seen.socket or mas.socket_path
    return {
        "wanted": "up" if up else "down",
        "observed": "unknown" if up else "down",
        "tmux_name": name if free else naming.tmux_name(session_id, names | _given(mas, session_id)),
        "tmux": {"socket": socket} if up else {},
        "nonce": os.urandom(8).hex() + mas.mark,
    }


def _given(mas: "Mas", session_id: str) -> set[str]:
    """The tmux names that other sessions have on record; they matter only where another id begins like this one."""
    index = mas.index()
    rows = index.rows() if index.begins(session_id[:8]) else ()
    return {str(row.get("tmuxSession")) for row in rows if row["sessionId"] != session_id}


def free_id(mas: "Mas", seen: tmux.Seen, drawn: Iterable[str] | None = None) -> str:
    """A new id that begins like nobody else's, neither a session's here nor in tmux.

    The index tells of the sessions: it is read in half the time that ten thousand names take to list.
    """
    drawn = drawn or (new_id() for _ in range(16))
    index, others = mas.index(), [*unlisted(mas.root), *(one.name for one in seen.sessions)]
    return naming.free_id((made for made in drawn if not index.begins(made[:8])), others)


def unlisted(root: Root) -> Iterator[str]:
    """The names of sessions that are being made, and of the removed; others may be among them."""
    for place in (root.staging, root.trash):
        with suppress(FileNotFoundError):
            yield from os.listdir(place)  # noqa: PTH208  names are all we want


def given_id(mas: "Mas", wanted: str, seen: tmux.Seen) -> str:
    """The id, where it can be that of a new session; raises ExistsError, InvalidIdError."""
    if mas.storage.has(check_new_id(wanted)):
        raise taken(wanted, up=(mas.row(wanted) or {}).get("status") == "active")
    if mas.ours(seen, wanted):
        msg = f"a team of {wanted} runs already, without a session"
        raise ExistsError(msg, hint="`mas doctor --fix` ends it")
    return wanted


def taken(session_id: str, *, up: bool = False) -> ExistsError:
    """The error for an id that has a session, one whose team may be ``up``."""
    msg = f"session {session_id} exists"
    if up:
        return ExistsError(msg, hint=f"it is up: `mas attach {session_id}` goes there")
    return ExistsError(msg, hint=f"`mas resume {session_id}` brings it back, `mas rm {session_id}` removes it")


def check_label(mas: "Mas", label: str) -> None:
    """Raise RefusedError for what is no label of a session, ExistsError for one that there is."""
    if fields.FIELDS["label"](label, "label"):
        labels.check_free(label, mas.rows())


def check_place(mas: "Mas") -> None:
    """Raise RefusedError where others could change what teams are started from, or what they work in."""
    for place in (mas.root.path, mas.root.sessions):
        if how := modes.exposure(place):
            raise ConflictError(f"{shorten(str(place), 200)} is not safe: {how}", hint=modes.remedy(place))


def check_room(mas: "Mas", size: int, entries: int) -> None:
    """Raise CapacityError or RefusedError where a session cannot be made; ``size`` in bytes is what is copied."""
    place = next(path for path in (mas.root.sessions, *mas.root.sessions.parents) if path.is_dir())
    found = os.statvfs(place)
    if not os.access(place, os.W_OK) or not found.f_blocks:  # /proc lets root write, and has room for nothing
        msg = f"{place} cannot be written to"
        raise ConflictError(msg, hint="choose another place with --root")
    free = found.f_bavail * found.f_frsize
    if free < MIN_FREE_BYTES + size:
        msg = f"no room on the disk of {place}: {free // 1024} KiB are free"
        raise CapacityError(msg, hint="remove old sessions: `mas clean --dry-run`")
    if found.f_files and found.f_favail < MIN_FREE_ENTRIES + entries:
        msg = f"no room on the disk of {place}: {found.f_favail} more files fit"
        raise CapacityError(msg, hint="remove old sessions: `mas clean --dry-run`")


def launch_plan(
    mas: "Mas", document: Document, chosen: Team, profile: definitions.Profile, *, again: Collection[str] = ()
) -> launch.LaunchPlan:
    """The team of a record as tmux is to build it; ``again`` are the ids of agents that are brought back."""
    place = mas.place(document)
    return launch.LaunchPlan(
        session_id=document["session_id"],
        name=place.tmux_name,
        root=mas.root.path,
        env=environment.session_environment(place, mas.environ),
        windows=tuple(_windows(place, chosen, profile, again=again)),
        nonce=runtime_of(document)["nonce"],
    )


def _windows(
    place: environment.Place, chosen: Team, profile: definitions.Profile, *, again: Collection[str]
) -> Iterator[launch.WindowPlan]:
    paths = place.root.session(place.session_id)
    going_on = again if profile.resume else ()

    def pane(agent: Agent, unit: str) -> launch.PanePlan:
        plain = profiles.argv(profile, agent, unit, place.session_id)
        resumed = agent.id in going_on
        return launch.PanePlan(
            agent.id,
            agent.name,
            place.agent_directory(agent.id),
            profiles.argv(profile, agent, unit, place.session_id, resume=True) if resumed else plain,
            environment.agent_environment(place, agent, unit) | dict(profile.env),
            recorder.command(paths.agent_log(agent.id)) if chosen.log else "",
            anew=plain if resumed else (),
        )

    for unit in chosen.units:
        yield launch.WindowPlan(unit.name, unit.layout, tuple(pane(agent, unit.name) for agent in unit.agents))


def check_directories(wanted: launch.LaunchPlan) -> None:
    """Raise NotFoundError where an agent's directory is gone, RefusedError where a workspace leads out of itself."""
    paths = Root(wanted.root).session(wanted.session_id)
    places = [pane.cwd for pane in wanted.panes]
    own = [place for place in (paths.logs, paths.unit, *places) if place.is_relative_to(paths.directory)]
    linked = next((place for place in own if place.is_symlink()), None)
    if linked:
        raise ConflictError(f"{linked} is a link", hint="mas follows no links in a workspace; move it away")
    missing = next((place for place in places if not place.is_dir()), None)
    if missing:
        msg = f"the workspace lacks {missing}"
        raise NotFoundError(msg, hint=f"bring it back, or `mas rm {wanted.session_id}`")
