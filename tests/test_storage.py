"""One contract for every storage: in memory, in files, and in files with the second opinion beside them."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from records import ID, OTHER_ID, T0, begun, first, in_status, time

from mas import lines
from mas.config import SessionConfig
from mas.engines import ShadowStorage
from mas.errors import BusyError, ExistsError, InvalidIdError, NotFoundError, RefusedError
from mas.events import Started
from mas.filestore import FileStorage
from mas.lifecycle import SessionStatus
from mas.paths import Root
from mas.replay import Entry
from mas.states import PersistedSession, Running, SessionCheckpoint
from mas.storage import MemoryStorage, SessionStorage

LABEL: Entry = ("updated", {"set": {"label": "x"}})
START: Entry = ("started", {})

KINDS: dict[str, Callable[[Path, float], SessionStorage]] = {
    "memory": lambda _path, timeout: MemoryStorage(timeout),
    "files": lambda path, timeout: FileStorage(Root(path / "a root"), timeout),
    "maestro": lambda path, timeout: FileStorage(Root(path / ".flow" / "maestro", maestro=True), timeout),
    "shadow": lambda path, timeout: ShadowStorage(Root(path / "a root"), timeout),
}


@pytest.fixture(params=KINDS)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> SessionStorage:
    """An empty storage that waits only a moment for a lock."""
    return KINDS[request.param](tmp_path, 0.05)


@pytest.fixture
def made(storage: SessionStorage) -> SessionStorage:
    """A storage with one session."""
    storage.create(first(), T0)
    return storage


def add(storage: SessionStorage, *entries: Entry, at: float = 1, session_id: str = ID) -> None:
    """Append records the way a writer does."""
    with storage.lock(session_id):
        storage.append(session_id, storage.prepare(session_id, time(at)), entries, time(at))


def checkpoint(storage: SessionStorage) -> SessionCheckpoint:
    document = storage.read(ID).document
    return SessionCheckpoint(0, document["updated_at"], document)


# --- create ---


def test_what_was_created_is_read_back(storage: SessionStorage) -> None:
    created = storage.create(first(extra=[1, "ü"]), T0)
    assert created.document == {**first(extra=[1, "ü"]), "rev": 1}
    assert storage.read(ID) == created
    assert storage.has(ID)
    assert storage.list() == [ID]
    [line] = storage.records(ID)
    assert (line.seq, line.type, line.ts, line.data) == (1, "created", T0, first(extra=[1, "ü"]))


def test_an_id_is_taken_once(made: SessionStorage) -> None:
    before = made.read(ID)
    with pytest.raises(ExistsError, match=f"session {ID} exists"):
        made.create(first(feature_request="another"), T0)
    assert made.read(ID) == before


@pytest.mark.parametrize("session_id", ["", "..", "../x", "test-session-123", ID.upper() + "A", f"{ID}\n", None, 3])
def test_only_canonical_ids_are_created(storage: SessionStorage, session_id: str) -> None:
    with pytest.raises(InvalidIdError):
        storage.create(first(session_id), T0)
    assert storage.list() == []


def test_a_record_that_cannot_be_written_makes_nothing(storage: SessionStorage) -> None:
    for broken in ({"status": "paused"}, {"odd": float("nan")}, {"odd": {1}}):
        with pytest.raises(RefusedError):
            storage.create(first(**broken), T0)
    assert storage.list() == []


FORBIDDEN: list[dict[str, Any]] = [
    {"feature_request": 3},
    {"status": "nonsense"},
    {"created_at": "yesterday"},
    {"current_phase": "nowhere"},
    {"git_context": {"branch": "main"}},
    {"git_context": {**first()["git_context"], "worktree_name": None}},
    {"prd_reference": {"filename": "a", "path": 1}},
    {"statistics": {"total_tasks": -1}},
    {"statistics": {"total_tasks": True}},
    {"configuration": {"max_iterations": 0}},
    {"configuration": []},
]


@pytest.mark.parametrize("wrong", FORBIDDEN, ids=str)
def test_what_the_schema_forbids_is_written_by_nothing(storage: SessionStorage, wrong: dict[str, Any]) -> None:
    whole = PersistedSession(ID, None, Running(0), document=first(**wrong))
    for write in (lambda: storage.create(first(**wrong), T0), lambda: storage.save(whole)):
        with pytest.raises(RefusedError):
            write()
    assert storage.list() == []
    storage.create(first(), T0)
    before = storage.read(ID), storage.position(ID)
    for kind in ("updated", "imported"):
        with pytest.raises(RefusedError):
            add(storage, LABEL, (kind, {"set": wrong}))
    assert (storage.read(ID), storage.position(ID)) == before


def test_a_record_without_what_it_needs_makes_nothing(storage: SessionStorage) -> None:
    for name in ("session_id", "feature_request", "status", "created_at", "git_context"):
        document = {key: value for key, value in first().items() if key != name}
        with pytest.raises((RefusedError, InvalidIdError)):
            storage.create(document, T0)
        with pytest.raises((RefusedError, InvalidIdError)):
            storage.save(PersistedSession(ID, None, Running(0), document=document))
    assert storage.list() == []


def test_who_a_session_is_never_changes(made: SessionStorage) -> None:
    before = made.read(ID)
    for name, value in (("session_id", OTHER_ID), ("created_at", time(9))):
        with pytest.raises(RefusedError, match=f"{name} cannot be changed"):
            add(made, ("updated", {"set": {name: value}}))
    assert made.read(ID) == before


@pytest.mark.parametrize("odd", [float("nan"), {1}, b"x"])
def test_a_session_is_saved_with_all_its_checkpoints_or_not_at_all(storage: SessionStorage, odd: object) -> None:
    good, bad = (SessionCheckpoint(0, T0, {**first(extra=value), "rev": 1}) for value in (1, odd))
    with pytest.raises(RefusedError, match="which is no plain JSON"):
        storage.save(PersistedSession(ID, None, Running(0), (), (good, bad), first()))
    with pytest.raises(RefusedError, match="has the record of"):
        storage.save(PersistedSession(OTHER_ID, None, Running(0), document=first()))
    assert storage.list() == []


# --- read and append ---


@pytest.mark.parametrize("session_id", [OTHER_ID, "test-session-123"])
def test_what_is_not_there_is_not_found(storage: SessionStorage, session_id: str) -> None:
    assert not storage.has(session_id)
    assert storage.load(session_id) is None
    for call in (
        lambda: storage.read(session_id),
        lambda: storage.prepare(session_id, T0),
        lambda: storage.append(session_id, begun(), [LABEL], T0),
        lambda: storage.records(session_id),
        lambda: storage.position(session_id),
        lambda: storage.checkpoints(session_id),
        lambda: storage.put_checkpoint(session_id, SessionCheckpoint(0, T0, {**first(), "rev": 1})),
        lambda: storage.checkpoint(session_id, 1),
        lambda: storage.drop_checkpoint(session_id, 1),
        lambda: storage.delete(session_id),
    ):
        with pytest.raises(NotFoundError, match=f"Session not found: '{session_id}'"):
            call()
    assert storage.list() == []


@pytest.mark.parametrize("session_id", ["", "..", "../x", ".locks", "a/b", "a\0", None, 7])
def test_what_can_never_be_there_is_a_malformed_id(storage: SessionStorage, session_id: str) -> None:
    for call in (storage.read, storage.has, storage.load, storage.records, storage.position, storage.checkpoints):
        with pytest.raises(InvalidIdError, match="not a session id"):
            call(session_id)
        with pytest.raises(ValueError, match="not a session id"):
            call(session_id)


def test_records_are_appended_in_order(made: SessionStorage) -> None:
    add(made, START, at=1)
    add(made, LABEL, LABEL, at=2)
    assert [(line.seq, line.type, line.ts) for line in made.records(ID)] == [
        (1, "created", T0),
        (2, "started", time(1)),
        (3, "updated", time(2)),
        (4, "updated", time(2)),
    ]
    assert [line.seq for line in made.records(ID, 2)] == [3, 4]
    assert [*made.records(ID, 9)] == []
    document = made.read(ID).document
    assert (document["rev"], document["status"], document["runtime"]) == (4, "planning", {"label": "x"})


def test_what_append_returns_is_what_is_read(made: SessionStorage) -> None:
    with made.lock(ID):
        grown = made.append(ID, made.prepare(ID, T0), [START], time(1))
        assert made.read(ID).document == grown.document
        again = made.append(ID, grown, [LABEL], time(2))
    assert made.read(ID) == again


def test_a_refused_record_changes_nothing(made: SessionStorage) -> None:
    before = made.read(ID), made.position(ID)
    for entry in (
        ("updated", {"set": {"status": "paused"}}),
        ("x", {"y": float("inf")}),
        ("x", {"y": "z" * lines.MAX_BYTES}),
    ):
        with made.lock(ID), pytest.raises(RefusedError):
            made.append(ID, made.prepare(ID, T0), [LABEL, entry], T0)
    assert (made.read(ID), made.position(ID)) == before


def test_the_position_grows_with_every_record(made: SessionStorage) -> None:
    positions = [made.position(ID)]
    for at in range(5):
        add(made, LABEL, at=at)
        positions.append(made.position(ID))
    assert positions == sorted(set(positions))


def test_nobody_shares_a_document(made: SessionStorage) -> None:
    taken = made.read(ID).document
    taken["git_context"]["branch"] = "changed"
    assert made.read(ID).document == {**first(), "rev": 1}
    mine = first(OTHER_ID, extra={"deep": []})
    made.create(mine, T0)
    mine["extra"]["deep"].append("changed")
    assert made.read(OTHER_ID).document["extra"] == {"deep": []}


def test_a_log_may_be_read_while_it_grows(made: SessionStorage) -> None:
    log = made.records(ID)
    add(made, START)
    assert next(iter(log)).seq == 1
    assert [line.seq for line in made.records(ID)] == [1, 2]


# --- checkpoints ---


def test_checkpoints_are_kept_in_order(made: SessionStorage) -> None:
    assert made.checkpoints(ID) == []
    with pytest.raises(NotFoundError, match="has no checkpoint 1"):
        made.checkpoint(ID, 1)
    kept = [checkpoint(made)]
    made.put_checkpoint(ID, kept[0])
    add(made, START)
    kept.append(checkpoint(made))
    made.put_checkpoint(ID, kept[1])
    made.put_checkpoint(ID, kept[0])
    assert made.checkpoints(ID) == kept
    assert [one.seq for one in made.checkpoints(ID)] == [1, 2]
    assert [made.checkpoint(ID, seq) for seq in (1, 2)] == kept
    with pytest.raises(NotFoundError, match="has no checkpoint 3") as refused:
        made.checkpoint(ID, 3)
    assert refused.value.hint == "there are: 1, 2"
    made.drop_checkpoint(ID, 1)
    made.drop_checkpoint(ID, 1)
    assert made.checkpoints(ID) == kept[1:]
    assert made.read(ID).document["rev"] == 2


def test_nobody_shares_a_checkpoint(made: SessionStorage) -> None:
    one = checkpoint(made)
    made.put_checkpoint(ID, one)
    one.state_snapshot["git_context"]["branch"] = "changed"
    assert made.checkpoints(ID)[0].state_snapshot["git_context"]["branch"] == "main"


# --- whole sessions ---


def test_a_whole_session_is_saved_loaded_listed_and_deleted(made: SessionStorage, tmp_path: Path) -> None:
    add(made, ("started", {"config": SessionConfig(Path("/x")).to_json()}))
    made.put_checkpoint(ID, checkpoint(made))
    whole = made.load(ID)
    assert whole is not None
    assert (whole.id, whole.config, whole.state) == (ID, SessionConfig(Path("/x")), Running(0))
    assert [one.event for one in whole.events] == [Started(SessionConfig(Path("/x")))]
    assert [one.seq for one in whole.checkpoints] == [2]
    for other in (MemoryStorage(), FileStorage(Root(tmp_path / "other"))):
        other.save(whole)
        copy = other.load(ID)
        assert copy is not None
        assert (copy.config, copy.state, copy.checkpoints) == (whole.config, whole.state, whole.checkpoints)
        assert {**copy.document, "rev": 2} == whole.document
        with pytest.raises(ExistsError):
            other.save(whole)
    made.delete(ID)
    assert (made.list(), made.load(ID), made.has(ID)) == ([], None, False)
    made.save(whole)
    assert made.list() == [ID]


@pytest.mark.parametrize("status", SessionStatus)
def test_a_session_of_every_status_survives(storage: SessionStorage, status: SessionStatus) -> None:
    document = in_status(status)
    storage.save(PersistedSession(ID, None, Running(0), document=document))
    assert storage.read(ID).document == {**document, "rev": 1}


# --- locks ---


def in_thread(call: Callable[[], object]) -> list[object]:
    outcome: list[object] = []

    def run() -> None:
        try:
            outcome.append(call())
        except BusyError as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return outcome


def test_one_writer_at_a_time(made: SessionStorage) -> None:
    with made.lock(ID):
        [outcome] = in_thread(lambda: add(made, START))
        assert isinstance(outcome, BusyError)
        assert "in use by" in str(outcome)
    assert in_thread(lambda: add(made, START)) == [None]


def test_a_lock_is_reentrant_in_its_thread(made: SessionStorage) -> None:
    with made.lock(ID), made.lock(ID):
        add(made, START)
    add(made, LABEL)


def test_readers_wait_for_nobody(made: SessionStorage) -> None:
    with made.lock(ID):
        [outcome] = in_thread(lambda: (made.read(ID).document["rev"], made.list(), len([*made.records(ID)])))
    assert outcome == (1, [ID], 1)


def test_sessions_do_not_wait_for_one_another(made: SessionStorage) -> None:
    made.create(first(OTHER_ID), T0)
    with made.lock(ID):
        assert in_thread(lambda: add(made, START, session_id=OTHER_ID)) == [None]


def test_writers_lose_nothing_and_readers_see_only_whole_records(tmp_path: Path, storage: SessionStorage) -> None:
    storage = KINDS["memory"](tmp_path, 10) if isinstance(storage, MemoryStorage) else FileStorage(storage.root)  # type: ignore[attr-defined]
    storage.create(first(), T0)
    stop = threading.Event()
    seen: list[int] = []

    def write() -> None:
        for _ in range(25):
            add(storage, LABEL, LABEL)

    def read() -> None:
        while not stop.is_set():
            seen.append(storage.read(ID).document["rev"])

    writers = [threading.Thread(target=write) for _ in range(4)]
    reader = threading.Thread(target=read)
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    reader.join()
    assert [line.seq for line in storage.records(ID)] == [*range(1, 202)]
    assert seen == sorted(seen)
    assert {rev % 2 for rev in seen} == {1}


def test_locks_do_not_pile_up_in_memory() -> None:
    storage = MemoryStorage()
    for _ in range(20):
        with storage.lock(ID):
            assert len(storage._locks) == 1
    assert len(storage._locks) == 0
