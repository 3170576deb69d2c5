"""Connections as the server takes them: bounded in number, in the time a head may take, and strict about its form.

What is not one request to every reader of HTTP (bare line feeds, folded headers) is refused before it is parsed.
"""

import asyncio
import re
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from mas.api.access import AccessLog, Logged, Receive, Scope, Send, compact
from mas.api.config import Limits
from mas.api.door import respond
from mas.api.refusals import HttpError, bad_request, body_of
from mas.clock import utc_now

_END = re.compile(rb"\r?\n\r?\n")
_UNCLEAR = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)|\n[ \t]|\0")
_MALFORMED = "the request is no HTTP"


class Connection(H11Protocol):
    """One connection; ``strict`` says of which server."""

    limits: Limits
    log: AccessLog
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or have it told that there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            self.app = Logged(full, self.log)
        self._expect_head()

    def handle_events(self) -> None:
        """Look at what came, and go on as long as it is clear and comes in time."""
        if self.conn.their_state is h11.IDLE and is_unclear(self.conn.trailing_data[0], self.limits.head):
            self.send_400_response(_MALFORMED)
            return
        super().handle_events()
        if self.conn.their_state is not h11.IDLE:
            self._forget_head()
        elif self.conn.trailing_data[0] and self._timer is None:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._forget_head()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        self._timer = self.loop.call_later(self.limits.head_time, self._too_slow)

    def _forget_head(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._answer(HttpError(408, "timeout", f"the request did not come within {self.limits.head_time:g} s"))

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request."""
        del msg
        self._answer(bad_request(_MALFORMED))

    def _answer(self, refusal: HttpError) -> None:
        """Answer without a request, and end the connection."""
        self._forget_head()
        if self.transport.is_closing():
            return
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.close()
            return
        body = compact(body_of(refusal, utc_now()))
        self.transport.write(_raw(refusal.status, body))
        self.transport.close()
        client = self.client[0] if self.client else ""
        self.log.write(client=client, method="", path="", status=refusal.status, bytes=len(body), ms=0)


def strict(limits: Limits, log: AccessLog) -> type[Connection]:
    """The protocol of one server's connections."""
    return type("Strict", (Connection,), {"limits": limits, "log": log})


def is_unclear(data: bytes, longest: int) -> bool:
    """Whether the head that begins here is too long, or one that two readers may take for different requests."""
    found = _END.search(data)
    end = found.end() if found else len(data)
    return end > longest or bool(_UNCLEAR.search(data, 0, end))


def _raw(status: int, body: bytes) -> bytes:
    reason = {400: b"Bad Request", 408: b"Request Timeout"}[status]
    head = b"HTTP/1.1 %d %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    return head % (status, reason, len(body)) + body


async def full(scope: Scope, receive: Receive, send: Send) -> None:
    """What a connection above the limit is answered."""
    del receive
    if scope["type"] == "http":
        headers = {"Retry-After": "5"}
        refusal: Any = HttpError(503, "busy", "too many connections are open", hint="close some", headers=headers)
        await respond(refusal, send, close=True)
