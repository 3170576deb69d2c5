"""The running server: takes its place, listens, serves, says when it is ready, and ends in order.

INT, TERM and HUP end it: what was asked for is finished, streams end, sessions go on. A second one does not wait.
"""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from types import FrameType

import uvicorn

from mas import processes
from mas.api import presence
from mas.api.application import Api, build
from mas.api.config import ServeConfig, check
from mas.api.connections import strict
from mas.api.listening import listen
from mas.api.presence import Running
from mas.app import Mas
from mas.clock import utc_now

_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Ready = Callable[[Running], None]


def serve(mas: Mas, config: ServeConfig, ready: Ready) -> None:
    """Serve a root until a signal ends it; ``ready`` is called once requests are taken.

    Raises ExistsError where the root has a server or the address is taken, RefusedError where serving is not safe.
    """
    check(config)
    with presence.claim(mas.root), _listening(config) as opened:
        final = replace(config, port=_port(opened))
        api = build(mas, final)

        def announce() -> None:
            server = _described(final)
            presence.announce(mas.root, server)
            ready(server)

        asyncio.run(Server(api, final, announce).serve(sockets=[opened]))


class Server(uvicorn.Server):
    """uvicorn with our connections, our signals and our end."""

    def __init__(self, api: Api, config: ServeConfig, ready: Callable[[], None]) -> None:
        self._api = api
        self._ready = ready
        limits = config.limits
        super().__init__(
            uvicorn.Config(
                api,
                http=strict(limits, api.state.log),
                ws="none",
                loop="asyncio",
                lifespan="on",
                log_config=None,
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                h11_max_incomplete_event_size=limits.head,
                timeout_graceful_shutdown=int(limits.shutdown_time),
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve, and say so."""
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, which would not end by themselves, then wait for everything else."""
        self._api.state.here.feeds.close()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Let a signal end the server, not the program: what called us goes on behind it."""
        try:
            before = {number: signal.signal(number, self._end) for number in _ENDINGS}
        except ValueError:  # not the main thread: somebody else looks after signals
            yield
            return
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _end(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.force_exit = self.should_exit
        self.should_exit = True


@contextmanager
def _listening(config: ServeConfig) -> Iterator[socket.socket]:
    with listen(config) as opened:
        try:
            yield opened
        finally:
            if config.uds:
                with suppress(FileNotFoundError):
                    config.uds.unlink()


def _port(opened: socket.socket) -> int:
    return 0 if opened.family == socket.AF_UNIX else int(opened.getsockname()[1])


def _described(config: ServeConfig) -> Running:
    process = processes.find(os.getpid())
    return Running(
        pid=os.getpid(),
        start=process.start if process else 0,
        url=config.url,
        uds=str(config.uds or ""),
        host="" if config.uds else config.host,
        port=config.port,
        started_at=utc_now(),
        auth=config.token is not None,
    )
