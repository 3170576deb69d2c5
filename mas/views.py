"""How a session looks from outside: one answer for the terminal, ``--json`` and HTTP. Pure.

A view is a row of the index, corrected by what tmux says now.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mas.errors import RefusedError, UsageError, shorten
from mas.index import OLD_WORDS, Row
from mas.structs import Frozen

if TYPE_CHECKING:
    from mas.session import Session
    from mas.states import SessionProgress

NEWEST = 50
"""How many sessions a listing shows besides the live ones."""


class Live(NamedTuple):
    """A tmux session as far as a view needs it. ``session_id`` is empty where nobody tagged it."""

    name: str
    session_id: str
    attached: bool


class View(NamedTuple):
    """One session. ``stale`` means tmux gave no answer; ``session_id`` is empty for one that nobody registered."""

    session_id: str
    tmux_name: str
    status: str
    lifecycle: str = ""
    mode: str = ""
    label: str = ""
    created_at: str = ""
    last_activity: str = ""
    working_dir: str = ""
    agent_count: int = 0
    attached: bool = False
    stale: bool = False

    def to_json(self) -> dict[str, Any]:
        """The view in the words of the HTTP API."""
        return {
            "sessionId": self.session_id,
            "tmuxSession": self.tmux_name,
            "status": self.status,
            "stale": self.stale,
            "attached": self.attached,
            "lifecycle": self.lifecycle,
            "mode": self.mode,
            "sessionMode": self.mode,
            "label": self.label,
            "createdAt": self.created_at,
            "startedAt": self.created_at,
            "lastActivity": self.last_activity,
            "workingDir": self.working_dir,
            "agentCount": self.agent_count,
        }


def of_row(row: Row, live: Live | None, *, known: bool = True, sound: bool = True) -> View:
    """The view of a row: ``known`` is False where tmux gave no answer, ``sound`` where the workspace is missing."""
    return View(
        session_id=row["sessionId"],
        tmux_name=_text(row, "tmuxSession"),
        status=_word(row, live, known=known, sound=sound),
        lifecycle=_text(row, "lifecycle"),
        mode=_text(row, "mode"),
        label=_text(row, "label"),
        created_at=_text(row, "createdAt"),
        last_activity=_text(row, "lastActivity"),
        working_dir=_text(row, "workingDir"),
        agent_count=_count(row, "agentCount"),
        attached=bool(live and live.attached),
        stale=not known,
    )


def _text(row: Row, key: str) -> str:
    """A value of a row; somebody else may have written it, so what is no text counts as none."""
    value = row.get(key)
    return value if isinstance(value, str) else ""


def _count(row: Row, key: str) -> int:
    value = row.get(key)
    return value if isinstance(value, int) else 0


def _word(row: Row, live: Live | None, *, known: bool, sound: bool) -> str:
    last = _text(row, "status") or "stopped"
    last = OLD_WORDS.get(last, last)
    if not sound or last == "error":
        return "error"
    if not known:
        return last
    return "active" if live else "stopped"


def unregistered(live: Live, agents: int = 0) -> View:
    """The view of a tmux session that has our name and no record: an earlier program's, or somebody's own."""
    return View("", live.name, "active", mode="legacy", agent_count=agents, attached=live.attached)


def newest_first(views: Iterable[View]) -> list[View]:
    """Live sessions before the others, each from the newest to the oldest; what came later in a second is newer."""
    return sorted(views, key=lambda view: (view.status == "active", view.created_at))[::-1]


def status_word(status: str | None) -> str | None:
    """The word that is asked for, None for all; raises UsageError for one that means nothing."""
    if status is None or status == "all":
        return None
    word = OLD_WORDS.get(status, status)
    if word not in ("active", "stopped", "error"):
        msg = f"unknown status {shorten(status)}"
        raise UsageError(msg, hint="one of: active, stopped, error, all")
    return word


def fits(view: View, status: str | None, *, active: bool) -> bool:
    """Whether a session is one of those asked for."""
    return (status is None or view.status == status) and (not active or view.status == "active")


def bounded(found: Sequence[View], limit: int | None) -> Sequence[View]:
    """The first ``limit`` sessions, or what is live and NEWEST others; raises RefusedError for a limit below 1."""
    if limit is not None:
        if limit < 1:
            raise RefusedError(f"limit is {limit}, expected a whole number of at least 1")
        return found[:limit]
    live = sum(1 for view in found if view.status == "active")
    return found[: live + NEWEST]


def listing(views: Sequence[View], total: int, timestamp: str) -> Mapping[str, Any]:
    """The answer to a listing: the sessions shown, and how many fit in all."""
    rows = [view.to_json() for view in views]
    return {"sessions": rows, "total": total, "count": len(rows), "timestamp": timestamp}


def progress(session: "Session", found: "SessionProgress") -> dict[str, Any]:
    """How far the work of a session is."""
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


class Listed(Frozen):
    """The sessions a listing shows, of ``total`` that fit; ``complaint`` says why tmux gave no answer."""

    views: tuple[View, ...]
    total: int
    timestamp: str
    complaint: str = ""

    def to_json(self) -> dict[str, Any]:
        """The listing in the words of the HTTP API."""
        return dict(listing(self.views, self.total, self.timestamp))
