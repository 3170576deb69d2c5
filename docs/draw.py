"""Draws the diagrams and tables of ``lifecycle.md`` from the code's own tables.

Run it after changing one of them: ``.venv/bin/python docs/draw.py``.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mas import events, guard, record
from mas.errors import RefusedError
from mas.lifecycle import COARSE, COARSE_TRANSITIONS, TRANSITIONS, SessionStatus

PAGE = Path(__file__).parent / "lifecycle.md"
NOW = "2026-01-01T00:00:00.000000Z"
BEGIN, END = "<!-- drawn: {} -->", "<!-- end -->"


def fine_diagram() -> Iterator[str]:
    """The nine words and the transitions between them, as Mermaid draws them."""
    yield from ("```mermaid", "stateDiagram-v2", f"    [*] --> {SessionStatus.INITIALIZING}")
    ends = (SessionStatus.FAILED, SessionStatus.PAUSED)
    for status, allowed in TRANSITIONS.items():
        for wanted in allowed:
            if wanted not in ends and status is not SessionStatus.PAUSED:
                yield f"    {status} --> {wanted}"
    yield from ("    completed --> [*]", "    failed --> [*]", "```")


def coarse_diagram() -> Iterator[str]:
    """The five states that hold for every event."""
    yield from ("```mermaid", "stateDiagram-v2", "    [*] --> created")
    for state, allowed in COARSE_TRANSITIONS.items():
        yield from (f"    {state} --> {wanted}" for wanted in allowed)
    yield from ("    completed --> [*]", "    failed --> [*]", "```")


def transitions() -> Iterator[str]:
    """Which status may follow which."""
    yield from ("| from | state of the five | may become |", "|---|---|---|")
    for status, allowed in TRANSITIONS.items():
        yield f"| `{status}` | {COARSE[status]} | {', '.join(f'`{wanted}`' for wanted in allowed) or 'nothing'} |"


SAMPLES: Mapping[str, events.SessionEvent] = {
    "started": events.Started(),
    "phase_changed": events.PhaseChanged(SessionStatus.PLANNING, SessionStatus.GENERATING_TASKS),
    "iteration_started": events.IterationStarted(1),
    "iteration_completed": events.IterationCompleted(),
    "analysis_completed": events.AnalysisCompleted({}),
    "command_executed": events.CommandExecuted("true"),
    "paused": events.Paused("lunch"),
    "resumed": events.Resumed(),
    "completed": events.Completed(),
    "failed": events.Failed("no luck"),
}
COLUMNS = (
    SessionStatus.INITIALIZING,
    SessionStatus.PLANNING,
    SessionStatus.PAUSED,
    SessionStatus.COMPLETED,
    SessionStatus.FAILED,
)


def event_table() -> Iterator[str]:
    """What each event does in each kind of state, found by asking the guard and folding what it admits."""
    yield "| event | " + " | ".join(f"in `{status}`" for status in COLUMNS) + " |"
    yield "|---" * (len(COLUMNS) + 1) + "|"
    for word in events.TYPES:
        cells = (outcome(document(status, word), SAMPLES[word]) for status in COLUMNS)
        yield f"| `{word}` | " + " | ".join(cells) + " |"


def outcome(before: record.Document, event: events.SessionEvent) -> str:
    """The status an event leads to, or that it is refused."""
    try:
        kind, data = guard.admit(before, event, NOW)
    except RefusedError:
        return "refused"
    after = record.fold(before, kind, data, before["rev"] + 1, NOW)
    return f"`{after['status']}`" if after["status"] != before["status"] else "stays"


def document(status: SessionStatus, word: str) -> record.Document:
    """A record in that status; with an open iteration for the event that closes one."""
    lifecycle: dict[str, Any] = {"iteration": 0}
    if word == "iteration_completed":
        lifecycle |= {"iteration": 1, "open": 1}
    return {"session_id": "0" * 8, "status": status.value, "created_at": NOW, "rev": 1, "lifecycle": lifecycle}


DRAWINGS = {
    "fine": fine_diagram,
    "coarse": coarse_diagram,
    "transitions": transitions,
    "events": event_table,
}


def drawn(page: str) -> str:
    """The page with every drawing in its place made anew."""
    for name, draw in DRAWINGS.items():
        head, begin, rest = page.partition(BEGIN.format(name))
        _, end, tail = rest.partition(END)
        if not (begin and end):
            msg = f"{PAGE.name} has no place for {name}"
            raise ValueError(msg)
        page = f"{head}{begin}\n\n" + "\n".join(draw()) + f"\n\n{end}{tail}"
    return page


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text("utf-8")), "utf-8")
