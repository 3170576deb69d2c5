"""The real program, run as a person or a script runs it."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = (sys.executable, "-P", "-m", "mas")
WITHOUT_QUICK = (sys.executable, "-P", "-c", "import sys; from mas.cli import main; sys.exit(main(quick=False))")
AGENT = ("--command", "cat -")
"""The options of a start whose agents wait and do nothing."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a call ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def environment(root: Path | None, env: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a call sees: the test's own environment, and the root."""
    return {**os.environ, **({"MAS_ROOT": str(root)} if root else {}), **(env or {})}


def mas(
    *words: str | Path,
    root: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
    cwd: Path | None = None,
    program: tuple[str, ...] = PROGRAM,
) -> Done:
    """Run one command line to its end."""
    argv = [*program, *map(str, words)]
    done = subprocess.run(
        argv, env=environment(root, env), cwd=cwd, input=stdin.encode(), capture_output=True, timeout=60, check=False
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def ok(*words: str | Path, root: Path | None = None, **others: Any) -> Done:
    """The same; it must succeed."""
    done = mas(*words, root=root, **others)
    assert done.code == 0, done
    return done


def start(root: Path, *words: str) -> str:
    """Start a team of one agent and return its id."""
    given = words if "--template" in words else ("--template", "solo", *words)
    return ok("start", "--isolated", "-q", *AGENT, *given, root=root).out.strip()


def record(root: Path, *words: str) -> str:
    """Make a record without a team and return its id."""
    return ok("session", "create", "-q", *words, root=root).out.strip()


def fingerprint(place: Path) -> str:
    """Everything below a directory: names, modes and contents."""
    found = hashlib.sha256()
    for path in sorted(place.rglob("*")):
        content = path.read_bytes() if path.is_file() else b""
        found.update(f"{path.relative_to(place)}\0{path.lstat().st_mode}\0".encode() + content)
    return found.hexdigest()
