"""The messages of one session on disk: ``messages.jsonl``, and a file of its own for each long text.

Beside the log stands ``messages.open``, which says where in it the messages are that still wait: a sender reads these
and what came later, however long the log has grown. Where it does not fit the log it is made again.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from mas import directories, files, lines
from mas.clock import utc_now
from mas.errors import DamagedError
from mas.lines import Line
from mas.messages import (
    FATE,
    INLINE_BYTES,
    MESSAGE,
    Fate,
    Message,
    Outcome,
    fate_data,
    fold_messages,
    is_open,
    unentered,
)
from mas.paths import Root
from mas.replay import Entry
from mas.structs import Frozen, replace

LOG = "messages.jsonl"
OPEN = "messages.open"
TEXTS = "messages"
"""Directory of the long texts."""

NOTED_EVERY = 256 * 1024
"""Bytes by which the log may grow before it is noted anew where its open messages are."""


class _Note(Frozen):
    """Where the log was read to, the crc of the line that ends there, and the open messages: place, agent, fate."""

    size: int = 0
    crc: str = lines.GENESIS
    waiting: tuple[tuple[int, tuple[tuple[str, Outcome, str], ...]], ...] = ()


class Mailbox:
    """Every message of a session and its fate. Writers take a lock of the log's own for the moment of writing."""

    def __init__(self, root: Root, session_id: str) -> None:
        self._paths = root.session(session_id)
        self._lock = self._paths.directory / ".messages.lock"
        self._begun, self._read = _Note(), _Note()

    def lock_of(self, agent_id: str) -> Path:
        """Lock file that one sender at a time holds while it types to an agent."""
        return self._paths.directory / f".agent-{agent_id}.lock"

    @property
    def lock_of_courier(self) -> Path:
        """Lock file of the one process that delivers what waits."""
        return self._paths.directory / ".courier.lock"

    # --- writing ---

    def accept(self, *messages: Message) -> None:
        """Record messages and the fates they have already, durably, before anything of them is typed."""
        entries: list[Entry] = []
        for message in messages:
            if len(message.text.encode()) > INLINE_BYTES:
                message = message._replace(file=self._save(message))  # noqa: PLW2901  the same, kept elsewhere
            entries.append((MESSAGE, message.to_data()))
            entries += [(FATE, fate_data(message.id, *one)) for one in message.fates.items()]
        self._append(entries)
        if self._read.size > self._begun.size + NOTED_EVERY:
            self._note()

    def settle(self, fates: Sequence[tuple[str, str, Fate]]) -> None:
        """Record what became of messages to agents."""
        if fates:
            self._append([(FATE, fate_data(*one)) for one in fates])

    def mend(self) -> None:
        """Cut off what a writer did not finish, and take out what cannot be read; all of it is saved first."""
        self._append([])
        with files.directory(self._paths.directory) as fd, files.lock(self._lock, inside=True):
            found = [(raw, line) for _, raw, line in _read(fd, 0)]
            if not all(line for _, line in found):
                files.keep(self._paths.quarantine, LOG, b"".join(raw for raw, _ in found))
                files.replace(fd, LOG, b"".join(raw for raw, line in found if line), durable=True)

    # --- reading ---

    def size(self) -> int:
        """How long the log is: where that has not changed, nothing else has."""
        try:
            return self._paths.messages.stat().st_size
        except FileNotFoundError:
            return 0

    def open(self) -> dict[str, Message]:
        """The messages that wait, those without a fate, and those whose texts may lie in an agent's input still.

        Long texts are left out.
        """
        with suppress(FileNotFoundError), files.directory(self._paths.directory) as fd:
            places: dict[str, int] = {}
            recent = fold_messages(self._recent(fd, places))
            left = {one.id for some in unentered(recent).values() for one in some}
            found = {key: one for key, one in recent.items() if is_open(one) or key in left}
            waiting = ((places[key], tuple((a, *_pair(f)) for a, f in one.fates.items())) for key, one in found.items())
            self._read = replace(self._read, waiting=tuple(waiting))
            return found
        return {}

    def messages(self, newest: int | None = None) -> dict[str, Message]:
        """All messages in the order they were recorded, or only the newest so many, with their texts."""
        found = [*fold_messages(self.records()).values()]
        first = 0 if newest is None else max(0, len(found) - newest)
        return {one.id: self._told(one) for one in found[first:]}

    def records(self, since: int = 0) -> Iterator[Line]:
        """The lines of the log with a number above ``since``. One that cannot be read says nothing of the others."""
        with suppress(FileNotFoundError), files.directory(self._paths.directory) as fd:
            yield from (line for _, _, line in _read(fd, 0) if line and line.seq > since)

    def with_text(self, message: Message) -> Message:
        """The message with its text, wherever that is kept. Raises DamagedError where it is gone."""
        if not message.file:
            return message
        try:
            with files.directory(self._paths.directory / TEXTS) as fd:
                return message._replace(text=files.read(fd, message.file).decode())
        except (FileNotFoundError, UnicodeDecodeError):
            raise DamagedError(f"the text of message {message.id} is gone", hint="send it again") from None

    def unreadable(self) -> int:
        """Bytes of the log that say nothing: a writer did not finish them, or they were changed since."""
        with suppress(FileNotFoundError), files.directory(self._paths.directory) as fd:
            return sum(len(raw) for _, raw, line in _read(fd, 0) if line is None)
        return 0

    def _told(self, message: Message) -> Message:
        try:
            return self.with_text(message)
        except DamagedError as error:
            return message._replace(text=f"({error.message})")

    def _recent(self, fd: int, places: dict[str, int]) -> Iterator[Line]:
        """The lines that tell of open messages, and where those stand."""
        note = self._begun = self._noted(fd)
        for place, fates in note.waiting:
            for _, _, kept in islice(_read(fd, place), 1):
                if kept:
                    places[kept.data["id"]] = place
                    yield kept
                    yield from (kept._replace(type=FATE, data=_fate_of(kept, *fate)) for fate in fates)
        self._read = note
        for end, raw, line in _read(fd, note.size):
            if line:
                if line.type == MESSAGE:
                    places[line.data["id"]] = end - len(raw)
                self._read = _Note(end, line.crc)
                yield line

    def _noted(self, fd: int) -> _Note:
        """The note, where it fits the log; else an empty one, and all of the log is read."""
        with suppress(FileNotFoundError, ValueError, KeyError, TypeError):
            kept = json.loads(files.read(fd, OPEN))
            waiting = tuple((int(place), tuple((a, o, r) for a, o, r in fates)) for place, fates in kept["waiting"])
            note = _Note(int(kept["size"]), str(kept["crc"]), waiting)
            end = lines.end_of(note.crc)
            if files.read_part(fd, LOG, note.size - len(end), len(end)) == end:
                return note
        return _Note()

    def _note(self) -> None:
        with files.directory(self._paths.directory) as fd:
            kept = {"size": self._read.size, "crc": self._read.crc, "waiting": self._read.waiting}
            files.replace(fd, OPEN, json.dumps(kept).encode())

    def _append(self, entries: Sequence[Entry]) -> None:
        with files.directory(self._paths.directory) as fd, files.lock(self._lock, inside=True):
            size, seq, crc = self._end(fd)
            self._cut(fd, size)
            grown = b""
            for kind, data in entries:
                seq += 1
                raw = lines.encode(Line(seq, utc_now(), kind, data, crc, ""))
                grown, crc = grown + raw, lines.crc_of(raw)
            if grown:
                files.append(fd, LOG, grown, at=size)

    def _end(self, fd: int) -> tuple[int, int, str]:
        """Where the log ends: bytes, number and crc of the last whole line."""
        total, look_back = files.size_of(fd, LOG) or 0, 2 * lines.MAX_BYTES
        while total:
            end, start = total, max(0, total - look_back)
            for raw in reversed(list(files.read_from(fd, LOG, start))):
                if line := _decoded(raw):
                    return end, line.seq, line.crc
                end -= len(raw)
            if not start:
                break
            look_back *= 8
        return 0, 0, lines.GENESIS

    def _cut(self, fd: int, size: int) -> None:
        if size < (files.size_of(fd, LOG) or 0):
            files.keep(self._paths.quarantine, f"{LOG}.tail", b"".join(files.read_from(fd, LOG, size)))
            files.cut(fd, LOG, size)

    def _save(self, message: Message) -> str:
        name = f"{message.id}.txt"
        with files.directory(self._paths.directory) as above:
            directories.make_child(above, TEXTS)
            with files.directory(TEXTS, above) as fd:
                files.replace(fd, name, message.text.encode(), durable=True)
        return name


def _read(fd: int, start: int) -> Iterator[tuple[int, bytes, Line | None]]:
    """Line by line from a place: where it ends, its bytes, and what it says; None for one that cannot be read."""
    end = start
    with suppress(FileNotFoundError):
        for raw in files.read_from(fd, LOG, start):
            end += len(raw)
            yield end, raw, _decoded(raw)


def _fate_of(line: Line, agent_id: str, outcome: Outcome, reason: str) -> dict[str, str]:
    return fate_data(line.data["id"], agent_id, Fate(outcome, reason))


def _pair(fate: Fate) -> tuple[Outcome, str]:
    return fate.outcome, fate.reason


def _decoded(raw: bytes) -> Line | None:
    try:
        return lines.decode(raw) if raw.endswith(b"\n") else None
    except lines.BadLineError:
        return None
