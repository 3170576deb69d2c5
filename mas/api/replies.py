"""Answers as they are sent: JSON of ASCII characters, streams of events, ranges of a file."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from starlette.responses import Response

from mas.api.access import Receive, Scope, Send, compact

_BREATH = b": still here\n\n"
_OPENING = b"retry: 2000\n\n"


class Json(Response):
    """JSON. What is no text in any encoding, a path for instance, is escaped as it is."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The bytes of the body."""
        return compact(content)


class Streamed(Response):
    """A body that comes in pieces; the next is made when the one before has been taken."""

    def __init__(
        self,
        pieces: AsyncGenerator[bytes, None],
        *,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str,
    ) -> None:
        self._pieces = pieces
        self.status_code = status_code
        self.media_type = media_type
        self.background = None
        self.init_headers(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the pieces until there are no more, or the client is gone."""
        del scope
        sending = asyncio.create_task(self._send_all(send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            done = await asyncio.gather(sending, leaving, return_exceptions=True)
        for result in done:
            if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                raise result

    async def _send_all(self, send: Send) -> None:
        async with aclosing(self._pieces) as pieces:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def event_stream(pieces: AsyncGenerator[bytes, None]) -> Streamed:
    """Records as Server-Sent Events; empty pieces become comments, so that nobody takes the line for dead."""

    async def breathing() -> AsyncGenerator[bytes, None]:
        yield _OPENING
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece or _BREATH

    return Streamed(breathing(), media_type="text/event-stream")
