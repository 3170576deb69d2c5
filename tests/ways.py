"""Every way in which a caller may change a session, each with the same four verbs.

What is refused raises RefusedError on all of them, so that one walk can take its steps by whichever it likes.
"""

import asyncio
import json
from pathlib import Path
from typing import Any, Protocol

import httpx
from commandline import Done, mas

from mas import aio, events
from mas.errors import RefusedError
from mas.lifecycle import SessionStatus
from mas.manager import SessionManager


class Way(Protocol):
    """What a walk needs of a way."""

    def transition(self, session_id: str, status: SessionStatus) -> None:
        """Move the work on."""

    def record(self, session_id: str, event: events.SessionEvent) -> None:
        """Report what happened."""

    def update(self, session_id: str, updates: dict[str, Any]) -> None:
        """Change fields."""

    def checkpoint(self, session_id: str) -> int:
        """Keep the record as it is; returns its number."""


class ByCall:
    """A manager in this process."""

    def __init__(self, manager: SessionManager) -> None:
        self.manager = manager

    def transition(self, session_id: str, status: SessionStatus) -> None:
        self.manager.transition_state(session_id, status)

    def record(self, session_id: str, event: events.SessionEvent) -> None:
        self.manager.record_event(session_id, event)

    def update(self, session_id: str, updates: dict[str, Any]) -> None:
        self.manager.update_session(session_id, updates)

    def checkpoint(self, session_id: str) -> int:
        return self.manager.save_checkpoint(session_id).seq


class Awaited:
    """A manager's coroutines."""

    def __init__(self, manager: aio.SessionManager) -> None:
        self.manager = manager

    def transition(self, session_id: str, status: SessionStatus) -> None:
        asyncio.run(self.manager.transition_state(session_id, status))

    def record(self, session_id: str, event: events.SessionEvent) -> None:
        asyncio.run(self.manager.record_event(session_id, event))

    def update(self, session_id: str, updates: dict[str, Any]) -> None:
        asyncio.run(self.manager.update_session(session_id, updates))

    def checkpoint(self, session_id: str) -> int:
        return asyncio.run(self.manager.save_checkpoint(session_id)).seq


class Typed:
    """The command line."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def transition(self, session_id: str, status: SessionStatus) -> None:
        self._say("session", "transition", session_id, status)

    def record(self, session_id: str, event: events.SessionEvent) -> None:
        """By a verb of its own where it has one."""
        match event:
            case events.Paused(reason, "user"):
                self._say("pause", session_id, f"--reason={reason}")
            case events.Resumed(to):
                self._say("unpause", session_id, *([f"--to={to}"] if to else []))
            case events.Completed():
                self._say("complete", session_id)
            case events.Failed(error):
                self._say("fail", session_id, f"--error={error}")
            case _:
                data = json.dumps(event.to_data())
                self._say("record", session_id, events.type_of(event), f"--data={data}")

    def update(self, session_id: str, updates: dict[str, Any]) -> None:
        self._say("session", "update", session_id, f"--data={json.dumps(updates)}")

    def checkpoint(self, session_id: str) -> int:
        return int(self._say("checkpoint", "save", session_id).out)

    def _say(self, *words: str) -> Done:
        done = mas(*words, "-q", root=self.root)
        if done.code in (1, 2):
            raise RefusedError(done.err)
        assert done.code == 0, done
        return done


class Posted:
    """A server."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def transition(self, session_id: str, status: SessionStatus) -> None:
        self._ask("POST", f"/sessions/{session_id}/transition", {"status": status})

    def record(self, session_id: str, event: events.SessionEvent) -> None:
        self._ask("POST", f"/sessions/{session_id}/events", {"type": events.type_of(event), "data": event.to_data()})

    def update(self, session_id: str, updates: dict[str, Any]) -> None:
        self._ask("PATCH", f"/sessions/{session_id}", updates)

    def checkpoint(self, session_id: str) -> int:
        return int(self._ask("POST", f"/sessions/{session_id}/checkpoints", None)["seq"])

    def _ask(self, method: str, path: str, body: Any) -> Any:
        answer = self.client.request(method, path, json=body)
        if answer.status_code in (400, 409):
            raise RefusedError(answer.text)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()
