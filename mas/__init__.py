"""mas runs teams of terminal agents: sessions with a workspace, a lifecycle and a history of their own.

The names for programs can be imported from here; each is loaded when it is asked for, so ``import mas`` costs little.
"""

from importlib import import_module

TYPE_CHECKING = False  # as checkers know it; loading typing would cost more than all of this

if TYPE_CHECKING:
    from typing import Any

    from mas.config import ExecutionMode, SessionConfig, SessionOptions
    from mas.errors import MasError
    from mas.events import SessionEvent, TimestampedEvent
    from mas.filestore import FileStorage
    from mas.iteration import CommitInfo, IterationChanges
    from mas.lifecycle import SessionPhase, SessionStatus
    from mas.manager import SessionManager
    from mas.observers import SessionObserver
    from mas.session import GitContext, PRDReference, Session, SessionConfiguration, SessionStatistics
    from mas.states import (
        ExecutedCommand,
        IterationMetrics,
        PersistedSession,
        SessionCheckpoint,
        SessionInfo,
        SessionMetrics,
        SessionProgress,
        SessionState,
        SessionSummary,
    )
    from mas.storage import MemoryStorage, SessionStorage

__version__ = "3.0.0"

_HOMES = {
    "CommitInfo": "iteration",
    "ExecutedCommand": "states",
    "ExecutionMode": "config",
    "FileStorage": "filestore",
    "GitContext": "session",
    "IterationChanges": "iteration",
    "IterationMetrics": "states",
    "MasError": "errors",
    "MemoryStorage": "storage",
    "PRDReference": "session",
    "PersistedSession": "states",
    "Session": "session",
    "SessionCheckpoint": "states",
    "SessionConfig": "config",
    "SessionConfiguration": "session",
    "SessionEvent": "events",
    "SessionInfo": "states",
    "SessionManager": "manager",
    "SessionMetrics": "states",
    "SessionObserver": "observers",
    "SessionOptions": "config",
    "SessionPhase": "lifecycle",
    "SessionProgress": "states",
    "SessionState": "states",
    "SessionStatistics": "session",
    "SessionStatus": "lifecycle",
    "SessionStorage": "storage",
    "SessionSummary": "states",
    "TimestampedEvent": "events",
}

__all__ = [
    "CommitInfo",
    "ExecutedCommand",
    "ExecutionMode",
    "FileStorage",
    "GitContext",
    "IterationChanges",
    "IterationMetrics",
    "MasError",
    "MemoryStorage",
    "PRDReference",
    "PersistedSession",
    "Session",
    "SessionCheckpoint",
    "SessionConfig",
    "SessionConfiguration",
    "SessionEvent",
    "SessionInfo",
    "SessionManager",
    "SessionMetrics",
    "SessionObserver",
    "SessionOptions",
    "SessionPhase",
    "SessionProgress",
    "SessionState",
    "SessionStatistics",
    "SessionStatus",
    "SessionStorage",
    "SessionSummary",
    "TimestampedEvent",
    "__version__",
]


def __getattr__(name: str) -> "Any":
    """Load a public name when it is asked for."""
    if name not in _HOMES:
        msg = f"module 'mas' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f"mas.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, loaded or not."""
    return sorted({*globals(), *__all__})
