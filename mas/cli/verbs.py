"""Every verb: where it is, what it does in one line, and how it is run. Only the module of the called one is loaded."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from mas.cli.calls import COMMON, Call
from mas.errors import UsageError, shorten

Verbs = Mapping[str, tuple[str, str]]

GROUPS: Mapping[str, Verbs] = {
    "Teams": {
        "init": ("project", "make a project here: .masrc, unit/, workflows/"),
        "start": ("start", "start a team: --isolated, or in the project's directories"),
        "list": ("everyday", "the sessions, live ones first"),
        "show": ("look", "one session: its team, its work, what happened last"),
        "status": ("status", "the same; of a project's own team in three lines"),
        "attach": ("attach", "go to a session's terminal"),
        "stop": ("stop", "end teams; their workspaces stay"),
        "resume": ("start", "bring a stopped team up again"),
        "adopt": ("adopt", "register a team that an earlier mas started"),
        "rm": ("remove", "remove sessions with their workspaces"),
        "clean": ("remove", "remove sessions that were not used for long"),
    },
    "In a session": {
        "send": ("talk", "a text to an agent, a unit, a group or all"),
        "messages": ("talk", "what was sent, and what became of it"),
        "deliver": ("talk", "bring what waits for agents; mas calls it by itself"),
        "agents": ("look", "its agents and what each runs"),
        "capture": ("capture", "what an agent's screen shows"),
        "logs": ("panes", "what an agent's pane printed, where that is kept"),
        "restart-agent": ("panes", "one agent again, in the pane it has"),
        "env": ("everyday", 'its variables, for eval "$(mas env)"'),
        "path": ("everyday", "its workspace, or where lib, templates and the root are"),
    },
    "Work": {
        "progress": ("work", "how far it is"),
        "events": ("watch", "what happened, and what happens"),
        "wait": ("watch", "wait until it is where it should be"),
        "record": ("work", "report an iteration, a command, an analysis"),
        "pause": ("work", "rest the work"),
        "unpause": ("work", "go on with it"),
        "complete": ("work", "end it with success"),
        "fail": ("work", "end it without"),
        "retry": ("again", "begin again in a child session"),
        "checkpoint": ("checkpoint", "states to go back to: save, list, show, restore, prune"),
        "session": ("session", "the records: create, get, list, update, transition, delete"),
    },
    "Housekeeping": {
        "templates": ("templates", "the teams to choose from: list, show"),
        "doctor": ("doctor", "find what a crash left, and mend it"),
        "migrate": ("migrate", "take over the sessions of earlier programs"),
        "serve": ("serve", "the same over HTTP: --background, --status, --stop"),
        "token": ("serve", "what the HTTP server asks its clients for"),
        "completion": ("completion", "completion for bash, zsh or fish"),
        "version": ("everyday", "the version of mas"),
    },
}
"""The verbs in the order in which they are shown: module below ``mas.cli``, and one line of help."""

ALIASES = {"ls": "list"}
"""Other words for verbs."""

ALL: Verbs = {verb: entry for group in GROUPS.values() for verb, entry in group.items()}


def run(call: Call, verb: str, words: Sequence[str]) -> int:
    """Run a verb with its words and return the exit code; raises UsageError where they are wrong."""
    if verb == "help" and words:
        verb, words = words[0], ["--help"]
    if verb == "help":
        call.lines(overview())
        return 0
    name = ALIASES.get(verb, verb)
    if name not in ALL:
        raise _unknown(verb)
    from mas.cli import parse  # noqa: PLC0415  the overview does without typer

    return parse.run(call, verb, command(name), _arranged(name, words))


def _arranged(verb: str, words: Sequence[str]) -> list[str]:
    """The words as typer can read them, where a verb takes texts that may look like options."""
    arrange = getattr(import_module(f"mas.cli.{ALL[verb][0]}"), "ARRANGED", {}).get(verb, list)
    arranged: list[str] = arrange(words)
    return arranged


def command(verb: str) -> Callable[..., Any] | Mapping[str, Callable[..., Any]]:
    """What a verb calls, or for a group of verbs what each of them calls."""
    commands: Mapping[str, Any] = import_module(f"mas.cli.{ALL[verb][0]}").COMMANDS
    return commands[verb]  # type: ignore[no-any-return]


def overview() -> list[str]:
    """All verbs on one page of 80 columns."""
    lines = ["mas runs teams of terminal agents in tmux.", "", "usage: mas VERB [ID] [OPTION]…"]
    for title, group in GROUPS.items():
        lines += ["", f"{title}:", *(f"  {verb:14}{text}" for verb, (_, text) in group.items())]
    lines += ["", "Everywhere:", *(f"  {f'{name} PATH':14}{text}" for name, text in COMMON.items())]
    return [
        *lines,
        "",
        "ID is an id, its beginning, a label or a tmux name; without one, the session",
        "you are in, or the only one that is active. `mas VERB --help` says more.",
    ]


def _unknown(verb: str) -> UsageError:
    close = difflib.get_close_matches(verb, [*ALL, *ALIASES], n=1, cutoff=0.6)
    hint = f"did you mean `mas {close[0]}`?" if close else "`mas help` shows them all"
    return UsageError(f"unknown verb {shorten(verb)}", hint=hint)
