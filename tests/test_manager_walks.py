"""Random walks through every way there is to change a session: whatever happens, the invariants hold.

Each step is taken by a manager, another one, coroutines, the command line or a server, all at one record, and once
more in memory. Snapshots get lost, other programs write into them, logs are cut off behind their last record. After
each step the record is sound, equals the replay of its log and what is in memory, and nothing goes back.
"""

import json
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
import ways
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from serving import serving
from test_events import EVENTS

from mas import aio
from mas.config import SessionConfig, SessionOptions
from mas.errors import RefusedError
from mas.events import (
    TYPES,
    AnalysisCompleted,
    CommandExecuted,
    IterationCompleted,
    IterationStarted,
    Paused,
    Resumed,
    SessionEvent,
    Started,
)
from mas.filestore import FileStorage
from mas.lifecycle import RUNNING, TERMINAL, TRANSITIONS, SessionPhase, SessionStatus
from mas.lines import Line
from mas.manager import SessionManager
from mas.paths import Root
from mas.record import broken_invariant, lifecycle_of
from mas.session import Session
from mas.states import state_of
from mas.storage import MemoryStorage
from mas.values import LARGEST

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
LIVELY: st.SearchStrategy[SessionEvent] = st.one_of(
    st.builds(CommandExecuted, st.text("ab'- ", min_size=1), st.booleans()),
    st.builds(IterationStarted, st.integers(1, 4)),
)
"""Events that end nothing, or a walk would be over when it has begun."""

STATUS_RECORDS = {"started", "phase_changed", "paused", "resumed", "completed", "failed"}
OURS, WAYS = ("call", "other call", "coroutine"), ("call", "other call", "coroutine", "command line", "server")
BY = st.sampled_from(WAYS)


def is_for_every_way(event: SessionEvent) -> bool:
    """HTTP takes no larger number than every program reads back as it was written."""
    results = event.results.values() if isinstance(event, AnalysisCompleted) else ()
    return all(abs(one) <= LARGEST for one in results if isinstance(one, int))


TIMES = {
    *("created_at", "updated_at", "completed_at", "started_at", "opened_at", "opened_rev", "at"),
    *("paused_seconds", "duration_seconds"),
}


def timeless(value: Any) -> Any:
    """A record without what differs between two that were made one after the other."""
    if not isinstance(value, Mapping):
        return value
    return {name: ... if name in TIMES else timeless(one) for name, one in value.items() if name != "rev"}


