"""Sessions in files: made and removed whole, killed anywhere, on full disks, with odd things in the way."""

import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import failpoints
import pytest
from obstacles import odd_things, tiny_disk
from records import ID, OTHER_ID, T0, fingerprint, first, time

from mas import checkpoints, files
from mas.errors import CapacityError, DamagedError, ExistsError, InvalidIdError, MasError, NotFoundError
from mas.filestore import FileStorage
from mas.logbook import LOG, SNAPSHOT
from mas.paths import Root, SessionPaths
from mas.replay import Entry
from mas.states import SessionCheckpoint

LABEL: Entry = ("updated", {"set": {"label": "x"}})


@pytest.fixture
def storage(root: Root) -> FileStorage:
    return FileStorage(root, lock_timeout=0.05)


def add(storage: FileStorage, *entries: Entry, session_id: str = ID) -> None:
    with storage.lock(session_id):
        storage.append(session_id, storage.prepare(session_id, time(1)), entries or [LABEL], time(2))


def names(place: Path) -> set[str]:
    return {path.name for path in place.iterdir()} if place.is_dir() else set()


# --- making ---


def test_a_session_is_a_private_directory_with_two_private_files(storage: FileStorage, root: Root) -> None:
    for umask in (0, 0o077):
        before = os.umask(umask)
        try:
            storage.create(first(ID if umask else OTHER_ID), T0)
        finally:
            os.umask(before)
    assert names(root.sessions) == {ID, OTHER_ID, ".locks", ".staging"}
    for session_id in (ID, OTHER_ID):
        directory = root.session(session_id).directory
        assert names(directory) == {LOG, SNAPSHOT}
        for path in (directory, directory / LOG, directory / SNAPSHOT, root.lock(session_id)):
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert stat.S_IMODE(root.sessions.stat().st_mode) == 0o755


def test_nothing_is_made_before_the_first_session(storage: FileStorage, root: Root) -> None:
    root.path.mkdir()
    before = fingerprint(root.path)
    assert storage.list() == []
    for call in (storage.read, storage.records, storage.position, storage.checkpoints, storage.delete, storage.discard):
        with pytest.raises(NotFoundError):
            call(ID)
    assert fingerprint(root.path) == before


