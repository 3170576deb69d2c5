"""The dispatcher: tells observers what was recorded, in order, each in a thread of its own.

Whoever records never waits: ``publish`` only appends to queues, so it may be called while a session's lock is held,
and that is what keeps the events of a session in order. Observers are called by other threads, outside every lock; a
slow or failing one delays and hurts only itself. A queue is bounded: what does not fit becomes a gap of its session
(how many events, from which number to which), caught up from the log when the observer has come that far.

A thread starts with the first event for its observer and ends with the observer; in a forked child all start anew.
"""

import atexit
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from types import MethodType
from typing import TYPE_CHECKING, Any, Protocol

from mas.errors import MasError, RefusedError, shorten
from mas.events import SessionEvent, TimestampedEvent
from mas.structs import Frozen, replace

if TYPE_CHECKING:
    import asyncio

CAPACITY = 1024
"""Events that may wait for one observer before it falls behind."""

PATIENCE = 2.0
"""Seconds that the end of a program, or of a dispatcher, waits for its observers."""


class SessionObserver(Protocol):
    """Hears of every event. One that also has ``on_gap(session_id, gap)`` is told of a gap and catches up by itself."""

    def on_event(self, session_id: str, event: SessionEvent) -> Awaitable[None] | None:
        """Called once for each event, within a session in their order; may be a coroutine function."""
        ...


Observer = SessionObserver | Callable[[str, TimestampedEvent], object]
"""An object with ``on_event``, or a function, plain or coroutine, that gets each event with its number and time."""

Events = Callable[[str, int], Iterable[TimestampedEvent]]
"""From a session's id and a number to its events above that number, oldest first."""


class Gap(Frozen):
    """Events of one session that found no room in a queue: ``count`` of them, numbered from ``first`` to ``last``."""

    first: int
    last: int
    count: int = 1

    @property
    def since(self) -> int:
        """The number to give to ``SessionManager.events`` to get them."""
        return self.first - 1