class Walk(RuleBasedStateMachine):
    """One session, all ways to it, and everything that befalls it."""

    place: ClassVar[Path]
    client: ClassVar[httpx.Client]

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[int] = []
        self.made: list[int] = []
        self.managers = [self.make_manager(), self.make_manager()]
        self.coroutines = aio.SessionManager(self.place, storage=FileStorage(Root(self.place)))
        self.coroutines.add_observer(lambda _, happened: self.heard.append(happened.seq))
        self.memory = SessionManager(self.place, storage=MemoryStorage())
        self.checkpoints: dict[int, Any] = {}

    def make_manager(self) -> SessionManager:
        manager = SessionManager(self.place, storage=FileStorage(Root(self.place)))
        manager.add_observer(lambda _, happened: self.heard.append(happened.seq))
        return manager

    def way(self, name: str) -> ways.Way:
        match name:
            case "command line":
                return ways.Typed(self.place)
            case "server":
                return ways.Posted(self.client)
            case "coroutine":
                return ways.Awaited(self.coroutines)
            case _:
                return ways.ByCall(self.managers[name == "other call"])

    @initialize(fail_fast=st.booleans())
    def create(self, fail_fast: bool) -> None:  # noqa: FBT001
        config = SessionConfig(self.place, options=SessionOptions(fail_fast=fail_fast))
        self.session = self.managers[0].create_session("Build it", config=config)
        self.memory.create_session("Build it", config=config, session_id=self.session.id)
        self.best: dict[str, int] = {"rev": 1, "iteration": 0}
        self.extra: dict[str, Any] = {}

    @property
    def directory(self) -> Path:
        return self.place / "sessions" / self.session.id

    def now(self) -> Session:
        return self.managers[0].get_session(self.session.id)

    def files(self) -> tuple[bytes, ...]:
        return tuple((self.directory / name).read_bytes() for name in ("events.jsonl", "metadata.json"))

    def change(self, by: str, call: Callable[[Any, str], object]) -> list[Line]:
        """Change the session; a refusal changes nothing. Returns what was recorded."""
        before, files = self.now(), self.files() if self.sound() else None
        lines: list[Line] = []
        refused = not self.taken(by, call)
        if refused:
            assert files is None or self.files() == files
            assert self.now().to_dict() == before.to_dict()
        else:
            lines = [*self.managers[0].records(self.session.id, before.rev)]
            self.made += [line.seq for line in lines if line.type in TYPES and by in OURS]
        assert self.in_memory(call) is not refused
        return lines

    def taken(self, by: str, call: Callable[[Any, str], object]) -> bool:
        try:
            call(self.way(by), self.session.id)
        except RefusedError:
            return False
        return True

    def in_memory(self, call: Callable[[Any, str], object]) -> bool:
        try:
            call(ways.ByCall(self.memory), self.session.id)
        except RefusedError:
            return False
        return True

    def sound(self) -> bool:
        stored = FileStorage(Root(self.place)).read(self.session.id)
        return not (stored.torn or stored.stale)

    # --- what callers do ---

    @rule(by=BY, which=st.integers(0, 5))
    def go_on(self, by: str, which: int) -> None:
        ways_on = [status for status in TRANSITIONS[self.now().status] if status not in TERMINAL]
        if ways_on:
            self.transition(by, ways_on[which % len(ways_on)])

    @rule(by=BY, status=STATUSES)
    def transition(self, by: str, status: SessionStatus) -> None:
        before = self.now().status
        lines = self.change(by, lambda way, one: way.transition(one, status))
        moved = [line for line in lines if line.type in STATUS_RECORDS]
        assert bool(moved) == (status in TRANSITIONS[before])
        assert len(moved) <= 1

    @rule(by=BY, event=LIVELY | EVENTS.filter(is_for_every_way))
    def record(self, by: str, event: SessionEvent) -> None:
        if not isinstance(event, Started):
            self.change(by, lambda way, one: way.record(one, event))

    @rule(by=BY, reason=st.text("ab'- ", min_size=1), to=st.none() | st.sampled_from(sorted(RUNNING)))
    def rest_or_go_on(self, by: str, reason: str, to: SessionStatus | None) -> None:
        paused = self.now().status is SessionStatus.PAUSED
        self.change(by, lambda way, one: way.record(one, Resumed(to) if paused else Paused(reason)))

    @rule(by=BY, other=BY)
    def iterate(self, by: str, other: str) -> None:
        number = lifecycle_of(self.now().document).get("completed", 0) + 1
        self.change(by, lambda way, one: way.record(one, IterationStarted(number)))
        self.change(other, lambda way, one: way.record(one, IterationCompleted()))

    @rule(by=BY, updates=UPDATES)
    def update(self, by: str, updates: dict[str, Any]) -> None:
        self.change(by, lambda way, one: way.update(one, updates))

    @rule(by=BY)
    def save_checkpoint(self, by: str) -> None:
        before = self.now().rev
        self.change(by, lambda way, one: way.checkpoint(one))
        storage = self.managers[0].storage
        found = {one.seq: one for one in storage.checkpoints(self.session.id)}
        assert before in found
        self.checkpoints.setdefault(before, found[before])
        for seq, one in found.items():
            if seq in self.checkpoints:
                assert one == self.checkpoints[seq]
            assert "checkpoints" not in one.state_snapshot

    @rule(keep=st.integers(0, 3))
    def prune(self, keep: int) -> None:
        had = len(self.managers[0].storage.checkpoints(self.session.id))
        self.managers[1].prune_checkpoints(self.session.id, keep)
        assert len(self.managers[0].storage.checkpoints(self.session.id)) == min(had, max(1, keep))

    @rule(observed=st.sampled_from(["up", "down"]))
    def observe(self, observed: str) -> None:
        self.change("call", lambda way, one: way.manager.observe(one, {"wanted": "down", "observed": observed}))

    @rule()
    def reopen(self) -> None:
        assert self.managers[1].flush(20)
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
        self.managers[1].prune_checkpoints(self.session.id, 99)
        self.memory.storage.delete(self.session.id)
        found = self.managers[0].storage.load(self.session.id)
        assert found is not None
        self.memory.storage.save(found)
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
    def memory_holds_the_same(self) -> None:
        if hasattr(self, "session"):
            found = self.memory.get_session(self.session.id)
            assert timeless(found.document) == timeless(self.now().document)

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
        managers = [*self.managers, self.coroutines.manager, self.memory]
        for manager in managers:
            assert manager.flush(20)
        if hasattr(self, "session"):
            assert sorted(self.heard) == self.made
            self.managers[0].delete_session(self.session.id)
        for manager in managers:
            manager.close()


class TestWalks(Walk.TestCase):  # type: ignore[misc,valid-type]  # it is made at run time
    """Some walks, all in one root with one server."""

    settings = settings(max_examples=30, stateful_step_count=25, deadline=None)

    @classmethod
    def setUpClass(cls) -> None:
        stack = ExitStack()
        cls.addClassCleanup(stack.close)
        Walk.place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mas walk ")))
        Walk.client = stack.enter_context(serving(Root(Walk.place))).client


@pytest.mark.slow
class TestLongWalks(TestWalks):
    """Many of them."""

    settings = settings(max_examples=400, stateful_step_count=50, deadline=None)
