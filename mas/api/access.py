"""The access log: a line of JSON for each request, without bodies, queries or tokens, in a file that stays bounded."""

import json
import os
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mas.clock import utc_now

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

NAME = "access.log"
LARGEST = 8 * 1024 * 1024
"""Bytes of the file before it is put aside as ``access.log.1``, whose predecessor goes."""

_LONGEST = 200
_encode = json.JSONEncoder(separators=(",", ":")).encode
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


def compact(value: object) -> bytes:
    """A value as JSON of ASCII characters, without spaces."""
    return _encode(value).encode("ascii")


class AccessLog:
    """The file. Written by the event loop alone; a disk that refuses costs the line, never the request."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / NAME
        self._open()

    def _open(self) -> None:
        self._file = os.open(self._path, _FLAGS, 0o600)
        self._size = os.fstat(self._file).st_size

    def write(self, **members: object) -> None:
        """Add one line; the time is added to what is given."""
        line = compact({"ts": utc_now(), **members}) + b"\n"
        try:
            if self._size + len(line) > LARGEST:
                self._put_aside()
            self._size += os.write(self._file, line)
        except OSError:
            return

    def _put_aside(self) -> None:
        """Begin anew; where that fails, the old file stays open and the next line tries again."""
        full = self._file
        with suppress(FileNotFoundError):  # somebody moved it, or the last try came so far
            self._path.replace(self._path.with_name(f"{NAME}.1"))
        self._open()
        os.close(full)

    def close(self) -> None:
        """Write no more."""
        os.close(self._file)


class Logged:
    """ASGI middleware: the line of every request, whatever became of it."""

    def __init__(self, app: App, log: AccessLog) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, and write the line when the answer has been sent or failed."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, size = time.perf_counter(), 500, 0

        async def counted(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                size += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, counted)
        finally:
            spent = round((time.perf_counter() - began) * 1000, 1)
            client = scope.get("client")
            self._log.write(
                client=client[0] if client else "",
                method=scope["method"][:16],
                path=scope["path"][:_LONGEST],
                status=status,
                bytes=size,
                ms=spent,
            )
