"""The definition of an agent profile: what may stand in it, checked key by key. Pure.

Where profiles come from, and which one a team gets, is in ``mas.profiles``.
"""

import re
import shlex
from collections.abc import Mapping
from typing import Any

from mas.errors import RefusedError, shorten
from mas.structs import Frozen

BUILT_IN = "built in"
"""The source of a profile that no file defines."""

KINDS = ("agent", "shell")
"""What a profile runs: an agent program, or a shell that people and scripts type into."""

MENUS = ("keys", "arrows")
"""What chooses in an agent's menus: keys that stand beside the choices, or nothing but arrows and Enter."""

LONGEST_DELAY = 30
"""More seconds than this between a text and its Enter is a mistake."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_ANYTHING = re.compile(r".*", re.DOTALL)


class Profile(Frozen):
    """How one kind of agent is run.

    ``command`` and ``resume`` (used where an agent is brought back; empty means ``command``) are argument lists with
    placeholders, run by no shell. ``models`` turns a team's word for a model into the program's, an empty one into no
    choice. ``ready``, ``waiting``, ``busy`` and ``idle`` are regular expressions searched for on the screen, ``^`` and
    ``$`` meaning each line: the agent reads input, it asks for a decision, it works, it has nothing to do. ``menus`` is
    one of ``MENUS``. ``enter_delay`` is the seconds between a text and its Enter.
    """

    name: str
    command: tuple[str, ...]
    resume: tuple[str, ...] = ()
    env: Mapping[str, str] = {}
    models: Mapping[str, str] = {}
    kind: str = "agent"
    ready: str = ""
    waiting: str = ""
    busy: str = ""
    idle: str = ""
    menus: str = "keys"
    enter_delay: float | None = None
    source: str = BUILT_IN

    @property
    def program(self) -> str:
        """The program that has to be there."""
        return self.command[0]

    def to_dict(self) -> dict[str, Any]:
        """The profile as plain values, to be kept with a session; ``profiles.from_dict`` reads it back."""
        plain = {"command": list(self.command), "resume": list(self.resume), "env": dict(self.env)}
        return vars(self) | plain | {"models": dict(self.models)}


_KEYS = {*Profile.__match_args__} - {"name", "source"}


def parse_profile(name: str, values: object, source: str) -> Profile:
    """The profile that the plain values of a table define; raises RefusedError naming ``source`` and the key."""
    return _Table(f"{source}: profile.{name}", values).profile(name, source)


class _Table:
    """One table with checked access to its keys."""

    def __init__(self, where: str, values: object) -> None:
        if not isinstance(values, Mapping):
            msg = f"{where} is {shorten(values)}, expected a table"
            raise RefusedError(msg, hint=f"begin it with the line [{where.rpartition(': ')[2]}]")
        self.where = where
        self.values = values

    def profile(self, name: str, source: str) -> Profile:
        unknown = sorted(set(self.values) - _KEYS)
        if unknown:
            raise self.wrong(unknown[0], f"one of the keys {', '.join(sorted(_KEYS))}")
        command = self.words("command")
        if not command:
            raise self.wrong("command", "a command line, or a list of words")
        if self.values.get("kind", "agent") not in KINDS:
            raise self.wrong("kind", " or ".join(KINDS))
        if self.values.get("menus", "keys") not in MENUS:
            raise self.wrong("menus", " or ".join(MENUS))
        return Profile(
            name=name,
            command=command,
            resume=self.words("resume"),
            env=self.texts("env", _VARIABLE),
            models=self.texts("models", _ANYTHING),
            kind=self.values.get("kind", "agent"),
            ready=self.pattern("ready"),
            waiting=self.pattern("waiting"),
            busy=self.pattern("busy"),
            idle=self.pattern("idle"),
            menus=self.values.get("menus", "keys"),
            enter_delay=self.seconds("enter_delay"),
            source=source,
        )

    def words(self, key: str) -> tuple[str, ...]:
        value = self.values.get(key, [])
        try:
            words = shlex.split(value) if isinstance(value, str) else value
        except ValueError as error:
            raise self.wrong(key, f"a command line ({error})") from None
        if not isinstance(words, list) or not all(_is_text(word) for word in words) or (words and not words[0]):
            raise self.wrong(key, "a command line, or a list of words")
        return tuple(words)

    def texts(self, key: str, names: re.Pattern[str]) -> dict[str, str]:
        value = self.values.get(key, {})
        if not isinstance(value, Mapping) or not all(names.fullmatch(name) and _is_text(value[name]) for name in value):
            raise self.wrong(key, "a table of names with text")
        return dict(value)

    def pattern(self, key: str) -> str:
        value = self.values.get(key, "")
        if not isinstance(value, str):
            raise self.wrong(key, "a regular expression")
        try:
            re.compile(value, re.MULTILINE)
        except (re.error, RecursionError, OverflowError) as error:
            raise self.wrong(key, f"a regular expression ({error})") from None
        return value

    def seconds(self, key: str) -> float | None:
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST_DELAY:
            raise self.wrong(key, f"seconds from 0 to {LONGEST_DELAY}")
        return float(value)

    def wrong(self, key: str, wanted: str) -> RefusedError:
        msg = f"{self.where}.{key} is {shorten(self.values.get(key))}, expected {wanted}"
        return RefusedError(msg, hint="docs/profiles.md shows how a profile is written")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and "\0" not in value
