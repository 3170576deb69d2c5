"""Who may ask: every combination of host, origin, token and method, against what is legal said independently."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas.api.config import ServeConfig
from mas.api.refusals import HttpError
from mas.api.rules import Head, check_head, rules_of

TOKEN = "secret-secret-secret-secret-secret"  # noqa: S105
CONFIG = ServeConfig(token=TOKEN, origins=("https://team.example",))
JSON = (b"content-type", b"application/json")


def head(
    *headers: tuple[bytes, bytes], method: str = "GET", path: str = "/sessions", target: bytes | None = None
) -> Head:
    return Head(method, path, path.encode() if target is None else target, headers)


def legal(**others: object) -> tuple[tuple[bytes, bytes], ...]:
    """The headers of a request that is served, with some of them changed; None leaves one out."""
    values = {"host": b"127.0.0.1:8765", "authorization": b"Bearer " + TOKEN.encode()} | others
    return tuple((name.replace("_", "-").encode(), value) for name, value in values.items() if isinstance(value, bytes))


def status(found: Head, config: ServeConfig = CONFIG) -> int:
    """The status a head is refused with; 200 where it is not."""
    try:
        check_head(found, rules_of(config))
    except HttpError as error:
        return error.status
    return 200


def test_the_legal_request_is_served() -> None:
    assert status(head(*legal())) == 200


HOSTS = [
    (b"127.0.0.1:8765", True),
    (b"localhost:8765", True),
    (b"LOCALHOST:8765", True),
    (b"[::1]:8765", True),
    (b"127.0.0.1", False),
    (b"localhost", False),
    (b"127.0.0.1:8766", False),
    (b"evil.example", False),
    (b"evil.example:8765", False),
    (b"127.0.0.1.nip.io:8765", False),
    (b"localhost.evil.example:8765", False),
    (b"127.0.0.1:8765@evil.example", False),
    (b"", False),
    (None, False),
]
ORIGINS = [
    (None, True),
    (b"http://127.0.0.1:8765", True),
    (b"http://localhost:8765", True),
    (b"https://team.example", True),
    (b"null", False),
    (b"", False),
    (b"http://evil.example", False),
    (b"http://evil.example:8765", False),
    (b"http://localhost:3000", False),
    (b"https://localhost:8765", False),
    (b"https://team.example.evil.example", False),
    (b"https://TEAM.example", False),
]
SITES = [(None, True), (b"none", True), (b"same-origin", True), (b"same-site", False), (b"cross-site", False)]
TOKENS = [
    (b"Bearer " + TOKEN.encode(), True),
    (b"bearer " + TOKEN.encode(), True),
    (None, False),
    (b"", False),
    (b"Bearer", False),
    (b"Bearer ", False),
    (b"Bearer  " + TOKEN.encode(), False),
    (b"Bearer " + TOKEN[:-1].encode(), False),
    (b"Bearer " + TOKEN.encode() + b"x", False),
    (b"Basic " + TOKEN.encode(), False),
    (TOKEN.encode(), False),
]
METHODS = ["GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"]


@pytest.mark.parametrize("method", METHODS)
def test_only_the_legal_class_passes(method: str) -> None:
    for (host, own), (origin, known), (site, same), (token, right) in itertools.product(HOSTS, ORIGINS, SITES, TOKENS):
        found = head(*legal(host=host, origin=origin, sec_fetch_site=site, authorization=token), method=method)
        named = origin == b"https://team.example"
        wanted = 200 if right else 401
        if not own or not known or not (same or named):
            wanted = 403
        assert status(found) == wanted, found


@pytest.mark.parametrize("name", [b"host", b"origin", b"sec-fetch-site", b"content-type"])
def test_a_header_given_twice_is_refused(name: bytes) -> None:
    found = head(*legal(content_length=b"2"), (name, b"x"), (name, b"x"), method="POST")
    assert status(found) == 400


def test_a_second_token_is_none() -> None:
    token = (b"authorization", b"Bearer " + TOKEN.encode())
    assert status(head(*legal(), token)) == 401


def test_without_a_token_only_the_token_does_not_matter() -> None:
    open_to_all = ServeConfig(token=None)
    assert status(head(*legal(authorization=None)), open_to_all) == 200
    assert status(head(*legal(authorization=None, host=b"evil.example:8765")), open_to_all) == 403
    assert status(head(*legal(authorization=None, origin=b"http://evil.example")), open_to_all) == 403
    assert status(head(*legal(authorization=None, sec_fetch_site=b"cross-site")), open_to_all) == 403


def test_health_needs_no_token_but_our_host() -> None:
    assert status(head(*legal(authorization=None), path="/health")) == 200
    assert status(head(*legal(authorization=None), path="/health", method="POST")) == 401
    assert status(head(*legal(authorization=None, host=b"evil.example:8765"), path="/health")) == 403


def test_a_preflight_of_a_named_origin_needs_no_token() -> None:
    asks = {"origin": b"https://team.example", "access_control_request_method": b"POST", "authorization": None}
    assert status(head(*legal(**asks), method="OPTIONS")) == 200
    assert status(head(*legal(**{**asks, "origin": b"https://evil.example"}), method="OPTIONS")) == 403
    assert status(head(*legal(**{**asks, "access_control_request_method": None}), method="OPTIONS")) == 401


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        (b"application/json", 200),
        (b"Application/JSON; charset=utf-8", 200),
        (b'application/json;charset="UTF-8"', 200),
        (b"application/json; charset=utf-16", 415),
        (b"application/jsonp", 415),
        (b"text/plain", 415),
        (b"application/x-www-form-urlencoded", 415),
        (b"multipart/form-data", 415),
        (b"", 415),
        (None, 415),
    ],
)
def test_a_body_is_json(kind: bytes | None, wanted: int) -> None:
    for length in ({"content_length": b"2"}, {"transfer_encoding": b"chunked"}):
        assert status(head(*legal(content_type=kind, **length), method="POST")) == wanted


def test_what_has_no_body_needs_no_type() -> None:
    assert status(head(*legal(content_length=b"0"), method="POST")) == 200
    assert status(head(*legal(), method="POST")) == 200


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/runs", 1 << 20),
        ("/sessions/x/events", 1 << 20),
        ("/message", 2 << 20),
        ("/sessions/x/messages", 2 << 20),
        ("/message/x", 1 << 20),
    ],
)
def test_a_body_has_its_size(path: str, most: int) -> None:
    for length, wanted in ((most, 200), (most + 1, 413)):
        found = head(*legal(content_length=b"%d" % length), JSON, method="POST", path=path)
        assert status(found) == wanted


@pytest.mark.parametrize("length", [b"-1", b"+1", b"1 1", b"0x10", b"", b"1,1", b"9" * 16, "\uff11".encode()])
def test_a_length_is_a_length(length: bytes) -> None:
    assert status(head(*legal(content_length=length), JSON, method="POST")) == 400


def test_two_ways_to_say_how_long_are_refused() -> None:
    assert status(head(*legal(content_length=b"2", transfer_encoding=b"chunked"), JSON, method="POST")) == 400
    assert status(head(*legal(content_length=b"2"), (b"content-length", b"2"), JSON, method="POST")) == 400


@pytest.mark.parametrize("target", [b"http://127.0.0.1:8765/sessions", b"*", b"evil.example:80", b""])
def test_a_target_is_a_path(target: bytes) -> None:
    assert status(head(*legal(), target=target)) == 400


def test_a_unix_socket_is_called_by_loopback_names() -> None:
    config = ServeConfig(uds=Path("/tmp/x"), token=TOKEN)  # noqa: S108
    assert status(head(*legal(host=b"localhost")), config) == 200
    assert status(head(*legal(host=b"evil.example")), config) == 403


def test_on_any_address_a_host_is_a_number_or_was_named() -> None:
    config = ServeConfig(host="0.0.0.0", token=TOKEN, allow_remote=True, names=("box.example",))  # noqa: S104
    for host in (b"192.168.1.7:8765", b"[fe80::1]:8765", b"box.example:8765"):
        assert status(head(*legal(host=host)), config) == 200
    for host in (b"192.168.1.7:80", b"evil.example:8765", b"192.168.1.7", b"box.example"):
        assert status(head(*legal(host=host)), config) == 403


@given(st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=40)), max_size=8), st.sampled_from(METHODS))
def test_no_head_without_the_token_is_served(headers: list[tuple[bytes, bytes]], method: str) -> None:
    assert status(head(*headers, method=method)) in (400, 401, 403)
