"""Watching a session from outside, cheaply: its log is looked at ten times a second, tmux asked once.

Looking at a log means asking for its size; it is read only where that has changed, and only what is new.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from mas import logbook, record, runtime
from mas.clock import utc_now
from mas.errors import DamagedError, NotFoundError, RefusedError, WaitTimeoutError
from mas.lifecycle import TERMINAL, SessionStatus
from mas.lines import Line
from mas.record import Document, runtime_of, status_of

if TYPE_CHECKING:
    from mas.app import Mas

LOOK = 0.1
"""Seconds between two looks at a log."""

ASK = 1.0
"""Seconds between two questions to tmux."""

ENDED = "terminal"
"""What is waited for where any end of the work will do."""

OVERDUE = "overdue"
"""What is waited for where the work took longer than its configuration lets it."""

RUNTIME_WORDS = ("active", "stopped")
WORDS = (*RUNTIME_WORDS, ENDED, OVERDUE, *(str(status) for status in SessionStatus))
"""What can be waited for."""


class _Log:
    """The log of a session while it grows."""

    def __init__(self, mas: "Mas", session_id: str, since: int) -> None:
        self._mas = mas
        self._directory = mas.root.session(session_id).directory
        self._session_id = session_id
        self._since = since
        self._size = 0
        self.silent = False
        """Whether the last look saw a change of which the log says nothing: an engine without logs made it."""

    def grown(self) -> Iterator[Line]:
        """The whole records that came since the last time; one that is not whole yet waits for the next time.

        Raises NotFoundError where the session was removed, DamagedError at the place where the log is damaged.
        """
        self.silent = False
        try:
            size = self._mas.storage.position(self._session_id)
            if size == self._size and (size or self._directory.is_dir()):
                return
            self._size, self.silent = size, True
            try:
                yield from self._new()
            except DamagedError:  # a log that is being written or mended looks broken for a moment
                time.sleep(LOOK)
                yield from self._new()
        except FileNotFoundError:
            raise NotFoundError(f"session {self._session_id} was removed") from None

    def _new(self) -> Iterator[Line]:
        for line in self._mas.storage.records(self._session_id, self._since):
            self._since, self.silent = line.seq, False
            yield line


def follow(mas: "Mas", session_id: str, since: int = 0, *, forever: bool = True) -> Iterator[Line]:
    """The records of a session after number ``since``, oldest first; with ``forever`` then each new one as it comes.

    Raises NotFoundError where there is no session, or it is removed meanwhile; DamagedError where the log is damaged,
    or ends before its snapshot does, once what can be read was told.
    """
    stored = mas.storage.read(session_id)
    log = _Log(mas, session_id, since)
    yield from log.grown()
    if stored.damage:
        raise DamagedError(stored.damage, hint=logbook.mends(session_id))
    while forever:
        time.sleep(LOOK)
        yield from log.grown()


def wait(mas: "Mas", session_id: str, until: str, timeout: float | None = None) -> str:
    """Wait until a session is, or meanwhile was, what one of WORDS says; returns that word.

    Raises WaitTimeoutError after ``timeout`` seconds, RefusedError where the work ended otherwise.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    document = mas.storage.read(session_id).document
    log, asked = _Log(mas, session_id, document.get("rev", 0)), -ASK
    while True:
        if until in RUNTIME_WORDS:
            asked, reached = _ask(mas, document, until, asked)
        else:
            reached = _is(document, until)
        if reached:
            return until
        document, reached = _followed(log, document, until)
        if not reached and log.silent:
            newest = mas.storage.read(session_id).document
            if newest.get("rev") != document.get("rev"):
                _, reached = _followed(log, document, until)  # what came before that was read
            document = newest
        if reached:
            return until
        _pause(session_id, until, deadline)


def _followed(log: _Log, document: Document, until: str) -> tuple[Document, bool]:
    """The record after what the log says anew, and whether that was ``until`` at any moment."""
    with suppress(DamagedError):  # what is damaged further up stops nobody; the document is read instead
        for line in log.grown():
            document = record.fold(document, line.type, line.data, line.seq, line.ts)
            if until not in RUNTIME_WORDS and _is(document, until):
                return document, True
    return document, False


def _ask(mas: "Mas", document: Document, until: str, asked: float) -> tuple[float, bool]:
    now = time.monotonic()
    if now - asked < ASK:
        return asked, False
    observed = mas.observe(document) if runtime_of(document).get("mode") else "down"
    status = runtime.derive(document, observed)
    return now, status.word == until and not status.stale


def _is(document: Document, until: str) -> bool:
    status = status_of(document)
    if until == status or (until == ENDED and status in TERMINAL) or (until == OVERDUE and _overdue(document)):
        return True
    if status in TERMINAL:
        msg = f"session {document['session_id']} is {status}, it will never be {until}"
        raise RefusedError(msg, hint="a session that has ended stays ended; `mas retry` makes a child")
    return False


def _overdue(document: Document) -> bool:
    limit = record.timeout_minutes_of(document) * 60
    return 0 < limit < record.active_seconds(document, utc_now())


def _pause(session_id: str, until: str, deadline: float | None) -> None:
    left = LOOK if deadline is None else deadline - time.monotonic()
    if left <= 0:
        raise WaitTimeoutError(
            f"session {session_id} did not become {until} in time", hint="`mas show` says what it is"
        )
    time.sleep(min(LOOK, left))
