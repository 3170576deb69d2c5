"""Bringing teams up, and what is said of it. Both ways of parsing ``mas start`` end here."""

import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mas import fields, settings
from mas.cli.calls import Call, json_table
from mas.errors import NotFoundError, OccupiedError, RefusedError, UsageError, shorten
from mas.planning import StartOptions, StartPlan
from mas.record import runtime_of
from mas.runtime import wanted_up
from mas.team import CONFIG_KEYS

if TYPE_CHECKING:
    from mas.starting import Started

_LARGEST = 1024 * 1024
"""Characters of a configuration."""


def start(  # noqa: PLR0913  the options of the verb
    call: Call,
    *,
    isolated: bool = False,
    legacy: bool = False,
    template: str | None = None,
    config: str | None = None,
    agent: str | None = None,
    command: str | None = None,
    label: str = "",
    request: str = "",
    session_id: str | None = None,
    attach: bool | None = None,
    no_team: bool = False,
    log: bool = False,
    dry_run: bool = False,
    as_json: bool = False,
    quiet: bool = False,
) -> int:
    """``mas start``."""
    call.refuse_records_only("start")
    if isolated and legacy:
        raise UsageError("--isolated and --legacy were both given", hint="give one of them")
    if no_team and attach:
        raise UsageError("--no-team and --attach were both given", hint="give one of them")
    _check_values(template, agent, label)
    check_terminal(attach=bool(attach) and not dry_run)
    flag = "isolated" if isolated else settings.LEGACY if legacy else None
    mode = settings.session_mode(flag, call.environ, settings.load_settings(call.root))
    options = StartOptions(
        mode=mode,
        session_id=_wanted_id(call, session_id) if mode == "isolated" else session_id,
        template=template,
        config=read_config(call, config),
        agent=agent,
        command=command,
        label=label,
        request=request,
        team=not no_team,
        log=log,
    )
    try:
        plan = call.mas.plan(options)
        if dry_run:
            return _show_plan(call, plan, as_json=as_json, quiet=quiet)
        with call.busy(f"starting {len(plan.team.ids)} agents"):
            started = call.mas.start(plan)
    except OccupiedError as occupied:
        return _occupied(call, occupied, as_json=as_json, quiet=quiet)
    if attach is None:  # who starts a team in the project's own directories has always been taken to it
        attach = mode == settings.LEGACY and is_terminal() and not (as_json or quiet)
    return tell(call, started, as_json=as_json, quiet=quiet, attach=attach)


def _check_values(template: str | None, agent: str | None, label: str) -> None:
    """Raise UsageError for an empty name, as of a variable that is not set, and for what can be no label."""
    for option, value in (("--template", template), ("--agent", agent)):
        if value == "":
            raise UsageError(f"{option} is empty", hint="name one, or leave it out and the default is taken")
    try:
        fields.FIELDS["label"](label, "--label")
    except RefusedError as error:
        raise UsageError(error.message, hint=error.hint) from None


def _occupied(call: Call, occupied: OccupiedError, *, as_json: bool, quiet: bool) -> int:
    """A team that is up already is no failure: scripts start it before they use it."""
    if as_json:
        views = call.mas.list(active=True, everything=True).views
        call.json(next((view.to_json() for view in views if view.tmux_name == occupied.name), {}))
    elif quiet:
        call.out(occupied.session_id or occupied.name)
    else:
        call.out(f"[WARNING] Session '{occupied.name}' already exists")
    call.say(f"mas: {occupied.message}; {occupied.hint}")
    return 0


def is_terminal() -> bool:
    """Whether a person sits at both ends of this call."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def check_terminal(*, attach: bool) -> None:
    """Raise RefusedError where nobody could be taken to a terminal."""
    if attach and not is_terminal():
        raise RefusedError("this is no terminal, so --attach cannot work", hint="leave it out; `mas attach` goes there")


def _wanted_id(call: Call, given: str | None) -> str | None:
    """The id to create: the environment names one only outside our panes, and only as long as there is none such."""
    inherited = call.environ.get("MAS_SESSION_ID")
    if given is not None or not inherited or "MAS_AGENT_ID" in call.environ:
        return given
    known = any(row["sessionId"] == inherited for row in call.mas.rows())
    return None if known else inherited


def read_config(call: Call, place: str | None) -> Mapping[str, Any] | None:
    """The configuration in a file, or on stdin for ``-``; raises RefusedError where it is none, NotFoundError."""
    if place is None:
        return None
    if place == "-":
        return _parsed(sys.stdin.read(_LARGEST + 1), "on stdin")
    try:
        with os.fdopen(_opened(os.path.join(call.cwd, place)), encoding="utf-8") as file:  # noqa: PTH118
            text = file.read(_LARGEST + 1)  # some devices never end
    except FileNotFoundError:
        raise NotFoundError(
            f"no configuration {shorten(place)}", hint="--config needs a JSON file, or - for stdin"
        ) from None
    except (OSError, ValueError) as error:
        raise RefusedError(f"the configuration {shorten(place)} cannot be read: {type(error).__name__}") from None
    return _parsed(text, shorten(place))


def _opened(path: str) -> int:
    """A descriptor to read from; a pipe that nobody writes to is empty, and is not waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(descriptor, True)
    return descriptor


