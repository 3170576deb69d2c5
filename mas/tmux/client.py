"""One client of a tmux server: which server, how it is asked, and what its answer means."""

import os
import re
import signal
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mas import proc
from mas.errors import MissingProgramError, RefusedError, UnknownStateError, shorten
from mas.listings import Listing
from mas.structs import Frozen

if TYPE_CHECKING:
    import libtmux

SOCKET_VARIABLE = "MAS_TMUX_SOCKET"

REPLACED = "&&:#{@mas_pid},#{!=:#{@mas_pid},#{pane_pid}}"
"""A field of a pane: 1 where somebody has started another program in it. A pane may have no ``@mas_pid``: then 0."""

_SOCKET_LENGTH = 107
_SESSION_ID = re.compile(r"\$[0-9]+", re.ASCII)
_PANE_ID = re.compile(r"%[0-9]+", re.ASCII)
_NUMBER = re.compile(r"[0-9]+", re.ASCII)
_PAUSES = (0.02, 0.05, 0.1, 0.2, 0.4)
_GONE = ("can't find session", "can't find pane", "no current target")


class Server(Frozen):
    """Which tmux server: the user's own, one of that name (``-L``), or with a ``/`` the one at that path (``-S``)."""

    socket: str = ""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Server":
        """The server that MAS_TMUX_SOCKET names, else the user's own."""
        return cls(environ.get(SOCKET_VARIABLE, ""))

    @property
    def argv(self) -> list[str]:
        """How a command line for this server begins. ``-u``: text arrives as it is, in any locale."""
        named = [] if not self.socket else ["-S" if "/" in self.socket else "-L", self.socket]
        return ["tmux", "-u", *named]


def socket_path(server: Server, environ: Mapping[str, str]) -> str:
    """Where the socket of a tmux server is, whether or not it runs: by tmux's own rules."""
    if "/" in server.socket:
        return server.socket
    if not server.socket and environ.get("TMUX"):
        return environ["TMUX"].partition(",")[0]
    places = (environ.get("TMUX_TMPDIR", ""), "/tmp")  # noqa: S108
    place = next((place for place in places if place and os.path.isdir(place)), "/tmp")  # noqa: PTH112, S108
    return f"{os.path.realpath(place)}/tmux-{os.getuid()}/{server.socket or 'default'}"


def call(server: Server, *words: str, stdin: bytes = b"", timeout: float = proc.DEFAULT_TIMEOUT) -> proc.Result:
    """Run one client and return how it ended.

    A server that is just going away has done nothing of what it was told, so it is told again once it is gone.
    """
    if "/" in server.socket and len(os.fsencode(server.socket)) > _SOCKET_LENGTH:
        raise RefusedError(
            f"the path of a tmux socket holds at most {_SOCKET_LENGTH} bytes, this one is longer: "
            + shorten(server.socket),
            hint=f"set {SOCKET_VARIABLE} to a shorter path",
        )
    for pause in _PAUSES:
        result = proc.run([*server.argv, *words], stdin=stdin, env=_environment(server), timeout=timeout)
        if result.returncode == 0 or result.complaint != "server exited unexpectedly":
            return result
        time.sleep(pause)
    return proc.run([*server.argv, *words], stdin=stdin, env=_environment(server), timeout=timeout)


def ask(server: Server, *words: str, timeout: float = proc.DEFAULT_TIMEOUT) -> str | None:
    """What tmux answers; None where no server runs, or where what was asked about is gone.

    Raises UnknownStateError for everything else, a missing program included.
    """
    try:
        result = call(server, *words, timeout=timeout)
    except (MissingProgramError, OSError) as error:
        raise UnknownStateError(f"tmux cannot be asked: {error}", getattr(error, "hint", None)) from error
    if result.returncode == 0:
        return result.text
    if is_absent(result) or result.complaint.startswith(_GONE):
        return None
    raise unclear(f"exit code {result.returncode}, {shorten(result.complaint)}")


def is_absent(result: proc.Result) -> bool:
    """Whether tmux says for certain that no server listens there."""
    said = result.complaint
    missing = said.startswith("error connecting to ") and said.endswith("(No such file or directory)")
    return missing or said.startswith("no server running on ")


def _environment(server: Server) -> dict[str, str]:
    """The first client hands its environment to the server for good, so it must not speak of a session or a pane."""
    env = proc.foreign_environment(os.environ)
    return {name: value for name, value in env.items() if not (server.socket and name in {"TMUX", "TMUX_PANE"})}


def unclear(what: str) -> UnknownStateError:
    """The error for an answer that says nothing."""
    return UnknownStateError(f"tmux gave no clear answer: {what}", hint="run the command again; nothing was changed")


def listing(*fields: str) -> Listing:
    """A listing with a mark that was never used before."""
    return Listing(os.urandom(8).hex(), fields)


def number(text: str) -> int:
    """A number tmux printed; raises UnknownStateError where it is none."""
    if _NUMBER.fullmatch(text):
        return int(text)
    raise unclear(f"{shorten(text)} where a number belongs")


def session_target(tmux_id: str) -> str:
    """A session's tmux id as a target; raises RefusedError for anything else, which could match other sessions."""
    return _checked(_SESSION_ID, tmux_id)


def pane_target(pane_id: str) -> str:
    """A pane's tmux id as a target; raises RefusedError for anything else."""
    return _checked(_PANE_ID, pane_id)


def _checked(pattern: re.Pattern[str], text: str) -> str:
    if pattern.fullmatch(text):
        return text
    raise RefusedError(f"not an id tmux gives, like {pattern.pattern}: {shorten(text)}")


def equals(field: str, value: str) -> str:
    """A tmux condition: the field has exactly this value."""
    return f"#{{==:#{{{field}}}," + re.sub(r"[#,}]", r"#\g<0>", value) + "}"


def objects(server: Server) -> "libtmux.Server":
    """The server as libtmux sees it, for programs that want windows and panes as objects. Its calls know no timeout."""
    import libtmux  # noqa: PLC0415  takes several times as long to import as Python to start

    if "/" in server.socket:
        return libtmux.Server(socket_path=server.socket)
    return libtmux.Server(socket_name=server.socket or None)


def reopen_socket(pid: int) -> bool:
    """Ask a running server to make its socket again, which somebody removed; false where that pid is no tmux server.

    The caller then asks again and compares pid and start, since by now the pid may be another server's.
    """
    from mas import processes  # noqa: PLC0415  hardly ever needed

    server = processes.find(pid)
    return server is not None and processes.is_tmux_server(server) and processes.send(server, signal.SIGUSR1)
