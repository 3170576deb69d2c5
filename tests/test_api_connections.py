"""Connections: bounded in their number, in the time they may take to ask and to read, strict about what they carry."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Wait
from serving import REQUEST, Raw, Served, serving

from mas.api.config import Limits
from mas.paths import Root

ID = "aaaaaaaa-0000-4000-8000-000000000001"
QUICK = Limits(head_time=0.25, body_time=0.25)
POST = REQUEST.replace(b"GET /sessions", b"POST /runs") + b"Content-Type: application/json\r\n"


@pytest.fixture
def served(root: Root, tmux_socket: Path) -> Iterator[Served]:
    del tmux_socket
    with serving(root) as found:
        yield found


def test_what_comes_too_slowly_is_sent_away(root: Root, tmux_socket: Path) -> None:
    del tmux_socket
    with serving(root, limits=QUICK) as served:
        with Raw(served) as raw:  # nothing at all
            assert raw.answer()[0] == 408
            assert raw.closed()
        with Raw(served) as raw:  # half a head
            assert raw.ask(REQUEST)[0] == 408
            assert raw.closed()
        with Raw(served) as raw:  # half a second head
            assert raw.ask(REQUEST + b"\r\n")[0] == 200
            assert raw.ask(REQUEST)[0] == 408
        with Raw(served) as raw:  # half a body
            head = POST + b"Content-Length: 9\r\n\r\n{"
            assert raw.ask(head)[0] == 408
            assert raw.closed()


LARGE = "x" * 1_000_000


@pytest.mark.parametrize("path", ["/health", f"/sessions/{ID}/logs/10", f"/sessions/{ID}/events"])
def test_who_does_not_read_loses_the_connection(
    root: Root, tmux_socket: Path, wait_until: Wait, capfd: pytest.CaptureFixture[str], path: str
) -> None:
    """The one connection that there may be is free again, and nobody is told of an error."""
    limits = Limits(write_time=0.3, connections=1)
    with serving(root, limits=limits, uds=tmux_socket.with_name("api")) as served:
        fill(served)
        with Raw(served) as raw:
            accept = b"Accept: text/event-stream\r\n" if "events" in path else b""
            raw.send(REQUEST.replace(b"/sessions", path.encode()) + accept + b"\r\n", 2000 if path == "/health" else 1)
            wait_until(lambda: served.client.get("/health").status_code == 503)
            wait_until(lambda: served.client.get("/health").status_code == 200)
    assert "Traceback" not in capfd.readouterr().err


def fill(served: Served) -> None:
    """A session with a log, and a record of it, that no socket takes at once."""
    manager = served.mas.manager
    manager.create_session(LARGE[:30_000], session_id=ID)
    for number in range(40):
        manager.update_session(ID, {"feature_request": f"{number}{LARGE[:30_000]}"})
    logs = served.root.session(ID).logs
    logs.mkdir(exist_ok=True)
    (logs / "agent-10.log").write_text(LARGE)


def test_who_reads_late_gets_everything(root: Root, tmux_socket: Path) -> None:
    with serving(root, uds=tmux_socket.with_name("api")) as served:
        fill(served)
        with Raw(served) as raw:
            raw.send(REQUEST.replace(b"/sessions", f"/sessions/{ID}/logs/10".encode()) + b"\r\n")
            served.ok("GET", "/sessions")
            assert raw.answer(parse=False)[2] == LARGE.encode()


def test_a_connection_above_the_limit_is_told_so(root: Root, tmux_socket: Path) -> None:
    del tmux_socket
    with serving(root, limits=Limits(connections=3)) as served:
        with Raw(served) as one, Raw(served) as two, Raw(served) as three, Raw(served) as four:
            assert [each.ask(REQUEST + b"\r\n")[0] for each in (one, two, three)] == [200, 200, 200]
            status, headers, body = four.ask(REQUEST + b"\r\n")
            assert (status, headers[b"retry-after"], body["code"]) == (503, b"5", "busy")
            assert four.closed()
        served.ok("GET", "/health")


def test_connections_above_the_limit_are_ended_at_once(root: Root, tmux_socket: Path) -> None:
    """Also those that ask nothing, however many come."""
    del tmux_socket
    with serving(root, limits=Limits(connections=3)) as served:
        with Raw(served) as one, Raw(served) as two, Raw(served) as three:
            assert [each.ask(REQUEST + b"\r\n")[0] for each in (one, two, three)] == [200, 200, 200]
            silent = [Raw(served) for _ in range(100)]
            for each in silent:
                assert each.answer()[0] == 503
                assert each.closed()
                each.__exit__()
            assert two.ask(REQUEST + b"\r\n")[0] == 200
        served.ok("GET", "/health")


def test_many_slow_clients_keep_nobody_waiting(served: Served) -> None:
    slow = [Raw(served) for _ in range(200)]
    for raw in slow:
        raw.socket.sendall(b"GET /sess")
    served.ok("GET", "/sessions")
    for raw in slow:
        raw.__exit__()


NO_CHUNKS = [b"zz\r\n", b"2;x=1\r\n{}\r\n0\r\n\r\n", b"2 \r\n{}\r\n0\r\n\r\n", b"2\r\n{}\r\n0;x\r\n\r\n"]
NO_CHUNKS += [b"2\r\n{}\r\n0\r\nX: y\r\n\r\n", b"-2\r\n{}\r\n0\r\n\r\n", b"2\n{}\r\n0\r\n\r\n"]


def test_chunks_that_are_not_plain_end_the_connection(served: Served) -> None:
    for text in NO_CHUNKS:
        with Raw(served) as raw:
            status, _, body = raw.ask(POST + b"Transfer-Encoding: chunked\r\n\r\n" + text)
            assert (status, body["code"]) == (400, "bad_request"), text
            assert raw.closed(), text


def test_plain_chunks_are_read(served: Served) -> None:
    text = b'4\r\n{"la\r\n0007\r\nbel": 1\r\nA\r\n          \r\n1\r\n}\r\n0\r\n\r\n'
    with Raw(served) as raw:
        status, _, body = raw.ask(POST + b"Transfer-Encoding: chunked\r\n\r\n" + text)
        assert (status, body["details"][0]["field"]) == (400, "body.label")
        assert raw.ask(REQUEST + b"\r\n")[0] == 200
