"""Sessions in the words of the API: a page of a list, and one in full."""

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from mas import details, files, projections
from mas.api.here import Here
from mas.clock import utc_now
from mas.errors import MasError
from mas.session import Session
from mas.states import SessionProgress

_SERVED = {"httpServerStatus": "running"}


def listed(at: Here, status: str, mode: str, limit: int, offset: int) -> dict[str, Any]:
    """A page of the sessions that fit."""
    found = at.mas.list(everything=True, status=status)
    fitting = [view for view in found.views if mode in ("all", view.mode)]
    page = fitting[offset : offset + limit]
    stale = {"complaint": found.complaint} if found.complaint else {}
    return {
        "sessions": [view.to_json() | _SERVED for view in page],
        "total": len(fitting),
        "count": len(page),
        "timestamp": found.timestamp,
        **stale,
    }


def detail(at: Here, session_id: str) -> dict[str, Any]:
    """Everything there is to say about a session; what cannot be read is empty, and said in ``problem``."""
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


def _progress(at: Here, session_id: str) -> Mapping[str, Any] | None:
    with suppress(MasError):
        return progress(at, session_id)
    return None


def progress(at: Here, session_id: str) -> dict[str, Any]:
    """How far the work is, as ``mas progress --json`` says it."""
    return _progress_of(at.mas.manager.get_session(session_id), at.mas.manager.get_progress(session_id))


def _progress_of(session: Session, found: SessionProgress) -> dict[str, Any]:
    return {
        "sessionId": session.session_id,
        "lifecycle": str(session.status),
        "phase": found.current_phase,
        "iterationsCompleted": found.iterations_completed,
        "totalIterations": found.total_iterations,
        "filesChanged": sorted(str(path) for path in found.files_changed),
        "commandsExecuted": [
            {"command": one.command, "success": one.success, "timestamp": one.timestamp}
            for one in found.commands_executed
        ],
        "durationSeconds": round(found.duration.total_seconds(), 3),
        "timeoutMinutes": session.configuration.timeout_minutes,
        "overdue": found.overdue,
        "iterations": [
            {
                "number": one.number,
                "startedAt": one.started_at,
                "completedAt": one.completed_at,
                "durationSeconds": one.duration_seconds,
                "success": one.success,
                **one.changes.to_json(),
            }
            for one in found.metrics.iterations
        ],
    }
