"""What a whole ``mas start --isolated`` costs, as a ratio to other ways to the same team in the same run.

The default template, with a waiting program for every agent. The others are a bash script that does the same with
``cp -r`` and a tmux call for every window, split, layout, title and tag, and ``tmuxp load -d``, which only makes the
windows and panes. mas is measured with few sessions on record and with ten thousand. A tmuxp that is not there is
installed from PyPI into an environment that is thrown away. Nothing is removed between rounds, because an ext4 without
a journal makes files more slowly for minutes after that.

    python benchmarks/start.py [--rounds N] [--check] [--sessions N] [--tmuxp PATH]
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from filling import stopped_teams
from ratios import Report, arguments, environment

from mas.paths import Root, shipped
from mas.team import Team
from mas.workspace import find_template

FEW = 10
FEW_ON_RECORD, MANY_ON_RECORD, BY_HAND, TMUXP = "mas", "mas, many on record", "bash", "tmuxp load -d"
AGENT = "cat"
MAS = Path(sys.executable).with_name("mas")

BASH = r"""
set -eu
root=$1 template=$2 units=$3
id=$(cat /proc/sys/kernel/random/uuid) name=mas-${id%%-*} dir=$root/sessions/$id
mkdir -p "$dir/logs"
chmod 700 "$dir"
cp -r "$template/unit" "$template/workflows" "$dir/"
mux() { tmux -S "$MAS_TMUX_SOCKET" "$@"; }
environment() {
    printf '%s\n' "MAS_ROOT=$root" "MAS_SESSION_ID=$id" "MAS_SESSION_NAME=$name" "MAS_SESSION_DIR=$dir" \
        "MAS_SESSION_MODE=isolated" "SESSION_DIR=$dir" "UNIT_DIR=$dir/unit" "WORKFLOWS_DIR=$dir/workflows" \
        "MAS_UNIT_DIR=$dir/unit" "MAS_WORKFLOWS_DIR=$dir/workflows" "MAS_AGENT_ID=$1" "MAS_AGENT_DIR=$dir/unit/$1"
}
pane() { # <agent>: the options and the program of its pane
    words=(-c "$dir/unit/$1")
    while read -r variable; do words+=(-e "$variable"); done < <(environment "$1")
    words+=("$AGENT")
}
first=yes
while read -r window agents; do
    count=0
    for agent in $agents; do
        pane "$agent"
        if [ $first = yes ]; then
            mux new-session -d -s "$name" -n "$window" -x 240 -y 80 "${words[@]}"
            mux set-option -t "$name" @mas_session "$id"
            first=no
        elif [ $count = 0 ]; then
            mux new-window -t "$name" -n "$window" "${words[@]}"
        else
            mux split-window -t "$name:$window" "${words[@]}"
        fi
        mux select-pane -t "$name:$window.$count" -T "Agent $agent"
        mux set-option -p -t "$name:$window.$count" @mas_agent "$agent"
        count=$((count + 1))
    done
    mux select-layout -t "$name:$window" tiled
done <<<"$units"
now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
printf '%s\n' "SESSION_ID=$id" "TMUX_SESSION=$name" "STATUS=active" "CREATED_AT=$now" "UNIT_DIR=$dir/unit" \
    "WORKFLOWS_DIR=$dir/workflows" "SESSION_DIR=$dir" >"$dir/.session"
printf '{"session_id":"%s","status":"initializing","created_at":"%s"}\n' "$id" "$now" | tee "$dir/metadata.json" \
    >>"$dir/events.jsonl"
