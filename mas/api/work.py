"""Blocking work, kept off the event loop: a bounded number of threads, and turns in the order of asking.

Bringing teams up and down has turns of its own, so that a burst of it waits without keeping anybody from looking.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from mas.api.config import Limits
from mas.errors import BusyError, MasError, explained

Result = TypeVar("Result")


class Work:
    """The threads of one server."""

    def __init__(self, limits: Limits) -> None:
        self._pool = ThreadPoolExecutor(limits.threads + limits.creates, thread_name_prefix="mas-api")
        self._looking = asyncio.Semaphore(limits.threads)
        self._building = asyncio.Semaphore(limits.creates)
        self._patience = limits.queue_time

    async def do(self, call: Callable[[], Result]) -> Result:
        """Run a blocking call in a thread; raises what it raises, BusyError where its turn did not come in time."""
        async with self._turn(self._looking):
            return await self._run(call)

    async def build(self, call: Callable[[], Result]) -> Result:
        """The same for what brings teams up or down."""
        async with self._turn(self._building):
            return await self._run(call)

    async def _run(self, call: Callable[[], Result]) -> Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, call)
        except MasError:
            raise
        except OSError as error:
            raise explained(error, error.filename or "a file", "use") from error

    @asynccontextmanager
    async def _turn(self, turns: asyncio.Semaphore) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._patience):
                await turns.acquire()
        except TimeoutError:
            msg = f"the server is busy: no turn came within {self._patience:g} s"
            raise BusyError(msg, hint="ask again later") from None
        try:
            yield
        finally:
            turns.release()

    def close(self) -> None:
        """Wait for what was begun, and take nothing more."""
        self._pool.shutdown()
