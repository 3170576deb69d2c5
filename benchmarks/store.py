"""What the session store costs, as ratios to the plainest way of doing the same, measured in one run.

The ways take turns, so that whatever else the machine does falls on all of them, and the medians are compared. "plain"
is a ``metadata.json`` that is read, changed and written again, as the earlier session manager did it; "plain, durable"
does the same with a temporary file, fsync and rename.

    python benchmarks/store.py [ROUNDS] [DIRECTORY]
"""

import json
import os
import resource
import statistics
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mas import lines, maestro, replay, snapshots
from mas.events import CommandExecuted
from mas.filestore import FileStorage
from mas.logbook import LOG, SNAPSHOT
from mas.manager import SessionManager
from mas.paths import Root
from mas.record import CREATED

FEW, MANY = 10, 10_000
EVENTS = 100_000
Way = Callable[[], object]


def interleaved(ways: Mapping[str, Way], rounds: int, repeat: int = 1) -> dict[str, float]:
    """Median microseconds of one call of each way."""
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            for _ in range(repeat):
                way()
            spent[name].append((time.perf_counter() - start) / repeat * 1e6)
    return {name: statistics.median(times) for name, times in spent.items()}


def report(title: str, medians: Mapping[str, float], base: str, most: float | None = None) -> None:
    """One table; each way beside its ratio to the base, and what it may be at most."""
    print(f"{title}{f'  (at most {most:g} x)' if most else ''}")
    for name, median in medians.items():
        print(f"  {name:28} {median:10.1f} us  {median / medians[base]:6.2f} x")


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


def fill(root: Root, count: int, document: Mapping[str, Any]) -> list[str]:
    """Put sessions there the quick way: what a creation leaves behind, without making each durable."""
    FileStorage(root).create({**document, "session_id": str(uuid.uuid4())}, document["created_at"])
    ids = [str(uuid.uuid4()) for _ in range(count - 1)]
    for session_id in ids:
        raw, stored = replay.extend(None, [(CREATED, {**document, "session_id": session_id})], document["created_at"])
        directory = root.session(session_id).directory
        directory.mkdir()
        (directory / LOG).write_bytes(raw)
        (directory / SNAPSHOT).write_bytes(snapshots.encode(stored.document, stored.size, stored.crc))
    return ids


# --- what is measured ---


def measure_get(manager: SessionManager, session_id: str, rounds: int) -> None:
    """Reading one session."""
    path = manager.sessions_dir / session_id / SNAPSHOT

    def bare() -> object:
        with path.open(encoding="utf-8") as file:
            return json.load(file)

    ways = {"json.load of the same file": bare, "get_session": lambda: manager.get_session(session_id)}
    report("get", interleaved(ways, rounds * 20, 50), "json.load of the same file", 2)


def measure_query(manager: SessionManager, rounds: int) -> None:
    """Reading all sessions."""

    def scan() -> list[Any]:
        found = []
        with os.scandir(manager.sessions_dir) as entries:
            for entry in entries:
                if entry.name[0] != ".":
                    with open(f"{entry.path}/{SNAPSHOT}", encoding="utf-8") as file:  # noqa: PTH123
                        found.append(json.load(file))
        return found

    ways = {"open and parse the same files": scan, "query_sessions": manager.query_sessions}
    report(f"query over {MANY} sessions", interleaved(ways, rounds), "open and parse the same files", 1.5)


def measure_writes(place: Path, document: Mapping[str, Any], rounds: int) -> None:
    """Creating and appending, against the plainest way."""
    manager = SessionManager(place / "kernel")
    plain, durable = Plain(place / "plain", durable=False), Plain(place / "durable", durable=True)
    ways: dict[str, Way] = {
        "plain": lambda: plain.create(document),
        "plain, durable": lambda: durable.create(document),
        "create_session": lambda: manager.create(manager.draft("Build it")),
        "create, without asking git": lambda: manager.create({**document, "session_id": str(uuid.uuid4())}),
    }
    report("create", interleaved(ways, rounds * 4, 5), "plain, durable")
    first, second, third = plain.create(document), durable.create(document), manager.create_session("Build it").id
    manager.start_session(third)
    ways = {
        "plain": lambda: plain.add(first, "make"),
        "plain, durable": lambda: durable.add(second, "make"),
        "record_event": lambda: manager.record_event(third, CommandExecuted("make")),
    }
    report("append one event", interleaved(ways, rounds * 4, 20), "plain, durable")


