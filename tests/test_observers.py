"""Observers hear everything, once, in order, and nobody waits for them. Real threads, real forks."""

import asyncio
import functools
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from mas import observers
from mas.errors import NotFoundError, RefusedError
from mas.events import CommandExecuted, SessionEvent, TimestampedEvent
from mas.observers import Dispatcher, Gap, Observer

Wait = Callable[..., None]
Heard = list[tuple[str, int]]


def event(seq: int) -> TimestampedEvent:
    return TimestampedEvent(seq, "2026-01-07T13:02:57Z", CommandExecuted(f"command {seq}"))


def observer_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "mas-observer"]


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    yield
    gc.collect()
    for thread in observer_threads():
        thread.join(10)
    assert observer_threads() == []


@pytest.fixture
def dispatcher() -> Iterator[Dispatcher]:
    made = Dispatcher()
    yield made
    made.close()


class Log:
    """What a session's log holds; every event published is in it before."""

    def __init__(self) -> None:
        self.lines: dict[str, list[TimestampedEvent]] = {}

    def __call__(self, session_id: str, since: int) -> Iterable[TimestampedEvent]:
        if session_id not in self.lines:
            raise NotFoundError(session_id)
        return [one for one in self.lines[session_id] if one.seq > since]

    def publish(self, dispatcher: Dispatcher, session_id: str, seqs: Iterable[int]) -> None:
        for seq in seqs:
            self.lines.setdefault(session_id, []).append(event(seq))
            dispatcher.publish(session_id, event(seq))


class Gate:
    """An observer that stands still at its first event until it is let go."""

    def __init__(self) -> None:
        self.heard: Heard = []
        self.inside, self.open = threading.Event(), threading.Event()

    def __call__(self, session_id: str, what: TimestampedEvent) -> None:
        self.inside.set()
        assert self.open.wait(10)
        self.heard.append((session_id, what.seq))


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open.set()


def recorder(heard: Heard) -> Observer:
    return lambda session_id, what: heard.append((session_id, what.seq))


# --- who is told what ---


def test_a_function_hears_the_event_with_its_number_and_time(dispatcher: Dispatcher) -> None:
    heard: list[tuple[str, TimestampedEvent]] = []
    dispatcher.add(lambda session_id, what: heard.append((session_id, what)))
    dispatcher.publish("s", event(7))
    assert dispatcher.flush(10)
    assert heard == [("s", event(7))]


def test_an_object_hears_the_event_itself(dispatcher: Dispatcher) -> None:
    class Listener:
        def __init__(self) -> None:
            self.heard: list[tuple[str, SessionEvent]] = []

        def on_event(self, session_id: str, event: SessionEvent) -> None:
            self.heard.append((session_id, event))

    listener = Listener()
    dispatcher.add(listener)
    dispatcher.publish("s", event(7))
    assert dispatcher.flush(10)
    assert listener.heard == [("s", CommandExecuted("command 7"))]


