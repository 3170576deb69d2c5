"""Random walks through every way there is to change a session: whatever happens, the invariants hold.

Two managers of one root take turns, snapshots get lost, other programs write into them, logs are cut off behind their
last record; after each step the record is sound, equals the replay of its log, and nothing goes back.
"""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from test_events import EVENTS

from mas.config import SessionConfig, SessionOptions
from mas.errors import RefusedError
from mas.events import IterationCompleted, IterationStarted, SessionEvent, Started
from mas.filestore import FileStorage
from mas.lifecycle import TERMINAL, TRANSITIONS, SessionPhase, SessionStatus
from mas.lines import Line
from mas.manager import SessionManager
from mas.paths import Root
from mas.record import broken_invariant, lifecycle_of
from mas.session import Session
from mas.states import state_of

STATUSES = st.sampled_from(sorted(SessionStatus))
UPDATES = st.fixed_dictionaries(
    {},
    optional={
        "status": STATUSES,
        "current_phase": st.sampled_from([*SessionPhase, None, "nowhere"]),
        "feature_request": st.text(max_size=5),
        "label": st.sampled_from(["", "mine", "dead"]),
        "statistics": st.fixed_dictionaries({"total_tasks": st.integers(-1, 5)}),
        "configuration": st.fixed_dictionaries({"max_iterations": st.integers(0, 9)}),
        "prd_reference": st.none() | st.just({"filename": "a", "path": "b"}),
        "nothing": st.just(1),
    },
)
STATUS_RECORDS = {"started", "phase_changed", "paused", "resumed", "completed", "failed"}


