"""A process that gets a signal at a chosen point: after the n-th call that touches what outlives it.

``act`` runs in a forked child whose calls into the operating system are counted; the child sends itself SIGKILL, or
another signal, behind the chosen one. What it handed to ``acknowledge`` is known to whoever started it.
"""

import functools
import json
import os
import shutil
import signal
import subprocess
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Acknowledge = Callable[[str], None]
Act = Callable[[Acknowledge], object]

TOUCHING = (
    "chmod copy_file_range fchmod ftruncate mkdir pwrite rename replace rmdir sendfile symlink truncate unlink write"
)
"""Functions of ``os`` that change files; ``open`` does where it makes one. What makes durable changes nothing here."""

NEVER = 1 << 60
_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Ending:
    """How a child ended: what it acknowledged, how many points it passed, and the last of them by name.

    ``error`` is what ``act`` raised; ``killed`` is whether the chosen point was reached.
    """

    acknowledged: tuple[str, ...]
    passed: int
    last: str
    killed: bool
    error: str = ""


def count(act: Act) -> int:
    """How many points ``act`` passes where nobody kills it; an error of it is raised."""
    ending = run(act, NEVER)
    assert not ending.error, ending.error
    return ending.passed


def run(act: Act, at: int, number: signal.Signals = signal.SIGKILL) -> Ending:
    """Run ``act`` in a child that gets a signal behind its ``at``-th point."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside other threads: the child takes no lock
        pid = os.fork()
    if pid == 0:
        os.close(reader)
        signal.alarm(int(_TIMEOUT))
        _be_hit(act, _Points(at, number, _teller(writer)))
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        told = [json.loads(line) for line in stream if line.endswith(b"\n")]
    _, status = os.waitpid(pid, 0)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    points = [line["point"] for line in told if "point" in line]
    return Ending(
        tuple(line["done"] for line in told if "done" in line),
        len(points),
        points[-1] if points else "",
        killed,
        next((line["error"] for line in told if "error" in line), ""),
    )


def _be_hit(act: Act, points: "_Points") -> None:
    try:
        points.install()
        act(lambda what: points.tell({"done": what}))
    except BaseException as error:  # noqa: BLE001  the parent is told, whatever it is
        points.tell({"error": f"{type(error).__name__}: {error}"})
    finally:
        os._exit(0)


def _teller(writer: int) -> Callable[[Mapping[str, Any]], None]:
    write = os.write

    def tell(what: Mapping[str, Any]) -> None:
        write(writer, json.dumps(what).encode() + b"\n")

    return tell


class _Points:
    """Counts the calls of this process, and signals it behind the chosen one."""

    def __init__(self, at: int, number: signal.Signals, tell: Callable[[Mapping[str, Any]], None]) -> None:
        self.left = at
        self.number = number
        self.tell = tell

    def install(self) -> None:
        for name in TOUCHING.split():
            self._wrap(os, name)
        self._wrap(os, "open", lambda _path, flags, *_rest: bool(flags & os.O_CREAT))
        self._wrap(signal, "pidfd_send_signal")
        self._wrap(subprocess.Popen, "__init__")
        self._wrap(subprocess.Popen, "communicate")
        # It asks whether these are the functions it knows, and would take a slower way without them.
        shutil._use_fd_functions = True  # type: ignore[attr-defined]

    def _wrap(self, place: Any, name: str, counts: Callable[..., bool] = lambda *_: True) -> None:
        call = getattr(place, name)

        @functools.wraps(call)
        def counted(*args: Any, **named: Any) -> Any:
            result = call(*args, **named)
            if counts(*args):
                self.pass_point(name)
            return result

        setattr(place, name, counted)

    def pass_point(self, name: str) -> None:
        self.left -= 1
        self.tell({"point": name})
        if self.left == 0:
            os.kill(os.getpid(), self.number)


def settle(socket: Path) -> None:
    """Wait until the tmux clients of a killed process have done what they were told."""
    deadline = time.monotonic() + _TIMEOUT
    while _clients(socket):
        assert time.monotonic() < deadline, "a tmux client does not end"
        os.sched_yield()


def _clients(socket: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "comm").read_text() == "tmux: client\n" and os.fsencode(socket) in (
                process / "cmdline"
            ).read_bytes():
                found.append(process.name)
        except OSError:  # it ended meanwhile
            continue
    return found
