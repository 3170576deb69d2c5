"""One writer's turn: what it adds, who is told, what is shown, and what it notices of a lost team."""

import json
import threading
from typing import Any

import pytest
from records import ID, OTHER_ID, T0, clock, fingerprint, first

from mas import guard
from mas.errors import DamagedError, NotFoundError, RefusedError
from mas.events import CommandExecuted, Failed, IterationStarted, Paused, Started, TimestampedEvent
from mas.filestore import FileStorage
from mas.paths import Root
from mas.projections import Projections
from mas.record import Document
from mas.replay import Entry
from mas.runtime import INTERRUPTED, Observed
from mas.storage import MemoryStorage, SessionStorage
from mas.turns import MAX_CHECKPOINTS, Turn, Turns, nobody_knows

LABEL: Entry = ("updated", {"set": {"label": "x"}})
START: Entry = ("started", {})


class World:
    """A storage with one session, everything it tells, and a team that can be lost."""

    def __init__(self, storage: SessionStorage, **runtime: Any) -> None:
        self.storage = storage
        self.told: list[tuple[str, TimestampedEvent]] = []
        self.team: Observed = "up"
        self.asked = 0
        self.shown = Projections(storage) if isinstance(storage, FileStorage) else None
        storage.create(first(runtime=runtime) if runtime else first(), T0)
        self.turns = Turns(
            storage, self.shown, probe=self.probe, clock=clock(), tell=lambda *what: self.told.append(what)
        )

    def probe(self, _document: Document) -> Observed:
        self.asked += 1
        return self.team

    def add(self, *entries: Entry) -> Document:
        with self.turns.at(ID) as turn:
            turn.append(entries)
            return turn.document

    @property
    def kinds(self) -> list[str]:
        return [line.type for line in self.storage.records(ID)]


def test_what_is_added_is_recorded_and_its_events_are_told_in_order() -> None:
    world = World(MemoryStorage())
    world.add(START, LABEL)
    world.add(("command_executed", {"command": "x", "success": True}), ("from_the_future", {}))
    assert world.kinds == ["created", "started", "updated", "command_executed", "from_the_future"]
    assert [(one, event.seq, event.event) for one, event in world.told] == [
        (ID, 2, Started()),
        (ID, 4, CommandExecuted("x")),
    ]
    assert [event.timestamp for _, event in world.told] == [line.ts for line in world.storage.records(ID)][1:4:2]


def test_a_turn_that_adds_nothing_changes_nothing(root: Root) -> None:
    world = World(FileStorage(root))
    before = fingerprint(root.path)
    assert world.add()["rev"] == 1
    assert fingerprint(root.path) == before


def add_each(turn: Turn, *entries: Entry) -> None:
    for entry in entries:
        turn.append([entry])


def test_a_turn_that_fails_has_added_what_it_had(root: Root) -> None:
    world = World(FileStorage(root), label="a")
    with pytest.raises(RefusedError), world.turns.at(ID) as turn:
        add_each(turn, LABEL, ("updated", {"set": {"status": "paused"}}))
    assert world.shown is not None
    assert [row["label"] for row in world.shown.rows()] == ["x"]
    world.add(LABEL)


def test_there_is_no_turn_at_nothing(root: Root) -> None:
    world = World(FileStorage(root))
    before = fingerprint(root.path, without=())
    with pytest.raises(NotFoundError, match=OTHER_ID), world.turns.at(OTHER_ID):
        pass
    assert fingerprint(root.path, without=()) == before


def test_the_row_follows_when_more_than_activity_changes(root: Root) -> None:
    world = World(FileStorage(root))
    world.turns.publish(ID)
    index = root.index.read_bytes()
    world.add(("command_executed", {"command": "x"}))
    assert root.index.read_bytes() == index
    world.add(START)
    assert b'"lifecycle":"planning"' in root.index.read_bytes()


def test_an_edit_that_was_taken_over_is_shown(root: Root) -> None:
    world = World(FileStorage(root))
    world.turns.publish(ID)
    snapshot = root.session(ID).snapshot
    edited = {**json.loads(snapshot.read_bytes()), "status": "failed", "completed_at": T0}
    snapshot.write_text(json.dumps(edited))
    world.add()
    assert world.shown is not None
    assert [row["lifecycle"] for row in world.shown.rows()] == ["failed"]
    assert world.told == []


