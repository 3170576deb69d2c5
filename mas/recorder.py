"""What a pane prints, written to a file that does not grow for ever.

tmux runs this file by itself, as a program without the rest of mas, one for each pane that is recorded. It reads until
the pane is gone, also where nothing can be written: what a pane prints must never wait for a disk.
"""

import os
import sys
from pathlib import Path

CAP = 8 * 1024 * 1024
"""Bytes after which a log gets the ending ``.1``, in the place of an older one, and begins anew."""

_CHUNK = 1 << 16


def command(log: Path) -> str:
    """What ``pipe-pane`` is told to run. The path is hexadecimal, so no shell, format or clock reads anything in it."""
    import shlex  # noqa: PLC0415  who records does without

    words = f"exec {shlex.quote(sys.executable)} -I -S {shlex.quote(__file__)} {os.fsencode(log).hex()}"
    return words.replace("#", "##").replace("%", "%%")


def record(source: int, log: Path, cap: int = CAP) -> None:
    """Append what comes from a descriptor to a log until its end."""
    while data := os.read(source, _CHUNK):
        try:
            _append(log, data, cap)
        except OSError:  # a full disk, a workspace that was removed
            continue


def _append(log: Path, data: bytes, cap: int) -> None:
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, data)
        size = os.fstat(file).st_size
    finally:
        os.close(file)
    if size >= cap:
        log.replace(f"{log}.1")


if __name__ == "__main__":
    record(0, Path(os.fsdecode(bytes.fromhex(sys.argv[1]))))
