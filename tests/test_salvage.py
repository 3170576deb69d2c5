"""What is given up to make a session writable again is no more than what is broken, and it is kept."""

from collections.abc import Callable

import pytest
import records

from mas import lines
from mas.clock import utc_now
from mas.errors import DamagedError
from mas.filestore import FileStorage
from mas.manager import SessionManager
from mas.paths import Root
from mas.salvage import salvage

Damage = Callable[[bytes], bytes]


@pytest.fixture
def storage(root: Root) -> FileStorage:
    """One session with seven records."""
    made = FileStorage(root)
    made.create(records.first(), utc_now())
    manager = SessionManager(root.path, storage=made)
    for number in range(6):
        manager.update_session(records.ID, {"feature_request": f"request {number}"})
    return made


def spoil(storage: FileStorage, damage: Damage) -> bytes:
    log = storage.root.session(records.ID).log
    log.write_bytes(damage(log.read_bytes()))
    return log.read_bytes()


def kept(storage: FileStorage) -> list[bytes]:
    place = storage.root.session(records.ID).quarantine
    return [path.read_bytes() for path in sorted(place.iterdir())] if place.is_dir() else []


def test_a_sound_log_is_left_alone(storage: FileStorage) -> None:
    before = storage.root.session(records.ID).log.read_bytes()
    assert salvage(storage, records.ID) == storage.read(records.ID)
    assert storage.root.session(records.ID).log.read_bytes() == before
    assert kept(storage) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw.replace(b"request 2", b"request X"),
        lambda raw: b"".join(raw.splitlines(keepends=True)[:3]),
        lambda raw: b"".join(line for line in raw.splitlines(keepends=True) if b"request 3" not in line),
        lambda raw: raw[:-200],
        lambda raw: b"nonsense\n" + raw,
        lambda _: b"",
        lambda _: b"\0" * 4000,
    ],
)
def test_the_newest_record_known_stays_and_what_was_broken_is_kept(storage: FileStorage, damage: Damage) -> None:
    newest = storage.read(records.ID).document
    broken = spoil(storage, damage)
    assert storage.examine(records.ID).damage
    mended = salvage(storage, records.ID)
    assert {**mended.document, "rev": 0, "updated_at": ""} == {**newest, "rev": 0, "updated_at": ""}
    assert mended.document["rev"] > newest["rev"]
    assert storage.examine(records.ID).damage == ""
    assert storage.read(records.ID) == mended
    assert kept(storage) == [broken]
    SessionManager(storage.root.path, storage=storage).update_session(records.ID, {"feature_request": "goes on"})


def test_what_was_written_behind_hidden_damage_is_neither_refused_nor_lost(storage: FileStorage) -> None:
    """The snapshot stands at the end of the log, so nobody reads the bad line."""
    spoil(storage, lambda raw: raw.replace(b"request 2", b"request X"))
    manager = SessionManager(storage.root.path, storage=storage)
    manager.update_session(records.ID, {"feature_request": "written all the same"})
    written = storage.root.session(records.ID).log.read_bytes()
    assert salvage(storage, records.ID).document["feature_request"] == "written all the same"
    assert kept(storage) == [written]
    assert b"request 5" in written


def test_the_good_beginning_stays_byte_for_byte(storage: FileStorage) -> None:
    raw = storage.root.session(records.ID).log.read_bytes()
    good = b"".join(raw.splitlines(keepends=True)[:3])
    spoil(storage, lambda raw: raw.replace(b"request 2", b"request X"))
    salvage(storage, records.ID)
    log = storage.root.session(records.ID).log.read_bytes()
    assert log.startswith(good)
    assert [lines.decode(line).type for line in log[len(good) :].splitlines(keepends=True)] == ["salvaged"]


def test_a_log_that_is_gone_begins_again_from_the_snapshot(storage: FileStorage) -> None:
    newest = storage.read(records.ID).document
    storage.root.session(records.ID).log.unlink()
    assert salvage(storage, records.ID).document["feature_request"] == newest["feature_request"]
    assert kept(storage) == []


def test_where_the_snapshot_is_broken_too_the_good_beginning_is_all(storage: FileStorage) -> None:
    storage.root.session(records.ID).snapshot.write_bytes(b"nonsense")
    spoil(storage, lambda raw: raw.replace(b"request 2", b"request X"))
    assert salvage(storage, records.ID).document["feature_request"] == "request 1"


def test_where_nothing_can_be_read_nothing_is_done(storage: FileStorage) -> None:
    storage.root.session(records.ID).snapshot.write_bytes(b"nonsense")
    broken = spoil(storage, lambda _: b"nonsense\n")
    with pytest.raises(DamagedError):
        salvage(storage, records.ID)
    assert storage.root.session(records.ID).log.read_bytes() == broken


def test_salvaging_twice_is_salvaging_once(storage: FileStorage) -> None:
    spoil(storage, lambda raw: raw.replace(b"request 2", b"request X"))
    once = salvage(storage, records.ID)
    log = storage.root.session(records.ID).log.read_bytes()
    assert salvage(storage, records.ID) == once
    assert storage.root.session(records.ID).log.read_bytes() == log