def test_coroutine_functions_run_to_their_end_in_order_in_one_loop(
    dispatcher: Dispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[tuple[str, int, int]] = []

    class Listener:
        async def on_event(self, session_id: str, event: SessionEvent) -> None:
            assert isinstance(event, CommandExecuted)
            assert session_id == "s"
            heard.append(("object", int(event.command.split()[1]), id(asyncio.get_running_loop())))

    async def function(who: str, _: str, what: TimestampedEvent) -> None:
        await asyncio.to_thread(int)
        heard.append((who, what.seq, id(asyncio.get_running_loop())))

    dispatcher.add(Listener())
    dispatcher.add(functools.partial(function, "function"))
    for seq in range(20):
        dispatcher.publish("s", event(seq))
    assert dispatcher.flush(10)
    for who in ("object", "function"):
        mine = [entry for entry in heard if entry[0] == who]
        assert [seq for _, seq, _ in mine] == list(range(20))
        assert len({loop for _, _, loop in mine}) == 1
    assert caplog.records == []


def test_one_added_twice_is_told_once(dispatcher: Dispatcher) -> None:
    heard: Heard = []

    class Listener:
        def hear(self, session_id: str, what: TimestampedEvent) -> None:
            heard.append((session_id, what.seq))

    listener, function = Listener(), recorder(heard)
    for observer in (listener.hear, listener.hear, function, function):
        dispatcher.add(observer)
    dispatcher.publish("s", event(1))
    assert dispatcher.flush(10)
    assert heard == [("s", 1)] * 2
    dispatcher.remove(listener.hear)
    dispatcher.publish("s", event(2))
    assert dispatcher.flush(10)
    assert heard == [("s", 1)] * 2 + [("s", 2)]


def test_equal_observers_are_two(dispatcher: Dispatcher) -> None:
    class Equal:
        def __init__(self) -> None:
            self.heard: Heard = []

        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = object.__hash__

        def __call__(self, session_id: str, what: TimestampedEvent) -> None:
            self.heard.append((session_id, what.seq))

    both = [Equal(), Equal()]
    for one in both:
        dispatcher.add(one)
    dispatcher.publish("s", event(1))
    assert dispatcher.flush(10)
    assert [one.heard for one in both] == [[("s", 1)]] * 2


def test_what_can_be_told_nothing_is_refused(dispatcher: Dispatcher) -> None:
    with pytest.raises(RefusedError, match="not an observer: 42"):
        dispatcher.add(42)  # type: ignore[arg-type]


def test_removing_one_that_was_never_added_does_nothing(dispatcher: Dispatcher) -> None:
    dispatcher.remove(print)


def test_a_removed_one_hears_nothing_more_not_even_what_waits(dispatcher: Dispatcher, gate: Gate) -> None:
    dispatcher.add(gate)
    for seq in range(3):
        dispatcher.publish("s", event(seq))
    assert gate.inside.wait(10)
    dispatcher.remove(gate)
    gate.open.set()
    for thread in observer_threads():
        thread.join(10)
    dispatcher.publish("s", event(3))
    assert dispatcher.flush(10)
    assert gate.heard == [("s", 0)]


def test_the_past_is_not_told(dispatcher: Dispatcher) -> None:
    heard: Heard = []
    dispatcher.publish("s", event(1))
    dispatcher.add(recorder(heard))
    dispatcher.publish("s", event(2))
    assert dispatcher.flush(10)
    assert heard == [("s", 2)]


# --- order ---


def test_each_session_in_order_under_eight_writers(dispatcher: Dispatcher) -> None:
    heard: list[Heard] = [[], []]
    for each in heard:
        dispatcher.add(recorder(each))
    sessions, locks = ["a", "b", "c"], {name: threading.Lock() for name in "abc"}
    numbers = dict.fromkeys(sessions, 0)

    def write() -> None:
        for turn in range(120):
            session_id = sessions[turn % 3]
            with locks[session_id]:
                numbers[session_id] += 1
                dispatcher.publish(session_id, event(numbers[session_id]))

    writers = [threading.Thread(target=write) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert dispatcher.flush(30)
    for each in heard:
        for session_id in sessions:
            assert [seq for name, seq in each if name == session_id] == list(range(1, 321))


# --- slow and failing ones ---


def test_a_slow_one_keeps_neither_writer_nor_others_waiting(dispatcher: Dispatcher, gate: Gate) -> None:
    heard: Heard = []
    dispatcher.add(gate)
    dispatcher.add(recorder(heard))
    for seq in range(10):
        dispatcher.publish("s", event(seq))
    dispatcher.remove(print)
    assert gate.inside.wait(10)
    assert not dispatcher.flush(0)
    dispatcher.add(late := Gate())
    dispatcher.remove(late)
    wait_for(lambda: len(heard) == 10)
    assert gate.heard == []
    gate.open.set()
    assert dispatcher.flush(10)
    assert gate.heard == [("s", seq) for seq in range(10)]


def wait_for(predicate: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not predicate():
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)


@pytest.mark.parametrize("error", [ValueError("odd"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
@pytest.mark.parametrize("kind", ["plain", "coroutine"])
def test_a_failing_one_hurts_nobody(
    dispatcher: Dispatcher,
    error: BaseException,
    kind: str,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: Heard = []

    def failing(*_: object) -> None:
        raise error

    async def failing_later(*_: object) -> None:
        raise error

    bad = failing if kind == "plain" else failing_later
    dispatcher.add(bad)
    dispatcher.add(recorder(heard))
    for seq in range(3):
        dispatcher.publish("s", event(seq))
    assert dispatcher.flush(10)
    assert heard == [("s", 0), ("s", 1), ("s", 2)]
    dispatcher.close()
    assert capsys.readouterr() == ("", "")
    (said,) = caplog.records
    assert (said.name, said.levelname) == ("mas", "ERROR")
    assert said.getMessage().startswith(f"mas: observer {bad.__name__} raised {type(error).__name__} at event 0 ")


def test_the_first_error_of_each_observer_is_said(dispatcher: Dispatcher, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def on_event(self, session_id: str, event: SessionEvent) -> None:
            raise ValueError(session_id, event)

    dispatcher.add(Broken())
    dispatcher.add(Broken())
    for seq in (1, 2):
        dispatcher.publish("s", event(seq))
    assert dispatcher.flush(10)
    told = "observer Broken raised ValueError at event 1 of session s; it is told the next ones all the same"
    assert [record.getMessage() for record in caplog.records] == [f"mas: {told}"] * 2


def test_an_error_is_said_on_stderr_where_the_program_keeps_no_log() -> None:
    code = (
        "from mas.observers import Dispatcher\n"
        "from mas.events import Failed, TimestampedEvent\n"
        "d = Dispatcher(); d.add(lambda *_: 1 / 0)\n"
        "d.publish('s', TimestampedEvent(1, '', Failed('x')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=30, capture_output=True, text=True)
    first, *_, last = done.stderr.splitlines()
    assert first.startswith("mas: observer <lambda> raised ZeroDivisionError at event 1 of session s")
    assert (done.returncode, last) == (0, "ZeroDivisionError: division by zero")


# --- falling behind ---


def test_one_that_fell_behind_catches_up_from_the_log_in_order(gate: Gate) -> None:
    log = Log()
    dispatcher = Dispatcher(log, capacity=3)
    dispatcher.add(gate)
    log.publish(dispatcher, "a", range(1, 10))
    assert gate.inside.wait(10)
    log.publish(dispatcher, "b", range(1, 10))
    log.publish(dispatcher, "a", range(10, 20))
    gate.open.set()
    assert dispatcher.flush(10)
    log.publish(dispatcher, "a", range(20, 22))
    dispatcher.close()
    assert [seq for name, seq in gate.heard if name == "a"] == list(range(1, 22))
    assert [seq for name, seq in gate.heard if name == "b"] == list(range(1, 10))


def test_many_writers_a_tiny_queue_and_nothing_is_lost_or_told_twice() -> None:
    log = Log()
    dispatcher = Dispatcher(log, capacity=2)
    heard: Heard = []
    dispatcher.add(recorder(heard))
    names = [f"session {number}" for number in range(8)]
    writers = [threading.Thread(target=log.publish, args=(dispatcher, name, range(1, 200))) for name in names]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    dispatcher.close(30)
    for name in names:
        assert [seq for session_id, seq in heard if session_id == name] == list(range(1, 200))


def test_one_that_wants_to_know_is_told_of_the_gap_in_its_place(gate: Gate) -> None:
    class Careful:
        def __init__(self) -> None:
            self.heard: list[tuple[str, object]] = []

        def on_event(self, session_id: str, event: SessionEvent) -> None:
            gate(session_id, TimestampedEvent(0, "", event))
            self.heard.append((session_id, event))

        async def on_gap(self, session_id: str, gap: Gap) -> None:
            self.heard.append((session_id, gap))

    dispatcher, careful = Dispatcher(capacity=2), Careful()
    dispatcher.add(careful)
    dispatcher.publish("s", event(1))
    assert gate.inside.wait(10)
    for seq in (2, 4, 5, 7, 9):
        dispatcher.publish("s", event(seq))
    gate.open.set()
    assert dispatcher.flush(10)
    dispatcher.publish("s", event(10))
    dispatcher.close()
    told = [("s", event(seq).event) for seq in (1, 2, 4)]
    assert careful.heard == [*told, ("s", Gap(5, 9, 3)), ("s", event(10).event)]
    assert Gap(5, 9, 3).since == 4


def test_room_in_the_queue_is_not_taken_before_the_gap_is_told() -> None:
    log, heard = Log(), []
    dispatcher = Dispatcher(log, capacity=2)
    inside, steps = threading.Semaphore(0), threading.Semaphore(0)

    def step(_: str, what: TimestampedEvent) -> None:
        inside.release()
        assert steps.acquire(timeout=10)
        heard.append(what.seq)

    dispatcher.add(step)
    log.publish(dispatcher, "s", [1])
    assert inside.acquire(timeout=10)
    log.publish(dispatcher, "s", [2, 3, 4])
    for _ in range(2):
        steps.release()
        assert inside.acquire(timeout=10)
    log.publish(dispatcher, "s", [5, 6])
    steps.release(10)
    dispatcher.close()
    assert heard == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("log", [None, Log()])
def test_what_cannot_be_caught_up_is_a_failure_and_the_rest_goes_on(
    log: Log | None, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    dispatcher = Dispatcher(log, capacity=1)
    dispatcher.add(gate)
    dispatcher.publish("s", event(1))
    assert gate.inside.wait(10)
    for seq in (2, 3, 4):
        dispatcher.publish("s", event(seq))
    gate.open.set()
    assert dispatcher.flush(10)
    dispatcher.publish("s", event(5))
    assert dispatcher.flush(10)
    (said,) = caplog.records
    assert "at event 3 of session s" in said.getMessage()
    assert said.exc_info
    error = said.exc_info[1]
    assert "missed 2 events of session s" in str(error) or isinstance(error, NotFoundError)
    dispatcher.close()
    assert gate.heard == [("s", 1), ("s", 2), ("s", 5)]


def test_catching_up_goes_on_after_an_error_and_stops_when_removed(gate: Gate) -> None:
    log = Log()
    dispatcher = Dispatcher(log, capacity=1)

    def uneven(session_id: str, what: TimestampedEvent) -> None:
        gate(session_id, what)
        if what.seq == 8:
            dispatcher.remove(uneven)
        if what.seq % 2:
            raise ValueError(what.seq)

    dispatcher.add(uneven)
    log.publish(dispatcher, "s", range(1, 3))
    assert gate.inside.wait(10)
    log.publish(dispatcher, "s", range(3, 20))
    gate.open.set()
    for thread in observer_threads():
        thread.join(10)
    assert [seq for _, seq in gate.heard] == [1, 2, 3, 4, 5, 6, 7, 8]


# --- waiting ---


def test_nothing_to_wait_for(dispatcher: Dispatcher) -> None:
    assert dispatcher.flush()
    dispatcher.add(print)
    assert dispatcher.flush(0)


def test_flush_waits_for_what_came_before_only(dispatcher: Dispatcher) -> None:
    endless = threading.Event()

    def echo(session_id: str, what: TimestampedEvent) -> None:
        if not endless.is_set():
            dispatcher.publish(session_id, event(what.seq + 1))

    dispatcher.add(echo)
    dispatcher.publish("s", event(1))
    assert dispatcher.flush()
    endless.set()


def test_nobody_waits_for_a_removed_one(dispatcher: Dispatcher, gate: Gate) -> None:
    dispatcher.add(gate)
    for seq in range(3):
        dispatcher.publish("s", event(seq))
    assert gate.inside.wait(10)
    waiting = threading.Thread(target=dispatcher.flush, daemon=True)
    waiting.start()
    dispatcher.remove(gate)
    waiting.join(10)
    assert not waiting.is_alive()


def test_an_observer_that_waits_for_observers_is_answered_at_once(dispatcher: Dispatcher) -> None:
    answers: list[bool] = []
    for _ in range(2):
        dispatcher.add(lambda *_: answers.append(dispatcher.flush()))
    dispatcher.publish("s", event(1))
    assert dispatcher.flush(10)
    assert answers == [False, False]


def test_an_observer_may_close_the_dispatcher(dispatcher: Dispatcher) -> None:
    heard: Heard = []

    def close(session_id: str, what: TimestampedEvent) -> None:
        heard.append((session_id, what.seq))
        dispatcher.close()

    dispatcher.add(close)
    for seq in range(3):
        dispatcher.publish("s", event(seq))
    wait_for(lambda: not observer_threads())
    assert heard == [("s", 0)]


def test_an_observer_may_add_and_remove(dispatcher: Dispatcher) -> None:
    heard: Heard = []
    other = recorder(heard)

    def swap(*_: object) -> None:
        dispatcher.add(other)
        dispatcher.remove(swap)

    dispatcher.add(swap)
    dispatcher.publish("s", event(1))
    assert dispatcher.flush(10)
    dispatcher.publish("s", event(2))
    assert dispatcher.flush(10)
    assert heard == [("s", 2)]


def test_closing_tells_what_waits_ends_the_threads_and_can_be_repeated() -> None:
    heard: Heard = []
    dispatcher = Dispatcher()
    dispatcher.add(recorder(heard))
    for seq in range(100):
        dispatcher.publish("s", event(seq))
    dispatcher.close()
    assert observer_threads() == []
    dispatcher.publish("s", event(100))
    dispatcher.close()
    assert len(heard) == 100
    dispatcher.add(recorder(heard))
    dispatcher.publish("s", event(101))
    dispatcher.close()
    assert heard[-1] == ("s", 101)


def test_closing_does_not_wait_for_one_that_hangs(gate: Gate) -> None:
    dispatcher = Dispatcher()
    dispatcher.add(gate)
    dispatcher.publish("s", event(1))
    assert gate.inside.wait(10)
    dispatcher.close(0.01)
    assert len(observer_threads()) == 1


def test_a_dispatcher_that_nobody_holds_lets_its_threads_end() -> None:
    """Also one whose log is its owner's, as a session manager's is."""

    class Owner:
        def __init__(self) -> None:
            self.dispatcher = Dispatcher(self.events)

        def events(self, *_: object) -> list[TimestampedEvent]:
            raise AssertionError

    heard: Heard = []
    owner = Owner()
    owner.dispatcher.add(recorder(heard))
    for seq in range(100):
        owner.dispatcher.publish("s", event(seq))
    del owner
    gc.collect()
    wait_for(lambda: not observer_threads())
    assert len(heard) == 100


def test_a_signal_handler_may_record_in_the_middle_of_recording(dispatcher: Dispatcher) -> None:
    heard: Heard = []
    dispatcher.add(recorder(heard))
    previous = signal.signal(signal.SIGALRM, lambda *_: dispatcher.publish("signal", event(1)))
    signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
    try:
        for seq in range(20_000):
            dispatcher.publish("s", event(seq % 7))
            if seq % 500 == 0:
                assert dispatcher.flush(10)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert dispatcher.flush(10)
    assert len([name for name, _ in heard if name == "s"]) == 20_000


# --- threads and processes ---


def test_without_observers_there_is_no_thread_and_no_loop() -> None:
    code = (
        "import sys, threading\n"
        "from mas.observers import Dispatcher\n"
        "from mas.events import Failed, TimestampedEvent\n"
        "d = Dispatcher(); d.publish('s', TimestampedEvent(1, '', Failed('x'))); d.flush(); d.close()\n"
        "assert threading.active_count() == 1 and 'asyncio' not in sys.modules\n"
        "d.add(print); assert threading.active_count() == 1\n"
        "assert 'asyncio' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_the_end_of_the_program_tells_what_waits(tmp_path: Path) -> None:
    out = tmp_path / "heard"
    code = (
        "import sys, time\n"
        "from mas.observers import Dispatcher\n"
        "from mas.events import Failed, TimestampedEvent\n"
        "async def slow(session_id, what):\n"
        "    time.sleep(0.02)\n"
        "    with open(sys.argv[1], 'a') as out: out.write(f'{what.seq}\\n')\n"
        "d = Dispatcher(); d.add(slow)\n"
        "for seq in range(10): d.publish('s', TimestampedEvent(seq, '', Failed('x')))\n"
    )
    done = subprocess.run([sys.executable, "-Xdev", "-c", code, out], check=True, timeout=30, capture_output=True)
    assert out.read_text().split() == [str(seq) for seq in range(10)]
    assert done.stderr == b""


def test_the_end_of_the_program_does_not_wait_for_one_that_hangs() -> None:
    code = (
        "import time\n"
        "from mas.observers import Dispatcher\n"
        "from mas.events import Failed, TimestampedEvent\n"
        "d = Dispatcher(); d.add(lambda *_: time.sleep(1000)); d.publish('s', TimestampedEvent(1, '', Failed('x')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, timeout=30, capture_output=True)
    assert done.stderr == b""


def test_what_a_child_does_first_lets_go_of_what_waited(dispatcher: Dispatcher, gate: Gate) -> None:
    """The same without a fork, where the thread that was telling goes on and must find nothing more."""
    dispatcher.add(gate)
    dispatcher.publish("s", event(1))
    dispatcher.publish("s", event(2))
    assert gate.inside.wait(10)
    (old,) = observer_threads()
    observers._renew_all()
    gate.open.set()
    old.join(10)
    dispatcher.publish("s", event(3))
    assert dispatcher.flush(10)
    assert gate.heard == [("s", 1), ("s", 3)]


def test_a_publisher_that_comes_too_late_for_a_removed_one(dispatcher: Dispatcher) -> None:
    heard: Heard = []
    dispatcher.add(recorder(heard))
    (queue,) = dispatcher._queues
    dispatcher.close()
    queue.put("s", event(1))
    assert (queue.accepted, heard, observer_threads()) == (0, [], [])


MAY_FORK = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
"""Newer interpreters warn of a fork beside other threads, which is the very case in question."""


def in_child(work: Callable[[], bool]) -> bool:
    """Whether the work is done well in a forked child."""
    child = os.fork()
    if child == 0:
        code = 1
        signal.alarm(60)
        try:
            code = 0 if work() else 1
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1] == 0


@MAY_FORK
def test_a_forked_child_tells_anew_and_not_what_waited(dispatcher: Dispatcher, gate: Gate) -> None:
    dispatcher.add(gate)
    dispatcher.publish("s", event(1))
    dispatcher.publish("s", event(2))
    assert gate.inside.wait(10)

    def child() -> bool:
        gate.open = threading.Event()
        gate.open.set()
        dispatcher.publish("s", event(3))
        return dispatcher.flush(10) and gate.heard == [("s", 3)]

    assert in_child(child)
    gate.open.set()
    assert dispatcher.flush(10)
    assert gate.heard == [("s", 1), ("s", 2)]


@MAY_FORK
def test_a_fork_while_others_record_leaves_no_lock_held(dispatcher: Dispatcher) -> None:
    heard: Heard = []
    dispatcher.add(recorder(heard))
    stop = threading.Event()

    def write(name: str) -> None:
        seq = 0
        while not stop.is_set():
            dispatcher.publish(name, event(seq := seq + 1))

    writers = [threading.Thread(target=write, args=(f"writer {number}",)) for number in range(4)]
    for writer in writers:
        writer.start()
    try:

        def child() -> bool:
            heard.clear()
            dispatcher.publish("child", event(1))
            return dispatcher.flush(10) and heard == [("child", 1)]

        assert all(in_child(child) for _ in range(20))
    finally:
        stop.set()
        for writer in writers:
            writer.join()


@MAY_FORK
def test_an_observer_may_fork(dispatcher: Dispatcher) -> None:
    """Its thread is the child's only one; what waited is the parent's to tell."""
    heard: Heard = []
    children: list[int] = []

    def fork(session_id: str, what: TimestampedEvent) -> None:
        heard.append((session_id, what.seq))
        if what.seq == 1:
            child = os.fork()
            if child == 0:
                dispatcher.publish("child", event(7))
                good = dispatcher.flush(10) and heard == [("s", 1), ("child", 7)]
                os._exit(0 if good else 1)
            children.append(child)

    dispatcher.add(fork)
    dispatcher.publish("s", event(1))
    dispatcher.publish("s", event(2))
    assert dispatcher.flush(20)
    assert os.waitpid(children[0], 0)[1] == 0
    assert heard == [("s", 1), ("s", 2)]


def test_where_no_thread_can_be_started_recording_goes_on() -> None:
    code = (
        "import resource, threading\n"
        "from mas.observers import Dispatcher\n"
        "from mas.events import Failed, TimestampedEvent\n"
        "heard = []\n"
        "d = Dispatcher(); d.add(lambda _, what: heard.append(what.seq))\n"
        "limits = resource.getrlimit(resource.RLIMIT_AS)\n"
        "resource.setrlimit(resource.RLIMIT_AS, (0, limits[1]))\n"
        "d.publish('s', TimestampedEvent(1, '', Failed('x')))\n"
        "resource.setrlimit(resource.RLIMIT_AS, limits)\n"
        "assert not d.flush(0) and threading.active_count() == 1\n"
        "d.publish('s', TimestampedEvent(2, '', Failed('x')))\n"
        "assert d.flush(10) and heard == [1, 2], heard\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=30, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
