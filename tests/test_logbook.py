"""A log and its snapshot on disk: whatever happens to their bytes is noticed, or harms nobody."""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from obstacles import odd_things
from records import ID, OTHER_ID, T0, first, time
from test_replay import line

from mas import guard, lines, snapshots
from mas.errors import DamagedError, MasError, RefusedError
from mas.events import CommandExecuted, Failed, IterationCompleted, IterationStarted, Paused, SessionEvent, Started
from mas.filestore import FileStorage
from mas.logbook import LOG, SNAPSHOT
from mas.paths import Root, SessionPaths
from mas.record import Document, fold, lifecycle_of
from mas.replay import Entry, Stored

LABEL: Entry = ("updated", {"set": {"label": "x"}})


@pytest.fixture
def storage(tmp_path: Path) -> FileStorage:
    """A session with a log of a few appends, and another that nothing happens to."""
    made = FileStorage(Root(tmp_path / "a root"))
    for session_id in (OTHER_ID, ID):
        made.create(first(session_id), T0)
    events: list[SessionEvent] = [Started(), IterationStarted(1), CommandExecuted("make"), IterationCompleted()]
    for at, event in enumerate(events, 1):
        with made.lock(ID):
            stored = made.prepare(ID, time(at))
            made.append(ID, stored, [*guard.consequences(stored.document, event, time(at)), LABEL], time(at))
    return made


@pytest.fixture
def paths(storage: FileStorage) -> SessionPaths:
    return storage.root.session(ID)


def write(storage: FileStorage, *entries: Entry) -> Stored:
    with storage.lock(ID):
        return storage.append(ID, storage.prepare(ID, time(50)), entries or [LABEL], time(50))


def quarantined(paths: SessionPaths) -> dict[str, bytes]:
    """What was set aside, by name."""
    found = paths.quarantine.iterdir() if paths.quarantine.is_dir() else ()
    return {path.name: path.read_bytes() for path in found}


def mutilations(raw: bytes, every: int = 1, patterns: tuple[int, ...] = (0,)) -> Iterator[tuple[str, bytes]]:
    """Every truncation, and every byte flipped by each of these patterns; by 0 in one of its bits."""
    chance = random.Random(raw)  # noqa: S311
    for at in range(0, len(raw), every):
        yield f"cut at {at}", raw[:at]
        for pattern in patterns:
            flip = pattern or 1 << chance.randrange(8)
            yield f"flipped at {at} by {flip:08b}", raw[:at] + bytes([raw[at] ^ flip]) + raw[at + 1 :]


# --- every byte ---


@pytest.mark.parametrize("name", [LOG, SNAPSHOT])
def test_whatever_byte_is_lost_or_flipped_reading_is_right_or_says_damage(
    storage: FileStorage, paths: SessionPaths, name: str
) -> None:
    place = paths.directory / name
    original = place.read_bytes()
    newest, other = storage.read(ID).document, storage.read(OTHER_ID)
    log = [*storage.records(ID)]
    older = {json.dumps(document, sort_keys=True) for document in history(log)}
    for what, raw in mutilations(original):
        place.write_bytes(raw)
        try:
            stored = storage.examine(ID)
        except DamagedError:
            assert name == LOG or raw != original
        else:
            if stored.edited is None:  # else it is taken for somebody's edit, and is one
                assert stored.document == newest or stored.torn or stored.damage or stored.rejected, what
                assert json.dumps(stored.document, sort_keys=True) in older, what
            assert stored.edited is None or name == SNAPSHOT
        check_history(storage, log, what)
        assert storage.read(OTHER_ID) == other
    place.write_bytes(original)
    assert storage.read(ID).document == newest


def history(log: list[lines.Line]) -> Iterator[Document]:
    document: Document | None = None
    for one in log:
        document = fold(document, one.type, one.data, one.seq, one.ts)
        yield document


def check_history(storage: FileStorage, log: list[lines.Line], what: str) -> None:
    """What is read of the log is its beginning, and short of what is acknowledged only with an error."""
    seen: list[lines.Line] = []
    try:
        seen.extend(storage.records(ID))
    except DamagedError as error:
        assert "is damaged at byte" in str(error)  # noqa: PT017
    assert seen == log[: len(seen)], what


