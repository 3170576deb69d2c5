"""What the benchmarks have in common, and the script that runs them; what they measure is not for a test to judge."""

import re
import shutil
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


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with two benchmarks, which print their names and options; the first one misses a goal."""
    for directory in ("scripts", "benchmarks", ".venv/bin"):
        (tmp_path / directory).mkdir(parents=True)
    shutil.copy(BENCHMARKS.parent / "scripts" / "bench", tmp_path / "scripts")
    setup = tmp_path / "scripts" / "setup"
    setup.write_text("#!/bin/sh\n")
    setup.chmod(0o755)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    for name, code in (("store", 1), ("lib", 0)):
        text = f"import sys\nprint('{name}', *sys.argv[1:])\nsys.exit({code} if '--check' in sys.argv else 0)\n"
        (tmp_path / "benchmarks" / f"{name}.py").write_text(text)
    return tmp_path / "scripts" / "bench"


def bench(checkout: Path, *words: str) -> tuple[int, list[str], str]:
    """How the script ended, and what it and the benchmarks said."""
    done = subprocess.run([checkout, *words], capture_output=True, text=True, check=False, timeout=30)
    return done.returncode, done.stdout.splitlines(), done.stderr


def test_the_named_ones_run_with_the_options_and_one_that_fails_stops_none(checkout: Path) -> None:
    lines = ["== store", "store --rounds 2 --check", "== lib", "lib --rounds 2 --check"]
    assert bench(checkout, "--rounds", "2", "store", "--check", "lib") == (1, lines, "failed: store\n")
    assert bench(checkout, "lib") == (0, ["== lib", "lib"], "")


def test_what_is_not_there_is_named(checkout: Path) -> None:
    code, _, complaint = bench(checkout, "speed")
    assert (code, complaint) == (2, "mas: there is no benchmark 'speed'; docs/benchmarks.md lists them\n")


def test_all_of_them_run_where_none_is_named() -> None:
    programs = {path.stem for path in BENCHMARKS.glob("*.py") if "__main__" in path.read_text()}
    named = re.search(r"\$\{names:-(.*)\}", (BENCHMARKS.parent / "scripts" / "bench").read_text())
    assert named
    assert set(named[1].split()) == programs
