"""What a server leaves for others below its root: that it runs, where, and its token.

``<root>/.mas_http/`` is the server's own, 0700. Whoever holds ``lock`` there is the server of the root; ``server.json``
says where it listens and which process it is, by pid and start time, so that nobody else is ever signalled.
"""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from mas import directories, files, processes
from mas.errors import BusyError, DamagedError, ExistsError, MasError, NotFoundError, RefusedError
from mas.paths import Root
from mas.processes import Process

DIRECTORY = ".mas_http"
LOG = "server.log"
"""What a server in the background has to say besides its access log."""

KEYS = "requests"
"""Directory of the idempotency keys."""

_STATE = "server.json"
_TOKEN = "token"  # noqa: S105  a file's name
_LOCK = "lock"
_TOKEN_BYTES = 32
_POLL = 0.05


class Running(NamedTuple):
    """A server that runs: which process, where it listens, and whether it asks for a token."""

    pid: int
    start: int
    url: str
    uds: str = ""
    host: str = ""
    port: int = 0
    started_at: str = ""
    auth: bool = True

    @property
    def process(self) -> Process:
        """The process, by pid and start time."""
        return Process(self.pid, self.start)

    def to_json(self) -> dict[str, object]:
        """The server in the words of the HTTP API."""
        return {
            "status": "running",
            "pid": self.pid,
            "url": self.url,
            "uds": self.uds,
            "host": self.host,
            "port": self.port,
            "startedAt": self.started_at,
            "auth": self.auth,
        }


def directory(root: Root) -> Path:
    """Where a root's server keeps its own files."""
    return root.path / DIRECTORY


@contextmanager
def opened(root: Root, name: str = "") -> Iterator[int]:
    """The server's directory, or one in it, made where it is missing; nobody else may enter it."""
    place = directory(root)
    directories.make_directory(place, 0o700)
    with files.directory(place) as fd:
        if os.fstat(fd).st_mode & 0o077:
            os.fchmod(fd, 0o700)
        if not name:
            yield fd
            return
        directories.make_child(fd, name)
        with files.directory(name, fd) as inner:
            yield inner


def token(root: Root, *, renew: bool = False) -> str:
    """The token of a root's server, made once; ``renew`` makes another, which a server takes when it starts."""
    with opened(root) as fd, files.lock(directory(root) / "token.lock"):
        with suppress(FileNotFoundError):
            if not renew:
                return _sound(files.read(fd, _TOKEN))
        import secrets  # noqa: PLC0415  once for each root, and it loads what encrypts

        made = secrets.token_urlsafe(_TOKEN_BYTES)
        files.replace(fd, _TOKEN, f"{made}\n".encode(), durable=True)
        return made


def _sound(raw: bytes) -> str:
    text = raw.decode("ascii", "replace").strip()
    if len(text) < _TOKEN_BYTES or not text.isprintable() or " " in text:
        raise DamagedError("the file of the token holds none", hint="`mas token --renew` makes another")
    return text


@contextmanager
def claim(root: Root) -> Iterator[None]:
    """Be the server of a root; raises ExistsError naming the one that is there already."""
    with opened(root):
        pass
    try:
        with files.lock(directory(root) / _LOCK, 0):
            _sweep(root)
            try:
                yield
            finally:
                with opened(root) as fd:
                    files.remove(fd, _STATE)
    except BusyError as error:
        other = running(root)
        where = f" on {other.uds or other.url} (process {other.pid})" if other else ""
        msg = f"a server of {root.path} runs already{where}"
        raise ExistsError(msg, hint="`mas serve --stop` ends it") from error


def _sweep(root: Root) -> None:
    """Remove what processes that were killed had begun to write."""
    for name in ("", KEYS):
        with opened(root, name) as fd:
            for found in os.listdir(fd):  # noqa: PTH208  it is open
                writer = files.writer_of(found)
                if writer is not None and processes.find(writer) is None:
                    files.remove(fd, found)


def announce(root: Root, server: Running) -> None:
    """Say that the server is ready; the caller has claimed the root."""
    with opened(root) as fd:
        files.replace(fd, _STATE, json.dumps(server._asdict(), indent=2).encode("ascii"))


def running(root: Root) -> Running | None:
    """The server of a root where one is ready; what a killed one left says nothing."""
    try:
        with files.directory(directory(root)) as fd:
            found = Running(**json.loads(files.read(fd, _STATE)))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return found if processes.find(found.pid) == found.process else None


def wait_until_ready(root: Root, pid: int, timeout: float) -> Running:
    """The server that process ``pid`` becomes; raises MasError where it ends before, or is not ready in time."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        found = running(root)
        if found and found.pid == pid:
            return found
        if processes.find(pid) is None:
            raise MasError(f"the server did not start: {_last_words(root)}", hint=f"see {directory(root) / LOG}")
        time.sleep(_POLL)
    msg = f"the server (process {pid}) was not ready within {timeout:g} s"
    raise MasError(msg, hint=f"see {directory(root) / LOG}")


def _last_words(root: Root) -> str:
    with suppress(FileNotFoundError), files.directory(directory(root)) as fd:
        size = files.size_of(fd, LOG) or 0
        lines = files.read_part(fd, LOG, max(0, size - 4096), 4096).decode("utf-8", "replace").strip().splitlines()
        if lines:
            return lines[-1].removeprefix("mas: ")
    return "it said nothing"


def stop(root: Root, timeout: float) -> Running:
    """Ask the server of a root to end and wait until it has; its sessions go on. Raises NotFoundError, RefusedError."""
    found = running(root)
    if found is None:
        raise NotFoundError(f"no server of {root.path} runs", hint="`mas serve` starts one")
    processes.send(found.process, signal.SIGTERM)
    deadline = time.monotonic() + timeout
    while processes.find(found.pid) == found.process:
        if time.monotonic() > deadline:
            msg = f"the server (process {found.pid}) has not ended within {timeout:g} s"
            raise RefusedError(msg, hint="it finishes what it was asked for; a second signal ends it at once")
        time.sleep(_POLL)
    return found