def _parsed(text: str, name: str) -> Mapping[str, Any]:
    if len(text) > _LARGEST:
        raise RefusedError(f"the configuration {name} is longer than 1 MiB", hint="give long texts to agents as files")
    config = json_table(text, f"the configuration {name}")
    if not config.keys() & CONFIG_KEYS:
        known = ", ".join(CONFIG_KEYS)
        raise RefusedError(f"the configuration {name} says nothing of a team", hint=f"it may have {known}")
    return config


def tell(call: Call, started: "Started", *, as_json: bool, quiet: bool, attach: bool) -> int:
    """Say what came up, and go there where that was asked for."""
    session_id = started.session.session_id
    if as_json:
        call.json(_to_json(call, started))
    elif quiet:
        call.out(session_id)
    else:
        _facts(call, _next(call, started))
    if attach:
        from mas.cli.attach import go  # noqa: PLC0415  only on a terminal

        return go(call, session_id)
    return 0


def _facts(call: Call, pairs: Iterator[tuple[str, str]]) -> None:
    """Aligned for a person; with a single space for scripts, which look for ``Session: NAME`` since the earlier mas."""
    if call.on_terminal:
        from mas import render  # noqa: PLC0415  scripts read it as it is

        call.lines(render.facts(((f"{name}:", value) for name, value in pairs), indent=0, gap=1))
    else:
        call.out("\n".join(f"{name}: {value}" for name, value in pairs))


def _next(call: Call, started: "Started") -> Iterator[tuple[str, str]]:
    from mas.cli.outcome import summary  # noqa: PLC0415  scripts ask for the id alone

    yield "Session ID", started.session.session_id
    yield "Session", started.tmux_name
    yield "Workspace", str(started.workspace)
    yield "Team", summary(started.team)
    yield "Agents", started.reason
    name = started.session.label or call.mas.index().beginning(started.session.session_id)
    up = wanted_up(started.session.document)
    yield "Attach" if up else "Bring up", call.command("attach" if up else "resume", name)


def _to_json(call: Call, started: "Started") -> dict[str, Any]:
    return {
        **call.mas.view(started.session.session_id).to_json(),
        "unitDir": str(started.workspace / "unit"),
        "workflowsDir": str(started.workspace / "workflows"),
        "template": started.team.name,
        "agents": list(started.team.ids),
        "reason": started.reason,
    }


def _show_plan(call: Call, plan: StartPlan, *, as_json: bool, quiet: bool) -> int:
    from mas import render  # noqa: PLC0415  most plans are carried out
    from mas.projections import working_directory  # noqa: PLC0415

    panes = [(pane.agent_id, pane.title, shlex.join(pane.argv)) for pane in plan.launch.panes] if plan.launch else []
    workspace = working_directory(plan.document, call.root)
    if as_json:
        agents = [{"agentId": one, "name": name, "command": command} for one, name, command in panes]
        call.json(
            {
                "sessionId": plan.session_id,
                "tmuxSession": runtime_of(plan.document)["tmux_name"],
                "workingDir": str(workspace),
                "template": str(plan.template.path) if plan.template else "",
                "reason": plan.choice.reason,
                "agents": agents,
                "dryRun": True,
            }
        )
        return 0
    if quiet:
        call.out(plan.session_id)
        return 0
    _facts(call, _planned(plan, workspace))
    call.lines(
        ["", *(f"  {render.cut(line, call.width - 2) if call.on_terminal else line}" for line in render.aligned(panes))]
    )
    call.say("nothing was touched")
    return 0


def _planned(plan: StartPlan, workspace: Path) -> Iterator[tuple[str, str]]:
    from mas.cli.outcome import summary  # noqa: PLC0415  see _next

    yield "Session ID", plan.session_id
    yield "Session", runtime_of(plan.document)["tmux_name"]
    yield "Workspace", str(workspace)
    if plan.template:
        yield "Template", str(plan.template.path)
    yield "Team", summary(plan.team)
    yield "Agents", plan.choice.reason
