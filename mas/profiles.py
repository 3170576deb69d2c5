"""Agent profiles: which program an agent is, with which arguments, and how it shows on the screen what it is doing.

Some are built in; users write their own into ``profiles.toml``, in their configuration directory and in a project. No
built-in profile switches off an agent program's own permission checks.
"""

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mas import trees
from mas.definitions import BUILT_IN, Profile, parse_profile
from mas.errors import MissingProgramError, NotFoundError, RefusedError, UsageError, shorten
from mas.paths import Root, user_config_directory
from mas.structs import Frozen, replace
from mas.team import Agent

FILE = "profiles.toml"
"""The file of a user's or a project's own profiles."""

SHELL = "shell"
"""The profile whose agents are plain shells."""

PLACEHOLDERS = ("model", "agent_id", "agent_name", "unit", "session_id")
"""What may stand in braces in a command; a word that is nothing but one without a value is dropped with its option."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)
_PLACEHOLDER = re.compile(r"\{(" + "|".join(PLACEHOLDERS) + r")\}")
_ONE_PLACEHOLDER = re.compile(r"(?:--?[A-Za-z][A-Za-z0-9-]*=)?\{(" + "|".join(PLACEHOLDERS) + r")\}")
_THEIR_OWN = dict.fromkeys(("opus", "sonnet", "haiku"), "")
_FULL_SCREEN = 0.1
"""Seconds for a program that draws its own input line: an Enter that follows at once may pass for a part of a paste."""
_BUSY_SCREEN = 0.5
"""The same for one that takes an Enter for a line break until it has drawn a paste, and is slow at that."""


def _menu(mark: str) -> str:
    """Finds a menu: a choice with that mark and a numbered one beside it, at the end of the screen.

    An input line or another choice with a mark below says that the lines are a text that was written earlier.
    """
    line, choice = r"^[ │]*", r"[0-9]+\. \S.*"
    chosen, other, wrapped = f"{line}[{mark}] *{choice}", f"{line}{choice}", r"(?:\n.*){0,2}\n"
    rest = r"(?:\n(?![ │]*[❯›●>]).*){0,12}\s*\Z"  # noqa: RUF001  the marks these programs draw
    return f"(?:{chosen}{wrapped}{other}|{other}{wrapped}{chosen}){rest}"


def _near_the_end(shown: str) -> str:
    """Finds what a program shows beside its input line; further up it would be a text that somebody wrote."""
    return rf"{shown}.*(?:\n.*){{0,12}}\s*\Z"


_BUILT_IN = (
    Profile(
        "claude",
        ("claude", "--model", "{model}"),
        ("claude", "--continue", "--model", "{model}"),
        waiting=_menu("❯>"),  # noqa: RUF001
        busy=_near_the_end(r"\besc to interrupt\b"),
        idle=r"^[\s│]*[❯>]\s*$",  # noqa: RUF001
        enter_delay=_FULL_SCREEN,
    ),
    Profile(
        "codex",
        ("codex", "--model", "{model}"),
        ("codex", "resume", "--last", "--model", "{model}"),
        models=_THEIR_OWN,
        # Its input line is there seconds before it reads, with one line below it that says nothing of the model.
        ready=r"^› .*\n(?:(?!›).*\n){0,20}?  (?!\? for shortcuts\s*\Z)\S.*(?:\n(?!›).*)*\Z",  # noqa: RUF001
        waiting=_menu("›"),  # noqa: RUF001
        busy=_near_the_end(r"\besc to interrupt\b"),
        enter_delay=_FULL_SCREEN,
    ),
    Profile(
        "gemini",
        ("gemini", "--model", "{model}"),
        ("gemini", "--resume", "latest", "--model", "{model}"),
        models=_THEIR_OWN,
        waiting=_menu("●"),
        busy=_near_the_end(r"\(esc to cancel, [0-9]"),
        idle=r"^[ │]*> +Type your message",
        enter_delay=_BUSY_SCREEN,
    ),
    Profile(
        "aider",
        ("aider", "--model", "{model}"),
        ("aider", "--restore-chat-history", "--model", "{model}"),
        ready=r"^(?:[a-z][a-z -]*)?>\s*\Z",  # its mode may stand in front
        waiting=r"\(Y\)es/\(N\)o.*:\s*\Z",  # what was answered stays on its screen, further up
        busy=r"^ *(?:░█|█░) .*\s*\Z",
        enter_delay=_FULL_SCREEN,
    ),
    Profile(
        "opencode",
        ("opencode", "--model", "{model}"),
        ("opencode", "--continue", "--model", "{model}"),
        models=_THEIR_OWN,
        busy=_near_the_end(r"\besc interrupt\b"),
        menus="arrows",
        waiting=r"^[^\w\n]*Permission required[^\w\n]*(?:\n.*){0,20}\s*\Z",
        enter_delay=_FULL_SCREEN,
    ),
)
"""The agent programs that are known."""


class Choice(Frozen):
    """The profile a team gets, and why, in one line."""

    profile: Profile
    reason: str


def load(root: Root, environ: Mapping[str, str]) -> dict[str, Profile]:
    """Every profile there is: the built-in ones, then the user's, then the project's; a later one replaces an earlier.

    Raises RefusedError naming file and key where a definition is wrong.
    """
    found = {profile.name: profile for profile in (*_BUILT_IN, _shell(environ))}
    for path in (user_config_directory() / FILE, root.path / FILE):
        found |= {profile.name: profile for profile in _read(path)}
    return found


def from_dict(values: Mapping[str, Any]) -> Profile:
    """The profile that ``Profile.to_dict`` wrote; raises RefusedError where it is something else."""
    plain = dict(values)
    return parse_profile(str(plain.pop("name", "")), plain, str(plain.pop("source", BUILT_IN)))


def choose(
    name: str | None,
    command: str | None,
    profiles: Mapping[str, Profile],
    environ: Mapping[str, str],
    default: str = "",
) -> Choice:
    """The profile of a team: ``name``, else the command line ``command``, else ``default`` (the project's setting).

    Where nothing is chosen it is ``claude`` if that is on PATH, else plain shells. Raises UsageError where both are
    given or the command line cannot be read, NotFoundError for a name without a profile, and MissingProgramError where
    a chosen program is not there.
    """
    if name and command:
        raise UsageError("both an agent profile and a command were given", hint="give --agent or --command, not both")
    if command is not None:
        return _present(Choice(_of_command(command), "as the given command line says"), environ)
    if name or default:
        profile = _named(name or default, profiles)
        chosen = "chosen by name" if name else "the project's setting"
        return _present(Choice(profile, f"{profile.name}, {chosen}{_origin(profile)}"), environ)
    claude = profiles["claude"]
    if is_program(claude.program, environ):
        return Choice(claude, f"claude, found on PATH{_origin(claude)}")
    return Choice(profiles[SHELL], "no agent program found on PATH, the team comes up as shells")


def argv(profile: Profile, agent: Agent, unit: str, session_id: str, *, resume: bool = False) -> tuple[str, ...]:
    """The argument list for one agent, with every placeholder replaced by its value, once and as it is.

    Raises RefusedError where a name would be taken for an option.
    """
    values = {
        "model": profile.models.get(agent.model, agent.model),
        "agent_id": agent.id,
        "agent_name": agent.name,
        "unit": unit,
        "session_id": session_id,
    }
    words: list[str] = []
    for word in (resume and profile.resume) or profile.command:
        alone = _ONE_PLACEHOLDER.fullmatch(word)
        if alone and not values[alone[1]]:
            if word.startswith("{") and len(words) > 1 and words[-1].startswith("-"):
                words.pop()
            continue
        filled = _PLACEHOLDER.sub(lambda found: values[found[1]], word)
        if word.startswith("{") and filled.startswith("-"):
            msg = f"agent {agent.id}: {shorten(filled)} would be taken for an option of {profile.program}"
            raise RefusedError(msg, hint="choose another name, or write the profile as --option={agent_name}")
        words.append(filled)
    return tuple(words)


def is_program(program: str, environ: Mapping[str, str]) -> bool:
    """Whether a program is there: at its path, or on PATH."""
    import shutil  # noqa: PLC0415  only a start asks

    return shutil.which(program, path=environ.get("PATH", os.defpath)) is not None


def _shell(environ: Mapping[str, str]) -> Profile:
    """The user's own shell."""
    shell = environ.get("SHELL", "")
    if not (shell.startswith("/") and os.access(shell, os.X_OK)):
        shell = "/bin/sh"
    return Profile(SHELL, (shell,), kind="shell")


def _named(name: str, profiles: Mapping[str, Profile]) -> Profile:
    if name not in profiles:
        raise NotFoundError(f"no agent profile {shorten(name)}", hint=f"there are: {', '.join(profiles)}")
    return profiles[name]


def _origin(profile: Profile) -> str:
    return "" if profile.source == BUILT_IN else f", as defined in {profile.source}"


def _of_command(command: str) -> Profile:
    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        msg = f"the command line {shorten(command)} cannot be read: {error}"
        raise UsageError(
            msg, hint="quote it as for a shell; for more than one program: --command \"sh -c '…'\""
        ) from None
    if not words or not words[0]:
        raise UsageError("the command line is empty", hint="for example: --command 'claude --model opus'")
    return Profile("command", words, source="the command line")


def _present(choice: Choice, environ: Mapping[str, str]) -> Choice:
    program = choice.profile.program
    if "/" in program and not program.startswith("/"):
        msg = f"the agent program {shorten(program)} has no full path"
        raise RefusedError(msg, hint="each agent starts in its own directory: write the path from / on")
    check_present(choice.profile, environ, "install it, or choose another one, for example: --agent shell")
    return choice


def check_present(profile: Profile, environ: Mapping[str, str], hint: str) -> None:
    """Raise MissingProgramError where the program of a profile is not there."""
    if not is_program(profile.program, environ):
        msg = f"the agent program {shorten(profile.program)} is not there, or not on PATH"
        raise MissingProgramError(msg, hint=hint)


def _read(path: Path) -> Iterator[Profile]:
    try:
        data = trees.read_small(path, follow=True)
    except NotFoundError:
        return
    import tomllib  # noqa: PLC0415  costs start-up time, and only where there is such a file

    source = trees.shown(path)
    try:
        document = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"{source} is not TOML: {error}", hint="mend it, or move it away") from None
    _check_top(document, source)
    for name, values in document.get("profile", {}).items():
        profile = parse_profile(name, values, source)
        yield replace(profile, command=_located(profile.command, path), resume=_located(profile.resume, path))


def _check_top(document: Mapping[str, Any], source: str) -> None:
    for key in document:
        if key != "profile":
            raise RefusedError(f"{source}: unknown key {shorten(key)}", hint="a profile begins with [profile.NAME]")
    names = document.get("profile", {})
    if not isinstance(names, Mapping):
        raise RefusedError(f"{source}: profile is {shorten(names)}", hint="a profile begins with [profile.NAME]")
    for name in names:
        if not _NAME.fullmatch(name):
            msg = f"{source}: not a name for a profile: {shorten(name)}"
            raise RefusedError(msg, hint="lower-case letters, digits, - and _, up to 64")


def _located(words: tuple[str, ...], file: Path) -> tuple[str, ...]:
    """The words, a path of a program being meant from the directory of the file that names it."""
    if not words or "/" not in words[0]:
        return words
    program = os.path.expanduser(words[0])  # noqa: PTH111  leaves the ~ of an unknown user as it is
    return (os.path.normpath(file.parent / program), *words[1:])
