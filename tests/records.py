"""Records to test with, and ways to get one into each status."""

import hashlib
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from mas import events, guard, replay
from mas.lifecycle import SessionStatus
from mas.record import CREATED, Document, fold
from mas.replay import Entry, Stored

ID = "11111111-2222-4333-8444-555555555555"
OTHER_ID = "aaaaaaaa-2222-4333-8444-555555555555"
T0 = "2026-01-07T13:00:00.000000Z"

GIT = {"branch": "main", "commit": "a" * 40, "repo_root": "/a repo", "is_worktree": False}


def time(seconds: float) -> str:
    """A moment so many seconds after ``T0``, within its hour."""
    return f"2026-01-07T13:{int(seconds) // 60:02}:{seconds % 60:09.6f}Z"


def first(session_id: str = ID, **more: Any) -> dict[str, Any]:
    """The document of a session's first record."""
    return {
        "session_id": session_id,
        "feature_request": "Build it",
        "status": "initializing",
        "created_at": T0,
        "updated_at": T0,
        "git_context": dict(GIT),
        "statistics": {
            "total_tasks": 0,
            "completed_tasks": 0,
            "failed_tasks": 0,
            "decisions_made": 0,
            "checkpoints_created": 0,
            "error_recovery_count": 0,
            "duration_seconds": 0.0,
        },
        "configuration": {
            "max_iterations": 3,
            "timeout_minutes": 120,
            "auto_checkpoint": True,
            "error_recovery_enabled": True,
        },
        "lifecycle": {},
        **more,
    }


def begun(**more: Any) -> Stored:
    """A stored session that was just created."""
    return replay.extend(None, [(CREATED, first(**more))], T0)[1]


def grown(stored: Stored, *entries: Entry, at: float = 1) -> Stored:
    """The session after some more records."""
    return replay.extend(stored, entries, time(at))[1]


def happened(stored: Stored, *what: events.SessionEvent, at: float = 1) -> Stored:
    """The session after some events, each admitted by the guard."""
    for event in what:
        stored = grown(stored, *guard.consequences(stored.document, event, time(at)), at=at)
    return stored


def in_status(status: SessionStatus, **more: Any) -> Document:
    """A record in that status, reached by the shortest way."""
    document = begun(**more).document
    for seq, step in enumerate(path_to(status), 2):
        for kind, data in guard.transition(document, step, time(seq)):
            document = fold(document, kind, data, document["rev"] + 1, time(seq))
    return document


def path_to(status: SessionStatus) -> tuple[SessionStatus, ...]:
    """The statuses a session passes on the shortest way from initializing, that one excluded."""
    s = SessionStatus
    line = (s.PLANNING, s.GENERATING_TASKS, s.IMPLEMENTING, s.VALIDATING, s.GENERATING_REPORT, s.COMPLETED)
    if status is s.INITIALIZING:
        return ()
    return (status,) if status in (s.PAUSED, s.FAILED) else line[: line.index(status) + 1]


def clock(step: float = 1.0) -> Callable[[], str]:
    """A clock that moves on whenever it is looked at."""
    ticks = count(1)
    return lambda: time(next(ticks) * step)


def fingerprint(place: Path, *, without: tuple[str, ...] = (".locks",)) -> str:
    """A hash over every name, kind, mode and byte below a directory; lock files hold no state."""
    found = hashlib.sha256()
    for path in sorted(walk(place, without)):
        status = path.lstat()
        content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        found.update(repr((str(path.relative_to(place)), status.st_mode, content)).encode())
    return found.hexdigest()


def walk(place: Path, without: tuple[str, ...] = ()) -> Iterator[Path]:
    """Everything below a directory that is not in one of these."""
    for path in place.iterdir():
        if path.name not in without:
            yield path
            if path.is_dir() and not path.is_symlink():
                yield from walk(path, without)
