"""Processes: who belongs to a launch, and how to end them so that none is left.

Reads ``/proc``. A process is its pid together with the time it was started, and it is signalled through a descriptor
that was opened first and checked afterwards, so a pid that was given to somebody else meanwhile is never hit.
"""

import os
import select
import signal
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

GRACE = 5.0
"""Seconds a process has between being asked to end and being killed."""

_PROC = Path("/proc")
_HANG_UP = 0.3
"""Seconds for those that ignore TERM: an interactive shell does, but ends by itself once its terminal is gone."""
_LISTS_CHILDREN = (_PROC / "thread-self/children").exists()
"""Whether the kernel was built to tell the children of a process."""
_BLOCK = 1 << 16
_KILL_ONE = 2.0
_KILL_ALL = 10.0
"""Seconds for killing: some cannot be killed now, and some make new ones faster than they are found."""


class Process(NamedTuple):
    """One process for as long as it lives; ``start`` is in clock ticks since the machine was started."""

    pid: int
    start: int

    @property
    def started(self) -> float:
        """When that was, as Unix time in seconds."""
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + self.start / os.sysconf("SC_CLK_TCK")


class Ended(NamedTuple):
    """What is still there after ``end``, each of the three with its reason.

    ``survivors`` did not go away even when killed. ``own`` are this process and those it descends from: whoever stops
    a session from inside hands over to a process outside. ``spared`` are tmux servers that were started from inside,
    with all that runs in them, since they may hold anybody's work.
    """

    survivors: tuple[Process, ...]
    own: tuple[Process, ...]
    spared: tuple[Process, ...]


class _Entry(NamedTuple):
    process: Process
    name: str
    parent: int
    session: int
    ticks: int


def find(pid: int) -> Process | None:
    """The process that has this pid now; None where there is none, or only what its parent has not collected yet."""
    entry = _read(pid)
    return entry.process if entry else None


def descendants(pids: Collection[int]) -> frozenset[Process]:
    """The processes of these pids, all below them, and those of their terminals whose parents are gone already."""
    table = _table()
    return _below(table, {pid for pid in pids if pid in table})


def carriers(marker: str) -> frozenset[Process]:
    """The processes whose environment held exactly this ``NAME=value`` when they were started."""
    return _carriers(_table(), marker)


def marks(name: str) -> dict[str, int]:
    """The values that an environment variable had when processes were started, and how many of them have each."""
    counts: dict[str, int] = {}
    for pid in _pids():
        for value in _values(pid, name):
            counts[value] = counts.get(value, 0) + 1
    return counts


def ancestry() -> tuple[Process, ...]:
    """This process and those it descends from."""
    found, pid = [], os.getpid()
    while entry := _read(pid):
        found.append(entry.process)
        pid = entry.parent
    return tuple(found)


def own(members: Collection[Process]) -> tuple[Process, ...]:
    """Which of these are this process or one it descends from; any at all means that we run inside."""
    return tuple(process for process in ancestry() if process in members)


def values(name: str, members: Iterable[Process]) -> set[str]:
    """The values that an environment variable had when these processes were started."""
    return {value for process in members for value in _values(process.pid, name)}


def children(pids: Collection[int]) -> frozenset[Process]:
    """The direct children of these pids: of panes, the agents, without the wrappers that look after them."""
    return frozenset(entry.process for entry in _table().values() if entry.parent in pids)


def worked(pids: Collection[int]) -> dict[int, int]:
    """Clock ticks of processor time that each of these pids has used with all below it.

    Asked several times a second while agents start, so no process is looked at but those.
    """
    table = _families(pids) if _LISTS_CHILDREN else _table()
    below = {pid: _below(table, {pid}) for pid in pids if pid in table}
    return {pid: sum(table[process.pid].ticks for process in found) for pid, found in below.items()}


def ask(members: Collection[Process], *, grace: float = GRACE) -> None:
    """Ask processes to end (TERM) and give them ``grace`` seconds for it; whoever ignores that is not waited for."""
    table = _table()
    asked = {process for process in members if not is_tmux_server(process)} - set(_own(table, members))
    _signal(asked, signal.SIGTERM, grace)


def end(members: Collection[Process], marker: str = "", *, grace: float = GRACE) -> Ended:
    """End these processes, those below them, and whoever carries ``marker`` if any: first asked (TERM), then killed.

    ``members`` are collected before the session is ended, while it can still be seen who belongs to it.
    Returns once two looks in a row found nobody, or nothing helps.
    """
    known = set(members)
    wanted, seconds, looks = signal.SIGTERM, grace, 0
    deadline = time.monotonic() + grace + _KILL_ALL
    while True:
        table = _table()
        found = _below(table, {process.pid for process in known if _is(table, process)}) | _carriers(table, marker)
        ours, spared = _own(table, found), _spared(table, found)
        left = found - spared - set(ours)
        known |= left
        looks = 0 if left else looks + 1
        if looks == 2 or time.monotonic() > deadline:
            return Ended(tuple(sorted(left)), ours, tuple(sorted(spared)))
        _signal(left, wanted, seconds)
        wanted, seconds = signal.SIGKILL, _KILL_ONE


def send(process: Process, number: signal.Signals) -> bool:
    """Send a signal to this very process; false where it has ended, or may not be signalled."""
    with ExitStack() as stack:
        descriptor = _open(stack, process)
        return descriptor is not None and _deliver(descriptor, number)


def is_tmux_server(process: Process) -> bool:
    """Whether this is a tmux server, by the name it gives itself and by its program."""
    entry = _read(process.pid)
    if entry is None or entry.process != process or not entry.name.startswith("tmux: server"):
        return False
    try:
        return (_PROC / str(process.pid) / "exe").readlink().name.startswith("tmux")
    except OSError:  # somebody else's: the name has to do
        return True


