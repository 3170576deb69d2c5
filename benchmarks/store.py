"""What the session store costs, as ratios to the plainest way of doing the same, measured in one run.

"plain" is a ``metadata.json`` that is read, changed and written again, as the earlier session manager did it; "plain,
durable" does the same with a temporary file, fsync and rename.

    python benchmarks/store.py [--rounds N] [--check] [--directory DIRECTORY]
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from filling import fill
from ratios import Report, Way, arguments, interleaved

from mas import lines, maestro, replay
from mas.events import CommandExecuted
from mas.filestore import FileStorage
from mas.logbook import SNAPSHOT
from mas.manager import SessionManager
from mas.paths import Root

FEW, MANY = 10, 10_000
EVENTS, FEWER_EVENTS = 100_000, 10_000
AT_ONCE, EACH = 20, 20

REPLAY = """
import sys, time
from pathlib import Path
from mas.filestore import FileStorage
from mas.manager import SessionManager
from mas.paths import Root

def peak():  # unlike what getrusage tells, not that of the process before it became this one
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM:"))

root = Root(Path(sys.argv[1]))
manager, before, start = SessionManager(root.path, storage=FileStorage(root)), peak(), time.perf_counter()
rev = manager.restore_session(sys.argv[2]).rev
print(rev, time.perf_counter() - start, peak() / 1024, (peak() - before) / 1024)
"""


# --- the plainest way ---


class Plain:
    """Sessions as the earlier manager kept them: one document, read and written as a whole."""

    def __init__(self, place: Path, *, durable: bool) -> None:
        self.place, self.durable = place, durable
        place.mkdir(parents=True)

    def create(self, document: Mapping[str, Any]) -> str:
        """Make a directory with a document in it."""
        session_id = str(uuid.uuid4())
        (self.place / session_id).mkdir()
        self.write(session_id, {**document, "session_id": session_id})
        if self.durable:
            self.sync(self.place)
        return session_id

    def add(self, session_id: str, command: str) -> None:
        """Add an event to the document."""
        path = self.place / session_id / SNAPSHOT
        document = json.loads(path.read_text())
        document.setdefault("events", []).append({"type": "command_executed", "command": command})
        del document["events"][:-1]  # or it would grow and be no match from the first round on
        self.write(session_id, document)

    def write(self, session_id: str, document: Mapping[str, Any]) -> None:
        """Write the document in place, or durably beside it and rename."""
        path = self.place / session_id / SNAPSHOT
        if not self.durable:
            path.write_text(json.dumps(document, indent=2))
            return
        temporary = path.with_suffix(".tmp")
        with temporary.open("w") as file:
            json.dump(document, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        self.sync(path.parent)

    def sync(self, place: Path) -> None:
        """Make the names in a directory durable."""
        fd = os.open(place, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)


# --- what is measured ---


def measure_get(report: Report, manager: SessionManager, session_id: str, rounds: int) -> None:
    """Reading one session."""
    path = manager.sessions_dir / session_id / SNAPSHOT

    def bare() -> object:
        with path.open(encoding="utf-8") as file:
            return json.load(file)

    ways = {"json.load of the same file": bare, "get_session": lambda: manager.get_session(session_id)}
    medians = interleaved(ways, rounds * 20, 50)
    report.table("get", medians)
    report.ratio("get_session to a json.load of the same file", quotient(medians), most=2)


def measure_query(report: Report, manager: SessionManager, rounds: int) -> None:
    """Reading all sessions."""

    def scan() -> list[Any]:
        found = []
        with os.scandir(manager.sessions_dir) as entries:
            for entry in entries:
                if entry.name[0] != ".":
                    with open(f"{entry.path}/{SNAPSHOT}", encoding="utf-8") as file:  # noqa: PTH123
                        found.append(json.load(file))
        return found

    medians = interleaved({"open and parse the same files": scan, "query_sessions": manager.query_sessions}, rounds)
    report.table(f"query over {MANY:,} sessions", medians)
    report.ratio(f"query_sessions over {MANY:,} to a scan that parses the same files", quotient(medians), most=1.5)


def measure_writes(report: Report, place: Path, document: Mapping[str, Any], rounds: int) -> None:
    """Creating and appending, against the plainest way."""
    manager = SessionManager(place / "kernel")
    plain, durable = Plain(place / "plain", durable=False), Plain(place / "durable", durable=True)
    ways: dict[str, Way] = {
        "plain": lambda: plain.create(document),
        "plain, durable": lambda: durable.create(document),
        "create_session": lambda: manager.create(manager.draft("Build it")),
        "create, without asking git": lambda: manager.create({**document, "session_id": str(uuid.uuid4())}),
    }
    against_plain(report, "create", interleaved(ways, rounds * 4, 5))
    first, second, third = plain.create(document), durable.create(document), manager.create_session("Build it").id
    manager.start_session(third)
    ways = {
        "plain": lambda: plain.add(first, "make"),
        "plain, durable": lambda: durable.add(second, "make"),
        "record_event": lambda: manager.record_event(third, CommandExecuted("make")),
    }
    against_plain(report, "append one event", interleaved(ways, rounds * 4, 20))


def against_plain(report: Report, title: str, medians: Mapping[str, float]) -> None:
    """Ours beside both plain ways."""
    report.table(title, medians)
    for name in list(medians)[2:]:
        for base in ("plain", "plain, durable"):
            report.ratio(f"{title}: {name} to {base}", medians[name] / medians[base])


def life(manager: SessionManager) -> Iterator[tuple[str, float]]:
    """Create, get, update, transition and delete one session; how many milliseconds each took."""
    session_id = ""

    def create() -> None:
        nonlocal session_id
        session_id = manager.create_session("Build it").id

    steps: dict[str, Way] = {
        "create": create,
        "get": lambda: manager.get_session(session_id),
        "update": lambda: manager.update_session(session_id, {"statistics": {"total_tasks": 1}}),
        "transition": lambda: manager.transition_state(session_id, "planning"),
        "delete": lambda: manager.delete_session(session_id),
    }
    for name, step in steps.items():
        start = time.perf_counter()
        step()
        yield name, (time.perf_counter() - start) * 1000


def measure_growth(report: Report, few: SessionManager, many: SessionManager, rounds: int) -> None:
    """The same calls in a root with few and with many sessions."""
    spent: dict[str, tuple[list[float], list[float]]] = {}
    for turn in range(rounds * 30):
        managers = ((0, few), (1, many))
        for place, manager in managers if turn % 2 else reversed(managers):
            for name, milliseconds in life(manager):
                spent.setdefault(name, ([], []))[place].append(milliseconds)
    for name, pair in spent.items():
        one, other = (statistics.median(times[2:]) for times in pair)  # the first ones warm up
        report.table(name, {f"with {FEW} sessions": one, f"with {MANY:,} sessions": other})
        report.ratio(f"{name} with {MANY:,} sessions to {FEW}", other / one, most=1.2)


def measure_concurrency(report: Report, place: Path, rounds: int) -> None:
    """Many sessions written at once against one."""
    manager = SessionManager(place / "concurrent")
    ids = [manager.create_session("Build it").id for _ in range(AT_ONCE)]
    for session_id in ids:
        manager.start_session(session_id)

    def work(session_id: str) -> None:
        for _ in range(EACH):
            manager.record_event(session_id, CommandExecuted("make"))

    def at_once() -> None:
        threads = [threading.Thread(target=work, args=(session_id,)) for session_id in ids]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    medians = interleaved({"one session": lambda: work(ids[0]), "at once": at_once}, rounds)
    one, many = medians["one session"] / EACH, medians["at once"] / EACH / AT_ONCE
    report.table("one event", {"one session": one, f"{AT_ONCE} sessions at once": many})
    report.ratio(f"an event of {AT_ONCE} sessions at once to one of a single session", many / one)


def long_log(root: Root, document: Mapping[str, Any], events: int) -> str:
    """A session with so many events, its log built without fsync; returns its id."""
    (session_id,) = fill(root, 1, document)
    started, stored = replay.extend(FileStorage(root).read(session_id), [("started", {})], document["created_at"])
    with root.session(session_id).log.open("ab") as log:
        log.write(started)
        crc, seq = stored.crc, stored.document["rev"]
        for number in range(events):
            seq += 1
            data = {"command": f"make {number}", "success": True}
            raw = lines.encode(lines.Line(seq, document["created_at"], "command_executed", data, crc, ""))
            crc = lines.crc_of(raw)
            log.write(raw)
    return session_id


def replayed(root: Root, session_id: str, events: int) -> tuple[float, float]:
    """Seconds that a process of its own needs for a replay, and how many MiB of memory at most."""
    words = [sys.executable, "-c", REPLAY, str(root.path), session_id]
    rev, seconds, peak, grown = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    if int(rev) != events + 2:
        sys.exit(f"replayed {rev} records, expected {events + 2}")
    size = root.session(session_id).log.stat().st_size / 1e6
    print(
        f"    {events:,} events, {size:.1f} MB: {float(seconds):.2f} s, {float(grown):.1f} MiB more, {peak} MiB in all"
    )
    return float(seconds), float(peak)


def measure_replay(report: Report, place: Path, document: Mapping[str, Any]) -> None:
    """Replaying a long log, and one of a tenth of its length."""
    print("replay")
    (few, small), (many, large) = (
        replayed(root, long_log(root, document, events), events)
        for root, events in ((Root(place / str(events)), events) for events in (FEWER_EVENTS, EVENTS))
    )
    report.ratio(f"seconds for {EVENTS:,} events to ten times those for {FEWER_EVENTS:,}", many / few / 10, most=1.2)
    report.ratio(f"memory for {EVENTS:,} events to that for {FEWER_EVENTS:,}", large / small, most=1.1)


def quotient(medians: Mapping[str, float]) -> float:
    """The second to the first."""
    base, ours = medians.values()
    return ours / base


def main() -> None:
    """Measure everything; a directory on the disk in question may be given."""
    parser = arguments(__doc__ or "", 7)
    parser.add_argument("--directory", help="where the sessions are made (default: a temporary directory)")
    given = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory(dir=given.directory, prefix="mas-store-") as directory:
        place = Path(directory)
        few, many = SessionManager(place / "few"), SessionManager(place / "many")
        document = few.draft("Build a REST API with authentication and an administration page")
        measure_replay(report, place, document)
        ids = fill(maestro.root_of(place / "few"), FEW, document)
        fill(maestro.root_of(place / "many"), MANY, document)
        measure_get(report, few, ids[0], given.rounds)
        measure_query(report, many, given.rounds)
        measure_writes(report, place, document, given.rounds)
        measure_growth(report, few, many, given.rounds)
        measure_concurrency(report, place, given.rounds)
    report.end(check=given.check)


if __name__ == "__main__":
    main()
