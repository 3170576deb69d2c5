"""How the server is to run: where it listens, who may talk to it, how much it takes. Checked before anything is opened.

Without a token only loopback addresses and unix sockets are served; other addresses only where that is asked for.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from mas.errors import RefusedError, UsageError, shorten
from mas.paths import absolute
from mas.proc import foreign_environment
from mas.tmux import SOCKET_VARIABLE

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8765
HOST_VARIABLES = ("MAS_API_HOST", "MAS_HTTP_HOST")
PORT_VARIABLES = ("MAS_API_PORT", "MAS_HTTP_PORT")
"""The first that is set counts; the earlier servers used one of each."""

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")

KIB = 1024
_SOCKET_LENGTH = 107
_TERMINAL = ("TMUX", "TMUX_PANE")


class Limits(NamedTuple):
    """How much one server takes. Times are seconds, sizes bytes."""

    connections: int = 256
    head: int = 16 * KIB
    body: int = 1024 * KIB
    message_body: int = 2048 * KIB
    head_time: float = 30.0
    body_time: float = 30.0
    queue_time: float = 60.0
    """How long a request waits for its turn before it is sent away."""
    write_time: float = 60.0
    """How long a client may leave an answer, or a piece of one, unread before it loses the connection."""
    shutdown_time: float = 60.0
    look_time: float = 5.0
    """How long a team may be gone before that is recorded."""
    threads: int = 8
    creates: int = 4
    """How many teams are brought up or down at once; further ones wait."""


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """Everything about one server. ``port`` 0 takes a free one; ``token`` None asks nobody for one.

    ``origins`` are web pages that may call us, ``names`` host names besides the loopback ones that are ours.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    uds: Path | None = None
    token: str | None = field(default=None, repr=False)
    allow_remote: bool = False
    origins: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)

    @property
    def url(self) -> str:
        """Where the server is, as a client is told; for a unix socket the URL that goes with it."""
        if self.uds:
            return "http://localhost"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone. A name other than ``localhost`` is not."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check(config: ServeConfig) -> ServeConfig:
    """The configuration where it is safe to serve; raises UsageError or RefusedError."""
    if not 0 <= config.port <= 65535:
        raise UsageError(f"port {config.port} is none", hint="a number from 0, any free port, to 65535")
    for origin in config.origins:
        _check_origin(origin)
    if config.uds:
        _check_socket_path(config.uds)
    elif not is_loopback(config.host):
        _check_remote(config)
    return config


def _check_remote(config: ServeConfig) -> None:
    where = f"{shorten(config.host)} is reached from other machines"
    if config.token is None:
        raise RefusedError(f"{where}, so it is not served without a token", hint="leave out --no-auth")
    if not config.allow_remote:
        raise RefusedError(where, hint="add --allow-remote where that is meant; nothing is encrypted on the way")


def _check_origin(origin: str) -> None:
    scheme, separator, host = origin.partition("://")
    plain = host and all(letter.isalnum() or letter in ".-_:[]" for letter in host)
    if scheme not in ("http", "https") or not separator or not plain or origin != origin.lower():
        msg = f"{shorten(origin)} is no origin"
        raise UsageError(msg, hint="scheme, host and port as a browser sends them, for example https://team.example")


def _check_socket_path(path: Path) -> None:
    if len(bytes(path)) > _SOCKET_LENGTH:
        msg = f"the path of a unix socket holds at most {_SOCKET_LENGTH} bytes: {shorten(str(path))}"
        raise UsageError(msg, hint="choose a shorter one")


def address(
    host: str | None, port: int | None, uds: str | None, environ: Mapping[str, str], cwd: Path
) -> tuple[str, int, Path | None]:
    """Host, port and socket: what was given, else what the environment says, else the defaults. Raises UsageError."""
    if uds is not None and (host is not None or port is not None):
        raise UsageError("both a unix socket and an address were given", hint="give --uds, or --host and --port")
    chosen = host or _first(HOST_VARIABLES, environ)[1] or DEFAULT_HOST
    return chosen.strip("[]"), _port(port, environ), absolute(uds, cwd) if uds is not None else None


def _port(port: int | None, environ: Mapping[str, str]) -> int:
    if port is not None:
        return port
    name, text = _first(PORT_VARIABLES, environ)
    if not text:
        return DEFAULT_PORT
    if not (text.isascii() and text.isdecimal() and len(text) <= 5):
        raise UsageError(f"{name} is {shorten(text)}", hint=f"a port number, for example {DEFAULT_PORT}")
    return int(text)


def _first(names: tuple[str, ...], environ: Mapping[str, str]) -> tuple[str, str]:
    return next(((name, environ[name]) for name in names if environ.get(name)), ("", ""))


def outside(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment a server works in: the tmux server that is meant, and no session that it was started from."""
    socket = environ.get(SOCKET_VARIABLE) or environ.get("TMUX", "").partition(",")[0]
    kept = {name: value for name, value in foreign_environment(environ).items() if name not in _TERMINAL}
    return kept | ({SOCKET_VARIABLE: socket} if socket else {})