def test_a_directory_is_filled_aside_and_comes_into_sight_whole(storage: FileStorage, root: Root) -> None:
    def build(staged: SessionPaths) -> None:
        assert staged.directory.parent == root.staging
        assert storage.list() == []
        staged.unit.mkdir()

    storage.create(first(), T0, build)
    assert names(root.session(ID).directory) == {LOG, SNAPSHOT, "unit"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_creation_that_fails_leaves_nothing(storage: FileStorage, root: Root, error: type[BaseException]) -> None:
    def build(staged: SessionPaths) -> None:
        (staged.unit / "10").mkdir(parents=True)
        raise error

    with pytest.raises(error):
        storage.create(first(), T0, build)
    assert names(root.sessions) == {".locks", ".staging"}
    assert names(root.staging) == names(root.locks) == set()


def test_what_a_killed_creation_left_is_begun_anew(storage: FileStorage, root: Root) -> None:
    (root.staging / ID / "unit").mkdir(parents=True)
    storage.create(first(), T0)
    assert names(root.session(ID).directory) == {LOG, SNAPSHOT}


@pytest.mark.parametrize("kind", ["empty directory", "file", "link", "dangling link"])
def test_nothing_that_is_there_is_ever_built_over(storage: FileStorage, root: Root, kind: str, tmp_path: Path) -> None:
    place = root.sessions / ID
    root.sessions.mkdir(parents=True)
    match kind:
        case "empty directory":
            place.mkdir()
        case "file":
            place.touch()
        case _:
            place.symlink_to(tmp_path if kind == "link" else "nowhere")
    with pytest.raises(ExistsError, match=f"session {ID} exists"):
        storage.create(first(), T0)
    assert names(root.staging) == set()


def test_sessions_may_lie_on_another_disk(root: Root, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    root.path.mkdir()
    root.sessions.symlink_to(tmp_path / "disk")
    storage = FileStorage(root)
    storage.create(first(), T0)
    add(storage)
    assert storage.list() == [ID]
    storage.delete(ID)
    assert storage.list() == []


# --- links and odd things ---


def test_a_link_in_place_of_a_session_is_refused_and_not_followed(
    storage: FileStorage, root: Root, tmp_path: Path
) -> None:
    storage.create(first(OTHER_ID), T0)
    storage.root.session(OTHER_ID).directory.rename(tmp_path / "elsewhere")
    (root.sessions / OTHER_ID).symlink_to(tmp_path / "elsewhere")
    before = fingerprint(tmp_path / "elsewhere")
    calls: list[Callable[[str], Any]] = [
        storage.read,
        storage.records,
        storage.position,
        storage.checkpoints,
        storage.discard,
        storage.delete,
        lambda one: storage.prepare(one, T0),
        lambda one: storage.put_checkpoint(one, SessionCheckpoint(0, T0, {**first(one), "rev": 1})),
    ]
    for call in calls:
        with pytest.raises(DamagedError, match="is not a directory of its own"):
            call(OTHER_ID)
    assert storage.list() == []
    assert fingerprint(tmp_path / "elsewhere") == before


def test_a_link_in_place_of_the_checkpoints_is_not_followed(storage: FileStorage, root: Root, tmp_path: Path) -> None:
    storage.create(first(), T0)
    (tmp_path / "elsewhere").mkdir()
    root.session(ID).checkpoints.symlink_to(tmp_path / "elsewhere")
    for call in (
        lambda: storage.put_checkpoint(ID, SessionCheckpoint(0, T0, storage.read(ID).document)),
        lambda: storage.checkpoints(ID),
        lambda: storage.drop_checkpoint(ID, 1),
    ):
        with pytest.raises(DamagedError):
            call()
    assert names(tmp_path / "elsewhere") == set()


def test_a_link_in_place_of_a_lock_is_not_followed(storage: FileStorage, root: Root, tmp_path: Path) -> None:
    storage.create(first(), T0)
    root.lock(ID).unlink()
    root.lock(ID).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MasError, match="cannot write"):
        add(storage)
    assert not (tmp_path / "elsewhere").exists()


def test_what_is_not_ours_is_not_listed(storage: FileStorage, root: Root) -> None:
    storage.create(first(), T0)
    (root.sessions / "a file").touch()
    (root.sessions / "no id!").mkdir()
    (root.sessions / ".hidden").mkdir()
    (root.sessions / "test-session-123").mkdir()
    assert sorted(storage.list()) == [ID, "test-session-123"]
    with pytest.raises(NotFoundError):
        storage.read("test-session-123")


def test_a_place_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "sessions").touch()
    with pytest.raises(MasError, match=r"cannot read .*sessions"):
        FileStorage(Root(tmp_path)).list()


@pytest.mark.parametrize("session_id", ["..", "../x", "", "a/b", ".locks", f"{ID}/.."])
def test_no_id_leads_out_of_the_sessions(storage: FileStorage, root: Root, session_id: str) -> None:
    storage.create(first(), T0)
    before = fingerprint(root.path)
    for call in (storage.read, storage.delete, storage.discard, lambda one: storage.lock(one).__enter__()):
        with pytest.raises(InvalidIdError):
            call(session_id)
    assert fingerprint(root.path) == before


# --- refusals ---


def test_a_lock_of_nothing_leaves_no_file(storage: FileStorage, root: Root) -> None:
    storage.create(first(), T0)
    with storage.lock(OTHER_ID):
        assert names(root.locks) == {f"{ID}.lock", f"{OTHER_ID}.lock"}
    assert names(root.locks) == {f"{ID}.lock"}


def test_a_deleted_session_takes_everything_along(storage: FileStorage, root: Root) -> None:
    storage.create(first(), T0)
    storage.create(first(OTHER_ID), T0)
    storage.put_checkpoint(ID, SessionCheckpoint(0, T0, storage.read(ID).document))
    before = fingerprint(root.session(OTHER_ID).directory)
    storage.delete(ID)
    assert names(root.sessions) == {OTHER_ID, ".locks", ".staging", ".trash"}
    assert names(root.locks) == {f"{OTHER_ID}.lock"}
    assert names(root.trash) == names(root.staging) == set()
    assert fingerprint(root.session(OTHER_ID).directory) == before
    storage.create(first(), T0)


