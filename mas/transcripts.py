"""What the panes of agents printed, where that is kept: the newest lines of it, and what comes.

A log is bytes as a terminal gets them. ``plain`` makes them readable for a person.
"""

import os
import re
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from mas import teamfile
from mas.errors import NotFoundError
from mas.following import LOOK

if TYPE_CHECKING:
    from mas.app import Mas

_CHUNK = 1 << 16
_LONGEST = 1 << 20
"""Bytes of a line that nobody has ended yet; a full-screen program may never end one."""

_ESCAPES = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]|[\x00-\x07\x0e-\x1a]", re.DOTALL
)
_ERASED = re.compile(rb"[^\n]*\r(?!\n)")


def find(mas: "Mas", session_id: str, agent_id: str) -> "Transcript":
    """What an agent's pane printed, nothing as yet if need be.

    Raises RefusedError for an unknown agent, NotFoundError where none is kept.
    """
    team, _ = teamfile.stored_team(mas, session_id)
    log = mas.root.session(session_id).agent_log(team.agent(agent_id.removeprefix("agent-")).id)
    if not team.log and not log.is_file() and not Path(f"{log}.1").is_file():
        hint = "`mas start --log` keeps one, or log = true in the template's team.toml"
        raise NotFoundError(f"what agent {agent_id} prints is not kept", hint=hint)
    return Transcript(log)


class Transcript:
    """The log of an agent while it grows."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._file, self._offset = 0, 0

    def last(self, lines: int) -> bytes:
        """The last so many lines, the older part included."""
        kept: deque[bytes] = deque(maxlen=lines)
        for path in (Path(f"{self._log}.1"), self._log):
            with suppress(FileNotFoundError), path.open("rb") as file:
                while line := file.readline(_LONGEST):
                    kept.append(line)
                self._file, self._offset = os.fstat(file.fileno()).st_ino, file.tell()
        return b"".join(kept)

    def more(self) -> Iterator[bytes]:
        """What came since the last time, also after the log has begun anew."""
        while (file := self._next()) is not None:
            with file:
                self._file = os.fstat(file.fileno()).st_ino
                file.seek(self._offset)
                while data := file.read(_CHUNK):
                    self._offset += len(data)
                    yield data
                if self._file == _inode(self._log):
                    return
            self._file, self._offset = 0, 0

    def _next(self) -> IO[bytes] | None:
        """The file that was read last, by whatever name it has now; else the log."""
        older = Path(f"{self._log}.1")
        path = older if self._file and self._file == _inode(older) else self._log
        with suppress(FileNotFoundError):
            return path.open("rb")
        return None


def _inode(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.stat().st_ino
    return 0


def follow(transcript: Transcript) -> Iterator[bytes]:
    """What is appended from now on; does not end by itself."""
    while True:
        yield from transcript.more()
        time.sleep(LOOK)


def plain(data: bytes) -> str:
    """Lines without what moves the cursor and colours them; of a line that was drawn over only the last is left."""
    return _ERASED.sub(b"", _ESCAPES.sub(b"", data)).decode("utf-8", "replace").replace("\r\n", "\n")
