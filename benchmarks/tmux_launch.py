"""What building a team costs, as a ratio to the same commands given to tmux directly in the same run.

Thirteen agents in four windows on a server of its own.

    python benchmarks/tmux_launch.py [--rounds N] [--check]
"""

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ratios import Report, arguments

from mas import tmux
from mas.launch import LaunchPlan, PanePlan, WindowPlan, script

SHAPE = {"meta": 1, "design": 4, "development": 4, "business": 4}
Run = Callable[[], object]


def make_plan(directory: Path, turn: int, way: int) -> LaunchPlan:
    """A team of agents that wait, each with a directory and variables of its own."""
    windows = []
    for row, (name, count) in enumerate(SHAPE.items()):
        agents = [f"{row}{column}" for column in range(count)]
        panes = (
            PanePlan(agent, f"Agent {agent}", directory, ("cat", "-"), {"MAS_AGENT_ID": agent}) for agent in agents
        )
        windows.append(WindowPlan(name, "tiled", tuple(panes)))
    env = {"PATH": os.environ["PATH"], "MAS_SESSION_DIR": str(directory)}
    name = f"mas-{turn:04}{way}"
    return LaunchPlan(name, name, directory, env, tuple(windows), f"{turn * 10 + way:016x}")


def prepare_ours(server: tmux.Server, plan: LaunchPlan) -> Run:
    """``tmux.launch``, all that it does included."""
    return lambda: tmux.launch(server, plan)


def prepare_raw(server: tmux.Server, plan: LaunchPlan) -> Run:
    """One client with the same commands, written before the clock starts."""
    words, text = start(server), script(plan)
    return lambda: subprocess.run(words, input=text, check=True, capture_output=True)


_UNTARGETED = (b'"set-option" "-p" "@', b'"set-option" "-p" "-F" "@', b'"select-pane" "-T"')


def prepare_single(server: tmux.Server, plan: LaunchPlan) -> Run:
    """A client for each command, as a shell script would do it."""
    commands = script(plan).removeprefix(b"if-shell -F 1 { ").removesuffix(b" }\n").split(b" ; ")
    place = b'"split-window" "-t" "=%s:"' % plan.name.encode()
    # Stamps without a target mean the pane made last, which a client of its own does not know; they are left out.
    known = [command.replace(b'"split-window" "-e"', place + b' "-e"') for command in commands]
    known = [command for command in known if not command.startswith(_UNTARGETED)]

    def run() -> None:
        for command in known:
            subprocess.run(start(server), input=command + b"\n", check=True, capture_output=True)

    return run


OURS, RAW, SINGLE = "mas", "one client with the same commands", "a client a command"
WAYS = {OURS: prepare_ours, RAW: prepare_raw, SINGLE: prepare_single}


def start(server: tmux.Server) -> list[str]:
    """The command line of a client that reads a script."""
    return [*server.argv, "start-server", ";", "source-file", "-"]


def measure(server: tmux.Server, directory: Path, rounds: int) -> dict[str, float]:
    """Median milliseconds of each way."""
    spent: dict[str, list[float]] = {name: [] for name in WAYS}
    for turn in range(rounds):
        for place, (name, prepare) in enumerate(WAYS.items()):
            plan = make_plan(directory, turn, place)
            run = prepare(server, plan)
            begin = time.perf_counter()
            run()
            spent[name].append((time.perf_counter() - begin) * 1000)
            tmux.undo(server, plan)
            time.sleep(0.1)  # the processes of one team end before the next is timed
    return {name: statistics.median(times) for name, times in spent.items()}


def main() -> None:
    """Measure on a server that runs already and ends with us."""
    given = arguments(__doc__ or "", 25).parse_args()
    report = Report()
    with tempfile.TemporaryDirectory(prefix="mas-tmux-") as directory:
        server = tmux.Server(f"{directory}/socket")
        subprocess.run([*server.argv, "-f", os.devnull, "new-session", "-d", "cat"], check=True)
        try:
            medians = measure(server, Path(directory), given.rounds)
        finally:
            subprocess.run([*server.argv, "kill-server"], check=True)
    report.table("13 agents in 4 windows", medians)
    report.ratio(f"tmux.launch to {RAW}", medians[OURS] / medians[RAW], most=1.10)
    report.ratio(f"tmux.launch to {SINGLE}", medians[OURS] / medians[SINGLE])
    report.end(check=given.check)


if __name__ == "__main__":
    main()
