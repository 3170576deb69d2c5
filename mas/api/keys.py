"""Idempotency keys: a start that is asked for twice under one key happens once, whatever became of the first answer.

Before a team is made the key is written down with the id it will have; afterwards with the answer. Both survive the
server. A retry gets the answer again; one that comes after a crash finishes what the first had begun.
"""

import asyncio
import hashlib
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from mas import files
from mas.api import presence
from mas.api.refusals import HttpError, bad_request
from mas.paths import Root

KEPT = 24 * 3600
"""Seconds for which an answer is kept."""

_PRUNING = 3600
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a key: which request it stands for, which session it makes, and the answer once there is one.

    ``before`` is the launch that the session's record named when the request came, where there was a record.
    """

    request: str
    session_id: str
    at: float
    answer: Mapping[str, Any] = field(default_factory=dict)
    before: str = ""


class Keys:
    """The keys of one root. Methods but ``holding`` block."""

    def __init__(self, root: Root, clock: Callable[[], float] = time.time) -> None:
        self._root = root
        self._clock = clock
        self._pruned = -float(_PRUNING)
        self._held: dict[str, asyncio.Lock] = {}

    @asynccontextmanager
    async def holding(self, key: str) -> AsyncIterator[None]:
        """Keep others with the same key waiting; raises HttpError for what is no key."""
        if not _KEY.fullmatch(key):
            raise bad_request("Idempotency-Key is no key", hint="1 to 255 printable ASCII characters without spaces")
        lock = self._held.setdefault(key, asyncio.Lock())
        async with lock:
            try:
                yield
            finally:
                if not lock._waiters:  # noqa: SLF001
                    self._held.pop(key, None)

    def find(self, key: str, request: str) -> Entry | None:
        """What is known of a key; raises HttpError where it stands for another request."""
        with presence.opened(self._root, presence.KEYS) as fd:
            try:
                found = Entry(**json.loads(files.read(fd, _name(key))))
            except (FileNotFoundError, ValueError, TypeError):
                return None
        if self._clock() - found.at > KEPT:
            return None
        if found.request != request:
            msg = "this Idempotency-Key was used for another request"
            raise HttpError(409, "key_reused", msg, hint="take a new key for a new request")
        return found

    def begin(self, key: str, request: str, session_id: str, before: str = "") -> None:
        """Write down, durably, which session a key is about to make, or to take up from where it stands."""
        self._put(key, Entry(request, session_id, self._clock(), before=before))

    def finish(self, key: str, request: str, answer: Mapping[str, Any]) -> None:
        """Write down, durably, what was answered."""
        self._put(key, Entry(request, answer["sessionId"], self._clock(), answer))
        self.prune()

    def forget(self, key: str) -> None:
        """Let a key be used again: nothing was made."""
        with presence.opened(self._root, presence.KEYS) as fd:
            files.remove(fd, _name(key))

    def _put(self, key: str, entry: Entry) -> None:
        with presence.opened(self._root, presence.KEYS) as fd:
            files.replace(fd, _name(key), json.dumps(asdict(entry)).encode("ascii"), durable=True)

    def prune(self) -> None:
        """Drop what is older than KEPT, at most once an hour."""
        now = time.monotonic()
        if now - self._pruned < _PRUNING:
            return
        self._pruned = now
        place = presence.directory(self._root) / presence.KEYS
        with suppress(FileNotFoundError):
            old = [path for path in place.iterdir() if self._clock() - path.lstat().st_mtime > KEPT]
            for path in old:
                path.unlink(missing_ok=True)


def digest(request: Mapping[str, Any]) -> str:
    """What a request amounts to, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode("ascii")).hexdigest()


def _name(key: str) -> str:
    return f"{hashlib.sha256(key.encode()).hexdigest()}.json"
