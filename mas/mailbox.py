"""The messages of one session on disk: ``messages.jsonl``, and a file of its own for each long text."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from mas import directories, files, lines
from mas.clock import utc_now
from mas.messages import FATE, INLINE_BYTES, MESSAGE, Fate, Message, fate_data, fold_messages
from mas.paths import Root
from mas.replay import Entry

LOG = "messages.jsonl"
TEXTS = "messages"
"""Directory of the long texts."""


class Mailbox:
    """Every message of a session and its fate. Writers take the session's lock for the moment of writing."""

    def __init__(self, root: Root, session_id: str) -> None:
        self._root = root
        self._paths = root.session(session_id)
        self._lock = root.lock(session_id)

    def lock_of(self, agent_id: str) -> Path:
        """Lock file that one sender at a time holds while it types to an agent."""
        return self._paths.directory / f".agent-{agent_id}.lock"

    def accept(self, message: Message) -> Message:
        """Record a message, durably, before anything of it is typed."""
        if len(message.text.encode()) > INLINE_BYTES:
            message = replace(message, file=self._save(message))
        self._append([(MESSAGE, message.to_data())])
        return message

    def settle(self, message_id: str, agent_id: str, fate: Fate) -> None:
        """Record what became of a message to one agent."""
        self._append([(FATE, fate_data(message_id, agent_id, fate))])

    def settle_all(self, fates: Sequence[tuple[str, str, Fate]]) -> None:
        """Record what became of several messages at once."""
        if fates:
            self._append([(FATE, fate_data(*one)) for one in fates])

    def messages(self) -> dict[str, Message]:
        """All messages in the order they were recorded, long texts included."""
        return {key: self._with_text(message) for key, message in fold_messages(self.records()).items()}

    def records(self, since: int = 0) -> Iterator[lines.Line]:
        """The lines of the log with a number above ``since``. One that cannot be read says nothing of the others."""
        with suppress(FileNotFoundError), files.directory(self._paths.directory) as fd:
            for raw in files.read_from(fd, LOG, 0):
                line = _decoded(raw)
                if line and line.seq > since:
                    yield line

    def _append(self, entries: Sequence[Entry]) -> None:
        with files.lock(self._lock), files.directory(self._paths.directory) as fd:
            size, seq, crc = self._end(fd)
            grown = b""
            for kind, data in entries:
                seq += 1
                raw = lines.encode(lines.Line(seq, utc_now(), kind, data, crc, ""))
                grown, crc = grown + raw, lines.crc_of(raw)
            files.append(fd, LOG, grown, at=size)

    def _end(self, fd: int) -> tuple[int, int, str]:
        """Where the log ends: bytes, number and crc of the last whole line. What is behind it is saved and cut."""
        total = files.size_of(fd, LOG) or 0
        start = max(0, total - 2 * lines.MAX_BYTES)
        raws = files.read_from(fd, LOG, start) if total else iter(())
        size, seq, crc = start + (len(next(raws)) if start else 0), 0, lines.GENESIS
        at = size
        for raw in raws:
            at += len(raw)
            if line := _decoded(raw):
                size, seq, crc = at, line.seq, line.crc
        if size < total:
            files.keep(self._paths.quarantine, f"{LOG}.tail", b"".join(files.read_from(fd, LOG, size)))
            files.cut(fd, LOG, size)
        return size, seq, crc

    def _save(self, message: Message) -> str:
        name = f"{message.id}.txt"
        place = self._paths.directory / TEXTS
        directories.make_directory(place, 0o700)
        with files.directory(place) as fd:
            files.replace(fd, name, message.text.encode(), durable=True)
        return name

    def _with_text(self, message: Message) -> Message:
        if not message.file:
            return message
        with files.directory(self._paths.directory / TEXTS) as fd:
            return replace(message, text=files.read(fd, message.file).decode())


def _decoded(raw: bytes) -> lines.Line | None:
    try:
        return lines.decode(raw) if raw.endswith(b"\n") else None
    except lines.BadLineError:
        return None
