"""What an agent is doing, told from its process, its pane and its screen, with the evidence for it. Pure."""

import re
from typing import Literal

from mas.definitions import Profile
from mas.structs import Frozen

State = Literal["running", "waiting", "idle", "exited", "missing"]

SURE, LIKELY, BLANK, NEVER = 2, 5, 10, 50
"""Looks at the same screen after which a program is taken to read: it shows something and its terminal gives it single
keys, so it draws its own input line; or lines; it shows nothing, as ``cat`` does; or nothing, but wants keys."""

RESTING = 4
"""Clock ticks that a program may use between two looks and still rest: some draw a clock, or look for news."""


class Signs(Frozen):
    """Everything that can be seen of an agent.

    ``before`` is its screen a moment earlier, None where nobody looked, ``worked`` the clock ticks of processor time it
    used since. ``rests`` says how many looks in a row saw the same, ``keys`` whether its terminal gives it single keys,
    None where that cannot be seen. ``replaced`` is whether somebody has started another program in its pane, ``ready``
    whether the agent was seen to read since it was started.
    """

    there: bool
    dead: bool = False
    replaced: bool = False
    ready: bool = False
    exit_code: int | None = None
    command: str = ""
    screen: str = ""
    before: str | None = None
    rests: int = 0
    keys: bool | None = False
    worked: int = 0


class Doing(Frozen):
    """What an agent does, and how we know."""

    state: State
    evidence: str
    exit_code: int | None = None

    def to_json(self) -> dict[str, object]:
        """What is added to an agent in the words of the HTTP API."""
        return {"state": self.state, "evidence": self.evidence, "exitCode": self.exit_code}

    def __str__(self) -> str:
        return self.state if self.exit_code is None else exited(self.exit_code)


def exited(code: int) -> str:
    """The state of an agent whose program has ended, with its exit code."""
    return f"exited({code})"


def classify(signs: Signs, profile: Profile) -> Doing:
    """The state that the signs speak for; a changing screen wins over what stands on it."""
    if not signs.there:
        return Doing("missing", "tmux has no pane for it")
    if signs.exit_code is not None:
        return Doing("exited", f"its wrapper recorded exit code {signs.exit_code}", signs.exit_code)
    if signs.dead or signs.replaced:
        return Doing("exited", "its pane is dead" if signs.dead else "another program was started in its pane")
    if signs.before is not None and signs.before != signs.screen:
        return Doing("running", "its screen is changing")
    patterns: tuple[tuple[State, str], ...] = (
        ("waiting", profile.waiting),
        ("running", profile.busy),
        ("idle", profile.idle),
        ("idle", profile.ready),
    )
    shown = ((state, _shown(pattern, signs.screen)) for state, pattern in patterns)
    doing = next(
        (Doing(state, f"its screen shows {found!r}") for state, found in shown if found), _running(signs, profile)
    )
    if doing.state == "idle" and profile.ready and not (signs.ready or _shown(profile.ready, signs.screen)):
        return Doing("running", "it is starting: what shows that it is ready was not seen yet")
    return doing


def _running(signs: Signs, profile: Profile) -> Doing:
    if profile.kind == "shell":
        return _shell(signs)
    if signs.worked > RESTING:
        return Doing("running", "it computes")
    if signs.keys and signs.before == signs.screen:
        return Doing("idle", "it reads keys, and nothing changes on its screen")
    return Doing("running", f"its process runs ({signs.command})" if signs.command else "its process runs")


def _shell(signs: Signs) -> Doing:
    if signs.command in ("sh", "bash", "zsh", "fish", "dash", "ksh"):
        return Doing("idle", f"its shell waits for a command ({signs.command})")
    return Doing("running", f"it runs {signs.command}")


def ready(signs: Signs, profile: Profile) -> bool:
    """Whether an agent that was just started reads input: it says so, or its screen rests. One that asks does not."""
    if not signs.there or signs.exit_code is not None or signs.dead or asks(signs.screen, profile):
        return False
    if profile.ready:
        return bool(_shown(profile.ready, signs.screen))
    if signs.screen.strip():
        return signs.rests >= (SURE if signs.keys else LIKELY)
    return signs.rests >= (BLANK if signs.keys is False else NEVER)


def asks(screen: str, profile: Profile) -> bool:
    """Whether an agent waits for somebody's decision, which no message may make by accident."""
    return bool(_shown(profile.waiting, screen))


def _shown(pattern: str, screen: str) -> str:
    """The first line of what a pattern matches on a screen, at most 60 characters."""
    found = re.search(pattern, screen, re.MULTILINE) if pattern else None
    return found[0].strip().partition("\n")[0][:60] if found else ""