@pytest.mark.parametrize("name", [LOG, SNAPSHOT])
@pytest.mark.parametrize(
    ("every", "patterns"), [(7, (0,)), pytest.param(1, (0, 0xFF, 0x20, 0x01), marks=pytest.mark.slow)]
)
def test_whatever_byte_is_lost_or_flipped_writing_mends_or_refuses(
    storage: FileStorage, paths: SessionPaths, name: str, every: int, patterns: tuple[int, ...]
) -> None:
    place = paths.directory / name
    saved = {path.name: path.read_bytes() for path in (paths.log, paths.snapshot)}
    newest, other = storage.read(ID).document, storage.read(OTHER_ID)
    for what, raw in mutilations(saved[name], every, patterns):
        place.write_bytes(raw)
        try:
            write(storage)
        except MasError:
            assert place.read_bytes() == raw, what
        else:
            check_written(storage, newest, what)
        assert storage.read(OTHER_ID) == other
        for path in (paths.log, paths.snapshot):
            path.write_bytes(saved[path.name])


def check_written(storage: FileStorage, before: Document, what: str) -> None:
    """What was written is there, and nothing is lost that was there before."""
    stored = storage.read(ID)
    assert (stored.damage, stored.torn, stored.stale) == ("", 0, False), what
    assert stored.document["runtime"] == {"label": "x"}, what
    assert stored.document["rev"] > before["rev"], what
    assert lifecycle_of(stored.document) == lifecycle_of(before), what


# --- torn tails ---


@pytest.mark.parametrize(
    "tail", [b"x", b'{"v":1,"seq":10,"ts"', b"\0" * 4096, b"\n", b"{}\n", b"\xff" * 70_000 + b"\n"]
)
def test_a_torn_tail_is_passed_over_and_the_next_writer_saves_and_cuts_it(
    storage: FileStorage, paths: SessionPaths, tail: bytes
) -> None:
    before = storage.read(ID)
    with paths.log.open("ab") as log:
        log.write(tail)
    torn = storage.read(ID)
    assert (torn.document, torn.torn, torn.damage) == (before.document, len(tail), "")
    assert [line.seq for line in storage.records(ID)] == [*range(1, 10)]
    assert paths.log.read_bytes().endswith(tail)
    grown = write(storage)
    assert grown.document["rev"] == before.document["rev"] + 1
    assert quarantined(paths) == {f"{LOG}.tail.0": tail}
    assert storage.examine(ID) == grown


def test_an_append_that_lost_its_end_is_rolled_back_whole(storage: FileStorage, paths: SessionPaths) -> None:
    before = storage.read(ID).document
    write(storage, LABEL, LABEL, LABEL)
    whole = paths.log.read_bytes()
    paths.snapshot.unlink()
    for lost in (1, 100, 200):
        paths.log.write_bytes(whole[:-lost])
        assert storage.read(ID).document == before
        assert storage.read(ID).torn
    write(storage)
    assert storage.read(ID).document["rev"] == before["rev"] + 1


# --- damage ---


def test_damage_is_named_reading_goes_on_and_writing_waits(storage: FileStorage, paths: SessionPaths) -> None:
    newest = storage.read(ID).document
    raw = paths.log.read_bytes()
    at = raw.index(b'"make"')
    paths.log.write_bytes(raw[:at] + b'"MAKE"' + raw[at + 6 :])
    assert storage.read(ID).document == newest
    with pytest.raises(DamagedError, match=rf"{LOG} is damaged at byte \d+: checksum differs"):
        [*storage.records(ID)]
    assert "record 6 at byte" in storage.examine(ID).damage
    paths.snapshot.unlink()
    damaged = storage.read(ID)
    assert damaged.document["rev"] == 5
    assert f"{LOG}: record 6 at byte" in damaged.damage
    with pytest.raises(DamagedError, match=f"session {ID} is damaged: .*record 6") as refused:
        write(storage)
    assert f"mas doctor --fix {ID}" in (refused.value.hint or "")


