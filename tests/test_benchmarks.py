"""What the benchmarks have in common; what they measure is not for a test to judge."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def run(script: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A benchmark of one line that reports what it is told."""
    text = f"import ratios\ngiven = ratios.arguments('', 1).parse_args()\nreport = ratios.Report()\n{script}\n"
    words = (sys.executable, "-c", text + "report.end(check=given.check)", *words)
    return subprocess.run(words, cwd=BENCHMARKS, capture_output=True, text=True, check=False, timeout=30)


@pytest.mark.parametrize(
    ("limits", "goal", "code"),
    [
        ("1.5, most=1.5", "<= 1.50 met", 0),
        ("1.51, most=1.5", "<= 1.50 MISSED", 1),
        ("0.7, least=0.7", ">= 0.70 met", 0),
        ("0.69, least=0.7", ">= 0.70 MISSED", 1),
        ("99", "none", 0),
    ],
)
def test_a_missed_goal_is_a_failure_where_it_is_checked(limits: str, goal: str, code: int) -> None:
    done = run(f"report.ratio('a to b', {limits})", "--check")
    assert done.returncode == code, done
    value = limits.partition(",")[0]
    assert done.stdout.splitlines()[0].split() == [
        "ratio",
        f"{float(value):.3f}",
        "goal",
        *goal.split(),
        *"a to b".split(),
    ]


def test_a_missed_goal_is_only_shown_otherwise() -> None:
    assert run("report.ratio('a to b', 2, most=1)").returncode == 0


def test_ways_take_turns_and_the_first_round_warms_up() -> None:
    done = run("found = ratios.interleaved({w: lambda w=w: print(w, end='') for w in 'ab'}, 2, 2)\nprint(*found)")
    assert done.stdout == "aabb" * 3 + "a b\n"
