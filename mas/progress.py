"""How far a session is, folded from its log: the full lists that the snapshot only counts. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from mas.events import IterationChanges
from mas.lines import Line
from mas.record import Document, active_seconds, lifecycle_of, max_iterations_of, seconds_between
from mas.states import ExecutedCommand, IterationMetrics, SessionMetrics, SessionProgress, state_of


def fold_progress(document: Document, log: Iterable[Line], now: str) -> SessionProgress:
    """The progress of a session from its record, its log and the present time."""
    commands: list[ExecutedCommand] = []
    iterations: list[IterationMetrics] = []
    for line in log:
        if line.type == "command_executed":
            commands.append(_command(line))
        elif line.type == "iteration_started":
            iterations.append(IterationMetrics(line.data["number"], line.ts))
        elif line.type == "iteration_completed":
            _close(iterations, line)
            commands += [ExecutedCommand(text, True, line.ts) for text in _changes(line.data).commands_run]  # noqa: FBT003
    files = frozenset(Path(name) for iteration in iterations for name in iteration.changes.files_modified)
    return SessionProgress(
        state=state_of(document),
        iterations_completed=lifecycle_of(document).get("completed", 0),
        total_iterations=max_iterations_of(document),
        files_changed=files,
        commands_executed=tuple(commands),
        duration=timedelta(seconds=active_seconds(document, now)),
        current_phase=document.get("current_phase"),
        metrics=SessionMetrics(tuple(iterations)),
    )


def _command(line: Line) -> ExecutedCommand:
    data = line.data
    return ExecutedCommand(data["command"], data.get("success", True), line.ts, data.get("output", ""))


def _close(iterations: list[IterationMetrics], line: Line) -> None:
    number = line.data["number"]
    opened = iterations[-1] if iterations and iterations[-1].number == number else IterationMetrics(number, line.ts)
    closed = replace(
        opened,
        completed_at=line.ts,
        duration_seconds=round(seconds_between(opened.started_at, line.ts), 6),
        success=line.data.get("success", True),
        changes=_changes(line.data),
    )
    iterations[-1:] = [closed] if iterations and iterations[-1] is opened else [*iterations[-1:], closed]


def _changes(data: Mapping[str, Any]) -> IterationChanges:
    return IterationChanges.from_json(data.get("changes") or {})
