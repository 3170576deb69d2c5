"""The layouts of a window are those that tmux knows."""

import subprocess
from pathlib import Path

import pytest

from mas.layouts import LAYOUTS


@pytest.mark.parametrize("layout", LAYOUTS)
def test_tmux_knows_each_layout(layout: str, tmux_socket: Path) -> None:
    words = ["new-session", "-d", "cat", ";", "split-window", "cat", ";", "select-layout", layout]
    done = subprocess.run(["tmux", "-S", tmux_socket, *words], capture_output=True, check=False, timeout=10)
    assert (done.returncode, done.stderr) == (0, b"")