def test_what_waits_in_the_trash_is_in_nobodys_way(storage: FileStorage, root: Root) -> None:
    for _ in range(2):
        storage.create(first(), T0)
        with storage.lock(ID):
            storage.discard(ID)
    assert names(root.trash) == {f"{ID}.0", f"{ID}.1"}
    with pytest.raises(NotFoundError):
        storage.read(ID)


# --- checkpoints on disk ---


def keep(storage: FileStorage, count: int) -> None:
    for _ in range(count):
        add(storage)
        document = storage.read(ID).document
        storage.put_checkpoint(ID, SessionCheckpoint(0, T0, document))


def test_no_checkpoint_holds_another_and_their_size_grows_with_their_number(storage: FileStorage, root: Root) -> None:
    storage.create(first(), T0)
    keep(storage, 12)
    sizes = [path.stat().st_size for path in root.session(ID).checkpoints.iterdir()]
    assert len(sizes) == 12
    assert max(sizes) <= min(sizes) + 20


def test_a_flipped_bit_costs_one_checkpoint_and_no_other(storage: FileStorage, root: Root) -> None:
    storage.create(first(), T0)
    keep(storage, 3)
    newest = root.session(ID).checkpoints / checkpoints.name_of(4)
    raw = newest.read_bytes()
    for at in range(0, len(raw), 3):
        newest.write_bytes(raw[:at] + bytes([raw[at] ^ 4]) + raw[at + 1 :])
        assert [one.seq for one in storage.checkpoints(ID)] == [2, 3]
        newest.write_bytes(raw[:at])
        assert [(seq, found is None) for seq, found in storage.checkpoint_files(ID)] == [
            (2, False),
            (3, False),
            (4, True),
        ]
    newest.unlink()
    for _ in odd_things(newest.parent, newest.name):
        assert [one.seq for one in storage.checkpoints(ID)] == [2, 3]


def test_other_names_among_the_checkpoints_are_passed_over(storage: FileStorage, root: Root) -> None:
    storage.create(first(), T0)
    keep(storage, 1)
    for name in ("notes.txt", "07.json", ".2.json.1-00000000.tmp", "x.json"):
        (root.session(ID).checkpoints / name).write_text("{}")
    assert [seq for seq, _ in storage.checkpoint_files(ID)] == [2]


# --- full disks ---


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    with tiny_disk(tmp_path / "tiny") as place:
        yield place


def fill(storage: FileStorage, entry: Entry) -> None:
    for _ in range(100):
        add(storage, entry)


def test_a_full_disk_refuses_and_keeps_what_is_there(tiny: Path) -> None:
    storage = FileStorage(Root(tiny / "a root"))
    storage.create(first(), T0)
    entry: Entry = ("command_executed", {"command": "x" * 3000, "success": True})
    with pytest.raises(CapacityError, match="no space left"):
        fill(storage, entry)
    full = storage.read(ID)
    assert storage.examine(ID).damage == ""
    for call in (
        lambda: add(storage, ("command_executed", {"command": "x" * 9000, "success": True})),
        lambda: storage.create(first(OTHER_ID, extra="x" * 30_000), T0),
        lambda: storage.put_checkpoint(ID, SessionCheckpoint(0, T0, {**full.document, "extra": "x" * 30_000})),
    ):
        with pytest.raises(CapacityError):
            call()
        assert storage.read(ID).document == full.document
        assert storage.list() == [ID]
    assert [*tiny.rglob("*.tmp")] == []
    storage.delete(ID)
    storage.create(first(OTHER_ID), T0)


# --- killed anywhere ---


def legacy(root: Root) -> None:
    """A session as the earlier manager kept it."""
    paths = root.session(ID)
    paths.directory.mkdir(parents=True)
    paths.snapshot.write_text(json.dumps({name: first()[name] for name in first() if name != "lifecycle"}))


def torn(storage: FileStorage) -> None:
    storage.create(first(), T0)
    with storage.root.session(ID).log.open("ab") as log:
        log.write(b"half a record")


def edited(storage: FileStorage) -> None:
    storage.create(first(), T0)
    paths = storage.root.session(ID)
    paths.snapshot.write_text(json.dumps({**json.loads(paths.snapshot.read_bytes()), "current_phase": "plan"}))


