"""Sessions in the words of the API: a page of a list, and one in full."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from mas import adopting, details, files, projections, teamfile, tmux, views, workspace
from mas.api.here import Here
from mas.attaching import Target
from mas.clock import utc_now
from mas.errors import MasError

_SERVED = {"httpServerStatus": "running"}


def listed(at: Here, status: str, mode: str, limit: int, offset: int) -> dict[str, Any]:
    """A page of the sessions that fit; ``inactive`` are those that are up with nobody looking, as it always was."""
    found = at.mas.list(everything=True, status="active" if status == "inactive" else status)
    fitting = [
        view for view in found.views if mode in ("all", view.mode) and not (status == "inactive" and view.attached)
    ]
    page = fitting[offset : offset + limit]
    stale = {"complaint": found.complaint} if found.complaint else {}
    return {
        "sessions": [view.to_json() | _SERVED for view in page],
        "total": len(fitting),
        "count": len(page),
        "timestamp": found.timestamp,
        **stale,
    }


def detail(at: Here, name: str) -> dict[str, Any]:
    """Everything there is to say about a session; what cannot be read is empty, and said in ``problem``."""
    meant = at.meant(name)
    return _registered(at, meant) if isinstance(meant, str) else _unregistered(at, meant)


def agents(at: Here, name: str) -> dict[str, Any]:
    """The agents of a session."""
    meant = at.meant(name)
    found = details.gather(at.mas, meant) if isinstance(meant, str) else stray(at, meant)
    return {**found.agents_to_json(), "timestamp": utc_now()}


def stray(at: Here, target: Target) -> details.Details:
    """What tmux says of a session that nobody registered; its agents where the root's own directories name them."""
    asked = target.server, target.seen.tmux_id, ""
    panes, facts = tmux.panes(*asked), tmux.pane_facts(*asked)
    name, attached = target.seen.name, target.seen.attached > 0
    agents = tuple(_recognised(at, panes, facts))
    return details.Details(
        views.unregistered(views.Live(name, "", attached), len(agents)),
        agents=agents,
        windows=details.windows_of(panes),
        problem="nobody has registered it",
        remedy=f"`mas adopt {name}` takes it in",
    )


def _recognised(
    at: Here, panes: Sequence[tmux.SeenPane], facts: Mapping[str, tmux.PaneFacts]
) -> Iterator[details.AgentDetail]:
    with suppress(MasError):
        team = workspace.shared_team(at.mas.root)
        ids, _ = adopting.fit(team, panes)
        named = [pane._replace(agent_id=ids.get(pane.pane_id, "")) for pane in panes]
        found = details.agents_of(team, named, facts, at.mas.root.path / "unit")
        yield from (agent for agent in found if agent.pane_id)


def _unregistered(at: Here, target: Target) -> dict[str, Any]:
    nowhere = dict.fromkeys(("sessionDir", "unitDir", "workflowsDir", "configPath"), "")
    nothing: dict[str, Any] = {"units": [], "logs": [], "metadata": {}, "config": None, "record": {}, "progress": None}
    return {**stray(at, target).to_json(), **_SERVED, **nowhere, **nothing, "timestamp": utc_now()}


def _registered(at: Here, session_id: str) -> dict[str, Any]:
    found = details.gather(at.mas, session_id)
    paths = at.mas.root.session(session_id)
    answer = found.to_json()
    return {
        **answer,
        **_SERVED,
        "sessionDir": str(paths.directory),
        "configPath": str(paths.config),
        "units": _units(answer["unitDir"], found.agents),
        "logs": _logs(str(paths.logs)),
        "metadata": _metadata(at, session_id),
        "config": _config(at, session_id),
        "record": dict(found.document),
        "progress": _progress(at, session_id),
        "timestamp": utc_now(),
    }


def _units(place: str, agents: Iterable[details.AgentDetail]) -> Sequence[Mapping[str, Any]]:
    units: dict[str, dict[str, str]] = {}
    for agent in agents:
        units.setdefault(agent.unit, {})[agent.id] = f"{place}/{agent.id}"
    return [{"name": name, "agents": [*paths], "paths": paths} for name, paths in units.items()]


def _logs(place: str) -> Sequence[Mapping[str, Any]]:
    with suppress(FileNotFoundError, MasError), files.directory(place) as fd:
        names = sorted(name for name in os.listdir(fd) if name.endswith(".log"))  # noqa: PTH208
        return [{"name": name, "path": f"{place}/{name}", "bytes": files.size_of(fd, name) or 0} for name in names]
    return []


def _metadata(at: Here, session_id: str) -> Mapping[str, str]:
    """What ``.session`` says."""
    paths = at.mas.root.session(session_id)
    with suppress(FileNotFoundError, MasError), files.directory(paths.directory) as fd:
        return projections.parse_shell(files.read(fd, paths.shell.name).decode("utf-8", "surrogateescape"))
    return {}


def _config(at: Here, session_id: str) -> Mapping[str, Any] | None:
    """What agents are told, in the shape in which it was asked for; None where no team was."""
    with suppress(MasError):
        config = teamfile.stored_config(at.mas, session_id)
        return {name: value for name, value in config.items() if name != "mas"}
    return None


def _progress(at: Here, session_id: str) -> Mapping[str, Any] | None:
    with suppress(MasError):
        return progress(at, session_id)
    return None


def progress(at: Here, session_id: str) -> dict[str, Any]:
    """How far the work is, as ``mas progress --json`` says it."""
    return views.progress(at.mas.manager.get_session(session_id), at.mas.manager.get_progress(session_id))
