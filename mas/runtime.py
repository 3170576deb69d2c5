"""The second axis of a session: whether its team is up. One word from what was wanted and what was seen. Pure."""

from typing import Literal, NamedTuple

from mas.lifecycle import RUNNING, SessionStatus
from mas.record import Document, configured, lifecycle_of, runtime_of, status_of

Word = Literal["active", "stopped", "error"]
Observed = Literal["up", "down", "unknown"]

INTERRUPTED = "interrupted: runtime lost"
"""Reason of the pause that a running session gets when its team is gone without having been stopped."""

STOPPED = "stopped"
"""Reason of the pause that ``mas stop`` makes."""


class Status(NamedTuple):
    """The word for a session, and whether it is only the last one known because tmux gave no answer."""

    word: Word
    stale: bool = False


def wanted_up(document: Document) -> bool:
    """Whether the session is to have a team; one that is only a record never is."""
    return runtime_of(document).get("wanted") == "up"


def is_settled(document: Document) -> bool:
    """Whether a record says that the team is down because it was stopped, so that nobody has to be asked."""
    return not wanted_up(document) and runtime_of(document).get("observed", "down") == "down"


def code_of(document: Document) -> str:
    """Where the code is that a team in a workspace works on; empty where that is the root.

    Of a team in the root's own directories the record says under the same name where it was started from.
    """
    runtime = runtime_of(document)
    return str(runtime.get("project") or "") if runtime.get("mode") == "isolated" else ""


def recorded(document: Document) -> Word:
    """The word from the record alone: what it says was wanted and last observed."""
    return derive(document, runtime_of(document).get("observed", "down")).word


def derive(document: Document, observed: Observed) -> Status:
    """The word from the record and what tmux says now."""
    if wanted_up(document) and status_of(document) is SessionStatus.FAILED:
        return Status("error")
    if observed == "unknown":
        last = runtime_of(document).get("observed", "down")
        return Status("active" if last == "up" else "stopped", stale=True)
    return Status("active" if observed == "up" else "stopped")


def lost(document: Document, observed: Observed) -> bool:
    """Whether the team of a session that should be up is gone, and its record does not say so yet."""
    return wanted_up(document) and observed == "down" and runtime_of(document).get("observed") != "down"


def interrupts(document: Document, observed: Observed) -> bool:
    """Whether that loss pauses the work: it was running, and nobody asked to be left alone."""
    return lost(document, observed) and status_of(document) in RUNNING


def may_go_on(document: Document) -> bool:
    """Whether the work goes on once the team is up again: it rests because we stopped or lost the team.

    A person's pause stays, and so does that of an interrupted session that is left to a person.
    """
    pause = lifecycle_of(document).get("pause") or {}
    if status_of(document) is not SessionStatus.PAUSED or pause.get("by") != "mas":
        return False
    if pause.get("reason") == INTERRUPTED:
        return configured(document, "error_recovery_enabled")
    return pause.get("reason") == STOPPED
