"""Directories of state: made with their parents, renamed to a free place or not at all."""

import os
import stat
from pathlib import Path

import pytest
from obstacles import as_nobody

from mas import directories, files
from mas.errors import DamagedError, ExistsError, MasError


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_a_directory_and_its_parents_are_nobody_elses_to_write(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        directories.make_directory(tmp_path / "a b" / "c" / "d", 0o700)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a b" / "c" / "d").stat().st_mode) == 0o700
    for parent in ("a b", "a b/c"):
        assert stat.S_IMODE((tmp_path / parent).stat().st_mode) == 0o755 & ~umask
    directories.make_directory(tmp_path / "a b" / "c" / "d")


def test_a_link_to_a_directory_is_one_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    directories.make_directory(tmp_path / "link" / "sessions")
    assert (tmp_path / "real" / "sessions").is_dir()


def test_what_stands_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DamagedError, match="file' is not a directory of its own"):
            directories.make_directory(path)
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(DamagedError):
        directories.make_directory(tmp_path / "link")


def test_a_child_is_private_and_may_be_there(tmp_path: Path) -> None:
    with files.directory(tmp_path) as fd:
        for durable in (True, False):
            directories.make_child(fd, "inside", durable=durable)
        assert directories.names(fd) == ["inside"]
    assert stat.S_IMODE((tmp_path / "inside").stat().st_mode) == 0o700
    with files.directory(tmp_path / "inside") as fd:
        (tmp_path / "inside").rmdir()
        with pytest.raises(FileNotFoundError):
            directories.make_child(fd, "x")


def test_a_move_goes_to_a_free_place(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "file").write_text("x")
    (tmp_path / "below").mkdir()
    directories.move(tmp_path / "source", tmp_path / "below" / "target")
    assert (tmp_path / "below" / "target" / "file").read_text() == "x"
    directories.move(tmp_path / "below" / "target", tmp_path / "below" / "again")
    assert [one.name for one in (tmp_path / "below").iterdir()] == ["again"]


@pytest.mark.parametrize("kind", ["empty directory", "file", "dangling link"])
def test_a_move_never_replaces(tmp_path: Path, kind: str) -> None:
    (tmp_path / "source").mkdir()
    target = tmp_path / "target"
    if kind == "empty directory":
        target.mkdir()
    elif kind == "file":
        target.touch()
    else:
        target.symlink_to("x")
    with pytest.raises(ExistsError, match="exists"):
        directories.move(tmp_path / "source", target)
    assert (tmp_path / "source").is_dir()


def test_a_move_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    with pytest.raises(MasError, match="cannot write"):
        directories.move(tmp_path / "source", tmp_path / "source" / "inside")
    with pytest.raises(FileNotFoundError):
        directories.move(tmp_path / "source", tmp_path / "none" / "target")


def test_a_move_that_cannot_be_made_durable_is_taken_back(tmp_path: Path) -> None:
    """A directory that may be written to and not read can hold a name, and cannot be opened to make it last."""
    with as_nobody(tmp_path) as own:
        (own / "source").mkdir()
        (own / "below").mkdir(mode=0o300)
        with pytest.raises(MasError, match=r"cannot read .*permission denied"):
            directories.move(own / "source", own / "below" / "target")
        assert (own / "source").is_dir()
        (own / "below").chmod(0o700)
        assert [*(own / "below").iterdir()] == []


def test_making_durable(tmp_path: Path) -> None:
    directories.sync_directory(tmp_path)
    directories.sync_filesystem(tmp_path)
    place = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    try:
        with pytest.raises(MasError, match="cannot write 'here'"):
            directories.sync(place, "here")
    finally:
        os.close(place)
    with files.directory(tmp_path) as fd:
        directories.sync(fd, tmp_path)
