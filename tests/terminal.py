"""A real terminal of 80 columns: a pane of a tmux server of its own, in which a shell runs what is typed."""

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from commandline import PROGRAM, environment

PROMPT = "ready> "
Wait = Callable[..., None]


class Terminal:
    """One terminal. ``type`` a line, then look at the ``screen``."""

    def __init__(self, directory: Path, env: Mapping[str, str], wait: Wait, columns: int = 80) -> None:
        self._wait = wait
        self._socket = directory / "terminal"
        shell = directory / "rc"
        program = " ".join(f"'{word}'" for word in PROGRAM)
        shell.write_text(f"PS1='{PROMPT}'\nmas() {{ {program} \"$@\"; }}\n")
        given = {name: value for name, value in env.items() if name not in ("TMUX", "TMUX_PANE")}
        size = ("-x", str(columns), "-y", "50")
        subprocess.run(
            ["tmux", "-u", "-f", os.devnull, "-S", str(self._socket), "new-session", "-d", *size, "-s", "t"]
            + [word for name, value in given.items() for word in ("-e", f"{name}={value}")]
            + ["bash", "--noprofile", "--rcfile", str(shell)],
            check=True,
            timeout=10,
        )

    def type(self, line: str) -> None:
        """Type a line and Enter."""
        self._tmux("send-keys", "-t", "t", "-l", line)
        self._tmux("send-keys", "-t", "t", "Enter")

    def press(self, key: str) -> None:
        """Press a key."""
        self._tmux("send-keys", "-t", "t", key)

    def screen(self, *, colours: bool = False) -> list[str]:
        """What it shows, line by line, without empty ones at the end."""
        shown = self._tmux("capture-pane", "-p", "-t", "t", *(["-e"] if colours else []))
        return shown.rstrip().splitlines()

    def run(self, line: str, *, colours: bool = False) -> list[str]:
        """Clear the screen, type a line, wait until it has ended; returns what it showed."""
        self.type("clear")
        self.wait(lambda: self.screen() == [PROMPT.rstrip()])
        self.type(line)
        self.wait(lambda: len(shown := self.screen()) > 1 and shown[-1] == PROMPT.rstrip())
        return self.screen(colours=colours)[1:-1]

    def wait(self, predicate: Callable[[], object]) -> None:
        """Wait until the screen is as it should be."""
        self._wait(predicate, timeout=30, what=lambda: "\n".join(self.screen()))

    def close(self) -> None:
        """End it."""
        subprocess.run(["tmux", "-S", self._socket, "kill-server"], capture_output=True, check=False, timeout=10)

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-u", "-S", self._socket, *words], capture_output=True, text=True, check=True, timeout=10
        )
        return done.stdout


def open_terminal(directory: Path, root: Path, wait: Wait, columns: int = 80) -> Terminal:
    """A terminal whose shell works in a root."""
    return Terminal(directory, environment(root, {"TERM": "screen-256color", "NO_COLOR": ""}), wait, columns)
