"""The parts of the API that need no server: its settings, its bodies, ranges, errors, heads of requests."""

import asyncio
import json
import os
import resource
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas import errors
from mas.api import ranges
from mas.api.access import LARGEST, NAME, AccessLog, Message
from mas.api.config import DEFAULT_PORT, Limits, ServeConfig, address, check, is_loopback, outside
from mas.api.connections import is_unclear
from mas.api.door import Door, check_body
from mas.api.feed import Feeds
from mas.api.here import Here
from mas.api.keys import Keys
from mas.api.pages import page
from mas.api.refusals import HttpError, as_input, bad_request, body_of, headers_of, status_of
from mas.api.rules import rules_of
from mas.api.work import Work
from mas.app import Mas
from mas.errors import MasError, NotFoundError, RefusedError, UsageError
from mas.paths import Root

HERE = Path("/somewhere")


# --- where to listen ---


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, ("127.0.0.1", DEFAULT_PORT)),
        ({"MAS_HTTP_HOST": "::1", "MAS_HTTP_PORT": "9000"}, ("::1", 9000)),
        ({"MAS_API_PORT": "9001", "MAS_HTTP_PORT": "9000"}, ("127.0.0.1", 9001)),
        ({"MAS_API_HOST": "[::1]", "MAS_API_PORT": ""}, ("::1", DEFAULT_PORT)),
    ],
)
def test_the_environment_says_where_to_listen(environ: Mapping[str, str], wanted: tuple[str, int]) -> None:
    assert address(None, None, None, environ, HERE) == (*wanted, None)


def test_what_is_given_goes_before_the_environment() -> None:
    environ = {"MAS_API_HOST": "::1", "MAS_API_PORT": "9000"}
    assert address("localhost", 1, None, environ, HERE) == ("localhost", 1, None)
    assert address(None, None, "a/socket", environ, HERE)[2] == HERE / "a/socket"


@pytest.mark.parametrize("text", ["x", "-1", "1e3", "\u0661", "123456", " 80"])
def test_a_port_of_the_environment_is_a_number(text: str) -> None:
    with pytest.raises(UsageError):
        address(None, None, None, {"MAS_API_PORT": text}, HERE)


def test_a_socket_and_an_address_are_not_both_served() -> None:
    for host, port in (("::1", None), (None, 80)):
        with pytest.raises(UsageError):
            address(host, port, "socket", {}, HERE)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_is_served_without_a_token(host: str) -> None:
    assert is_loopback(host)
    assert check(ServeConfig(host=host, token=None)).host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "::ffff:127.0.0.1", "box.example", "", "127.1"])  # noqa: S104
def test_other_machines_are_served_only_with_a_token_and_where_that_is_asked_for(host: str) -> None:
    for config in (
        ServeConfig(host=host, token=None, allow_remote=True),
        ServeConfig(host=host, token="t", allow_remote=False),  # noqa: S106
    ):
        with pytest.raises(RefusedError):
            check(config)
    assert check(ServeConfig(host=host, token="t", allow_remote=True)).host == host  # noqa: S106


@pytest.mark.parametrize(
    "config",
    [
        ServeConfig(port=-1),
        ServeConfig(port=65536),
        ServeConfig(origins=("*",)),
        ServeConfig(origins=("https://",)),
        ServeConfig(origins=("https://a.example/",)),
        ServeConfig(origins=("ftp://a.example",)),
        ServeConfig(origins=("https://A.example",)),
        ServeConfig(origins=("null",)),
        ServeConfig(uds=Path("/" + "x" * 107)),
    ],
)
def test_what_cannot_be_served_is_refused(config: ServeConfig) -> None:
    with pytest.raises(UsageError):
        check(config)


def test_a_server_works_outside_of_the_session_it_was_started_from() -> None:
    environ = {"TMUX": "/run/tmux/default,4711,3", "TMUX_PANE": "%1", "MAS_SESSION_ID": "x", "PATH": "/bin"}
    assert outside(environ) == {"PATH": "/bin", "MAS_TMUX_SOCKET": "/run/tmux/default"}
    assert outside({"MAS_TMUX_SOCKET": "mine", "TMUX": "/other,1,2"}) == {"MAS_TMUX_SOCKET": "mine"}
    assert outside({"UNIT_DIR": "/x"}) == {}


