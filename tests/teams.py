"""Plans of teams made of stub agents, and a plain tmux beside ours to look at what it did."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from mas.launch import LaunchPlan, PanePlan, WindowPlan

SESSION = "aaaaaaaa-0000-4000-8000-000000000000"
NAME = "mas-aaaaaaaa"
NONCE = os.urandom(8).hex()  # tests may run side by side, and look for processes by it
TEAM = {"meta": 1, "design": 4, "development": 4, "business": 4}
WAITING = ("cat", "-")


def tmux(socket: Path, *words: str, conf: Path | None = None) -> str:
    """What a plain client prints; it must succeed."""
    given = ["-f", str(conf or os.devnull)]
    done = subprocess.run(["tmux", "-u", *given, "-S", socket, *words], capture_output=True, timeout=10, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode("utf-8", "surrogateescape").removesuffix("\n")


def start_server(socket: Path, conf: str = "") -> None:
    """A server with a configuration, kept up by a session that is not ours."""
    file = socket.with_name("tmux.conf")
    file.write_text(conf)
    tmux(socket, "new-session", "-d", "-s", "bystander", "cat", conf=file)


def sessions(socket: Path) -> list[str]:
    """The names of all sessions; none where no server runs."""
    done = subprocess.run(
        ["tmux", "-S", socket, "list-sessions", "-F", "#{session_name}"], capture_output=True, timeout=10, check=False
    )
    return done.stdout.decode().split()


def plan(  # noqa: PLR0913  what a test may want to be different
    directory: Path,
    shape: Mapping[str, int] = TEAM,
    argv: Sequence[str] = WAITING,
    *,
    session_id: str = SESSION,
    name: str = NAME,
    nonce: str = NONCE,
    env: Mapping[str, str] | None = None,
) -> LaunchPlan:
    """A team of so many agents a window, each in a directory of its own below ``directory``."""
    (directory / "logs").mkdir(parents=True, exist_ok=True)
    windows = tuple(
        WindowPlan(window, "tiled", tuple(_pane(directory, f"{row}{column}", argv) for column in range(count)))
        for row, (window, count) in enumerate(shape.items())
    )
    shared = {
        "PATH": os.environ["PATH"],
        "MAS_SESSION_ID": session_id,
        "MAS_SESSION_DIR": str(directory),
        "MAS_TMUX_SOCKET": os.environ["MAS_TMUX_SOCKET"],
        **(env or {}),
    }
    return LaunchPlan(session_id, name, directory.parent, shared, windows, nonce)


def _pane(directory: Path, agent_id: str, argv: Sequence[str]) -> PanePlan:
    cwd = directory / "unit" / agent_id
    cwd.mkdir(parents=True, exist_ok=True)
    return PanePlan(agent_id, f"Agent {agent_id}", cwd, tuple(argv), {"MAS_AGENT_ID": agent_id})


def fake_tmux(directory: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell script called tmux in front of the real one."""
    directory.mkdir(exist_ok=True)
    (directory / "tmux").write_text(f"#!/bin/sh\n{text}\n")
    (directory / "tmux").chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")


def environment(pid: int) -> dict[str, str]:
    """The environment a process was started with."""
    entries = Path(f"/proc/{pid}/environ").read_bytes().decode("utf-8", "surrogateescape").split("\0")
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def children(pid: int) -> list[int]:
    """The pids of a process's children."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