def measure_growth(few: SessionManager, many: SessionManager, rounds: int) -> None:
    """The same calls in a root with few and with many sessions."""
    one = {manager: manager.create_session("Build it").id for manager in (few, many)}

    def life(manager: SessionManager) -> None:
        """Create, get, update, transition and delete one session."""
        session_id = manager.create_session("Build it").id
        manager.get_session(session_id)
        manager.update_session(session_id, {"statistics": {"total_tasks": 1}})
        manager.transition_state(session_id, "planning")
        manager.delete_session(session_id)

    calls: dict[str, Callable[[SessionManager], object]] = {
        "get": lambda manager: manager.get_session(one[manager]),
        "update": lambda manager: manager.update_session(one[manager], {"statistics": {"total_tasks": 1}}),
        "create … delete": life,
    }
    for name, call in calls.items():
        ways: dict[str, Way] = {
            f"with {FEW} sessions": lambda call=call: call(few),  # type: ignore[misc]
            f"with {MANY} sessions": lambda call=call: call(many),  # type: ignore[misc]
        }
        report(name, interleaved(ways, rounds * 8, 5), f"with {FEW} sessions", 1.2)


def measure_concurrency(place: Path, rounds: int) -> None:
    """Twenty sessions written at once against one."""
    manager = SessionManager(place / "concurrent")
    ids = [manager.create_session("Build it").id for _ in range(20)]
    for session_id in ids:
        manager.start_session(session_id)

    def work(session_id: str) -> None:
        for _ in range(20):
            manager.record_event(session_id, CommandExecuted("make"))

    def at_once() -> None:
        threads = [threading.Thread(target=work, args=(session_id,)) for session_id in ids]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    medians = interleaved({"one session": lambda: work(ids[0]), "20 sessions at once": at_once}, rounds)
    per_event = {
        "one session": medians["one session"] / 20,
        "20 sessions at once": medians["20 sessions at once"] / 400,
    }
    report("one event", per_event, "one session")


def measure_replay(place: Path, document: Mapping[str, Any]) -> None:
    """Replaying a long log, built without fsync; its memory is compared with that of a short one."""
    root = Root(place / "replay")
    session_id = fill(root, 2, document)[0]
    stored = FileStorage(root).read(session_id)
    started, stored = replay.extend(stored, [("started", {})], document["created_at"])
    with root.session(session_id).log.open("ab") as log:
        log.write(started)
        crc, seq = stored.crc, stored.document["rev"]
        for number in range(EVENTS):
            seq += 1
            data = {"command": f"make {number}", "success": True}
            raw = lines.encode(lines.Line(seq, document["created_at"], "command_executed", data, crc, ""))
            crc = lines.crc_of(raw)
            log.write(raw)
    manager = SessionManager(place, storage=FileStorage(root))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    session = manager.restore_session(session_id)
    seconds = time.perf_counter() - start
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    size = root.session(session_id).log.stat().st_size
    if session.rev != EVENTS + 2:
        sys.exit(f"replayed {session.rev} records, expected {EVENTS + 2}")
    print(
        f"replay of {EVENTS} events, {size / 1e6:.0f} MB\n  {seconds:.2f} s, {grown / 1024:.1f} MiB more memory at most"
    )


def main() -> None:
    """Measure everything; a directory on the disk in question may be given."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None, prefix="mas-store-") as directory:
        place = Path(directory)
        few, many = SessionManager(place / "few"), SessionManager(place / "many")
        document = few.draft("Build a REST API with authentication and an administration page")
        measure_replay(place, document)
        ids = fill(maestro.root_of(place / "few"), FEW, document)
        fill(maestro.root_of(place / "many"), MANY, document)
        measure_get(few, ids[0], rounds)
        measure_query(many, rounds)
        measure_writes(place, document, rounds)
        measure_growth(few, many, rounds)
        measure_concurrency(place, rounds)


if __name__ == "__main__":
    main()
