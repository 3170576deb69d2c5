"""Events as they come: in order, once, from where one left off, at bounded cost, until the session is gone."""

import asyncio
import json
import socket
import subprocess
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from commandline import PROGRAM
from conftest import Wait
from serving import TOKEN, Served, client_of, in_a_process, serving

from mas import events
from mas.api import feed
from mas.api.feed import Feed, Feeds
from mas.api.work import Work
from mas.paths import Root

ID = "aaaaaaaa-0000-4000-8000-000000000001"
PATH = f"/sessions/{ID}"
STREAM = {"Accept": "text/event-stream"}


@pytest.fixture
def served(root: Root, tmux_socket: Path) -> Iterator[Served]:
    """A server with one record at work."""
    del tmux_socket
    with serving(root) as found:
        found.mas.manager.create_session("search", session_id=ID)
        found.mas.manager.start_session(ID)
        yield found


def run(served: Served, number: int) -> None:
    """Record so many commands."""
    for _ in range(number):
        served.mas.manager.record_event(ID, events.CommandExecuted("make"))


class Reader:
    """A client that reads a stream in a thread of its own."""

    def __init__(self, served: Served, **headers: str) -> None:
        self.events: list[dict[str, Any]] = []
        self.ids: list[int] = []
        self.comments = 0
        self.ended = threading.Event()
        self._client = client_of(served.config)
        self._headers = STREAM | {name.replace("_", "-"): value for name, value in headers.items()}
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        try:
            with self._client.stream("GET", f"{PATH}/events", headers=self._headers) as answer:
                self._socket = answer.extensions["network_stream"].get_extra_info("socket")
                assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
                for line in answer.iter_lines():
                    self._take(line)
        except httpx.HTTPError:
            pass
        self.ended.set()

    def _take(self, line: str) -> None:
        if line.startswith("id: "):
            self.ids.append(int(line[4:]))
        elif line.startswith("data: "):
            self.events.append(json.loads(line[6:]))
        elif line.startswith(":"):
            self.comments += 1

    @property
    def numbers(self) -> list[int]:
        return [event["seq"] for event in self.events]

    def close(self) -> None:
        """Go away in the middle of it."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._client.close()


def test_a_stream_begins_with_what_was_and_goes_on_with_what_comes(served: Served, wait_until: Wait) -> None:
    reader = Reader(served)
    wait_until(lambda: reader.numbers == [1, 2])
    words = ["events", ID, "--follow", "--json", "--root", str(served.root.path)]
    with subprocess.Popen([*PROGRAM, *words], stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout
        followed = [json.loads(follower.stdout.readline()) for _ in range(2)]
        run(served, 3)
        followed += [json.loads(follower.stdout.readline()) for _ in range(3)]
        follower.terminate()
    wait_until(lambda: reader.numbers == [1, 2, 3, 4, 5])
    assert reader.ids == reader.numbers
    assert reader.events == served.ok("GET", f"{PATH}/events")["events"] == followed
    served.mas.remove(ID)
    assert reader.ended.wait(10)
    reader.close()


def test_a_stream_goes_on_where_it_was_cut_off(served: Served, wait_until: Wait) -> None:
    run(served, 4)
    reader = Reader(served, Last_Event_ID="3")
    wait_until(lambda: reader.numbers == [4, 5, 6])
    ahead = Reader(served, Last_Event_ID="7")  # of a log that was longer, or of another one
    run(served, 2)
    wait_until(lambda: reader.numbers == [4, 5, 6, 7, 8])
    wait_until(lambda: ahead.numbers == [8])
    served.mas.remove(ID)
    for one in (reader, ahead):
        assert one.ended.wait(10)
        one.close()


def test_a_place_to_go_on_from_is_a_number(served: Served) -> None:
    for number in ("x", "-1", "", "1.5", "9" * 16, "0x1"):
        served.refused("GET", f"{PATH}/events", headers=STREAM | {"Last-Event-ID": number}, status=400)


def test_a_stream_of_nothing_is_not_found(served: Served) -> None:
    assert served.client.get("/sessions/nobody/events", headers=STREAM).status_code == 404
    with client_of(served.config, token=None) as stranger:
        assert stranger.get(f"{PATH}/events", headers=STREAM).status_code == 401


def test_a_stream_ends_with_the_server(root: Root, tmux_socket: Path, wait_until: Wait) -> None:
    del tmux_socket
    with serving(root) as served:
        served.mas.manager.create_session("search", session_id=ID)
        reader = Reader(served)
        wait_until(lambda: reader.numbers == [1])
    assert reader.ended.wait(1)
    reader.close()


def test_nobody_reads_and_nobody_looks(served: Served, wait_until: Wait) -> None:
    feeds = feeds_of(served)
    readers = [Reader(served) for _ in range(3)]
    wait_until(lambda: all(reader.numbers == [1, 2] for reader in readers))
    assert [(name, one.readers) for name, one in feeds.items()] == [(ID, 3)]
    task = feeds[ID].task
    assert task
    for reader in readers:
        reader.close()
    wait_until(lambda: not feeds and task.done())


def feeds_of(served: Served) -> dict[str, Feed]:
    """The feeds of the server in this process."""
    import gc  # noqa: PLC0415

    found = next(one for one in gc.get_objects() if isinstance(one, Feeds) and one._mas is served.mas)
    return found._feeds


def test_many_readers_get_every_event_in_order(served: Served, wait_until: Wait) -> None:
    """They are at it while the events are made."""
    heard = asyncio.run(listen_all(served, 20, 100))
    assert heard == [[*range(1, 101)]] * 20
    wait_until(lambda: not feeds_of(served))


@pytest.mark.slow
def test_two_hundred_readers_cost_a_server_little(root: Root, tmux_socket: Path) -> None:
    """Each gets all events in their order, and what the server keeps for them stays bounded."""
    del tmux_socket
    with in_a_process(root) as served:
        served.mas.manager.create_session("search", session_id=ID)
        served.mas.manager.start_session(ID)
        before = memory(served.pid)
        heard = asyncio.run(listen_all(served, 200, 2000))
        assert heard == [[*range(1, 2001)]] * 200
        assert memory(served.pid) - before < 64 * 1024


def memory(pid: int) -> int:
    """The most memory that a process ever had, in KiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


