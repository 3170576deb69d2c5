"""One call of the command line: the options every verb knows, its two streams, and what the verbs work with."""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mas.errors import NotFoundError, RefusedError, UsageError, shorten
from mas.paths import Root, absolute, named_root, resolve_root

if TYPE_CHECKING:
    from mas.app import Mas
    from mas.manager import SessionManager

COMMON = {"--root": "the directory that holds sessions/", "--repo": "a repository: records only"}
"""The options that every verb knows, before or after it, each with a value."""

CALLED_AS = "MAS_CALLED_AS"
"""How ``scripts/mas`` was called; whoever calls that may have no ``mas`` on PATH."""

_WIDTH = 80


class Call:
    """One call. Data goes to stdout by ``out`` and ``json``, talk to stderr by ``say``."""

    def __init__(self, environ: Mapping[str, str], *, root: str | None = None, repo: str | None = None) -> None:
        self.environ = environ
        self._root, self._repo = root, repo

    # --- what to work with ---

    @cached_property
    def cwd(self) -> Path:
        """The working directory; raises NotFoundError where it is gone."""
        from mas.app import working_directory  # noqa: PLC0415

        return working_directory()

    @cached_property
    def root(self) -> Root:
        """The root that was asked for, or the one that is meant here."""
        if self._repo is not None:
            from mas.maestro import root_of  # noqa: PLC0415  most calls are about teams

            return root_of(absolute(self._repo, self.cwd))
        root = resolve_root(self._root, self.environ, self.cwd)
        if not root.path.is_dir() and os.path.lexists(root.path):
            msg = f"the root {shorten(str(root.path), 200)} is no directory"
            raise NotFoundError(msg, hint="--root names the directory that holds sessions/")
        return root

    @property
    def place(self) -> Root:
        """The root that was asked for, else the working directory, whether or not that is a root yet."""
        return named_root(self._root, self.environ, self.cwd) or Root(self.cwd)

    @cached_property
    def mas(self) -> "Mas":
        """Everything the root offers."""
        from mas.app import Mas  # noqa: PLC0415  `mas version` does without

        return Mas(self.root, self.environ, self.cwd, own_program())

    @cached_property
    def manager(self) -> "SessionManager":
        """The manager of the root's records."""
        if self._repo is None:
            return self.mas.manager
        from mas.manager import SessionManager  # noqa: PLC0415

        return SessionManager(absolute(self._repo, self.cwd), storage=self.mas.storage)

    def refuse_records_only(self, verb: str) -> None:
        """Raise RefusedError where the root is one without teams."""
        if self.root.maestro:
            msg = f"mas {verb} needs a team, and --repo names a place that keeps records only"
            raise RefusedError(msg, hint="use --root")

    def is_session(self, word: str) -> bool:
        """Whether a word names one session of the root."""
        try:
            return bool(self.mas.resolve(word))
        except NotFoundError:
            return False

    def command(self, verb: str, name: str) -> str:
        """What a person types where this call was made, to do something with a session of its root."""
        import shlex  # noqa: PLC0415  listings do without

        named = [] if self.root == resolve_root(None, self.environ, self.cwd) else ["--root", str(self.root.path)]
        return shlex.join([self.environ.get(CALLED_AS) or "mas", verb, *named, name])

    # --- telling ---

    @cached_property
    def on_terminal(self) -> bool:
        """Whether a person reads stdout."""
        return sys.stdout.isatty()

    @cached_property
    def colour(self) -> bool:
        """Whether what a person reads may be coloured."""
        return self.on_terminal and not self.environ.get("NO_COLOR") and self.environ.get("TERM") != "dumb"

    @cached_property
    def width(self) -> int:
        """Cells of a line of the terminal."""
        if self.environ.get("COLUMNS", "").isdecimal():
            return int(self.environ["COLUMNS"])
        try:
            return os.get_terminal_size(sys.stdout.fileno()).columns or _WIDTH
        except (OSError, ValueError):
            return _WIDTH

    def out(self, text: str) -> None:
        """Data: as it is for a program, without control characters for a terminal."""
        if self.on_terminal:
            from mas.render import clean  # noqa: PLC0415

            text = clean(text)
        sys.stdout.write(text + "\n")

    def lines(self, lines: Sequence[str]) -> None:
        """Lines that were made safe by ``mas.render`` and may hold colours."""
        sys.stdout.write("".join(f"{line}\n" for line in lines))

    def facts(self, pairs: Iterable[tuple[str, str]], indent: int = 2) -> list[str]:
        """Names with their values, broken to the width of a terminal."""
        from mas.render import facts  # noqa: PLC0415

        return facts(pairs, indent=indent, width=self.width if self.on_terminal else None)

    def json(self, value: Any) -> None:
        """Data as JSON."""
        from mas.render import to_json  # noqa: PLC0415

        sys.stdout.write(to_json(value) + "\n")

    def flush(self) -> None:
        """Let a reader have what was written so far."""
        sys.stdout.flush()

    def say(self, text: str) -> None:
        """Talk: a line for whoever watches."""
        from mas.render import clean  # noqa: PLC0415

        sys.stdout.flush()
        sys.stderr.write(clean(text) + "\n")

    def ask(self, text: str) -> None:
        """A question to whoever watches; the answer is typed behind it."""
        from mas.render import clean  # noqa: PLC0415

        sys.stdout.flush()
        sys.stderr.write(clean(text))
        sys.stderr.flush()

    @contextmanager
    def busy(self, what: str) -> Iterator[None]:
        """Show on a terminal that something is being worked on; silent anywhere else."""
        if not sys.stderr.isatty() or self.environ.get("TERM") == "dumb":
            yield
            return
        from rich.console import Console  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        with Console(stderr=True).status(Text(what)):
            yield