class Walk(RuleBasedStateMachine):
    """One session, two managers, and everything that befalls them."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="mas walk "))
        self.heard: list[int] = []
        self.managers = [self.make_manager(), self.make_manager()]
        self.checkpoints: dict[int, Any] = {}

    def make_manager(self) -> SessionManager:
        manager = SessionManager(self.place, storage=FileStorage(Root(self.place)))
        manager.add_observer(lambda _, happened: self.heard.append(happened.seq))
        return manager

    @initialize(fail_fast=st.booleans())
    def create(self, fail_fast: bool) -> None:  # noqa: FBT001
        config = SessionConfig(self.place, options=SessionOptions(fail_fast=fail_fast))
        self.session = self.managers[0].create_session("Build it", config=config)
        self.best: dict[str, int] = {"rev": 1, "iteration": 0}
        self.extra: dict[str, Any] = {}

    @property
    def manager(self) -> SessionManager:
        """They take turns."""
        self.managers.reverse()
        return self.managers[0]

    @property
    def directory(self) -> Path:
        return self.place / "sessions" / self.session.id

    def now(self) -> Session:
        return self.managers[0].get_session(self.session.id)

    def files(self) -> tuple[bytes, ...]:
        return tuple((self.directory / name).read_bytes() for name in ("events.jsonl", "metadata.json"))

    def change(self, call: Any) -> list[Line]:
        """Change the session; a refusal changes nothing. Returns what was recorded."""
        manager, before, files = self.manager, self.now(), self.files() if self.sound() else None
        try:
            call(manager, self.session.id)
        except RefusedError:
            assert files is None or self.files() == files
            assert self.now().to_dict() == before.to_dict()
            return []
        return [*manager.records(self.session.id, before.rev)]

    def sound(self) -> bool:
        stored = FileStorage(Root(self.place)).read(self.session.id)
        return not (stored.torn or stored.stale)

    # --- what callers do ---

    @rule(status=STATUSES)
    def transition(self, status: SessionStatus) -> None:
        before = self.now().status
        lines = self.change(lambda manager, one: manager.transition_state(one, status))
        moved = [line for line in lines if line.type in STATUS_RECORDS]
        assert bool(moved) == (status in TRANSITIONS[before])
        assert len(moved) <= 1

    @rule(event=EVENTS)
    def record(self, event: SessionEvent) -> None:
        if not isinstance(event, Started):
            self.change(lambda manager, one: manager.record_event(one, event))

    @rule()
    def iterate(self) -> None:
        number = lifecycle_of(self.now().document).get("completed", 0) + 1
        self.change(lambda manager, one: manager.record_event(one, IterationStarted(number)))
        self.change(lambda manager, one: manager.record_event(one, IterationCompleted()))

    @rule(updates=UPDATES)
    def update(self, updates: dict[str, Any]) -> None:
        self.change(lambda manager, one: manager.update_session(one, updates))

    @rule()
    def save_checkpoint(self) -> None:
        manager = self.manager
        made = manager.save_checkpoint(self.session.id)
        self.checkpoints[made.seq] = made
        found = {one.seq: one for one in manager.storage.checkpoints(self.session.id)}
        for seq, one in found.items():
            if seq in self.checkpoints:
                assert one == self.checkpoints[seq]
            assert "checkpoints" not in one.state_snapshot

    @rule(keep=st.integers(0, 3))
    def prune(self, keep: int) -> None:
        had = len(self.managers[0].storage.checkpoints(self.session.id))
        self.manager.prune_checkpoints(self.session.id, keep)
        assert len(self.managers[0].storage.checkpoints(self.session.id)) == min(had, max(1, keep))

    @rule(changes=st.fixed_dictionaries({"wanted": st.sampled_from(["up", "down"])}))
    def observe(self, changes: dict[str, str]) -> None:
        self.change(lambda manager, one: manager.observe(one, changes))

    @rule()
    def reopen(self) -> None:
        self.managers[1].close()
        self.managers[1] = self.make_manager()

    # --- what befalls them ---

    @rule()
    def lose_the_snapshot(self) -> None:
        before = self.now().document
        (self.directory / "metadata.json").unlink(missing_ok=True)
        assert self.now().document == before

    @rule(tail=st.binary(min_size=1, max_size=40).filter(lambda tail: b"\n" not in tail[:-1]))
    def tear_the_tail(self, tail: bytes) -> None:
        before = self.now().document
        with (self.directory / "events.jsonl").open("ab") as log:
            log.write(tail)
        assert self.now().document == before

    @precondition(lambda self: (self.directory / "metadata.json").exists())
    @rule(status=st.none() | STATUSES, number=st.integers(0, 99), drop=st.booleans())
    def let_another_program_write(self, status: SessionStatus | None, number: int, drop: bool) -> None:  # noqa: FBT001
        before = self.now()
        document = {**before.to_dict(), **self.extra, "extra": number}
        if not drop:
            document = {**before.document, "extra": number}
        if status:
            document["status"] = status.value
            ended = before.completed_at or before.updated_at
            document |= {"completed_at": ended} if status in TERMINAL else {}
        (self.directory / "metadata.json").write_text(json.dumps(document))
        if before.status not in TERMINAL and status in (None, before.status):
            assert self.now().document["extra"] == number
        self.manager.prune_checkpoints(self.session.id, 99)
        self.extra = {"extra": self.now().document["extra"]} if "extra" in self.now().document else {}

    # --- what always holds ---

    @invariant()
    def the_record_is_sound(self) -> None:
        if not hasattr(self, "session"):
            return
        session = self.now()
        assert broken_invariant(session.document) is None
        assert type(state_of(session.document)).__name__
        assert session.rev >= self.best["rev"]
        assert session.iteration >= self.best["iteration"]
        self.best = {"rev": session.rev, "iteration": session.iteration}
        for name, value in self.extra.items():
            assert session.document[name] == value

    @invariant()
    def the_log_folds_to_the_record(self) -> None:
        if not hasattr(self, "session"):
            return
        manager = self.managers[1]
        stored = FileStorage(Root(self.place)).examine(self.session.id)
        assert stored.damage == ""
        if stored.edited is None:
            assert manager.restore_session(self.session.id).document == stored.document
        lines = [*manager.records(self.session.id)]
        assert [line.seq for line in lines] == [*range(1, stored.document["rev"] + 1)]
        assert [event.seq for event in manager.events(self.session.id)] == sorted(
            event.seq for event in manager.events(self.session.id)
        )

    def teardown(self) -> None:
        for manager in self.managers:
            assert manager.flush(20)
        if hasattr(self, "session"):
            told = [event.seq for event in self.managers[0].events(self.session.id)]
            assert set(self.heard) <= set(told)
            assert len(self.heard) == len(set(self.heard))
        for manager in self.managers:
            manager.close()
        shutil.rmtree(self.place)


TestWalks = Walk.TestCase
TestWalks.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
