"""Noticing teams that are gone without having been stopped, and recording it, as the next command would."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from mas.api.work import Work
from mas.app import Mas
from mas.errors import MasError

LOOK = 5.0
"""Seconds between two looks: one question to tmux each."""


class Watch:
    """The watch of one server."""

    def __init__(self, mas: Mas, work: Work) -> None:
        self._mas = mas
        self._work = work

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Watch until the end of the block."""
        task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _watch(self) -> None:
        while True:
            with suppress(MasError):
                await self._work.do(self.record_lost)
            await asyncio.sleep(LOOK)

    def record_lost(self) -> Sequence[str]:
        """Record what is gone; returns the ids of those sessions. Blocks."""
        believed = {row["sessionId"] for row in self._mas.rows() if row.get("status") == "active"}
        if not believed:
            return []
        now = self._mas.list(everything=True)
        lost = [view.session_id for view in now.views if view.status == "stopped" and not view.stale]
        found = [session_id for session_id in lost if session_id in believed]
        for session_id in found:
            with suppress(MasError):
                self._mas.manager.change(session_id, lambda _document, _now: [])
        return found
