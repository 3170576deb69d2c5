"""Feeds: the records of a session as they come, for any number of readers at the cost of one.

One task a session looks ten times a second whether its log has grown, and only while somebody reads. What came last is
kept once for all readers, bounded; a reader that is further behind reads the log itself, a page at a time.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice

from mas.api.access import compact
from mas.api.work import Work
from mas.app import Mas
from mas.details import line_to_json
from mas.errors import MasError, NotFoundError
from mas.lines import Line

LOOK = 0.1
"""Seconds between two looks at a log."""

KEPT = 512
"""Records that are kept for readers that are a little behind."""

KEPT_BYTES = 1024 * 1024
PAGE = 256
PAGE_BYTES = 256 * 1024
"""Records, and bytes of them, that are read at once: each reader that is behind holds so many."""

PIECE = 64 * 1024
"""Bytes that are sent at once: so many wait for a client that does not read."""

Item = tuple[int, bytes]


def encoded(line: Line) -> Item:
    """A record as an event stream carries it: its number is the event's id, its JSON the event's data."""
    return line.seq, b"id: %d\ndata: %b\n\n" % (line.seq, compact(line_to_json(line)))


def paged(items: Iterable[Item]) -> Sequence[Item]:
    """The first of these records, a page of them, one at least."""
    page: list[Item] = []
    size = 0
    for item in islice(items, PAGE):
        page.append(item)
        size += len(item[1])
        if size >= PAGE_BYTES:
            break
    return page


@dataclass(eq=False)
class Feed:
    """The feed of one session. ``ended`` once there will be no more, since the session is gone."""

    session_id: str
    last: int = 0
    readers: int = 0
    ended: bool = False
    items: deque[Item] = field(default_factory=deque)
    size: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None

    def add(self, items: Sequence[Item]) -> None:
        """Keep records for the readers, and drop the oldest that do not fit."""
        self.items.extend(items)
        self.size += sum(len(data) for _, data in items)
        while len(self.items) > KEPT or self.size > KEPT_BYTES:
            self.size -= len(self.items.popleft()[1])
        self.last = items[-1][0]

    def tell(self) -> None:
        """Wake every reader."""
        self.news.set()
        self.news = asyncio.Event()

    def after(self, seq: int) -> Sequence[Item]:
        """A page of the kept records behind number ``seq``; none where some between them are not kept."""
        if not self.items or self.items[0][0] > seq + 1:
            return ()
        return paged(item for item in self.items if item[0] > seq)


class Feeds:
    """All feeds of a server."""

    def __init__(self, mas: Mas, work: Work) -> None:
        self._mas = mas
        self._work = work
        self._feeds: dict[str, Feed] = {}
        self._closing = False

    def close(self) -> None:
        """End every stream: the server is about to."""
        self._closing = True
        for feed in self._feeds.values():
            feed.tell()

    async def read(self, session_id: str, since: int, idle: float) -> AsyncGenerator[bytes, None]:
        """The encoded records behind number ``since`` as they come; empty bytes after ``idle`` seconds without any.

        Ends where the session is gone or cannot be read, or the server is about to.
        """
        async with self._joined(session_id) as feed:
            while not (feed.ended or self._closing):
                if since < feed.last:
                    try:
                        items = feed.after(since) or await self._page(session_id, since)
                    except MasError:  # the reader comes again, and is told then
                        return
                    since = items[-1][0] if items else feed.last
                    data = b"".join(data for _, data in items)
                    del items
                    for begin in range(0, len(data), PIECE):
                        yield data[begin : begin + PIECE]
                elif not await _waited(feed.news, idle):
                    yield b""

    @asynccontextmanager
    async def _joined(self, session_id: str) -> AsyncIterator[Feed]:
        feed = self._feeds.get(session_id)
        if feed is None or feed.ended:
            feed = self._feeds[session_id] = Feed(session_id)
            feed.task = asyncio.create_task(self._watch(feed))
        feed.readers += 1
        try:
            yield feed
        finally:
            feed.readers -= 1
            if not feed.readers and self._feeds.get(session_id) is feed:
                del self._feeds[session_id]  # its task ends by itself

    async def _watch(self, feed: Feed) -> None:
        """Look for what is new until nobody reads, or the session is gone."""
        position = None
        while self._feeds.get(feed.session_id) is feed and not self._closing:
            try:
                found = await self._work.do(lambda: self._mas.storage.position(feed.session_id))
                if found != position:
                    await self._grow(feed)
                    position = found
            except NotFoundError:
                feed.ended = True
                feed.tell()
                return
            except MasError:  # what cannot be read now is looked at again
                position = None
            await asyncio.sleep(LOOK)

    async def _grow(self, feed: Feed) -> None:
        if not feed.last:
            document = await self._work.do(lambda: self._mas.storage.read(feed.session_id).document)
            feed.last = document.get("rev", 0)
            feed.tell()
        while items := await self._page(feed.session_id, feed.last):
            feed.add(items)
            feed.tell()

    async def _page(self, session_id: str, since: int) -> Sequence[Item]:
        def read() -> Sequence[Item]:
            return paged(encoded(line) for line in self._mas.storage.records(session_id, since))

        return await self._work.do(read)


async def _waited(news: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await news.wait()
    except TimeoutError:
        return False
    return True
