"""A project's own settings, from its ``.masrc``: read, never sourced.

The file comes in two forms that earlier programs wrote: lines ``NAME=value`` for a shell, and JSON. What it says beyond
the settings below is left to whom it belongs.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from mas import trees
from mas.errors import ConflictError, NotFoundError, UsageError, shorten
from mas.paths import Root
from mas.structs import Frozen

FILE = ".masrc"
"""The file that marks a project's root."""

LEGACY = "legacy"
"""The mode of teams that work in the root's own directories."""

MODES = ("isolated", LEGACY)
"""The two ways a session gets its directories: its own, or the root's shared ones."""

MODE_VARIABLE = "MAS_SESSION_MODE"
"""Chooses the mode, in the environment and in a project's settings."""

EOF_VARIABLE = "MAS_SEND_EOF"
"""Switches on, in the environment or in a project's settings, that the word EOF follows each message."""

OTHERS_VARIABLE = "MAS_AGENTS_END_OTHERS"
"""Lets agents end and remove sessions other than their own, in a project's settings only."""

_YES, _NO = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")
_KEYS = {
    "project_name": ("PROJECT_NAME", "project_name", "projectName"),
    "session_name": ("PROJECT_SESSION_NAME", "session_name", "sessionName"),
    "mode": (MODE_VARIABLE, "session_mode", "sessionMode"),
    "template": ("MAS_TEMPLATE", "template"),
    "agent": ("MAS_AGENT", "agent"),
    "send_eof": (EOF_VARIABLE, "send_eof", "sendEof"),
    "end_others": (OTHERS_VARIABLE, "agents_end_others", "agentsEndOthers"),
}
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)
_ASSIGNMENT = r"(?as)\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)"
_PIECE = r"""'([^']*)'|"((?:\\.|[^"\\$`])*)"|\\(.)|([^\s'"\\$`;&|<>()]+)"""


class Settings(Frozen):
    """What a project sets; an empty value leaves the choice to the defaults."""

    project_name: str = ""
    session_name: str = ""
    mode: str = ""
    template: str = ""
    agent: str = ""
    send_eof: str = ""
    end_others: str = ""

    def to_text(self) -> str:
        """A ``.masrc`` that says the same, to be read by us and sourced by a shell."""
        lines = [f"{_KEYS[name][0]}={shlex.quote(getattr(self, name))}" for name in _KEYS if getattr(self, name)]
        return "\n".join(["# The settings of this project. mas reads them and never runs this file.", *lines, ""])


def load_settings(root: Root) -> Settings:
    """The settings of a root, all empty where it has no ``.masrc``.

    Raises RefusedError naming the file where a value cannot be what it should.
    """
    path = root.path / FILE
    try:
        data = trees.read_small(path, follow=True)
    except NotFoundError:
        return Settings()
    text = data.decode("utf-8-sig", "replace")
    values = _from_json(text, path) if text.lstrip().startswith("{") else dict(_from_shell(text))
    return _settings(values, path)


def session_mode(flag: str | None, environ: Mapping[str, str], settings: Settings) -> str:
    """``isolated`` or ``legacy``: what a flag says, else MAS_SESSION_MODE, else the project, else ``legacy``.

    Raises UsageError for any other word.
    """
    mode = flag or environ.get(MODE_VARIABLE) or settings.mode or MODES[1]
    if mode not in MODES:
        msg = f"the session mode is {shorten(mode)}"
        raise UsageError(msg, hint=f"{MODE_VARIABLE} may be isolated or legacy")
    return mode


def sends_eof(environ: Mapping[str, str], root: Root) -> bool:
    """Whether the word EOF follows each message: what MAS_SEND_EOF says, else the project, else no.

    Raises UsageError for a word that is neither yes nor no.
    """
    return _switched(EOF_VARIABLE, environ[EOF_VARIABLE] if EOF_VARIABLE in environ else load_settings(root).send_eof)


def ends_others(root: Root) -> bool:
    """Whether agents may end and remove sessions other than their own; raises UsageError like ``sends_eof``."""
    return _switched(OTHERS_VARIABLE, load_settings(root).end_others)


def _switched(name: str, word: str) -> bool:
    if word.lower() not in _YES + _NO:
        raise UsageError(f"{name} is {shorten(word)}", hint="it may be 1 or 0")
    return word.lower() in _YES


def _settings(values: Mapping[str, object], path: Path) -> Settings:
    found = {name: _text(values, keys, path) for name, keys in _KEYS.items()}
    if found["mode"] and found["mode"] not in MODES:
        raise _wrong(path, MODE_VARIABLE, found["mode"], "isolated or legacy")
    for name in ("template", "agent"):
        if found[name] and not _NAME.fullmatch(found[name]):
            raise _wrong(path, _KEYS[name][0], found[name], "a name of lower-case letters, digits, - and _")
    return Settings(**found)


def _text(values: Mapping[str, object], keys: tuple[str, ...], path: Path) -> str:
    for key in keys:
        value = values.get(key)
        if value is not None:
            if isinstance(value, str) and value.isprintable():
                return value
            raise _wrong(path, key, value, "one printable line")
    return ""


def _from_json(text: str, path: Path) -> Mapping[str, object]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConflictError(f"{trees.shown(path)} is not JSON: {error}", hint="mend it, or remove it") from None
    return dict(values)


def _from_shell(text: str) -> Iterator[tuple[str, str]]:
    """The plain assignments; a line that a shell would have to work out (``$NAME``, a command) sets nothing here."""
    for line in text.split("\n"):
        found = re.fullmatch(_ASSIGNMENT, line)
        value = _unquoted(found[2]) if found else None
        if found and value is not None:
            yield found[1], value


def _unquoted(text: str) -> str | None:
    """The value that a shell reads from the right side of an assignment; None where it would have to work it out."""
    value, position = "", 0
    while piece := re.compile(_PIECE).match(text, position):
        single, double, escaped, plain = piece.groups(default="")
        value += single + re.sub(r'\\([\\"$`])', r"\1", double) + escaped + plain
        position = piece.end()
    rest = text[position:]
    return value if not rest.strip() or re.match(r"\s+#", rest) else None


def _wrong(path: Path, key: str, value: object, wanted: str) -> ConflictError:
    return ConflictError(f"{trees.shown(path)}: {key} is {shorten(value)}, expected {wanted}", hint="mend that line")
