"""From a log to a record, and from new records to the bytes that a log grows by. Pure.

A log is read line by line, never as a whole, so memory stays flat whatever its length.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mas import lines
from mas.errors import RefusedError
from mas.record import CREATED, SALVAGED, Document, broken_invariant, fold

Entry = tuple[str, Mapping[str, Any]]
"""Type and data of a record that is to be written."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What a storage holds of a session.

    ``size`` bytes of the log, the last line of which has ``crc``, fold to ``document``. The rest says what a reader
    may pass over and a writer must see to first.
    """

    document: Document
    size: int = 0
    crc: str = lines.GENESIS
    torn: int = 0
    """Bytes behind the last whole record: a write that was cut off, or one in progress."""
    damage: str = ""
    """Where the log is broken; nothing is written before it was mended."""
    edited: Mapping[str, Any] | None = None
    """Changes that another program made to the snapshot, already part of ``document``."""
    rejected: bool = False
    """The snapshot holds something that cannot be taken over; it is set aside, the log holds."""
    stale: bool = False
    """The snapshot lags behind the log, or is missing."""
    logged: bool = True
    """Whether the session has a log; an older program's has none."""
    newer: bool = False
    """A newer program wrote it: to be read, not written."""


@dataclass(frozen=True, slots=True)
class Replay:
    """Where reading a log came to. ``bad`` is why it stopped before the end, ``lost`` whether good lines follow."""

    document: Document | None
    size: int
    crc: str
    bad: str = ""
    lost: bool = False


def replay(raws: Iterable[bytes], document: Document | None = None, size: int = 0, crc: str = lines.GENESIS) -> Replay:
    """Fold the lines of a log into a record, beginning from one that already holds the first ``size`` bytes."""
    rest = iter(raws)
    for raw in rest:
        try:
            line = check(raw, document, crc)
        except lines.BadLineError as error:
            seq = int(document["rev"]) + 1 if document else 1
            return Replay(document, size, crc, f"record {seq} at byte {size}: {error}", any(map(_is_line, rest)))
        document = fold(document, line.type, line.data, line.seq, line.ts)
        size, crc = size + len(raw), line.crc
    return Replay(document, size, crc)


def check(raw: bytes, document: Document | None, crc: str) -> lines.Line:
    """The line of these bytes where it is whole and follows the record; raises BadLineError where not."""
    if not raw.endswith(b"\n"):
        msg = "no end of line"
        raise lines.BadLineError(msg)
    line = lines.decode(raw)
    if line.prev != crc or not _follows(line, document):
        msg = "it does not follow the record before it"
        raise lines.BadLineError(msg)
    return line


def _follows(line: lines.Line, document: Document | None) -> bool:
    if document is None:
        return line.type == CREATED
    following = int(document["rev"]) + 1
    return line.type != CREATED and (line.seq == following or (line.type == SALVAGED and line.seq > following))


def _is_line(raw: bytes) -> bool:
    try:
        lines.decode(raw)
    except lines.BadLineError:
        return False
    return True


def since(raws: Iterable[bytes], seq: int) -> Iterator[lines.Line]:
    """The lines of a log after number ``seq``, up to the first that is not whole."""
    for raw in raws:
        if not raw.endswith(b"\n"):
            return
        try:
            line = lines.decode(raw)
        except lines.BadLineError:
            return
        if line.seq > seq:
            yield line


def extend(stored: Stored | None, entries: Sequence[Entry], now: str) -> tuple[bytes, Stored]:
    """The bytes that a log grows by and what it then folds to.

    Raises RefusedError for a record that is too long, or one that would break a rule between status and data.
    """
    document = stored.document if stored and stored.logged else None
    size, crc = (stored.size, stored.crc) if stored else (0, lines.GENESIS)
    grown = b""
    for kind, data in entries:
        seq = int(document["rev"]) + 1 if document else 1
        raw = lines.encode(lines.Line(seq, now, kind, data, crc, ""))
        document = fold(document, kind, data, seq, now)
        grown, crc = grown + raw, lines.crc_of(raw)
    if document is None:
        msg = "a log begins with a record"
        raise RefusedError(msg)
    if broken := broken_invariant(document):
        raise RefusedError(broken)
    return grown, Stored(document, size + len(grown), crc)
