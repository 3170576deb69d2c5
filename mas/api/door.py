"""The door: what every request passes before it is served. The rules are in ``mas.api.rules``, the sizes in ``Limits``.

A body is read here, whole and within its time, and must be JSON that everybody reads alike; what stands behind the door
sees no other.
"""

import asyncio
import re
from typing import Any

from mas import values
from mas.api.access import App, Message, Receive, Scope, Send, compact
from mas.api.refusals import HttpError, as_input, bad_request, body_of, headers_of, status_of
from mas.api.rules import HEADERS, METHODS, Head, Rules, check_head, is_preflight, named_origin, too_large
from mas.clock import utc_now
from mas.errors import MasError

_QUICK = 64 * 1024
"""Bytes of a body that are looked through before anybody else would notice."""

_DRAINED = 8 * 1024 * 1024
"""Bytes of a refused body that are read and dropped, so that its sender lives to read the answer."""

_DRAIN_TIME = 2.0
_MAX_AGE = b"600"
_DOUBTFUL = re.compile(rb"\\u[dD]|[0-9]{16}")
"""What there is in a body that holds half of a surrogate pair, or too large a number."""

_SENT_ALWAYS = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]


class Door:
    """ASGI middleware: refuses what may not be served, answers preflights, hands on the rest."""

    def __init__(self, app: App, rules: Rules) -> None:
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        head = Head(scope["method"], scope["path"], scope.get("raw_path") or b"", scope["headers"])
        try:
            check_head(head, self._rules)
        except HttpError as refusal:
            await _drain(head, receive)
            await respond(refusal, send, close=head.has_body)
            return
        outward = self._outward(head, send)
        if is_preflight(head, self._rules):
            await _send(outward, 204, _preflight_headers(), b"")
            return
        try:
            inward = await self._inward(head, receive)
        except HttpError as refusal:
            await respond(refusal, outward, close=True)
            return
        await self._app(scope, inward, outward)

    def _outward(self, head: Head, send: Send) -> Send:
        """The answer, with the headers that every answer has, and those a page of a named origin needs."""
        extra = [*_SENT_ALWAYS]
        if origin := named_origin(head, self._rules):
            extra.append((b"access-control-allow-origin", origin))
        if self._rules.origins:
            extra.append((b"vary", b"Origin"))

        async def outward(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *extra]
            await send(message)

        return outward

    async def _inward(self, head: Head, receive: Receive) -> Receive:
        """The request's body as one message, after which the client's own messages follow."""
        if not head.has_body:
            return receive
        try:
            async with asyncio.timeout(self._rules.limits.body_time):
                body = await _read(receive, self._rules.most(head.path))
        except TimeoutError:
            seconds = f"{self._rules.limits.body_time:g} s"
            raise HttpError(408, "timeout", f"the body did not come within {seconds}") from None
        with as_input():
            if len(body) > _QUICK:
                await asyncio.to_thread(check_body, body)
            else:
                check_body(body)
        waiting = [{"type": "http.request", "body": body, "more_body": False}]

        async def inward() -> Message:
            return waiting.pop() if waiting else await receive()

        return inward


async def _read(receive: Receive, most: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise bad_request("the body ended too early")
        body += message.get("body", b"")
        if len(body) > most:
            raise too_large(most)
        if not message.get("more_body"):
            return bytes(body)


def check_body(body: bytes) -> None:
    """Raise RefusedError for a body that is no JSON object, or one that two programs could read differently."""
    if not body.strip():
        return
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise bad_request("the body is no UTF-8") from None
    value = values.parse_json(text, "the body")
    if not isinstance(value, dict):
        raise bad_request("the body is no JSON object")
    if _DOUBTFUL.search(body):
        _check_exact(value)


def _check_exact(value: Any) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _check_exact(key)
            _check_exact(item)
    elif isinstance(value, list):
        for item in value:
            _check_exact(item)
    elif isinstance(value, str) and not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise bad_request("the body holds half of a surrogate pair") from None
    elif isinstance(value, int) and abs(value) > values.LARGEST:
        raise bad_request(f"the body holds a number beyond {values.LARGEST}")


async def _drain(head: Head, receive: Receive) -> None:
    if not _is_worth_it(head):
        return
    left = _DRAINED
    try:
        async with asyncio.timeout(_DRAIN_TIME):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body"):
                    return
    except TimeoutError:
        return


def _is_worth_it(head: Head) -> bool:
    """Whether a body comes by itself, and will end."""
    lengths = head.all(b"content-length")
    bounded = not lengths or (lengths[0].isdigit() and len(lengths[0]) < 12 and int(lengths[0]) <= _DRAINED)
    return head.has_body and bounded and not head.all(b"expect")


async def respond(error: MasError, send: Send, *, close: bool = False) -> None:
    """Answer with an error."""
    headers = headers_of(error) | ({"Connection": "close"} if close else {})
    body = compact(body_of(error, utc_now()))
    raw = [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in headers.items()]
    await _send(send, status_of(error), [(b"content-type", b"application/json"), *raw], body)


def _preflight_headers() -> list[tuple[bytes, bytes]]:
    return [
        (b"access-control-allow-methods", METHODS.encode()),
        (b"access-control-allow-headers", HEADERS.encode()),
        (b"access-control-max-age", _MAX_AGE),
    ]


async def _send(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    length = [] if status == 204 else [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": body})
