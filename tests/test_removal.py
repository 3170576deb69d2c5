"""Removing a tree: all of it, whatever agents made of it, and nothing outside of it."""

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import failpoints
import pytest
from obstacles import as_nobody

from mas.errors import MasError
from mas.removal import remove_tree


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    place = tmp_path / "a tree"
    (place / "unit" / "10" / "empty").mkdir(parents=True)
    (place / "unit" / "10" / "file").write_text("x")
    (place / "events.jsonl").write_text("x")
    return place


def test_everything_goes_and_the_neighbours_stay(tmp_path: Path, tree: Path) -> None:
    (tmp_path / "neighbour").mkdir()
    remove_tree(tree)
    assert [one.name for one in tmp_path.iterdir()] == ["neighbour"]
    remove_tree(tree)


def test_links_go_and_what_they_point_to_stays(tmp_path: Path, tree: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("x")
    (tree / "link").symlink_to(tmp_path / "precious")
    (tree / "unit" / "link").symlink_to(tmp_path / "precious" / "file")
    (tmp_path / "whole").symlink_to(tmp_path / "precious")
    remove_tree(tree)
    remove_tree(tmp_path / "whole")
    assert [one.name for one in tmp_path.iterdir()] == ["precious"]
    assert (tmp_path / "precious" / "file").read_text() == "x"


def test_whatever_lies_there_goes(tmp_path: Path, tree: Path) -> None:
    os.mkfifo(tree / "pipe")
    (tree / "unit" / os.fsdecode(b"\xff\n")).touch()
    (tmp_path / "file").touch()
    remove_tree(tree)
    remove_tree(tmp_path / "file")
    assert [*tmp_path.iterdir()] == []


def test_no_depth_is_too_deep(tmp_path: Path) -> None:
    """Deeper than a path may be long, than descriptors or frames there are."""
    top = tmp_path / "deep"
    top.mkdir()
    fd = os.open(top, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("inside-it", dir_fd=fd)
        deeper = os.open("inside-it", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = deeper
    os.close(fd)
    remove_tree(top)
    assert not top.exists()


def test_what_an_agent_forbade_itself_goes_too(tmp_path: Path) -> None:
    """A module cache is made of directories nobody may write to."""
    with as_nobody(tmp_path) as own:
        (own / "tree" / "cache" / "module").mkdir(parents=True)
        (own / "tree" / "cache" / "module" / "file").touch()
        (own / "tree" / "closed").mkdir(mode=0)
        for place in ("cache/module", "cache", ""):
            (own / "tree" / place).chmod(0o555)
        remove_tree(own / "tree")
        assert [*own.iterdir()] == []
        (own / "closed").mkdir(mode=0)
        remove_tree(own / "closed")
        assert [*own.iterdir()] == []


def test_what_may_not_be_removed_is_said(tmp_path: Path) -> None:
    with as_nobody(tmp_path) as own:
        (own / "tree").mkdir()
        own.chmod(0o555)
        with pytest.raises(MasError, match="could not be removed completely: permission denied"):
            remove_tree(own / "tree")


@contextmanager
def mounted(source: Path, target: Path) -> Iterator[None]:
    target.mkdir()
    subprocess.run(["mount", "--bind", source, target], check=True, timeout=10)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", target], check=False, timeout=10)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
@pytest.mark.parametrize("where", ["mounted", "unit/10/mounted"])
def test_what_is_mounted_inside_is_not_entered(tmp_path: Path, tree: Path, where: str) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("x")
    with mounted(tmp_path / "precious", tree / where):
        with pytest.raises(MasError, match=r"could not be removed completely: .*busy") as said:
            remove_tree(tree)
        assert "mas doctor --fix" in (said.value.hint or "")
        for found in [*tree.rglob("mounted")]:
            subprocess.run(["umount", found], check=True, timeout=10)
    assert (tmp_path / "precious" / "file").read_text() == "x"
    remove_tree(tree)
    assert not tree.exists()


def test_a_writer_that_goes_on_and_on_is_said(tmp_path: Path, tree: Path) -> None:
    """It has the directory open, and so can write there after it was renamed."""
    stop = threading.Event()
    fd = os.open(tree, os.O_RDONLY)

    def write() -> None:
        for number in range(1_000_000):
            try:
                os.close(os.open(f"{number}", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
            except FileNotFoundError:
                return
            if stop.is_set():
                return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        remove_tree(tree)
    except MasError as error:
        assert "keeps writing" in str(error)  # noqa: PT017
    finally:
        stop.set()
        writer.join()
        os.close(fd)
    remove_tree(tree)
    assert [*tmp_path.iterdir()] == []


def test_a_kill_anywhere_can_be_finished(tmp_path: Path) -> None:
    def make() -> None:
        (tmp_path / "tree" / "a" / "b").mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / "a" / "b" / "c").touch()

    make()
    points = failpoints.count(lambda _done: remove_tree(tmp_path / "tree"))
    assert points >= 6
    for at in range(1, points + 1):
        make()
        assert failpoints.run(lambda _done: remove_tree(tmp_path / "tree"), at).killed
        remove_tree(tmp_path / "tree")
        assert [*tmp_path.iterdir()] == []
