"""What an agent is doing, told from its process, its pane and its screen, with the evidence for it. Pure."""

import re
from dataclasses import dataclass
from typing import Literal

from mas.definitions import Profile

State = Literal["running", "waiting", "idle", "exited", "missing"]

WORDS = {"running": "running", "waiting": "running", "idle": "running", "exited": "stopped", "missing": "error"}
"""The three words of the HTTP API for the five states."""


@dataclass(frozen=True, slots=True)
class Signs:
    """Everything that can be seen of an agent. ``before`` is its screen a moment earlier, None where nobody looked."""

    there: bool
    dead: bool = False
    exit_code: int | None = None
    command: str = ""
    screen: str = ""
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Doing:
    """What an agent does, and how we know."""

    state: State
    evidence: str
    exit_code: int | None = None

    def __str__(self) -> str:
        return f"exited({self.exit_code})" if self.state == "exited" else self.state


def classify(signs: Signs, profile: Profile) -> Doing:
    """The state that the signs speak for; a changing screen wins over what stands on it."""
    if not signs.there:
        return Doing("missing", "tmux has no pane for it")
    if signs.exit_code is not None:
        return Doing("exited", f"its wrapper recorded exit code {signs.exit_code}", signs.exit_code)
    if signs.dead:
        return Doing("exited", "its pane is dead", signs.exit_code)
    if signs.before is not None and signs.before != signs.screen:
        return Doing("running", "its screen is changing")
    if found := _shown(profile.waiting, signs.screen):
        return Doing("waiting", f"its screen shows {found!r}")
    for pattern in (profile.idle, profile.ready):
        if found := _shown(pattern, signs.screen):
            return Doing("idle", f"its screen shows {found!r}")
    if profile.kind == "shell":
        return _shell(signs)
    return Doing("running", f"its process runs ({signs.command})" if signs.command else "its process runs")


def _shell(signs: Signs) -> Doing:
    if signs.command in ("sh", "bash", "zsh", "fish", "dash", "ksh"):
        return Doing("idle", f"its shell waits for a command ({signs.command})")
    return Doing("running", f"it runs {signs.command}")


def ready(signs: Signs, profile: Profile) -> bool:
    """Whether an agent that was just started reads input: it says so, or its screen shows something and rests."""
    if not signs.there or signs.exit_code is not None or signs.dead:
        return False
    if profile.ready:
        return bool(_shown(profile.ready, signs.screen))
    return bool(signs.screen.strip()) and signs.before == signs.screen and not _shown(profile.waiting, signs.screen)


def _shown(pattern: str, screen: str) -> str:
    """The part of a screen that a pattern matches, at most 60 characters."""
    found = re.search(pattern, screen, re.MULTILINE) if pattern else None
    return found[0].strip()[:60] if found else ""
