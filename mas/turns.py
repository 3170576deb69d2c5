"""One writer's turn at a session: its lock, the record as it is, what is added to it, and who hears of it.

What a turn does to the record is shown outside once the turn is over: in the index and ``.session``, outside the
session's lock. Observers are told by threads of their own; within the lock events are only put in their order.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from mas import guard, lines, record, replay, runtime
from mas.errors import MasError
from mas.events import Paused, TimestampedEvent
from mas.lifecycle import TERMINAL
from mas.projections import Projections
from mas.record import Document
from mas.replay import Entry, Stored
from mas.states import SessionCheckpoint
from mas.storage import SessionStorage, not_found

Probe = Callable[[Document], runtime.Observed]
"""Asks whether a session's team is up, of whoever can tell."""

MAX_CHECKPOINTS = 20
"""Checkpoints kept of one session; the oldest go first."""

Tell = Callable[[str, TimestampedEvent], None]
"""Puts an event of a session in line for whoever wants to hear it."""


def nobody_knows(document: Document) -> runtime.Observed:
    """The probe of a program that starts no teams."""
    del document
    return "unknown"


class Turn:
    """What a writer has while it holds a session's lock."""

    def __init__(self, session_id: str, storage: SessionStorage, tell: Tell, now: str) -> None:
        self.session_id, self.now = session_id, now
        self._storage, self._tell = storage, tell
        self.stored: Stored = storage.prepare(session_id, now)
        self.mended = self.stored.mended

    @property
    def document(self) -> Document:
        """The record as it is now."""
        return self.stored.document

    def append(self, entries: Sequence[Entry]) -> None:
        """Add records, durably and together, and put the events among them in line."""
        if not entries:
            return
        self.stored = self._storage.append(self.session_id, self.stored, entries, self.now)
        first = self.document.get("rev", 0) - len(entries) + 1
        grown = (lines.Line(seq, self.now, kind, data, "", "") for seq, (kind, data) in enumerate(entries, first))
        for happened in replay.happened(grown):
            self._tell(self.session_id, happened)

    def save_checkpoint(self) -> SessionCheckpoint:
        """Keep the record as it is, count that, and let the oldest go where there are more than MAX_CHECKPOINTS."""
        document = self.document
        resumable = record.status_of(document) not in TERMINAL
        checkpoint = SessionCheckpoint(record.iteration_of(document), self.now, document, resumable)
        self._storage.put_checkpoint(self.session_id, checkpoint)
        self.append([("checkpoint", {"seq": checkpoint.seq})])
        self.prune_checkpoints(MAX_CHECKPOINTS)
        return checkpoint

    def prune_checkpoints(self, keep: int) -> list[int]:
        """Drop all whole checkpoints but the newest ``keep`` (at least one stays); returns the numbers dropped."""
        old = [checkpoint.seq for checkpoint in self._storage.checkpoints(self.session_id)][: -max(1, keep)]
        for seq in old:
            self._storage.drop_checkpoint(self.session_id, seq)
        return old


class Turns:
    """The way into every log of a storage: one writer a session at a time."""

    def __init__(
        self,
        storage: SessionStorage,
        projections: Projections | None,
        *,
        probe: Probe,
        clock: Callable[[], str],
        tell: Tell,
    ) -> None:
        self._storage, self._projections = storage, projections
        self._probe, self._clock, self._tell = probe, clock, tell
        self._complaints: set[str] = set()

    @contextmanager
    def at(self, session_id: str) -> Iterator[Turn]:
        """A turn at a session. Raises NotFoundError, BusyError, DamagedError, RefusedError for a newer program's."""
        if not self._storage.has(session_id):
            raise not_found(session_id)
        turn: Turn | None = None
        before: Document = {}
        try:
            with self._storage.lock(session_id):
                turn = Turn(session_id, self._storage, self._tell, self._clock())
                before = turn.document
                turn.append(self._lost(before, turn.now))
                yield turn
        finally:
            if turn is not None:
                self._show(before, turn)

    def _lost(self, document: Document, now: str) -> list[Entry]:
        """Records for a team that is gone without having been stopped: noticed by whoever writes first, once."""
        if not runtime.wanted_up(document) or not runtime.lost(document, self._probe(document)):
            return []
        down: list[Entry] = [("runtime", {"observed": "down"})]
        if runtime.interrupts(document, "down"):
            author = "mas" if record.configured(document, "error_recovery_enabled") else "user"
            down.append(guard.admit(document, Paused(runtime.INTERRUPTED, author), now))
        return down

    def _show(self, before: Document, turn: Turn) -> None:
        if self._projections and (turn.mended or self._projections.differ(before, turn.document)):
            self.publish(turn.session_id)

    def publish(self, session_id: str) -> None:
        """Show a session outside. Where that fails the log holds all the same, so it is said and nothing raised."""
        if self._projections:
            self._try(self._projections, self._projections.publish, session_id)

    def forget(self, session_id: str) -> None:
        """Show a session no more."""
        if self._projections:
            self._try(self._projections, self._projections.forget, session_id)

    def _try(self, projections: Projections, show: Callable[[str], None], session_id: str) -> None:
        try:
            show(session_id)
        except FileNotFoundError:  # somebody removed it meanwhile
            projections.distrust()
        except MasError as error:
            projections.distrust()
            self._complain(error.message)

    def _complain(self, reason: str) -> None:
        """Say once on stderr, or where the program's log goes, why the projections lag behind."""
        if reason in self._complaints:
            return
        self._complaints.add(reason)
        import logging  # noqa: PLC0415  nothing failed most of the time

        text = "mas: what changed is recorded, but .session and the index do not say so: %s; see `mas doctor --fix`"
        logging.getLogger("mas").warning(text, reason)
