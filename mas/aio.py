"""SessionManager's names as coroutines: the same work, done in a thread, so an event loop never waits for a disk."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from mas.config import SessionConfig
from mas.events import SessionEvent, TimestampedEvent
from mas.lifecycle import SessionPhase, SessionStatus
from mas.lines import Line
from mas.manager import SessionManager as Manager
from mas.observers import Observer
from mas.session import Session, SessionConfiguration
from mas.states import SessionCheckpoint, SessionProgress, SessionState, SessionSummary

P = ParamSpec("P")
T = TypeVar("T")


async def _in_a_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    return await asyncio.to_thread(work, *args, **kwargs)


class SessionManager:
    """What ``mas.SessionManager`` does, awaited. Made with the same arguments; ``manager`` is the one underneath."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.manager = Manager(*args, **kwargs)

    async def create_session(
        self,
        feature_request: str | None = "",
        configuration: SessionConfiguration | None = None,
        *,
        config: SessionConfig | None = None,
        session_id: str | None = None,
    ) -> Session:
        """Begin a session."""
        work = self.manager.create_session
        return await _in_a_thread(work, feature_request, configuration, config=config, session_id=session_id)

    async def get_session(self, session_id: str) -> Session:
        """The session as it is."""
        return await _in_a_thread(self.manager.get_session, session_id)

    async def update_session(self, session_id: str, updates: Mapping[str, Any]) -> Session:
        """Change fields."""
        return await _in_a_thread(self.manager.update_session, session_id, updates)

    async def transition_state(self, session_id: str, new_state: SessionStatus | str) -> Session:
        """Move to another status."""
        return await _in_a_thread(self.manager.transition_state, session_id, new_state)

    async def start_session(self, session_id: str) -> Session:
        """Begin the work."""
        return await _in_a_thread(self.manager.start_session, session_id)

    async def record_event(self, session_id: str, event: SessionEvent) -> Session:
        """Record an event."""
        return await _in_a_thread(self.manager.record_event, session_id, event)

    async def complete_session(self, session_id: str) -> SessionSummary:
        """End the work with success."""
        return await _in_a_thread(self.manager.complete_session, session_id)

    async def restore_session(self, session_id: str) -> Session:
        """The session by replay of its whole log."""
        return await _in_a_thread(self.manager.restore_session, session_id)

    async def query_sessions(
        self,
        status: SessionStatus | str | None = None,
        phase: SessionPhase | str | None = None,
        created_after: str | None = None,
        created_before: str | None = None,
        branch: str | None = None,
        limit: int | None = None,
    ) -> list[Session]:
        """Sessions that fit every filter given, newest first."""
        work = self.manager.query_sessions
        return await _in_a_thread(work, status, phase, created_after, created_before, branch, limit)

    async def list_active_sessions(self) -> list[Session]:
        """Sessions that have not ended."""
        return await _in_a_thread(self.manager.list_active_sessions)

    async def get_recent_sessions(self, count: int = 10) -> list[Session]:
        """The newest sessions."""
        return await _in_a_thread(self.manager.get_recent_sessions, count)

    async def delete_session(self, session_id: str, *, force: bool = False) -> None:
        """Remove a session."""
        await _in_a_thread(self.manager.delete_session, session_id, force=force)

    async def get_state(self, session_id: str) -> SessionState:
        """Which of the five states it is in."""
        return await _in_a_thread(self.manager.get_state, session_id)

    async def get_progress(self, session_id: str) -> SessionProgress:
        """How far the session is."""
        return await _in_a_thread(self.manager.get_progress, session_id)

    async def events(self, session_id: str, since: int = 0) -> list[TimestampedEvent]:
        """The events with a number above ``since``."""
        return await _in_a_thread(self.manager.events, session_id, since)

    async def records(self, session_id: str, since: int = 0) -> list[Line]:
        """Every record with a number above ``since``."""
        return await _in_a_thread(lambda: [*self.manager.records(session_id, since)])

    async def save_checkpoint(self, session_id: str) -> SessionCheckpoint:
        """Keep the record as it is now."""
        return await _in_a_thread(self.manager.save_checkpoint, session_id)

    def add_observer(self, observer: Observer) -> None:
        """Tell a function, a coroutine function or a SessionObserver of every event from now on."""
        self.manager.add_observer(observer)

    def remove_observer(self, observer: Observer) -> None:
        """Tell it no more."""
        self.manager.remove_observer(observer)

    async def flush(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109  the same name and meaning as beneath
        """Wait until the observers heard everything recorded so far."""
        return await _in_a_thread(self.manager.flush, timeout)

    async def close(self) -> None:
        """Let the observers finish."""
        await _in_a_thread(self.manager.close)
