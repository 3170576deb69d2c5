"""What each command costs from its start to its end, as a ratio to ``python -c pass`` in the same run.

One team of two is up, so that what looks at tmux has something to see; ten sessions are on record, and for the listing
also ten thousand. The ways take turns, and medians are compared.

    python benchmarks/startup.py [--rounds N] [--sessions N]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from mas.clock import new_id, utc_now
from mas.filestore import FileStorage
from mas.manager import SessionManager
from mas.paths import Root
from mas.projections import Projections

FEW = 10
MAS = Path(sys.executable).with_name("mas")
PASS = (sys.executable, "-c", "pass")
QUICK = ("version", "path lib", "path bench", "env bench", "list", "list --json")
"""What scripts call in loops: at most 5 times."""

OTHERS = (
    "help",
    "show bench",
    "agents bench",
    "capture bench -a 10",
    "progress bench",
    "events bench",
    "wait bench --until active",
    'record bench command_executed --data {"command":"make"}',
    "session get bench",
    "session list",
    "session update bench statistics.total_tasks=1",
    "checkpoint list bench",
    "messages bench",
    "templates list",
    "doctor",
    "migrate --dry-run",
    "clean --dry-run",
    "stop nobody",
    "rm nobody",
    "resume nobody",
    "retry nobody",
    "attach nobody",
    "completion bash",
)
"""At most 10 times. Those that name nobody come as far as the search for a session."""


def fill(root: Root, count: int) -> None:
    """Make a root with so many sessions on record."""
    storage = FileStorage(root)
    draft = SessionManager(root.path.parent, storage=storage).draft("a request")
    runtime = {"mode": "isolated", "wanted": "down", "observed": "down", "agents": ["00"]}
    for _ in range(count):
        session_id = new_id()
        own = {"session_id": session_id, "runtime": {**runtime, "tmux_name": f"mas-{session_id[:8]}"}}
        storage.create({**draft, **own}, utc_now())
    Projections(storage).rebuild()


def measure(ways: Mapping[str, Sequence[str]], environ: Mapping[str, str], rounds: int) -> dict[str, float]:
    """Median milliseconds of each way."""
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, argv in ways.items():
            start = time.perf_counter()
            subprocess.run(argv, env=environ, stdin=subprocess.DEVNULL, capture_output=True, check=False)
            spent[name].append((time.perf_counter() - start) * 1000)
    return {name: statistics.median(times) for name, times in spent.items()}


def report(medians: Mapping[str, float], most: Mapping[str, float]) -> None:
    """One line a command, beside its ratio to an interpreter that does nothing."""
    for name, median in medians.items():
        ratio = median / medians["python -c pass"]
        goal = f"at most {most[name]:g}" if name in most else ""
        print(f"  {name:58} {median:8.1f} ms  {ratio:6.2f} x  {goal}")


def main() -> None:
    """Measure every command, then the listing of few sessions against that of many."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--sessions", type=int, default=10_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mas-startup-") as directory:
        few, many = Root(Path(directory) / "few"), Root(Path(directory) / "many")
        fill(few, FEW)
        fill(many, given.sessions)
        environ = {name: value for name, value in os.environ.items() if name != "TMUX" and not name.startswith("MAS_")}
        environ |= {"MAS_TMUX_SOCKET": f"{directory}/tmux", "MAS_ROOT": str(few.path)}
        start = ("start", "--isolated", "-q", "--template", "pair", "--command", "cat -", "--label", "bench")
        subprocess.run([str(MAS), *start], env=environ, check=True)
        subprocess.run([str(MAS), "session", "transition", "-q", "bench", "planning"], env=environ, check=True)
        try:
            ways = {"python -c pass": PASS} | {line: (str(MAS), *line.split()) for line in (*QUICK, *OTHERS)}
            report(measure(ways, environ, given.rounds), dict.fromkeys(QUICK, 5) | dict.fromkeys(OTHERS, 10))
            lists = {f"list, {FEW} on record": few, f"list, {given.sessions:,} on record": many}
            ways = {name: (str(MAS), "--root", str(root.path), "list") for name, root in lists.items()}
            one, other = measure(ways, environ, given.rounds * 2).values()
            print(f"  list, {given.sessions:,} sessions on record to {FEW}: {other / one:.2f} x  at most 1.5")
        finally:
            subprocess.run(["tmux", "-S", f"{directory}/tmux", "kill-server"], capture_output=True, check=False)


if __name__ == "__main__":
    main()
