"""How far a session is, folded from its log: the full lists that the snapshot only counts. Pure."""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from mas.events import CommandExecuted, IterationCompleted, IterationStarted, TimestampedEvent
from mas.record import Document, active_seconds, lifecycle_of, max_iterations_of, seconds_between, timeout_minutes_of
from mas.states import ExecutedCommand, IterationMetrics, SessionMetrics, SessionProgress, state_of
from mas.structs import replace


def fold_progress(document: Document, log: Iterable[TimestampedEvent], now: str) -> SessionProgress:
    """The progress of a session from its record, its events and the present time."""
    tally = _Tally()
    for happened in log:
        tally.add(happened)
    return SessionProgress(
        state=state_of(document),
        iterations_completed=lifecycle_of(document).get("completed", 0),
        total_iterations=max_iterations_of(document),
        files_changed=frozenset(Path(name) for one in tally.iterations for name in one.changes.files_modified),
        commands_executed=tuple(tally.commands),
        duration=timedelta(seconds=active_seconds(document, now)),
        current_phase=document.get("current_phase"),
        metrics=SessionMetrics(tuple(tally.iterations)),
        timeout=timedelta(minutes=timeout_minutes_of(document)),
    )


class _Tally:
    """What was counted so far; ``within`` are the commands that were reported one by one in the open iteration."""

    def __init__(self) -> None:
        self.commands: list[ExecutedCommand] = []
        self.iterations: list[IterationMetrics] = []
        self.within: list[str] = []

    def add(self, happened: TimestampedEvent) -> None:
        match happened.event:
            case CommandExecuted(command, success, output):
                self.commands.append(ExecutedCommand(command, success, happened.timestamp, output))
                self.within.append(command)
            case IterationStarted(number):
                self.iterations.append(IterationMetrics(number, happened.timestamp))
                self.within = []
            case IterationCompleted():
                self._complete(happened.event, happened.timestamp)

    def _complete(self, event: IterationCompleted, timestamp: str) -> None:
        """Close the iteration; what it says it ran was perhaps not reported one by one, and the reverse."""
        changes = event.changes
        self.commands += [ExecutedCommand(command, True, timestamp) for command in changes.news(self.within)]  # noqa: FBT003
        following = IterationMetrics(self.iterations[-1].number + 1 if self.iterations else 1, timestamp)
        opened = self.iterations.pop() if self.iterations and not self.iterations[-1].completed_at else following
        self.iterations.append(
            replace(
                opened,
                completed_at=timestamp,
                duration_seconds=round(seconds_between(opened.started_at, timestamp), 6),
                success=event.success,
                changes=changes if changes.commands_run else replace(changes, commands_run=tuple(self.within)),
            )
        )