def _table() -> dict[int, _Entry]:
    return {entry.process.pid: entry for pid in _pids() if (entry := _read(pid))}


def _families(pids: Iterable[int]) -> dict[int, _Entry]:
    """The entries of these pids and of all below them."""
    found: dict[int, _Entry] = {}
    waiting = [*pids]
    while waiting:
        pid = waiting.pop()
        if pid not in found and (entry := _read(pid)):
            found[pid] = entry
            waiting += _children(pid)
    return found


def _children(pid: int) -> list[int]:
    """The children that a process has now; each of its threads may have made some."""
    found: list[int] = []
    with suppress(OSError):  # it has ended
        for thread in os.listdir(f"{_PROC}/{pid}/task"):  # noqa: PTH208  names are all we want
            with suppress(OSError):
                found += map(int, _contents(pid, f"task/{thread}/children").split())
    return found


def _pids() -> list[int]:
    return [int(name) for name in os.listdir(_PROC) if name.isdecimal()]  # noqa: PTH208  names are all we want


def _read(pid: int) -> _Entry | None:
    try:
        before, _, after = _contents(pid, "stat").rpartition(b")")
    except OSError:
        return None
    state, parent, _group, session, *rest = after.split()
    if state in {b"Z", b"X"}:  # ended, its parent has not looked yet
        return None
    name = before.partition(b"(")[2].decode("utf-8", "replace")
    return _Entry(Process(pid, int(rest[15])), name, int(parent), int(session), sum(map(int, rest[7:11])))


def _is(table: dict[int, _Entry], process: Process) -> bool:
    return process.pid in table and table[process.pid].process == process


def _below(table: dict[int, _Entry], roots: set[int]) -> frozenset[Process]:
    found = set(roots)
    below: dict[int, list[int]] = {}
    for entry in table.values():
        below.setdefault(entry.parent, []).append(entry.process.pid)
        if entry.session in roots:
            found.add(entry.process.pid)
    waiting = list(found)
    while waiting:
        new = set(below.get(waiting.pop(), ())) - found
        found |= new
        waiting += new
    return frozenset(table[pid].process for pid in found)


def _carriers(table: dict[int, _Entry], marker: str) -> frozenset[Process]:
    entry = b"\0" + os.fsencode(marker) + b"\0"
    return frozenset(table[pid].process for pid in table if marker and entry in b"\0" + _environment(pid))


def _values(pid: int, name: str) -> Iterator[str]:
    begin = os.fsencode(name) + b"="
    environment = _environment(pid)
    if begin in environment:
        entries = environment.split(b"\0")
        yield from (os.fsdecode(entry.removeprefix(begin)) for entry in entries if entry.startswith(begin))


def _contents(pid: int, name: str) -> bytes:
    """A file of a process; hundreds of them are read at once, which is why this is no ``Path.read_bytes``."""
    file = os.open(f"{_PROC}/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.read(file, _BLOCK)
        while len(data) % _BLOCK == 0 and (more := os.read(file, _BLOCK)):
            data += more
        return data
    finally:
        os.close(file)


def _environment(pid: int) -> bytes:
    try:
        return _contents(pid, "environ")
    except OSError:  # it has ended, or is somebody else's and therefore none of ours
        return b""


def _own(table: dict[int, _Entry], members: Collection[Process]) -> tuple[Process, ...]:
    return tuple(entry.process for entry in _lineage(table, os.getpid()) if entry.process in members)


def _lineage(table: dict[int, _Entry], pid: int) -> Iterator[_Entry]:
    while pid in table:
        yield table[pid]
        pid = table[pid].parent


def _spared(table: dict[int, _Entry], found: Iterable[Process]) -> frozenset[Process]:
    servers = {process.pid for process in found if is_tmux_server(process)}
    return _below(table, servers) & frozenset(found)


def _signal(processes: Iterable[Process], number: signal.Signals, seconds: float) -> None:
    """Signal all, then wait until they have ended or the time is over."""
    asked: set[int] = set()
    deaf: set[int] = set()
    with ExitStack() as stack:
        for process in processes:
            descriptor = _open(stack, process)
            if descriptor is None or not _deliver(descriptor, number):
                continue
            _deliver(descriptor, signal.SIGCONT)  # one that is stopped could not act on it
            (deaf if _ignores(process.pid, number) else asked).add(descriptor)
        _wait(deaf, min(seconds, _HANG_UP))
        _wait(asked, seconds)


def _wait(descriptors: Collection[int], seconds: float) -> None:
    """Wait until these processes have ended: that is when their descriptors can be read."""
    running = select.poll()
    for descriptor in descriptors:
        running.register(descriptor, select.POLLIN)
    left = len(descriptors)
    deadline = time.monotonic() + seconds
    while left and (milliseconds := (deadline - time.monotonic()) * 1000) > 0:
        for descriptor, _ in running.poll(milliseconds):
            running.unregister(descriptor)
            left -= 1


def _open(stack: ExitStack, process: Process) -> int | None:
    """A descriptor of this very process: what is opened stays the same one, so it is compared only then."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError:  # ended; or no descriptors left, then the next round finds it again
        return None
    stack.callback(os.close, descriptor)
    return descriptor if find(process.pid) == process else None


def _deliver(descriptor: int, number: signal.Signals) -> bool:
    try:
        signal.pidfd_send_signal(descriptor, number)
    except OSError:
        return False
    return True


def _ignores(pid: int, number: signal.Signals) -> bool:
    try:
        status = (_PROC / str(pid) / "status").read_text(errors="replace")
    except OSError:
        return False
    mask = next((line.split()[1] for line in status.splitlines() if line.startswith("SigIgn:")), "0")
    return bool(int(mask, 16) >> (number - 1) & 1)