async def listen_all(served: Served, readers: int, number: int) -> list[list[int] | None]:
    limits = httpx.Limits(max_connections=readers + 1)
    headers = {"Authorization": f"Bearer {TOKEN}"} | STREAM
    joined = asyncio.Semaphore(0)
    async with httpx.AsyncClient(base_url=served.config.url, headers=headers, timeout=60, limits=limits) as client:

        async def listen() -> list[int]:
            heard: list[int] = []
            async with client.stream("GET", f"{PATH}/events") as answer:
                async for line in answer.aiter_lines():
                    if line.startswith("id: "):
                        heard.append(int(line[4:]))
                        if heard[-1] == 2:
                            joined.release()
                        if heard[-1] >= number:
                            break
            return heard

        tasks = [asyncio.create_task(listen()) for _ in range(readers)]
        for _ in range(readers):
            await joined.acquire()
        writing = asyncio.to_thread(run, served, number - 2)
        *heard, _ = await asyncio.gather(*tasks, writing)
    return heard


# --- the feed itself ---


def test_a_feed_keeps_so_many_and_so_much() -> None:
    found = Feed(ID)
    found.add([(number, b"x") for number in range(1, feed.KEPT + 11)])
    assert (len(found.items), found.items[0][0], found.size) == (feed.KEPT, 11, feed.KEPT)
    assert found.after(feed.KEPT) == [(number, b"x") for number in range(feed.KEPT + 1, feed.KEPT + 11)]
    assert found.after(9) == ()
    assert found.after(10) == [(number, b"x") for number in range(11, feed.PAGE + 11)]
    found.add([(feed.KEPT + 11, b"x" * feed.KEPT_BYTES)])
    assert (len(found.items), found.size) == (1, feed.KEPT_BYTES)
    assert feed.paged(iter([(1, b"x" * feed.PAGE_BYTES), (2, b"y")])) == [(1, b"x" * feed.PAGE_BYTES)]
    found.add([(feed.KEPT + 12, b"x" * feed.KEPT_BYTES), (feed.KEPT + 13, b"y")])
    assert [number for number, _ in found.items] == [feed.KEPT + 13]


def test_a_reader_far_behind_reads_the_log_page_by_page(served: Served) -> None:
    number = feed.PAGE + 10
    run(served, number)

    async def read() -> list[int]:
        work = Work(served.config.limits)
        feeds = Feeds(served.mas, work)
        heard: list[int] = []
        async for piece in feeds.read(ID, 0, idle=5):
            heard += [int(line[4:]) for line in piece.split(b"\n") if line.startswith(b"id: ")]
            if heard[-1] == number + 2:
                feeds.close()
        work.close()
        return heard

    assert asyncio.run(read()) == [*range(1, number + 3)]


def test_readers_that_take_nothing_more_hold_little(served: Served) -> None:
    """Their log is of large records, 12 MB in all; what each of them holds is bounded, and what is sent at once."""
    for number in range(200):
        served.mas.manager.record_event(ID, events.CommandExecuted(f"{number}{'x' * 60_000}"))

    async def read() -> list[int]:
        work = Work(served.config.limits)
        feeds = Feeds(served.mas, work)
        readers = [feeds.read(ID, 0, idle=5) for _ in range(20)]
        sizes = [len(await anext(one)) for one in readers for _ in range(3)]
        held = tracemalloc.get_traced_memory()[0]
        for one in readers:
            await one.aclose()
        feeds.close()
        work.close()
        return [*sizes, held]

    tracemalloc.start()
    *sizes, held = asyncio.run(read())
    tracemalloc.stop()
    assert max(sizes) == feed.PIECE
    assert held < 20 * 2 * feed.PAGE_BYTES + 2 * feed.KEPT_BYTES


def test_a_silent_stream_breathes(served: Served) -> None:
    async def read() -> bytes:
        work = Work(served.config.limits)
        pieces = Feeds(served.mas, work).read(ID, 2, idle=0.01)
        first = await anext(pieces)
        await pieces.aclose()
        work.close()
        return first

    assert asyncio.run(read()) == b""


def test_a_log_that_cannot_be_read_ends_the_stream(served: Served, wait_until: Wait) -> None:
    """Those who read it come again, and go on once it is mended."""
    log = served.root.session(ID).log
    whole = log.read_bytes()
    log.write_bytes(whole[:-40] + b"x" * 40)
    reader = Reader(served, Last_Event_ID="1")
    assert reader.ended.wait(10)
    reader.close()
    log.write_bytes(whole)
    reader = Reader(served, Last_Event_ID="1")
    wait_until(lambda: reader.numbers == [2])
    reader.close()
