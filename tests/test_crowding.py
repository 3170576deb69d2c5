"""The crowd in small: it goes through, and says so where something is not as it must be."""

import subprocess
import sys
from pathlib import Path

import crowding
import pytest


@pytest.mark.slow
def test_a_small_crowd_and_one_too_many() -> None:
    words = [sys.executable, str(Path(__file__).with_name("crowding.py")), "--sessions", "2", "--limit", "60"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done
    assert "the next one was refused: capacity: 13 panes are needed" in done.stdout
    assert done.stdout.endswith("all as it must be\n")


def test_what_is_not_as_it_must_be_ends_it() -> None:
    crowding.must(["something"], "nothing is there")
    with pytest.raises(SystemExit, match="FAILED: nothing is there"):
        crowding.must([], "nothing is there")
