"""The sweep of ``scripts/sweep``: the real command line, killed by strace at each system call that changes something.

strace follows no children: it would follow the tmux server and never return. It counts the calls of each name, so a
first run tells which of them touch the root, and each later one is killed at one of those.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import failpoints
import roots

from mas import doctor
from mas.app import Mas
from mas.paths import Root

CALLS = (
    "openat,write,pwrite64,sendfile,copy_file_range,ftruncate,mkdir,mkdirat,rmdir,unlink,unlinkat,rename,renameat,"
    "renameat2,symlink,symlinkat,chmod,fchmod,fchmodat,pidfd_send_signal,vfork,clone3,clone"
)
WITHOUT_PATHS = ("pidfd_send_signal", "vfork", "clone3", "clone")
"""Calls that touch what is not below the root: processes, and tmux by its clients."""

_CALL = re.compile(r"([a-z0-9_]+)\((.*)")
_TIMEOUT = 120
_EARLIER = 10
"""How many calls before a point that was not reached the next try is: what is read of other processes varies."""


@dataclass(frozen=True)
class Point:
    """A call by its name and which of those it is."""

    call: str
    number: int


@dataclass
class Bench:
    """Where the sweep happens: a directory of its own, and a tmux server of its own."""

    directory: Path
    socket: Path
    numbers: Iterator[int]

    def root(self) -> Mas:
        """A new root with a small template and an acknowledged session of each kind."""
        mas = roots.mas_of(Root(self.directory / f"a root {next(self.numbers)}"))
        roots.make_template(mas.root)
        mas.manager.create_session("beside it")
        return mas


def start(_mas: Mas) -> list[str]:
    return ["start", "--isolated", "--no-attach", "--template", "duo", "--command", roots.WAITING, "--label", "mine"]


def stop(mas: Mas) -> list[str]:
    return ["stop", roots.start(mas).session.session_id]


def remove(mas: Mas) -> list[str]:
    return ["rm", "--force", roots.start(mas).session.session_id]


def resume(mas: Mas) -> list[str]:
    return ["resume", roots.start(mas, team=False).session.session_id]


def mend(mas: Mas) -> list[str]:
    """A root with something of everything to mend."""
    half_stopped, half_started, torn = (roots.start(mas).session.session_id for _ in range(3))
    mas.manager.observe(half_stopped, {"wanted": "down"})
    mas.manager.observe(half_started, {"observed": "unknown"})
    with mas.root.session(torn).log.open("ab") as log:
        log.write(b'{"torn')
    removed = mas.manager.create_session("half removed").session_id
    mas.storage.discard(removed)
    (mas.root.staging / "0f0f0f0f-1111-4222-8333-444444444444").mkdir(parents=True)
    return ["doctor", "--fix"]


COMMANDS: dict[str, Callable[[Mas], list[str]]] = {
    "start": start,
    "stop": stop,
    "rm": remove,
    "resume": resume,
    "doctor": mend,
}


def traced(mas: Mas, words: Sequence[str], *options: str) -> int:
    """Run a command line under strace, to its end or to where it is killed; strace ends as that did."""
    line = [sys.executable, "-P", "-m", "mas", *words, "--root", str(mas.root.path)]
    done = subprocess.run(["strace", "-qq", *options, *line], capture_output=True, check=False, timeout=_TIMEOUT)
    return done.returncode


def points(bench: Bench, prepare: Callable[[Mas], list[str]]) -> list[Point]:
    """The calls of a command that change something, in their order."""
    mas = bench.root()
    log = bench.directory / "calls"
    traced(mas, prepare(mas), "-o", str(log), "-y", "-s", "4096", "-e", f"trace={CALLS}", "-e", "signal=none")
    seen: Counter[str] = Counter()
    found = []
    for line in log.read_text("utf-8", "replace").splitlines():
        match = _CALL.match(line)
        if match:
            seen[match[1]] += 1
            if touches(match[1], match[2], str(mas.root.path)):
                found.append(Point(match[1], seen[match[1]]))
    end_teams(bench, mas)
    return found


def touches(call: str, arguments: str, root: str) -> bool:
    """Whether a call changes something that outlives its process."""
    if call == "openat":
        return "O_CREAT" in arguments and root in arguments
    return call in WITHOUT_PATHS or root in arguments


def end_teams(bench: Bench, mas: Mas) -> None:
    for name in roots.teams(bench.socket, mas.root).values():
        roots.tmux(bench.socket, "kill-session", "-t", f"={name}")


def kill(bench: Bench, prepare: Callable[[Mas], list[str]], at: Point) -> tuple[str, list[str]]:
    """Kill a command at a point; what was found then, and what is wrong once the doctor was there."""
    mas = bench.root()
    words = prepare(mas)
    logs = {session_id: roots.log_of(mas.root, session_id) for session_id in mas.storage.list()}
    ended = traced(mas, words, "-e", f"trace={at.call}", "-e", f"inject={at.call}:signal=KILL:when={at.number}")
    if not ended and at.number > _EARLIER:
        discard(bench, mas)
        return kill(bench, prepare, Point(at.call, at.number - _EARLIER))
    failpoints.settle(bench.socket)
    state = "+".join(sorted({one.problem for one in doctor.look(mas).findings})) or "whole"
    wrong = [] if ended == -signal.SIGKILL else [f"it was not killed, and ended with {ended}"]
    wrong += [f"the doctor leaves {one}" for one in doctor.mend(mas).remaining]
    wrong += roots.violations(mas, bench.socket)
    for session_id, log in logs.items():
        if mas.storage.has(session_id) and not roots.log_of(mas.root, session_id).startswith(without_tail(log)):
            wrong.append(f"the log of {session_id} was changed")
    discard(bench, mas)
    return state, wrong


def discard(bench: Bench, mas: Mas) -> None:
    end_teams(bench, mas)
    shutil.rmtree(mas.root.path)


def without_tail(log: bytes) -> bytes:
    """A log's whole lines."""
    return log[: log.rfind(b"\n") + 1]


