"""What each command costs from its start to its end, as a ratio to ``python -c pass`` in the same run.

One team of two is up, so that what looks at tmux has something to see; ten sessions are on record, and for the listing
also ten thousand, beside the same team. What a command uses up, a session or a directory, is made before the clock
starts. Commands that end or start programs are shown apart and have no goal.

    python benchmarks/startup.py [--rounds N] [--check] [--sessions N]
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filling import stopped_teams
from ratios import Report, Way, arguments, environment, interleaved

from mas.app import Mas
from mas.paths import Root
from mas.planning import StartOptions

FEW = 10
MAS = Path(sys.executable).with_name("mas")
SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "mas"
PASS = (sys.executable, "-c", "pass")
QUICK = ("version", "path lib", "path bench", "env bench", "list", "list --json")
"""What scripts call in loops: at most 5 times."""

OTHERS = (
    "help",
    "show bench",
    "status bench",
    "agents bench",
    "capture bench -a 10",
    "logs bench 10",
    "send --session bench 10 hello",
    "messages bench",
    "progress bench",
    "events bench",
    "wait bench --until active",
    'record bench command_executed --data {"command":"make"}',
    "pause bench",
    "unpause bench",
    "complete {session}",
    "fail {session}",
    "session create",
    "session get bench",
    "session list",
    "session update bench statistics.total_tasks=1",
    "session transition {session} generating_tasks",
    "checkpoint save bench",
    "checkpoint list bench",
    "templates list",
    "templates show default",
    "init --root {directory}",
    "doctor",
    "migrate --dry-run",
    "clean --dry-run",
    "rm {session}",
    "stop nobody",
    "resume nobody",
    "retry nobody",
    "attach nobody",
    "completion bash",
)
"""At most 10 times. Those that name nobody come as far as the search for a session."""

TEAMS = ("stop -f busy", "resume busy", "restart-agent busy 10")
"""They wait for programs to end, or start some."""

TEAM = ("start", "--isolated", "-q", "--template", "pair", "--command", "cat -", "--log", "--label")


class Bench:
    """Two roots on one tmux server of their own, and what commands use up."""

    def __init__(self, place: Path, sessions: int) -> None:
        self.place = place
        self.few = Root(place / "few")
        self.few.path.mkdir()
        self.many = stopped_teams(place / "many", sessions, ["10", "11"])
        self.environ = environment(MAS_TMUX_SOCKET=f"{place}/tmux", MAS_ROOT=str(self.few.path))
        mas = Mas(self.few, self.environ, place)
        for _ in range(FEW):  # with whole workspaces, or the doctor would find something
            mas.start(mas.plan(StartOptions(template="pair", command="cat -", team=False)))
        self.manager = mas.manager
        self.stock: dict[str, list[str]] = {}

    def prepare(self, lines: Sequence[str], rounds: int) -> None:
        """Have a new session or directory there for each call that uses one up; the first round warms up."""
        for line in lines:
            if "{session}" in line:
                self.stock[line] = [self.session() for _ in range(rounds + 1)]
            elif "{directory}" in line:
                self.stock[line] = [tempfile.mkdtemp(dir=self.place) for _ in range(rounds + 1)]

    def session(self) -> str:
        """A session whose work was begun."""
        session_id = self.manager.create_session("a request").id
        self.manager.transition_state(session_id, "planning")
        return session_id

    def mas(self, line: str, root: Root | None = None) -> Way:
        """A call of mas; it ends the program where it does not end as it should."""

        def run() -> None:
            words = line.split()
            if line in self.stock:
                given = self.stock[line].pop()
                words = [given if word in ("{session}", "{directory}") else word for word in words]
            self.run(MAS, *words, root=root, fails="nobody" in words)

        return run

    def run(self, *words: str | Path, root: Root | None = None, fails: bool = False) -> None:
        """Run a program to its end."""
        environ = self.environ | ({"MAS_ROOT": str(root.path)} if root else {})
        done = subprocess.run(words, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if bool(done.returncode) != fails:
            sys.exit(f"{' '.join(map(str, words))} ended with {done.returncode}: {done.stdout}{done.stderr}")


@contextmanager
def bench(sessions: int) -> Iterator[Bench]:
    """Both roots, with a team up in each."""
    with tempfile.TemporaryDirectory(prefix="mas-startup-", ignore_cleanup_errors=True) as directory:
        made = Bench(Path(directory), sessions)
        try:
            for root, label in ((made.few, "bench"), (made.few, "busy"), (made.many, "bench"), (made.many, "busy")):
                made.run(MAS, *TEAM, label, root=root)
            made.run(MAS, "session", "transition", "-q", "bench", "planning")
            made.run(MAS, "send", "--session", "bench", "10", "hello")
            wait_until(lambda: any(made.few.sessions.glob("*/logs/agent-10.log")))
            yield made
        finally:
            subprocess.run(["tmux", "-S", f"{directory}/tmux", "kill-server"], capture_output=True, check=False)


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait for a condition, up to a deadline."""
    deadline = time.monotonic() + 10
    while not holds():
        if time.monotonic() > deadline:
            sys.exit("the agent's log never came")
        time.sleep(0.01)


def measure_commands(report: Report, made: Bench, rounds: int) -> None:
    """Every command against an interpreter that does nothing."""
    lines = (*QUICK, *OTHERS, *TEAMS)
    made.prepare(lines, rounds)
    ways: dict[str, Way] = {"wrapper": lambda: made.run(SCRIPT, "version")}
    bases = [f"before {line}" for line in lines[::3]]  # often, or one slow moment would count for every command
    for place, line in enumerate(lines):
        if place % 3 == 0:
            ways[bases[place // 3]] = lambda: made.run(*PASS)
        ways[line] = made.mas(line)
    medians = interleaved(ways, rounds)
    base = statistics.median(medians[name] for name in bases)
    report.table("an interpreter that does nothing", {"python -c pass": base})
    for line in lines:
        most = 5 if line in QUICK else 10 if line in OTHERS else None
        title = f"mas {line}  ({medians[line]:.1f} ms{'' if most else ', works on programs'})"
        report.ratio(title, medians[line] / base, most=most)
    report.ratio("scripts/mas version to the environment's own mas", medians["wrapper"] / medians["version"], most=1.5)


def measure_list(report: Report, made: Bench, sessions: int, rounds: int) -> None:
    """The listing with few and with many sessions on record."""
    ways = {"few": made.mas("list", made.few), "many": made.mas("list", made.many)}
    medians = interleaved(ways, rounds)
    few, many = medians["few"], medians["many"]
    report.table("mas list", {f"few, {FEW}, on record": few, f"many, {sessions:,}, on record": many})
    report.ratio(f"mas list with {sessions:,} on record to {FEW}", many / few, most=1.5)


def main() -> None:
    """Measure every command, then the listing."""
    parser = arguments(__doc__ or "", 5)
    parser.add_argument("--sessions", type=int, default=10_000, help="on record for the listing (default: %(default)s)")
    given = parser.parse_args()
    report = Report()
    with bench(given.sessions) as made:
        measure_list(report, made, given.sessions, given.rounds * 3)
        measure_commands(report, made, given.rounds)
    report.end(check=given.check)


if __name__ == "__main__":
    main()
