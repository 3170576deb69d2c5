"""Connections as the server takes them: bounded in number, in the time a head or an unread answer may take, and strict.

What is not one request to every reader of HTTP (bare line feeds, folded headers, more than a size before a chunk) is
refused.
"""

import asyncio
import re
from http import HTTPStatus
from typing import Any

import h11
from h11._receivebuffer import ReceiveBuffer
from uvicorn.protocols.http.h11_impl import H11Protocol

from mas.api.access import AccessLog, compact
from mas.api.config import Limits
from mas.api.refusals import HttpError, bad_request, body_of, headers_of
from mas.clock import utc_now

_SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}\r\n")
_END = re.compile(rb"\r?\n\r?\n")
_UNCLEAR = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)|\n[ \t]|\0")
_MALFORMED = "the request is no HTTP"


class Connection(H11Protocol):
    """One connection; ``strict`` says of which server."""

    limits: Limits
    log: AccessLog
    _timer: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or end it at once where there are too many."""
        super().connection_made(transport)
        self.conn = PlainChunks(self.limits.head)
        transport.set_write_buffer_limits(high=0)  # so that we are told of every byte that waits to be read
        if len(self.connections) > self.limits.connections:
            self._answer(too_many())
            return
        self._expect_head()

    def pause_writing(self) -> None:
        """Give the client its time to read what was sent, also where the connection is to end after that."""
        super().pause_writing()
        self._unread = self.loop.call_later(self.limits.write_time, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: everything was read."""
        self._forget_unread()
        super().resume_writing()

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
        self._forget_unread()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        self._timer = self.loop.call_later(self.limits.head_time, self._too_slow)

    def _forget_head(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _forget_unread(self) -> None:
        if self._unread:
            self._unread.cancel()
            self._unread = None

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
        self.transport.write(_raw(refusal, body))
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


class PlainChunks(h11.Connection):
    """The parser of one connection: a chunk has its size before it and no extension, the last one no trailers."""

    def __init__(self, longest: int) -> None:
        super().__init__(h11.SERVER, longest)
        self._receive_buffer = _PlainBuffer()

    def next_event(self) -> Any:
        """What comes next; raises h11.RemoteProtocolError for what is no clear request."""
        event = super().next_event()
        if isinstance(event, h11.EndOfMessage) and event.headers:
            msg = "trailers"
            raise h11.RemoteProtocolError(msg)
        return event


class _PlainBuffer(ReceiveBuffer):
    """The bytes that are not parsed yet. Single lines are taken from it where chunks begin, and only there."""

    def maybe_extract_next_line(self) -> bytearray | None:
        line = super().maybe_extract_next_line()
        if line is not None and not _SIZE.fullmatch(line):
            msg = "no plain size of a chunk"
            raise h11.RemoteProtocolError(msg)
        return line


def too_many() -> HttpError:
    """What a connection above the limit is answered, before it has asked anything."""
    return HttpError(503, "busy", "too many connections are open", hint="close some", headers={"Retry-After": "5"})


def _raw(refusal: HttpError, body: bytes) -> bytes:
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **headers_of(refusal),
    }
    lines = [f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body