def begin(words: Sequence[str], environ: Mapping[str, str]) -> tuple[Call, str, list[str]]:
    """The call, its verb, and the words behind it. No verb at all means ``help``.

    Raises UsageError for an option in front of the verb that is not one of every verb.
    """
    sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]  # paths are bytes
    sys.stderr.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    common, rest = split_common(words)
    if "--root" in common and "--repo" in common:
        raise UsageError("--root and --repo were both given", hint="give the one that is meant")
    call = Call(environ, root=common.get("--root"), repo=common.get("--repo"))
    verb = rest[0] if rest else "help"
    if verb in ("-h", "--help"):
        verb = "help"
    elif verb in ("-V", "--version"):
        verb = "version"
    elif verb.startswith("-"):
        raise UsageError(f"unknown option {shorten(verb)}", hint="`mas help` shows what there is")
    return call, verb, rest[1:]


def split_common(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The options that every verb knows, wherever they stand before a ``--``, and the other words."""
    common: dict[str, str] = {}
    rest: list[str] = []
    waiting = iter(words)
    for word in waiting:
        name, equals, value = word.partition("=")
        if word == "--":
            return common, [*rest, word, *waiting]
        if name in COMMON:
            common[name] = value if equals else next(waiting, "")
            if not common[name]:
                raise UsageError(f"{name} needs a value", hint=f"{name} PATH: {COMMON[name]}")
        else:
            rest.append(word)
    return common, rest


def own_program() -> Path | None:
    """The ``mas`` that was called, to be found by agents on their PATH; None where there is no such file."""
    for candidate in (Path(sys.argv[0]).absolute(), Path(sys.executable).with_name("mas")):
        if candidate.name == "mas" and os.access(candidate, os.X_OK) and candidate.is_file():
            return candidate
    return None


def json_table(text: str, option: str) -> dict[str, Any]:
    """The table that a JSON text means; raises RefusedError for anything else."""
    from mas.values import parse_json  # noqa: PLC0415  few calls have one

    value = parse_json(text, option)
    if isinstance(value, dict):
        return value
    raise RefusedError(f"{option} is {shorten(value)}, expected a JSON object")
