"""Scripts that source the library, run by a real bash as its users run theirs."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mas.paths import Root

LIB = Path(__file__).parents[1] / "lib"
PROGRAM = Path(sys.executable).with_name("mas")
STRICT = "set -euo pipefail"
NOTHING: Mapping[str, str] = {}

READER = r"""sh -c 'printf "\033[?2004h> "; exec cat'"""
"""An agent that says at once that it reads."""


def give_readers(root: Root) -> tuple[str, str]:
    """The words of a start in that root whose agents are such, and known by what they say."""
    root.path.mkdir(parents=True, exist_ok=True)
    (root.path / "profiles.toml").write_text(f"[profile.reader]\ncommand = {json.dumps(READER)}\nready = '^>'\n")
    return "--agent", "reader"


@dataclass(frozen=True)
class Done:
    """How a script ended, and what it said; colours are left out of its output."""

    code: int
    out: str
    err: str

    @property
    def answer(self) -> tuple[int, str]:
        """The exit code and the output, where nothing was complained about."""
        assert self.err == ""
        return self.code, self.out


@dataclass(frozen=True)
class Bash:
    """A bash that begins with ``begin`` and sources one file of the library."""

    begin: str
    root: Path
    file: str = "message.sh"
    env: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, script: str, *words: str, cwd: Path | None = None, env: Mapping[str, str] = NOTHING) -> Done:
        """Run a script after sourcing the library; ``words`` are its ``$1`` and on."""
        text = f"{self.begin}\nsource '{LIB}/{self.file}'\n{script}"
        around = {**os.environ, "MAS_ROOT": str(self.root), "MAS_BIN": str(PROGRAM), **self.env, **env}
        return run(["bash", "--norc", "-c", text, "bash", *words], env=around, cwd=cwd)


def run(argv: list[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Done:
    """Run a program without a terminal; what it says may hold any bytes."""
    done = subprocess.run(
        argv, capture_output=True, check=False, timeout=60, env=env, cwd=cwd, stdin=subprocess.DEVNULL
    )
    texts = (said.decode("utf-8", "surrogateescape") for said in (done.stdout, done.stderr))
    return Done(done.returncode, *texts)