def test_the_token_is_not_shown() -> None:
    assert "hidden" not in repr(ServeConfig(token="hidden"))  # noqa: S106


# --- bodies ---


@pytest.mark.parametrize("text", ["{}", '{"a": [1, 2.5, null, true, "\\u20ac"]}', " ", '{"n": 9007199254740991}'])
def test_a_plain_body_passes(text: str) -> None:
    check_body(text.encode())


@pytest.mark.parametrize(
    "raw",
    [
        b"[]",
        b'"text"',
        b"null",
        b"1",
        b"{",
        b"{'a': 1}",
        b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "b": 2}}',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1e999}',
        b'{"a": 9007199254740992}',
        b'{"a": [-9007199254740992]}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": "\\ud800"}',
        b'{"\\udc00": 1}',
        b'{"a": ' + b"[" * 33 + b"]" * 33 + b"}",
        b'{"a": ' + b"[" * 100_000,
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf{}",
        b'{"a": "\xff"}',
        b"{} {}",
    ],
)
def test_a_body_that_two_programs_read_differently_is_refused(raw: bytes) -> None:
    with pytest.raises(HttpError) as caught, as_input():
        check_body(raw)
    assert caught.value.status == 400


@given(st.binary(max_size=200))
def test_any_bytes_are_a_body_or_refused(raw: bytes) -> None:
    try:
        with as_input():
            check_body(raw)
    except HttpError:
        return
    assert not raw.strip() or isinstance(json.loads(raw), dict)


def test_a_long_body_is_looked_through_while_others_are_served() -> None:
    """Its numbers take a second; meanwhile the event loop goes on. Only what it held tells that it was looked at."""
    long = b'{"a": [' + b"1," * 200_000 + b"9007199254740992]}"
    statuses: list[int] = []
    turns = 0

    async def receive() -> Message:
        return {"type": "http.request", "body": long, "more_body": False}

    async def send(message: Message) -> None:
        statuses.append(message.get("status", 0))

    async def unreachable(*_: object) -> None:
        raise AssertionError

    async def serve() -> None:
        nonlocal turns
        headers = [(b"host", b"127.0.0.1:8765"), (b"content-type", b"application/json")]
        headers.append((b"content-length", b"%d" % len(long)))
        scope = {"type": "http", "method": "POST", "path": "/runs", "raw_path": b"/runs", "headers": headers}
        serving = asyncio.create_task(Door(unreachable, rules_of(ServeConfig()))(scope, receive, send))
        while not serving.done():
            turns += 1
            await asyncio.wait({serving}, timeout=0)
        await serving

    asyncio.run(serve())
    assert statuses[0] == 400
    assert turns > 20


def test_an_answer_is_made_into_json_beside_the_event_loop(root: Root) -> None:
    threads: list[str] = []

    class Told(dict[str, int]):
        def items(self) -> Any:
            threads.append(threading.current_thread().name)
            return super().items()

    async def answer() -> bytes:
        work = Work(Limits())
        at = Here(Mas(root, {}, root.path), ServeConfig(), work, Feeds(Mas(root, {}, root.path), work), Keys(root))
        found = await at.answer(lambda: Told(a=1))
        work.close()
        return bytes(found.body)

    assert asyncio.run(answer()) == b'{"a":1}'
    assert [name.startswith("mas-api") for name in threads] == [True]


# --- pages ---


