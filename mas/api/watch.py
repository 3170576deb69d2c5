"""Noticing teams that are gone without having been stopped, and recording it, as the next command would."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from mas.api.work import Work
from mas.app import Mas
from mas.errors import MasError


@asynccontextmanager
async def watching(mas: Mas, work: Work, seconds: float) -> AsyncIterator[None]:
    """Look every so many seconds, until the end of the block; each look is one question to tmux."""
    task = asyncio.create_task(_watch(mas, work, seconds))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _watch(mas: Mas, work: Work, seconds: float) -> None:
    while True:
        with suppress(MasError):
            await work.do(lambda: record_lost(mas))
        await asyncio.sleep(seconds)


def record_lost(mas: Mas) -> Sequence[str]:
    """Record what is gone; returns the ids of those sessions. Blocks."""
    believed = {row["sessionId"] for row in mas.rows() if row.get("status") == "active"}
    if not believed:
        return []
    views = mas.list(everything=True).views
    lost = [view.session_id for view in views if view.status == "stopped" and not view.stale]
    found = [session_id for session_id in lost if session_id in believed]
    for session_id in found:
        with suppress(MasError):
            mas.manager.change(session_id, lambda _document, _now: [])
    return found