@pytest.mark.parametrize("cut", ["short", "empty", "gone"])
def test_a_log_shorter_than_its_snapshot_is_damage(storage: FileStorage, paths: SessionPaths, cut: str) -> None:
    newest = storage.read(ID).document
    if cut == "gone":
        paths.log.unlink()
    else:
        raw = paths.log.read_bytes()
        paths.log.write_bytes(raw[: len(raw) // 2] if cut == "short" else b"")
    stored = storage.read(ID)
    assert stored.document == newest
    assert stored.damage
    with pytest.raises(DamagedError, match="is damaged"):
        write(storage)


def test_lines_taken_out_of_the_middle_are_damage(storage: FileStorage, paths: SessionPaths) -> None:
    rows = paths.log.read_bytes().splitlines(keepends=True)
    for changed in (rows[:3] + rows[5:], rows[:3] + rows[4:5] + rows[3:4] + rows[5:], rows[:4] + rows[3:]):
        paths.log.write_bytes(b"".join(changed))
        assert storage.examine(ID).damage
        with pytest.raises(DamagedError):
            [*storage.records(ID)]


def test_a_log_without_a_beginning_cannot_be_read(storage: FileStorage, paths: SessionPaths) -> None:
    rows = paths.log.read_bytes().splitlines(keepends=True)
    paths.log.write_bytes(b"".join(rows[1:]))
    paths.snapshot.unlink()
    with pytest.raises(DamagedError, match=f"session {ID} cannot be read: record 1 at byte 0") as refused:
        storage.read(ID)
    assert "mas doctor" in (refused.value.hint or "")


# --- the snapshot ---


def test_a_lost_snapshot_is_made_again(storage: FileStorage, paths: SessionPaths) -> None:
    before, raw = storage.read(ID), paths.snapshot.read_bytes()
    paths.snapshot.unlink()
    assert storage.read(ID).document == before.document
    assert storage.read(ID).stale
    assert not paths.snapshot.exists()
    storage.refresh(ID, storage.read(ID))
    assert paths.snapshot.read_bytes() == raw


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"\0" * 900])
def test_a_damaged_snapshot_is_made_again_and_the_bad_one_stays_aside_or_was_nothing(
    storage: FileStorage, paths: SessionPaths, raw: bytes
) -> None:
    before = storage.read(ID)
    paths.snapshot.write_bytes(raw)
    assert storage.read(ID).document == before.document
    assert write(storage).document["rev"] == before.document["rev"] + 1
    assert storage.examine(ID).damage == ""


def test_a_snapshot_that_lags_behind_is_caught_up(storage: FileStorage, paths: SessionPaths) -> None:
    old = paths.snapshot.read_bytes()
    newest = write(storage, ("updated", {"set": {"current_phase": "plan"}}))
    paths.snapshot.write_bytes(old)
    found = storage.read(ID)
    assert (found.document, found.stale, found.size) == (newest.document, True, newest.size)


def test_a_snapshot_of_another_session_is_not_this_ones(storage: FileStorage, paths: SessionPaths) -> None:
    other = storage.root.session(OTHER_ID)
    for name in (LOG, SNAPSHOT):
        (paths.directory / name).write_bytes((other.directory / name).read_bytes())
    with pytest.raises(DamagedError, match="it describes another session"):
        storage.read(ID)


def test_where_the_snapshot_cannot_follow_the_log_holds(storage: FileStorage, paths: SessionPaths) -> None:
    with storage.lock(ID):
        stored = storage.prepare(ID, T0)
        paths.snapshot.unlink()
        paths.snapshot.mkdir()
        grown = storage.append(ID, stored, [LABEL], time(60))
    assert grown.stale
    paths.snapshot.rmdir()
    assert storage.read(ID).document == grown.document


# --- other programs ---


def edit(paths: SessionPaths, **changes: Any) -> bytes:
    """What a person does with ``jq``: other keys and another layout, the rest stays."""
    document = {**json.loads(paths.snapshot.read_bytes()), **changes}
    raw = json.dumps({name: value for name, value in document.items() if value is not None}).encode()
    paths.snapshot.write_bytes(raw)
    return raw


def rewrite(paths: SessionPaths, **changes: Any) -> bytes:
    """What the earlier session manager does: it drops every key that it does not know."""
    ours = dict.fromkeys(("lifecycle", "runtime", "rev", "log", "schema", "checksum"))
    return edit(paths, **ours, **changes)


@pytest.mark.parametrize("by", [edit, rewrite])
def test_a_legal_edit_is_seen_at_once_and_taken_over_as_one_record(
    storage: FileStorage, paths: SessionPaths, by: Callable[..., bytes]
) -> None:
    before = storage.read(ID).document
    by(paths, current_phase="plan", extra={"kept": True})
    seen = storage.read(ID)
    assert (seen.document["current_phase"], seen.document["extra"]) == ("plan", {"kept": True})
    assert seen.document["rev"] == before["rev"]
    write(storage)
    kinds = [line.type for line in storage.records(ID, before["rev"])]
    assert kinds == ["imported", "updated"]
    document = storage.read(ID).document
    assert (document["current_phase"], document["extra"], document["rev"]) == (
        "plan",
        {"kept": True},
        before["rev"] + 2,
    )
    assert document["lifecycle"] == before["lifecycle"]
    assert quarantined(paths) == {}


