"""What a whole ``mas start --isolated`` costs, as a ratio to other ways to the same team in the same run.

The default template, with a waiting program for every agent. The others are a bash script that does the same with
``cp -r`` and a tmux call for every window, split, layout, title and tag, and ``tmuxp load -d``, which only makes the
windows and panes. mas is measured with few sessions on record and with ten thousand. The ways take turns, and medians
are compared; nothing is removed between rounds, because ext4 makes files more slowly for some seconds after that.

    python benchmarks/start.py [--rounds N] [--sessions N] [--tmuxp PATH]
"""

import argparse
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

from mas.clock import new_id, utc_now
from mas.filestore import FileStorage
from mas.manager import SessionManager
from mas.paths import Root, shipped
from mas.projections import Projections
from mas.team import Team
from mas.workspace import find_template

FEW = 10
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
            mux set-option -t "$name" @mas_root "$root"
            first=no
        elif [ $count = 0 ]; then
            mux new-window -t "$name" -n "$window" "${words[@]}"
        else
            mux split-window -t "$name:$window" "${words[@]}"
            mux select-layout -t "$name:$window" tiled
        fi
        mux select-pane -t "$name:$window.$count" -T "Agent $agent"
        mux set-option -p -t "$name:$window.$count" @mas_agent "$agent"
        count=$((count + 1))
    done
done <<<"$units"
now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
printf '%s\n' "SESSION_ID=$id" "TMUX_SESSION=$name" "STATUS=active" "CREATED_AT=$now" "UNIT_DIR=$dir/unit" \
    "WORKFLOWS_DIR=$dir/workflows" "SESSION_DIR=$dir" >"$dir/.session"
printf '{"session_id":"%s","status":"initializing","created_at":"%s"}\n' "$id" "$now" | tee "$dir/metadata.json" \
    >>"$dir/events.jsonl"
printf '{"sessionId":"%s","tmuxSession":"%s","status":"active"}\n' "$id" "$name" >>"$root/sessions/.index"
"""
"""The same by hand: 58 calls of tmux for 13 agents. It checks nothing and makes nothing durable."""


class Bench:
    """A directory, a tmux server, and the ways to a team."""

    def __init__(self, place: Path, tmuxp: str | None, sessions: int) -> None:
        self.place = place
        self.socket = place / "tmux"
        self.environ = {**os.environ, "MAS_TMUX_SOCKET": str(self.socket), "AGENT": AGENT}
        self.environ.pop("TMUX", None)
        self.template = shipped("templates") / "default"
        self.team = find_template("default", Root(place)).team
        self.ways: dict[str, Sequence[str]] = {
            "mas": self.ours(self.root("few", FEW)),
            f"mas, {sessions:,} on record": self.ours(self.root("many", sessions)),
            "bash": self.by_hand(place / "bash"),
        }
        if tmuxp:
            self.ways["tmuxp load -d"] = (tmuxp, "load", "-d", "-y", "-S", str(self.socket), str(self.workspace()))
        self.tmux("-f", os.devnull, "new-session", "-d", "-s", "keep", AGENT)

    def root(self, name: str, count: int) -> Root:
        """A root with so many sessions on record."""
        root = Root(self.place / name)
        storage = FileStorage(root)
        manager = SessionManager(self.place, storage=storage)
        draft = manager.draft("a request")
        runtime = {"mode": "isolated", "wanted": "down", "observed": "down", "agents": list(self.team.ids)}
        for _ in range(count):
            session_id = new_id()
            document = {"session_id": session_id, "runtime": {**runtime, "tmux_name": f"mas-{session_id[:8]}"}}
            storage.create({**draft, **document}, utc_now())
        Projections(storage).rebuild()
        return root

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


def report(medians: Mapping[str, float]) -> None:
    """One table: each way, and how mas compares with it."""
    for name, median in medians.items():
        print(f"{name:28} {median:8.1f} ms   mas takes {medians['mas'] / median:5.2f} x")


def main() -> None:
    """Measure, and print the medians beside the ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--tmuxp", default=shutil.which("tmuxp"), help="a tmuxp to compare with")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mas-start-", ignore_cleanup_errors=True) as place:
        bench = Bench(Path(place), options.tmuxp, options.sessions)
        try:
            report(bench.measure(options.rounds))
        finally:
            bench.tmux("kill-server")


if __name__ == "__main__":
    main()
