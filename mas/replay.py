"""From a log to a record, and from new records to the bytes that a log grows by. Pure.

A log is read line by line, never as a whole, so memory stays flat whatever its length.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mas import events, lines
from mas.errors import RefusedError
from mas.fields import check_record
from mas.record import CREATED, SALVAGED, WHOLE, Document, broken_invariant, fold
from mas.session import check_document
from mas.structs import Frozen, replace

Entry = tuple[str, Mapping[str, Any]]
"""Type and data of a record that is to be written."""


class Stored(NamedTuple):
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
    """Changes that another program made to the snapshot: already part of ``document``, not yet of the log."""
    rejected: bool = False
    """The snapshot holds something that cannot be taken over; it is set aside, the log holds."""
    stale: bool = False
    """The snapshot lags behind the log, or is missing."""
    logged: bool = True
    """Whether the session has a log; an older program's has none."""
    newer: bool = False
    """A newer program wrote it: to be read, not written."""
    mended: bool = False
    """Something had to be seen to before it could be written, so what was made from it may lag behind."""


class Replay(Frozen):
    """Where reading a log came to: ``size`` bytes, whose last line has ``crc``, fold to ``document``.

    ``bad`` is why it stopped before the end, ``lost`` whether whole lines follow, ``newer`` whether the line it stopped
    at is one that only a newer program understands.
    """

    document: Document | None
    size: int
    crc: str
    bad: str = ""
    lost: bool = False
    newer: bool = False


def replay(raws: Iterable[bytes], document: Document | None = None, size: int = 0, crc: str = lines.GENESIS) -> Replay:
    """Fold the lines of a log into a record, beginning from one that already holds the first ``size`` bytes."""
    rest = iter(raws)
    try:
        for batch, grown in appends(rest, int(document["rev"]) if document else None, crc):
            folded = document
            for line in batch:
                folded = _fold(folded, line)
            document, size, crc = folded, size + grown, batch[-1].crc
    except lines.BadLineError as error:
        bad = f"record {int(document['rev']) + 1 if document else 1} at byte {size}: {error}"
        return Replay(document, size, crc, bad, any_whole(rest), isinstance(error, lines.NewerLineError))
    return Replay(document, size, crc)


def appends(raws: Iterable[bytes], seq: int | None, crc: str) -> Iterator[tuple[list[lines.Line], int]]:
    """What was appended to a log after number ``seq``, whose line has that crc: the lines of each append, its bytes.

    A log begins with any number; so ``seq`` is None for the first line. Raises BadLineError at the first line that is
    not whole or does not follow, and at the end where an append was cut off between its lines.
    """
    batch: list[lines.Line] = []
    size = 0
    for raw in raws:
        line = _follow(raw, seq, crc)
        seq, crc, size = line.seq, line.crc, size + len(raw)
        batch.append(line)
        if not line.more:
            yield batch, size
            batch, size = [], 0
    if batch:
        msg = "the records that belong to it are missing"
        raise lines.BadLineError(msg)


def _follow(raw: bytes, seq: int | None, crc: str) -> lines.Line:
    if not raw.endswith(b"\n"):
        msg = "no end of line"
        raise lines.BadLineError(msg)
    line = lines.decode(raw)
    if line.prev != crc or type(line.seq) is not int or not _in_order(line, seq):
        msg = "it does not follow the record before it"
        raise lines.BadLineError(msg)
    return line


def _in_order(line: lines.Line, seq: int | None) -> bool:
    if seq is None:
        return line.seq >= 1
    return line.seq == seq + 1 or (line.type == SALVAGED and line.seq > seq)


def _fold(document: Document | None, line: lines.Line) -> Document:
    """A line of ours always folds; one that somebody else made may not."""
    if (document is None) != (line.type == CREATED):
        msg = f"a {line.type} record has no place here"
        raise lines.BadLineError(msg)
    try:
        folded = fold(document, line.type, line.data, line.seq, line.ts)
        if line.type in WHOLE:
            check_document(folded)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        msg = f"a {line.type} record that means nothing ({type(error).__name__})"
        raise lines.BadLineError(msg) from None
    return folded


def any_whole(raws: Iterable[bytes]) -> bool:
    """Whether there is a whole line among these: then what stands before them was not merely cut off."""
    return any(map(_is_whole, raws))


def _is_whole(raw: bytes) -> bool:
    try:
        lines.decode(raw)
    except lines.NewerLineError:
        pass
    except lines.BadLineError:
        return False
    return raw.endswith(b"\n")


def extend(stored: Stored | None, entries: Sequence[Entry], now: str, seq: int = 0) -> tuple[bytes, Stored]:
    """The bytes that a log grows by and what it then folds to; the records count together or not at all.

    They are numbered on, or from ``seq``. Raises RefusedError for a record that is too long, one that puts into the
    document what its schema forbids, or one that would break a rule between status and data.
    """
    document = stored.document if stored and stored.logged else None
    size, crc = (stored.size, stored.crc) if stored else (0, lines.GENESIS)
    first = seq or (int(document["rev"]) + 1 if document else 1)
    grown: list[bytes] = []
    for number, (kind, data) in enumerate(entries, first):
        line = lines.Line(number, now, kind, data, crc, "", more=number - first + 1 < len(entries))
        raw = lines.encode(line, lines.MAX_WHOLE_BYTES if kind in WHOLE else lines.MAX_BYTES)
        document = fold(document, kind, data, number, now)
        grown.append(raw)
        crc = lines.crc_of(raw)
    if document is None:
        msg = "a log begins with a record"
        raise RefusedError(msg)
    check_record(stored.document if stored else {}, document)
    if broken := broken_invariant(document):
        raise RefusedError(broken)
    raw = b"".join(grown)
    return raw, Stored(document, size + len(raw), crc)


def folded(log: Iterable[lines.Line]) -> Document | None:
    """The record that a whole log tells of, None where it is empty."""
    document: Document | None = None
    for line in log:
        document = fold(document, line.type, line.data, line.seq, line.ts)
    return document


def happened(log: Iterable[lines.Line]) -> Iterator[events.TimestampedEvent]:
    """The events among the lines of a log. What was written in pieces is put together, other records are left out."""
    pieces: list[Mapping[str, Any]] = []
    for line in log:
        if line.type == events.PORTION:
            pieces.append(line.data)
        elif line.type in events.TYPES:
            event = events.from_log(line.type, line.data)
            if isinstance(event, events.IterationCompleted) and pieces:
                event, pieces = replace(event, changes=event.changes.joined(pieces)), []
            yield events.TimestampedEvent(line.seq, line.ts, event)