WRITES: dict[str, tuple[Callable[[FileStorage], Any], int, tuple[int, ...]]] = {
    "append": (lambda storage: storage.create(first(), T0), 1, (1, 2)),
    "append several": (lambda storage: storage.create(first(), T0), 5, (1, 6)),
    "first write": (lambda storage: legacy(storage.root), 1, (0, 1, 2)),
    "torn": (torn, 1, (1, 2)),
    "edited": (edited, 1, (1, 2, 3)),
}
"""What there is, how many records are written, and what may be there after a kill: the number of records in the log."""


@pytest.mark.parametrize("name", WRITES)
def test_a_writer_killed_anywhere_wrote_wholly_or_not_at_all(tmp_path: Path, name: str) -> None:
    prepare, count, allowed = WRITES[name]

    def write(storage: FileStorage) -> None:
        add(storage, *[LABEL] * count)

    storage = FileStorage(Root(tmp_path / "count"))
    prepare(storage)
    points = failpoints.count(lambda _done: write(storage))
    assert points >= 3
    for at in range(1, points + 1):
        storage = FileStorage(Root(tmp_path / str(at)))
        prepare(storage)

        def act(done: failpoints.Acknowledge, storage: FileStorage = storage) -> None:
            write(storage)
            done("written")

        ending = failpoints.run(act, at)
        assert ending.killed
        after = storage.read(ID)
        assert after.damage == ""
        assert after.document.get("rev", 0) in (allowed[-1:] if ending.acknowledged else allowed)
        write(storage)
        assert storage.examine(ID).damage == ""
        assert storage.read(ID).document["runtime"] == {"label": "x"}
        left = [path.name for path in storage.root.session(ID).directory.iterdir() if path.name.endswith(".tmp")]
        assert all(map(files.writer_of, left))


def test_a_creation_killed_anywhere_made_a_session_or_none(tmp_path: Path) -> None:
    def create(storage: FileStorage) -> None:
        storage.create(first(), T0, lambda staged: (staged.unit / "10").mkdir(parents=True))

    points = failpoints.count(lambda _done: create(FileStorage(Root(tmp_path / "count"))))
    assert points >= 8
    seen = set()
    for at in range(1, points + 1):
        storage = FileStorage(Root(tmp_path / str(at)))
        storage.create(first(OTHER_ID), T0)
        other = fingerprint(storage.root.session(OTHER_ID).directory)
        failpoints.run(lambda _done, storage=storage: create(storage), at)  # type: ignore[misc]
        seen.add(storage.has(ID))
        if storage.has(ID):
            assert storage.examine(ID).document == {**first(), "rev": 1}
            assert storage.root.session(ID).unit.is_dir()
        else:
            create(storage)
        assert names(storage.root.staging) <= {ID}
        assert fingerprint(storage.root.session(OTHER_ID).directory) == other
    assert seen == {False, True}


def test_a_deletion_killed_anywhere_deleted_or_did_not(tmp_path: Path) -> None:
    def make(name: str) -> FileStorage:
        storage = FileStorage(Root(tmp_path / name))
        storage.create(first(), T0)
        storage.create(first(OTHER_ID), T0)
        return storage

    counted = make("count")
    seen = set()
    for at in range(1, failpoints.count(lambda _done: counted.delete(ID)) + 1):
        storage = make(str(at))
        failpoints.run(lambda _done, storage=storage: storage.delete(ID), at)  # type: ignore[misc]
        seen.add(storage.has(ID))
        if storage.has(ID):
            assert storage.examine(ID).document == {**first(), "rev": 1}
        assert storage.list() in ([OTHER_ID], [ID, OTHER_ID], [OTHER_ID, ID])
        assert storage.examine(OTHER_ID).damage == ""
    assert seen == {False, True}


def test_a_session_is_not_removed_through_a_link(storage: FileStorage, tmp_path: Path) -> None:
    storage.create(first(), time(0))
    storage.root.trash.symlink_to(tmp_path)
    with storage.lock(ID), pytest.raises(DamagedError, match=r"\.trash' is not a directory of its own"):
        storage.discard(ID)
    assert storage.has(ID)
