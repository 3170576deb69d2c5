"""A team as one script for tmux.

The script is a single line, ``if-shell -F 1 { command ; command … }``, read by ``source-file -`` from standard input:
nothing stands on a command line, no length is too long, what fails stops all that follows (on several lines it would
not), and a script that was cut in transit does not parse, so it runs nothing. Pure: tmux is called elsewhere.
"""

import os
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from mas.errors import RefusedError, UnknownStateError, shorten
from mas.layouts import LAYOUTS
from mas.listings import Listing
from mas.structs import Frozen
from mas.wrapper import MARKER, WRAPPER

PANE_PATH = "MAS_PANE_PATH"
"""How PATH reaches a pane: tmux puts the PATH of the client that asks over the one it is told to set."""

_UNSAFE = re.compile(rb'["\\$~\x00-\x1f\x7f\xff]')
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*", re.ASCII)
_WINDOW = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)
_VARIABLE = re.compile(r"[^=\0]+")
_LAYOUT = re.compile("|".join(LAYOUTS))
_NONCE = re.compile(r"[0-9a-f]{8,64}", re.ASCII)


class PanePlan(Frozen):
    """One agent's pane. ``env`` is added to the session's, ``argv`` is run as it is, by no shell.

    ``anew`` is run in its place where that fails at once: who was to go on with a conversation has none.
    ``pipe`` is a line for a shell that gets all that the pane prints; empty where nobody does.
    """

    agent_id: str
    title: str
    cwd: Path
    argv: tuple[str, ...]
    env: Mapping[str, str]
    pipe: str = ""
    anew: tuple[str, ...] = ()


class WindowPlan(Frozen):
    """One unit's window, with its panes from left to right and top to bottom."""

    name: str
    layout: str
    panes: tuple[PanePlan, ...]


class LaunchPlan(Frozen):
    """A session to be built. ``nonce`` is 8 or more hexadecimal digits, drawn anew for each launch.

    ``env`` is what every pane of the session gets, also those that a person opens in it later. The size holds until
    somebody attaches.
    """

    session_id: str
    name: str
    root: Path
    env: Mapping[str, str]
    windows: tuple[WindowPlan, ...]
    nonce: str
    width: int = 240
    height: int = 80

    @property
    def panes(self) -> tuple[PanePlan, ...]:
        """All panes, in the order they are made."""
        return tuple(pane for window in self.windows for pane in window.panes)

    @property
    def marker(self) -> str:
        """The entry of the environment that tells the processes of this launch from all others."""
        return marker(self.session_id, self.nonce)


class Launched(Frozen):
    """A team that runs. Its ids mean something only on the server of that socket, pid and start.

    ``server_started`` is in seconds since 1970, ``panes`` is the id of the pane by the id of its agent.
    """

    tmux_id: str
    name: str
    socket: str
    server_pid: int
    server_started: int
    panes: Mapping[str, str]


def marker(session_id: str, nonce: str) -> str:
    """The ``NAME=value`` that the processes of one launch carry in their environment."""
    return f"{MARKER}={session_id}:{nonce}"


def created(plan: LaunchPlan) -> Listing:
    """What the script prints as soon as the session exists: a hook may move its first pane before that is stamped."""
    return Listing(f"{plan.nonce}c", ("pane_id",))


def built(plan: LaunchPlan) -> Listing:
    """What the script prints about session and server when all is done."""
    return Listing(f"{plan.nonce}s", ("session_id", "session_name", "socket_path", "pid", "start_time"))


def stamped(plan: LaunchPlan) -> Listing:
    """What the script prints about each pane when all is done."""
    return Listing(f"{plan.nonce}p", ("pane_id", "@mas_agent"))


