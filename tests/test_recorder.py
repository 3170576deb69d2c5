"""What a pane prints, in a file that does not grow for ever."""

import os
import subprocess
from pathlib import Path

import pytest

from mas import recorder


def recorded(log: Path, *pieces: bytes, cap: int = 100) -> None:
    """Write pieces one after another, as they would be read."""
    for piece in pieces:
        source, target = os.pipe()
        os.write(target, piece)
        os.close(target)
        recorder.record(source, log, cap)
        os.close(source)


def test_everything_is_appended_to_its_owners_file(tmp_path: Path) -> None:
    log = tmp_path / "log"
    recorded(log, b"one", b"\x1b[2Jtwo\n", b"")
    assert log.read_bytes() == b"one\x1b[2Jtwo\n"
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_full_log_is_put_aside_and_an_older_one_given_up(tmp_path: Path) -> None:
    log, older = tmp_path / "log", tmp_path / "log.1"
    recorded(log, b"a" * 90, b"b" * 20)
    assert (log.exists(), older.read_bytes()) == (False, b"a" * 90 + b"b" * 20)
    recorded(log, b"c" * 100, b"d")
    assert (log.read_bytes(), older.read_bytes()) == (b"d", b"c" * 100)


def test_what_cannot_be_written_is_dropped_and_read_on(tmp_path: Path) -> None:
    log = tmp_path / "gone" / "log"
    recorded(log, b"lost")
    log.parent.mkdir()
    (log.parent / "elsewhere").touch()
    log.symlink_to("elsewhere")
    recorded(log, b"not through a link")
    log.unlink()
    recorded(log, b"kept")
    assert log.read_bytes() == b"kept"
    assert (log.parent / "elsewhere").read_bytes() == b""


@pytest.mark.parametrize("name", ["a log", "$(touch canary)", "#{pane_id}#(touch canary)", "%H%%", "'quoted\"", "ü\n"])
def test_the_command_holds_nothing_that_is_read_as_something_else(tmp_path: Path, name: str) -> None:
    log = tmp_path / name
    line = recorder.command(log)
    assert line.count("#") == line.count("%") == 0
    subprocess.run(["/bin/sh", "-c", line], input=b"hello", check=True, cwd=tmp_path, timeout=10)
    assert log.read_bytes() == b"hello"
    assert not (tmp_path / "canary").exists()