def test_what_cannot_be_shown_is_said_once_and_not_told_as_a_failure(
    root: Root, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(FileStorage(root))
    world.turns.publish(ID)
    root.session(ID).shell.unlink()
    root.session(ID).shell.mkdir()
    for label in ("a", "x"):
        world.add(("updated", {"set": {"label": label}}))
    (said,) = caplog.messages
    assert "recorded, but" in said
    assert "'.session' is no regular file; see `mas doctor --fix`" in said
    assert not root.index.exists()
    assert world.shown is not None
    assert [row["label"] for row in world.shown.rows()] == ["x"]
    root.index.mkdir()
    world.turns.forget(ID)


def test_of_one_that_somebody_removed_meanwhile_nothing_is_said(root: Root, caplog: pytest.LogCaptureFixture) -> None:
    world = World(FileStorage(root))
    world.storage.delete(ID)
    world.turns.publish(ID)
    assert caplog.messages == []


def test_without_projections_nothing_is_shown() -> None:
    world = World(MemoryStorage())
    world.turns.publish(ID)
    world.turns.forget(ID)
    assert nobody_knows(first()) == "unknown"


# --- a team that is gone ---


def lost(**more: Any) -> World:
    """A running session whose team was up and is not any more."""
    world = World(MemoryStorage(), wanted="up", observed="up", **more)
    world.add(START)
    world.told.clear()
    world.team = "down"
    return world


def test_a_lost_team_pauses_running_work_once_whoever_writes_first() -> None:
    world = lost()
    world.add(LABEL)
    world.add(LABEL)
    assert world.kinds == ["created", "started", "runtime", "paused", "updated", "updated"]
    document = world.storage.read(ID).document
    assert (document["status"], document["runtime"]["observed"]) == ("paused", "down")
    assert document["lifecycle"]["pause"]["reason"] == INTERRUPTED
    assert [event.event for _, event in world.told] == [Paused(INTERRUPTED, by="mas")]


def test_the_loss_is_recorded_although_the_change_is_refused() -> None:
    world = lost()
    with pytest.raises(RefusedError, match="paused, not running"), world.turns.at(ID) as turn:
        turn.append(guard.consequences(turn.document, IterationStarted(1), T0))
    assert world.kinds == ["created", "started", "runtime", "paused"]


@pytest.mark.parametrize("seen", ["up", "unknown"])
def test_a_team_that_lives_or_cannot_be_asked_for_is_left_alone(seen: Observed) -> None:
    world = lost()
    world.team = seen
    world.add(LABEL)
    assert world.kinds == ["created", "started", "updated"]
    assert world.asked


def test_work_that_does_not_run_is_not_paused() -> None:
    world = World(MemoryStorage(), wanted="up", observed="up")
    world.team = "down"
    world.add(LABEL)
    assert world.kinds == ["created", "runtime", "updated"]


@pytest.mark.parametrize("runtime", [{}, {"wanted": "down", "observed": "up"}, {"label": "x"}])
def test_a_session_that_wants_no_team_is_never_paused_by_us(runtime: dict[str, str]) -> None:
    world = World(MemoryStorage(), **runtime)
    world.team = "down"
    world.add(START)
    assert world.kinds == ["created", "started"]
    assert world.asked == 0


def test_a_session_that_does_not_recover_by_itself_is_left_to_a_person() -> None:
    world = lost()
    world.team = "up"
    world.add(("updated", {"set": {"configuration": {"error_recovery_enabled": False}}}))
    world.team = "down"
    world.add()
    pause = world.storage.read(ID).document["lifecycle"]["pause"]
    assert (pause["reason"], pause["by"]) == (INTERRUPTED, "user")


def test_of_many_writers_one_notices() -> None:
    world = lost()
    threads = [threading.Thread(target=world.add, args=(LABEL,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.kinds.count("paused") == 1
    assert world.kinds.count("updated") == 8


# --- checkpoints ---


def test_a_checkpoint_is_the_record_as_it_is_and_is_counted() -> None:
    world = World(MemoryStorage())
    world.add(START)
    with world.turns.at(ID) as turn:
        before = turn.document
        made = turn.save_checkpoint()
        assert turn.document["statistics"]["checkpoints_created"] == 1
    assert (made.state_snapshot, made.seq, made.resumable, made.iteration) == (before, 2, True, 0)
    assert world.storage.checkpoints(ID) == [made]
    assert world.kinds == ["created", "started", "checkpoint"]


def test_a_checkpoint_of_what_ended_is_not_resumable() -> None:
    world = World(MemoryStorage())
    world.add(*guard.consequences(first(), Failed("x"), T0))
    with world.turns.at(ID) as turn:
        assert not turn.save_checkpoint().resumable


def test_the_oldest_checkpoints_go_and_never_the_last_good_one(root: Root) -> None:
    world = World(FileStorage(root))
    with world.turns.at(ID) as turn:
        for _ in range(MAX_CHECKPOINTS + 3):
            turn.save_checkpoint()
    kept = [one.seq for one in world.storage.checkpoints(ID)]
    assert kept == [*range(4, MAX_CHECKPOINTS + 4)]
    for seq in kept[1:]:
        (root.session(ID).checkpoints / f"{seq}.json").write_text("damaged")
    with world.turns.at(ID) as turn:
        assert turn.prune_checkpoints(0) == []
    assert [one.seq for one in world.storage.checkpoints(ID)] == kept[:1]


def test_a_checkpoint_that_cannot_be_kept_is_not_counted(root: Root) -> None:
    world = World(FileStorage(root))
    root.session(ID).checkpoints.touch()
    with world.turns.at(ID) as turn, pytest.raises(DamagedError, match="not a directory of its own"):
        turn.save_checkpoint()
    assert world.storage.read(ID).document["statistics"]["checkpoints_created"] == 0
