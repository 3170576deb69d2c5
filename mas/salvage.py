"""Giving up what is broken in a log to make a session writable again. Only done for a session that was named.

What can be read stays: the good beginning of the log, and the newest record known, from the snapshot where it is whole.
The damaged log is kept in the session's quarantine.
"""

from mas import files, lines, logbook, replay
from mas.clock import utc_now
from mas.errors import DamagedError
from mas.filestore import FileStorage
from mas.logbook import LOG
from mas.record import CREATED, SALVAGED, Document
from mas.replay import Stored


def salvage(storage: FileStorage, session_id: str) -> Stored:
    """Make the log whole again, giving up its damaged part; the caller holds the lock. A sound one is left alone."""
    stored = storage.examine(session_id)
    if not stored.damage:
        return stored
    paths = storage.root.session(session_id)
    with files.directory(paths.directory) as fd:
        good = replay.Replay(None, 0, lines.GENESIS)
        if files.size_of(fd, LOG) is not None:
            good = replay.replay(files.read_from(fd, LOG, 0))
            files.keep(paths.quarantine, LOG, files.read(fd, LOG))
        log = _beginning(fd, good) + _jump(good, stored.document)
        files.replace(fd, LOG, log, durable=True)
        done = replay.replay(files.read_from(fd, LOG, 0))
        if done.document is None or done.bad:
            msg = f"session {session_id} cannot be salvaged: {done.bad}"
            raise DamagedError(msg, hint=f"its files are in {paths.quarantine}")
        mended = Stored(done.document, done.size, done.crc)
        logbook.save_snapshot(fd, mended)
    return mended


def _beginning(fd: int, good: replay.Replay) -> bytes:
    return files.read(fd, LOG)[: good.size] if good.size else b""


def _jump(good: replay.Replay, newest: Document) -> bytes:
    """The record that leads from the good beginning to the newest record known; it may leave numbers out."""
    kind = SALVAGED if good.document else CREATED
    data = {name: value for name, value in newest.items() if name != "rev"}
    seq = max(newest["rev"], good.document["rev"] if good.document else 0) + 1
    line = lines.Line(seq, utc_now(), kind, data, good.crc, "")
    return lines.encode(line, lines.MAX_WHOLE_BYTES)
