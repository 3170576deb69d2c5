"""The command line: parse, call, render, exit code. What a session is and does is decided below.

What scripts call in loops (``version``, ``path``, ``env``, ``list``) is answered by ``mas.cli.quick`` without loading
typer; for everything else the module of the one verb that was called is loaded. Here every error ends: one line on
stderr, and its exit code.
"""

import gc
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType

# Loading modules makes thousands of objects and no garbage; looking for some among them takes a tenth of a short call.
gc.set_threshold(100_000, 50, 100)

from mas.errors import MasError  # noqa: E402

BUG = 3
NO_ROOM = "mas: there is not enough memory, or a limit of this process is too low; see `ulimit -a`\n"
BROKEN_PIPE = 128 + signal.SIGPIPE
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(SystemExit):
    """A signal asked this process to end; what is being made is undone on the way out."""


def main(argv: Sequence[str] | None = None, *, quick: bool = True) -> int:
    """Run one command line and return its exit code; no exception leaves here.

    Without ``argv`` it is that of the process, which then ends here: to take its modules apart first would take as long
    as many a call. ``quick`` is False where typer is to answer everything; that says the same and takes longer.
    """
    if argv is None:
        if None in (sys.stdin, sys.stdout, sys.stderr):
            _open_streams()
        code = main(sys.argv[1:], quick=quick)
        _flush_talk()
        os._exit(code)
    words = list(argv)
    asked = _end_by_exception()
    try:
        code = _run(words, quick=quick)
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
        return BROKEN_PIPE
    except BaseException as error:  # noqa: BLE001  whatever it was, a person gets one line
        return _failed(asked[0] if asked else error, words)
    return code


def _run(words: Sequence[str], *, quick: bool) -> int:
    from mas.cli import calls  # noqa: PLC0415  an error while it is loaded ends in one line too

    call, verb, rest = calls.begin(words, os.environ)
    if quick:
        from mas.cli.quick import answer  # noqa: PLC0415

        code = answer(call, verb, rest)
        if code is not None:
            return code
    from mas.cli import verbs  # noqa: PLC0415

    return verbs.run(call, verb, rest)


def _end_by_exception() -> list[Interrupted]:
    """Make the signals that end a process unwind it; what was ignored when we began stays ignored.

    Returns where the interruption is kept: on its way out it may become another error, for example of an import.
    """
    asked: list[Interrupted] = []

    def end(number: int, frame: FrameType | None) -> None:
        del frame
        for one in _ENDINGS:  # an impatient second one must not cut the undoing short
            signal.signal(one, lambda *_: None)
        asked.append(Interrupted(128 + number))
        raise asked[0]

    for one in _ENDINGS:
        if signal.getsignal(one) is not signal.SIG_IGN:
            signal.signal(one, end)
    return asked


def _failed(error: BaseException, words: Sequence[str]) -> int:
    told = _told(error, words)
    _flush_data(error)
    with suppress(OSError, ValueError):  # nobody may be left to tell it to
        sys.stderr.write(told)
        sys.stderr.flush()
        if isinstance(error, MasError) and "--json" in words:
            from mas.cli import failures  # noqa: PLC0415  see _told

            sys.stdout.write(failures.as_json(error))
            sys.stdout.flush()
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    if isinstance(error, MasError):
        return error.exit_code
    return 1 if told == NO_ROOM or isinstance(error, OSError) else BUG


def _flush_data(error: BaseException) -> None:
    """Let a reader have what was written before the error; who was asked to end waits for no reader that is stuck."""
    with suppress(OSError, ValueError, ImportError, MemoryError):
        if isinstance(error, Interrupted):
            import select  # noqa: PLC0415  hardly any call is interrupted

            if not select.select((), (sys.stdout,), (), 0)[1]:
                return
        sys.stdout.flush()


def _told(error: BaseException, words: Sequence[str]) -> str:
    """The line for an error, also where there is no room left to load what makes it."""
    try:
        from mas.cli import failures  # noqa: PLC0415  nothing failed most of the time

        return failures.told(error, words)
    except (OSError, MemoryError, ImportError):
        return NO_ROOM


def _open_streams() -> None:
    """Give a process without standard streams empty ones; the next files that it opens would be taken for them."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) < 3:
        pass
    os.close(descriptor)
    sys.stdin, sys.stdout, sys.stderr = (
        stream or open(number, mode, closefd=False)  # noqa: SIM115  they live as long as the process
        for number, (stream, mode) in enumerate(((sys.stdin, "r"), (sys.stdout, "w"), (sys.stderr, "w")))
    )


def _flush_talk() -> None:
    with suppress(OSError, ValueError, AttributeError):  # it may be closed
        sys.stderr.flush()


def _drop_output() -> None:
    """Send what is still buffered nowhere, or the interpreter complains about it at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
