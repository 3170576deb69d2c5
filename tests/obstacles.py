"""What can stand in the way of files: other things of their name, and disks without room."""

import os
import socket
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def tiny_disk(place: Path) -> Iterator[Path]:
    """A file system with room for 64 KiB; the test is skipped where none can be mounted."""
    if os.geteuid():
        pytest.skip("only root may mount")
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], check=True, timeout=10)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True, timeout=10)


NOBODY = 65534


@contextmanager
def as_nobody(place: Path) -> Iterator[Path]:
    """A directory that an ordinary user owns, and this process being that user; skipped where we are no root."""
    if os.geteuid():
        pytest.skip("only root may become somebody else")
    for above in (place, *place.parents[:3]):
        above.chmod(above.stat().st_mode | 0o055)
    own = place / "own"
    own.mkdir()
    os.chown(own, NOBODY, NOBODY)
    group = os.getegid()
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield own
    finally:
        os.seteuid(0)
        os.setegid(group)


def odd_things(place: Path, name: str) -> Iterator[str]:
    """Put what is no file of ours at a free name, one after the other; a file ``target`` says if it was followed."""
    (place / "target").write_text("secret")
    thing = place / name
    thing.symlink_to(place / "target")
    yield "link"
    thing.unlink()
    thing.symlink_to("nowhere")
    yield "dangling link"
    thing.unlink()
    os.mkfifo(thing)
    yield "pipe"
    thing.unlink()
    thing.mkdir()
    yield "directory"
    thing.rmdir()
    yield from _socket(place, name)
    with suppress(PermissionError):
        os.mknod(thing, stat.S_IFCHR | 0o600, os.makedev(1, 5))
        yield "device"
        thing.unlink()


def _socket(place: Path, name: str) -> Iterator[str]:
    """By way of a descriptor, since the name of a socket must be short."""
    fd = os.open(place, os.O_PATH)
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(f"/proc/self/fd/{fd}/{name}")
            yield "socket"
            (place / name).unlink()
    finally:
        os.close(fd)