def script(plan: LaunchPlan) -> bytes:
    """The script that builds the whole team; ``read`` understands what it prints.

    Raises RefusedError where the plan holds what tmux cannot be told, or no agent.
    """
    _check(plan)
    commands = [told for window in plan.windows for told in _window(plan, window)]
    session = f"={plan.name}:"
    # The first window is shown to whoever attaches, since its first agent leads the team.
    commands.append(command("select-window", "-t", f"{session}={plan.windows[0].name}"))
    commands.append(command("display-message", "-p", "-t", session, built(plan).format))
    commands.append(command("list-panes", "-s", "-t", session, "-F", stamped(plan).format))
    return _script(commands)


def restamp(plan: LaunchPlan, wrong: str, right: str) -> bytes:
    """The script that moves the first agent's stamp, title and pipe from one pane to another, named by their ids."""
    unset = [command("set-option", "-p", "-u", "-t", wrong, name) for name in ("@mas_agent", "@mas_pid")]
    silent = [command("pipe-pane", "-t", wrong)] if plan.panes[0].pipe else []
    untitled = command("select-pane", "-t", wrong, "-T", "")
    return _script([*unset, *silent, untitled, *_stamp(plan.panes[0], "-t", right)])


def respawn_script(plan: LaunchPlan, pane: PanePlan, pane_id: str) -> bytes:
    """The script that starts an agent again in its pane, and prints a ``created`` row, where that is still its own."""
    agreed = f"#{{&&:#{{==:#{{@mas_session}},{plan.session_id}}},#{{==:#{{@mas_agent}},{pane.agent_id}}}}}"
    forget = [command("set-option", "-p", "-u", "-t", pane_id, name) for name in ("@mas_exit", "@mas_ready")]
    again = command("respawn-pane", "-k", "-t", pane_id, *_pane(plan, pane))
    told = command("display-message", "-p", "-t", pane_id, created(plan).format)
    commands = [*forget, again, *_stamp(pane, "-t", pane_id), told]
    return command("if-shell", "-F", "-t", pane_id, agreed) + b" { " + b" ; ".join(commands) + b" }\n"


def read(plan: LaunchPlan, text: str) -> Launched | None:
    """What was built, from what the script printed; None where it did not come to its end.

    Raises UnknownStateError where it did but does not tell one pane for each agent.
    """
    found = built(plan).rows(text)
    if not found:
        return None
    tmux_id, name, socket, pid, started = found[-1]
    panes = {agent: pane for pane, agent in stamped(plan).rows(text) if agent}
    if set(panes) != {pane.agent_id for pane in plan.panes}:
        raise UnknownStateError(f"tmux session {name} was built, but its agents have the panes {shorten(panes)}")
    return Launched(tmux_id, name, socket, int(pid), int(started), panes)


def pane_command(pane: PanePlan) -> tuple[str, ...]:
    """The program of a pane: the wrapper, told the agent's id, its directory and its command lines."""
    words = (str(len(pane.argv)), *pane.argv, *pane.anew)
    return ("/bin/sh", "-c", WRAPPER, "mas-pane", pane.agent_id, str(pane.cwd), *words)


def command(*words: str) -> bytes:
    """One command of a tmux script."""
    return b" ".join(quote(word) for word in words)


@lru_cache(1024)  # most words of a script stand in it once for each pane
def quote(text: str) -> bytes:
    """One word of a tmux script. tmux stops reading at a byte 255 and eats white space after a line break."""
    if "\0" in text:
        raise RefusedError(f"tmux cannot be told a text with a NUL character: {shorten(text)}")
    return b'"' + _UNSAFE.sub(lambda found: b"\\%03o" % found[0][0], os.fsencode(text)) + b'"'


def literal(text: str) -> str:
    """A text where tmux expects a format, which would run what stands in ``#(…)``."""
    return text.replace("#", "##")