printf '{"sessionId":"%s","tmuxSession":"%s","status":"active"}\n' "$id" "$name" >>"$root/sessions/.index"
"""
"""The same by hand: 44 calls of tmux for 13 agents. It checks nothing and makes nothing durable."""


class Bench:
    """A directory, a tmux server, and the ways to a team."""

    def __init__(self, place: Path, tmuxp: str, sessions: int) -> None:
        self.place = place
        self.socket = place / "tmux"
        self.environ = environment(MAS_TMUX_SOCKET=str(self.socket), AGENT=AGENT)
        self.template = shipped("templates") / "default"
        self.team = find_template("default", Root(place)).team
        self.ways: dict[str, Sequence[str]] = {
            FEW_ON_RECORD: self.ours(stopped_teams(place / "few", FEW, self.team.ids)),
            MANY_ON_RECORD: self.ours(stopped_teams(place / "many", sessions, self.team.ids)),
            BY_HAND: self.by_hand(place / "bash"),
            TMUXP: (tmuxp, "load", "-d", "-y", "-S", str(self.socket), str(self.workspace())),
        }
        self.tmux("-f", os.devnull, "new-session", "-d", "-s", "keep", AGENT)

    def ours(self, root: Root) -> Sequence[str]:
        """The command line of mas."""
        words = ("start", "--isolated", "--no-attach", "-q", "--template", "default", "--command", AGENT)
        return (str(MAS), *words, "--root", str(root.path))

    def by_hand(self, root: Path) -> Sequence[str]:
        """The command line of the script."""
        (root / "sessions").mkdir(parents=True)
        return ("bash", "--norc", "-c", BASH, "start", str(root), str(self.template), units(self.team))

    def workspace(self) -> Path:
        """What tmuxp is to load: the same windows, panes and directories; JSON is YAML too."""
        file = self.place / "workspace.json"
        windows = []
        for unit in self.team.units:
            panes = [{"shell": AGENT, "start_directory": str(self.template / "unit" / one.id)} for one in unit.agents]
            windows.append({"window_name": unit.name, "layout": "tiled", "panes": panes})
        file.write_text(json.dumps({"session_name": "loaded", "windows": windows}))
        return file

    def tmux(self, *words: str) -> str:
        """What a client of the server prints."""
        argv = ["tmux", "-S", str(self.socket), *words]
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60).stdout

    def measure(self, rounds: int) -> dict[str, float]:
        """Median milliseconds of each way; a team is ended before the next one is made."""
        spent: dict[str, list[float]] = {name: [] for name in self.ways}
        for _ in range(rounds + 1):
            for name, words in self.ways.items():
                os.sync()  # or mas, which makes its own work durable, would have to do that for the others' too
                begin = time.perf_counter()
                done = subprocess.run(words, env=self.environ, capture_output=True, text=True, check=False, timeout=120)
                spent[name].append((time.perf_counter() - begin) * 1000)
                self.end(name, done)
        return {name: statistics.median(times[1:]) for name, times in spent.items()}  # the first one warms up

    def end(self, way: str, done: subprocess.CompletedProcess[str]) -> None:
        """See that there is a whole team, and end it."""
        panes = self.tmux("list-panes", "-a", "-F", "#{session_name}").split()
        made = [name for name in panes if name != "keep"]
        if done.returncode or len(made) != len(self.team.ids):
            sys.exit(f"{way} made {len(made)} panes: {done.stderr}")
        self.tmux("kill-session", "-t", f"={made[0]}")


def units(team: Team) -> str:
    """A window a line, with its agents."""
    return "\n".join(" ".join([unit.name, *(agent.id for agent in unit.agents)]) for unit in team.units)


def find_tmuxp(given: str | None, place: Path) -> str:
    """A tmuxp to compare with: the one given, the one on PATH, else one that is thrown away afterwards."""
    found = given or shutil.which("tmuxp")
    if found:
        return found
    print("installing tmuxp into a temporary environment", flush=True)
    program = place / "tmuxp" / "bin" / "tmuxp"
    words = ["-m", "pip", "--disable-pip-version-check", "install", "--quiet", "tmuxp"]
    try:
        subprocess.run([sys.executable, "-m", "venv", place / "tmuxp"], check=True)
        subprocess.run([program.with_name("python"), *words], check=True, env=environment())
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"tmuxp could not be installed ({error}); install one and give its place: --tmuxp PATH")
    return str(program)


def judge(report: Report, medians: Mapping[str, float], sessions: int) -> None:
    """The figures, and what mas takes against the others."""
    report.table("a team of 13 in 4 windows", medians)
    few, many = medians[FEW_ON_RECORD], medians[MANY_ON_RECORD]
    report.ratio("mas start to tmuxp load -d", few / medians[TMUXP], most=0.30)
    report.ratio("mas start to a bash script", few / medians[BY_HAND], most=1.3)
    report.ratio(f"mas start with {sessions:,} on record to {FEW}", many / few, most=1.15)


def main() -> None:
    """Measure, and print the medians beside the ratios."""
    parser = arguments(__doc__ or "", 15)
    parser.add_argument("--sessions", type=int, default=10_000, help="on record at most (default: %(default)s)")
    parser.add_argument("--tmuxp", help="a tmuxp to compare with")
    given = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory(prefix="mas-start-", ignore_cleanup_errors=True) as directory:
        place = Path(directory)
        bench = Bench(place, find_tmuxp(given.tmuxp, place), given.sessions)
        try:
            judge(report, bench.measure(given.rounds), given.sessions)
        finally:
            bench.tmux("kill-server")
    report.end(check=given.check)


if __name__ == "__main__":
    main()
