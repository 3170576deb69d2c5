"""Where the server listens: a TCP address or a unix socket that only its owner may use, opened before anything else.

An address in use is refused with who uses it, as far as the system tells.
"""

import errno
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from mas.api.config import ServeConfig
from mas.errors import ExistsError, MasError, RefusedError, shorten

_BACKLOG = 512
_LISTENING = "0A"
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")


def listen(config: ServeConfig) -> socket.socket:
    """The open socket; raises ExistsError naming who has the address, MasError where it cannot be had."""
    return _unix(config.uds) if config.uds else _tcp(config.host, config.port)


def _tcp(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        opened = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _refused(f"{host}:{port}", error) from error
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen(_BACKLOG)
    except OSError as error:
        opened.close()
        if error.errno == errno.EADDRINUSE:
            msg = f"port {port} of {host} is in use by {owner(port)}"
            raise ExistsError(msg, hint="end that, or choose another: `mas serve --port 0` takes a free one") from error
        raise _refused(f"{host}:{port}", error) from error
    return opened


def _unix(path: Path) -> socket.socket:
    place = path.parent
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    if place.stat().st_mode & 0o022 and not place.stat().st_mode & stat.S_ISVTX:
        msg = f"others may write to {shorten(str(place))}"
        raise RefusedError(msg, hint="choose a directory of your own for the socket")
    _clear(path)
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    umask = os.umask(0o177)  # nothing else runs yet
    try:
        opened.bind(str(path))
        opened.listen(_BACKLOG)
    except OSError as error:
        opened.close()
        raise _refused(str(path), error) from error
    finally:
        os.umask(umask)
    return opened


def _clear(path: Path) -> None:
    """Remove a socket that nobody listens at; raises ExistsError for one that somebody does, and for any other file."""
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISSOCK(kind):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1)
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink(missing_ok=True)
                return
            except OSError as error:
                raise _refused(str(path), error) from error
    msg = f"{shorten(str(path))} is in use"
    raise ExistsError(msg, hint="choose another path for the socket")


def owner(port: int) -> str:
    """Who listens on a port: process and name, where the system lets us see."""
    sockets = {f"socket:[{inode}]" for table in _TABLES for inode in _listeners(table, port)}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if any(str(link.readlink()) in sockets for link in (process / "fd").iterdir()):
                name = (process / "comm").read_text("utf-8", "replace").strip()
                return f"process {process.name} ({name if name.isprintable() else shorten(name)})"
    return "another process"


def _listeners(table: str, port: int) -> list[str]:
    with suppress(OSError):
        rows = [line.split() for line in Path(table).read_text("ascii").splitlines()[1:]]
        return [row[9] for row in rows if row[3] == _LISTENING and int(row[1].rpartition(":")[2], 16) == port]
    return []


def _refused(place: str, error: OSError) -> MasError:
    reason = (error.strerror or str(error)).lower()
    return MasError(f"cannot listen on {shorten(place)}: {reason}", hint="choose another address")