def _check(plan: LaunchPlan) -> None:
    ids, names = [pane.agent_id for pane in plan.panes], [window.name for window in plan.windows]
    if not ids or not all(window.panes for window in plan.windows):
        raise RefusedError(f"the team of {plan.name} has no agent, or a window without one")
    for what, words, pattern in (
        ("agent id", ids, _NAME),
        ("window name", names, _WINDOW),
        ("session name", [plan.name], _NAME),
        ("layout", [window.layout for window in plan.windows], _LAYOUT),
        ("launch nonce", [plan.nonce], _NONCE),
        ("variable", [name for env in (plan.env, *(pane.env for pane in plan.panes)) for name in env], _VARIABLE),
    ):
        wrong = next((word for word in words if not pattern.fullmatch(word)), None)
        if wrong is not None:
            raise RefusedError(f"not a {what} that can be given to tmux: {shorten(wrong)}")
    if len(set(ids)) < len(ids) or len(set(names)) < len(names):
        raise RefusedError(f"the team of {plan.name} has an agent or a window twice: {shorten([*names, *ids])}")


def _window(plan: LaunchPlan, window: WindowPlan) -> Iterator[bytes]:
    """Targets are exact names, and of panes only the corner: indexes depend on options, other positions on hooks."""
    first, *others = window.panes
    place = f"={plan.name}:={window.name}"
    corner = f"{place}.{{top-left}}"
    if window is plan.windows[0]:
        yield from _session(plan, window)
        yield from _stamp(first, "-t", corner)
    else:
        yield command("new-window", "-t", f"={plan.name}:", "-n", window.name, *_pane(plan, first))
        yield from _stamp(first)
    yield command("set-option", "-w", "-t", place, "allow-rename", "off")  # `-n` has ended the automatic ones
    for pane in others:
        beside = ("-t", corner) if pane is others[0] else ()
        yield command("split-window", *beside, *_pane(plan, pane))
        yield from _stamp(pane)
        yield command("select-layout", "-t", place, "tiled")  # evens out the room, or a later split would find none
    yield command("select-layout", "-t", place, window.layout)
    yield command("select-pane", "-t", corner)


def _session(plan: LaunchPlan, window: WindowPlan) -> Iterator[bytes]:
    first, session = window.panes[0], f"={plan.name}:"
    told = ("-P", "-F", created(plan).format)
    size = ("-x", str(plan.width), "-y", str(plan.height))
    names = ("-s", plan.name, "-n", window.name)
    yield command("new-session", "-d", *told, *names, *size, *_variables(plan.env), *_pane(plan, first))
    yield command("set-option", "-t", session, "destroy-unattached", "off")
    yield command("set-option", "-t", session, "@mas_launch", plan.nonce)
    yield command("set-option", "-t", session, "@mas_session", plan.session_id)
    yield command("set-option", "-t", session, "@mas_root", str(plan.root))
    # The first pane's own variables came in by the session, where later panes would inherit them.
    shared = _with_path(plan.env)
    for name in _with_path(_pane_env(plan, first)):
        change = (name, shared[name]) if name in shared else ("-u", name)
        yield command("set-environment", "-t", session, *change)


def _stamp(pane: PanePlan, *target: str) -> Iterator[bytes]:
    """Without a target these mean the pane that the command before has made, wherever hooks have moved it."""
    yield command("set-option", "-p", *target, "@mas_agent", pane.agent_id)
    yield command("set-option", "-p", "-F", *target, "@mas_pid", "#{pane_pid}")
    yield command("select-pane", *target, "-T", literal(pane.title))
    if pane.pipe:
        yield command("pipe-pane", *target, pane.pipe)


def _pane(plan: LaunchPlan, pane: PanePlan) -> tuple[str, ...]:
    return (*_variables(_pane_env(plan, pane)), "-c", literal(str(pane.cwd)), *pane_command(pane))


def _pane_env(plan: LaunchPlan, pane: PanePlan) -> dict[str, str]:
    return {**pane.env, MARKER: f"{plan.session_id}:{plan.nonce}"}


def _with_path(env: Mapping[str, str]) -> dict[str, str]:
    return {**env, PANE_PATH: env["PATH"]} if "PATH" in env else dict(env)


def _variables(env: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(word for name, value in _with_path(env).items() for word in ("-e", f"{name}={value}"))


def _script(commands: list[bytes]) -> bytes:
    return b"if-shell -F 1 { " + b" ; ".join(commands) + b" }\n"
