"""What a person is told when something went wrong: one line; for a bug of ours, also where its report is."""

import os
import platform
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

import mas
from mas import render
from mas.cli import NO_ROOM
from mas.cli.calls import split_common
from mas.errors import AmbiguousError, MasError, shorten

LONGEST = 400
"""Characters of a message and its hint together; what is longer was not meant for a person."""

_FORWARD = ("clean", "doctor", "migrate", "rm", "stop")
"""The verbs that leave what they began, to be finished; what any other one began is undone."""

_TYPING = ("deliver", "send")
_READING = ("logs", "messages")
_SIGNALS = {129: "hung up", 130: "interrupted", 143: "asked to end"}


def told(error: BaseException, words: Sequence[str]) -> str:
    """The line for an error, empty where there is nothing to say; a bug's report is written."""
    if isinstance(error, SystemExit):
        reason = _SIGNALS.get(error.code) if isinstance(error.code, int) else str(error.code or "")
        left = _left(words)
        return _line(f"{reason}; {left}" if left else reason) if reason else ""
    if isinstance(error, MasError):
        return _line(f"{error.message}; {error.hint}" if error.hint else error.message)
    if isinstance(error, OSError):
        place = f": {shorten(os.fspath(error.filename))}" if error.filename is not None else ""
        return _line(f"{error.strerror or error}{place}")
    if isinstance(error, MemoryError):
        return NO_ROOM
    return _line(f"a bug in mas ({type(error).__name__}); {_written(error, words)}")


def _left(words: Sequence[str]) -> str:
    """What became of what a verb had begun when it was cut off."""
    verb = next(iter(split_common(words)[1]), "")
    if verb in _TYPING:
        return "what was typed stays so, and `mas messages` tells what became of it"
    if verb in _READING:
        return ""
    return f"call `mas {verb}` again to finish" if verb in _FORWARD else "what was not finished is undone"


def as_json(error: MasError) -> str:
    """The same for a program that asked for JSON."""
    details = {"candidates": list(error.candidates)} if isinstance(error, AmbiguousError) else {}
    answer = {"error": error.message, "code": error.code, "details": details, "hint": error.hint or ""}
    return render.to_json(answer) + "\n"


def _line(text: str) -> str:
    return f"mas: {render.cut(render.one_line(text), LONGEST)}\n"


def _written(error: BaseException, words: Sequence[str]) -> str:
    """Where the report is, or why there is none."""
    import platformdirs  # noqa: PLC0415

    directory = Path(platformdirs.user_state_dir("mas", appauthor=False))
    path = directory / f"report-{os.getpid()}-{os.urandom(4).hex()}.txt"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as report:
            report.writelines(f"{line}\n" for line in _report(error, words))
    except OSError as refusal:
        return f"its report could not be written to {directory}: {refusal.strerror}"
    return f"please report it with {path}"


def _report(error: BaseException, words: Sequence[str]) -> Iterator[str]:
    """Versions, the command line with its values shortened, and the way to the error; nothing of the environment."""
    yield f"mas {mas.__version__}, Python {platform.python_version()}, {platform.platform()}"
    yield "argv: " + " ".join(shorten(word, 40) for word in words)
    while True:
        yield f"{type(error).__name__}: {shorten(str(error), 200)}"
        yield from (line.rstrip("\n") for line in traceback.format_tb(error.__traceback__))
        cause = error.__cause__ or error.__context__
        if cause is None:
            return
        yield "which came from:"
        error = cause
