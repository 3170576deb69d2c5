"""A session's log and its snapshot, in the session's open directory: read together, and grown.

The log is the truth, the snapshot says how far it was taken into account. Readers write nothing and wait for nobody.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress

from mas import files, lines, replay, snapshots
from mas.errors import DamagedError, MasError
from mas.record import IMPORTED, SCHEMA, Document, fold
from mas.replay import Entry, Stored

LOG = "events.jsonl"
SNAPSHOT = "metadata.json"

_BLOCK = 16 * 1024
_LONGEST = lines.MAX_WHOLE_BYTES


def read(fd: int, session_id: str) -> Stored:
    """What a session's directory holds. Raises FileNotFoundError where it is no session's, DamagedError."""
    stored = _read(fd, session_id)
    return _read(fd, session_id) if stored.damage else stored  # a log that is being mended looks broken for a moment


def examine(fd: int, session_id: str) -> Stored:
    """The same, the whole log looked at: damage is found also where the snapshot makes reading it needless."""
    stored = read(fd, session_id)
    if stored.damage or not stored.logged:
        return stored
    done = replay.replay(_lines_from(fd, 0))
    return stored._replace(damage=f"{LOG}: {done.bad}") if done.size < stored.size else stored


def _read(fd: int, session_id: str) -> Stored:
    snapshot = _snapshot(fd)
    size = files.size_of(fd, LOG)
    if snapshot and snapshot.sound and snapshot.size == size is not None:
        stored = Stored(snapshot.document, size, snapshot.crc, newer=snapshot.schema > SCHEMA)
    elif size is None:
        stored = _without_log(fd, snapshot, session_id)
    else:
        stored = _caught_up(fd, snapshot, size, session_id)
    if stored.document.get("session_id") != session_id:
        raise _unreadable(session_id, "it describes another session")
    return stored


def _snapshot(fd: int) -> snapshots.Snapshot | None:
    try:
        return snapshots.decode(files.read(fd, SNAPSHOT))
    except FileNotFoundError:
        return None


def _without_log(fd: int, snapshot: snapshots.Snapshot | None, session_id: str, torn: int = 0) -> Stored:
    """A record that an older program wrote; ``torn`` bytes are the beginning of a log that was cut off."""
    if snapshot is None:
        if not torn and files.size_of(fd, SNAPSHOT) is None:
            raise FileNotFoundError(session_id)
        raise _unreadable(session_id, f"neither {LOG} nor {SNAPSHOT} holds a record")
    if snapshot.size is not None and snapshot.sound:
        return Stored(snapshot.document, snapshot.size, snapshot.crc, damage=f"{LOG} is missing")
    try:
        from mas import foreign  # noqa: PLC0415  nobody else writes here most of the time

        document = foreign.adopt(snapshot.document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unreadable(session_id, f"{SNAPSHOT} describes no session ({type(error).__name__})") from None
    return Stored(document, torn=torn, logged=False, newer=snapshot.schema > SCHEMA)


def _caught_up(fd: int, snapshot: snapshots.Snapshot | None, size: int, session_id: str) -> Stored:
    if snapshot and snapshot.sound and snapshot.size is not None:
        if size < snapshot.size:
            damage = f"{LOG} holds {size} bytes, its snapshot stands at {snapshot.size}"
            return Stored(snapshot.document, snapshot.size, snapshot.crc, damage=damage)
        done = replay.replay(_lines_from(fd, snapshot.size), snapshot.document, snapshot.size, snapshot.crc)
    else:
        done = replay.replay(_lines_from(fd, 0))
    if done.document is None:
        if snapshot and not done.lost:
            return _without_log(fd, snapshot, session_id, torn=size)
        raise _unreadable(session_id, done.bad or f"{LOG} is empty")
    newer = done.newer or bool(snapshot and snapshot.schema > SCHEMA)
    base = Stored(
        done.document,
        done.size,
        done.crc,
        torn=0 if done.lost or newer else size - done.size,
        damage=f"{LOG}: {done.bad}" if done.lost and not newer else "",
        stale=True,
        newer=newer,
    )
    return base if snapshot is None or snapshot.sound or newer else _with_edit(base, snapshot.document)


def _with_edit(base: Stored, edited: Document) -> Stored:
    from mas import foreign  # noqa: PLC0415  see above

    data = foreign.imported(base.document, edited)
    if data is None:
        return base._replace(rejected=True)
    if not data["set"] and not data["unset"]:
        return base
    rev = base.document["rev"]
    document = fold(base.document, IMPORTED, data, rev, base.document.get("updated_at", ""))
    return base._replace(document=document, edited=data)


def mends(session_id: str) -> str:
    """What helps where the log of a session is damaged."""
    return f"`mas doctor --fix {session_id[:8]}` mends it; without --fix it shows how"


def _unreadable(session_id: str, why: str) -> DamagedError:
    return DamagedError(
        f"session {session_id} cannot be read: {why}", hint=f"`mas doctor {session_id}` shows what is left"
    )


# --- growing ---


def append(fd: int, stored: Stored, entries: Sequence[Entry], now: str) -> Stored:
    """Add records to the log, durably and together. What another program put into the snapshot goes before them.

    Where the snapshot cannot follow, the log holds all the same, and what is returned says that it is ``stale``.
    """
    edit: list[Entry] = [] if stored.edited is None else [(IMPORTED, stored.edited)]
    raw, grown = replay.extend(stored, [*edit, *entries], now)
    files.append(fd, LOG, raw, at=stored.size, tail=lines.end_of(stored.crc) if stored.size else b"")
    with suppress(MasError):
        save_snapshot(fd, grown)
        return grown
    return grown._replace(stale=True)


def save_snapshot(fd: int, stored: Stored) -> None:
    """Make the snapshot say what the log folds to."""
    files.replace(fd, SNAPSHOT, snapshots.encode(stored.document, stored.size, stored.crc))


# --- the log's lines ---


def records(fd: int, session_id: str, since: int) -> Iterator[lines.Line]:
    """The records after number ``since``, in order, up to the end or a torn tail; raises DamagedError at a bad one."""
    snapshot = _snapshot(fd)
    size = files.size_of(fd, LOG)
    if size is None:
        return
    acknowledged = snapshot.size if snapshot and snapshot.sound and snapshot.size is not None else 0
    offset, seq, crc = _place_before(fd, since, size)
    raws = _lines_from(fd, offset)
    try:
        for batch, length in replay.appends(raws, seq, crc):
            offset += length
            yield from (line for line in batch if line.seq > since)
    except lines.BadLineError as error:
        if offset < acknowledged or replay.any_whole(raws):
            msg = f"{LOG} is damaged at byte {offset}: {error}"
            raise DamagedError(msg, hint=mends(session_id)) from None


def _place_before(fd: int, since: int, size: int) -> tuple[int, int | None, str]:
    """A byte offset where an append begins, with number and crc of the line before it, not after number ``since``.

    It is looked for from the end, since those who follow a log ask for little.
    """
    length = _BLOCK
    while since > 0 and length < size:
        start = size - length
        for at, raw in _whole_lines(files.read_part(fd, LOG, start, length), start):
            try:
                line = lines.decode(raw)
            except lines.BadLineError:
                break
            if line.seq > since:
                break
            if not line.more:
                return at + len(raw), line.seq, line.crc
        length *= 4
    return 0, None, lines.GENESIS


def _whole_lines(block: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    """The lines that begin and end in a block, each with its offset in the file."""
    at = block.find(b"\n") + 1
    while at and (end := block.find(b"\n", at) + 1):
        yield start + at, block[at:end]
        at = end


def _lines_from(fd: int, offset: int) -> Iterator[bytes]:
    return files.read_from(fd, LOG, offset, _LONGEST)
