"""The command line, called as a person or a script calls it.

Most calls are made within this process, which spares an interpreter each; what is about the process itself (signals,
terminals, who its parents are) runs the real program.
"""

import contextlib
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mas import cli
from mas.app import Mas
from mas.paths import Root
from mas.planning import StartOptions
from mas.session import SessionConfiguration

PROGRAM = (sys.executable, "-P", "-m", "mas")
AGENT = ("--command", "cat -")
"""The options of a start whose agents wait and do nothing."""

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals for which the program has handlers of its own."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a call ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def environment(root: Path | None, env: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a call sees: the test's own environment, and the root. Its output is buffered, as it is for everybody."""
    own = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return {**own, **({"MAS_ROOT": str(root)} if root else {}), **(env or {})}


def mas(
    *words: str | Path,
    root: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
    cwd: Path | None = None,
    program: tuple[str, ...] = (),
) -> Done:
    """Run one command line to its end; with ``program`` in a process of its own, by that program."""
    around = environment(root, env)
    if program:
        done = subprocess.run(
            [*program, *map(str, words)],
            env=around,
            cwd=cwd,
            input=stdin.encode(),
            capture_output=True,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())
    with _world(around, cwd), _streams(stdin) as (out, err):
        code = cli.main([str(word) for word in words])
        return Done(code, _text(out), _text(err))


@contextlib.contextmanager
def _world(environ: Mapping[str, str], cwd: Path | None) -> Iterator[None]:
    """What else a call finds of its process and may change: variables, directory, signal handlers."""
    before, handlers = dict(os.environ), {one: signal.getsignal(one) for one in ENDINGS}
    here = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    os.environ.clear()
    os.environ.update(environ)
    try:
        os.chdir(cwd or ".")
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        os.fchdir(here)
        os.close(here)
        for one, handler in handlers.items():
            signal.signal(one, handler)


@contextlib.contextmanager
def _streams(stdin: str) -> Iterator[tuple[io.TextIOWrapper, io.TextIOWrapper]]:
    """The standard streams of a call where they are no terminal."""
    given, out, err = (io.TextIOWrapper(io.BytesIO(part), "utf-8") for part in (stdin.encode(), b"", b""))
    before = sys.stdin, sys.stdout, sys.stderr
    sys.stdin, sys.stdout, sys.stderr = given, out, err
    try:
        yield out, err
    finally:
        sys.stdin, sys.stdout, sys.stderr = before


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    return stream.buffer.getvalue().decode()  # type: ignore[attr-defined,no-any-return]


def ok(*words: str | Path, root: Path | None = None, **others: Any) -> Done:
    """The same; it must succeed."""
    done = mas(*words, root=root, **others)
    assert done.code == 0, done
    return done


def within(root: Path) -> Mas:
    """What a call works with, for what a test needs to be there beforehand."""
    return Mas(Root(root), os.environ, root.parent)


def start(root: Path, **wanted: str) -> str:
    """A team that is up, of one agent that waits unless more is wanted; returns its id."""
    options = StartOptions(**{"template": "solo", "command": AGENT[1], **wanted})  # type: ignore[arg-type]
    mas = within(root)
    return mas.start(mas.plan(options)).session.session_id


def record(root: Path, request: str = "", *, session_id: str | None = None, iterations: int = 3) -> str:
    """A record without a team; returns its id."""
    settings = SessionConfiguration(max_iterations=iterations)
    return within(root).manager.create_session(request, settings, session_id=session_id).session_id


def move(root: Path, session_id: str, *statuses: str) -> None:
    """Move the work of a session from status to status."""
    for status in statuses:
        within(root).manager.transition_state(session_id, status)


def document(root: Path, session_id: str) -> Any:
    """The record of a session."""
    return within(root).storage.read(session_id).document


def fingerprint(place: Path) -> str:
    """Everything below a directory: names, modes and contents."""
    found = hashlib.sha256()
    for path in sorted(place.rglob("*")):
        content = path.read_bytes() if path.is_file() else b""
        found.update(f"{path.relative_to(place)}\0{path.lstat().st_mode}\0".encode() + content)
    return found.hexdigest()