def sweep(bench: Bench, name: str, every: int) -> bool:
    """Kill one command at all its points, print what came of it, and return whether all is well."""
    prepare = COMMANDS[name]
    states: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    wrong = []
    for at in points(bench, prepare)[::every]:
        state, found = kill(bench, prepare, at)
        states[state] += 1
        calls[at.call] += 1
        wrong += [f"{name} killed at {at.call} {at.number}: {one}" for one in found]
    told = ", ".join(f"{call} {number}" for call, number in calls.most_common())
    print_row(name, str(calls.total()), str(len(wrong)), told)
    for state, number in states.most_common():
        print_row("", str(number), "", state)
    for one in wrong:
        print_row("", "", "", one)
    return not wrong


def print_row(*cells: str) -> None:
    sys.stdout.write(f"{cells[0]:8}{cells[1]:>8}{cells[2]:>8}  {cells[3]}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/sweep")
    parser.add_argument("commands", nargs="*", choices=[*COMMANDS, []], metavar="COMMAND", help=", ".join(COMMANDS))
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only at every N-th call")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mas-", dir="/tmp") as place:
        socket = Path(place) / "tmux"
        os.environ["MAS_TMUX_SOCKET"] = str(socket)
        roots.tmux(socket, "-f", os.devnull, "new-session", "-d", "-s", "bystander", "cat")
        bench = Bench(Path(place), socket, count(1))
        try:
            print_row("command", "killed", "wrong", "at which calls, and what that left")
            well = [sweep(bench, name, options.every) for name in options.commands or COMMANDS]
        finally:
            roots.tmux(socket, "kill-server")
    return 0 if all(well) else 1


if __name__ == "__main__":
    sys.exit(main())
