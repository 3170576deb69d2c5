"""What scripts call in loops, and starts, without loading typer, which takes a tenth of a start: options by hand.

Anything that is not exactly understood is left to typer, which knows the same verbs and says what is wrong.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mas.cli.calls import Call

_FLAGS: Mapping[str, Mapping[str, str]] = {
    "version": {"--json": "as_json"},
    "path": {},
    "env": {},
    "list": {
        "--json": "as_json",
        "-q": "quiet",
        "--quiet": "quiet",
        "--names": "names",
        "-a": "everything",
        "--all": "everything",
        "--active": "active",
    },
    "start": {
        "--isolated": "isolated",
        "--legacy": "legacy",
        "--attach": "attach",
        "--no-attach": "no attach",
        "--no-team": "no_team",
        "--log": "log",
        "--dry-run": "dry_run",
        "--json": "as_json",
        "-q": "quiet",
        "--quiet": "quiet",
    },
}
"""The argument of each flag; behind a "no " it is one that is switched off."""

_VALUES: Mapping[str, Mapping[str, tuple[str, Callable[[str], Any]]]] = {
    "env": {"--format": ("form", lambda word: ("shell", "json", "dotenv")[("shell", "json", "dotenv").index(word)])},
    "list": {"--status": ("status", str), "--limit": ("limit", int)},
    "start": {
        "--template": ("template", str),
        "--config": ("config", str),
        "--agent": ("agent", str),
        "--command": ("command", str),
        "--label": ("label", str),
        "--request": ("request", str),
        "--feature-request": ("request", str),
        "--id": ("session_id", str),
    },
}
_NAMED = ("path", "env")
"""The verbs that take a name."""


def answer(call: Call, verb: str, words: Sequence[str]) -> int | None:
    """The exit code of a verb that is answered at once; None where typer is to look at the words."""
    verb = "list" if verb == "ls" else verb
    given = _parse(verb, words) if verb in _FLAGS else None
    if given is None:
        return None
    if verb == "start":
        from mas.cli import beginning  # noqa: PLC0415  the other verbs do without

        return beginning.start(call, **given)
    from mas.cli import answers  # noqa: PLC0415  the other verbs do without

    functions: Mapping[str, Callable[..., int]] = {
        "version": answers.version,
        "path": answers.path,
        "env": answers.env,
        "list": answers.sessions,
    }
    return functions[verb](call, **given)


def _parse(verb: str, words: Sequence[str]) -> dict[str, Any] | None:
    """The arguments that the words are, None where one of them is not plainly known."""
    given: dict[str, Any] = {}
    waiting = iter(words)
    for word in waiting:
        if word in _FLAGS[verb]:
            name = _FLAGS[verb][word]
            given[name.removeprefix("no ")] = not name.startswith("no ")
        elif word in _VALUES.get(verb, {}):
            name, make = _VALUES[verb][word]
            try:
                given[name] = make(_plain(next(waiting)))
            except (StopIteration, ValueError):
                return None
        elif verb in _NAMED and "name" not in given and word and not word.startswith("-"):
            given["name"] = word
        else:
            return None
    return given


def _plain(word: str) -> str:
    """A value that cannot be taken for an option; raises ValueError for another."""
    if word.startswith("-") and word != "-":
        raise ValueError
    return word
