"""Originals are kept before the first change, once, and given back byte for byte."""

import json
from pathlib import Path

import failpoints
import pytest
from records import ID, fingerprint, first, time

from mas import files, originals
from mas.filestore import FileStorage
from mas.paths import Root, SessionPaths
from mas.replay import Entry

LABEL: Entry = ("updated", {"set": {"label": "x"}})


def make(place: Path) -> FileStorage:
    """A session as an earlier program kept it, with odd modes and formats."""
    storage = FileStorage(Root(place))
    paths = storage.root.session(ID)
    paths.directory.mkdir(parents=True)
    document = {name: value for name, value in first(odd="ü").items() if name != "lifecycle"}
    paths.snapshot.write_text(json.dumps(document, indent=7, ensure_ascii=False))
    paths.config.write_bytes(b"{ }\r\n")
    paths.config.chmod(0o640)
    return storage


def write(storage: FileStorage) -> None:
    with storage.lock(ID):
        storage.append(ID, storage.prepare(ID, time(1)), [LABEL], time(2))


def give_back(storage: FileStorage) -> None:
    paths = storage.root.session(ID)
    with storage.lock(ID), files.directory(paths.directory) as fd:
        originals.give_back(fd, paths)


def state(paths: SessionPaths) -> str:
    return fingerprint(paths.directory, without=("quarantine",))


def test_the_first_change_keeps_what_there_was_and_it_comes_back(tmp_path: Path) -> None:
    storage = make(tmp_path)
    paths = storage.root.session(ID)
    before = state(paths)
    for _ in range(2):
        write(storage)
        write(storage)
        assert state(paths) != before
        log = paths.log.read_bytes()
        give_back(storage)
        assert state(paths) == before
        assert (paths.quarantine / "events.jsonl.0").read_bytes() == log


def test_a_session_of_ours_has_no_originals(tmp_path: Path) -> None:
    storage = FileStorage(Root(tmp_path))
    storage.create(first(), time(0))
    write(storage)
    with pytest.raises(FileNotFoundError):
        give_back(storage)


def test_a_kill_anywhere_can_be_finished(tmp_path: Path) -> None:
    counted = make(tmp_path / "count")
    writes = failpoints.count(lambda _done: write(counted))
    backs = failpoints.count(lambda _done: give_back(counted))
    assert min(writes, backs) > 5
    for at in range(1, writes + backs + 1):
        storage = make(tmp_path / str(at))
        paths = storage.root.session(ID)
        before = state(paths)
        if at <= writes:
            assert failpoints.run(lambda _done, storage=storage: write(storage), at).killed  # type: ignore[misc]
            write(storage)
        else:
            write(storage)
            assert failpoints.run(lambda _done, storage=storage: give_back(storage), at - writes).killed  # type: ignore[misc]
        if (paths.quarantine / originals.PLACE / originals.LIST).exists():
            give_back(storage)
        for path in paths.directory.iterdir():
            if files.writer_of(path.name):
                path.unlink()
        assert state(paths) == before, at