def test_a_program_that_goes_on_in_its_own_way_is_followed(storage: FileStorage, paths: SessionPaths) -> None:
    rewrite(paths, status="completed", completed_at=time(99), updated_at=time(99))
    assert storage.read(ID).document["status"] == "completed"
    with storage.lock(ID):
        storage.prepare(ID, T0)
    assert [line.type for line in storage.records(ID)][-1] == "imported"
    assert storage.read(ID).document["completed_at"] == time(99)


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "initializing"},
        {"session_id": OTHER_ID},
        {"created_at": "2020"},
        {"rev": 3, "current_phase": "plan"},
        {"lifecycle": {}},
        {"statistics": {"total_tasks": -1}},
    ],
)
def test_an_edit_that_cannot_be_is_set_aside_and_the_log_holds(
    storage: FileStorage, paths: SessionPaths, changes: dict[str, Any]
) -> None:
    before = storage.read(ID).document
    raw = edit(paths, **changes)
    assert storage.read(ID).rejected
    assert storage.read(ID).document == before
    grown = write(storage)
    assert quarantined(paths) == {f"{SNAPSHOT}.0": raw}
    assert grown.document == {**before, "rev": before["rev"] + 1, "updated_at": time(50)}
    assert not storage.read(ID).rejected


def test_only_another_layout_is_no_edit(storage: FileStorage, paths: SessionPaths) -> None:
    before = storage.read(ID).document
    edit(paths)
    found = storage.read(ID)
    assert (found.document, found.edited, found.rejected) == (before, None, False)
    write(storage)
    assert [line.type for line in storage.records(ID, before["rev"])] == ["updated"]


OLDER: dict[str, dict[str, Any]] = {
    "plain": {},
    "no Z": {"created_at": "2026-01-07T13:00:00.123456", "updated_at": "2026-01-07T13:00:01"},
    "short commit": {"git_context": {"branch": "main", "commit": "abc123", "repo_root": "/x"}},
    "no statistics": {"statistics": None, "configuration": None},
    "extra keys": {"start_time": 17, "nested": {"a": [1, {"b": None}]}, "statistics": {"total_tasks": 1, "odd": 2}},
    "paused": {"status": "paused"},
    "failed": {"status": "failed", "completed_at": time(9)},
    "no request": {"feature_request": None, "updated_at": None},
}


@pytest.mark.parametrize("name", OLDER)
def test_a_file_of_the_earlier_manager_is_read_kept_and_taken_over(tmp_path: Path, name: str) -> None:
    storage, session_id = FileStorage(Root(tmp_path, maestro=True)), "test-session-123"
    document = {**first(session_id), **OLDER[name]}
    document = {
        key: value
        for key, value in document.items()
        if key != "lifecycle" and (value is not None or key == "feature_request")
    }
    paths = storage.root.session(session_id)
    paths.directory.mkdir(parents=True)
    raw = json.dumps(document, indent=2).encode()
    paths.snapshot.write_bytes(raw)
    read = storage.read(session_id)
    assert not read.logged
    assert {**read.document, "feature_request": document["feature_request"], "lifecycle": 0} == {
        **document,
        "lifecycle": 0,
    }
    assert [one.name for one in paths.directory.iterdir()] == [SNAPSHOT]
    assert [*storage.records(session_id)] == []
    with storage.lock(session_id):
        stored = storage.prepare(session_id, time(1))
        assert stored.mended
        storage.append(session_id, stored, [LABEL], time(2))
    assert (paths.quarantine / "before" / SNAPSHOT).read_bytes() == raw
    assert [line.type for line in storage.records(session_id)] == ["created", "updated"]
    after = storage.read(session_id).document
    for key, value in document.items():
        assert key == "updated_at" or after[key] == (value or ""), key
    assert storage.examine(session_id).damage == ""


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"{}", b'{"session_id":3}', b'{"status":"planning"}'])
def test_a_file_that_describes_no_session_is_damage(tmp_path: Path, raw: bytes) -> None:
    storage = FileStorage(Root(tmp_path))
    storage.root.session(ID).directory.mkdir(parents=True)
    storage.root.session(ID).snapshot.write_bytes(raw)
    with pytest.raises(DamagedError, match=f"session {ID} cannot be read"):
        storage.read(ID)
    with pytest.raises(json.JSONDecodeError):
        storage.read(ID)