@contextmanager
def no_more_files() -> Iterator[None]:
    """No file can be opened meanwhile."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.fixture
def full_log(tmp_path: Path) -> Iterator[AccessLog]:
    """An access log that is to begin anew with the next line."""
    (tmp_path / NAME).touch()
    os.truncate(tmp_path / NAME, LARGEST)
    log = AccessLog(tmp_path)
    yield log
    log.close()


def test_an_access_log_that_could_not_begin_anew_does_so_with_the_next_line(
    tmp_path: Path, full_log: AccessLog
) -> None:
    with no_more_files():
        full_log.write(path="/lost")
    full_log.write(path="/kept")
    assert [json.loads(line)["path"] for line in (tmp_path / NAME).read_text().splitlines()] == ["/kept"]
    assert (tmp_path / f"{NAME}.1").stat().st_size == LARGEST


def test_an_access_log_that_somebody_moved_begins_anew_all_the_same(tmp_path: Path, full_log: AccessLog) -> None:
    (tmp_path / NAME).rename(tmp_path / "moved")
    full_log.write(path="/kept")
    assert json.loads((tmp_path / NAME).read_text())["path"] == "/kept"


def test_a_page_is_bounded_in_items_and_bytes() -> None:
    items = [{"a": "x" * 92}] * 5  # of 100 bytes each
    assert page(items, 5) == (items, False)
    assert page(items, 4) == (items[:4], True)
    assert page(items, 9, most=250) == (items[:2], True)
    assert page(items, 9, most=10) == (items[:1], True)
    assert page([], 9) == ([], False)


# --- heads ---


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\nbody\nwith\n lines\0",
        b"GET / HT",
        b"GET / HTTP/1.1\r",
        b"",
    ],
)
def test_a_clear_head_is_parsed(raw: bytes) -> None:
    assert not is_unclear(raw, 1024)


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\r\nHost: a\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\tb\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\0\r\n\r\n",
        b"\nGET / HTTP/1.1\r\n\r\n",
    ],
)
def test_an_unclear_head_is_not(raw: bytes) -> None:
    assert is_unclear(raw, 1024)


def test_a_head_has_its_length() -> None:
    head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    assert not is_unclear(head + b"x" * 100, len(head))
    assert is_unclear(head, len(head) - 1)


# --- ranges ---


@pytest.mark.parametrize(
    ("header", "size", "wanted"),
    [
        (None, 10, None),
        ("bytes=0-3", 10, (0, 3)),
        ("bytes=4-", 10, (4, 9)),
        ("bytes=-3", 10, (7, 9)),
        ("bytes=-30", 10, (0, 9)),
        ("bytes=8-100", 10, (8, 9)),
        ("bytes=3-2", 10, None),
        ("bytes=0-1,3-4", 10, None),
        ("lines=0-3", 10, None),
        ("bytes=-", 10, None),
        ("bytes=\u0661-2", 10, None),
    ],
)
def test_a_range_is_read(header: str | None, size: int, wanted: tuple[int, int] | None) -> None:
    assert ranges.parse(header, size) == wanted


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=10-", 10), ("bytes=0-", 0), ("bytes=-0", 10), ("bytes=99-100", 10)]
)
def test_a_range_behind_the_end_is_refused(header: str, size: int) -> None:
    with pytest.raises(HttpError) as caught:
        ranges.parse(header, size)
    assert (caught.value.status, caught.value.headers["Content-Range"]) == (416, f"bytes */{size}")


# --- errors ---


def leaves(kind: type[MasError]) -> set[type[MasError]]:
    """Every kind of error that is raised somewhere, ours here left out."""
    below = {leaf for child in kind.__subclasses__() if child is not HttpError for leaf in leaves(child)}
    return below | {kind}


@pytest.mark.parametrize("kind", sorted(leaves(MasError), key=repr))
def test_every_error_has_a_status_that_is_documented(kind: type[MasError]) -> None:
    error = kind.__new__(kind)
    error.message, error.hint = "it is so", "do that"
    if isinstance(error, errors.AmbiguousError):
        error.candidates = ("a", "b")
    assert status_of(error) in (400, 404, 409, 503)
    assert body_of(error, "now")["code"] == kind.code
    assert status_of(error) != 400 or isinstance(error, UsageError | errors.InvalidIdError)


def test_an_ambiguous_name_lists_what_it_fits() -> None:
    body = body_of(errors.AmbiguousError("two", ["a", "b"]), "now")
    assert body["details"] == {"candidates": ["a", "b"]}


def test_busy_says_when_to_come_back() -> None:
    assert headers_of(errors.BusyError("busy")) == {"Retry-After": "1"}
    assert headers_of(MasError("failed")) == {}


def test_a_message_is_short() -> None:
    assert len(body_of(MasError("x" * 10_000), "now")["error"]) == 600


def test_what_is_wrong_with_an_input_is_the_askers_fault() -> None:
    for kind in (RefusedError, NotFoundError, UsageError, errors.MissingProgramError):
        with pytest.raises(HttpError) as caught, as_input():
            raise kind("no template 'x'", "choose another")
        assert (caught.value.status, caught.value.message, caught.value.hint) == (
            400,
            "no template 'x'",
            "choose another",
        )
    with pytest.raises(errors.ExistsError), as_input():
        raise errors.ExistsError("taken")
    assert bad_request("x").status == 400
