"""The record of a session: what its log folds to. Pure.

A record is a document, the very one that ``metadata.json`` holds: Maestro's keys at the top level, ours below
``lifecycle`` and ``runtime``. ``fold`` takes every record of a log into account and refuses nothing that was ever
admitted, so a log can always be replayed; keys and types it does not know survive. What may happen next is decided in
``mas.guard``.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mas.lifecycle import COARSE, TERMINAL, Coarse, SessionStatus
from mas.states import SessionSummary

Document = Mapping[str, Any]
"""A record as plain JSON values. Treated as immutable: whoever changes one makes another."""

SCHEMA = 1
"""Version of the snapshot's form; a file with a higher one is read, never written."""

OWN_KEYS = frozenset({"rev", "log", "schema", "checksum"})
"""Keys that describe a snapshot, not the session."""

CREATED = "created"
"""Type of a log's first record; its data is the record as it begins."""

SALVAGED = "salvaged"
"""Type of the record behind a part of a log that was given up; its data is the newest record known."""

IMPORTED = "imported"
"""Type of the record that takes over what another program wrote into the snapshot."""

WHOLE = frozenset({CREATED, SALVAGED, IMPORTED})
"""Types whose data is a whole record, or the larger part of one, and may be as long."""


def seconds_between(earlier: str, later: str) -> float:
    """Seconds from one timestamp to another; 0 where the clock went backwards or a timestamp is unreadable."""
    try:
        return max(0.0, (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds())
    except (TypeError, ValueError):
        return 0.0


def status_of(document: Document) -> SessionStatus:
    """The lifecycle status of a record."""
    return SessionStatus(document["status"])


def lifecycle_of(document: Document) -> Mapping[str, Any]:
    """Our part of the record about the work; empty for one that an older program wrote."""
    return document.get("lifecycle") or {}


def runtime_of(document: Document) -> Mapping[str, Any]:
    """Our part of the record about the team in tmux; empty for a session that is only a record."""
    return document.get("runtime") or {}


def iteration_of(document: Document) -> int:
    """The latest iteration, 0 before the first."""
    return int(lifecycle_of(document).get("iteration") or 0)


def options_of(document: Document) -> Mapping[str, Any]:
    """The session's switches (fail_fast, auto_merge, collect_metrics, verbose); missing ones are off."""
    return (lifecycle_of(document).get("config") or {}).get("options") or {}


def configured(document: Document, switch: str) -> bool:
    """Whether a switch of the session's configuration is on; they are where nothing else is said."""
    return (document.get("configuration") or {}).get(switch, True) is not False


def lacks_worktree(document: Document) -> bool:
    """Whether the session was to have a git worktree and does not: making it was cut off."""
    config = lifecycle_of(document).get("config") or {}
    return isinstance(config.get("execution_mode"), Mapping) and not lifecycle_of(document).get("worktree")


def max_iterations_of(document: Document) -> int:
    """How many iterations the session may have."""
    most = (document.get("configuration") or {}).get("max_iterations")
    return most if isinstance(most, int) else 3


def timeout_minutes_of(document: Document) -> float:
    """How many minutes the session may work, 0 where nothing sensible is said."""
    minutes = (document.get("configuration") or {}).get("timeout_minutes")
    return minutes if isinstance(minutes, int | float) and 0 < minutes < 1e9 else 0


def active_seconds(document: Document, now: str) -> float:
    """Seconds of work since the start, pauses left out, until ``now`` or the session's end."""
    lifecycle = lifecycle_of(document)
    end = document.get("completed_at") or (lifecycle.get("pause") or {}).get("at") or now
    return max(0.0, seconds_between(lifecycle.get("started_at", ""), end) - float(lifecycle.get("paused_seconds", 0)))


COUNTS = ("commands", "failed_commands", "file_changes", "lines_added", "lines_removed", "commits")
"""What is counted in the snapshot; the full lists are folded from the log."""


def summarize(document: Document, now: str) -> SessionSummary:
    """What the session amounts to if it ends now."""
    lifecycle = lifecycle_of(document)
    counts = {name: lifecycle.get("counts", {}).get(name, 0) for name in COUNTS}
    return SessionSummary(
        session_id=document["session_id"],
        started_at=lifecycle.get("started_at", ""),
        completed_at=now,
        duration_seconds=round(active_seconds(document, now), 6),
        iterations=lifecycle.get("completed", 0),
        **counts,
    )


def fold(document: Document | None, kind: str, data: Mapping[str, Any], seq: int, ts: str) -> Document:
    """The record after one more line of its log. A whole one begins it anew; an unknown type only moves ``rev``.

    Raises KeyError, TypeError, ValueError or AttributeError for data that no guard ever let through.
    """
    if document is None or kind == SALVAGED:
        return {**data, "rev": seq}
    changed = dict(document)
    folder = _FOLDERS.get(kind)
    if folder:
        changed["lifecycle"] = dict(lifecycle_of(document))
        folder(changed, changed["lifecycle"], data, ts)
    changed["updated_at"] = ts
    changed["rev"] = seq
    return changed


def _start(document: dict[str, Any], lifecycle: dict[str, Any], data: Mapping[str, Any], ts: str) -> None:
    document["status"] = SessionStatus.PLANNING.value
    lifecycle["started_at"] = ts
    lifecycle["iteration"] = 0
    if data.get("config"):
        lifecycle["config"] = data["config"]


def _change_phase(document: dict[str, Any], lifecycle: dict[str, Any], data: Mapping[str, Any], ts: str) -> None:
    del lifecycle, ts
    document["status"] = SessionStatus(data["to"]).value


def _begin_iteration(document: dict[str, Any], lifecycle: dict[str, Any], data: Mapping[str, Any], ts: str) -> None:
    lifecycle.update(iteration=data["number"], open=data["number"], opened_at=ts, opened_rev=document.get("rev", 0))
    if data.get("mark"):
        lifecycle["mark"] = data["mark"]


def _end_iteration(document: dict[str, Any], lifecycle: dict[str, Any], data: Mapping[str, Any], ts: str) -> None:
    del document, ts
    changes = data.get("changes") or {}
    lifecycle["completed"] = data["number"]
    for name in ("open", "opened_at", "opened_rev", "mark"):
        lifecycle.pop(name, None)
    _count(lifecycle, "lines_added", changes.get("lines_added", 0))
    _count(lifecycle, "lines_removed", changes.get("lines_removed", 0))
    _count_lists(lifecycle, changes)
    _count(lifecycle, "commands", -data.get("repeated", 0))


def _count_portion(document: dict[str, Any], lifecycle: dict[str, Any], data: Mapping[str, Any], ts: str) -> None:
    del document, ts
    _count_lists(lifecycle, data)


def _count_lists(lifecycle: dict[str, Any], changes: Mapping[str, Any]) -> None:
    _count(lifecycle, "file_changes", len(changes.get("files_modified", ())))
    _count(lifecycle, "commits", len(changes.get("git_commits", ())))
    _count(lifecycle, "commands", len(changes.get("commands_run", ())))


def _count_command(document: dict[str, Any], lifecycle: dict[str, Any], data: Mapping[str, Any], ts: str) -> None:
    del document, ts
    _count(lifecycle, "commands", 1)
    _count(lifecycle, "failed_commands", 0 if data.get("success", True) else 1)


def _pause(document: dict[str, Any], lifecycle: dict[str, Any], data: Mapping[str, Any], ts: str) -> None:
    document["status"] = SessionStatus.PAUSED.value
    lifecycle["pause"] = {**data, "at": ts}


def _resume(document: dict[str, Any], lifecycle: dict[str, Any], data: Mapping[str, Any], ts: str) -> None:
    document["status"] = SessionStatus(data["to"]).value
    if lifecycle.get("started_at"):
        _end_pause(lifecycle, ts)
    else:
        lifecycle.pop("pause", None)
        lifecycle["started_at"] = ts
        lifecycle.setdefault("iteration", 0)


def _end_pause(lifecycle: dict[str, Any], ts: str) -> None:
    pause = lifecycle.pop("pause", None)
    if pause and lifecycle.get("started_at"):
        paused = lifecycle.get("paused_seconds", 0.0) + seconds_between(pause.get("at", ts), ts)
        lifecycle["paused_seconds"] = round(paused, 6)


def _complete(document: dict[str, Any], lifecycle: dict[str, Any], data: Mapping[str, Any], ts: str) -> None:
    _end(document, lifecycle, SessionStatus.COMPLETED, ts)
    lifecycle["summary"] = data.get("summary") or {}
    if data.get("merged"):
        lifecycle["worktree"] = {**(lifecycle.get("worktree") or {}), "merged": data["merged"]}


def _fail(document: dict[str, Any], lifecycle: dict[str, Any], data: Mapping[str, Any], ts: str) -> None:
    _end(document, lifecycle, SessionStatus.FAILED, ts)
    lifecycle["error"] = data["error"]


def _end(document: dict[str, Any], lifecycle: dict[str, Any], status: SessionStatus, ts: str) -> None:
    _end_pause(lifecycle, ts)
    document["status"] = status.value
    document["completed_at"] = ts


def _update(document: dict[str, Any], lifecycle: dict[str, Any], data: Mapping[str, Any], ts: str) -> None:
    del lifecycle, ts
    for name, value in data["set"].items():
        if name == "label":
            document["runtime"] = {**runtime_of(document), "label": value}
        elif value is None:
            document.pop(name, None)
        else:
            document[name] = value


def _observe(document: dict[str, Any], lifecycle: dict[str, Any], data: Mapping[str, Any], ts: str) -> None:
    del lifecycle, ts
    document["runtime"] = {**runtime_of(document), **data}


def _mark_worktree(document: dict[str, Any], lifecycle: dict[str, Any], data: Mapping[str, Any], ts: str) -> None:
    del document, ts
    lifecycle["worktree"] = dict(data)


def _count_checkpoint(document: dict[str, Any], lifecycle: dict[str, Any], data: Mapping[str, Any], ts: str) -> None:
    del lifecycle, data, ts
    statistics = dict(document.get("statistics") or {})
    statistics["checkpoints_created"] = int(statistics.get("checkpoints_created", 0)) + 1
    document["statistics"] = statistics


def _import(document: dict[str, Any], lifecycle: dict[str, Any], data: Mapping[str, Any], ts: str) -> None:
    del lifecycle, ts
    for name in data.get("unset", ()):
        document.pop(name, None)
    document.update(data["set"])


def _count(lifecycle: dict[str, Any], name: str, more: int) -> None:
    if more:
        counts = dict(lifecycle.get("counts") or {})
        counts[name] = counts.get(name, 0) + more
        lifecycle["counts"] = counts


_FOLDERS = {
    "started": _start,
    "phase_changed": _change_phase,
    "iteration_started": _begin_iteration,
    "iteration_completed": _end_iteration,
    "changes": _count_portion,
    "command_executed": _count_command,
    "paused": _pause,
    "resumed": _resume,
    "completed": _complete,
    "failed": _fail,
    "updated": _update,
    "runtime": _observe,
    "checkpoint": _count_checkpoint,
    IMPORTED: _import,
    "worktree": _mark_worktree,
}


def broken_invariant(document: Document) -> str | None:
    """The first rule between status and data that a record breaks, in words; None for a sound one."""
    lifecycle, coarse = lifecycle_of(document), COARSE[status_of(document)]
    pairs = (
        (coarse is Coarse.PAUSED, "pause" in lifecycle, "pause data"),
        (coarse is Coarse.COMPLETED, "summary" in lifecycle, "a summary"),
        (coarse is Coarse.FAILED, "error" in lifecycle, "an error"),
        (status_of(document) in TERMINAL, bool(document.get("completed_at")), "completed_at"),
    )
    for wanted, present, what in pairs:
        if wanted != present:
            return f"a session that is {document['status']} {'has' if present else 'lacks'} {what}"
    return None
