"""The only door to other programs: argv in, bytes out, a timeout on every call, no shell.

Parsing what a program printed is the caller's; so is deciding what its exit code means.
"""

import errno
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from mas.errors import CapacityError, DamagedError, MissingProgramError, UnknownStateError, shorten
from mas.structs import Frozen

DEFAULT_TIMEOUT = 5.0
"""Seconds a program may take before its answer counts as unknown."""

_DETACHING = 30.0
"""The same for what starts another and ends: it may be one of a hundred at a time."""

OWN_NAMES = frozenset({"SESSION_NAME", "SESSION_DIR", "UNIT_DIR", "WORKFLOWS_DIR"})
"""Variables of a session that do not start with ``MAS_``."""


_APART = """
import os, sys
pid = os.fork()
if pid:
    print(pid)
else:
    os.setsid()
    os.dup2(2, 1)
    os.execvp(sys.argv[1], sys.argv[1:])
"""


class Result(Frozen):
    """How a program ended. ``stdout`` and ``stderr`` are bytes as they came."""

    argv: tuple[str, ...]
    returncode: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Standard output as text; bytes that are no UTF-8 survive as surrogates."""
        return self.stdout.decode("utf-8", "surrogateescape")

    @property
    def complaint(self) -> str:
        """The first line of standard error, fit for a message."""
        return self.stderr.decode("utf-8", "replace").strip().partition("\n")[0]


def run(
    argv: Sequence[str | Path],
    *,
    stdin: bytes | IO[bytes] = b"",
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
    timeout: float = DEFAULT_TIMEOUT,
) -> Result:
    """Run a program to its end and return how it ended, whatever its exit code.

    Raises MissingProgramError when it is not on PATH, UnknownStateError when it outlives ``timeout`` seconds; a killed
    client may still have acted, so the caller must not try again by itself.
    """
    words = tuple(str(word) for word in argv)
    text, stream = (stdin, None) if isinstance(stdin, bytes) else (None, stdin)
    try:
        done = subprocess.run(
            words, input=text, stdin=stream, capture_output=True, check=False, env=env, cwd=cwd, timeout=timeout
        )
    except subprocess.TimeoutExpired:
        raise _silent(words[0], timeout) from None
    except FileNotFoundError as error:
        if cwd is not None and not Path(cwd).is_dir():
            raise
        msg = f"{words[0]} is not installed, or not on PATH"
        raise MissingProgramError(msg, hint=f"install it, for example: apt-get install {words[0]}") from error
    return Result(words, done.returncode, done.stdout, done.stderr)


def _silent(program: str, seconds: float) -> UnknownStateError:
    msg = f"{program} did not answer within {seconds:g} s"
    return UnknownStateError(msg, hint="look at what it is doing, then run the command again")


def foreign_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """A copy without the variables that describe one of our sessions: a child must not inherit another's identity."""
    return {name: value for name, value in environ.items() if not name.startswith("MAS_") and name not in OWN_NAMES}


def become(argv: Sequence[str], env: Mapping[str, str]) -> None:
    """Replace this process by another program (``mas attach`` becomes the tmux client). Does not return."""
    os.execvpe(argv[0], list(argv), dict(env))


def detach(argv: Sequence[str], *, env: Mapping[str, str], log: Path) -> int:
    """Start a program that outlives this one: nobody's child, no terminal, its output appended to ``log``.

    Returns its pid. It is a grandchild, so that what ends this process and all below it does not end that too. Raises
    DamagedError where the log, or its directory, is a link, CapacityError where there is no room for a process,
    UnknownStateError where nobody can tell whether it was started.
    """
    with os.fdopen(_open_log(log), "ab") as output:
        try:
            return _fork([sys.executable, "-I", "-S", "-c", _APART, *argv], env, output)
        except subprocess.TimeoutExpired:
            raise _silent("what was to start it", _DETACHING) from None
        except (subprocess.CalledProcessError, BlockingIOError) as error:
            hint = "end what is not needed, or raise the limit (ulimit -u); what was done before stands"
            raise CapacityError("cannot start a process in the background", hint=hint) from error


def _fork(words: Sequence[str], env: Mapping[str, str], output: IO[bytes]) -> int:
    nothing, pipe = subprocess.DEVNULL, subprocess.PIPE
    done = subprocess.run(
        words, stdin=nothing, stdout=pipe, stderr=output, check=True, cwd="/", env=env, timeout=_DETACHING
    )
    return int(done.stdout)


def _open_log(log: Path) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        directory = os.open(log.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            return os.open(log.name, flags, 0o600, dir_fd=directory)
        finally:
            os.close(directory)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOTDIR):
            raise
        msg = f"{shorten(str(log), 200)} is a link, or in one"
        raise DamagedError(msg, hint="mas follows no links here; look at it and move it away") from None
