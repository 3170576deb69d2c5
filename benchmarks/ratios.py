"""What the benchmarks have in common: ways that take turns, a line for each ratio, and whether its goal was met.

Single figures move from one run to the next; two ways that take turns in one run are slowed alike by whatever else the
machine does. So only ratios of medians are compared, and only they have goals.
"""

import argparse
import operator
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping

Way = Callable[[], object]


def arguments(doc: str, rounds: int) -> argparse.ArgumentParser:
    """The options that every benchmark has: how many rounds, and whether a missed goal is a failure."""
    parser = argparse.ArgumentParser(description=doc.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=rounds, help="how often each way is taken (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="end with 1 where a goal is missed")
    return parser


def interleaved(ways: Mapping[str, Way], rounds: int, repeat: int = 1) -> dict[str, float]:
    """Median milliseconds of one call of each way; a first round that warms up is not counted."""
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            for _ in range(repeat):
                way()
            if turn:
                spent[name].append((time.perf_counter() - start) / repeat * 1000)
    return {name: statistics.median(times) for name, times in spent.items()}


def environment(**variables: str) -> dict[str, str]:
    """What programs are to see: nothing of the team or terminal we may be in, and Python keeps what it compiled."""
    own = ("MAS_", "TMUX", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if not name.startswith(own)} | variables


class Report:
    """What was measured, printed as it comes, and the goals that were missed."""

    def __init__(self) -> None:
        self.missed: list[str] = []

    def table(self, title: str, medians: Mapping[str, float], unit: str = "ms") -> None:
        """The figures themselves."""
        print(title)
        for name, median in medians.items():
            print(f"    {median:12.3f} {unit}  {name}")

    def ratio(self, what: str, value: float, *, most: float | None = None, least: float | None = None) -> None:
        """One ratio, beside what it may be at most or must be at least; without either it is only shown."""
        goal, met = "none", True
        for sign, limit, holds in (("<=", most, operator.le), (">=", least, operator.ge)):
            if limit is not None:
                goal, met = f"{sign} {limit:.2f}", holds(value, limit)
        verdict = "" if goal == "none" else "met" if met else "MISSED"
        print(f"ratio {value:8.3f}  goal {goal:8}  {verdict:6}  {what}", flush=True)
        if not met:
            self.missed.append(what)

    def end(self, *, check: bool) -> None:
        """The last line; with ``check`` a missed goal ends the program with 1."""
        if self.missed:
            print(f"goals missed: {len(self.missed)}")
            sys.exit(1 if check else 0)
