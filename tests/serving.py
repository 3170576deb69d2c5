"""A real server on a real port, and clients for it."""

import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import httpx
from commandline import PROGRAM

from mas.api import presence
from mas.api.application import build
from mas.api.config import Limits, ServeConfig, outside
from mas.api.listening import listen
from mas.api.server import Server
from mas.app import Mas
from mas.paths import Root

TOKEN = "a-token-for-tests-0123456789abcdef"  # noqa: S105
PROFILES = """
[profile.stub]
command = ["sh", "-c", "echo ready; exec cat -"]
ready = '^ready'
enter_delay = 0

[profile.other]
command = ["sleep", "100000"]
"""
SOLO = {"sessionMode": "isolated", "template": "solo", "profile": "stub"}
"""A team of one agent that waits, and shows what is typed."""


UNUSED = ssl.create_default_context()
"""A client makes one otherwise, which takes longer than most of what it asks."""


@dataclass(frozen=True)
class Served:
    """A server, and a client that has its token."""

    mas: Mas
    config: ServeConfig
    client: httpx.Client
    pid: int = 0

    @property
    def root(self) -> Root:
        return self.mas.root

    def start(self, **body: Any) -> dict[str, Any]:
        """Start a team, of one agent unless something else is wanted, and return the answer."""
        return self.ok("POST", "/runs", json=SOLO | body, status=201)

    def ok(self, method: str, path: str, *, status: int = 200, **others: Any) -> dict[str, Any]:
        """The answer to a request that must succeed."""
        answer = self.client.request(method, path, **others)
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def refused(self, method: str, path: str, *, status: int, **others: Any) -> dict[str, Any]:
        """The body of a request that must fail; every error has the same keys."""
        answer = self.client.request(method, path, **others)
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        assert {"error", "code", "details", "hint", "status", "timestamp"} <= found.keys()
        return found


def make_root(root: Root) -> Root:
    """A root whose teams are made of programs that wait."""
    root.path.mkdir(parents=True, exist_ok=True)
    (root.path / "profiles.toml").write_text(PROFILES)
    return root


def client_of(config: ServeConfig, *, token: str | None = TOKEN, timeout: float = 60) -> httpx.Client:
    """A client of a server; with its token unless another is given."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    transport = httpx.HTTPTransport(uds=str(config.uds) if config.uds else None, verify=UNUSED)
    return httpx.Client(base_url=config.url, headers=headers, timeout=timeout, transport=transport)


class Soon(Server):
    """The same; it is told when it is to end, and does not look ten times a second."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.loop, self.over = asyncio.get_running_loop(), asyncio.Event()
        await super().startup(sockets)

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.over.wait()

    def end(self) -> None:
        self.loop.call_soon_threadsafe(self.over.set)


@contextmanager
def serving(root: Root, *, limits: Limits | None = None, **config: Any) -> Iterator[Served]:
    """A server of a root, in a thread of its own, until the end of the block."""
    wanted = ServeConfig(**{"port": 0, "token": TOKEN, "limits": limits or Limits(), **config})
    mas = Mas(make_root(root), outside(os.environ), root.path)
    with listen(wanted) as opened:
        final = wanted if wanted.uds else replace(wanted, port=opened.getsockname()[1])
        ready = threading.Event()
        server = Soon(build(mas, final), final, ready.set)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[opened])), name="server")
        thread.start()
        try:
            assert ready.wait(10)
            with client_of(final, token=wanted.token) as client:
                yield Served(mas, final, client)
        finally:
            server.end()
            thread.join(30)
            assert not thread.is_alive()


@contextmanager
def in_a_process(root: Root, *options: str) -> Iterator[Served]:
    """The same in a process of its own, as ``mas serve`` is called; it must end well when it is asked to."""
    make_root(root)
    place = root.path / ".mas_http"
    place.mkdir(mode=0o700, exist_ok=True)
    (place / "token").write_text(TOKEN)
    words = ["serve", "--root", str(root.path), *(options or ("--port", "0"))]
    process = subprocess.Popen([*PROGRAM, *words], stderr=subprocess.PIPE, text=True)
    try:
        server = presence.wait_until_ready(root, process.pid, 20)
        config = ServeConfig(port=server.port, token=TOKEN, uds=Path(server.uds) if server.uds else None)
        with client_of(config) as client:
            yield Served(Mas(root, outside(os.environ), root.path), config, client, process.pid)
    finally:
        process.terminate()
        said = process.communicate(timeout=30)[1]
    assert process.returncode in (0, -signal.SIGKILL), said


class Raw:
    """A connection on which bytes are written and answers are read."""

    def __init__(self, served: Served) -> None:
        if served.config.uds:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(10)
            self.socket.connect(str(served.config.uds))
        else:
            self.socket = socket.create_connection(("127.0.0.1", served.config.port), timeout=10)
        self.host = served.config.url.removeprefix("http://").encode()
        self.file = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.socket.close()

    def ask(self, text: bytes) -> tuple[int, dict[bytes, bytes], Any]:
        """Send bytes and read one answer: status, headers, JSON."""
        self.send(text)
        return self.answer(head=text.startswith(b"HEAD"))

    def send(self, text: bytes, times: int = 1) -> None:
        """Send bytes, as often as it is said, or until nobody takes them any more."""
        filled = text.replace(b"{host}", self.host).replace(b"{token}", TOKEN.encode())
        with suppress(OSError):
            self.socket.sendall(filled * times)

    def answer(self, *, head: bool = False, parse: bool = True) -> tuple[int, dict[bytes, bytes], Any]:
        first = self.file.readline()
        assert first.startswith(b"HTTP/1.1 "), first
        headers = {}
        while line := self.file.readline().strip():
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        body = b"" if head else self.file.read(int(headers.get(b"content-length", b"0")))
        return int(first.split()[1]), headers, json.loads(body) if body and parse else body or None

    def closed(self) -> bool:
        """Whether the server has ended the connection."""
        try:
            return self.file.read(1) == b""
        except ConnectionError:
            return True


REQUEST = b"GET /sessions HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
"""The head of a request, as far as it is the same for all; an empty line ends it."""


def access_log(root: Root) -> Path:
    """The access log of a root's server."""
    return root.path / ".mas_http" / "access.log"
