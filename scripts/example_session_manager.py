#!/usr/bin/env python3
"""What the session manager can do, as a program to run and to read: ``python3 example_session_manager.py``.

It works in a repository of its own that is gone afterwards.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from session_manager import (
    SessionConfiguration,
    SessionManager,
    SessionPhase,
    SessionStatus,
)

WAY = (
    SessionStatus.PLANNING,
    SessionStatus.GENERATING_TASKS,
    SessionStatus.IMPLEMENTING,
    SessionStatus.VALIDATING,
    SessionStatus.GENERATING_REPORT,
    SessionStatus.COMPLETED,
)


def from_beginning_to_end(manager: SessionManager) -> None:
    """A session that goes well."""
    settings = SessionConfiguration(max_iterations=3, timeout_minutes=120, auto_checkpoint=True)
    session = manager.create_session("Build a REST API", configuration=settings)
    print(f"created    {session.session_id}: {session.feature_request}")
    for status in WAY:
        session = manager.transition_state(session.session_id, status)
        if status is SessionStatus.IMPLEMENTING:
            updates = {"current_phase": SessionPhase.IMPLEMENT, "statistics": {"total_tasks": 10, "completed_tasks": 5}}
            session = manager.update_session(session.session_id, updates)
        print(f"now        {session.status}")
    print(f"completed  at {session.completed_at}, {session.statistics.completed_tasks} tasks")


def pausing(manager: SessionManager) -> None:
    """A session that rests and goes on, with the document it works from."""
    session_id = manager.create_session("Add user authentication").session_id
    manager.transition_state(session_id, SessionStatus.PLANNING)
    manager.transition_state(session_id, SessionStatus.PAUSED)
    print(f"paused     {session_id}")
    manager.transition_state(session_id, SessionStatus.IMPLEMENTING)
    reference = {"filename": "prd.md", "path": "docs/prd.md", "version": "1.0.0"}
    session = manager.update_session(session_id, {"prd_reference": reference})
    print(f"resumed    as {session.status}, from {session.prd_reference.path}")


def asking(manager: SessionManager) -> None:
    """What is there."""
    print(
        f"completed  {len(manager.query_sessions(status=SessionStatus.COMPLETED))} of {len(manager.query_sessions())}"
    )
    print(f"active     {[session.status.value for session in manager.list_active_sessions()]}")
    print(f"newest     {manager.get_recent_sessions(count=1)[0].feature_request}")


def refusals(manager: SessionManager) -> None:
    """What cannot be done says why, and changes nothing."""
    session_id = manager.create_session("Skip everything").session_id
    try:
        manager.transition_state(session_id, SessionStatus.COMPLETED)
    except ValueError as error:
        print(f"refused    {error}")
    manager.delete_session(session_id)
    try:
        manager.get_session(session_id)
    except FileNotFoundError as error:
        print(f"refused    {error}")


def main() -> None:
    """Run all of it."""
    with tempfile.TemporaryDirectory() as place:
        manager = SessionManager(place)
        for example in (from_beginning_to_end, pausing, asking, refusals):
            example(manager)


if __name__ == "__main__":
    main()