@pytest.mark.parametrize("beginning", [b"", b'{"v":1,"seq":1', b"\0" * 100])
def test_a_first_write_that_was_cut_off_is_begun_again(tmp_path: Path, beginning: bytes) -> None:
    """Killed between making the log and writing its first record."""
    storage = FileStorage(Root(tmp_path))
    paths = storage.root.session(ID)
    paths.directory.mkdir(parents=True)
    paths.snapshot.write_bytes(snapshots.encode_plain({name: first()[name] for name in first() if name != "lifecycle"}))
    paths.log.write_bytes(beginning)
    assert storage.read(ID).document["feature_request"] == "Build it"
    write(storage)
    assert [line.type for line in storage.records(ID)] == ["created", "updated"]
    assert storage.examine(ID).damage == ""


# --- newer programs ---


def test_a_newer_snapshot_is_read_and_not_written(storage: FileStorage, paths: SessionPaths) -> None:
    before = storage.read(ID)
    edit(paths, schema=2)
    assert (storage.read(ID).newer, storage.read(ID).document) == (True, before.document)
    raw = paths.snapshot.read_bytes(), paths.log.read_bytes()
    with pytest.raises(RefusedError, match="was written by a newer mas"):
        write(storage)
    assert (paths.snapshot.read_bytes(), paths.log.read_bytes()) == raw


def test_a_newer_line_is_neither_cut_nor_written_after(storage: FileStorage, paths: SessionPaths) -> None:
    stored = storage.read(ID)
    with paths.log.open("ab") as log:
        log.write(line("future", {}, stored.document["rev"] + 1, stored.crc, v=2))
    raw = paths.log.read_bytes()
    found = storage.read(ID)
    assert (found.newer, found.torn, found.document) == (True, 0, stored.document)
    with pytest.raises(RefusedError, match="newer mas"):
        write(storage)
    assert paths.log.read_bytes() == raw


# --- odd things in the way ---


@pytest.mark.parametrize("name", [LOG, SNAPSHOT])
def test_what_is_no_file_is_refused_at_once_and_not_followed(
    storage: FileStorage, paths: SessionPaths, name: str, tmp_path: Path
) -> None:
    place, other = paths.directory / name, storage.read(OTHER_ID)
    original = place.read_bytes()
    place.unlink()
    for _ in odd_things(paths.directory, name):
        for call in (lambda: storage.read(ID), lambda: write(storage), lambda: [*storage.records(ID)]):
            with pytest.raises(DamagedError):
                call()
        assert storage.read(OTHER_ID) == other
        assert (paths.directory / "target").read_text() == "secret"
    place.write_bytes(original)
    assert storage.read(ID).damage == ""
    assert [*tmp_path.rglob("*.tmp")] == []


# --- reading from the end ---


def test_the_end_of_a_long_log_is_read_from_its_end(storage: FileStorage) -> None:
    long: Entry = ("command_executed", {"command": "x" * 900, "success": True})
    for at in range(30):
        write(storage, *[long] * (1 + at % 4))
    everything = [*storage.records(ID)]
    assert storage.position(ID) > 60_000
    for since in range(len(everything) + 2):
        assert [*storage.records(ID, since)] == everything[since:]
    place = storage.root.session(ID).log
    raw = place.read_bytes()
    near = raw.rindex(b"x" * 900, 0, len(raw) - 30_000)
    place.write_bytes(raw[:near] + b"X" + raw[near + 1 :])
    last = everything[-1].seq - 1
    assert [*storage.records(ID, last)] == everything[-1:]
    with pytest.raises(DamagedError, match="is damaged at byte"):
        [*storage.records(ID, 2)]
    at = raw.rindex(b"x" * 900, 0, len(raw) - 10_000)
    place.write_bytes(raw[:at] + b"X" + raw[at + 1 :])
    with pytest.raises(DamagedError, match="is damaged at byte"):
        [*storage.records(ID, last - 8)]


def test_a_failed_session_stays_failed_on_disk(storage: FileStorage) -> None:
    with storage.lock(ID):
        stored = storage.prepare(ID, T0)
        storage.append(ID, stored, guard.consequences(stored.document, Failed("x"), time(70)), time(70))
        with pytest.raises(RefusedError):
            guard.consequences(storage.prepare(ID, T0).document, Paused("x"), time(71))