class Dispatcher:
    """Observers and what they have still to hear. Thread-safe; starts no thread while there is nobody to tell.

    ``events`` reads a session's log; by it an observer that fell behind catches up. It may then also hear what another
    process recorded in between.
    """

    def __init__(self, events: Events | None = None, *, capacity: int = CAPACITY) -> None:
        self.events, self._capacity = events, capacity
        self._queues: tuple[_Queue, ...] = ()
        self._changing = threading.RLock()
        _DISPATCHERS.add(self)

    def add(self, observer: Observer) -> None:
        """Tell it everything published from now on. One that is told already is not told twice.

        Raises RefusedError for what can be told nothing.
        """
        if not (callable(observer) or hasattr(observer, "on_event")):
            msg = f"not an observer: {shorten(observer)}"
            raise RefusedError(msg, hint="give a function, or an object with on_event(session_id, event)")
        with self._changing:
            if not any(_same(queue.observer, observer) for queue in self._queues):
                self._queues = (*self._queues, _Queue(observer, self._capacity, self))

    def remove(self, observer: Observer) -> None:
        """Tell it nothing more, not even what waits; a call that has begun is not interrupted."""
        with self._changing:
            gone = [queue for queue in self._queues if _same(queue.observer, observer)]
            self._queues = tuple(queue for queue in self._queues if queue not in gone)
        for queue in gone:
            queue.end()

    def publish(self, session_id: str, event: TimestampedEvent) -> None:
        """Queue an event for every observer. Never waits for one, calls none, raises for none.

        A session's events must be published in their order: before the lock is released that gave them theirs.
        """
        for queue in self._queues:
            queue.put(session_id, event)

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until everything published so far was heard; False where ``timeout`` seconds were too few.

        Called by an observer it is False at once, since that one has not finished hearing.
        """
        if _delivers():
            return False
        deadline = None if timeout is None else time.monotonic() + timeout
        waiting = [(queue, queue.accepted) for queue in self._queues]
        return all(queue.wait(number, deadline) for queue, number in waiting)

    def close(self, timeout: float = PATIENCE) -> None:
        """Let the observers hear what waits, for at most ``timeout`` seconds, then forget them, their threads ended."""
        deadline = time.monotonic() + timeout
        self.flush(timeout)
        with self._changing:
            ending, self._queues = self._queues, ()
        for queue in ending:
            queue.end()
        for queue in ending if not _delivers() else ():
            queue.join(deadline)

    def renew(self) -> None:
        """In a forked child: threads and holders of locks are not here, and the parent tells what waited."""
        self._changing = threading.RLock()
        old = self._queues
        self._queues = tuple(_Queue(queue.observer, self._capacity, self) for queue in old)
        for queue in old:
            queue.abandon()

    def __del__(self) -> None:
        for queue in self._queues:
            queue.end(drop=False)


class _Queue:
    """What one observer has still to hear, and the thread that tells it.

    An entry is a session and its event, or None where the session has a gap: ``_gaps`` holds and grows it until the
    thread comes to that place, so what is published meanwhile stays behind it. The dispatcher is known weakly, or no
    thread would ever let go of it.
    """

    def __init__(self, observer: Observer, capacity: int, owner: Dispatcher) -> None:
        self.observer = observer
        self.accepted = 0
        self._heard = 0
        self._complained = False
        self._capacity, self._owner = capacity, weakref.ref(owner)
        self._entries: deque[tuple[str, TimestampedEvent | None]] = deque()
        self._gaps: dict[str, Gap] = {}
        self._changed = threading.Condition()  # re-entrant: a signal handler may record an event in the middle of it
        self._thread: threading.Thread | None = None
        self._runner: asyncio.Runner | None = None
        self._ended = False

    def put(self, session_id: str, event: TimestampedEvent) -> None:
        """Append an event, or let the session's gap grow where there is no room or the gap was not yet told."""
        with self._changed:
            gap = self._gaps.get(session_id)
            if gap:
                self._gaps[session_id] = replace(gap, last=event.seq, count=gap.count + 1)
            elif not self._ended:
                full = len(self._entries) >= self._capacity
                if full:
                    self._gaps[session_id] = Gap(event.seq, event.seq)
                self._entries.append((session_id, None if full else event))
                self.accepted += 1
                self._changed.notify_all()
                self._start()

    def wait(self, number: int, deadline: float | None) -> bool:
        """Wait until so many entries were heard, or nobody will hear them; False where the deadline came first."""
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        with self._changed:
            return self._changed.wait_for(lambda: self._heard >= number, left)

    def end(self, *, drop: bool = True) -> None:
        """Take nothing more, and let the thread end when it has told what waits, or at once."""
        with self._changed:
            self._ended = True
            if drop:
                self._entries.clear()
                self._gaps.clear()
                self._heard = self.accepted
            self._changed.notify_all()

    def join(self, deadline: float) -> None:
        """Wait for the thread's end."""
        if self._thread:
            self._thread.join(max(0.0, deadline - time.monotonic()))

    def abandon(self) -> None:
        """Let a thread that was forked in the middle of telling find nothing more to tell, and no lock held."""
        self._changed = threading.Condition()
        self.end()

    def _start(self) -> None:
        """Start the thread; where the system gives none, what waits is told when the next event finds one."""
        if self._thread:
            return
        thread = threading.Thread(target=self._run, name="mas-observer", daemon=True)
        with suppress(RuntimeError):
            thread.start()
            self._thread = thread

    def _run(self) -> None:
        _THREAD.delivers = True
        while entry := self._next():
            self._tell(*entry)
            with self._changed:
                self._heard += 1
                self._changed.notify_all()
        if self._runner:
            self._runner.close()

    def _next(self) -> tuple[str, TimestampedEvent | Gap] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._entries or self._ended)
            if not self._entries:
                return None
            session_id, event = self._entries.popleft()
            return session_id, event or self._gaps.pop(session_id)

    def _tell(self, session_id: str, what: TimestampedEvent | Gap) -> None:
        try:
            if isinstance(what, TimestampedEvent):
                self._hear(session_id, what)
            elif on_gap := getattr(self.observer, "on_gap", None):
                self._finish(on_gap(session_id, what))
            else:
                self._catch_up(session_id, what)
        except BaseException as error:  # noqa: BLE001  even one that ends its thread must not keep others' events back
            with suppress(Exception):  # nor must a log that refuses
                self._complain(error, session_id, what.seq if isinstance(what, TimestampedEvent) else what.first)

    def _hear(self, session_id: str, event: TimestampedEvent) -> None:
        on_event = getattr(self.observer, "on_event", None)
        self._finish(on_event(session_id, event.event) if on_event else self.observer(session_id, event))  # type: ignore[operator]

    def _catch_up(self, session_id: str, gap: Gap) -> None:
        """Tell what the log holds in place of the gap."""
        owner = self._owner()
        if owner is None or owner.events is None:
            msg = (
                f"an observer missed {gap.count} events of session {session_id}, and no log was given to read them from"
            )
            raise MasError(msg)
        for event in owner.events(session_id, gap.since):
            if event.seq > gap.last or self._ended:
                break
            self._tell(session_id, event)

    def _finish(self, result: Any) -> None:
        """Run what a coroutine function returned to its end, in a loop that lives as long as the thread."""
        if not hasattr(result, "__await__"):
            return
        import asyncio  # noqa: PLC0415  costs start-up time, and most observers are plain functions

        async def finish() -> None:
            await result

        self._runner = self._runner or asyncio.Runner()
        self._runner.run(finish())

    def _complain(self, error: BaseException, session_id: str, seq: int) -> None:
        """Say the observer's first error where the program's log goes, else on stderr; it may go on for thousands."""
        if self._complained:
            return
        self._complained = True
        import logging  # noqa: PLC0415  nothing failed most of the time

        name = getattr(self.observer, "__name__", type(self.observer).__name__)
        text = "mas: observer %s raised %s at event %d of session %s; it is told the next ones all the same"
        logging.getLogger("mas").error(text, name, type(error).__name__, seq, session_id, exc_info=error)


_DISPATCHERS: "weakref.WeakSet[Dispatcher]" = weakref.WeakSet()
_THREAD = threading.local()


def _delivers() -> bool:
    """Whether this thread is telling an observer, so that waiting for observers would be waiting for itself."""
    return getattr(_THREAD, "delivers", False)


def _same(one: Observer, other: Observer) -> bool:
    """Whether both are one observer. A bound method is a new object each time it is named."""
    return one is other or (isinstance(one, MethodType) and one == other)


def _renew_all() -> None:
    _THREAD.delivers = False
    for dispatcher in _DISPATCHERS:
        dispatcher.renew()


def _close_all() -> None:
    deadline = time.monotonic() + PATIENCE
    for dispatcher in list(_DISPATCHERS):
        dispatcher.close(max(0.0, deadline - time.monotonic()))


os.register_at_fork(after_in_child=_renew_all)
atexit.register(_close_all)
