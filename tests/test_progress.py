"""Progress: the full lists, folded from the log."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from records import begun, happened, time

from mas.events import (
    CommandExecuted,
    IterationCompleted,
    IterationStarted,
    Paused,
    SessionEvent,
    Started,
    TimestampedEvent,
)
from mas.iteration import IterationChanges
from mas.progress import fold_progress
from mas.states import ExecutedCommand, Running, SessionProgress
from mas.states import Paused as PausedState


def progress(*events: SessionEvent, now: float = 100, step: float = 1) -> SessionProgress:
    """The progress of a session to which these events happened, ``step`` seconds apart."""
    stored, log = begun(), []
    for at, event in enumerate(events, 1):
        stored = happened(stored, event, at=at * step)
        log.append(TimestampedEvent(at, time(at * step), event))
    return fold_progress(stored.document, log, time(now))


def changed(*names: str, commands: Sequence[str] = ()) -> IterationCompleted:
    return IterationCompleted(IterationChanges(names, 1, 2, tuple(commands)))


def test_a_session_that_did_nothing() -> None:
    found = progress()
    assert (found.iterations_completed, found.total_iterations, found.commands_executed) == (0, 3, ())
    assert (found.duration, found.timeout, found.overdue) == (timedelta(0), timedelta(hours=2), False)
    assert (found.metrics.iterations, found.files_changed, found.current_phase) == ((), frozenset(), None)


def test_iterations_with_their_times_and_changes() -> None:
    found = progress(
        Started(),
        IterationStarted(1),
        changed("a", "b"),
        IterationStarted(2),
        changed("b"),
        IterationStarted(3),
        step=2,
    )
    assert found.state == Running(3)
    assert found.iterations_completed == 2
    assert found.files_changed == {Path("a"), Path("b")}
    first, second, third = found.metrics.iterations
    assert (first.number, first.started_at, first.completed_at, first.duration_seconds) == (1, time(4), time(6), 2)
    assert (second.number, second.success, second.changes.lines_added) == (2, True, 1)
    assert (third.number, third.completed_at) == (3, "")


def test_commands_reported_one_by_one_or_with_the_iteration() -> None:
    found = progress(
        Started(),
        CommandExecuted("before"),
        IterationStarted(1),
        CommandExecuted("make", success=False, output="no"),
        changed(),
        IterationStarted(2),
        changed(commands=["pytest"]),
    )
    assert [(one.command, one.success) for one in found.commands_executed] == [
        ("before", True),
        ("make", False),
        ("pytest", True),
    ]
    assert found.commands_executed[1] == ExecutedCommand("make", False, time(4), "no")  # noqa: FBT003
    assert [one.changes.commands_run for one in found.metrics.iterations] == [("make",), ("pytest",)]


def test_a_pause_is_no_work() -> None:
    found = progress(Started(), Paused("lunch"), now=500, step=10)
    assert (found.duration, found.state) == (timedelta(seconds=10), PausedState("lunch"))


def test_a_session_can_be_overdue() -> None:
    stored = happened(begun(configuration={"timeout_minutes": 1}), Started(), at=1)
    assert not fold_progress(stored.document, [], time(61)).overdue
    assert fold_progress(stored.document, [], time(62)).overdue


def test_an_iteration_whose_beginning_was_lost_is_still_one() -> None:
    stored = happened(begun(), Started())
    log = [TimestampedEvent(1, time(1), changed("a")), TimestampedEvent(2, time(2), changed("b"))]
    found = fold_progress(stored.document, log, time(9)).metrics.iterations
    assert [(one.number, one.duration_seconds) for one in found] == [(1, 0), (2, 0)]
