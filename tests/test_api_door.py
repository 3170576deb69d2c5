"""The door on a real port: raw bytes in, and only what is legal gets through; sizes are bounded."""

import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from conftest import Wait
from serving import REQUEST, TOKEN, Raw, Served, access_log, client_of, serving

from mas.paths import Root


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all: none of these requests gets behind the door and changes anything. No tmux server runs."""
    place = tmp_path_factory.mktemp("door")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAS_TMUX_SOCKET", str(place / "tmux"))
        with serving(Root(place / "a root"), origins=("https://team.example",)) as found:
            yield found


HOSTS = [
    b"{host}",
    *(b"%b" % host for host in (b"evil.example", b"evil.example:8765", b"127.0.0.1", b"localhost", b"")),
]
HOSTS += [
    b"127.0.0.1.nip.io:8765",
    b"127.0.0.1:1",
    b"[::1]",
    b"0.0.0.0:8765",
    b"{host}.evil.example",
    b"{host} "[:-1] + b"0",
]
ORIGINS = [None, b"http://{host}", b"https://team.example", b"null", b"http://evil.example", b"http://localhost:3000"]
ORIGINS += [
    b"https://{host}",
    b"http://{host}.evil.example",
    b"http://127.0.0.1",
    b"file://",
    b"*",
    b"http://evil.example:8765",
]
TOKENS = [
    b"Bearer {token}",
    None,
    b"",
    b"Bearer",
    b"Bearer  {token}",
    b"Basic {token}",
    b"Bearer {token}x",
    b"Bearer x",
]
METHODS = [b"GET", b"HEAD", b"POST", b"PATCH", b"DELETE", b"OPTIONS"]
LEGAL = ({b"{host}"}, {None, b"http://{host}", b"https://team.example"}, {b"Bearer {token}"})


def check_matrix(served: Served, cases: Sequence[tuple[bytes, bytes | None, bytes | None, bytes]]) -> int:
    """Ask all of these on as few connections as the server lets; returns how many were legal."""
    passed = 0
    with Raw(served) as raw:
        for host, origin, token, method in cases:
            lines = [b"%b /sessions HTTP/1.1" % method, b"Host: %b" % host]
            lines += [b"Origin: %b" % origin] if origin is not None else []
            lines += [b"Authorization: %b" % token] if token is not None else []
            status, _, _ = raw.ask(b"\r\n".join(lines) + b"\r\n\r\n")
            legal = host in LEGAL[0] and origin in LEGAL[1] and token in LEGAL[2]
            assert (status in (200, 405)) == legal, (lines, status)
            assert legal or status == (401 if host in LEGAL[0] and origin in LEGAL[1] else 403), (lines, status)
            passed += legal
    return passed


def test_only_the_legal_class_of_requests_passes(served: Served) -> None:
    """Every two of the four together; `--all` tries every four."""
    legal = (b"{host}", None, b"Bearer {token}", b"GET")
    axes = (HOSTS, ORIGINS, TOKENS, METHODS)
    cases = {
        tuple(one if at == first else other if at == second else legal[at] for at in range(4))
        for first, second in itertools.combinations(range(4), 2)
        for one in axes[first]
        for other in axes[second]
    }
    assert check_matrix(served, sorted(cases, key=repr)) > 0  # type: ignore[arg-type]


@pytest.mark.slow
def test_only_the_legal_class_of_all_requests_passes(served: Served) -> None:
    cases = [*itertools.product(HOSTS, ORIGINS, TOKENS, METHODS)]
    assert len(cases) > 6900
    assert check_matrix(served, cases) == 3 * len(METHODS)


NO_REQUESTS = [
    b"nonsense\r\n\r\n",
    b"GET /sessions HTTP/1.1\nHost: {host}\n\n",
    b"GET /sessions HTTP/1.1\r\nHost: {host}\r\n folded: x\r\n\r\n",
    b"GET /sessions HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n",
    b"GET /sessions HTTP/1.1\r\n\r\n",
    b"GET http://{host}/sessions HTTP/1.1\r\nHost: {host}\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: {host}\r\n\r\n",
    REQUEST + b"X: " + b"x" * 20_000 + b"\r\n\r\n",
    REQUEST + b"Content-Length: -1\r\n\r\n",
    REQUEST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
    REQUEST + b"Content-Length: 99999999999999999999\r\n\r\n",
    REQUEST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    REQUEST + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
    REQUEST + b"Name\0: x\r\n\r\n",
]


def test_what_is_no_clear_request_is_refused(served: Served) -> None:
    for text in NO_REQUESTS:
        with Raw(served) as raw:
            status, headers, body = raw.ask(text)
            assert (status, headers[b"content-type"]) == (400, b"application/json"), text
            assert body["code"] == "bad_request"


def test_a_second_request_in_one_piece_is_looked_at_as_closely(served: Served) -> None:
    with Raw(served) as raw:
        status, _, _ = raw.ask(REQUEST + b"\r\n" + b"GET /sessions HTTP/1.1\nHost: evil.example\n\n")
        assert status == 200
        assert raw.answer()[0] == 400
        assert raw.closed()


def test_an_upgrade_is_a_request_like_any_other(served: Served) -> None:
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n"
    with Raw(served) as raw:
        assert raw.ask(REQUEST + upgrade + b"Origin: http://evil.example\r\n\r\n")[0] == 403
        assert raw.ask(REQUEST + upgrade + b"\r\n")[0] == 200


def test_a_body_is_as_long_as_it_may_be_and_no_longer(served: Served) -> None:
    fitting = json.dumps({"x": "y" * ((1 << 20) - 9)}).encode()
    json_type = {"Content-Type": "application/json"}
    served.refused("POST", "/sessions/nobody/events", content=fitting, headers=json_type, status=400)
    assert len(fitting) <= 1 << 20
    for body in (fitting + b" " * 9, iter([fitting, b" " * 9])):
        found = served.refused("POST", "/sessions/nobody/events", content=body, headers=json_type, status=413)
        assert found["code"] == "too_large"
    served.refused("POST", "/message", content=b" " * (2 << 20), headers=json_type, status=400)
    served.refused("POST", "/message", content=b" " * ((2 << 20) + 1), headers=json_type, status=413)


def test_a_chunked_body_is_read(served: Served) -> None:
    body = iter([b'{"target":', b'"00","message":"x"}'])
    served.refused("POST", "/message", content=body, headers={"Content-Type": "application/json"}, status=404)


def test_every_answer_says_how_it_is_to_be_taken(served: Served) -> None:
    for answer in (
        served.client.get("/health"),
        served.client.get("/nowhere"),
        served.client.post("/runs", content=b"x"),
    ):
        assert answer.headers["content-type"] == "application/json"
        if answer.status_code != 415:
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_named_origin_is_told_what_it_may(served: Served) -> None:
    page = {"Origin": "https://team.example", "Sec-Fetch-Site": "cross-site"}
    answer = served.client.get("/health", headers=page)
    assert answer.headers["access-control-allow-origin"] == "https://team.example"
    assert answer.headers["vary"] == "Origin"
    asks = page | {"Access-Control-Request-Method": "POST"}
    with client_of(served.config, token=None) as stranger:
        answer = stranger.options("/runs", headers=asks)
        assert answer.status_code == 204
        assert "POST" in answer.headers["access-control-allow-methods"]
        assert "Authorization" in answer.headers["access-control-allow-headers"]
        assert stranger.options("/runs", headers=asks | {"Origin": "https://evil.example"}).status_code == 403
    assert served.client.get("/health", headers={"Origin": "https://evil.example"}).status_code == 403


def test_an_unknown_path_or_method_is_told_in_the_same_words(served: Served) -> None:
    assert served.refused("GET", "/nowhere", status=404)["code"] == "not_found"
    assert served.refused("GET", "/health/", status=404)["code"] == "not_found"
    answer = served.client.put("/sessions")
    assert (answer.status_code, answer.json()["code"], answer.headers["allow"]) == (405, "method_not_allowed", "GET")
    for path in ("/session/x", "/docs", "/redoc", "/templates", "/metrics", "/monitor/status"):
        served.refused("GET", path, status=404)


def test_without_a_token_there_is_only_health(served: Served) -> None:
    with client_of(served.config, token=None) as stranger:
        assert stranger.get("/health").json()["status"] == "ok"
        assert stranger.head("/health").content == b""
        for path in ("/", "/status", "/sessions", "/openapi.json", "/nowhere", "/health/x"):
            answer = stranger.get(path)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="mas"')
        assert stranger.get(f"/sessions?token={TOKEN}").status_code == 401


def test_a_refused_client_lives_to_read_why(served: Served) -> None:
    """Its body is read and dropped; else the system would throw the answer away with it."""
    for size in (100_000, 3 << 20):
        answer = httpx.post(f"{served.config.url}/runs", content=b"x" * size, timeout=10)
        assert (answer.status_code, answer.headers["connection"]) == (401, "close")


def test_the_access_log_has_a_line_for_each_request(root: Root, tmux_socket: Path, wait_until: Wait) -> None:
    del tmux_socket
    log = access_log(root)
    with serving(root) as served:
        served.client.get(f"/sessions/a%0Ab%1b[31m?token={TOKEN}", headers={"User-Agent": "x\x7fy"})
        served.client.post("/message", json={"target": "00", "message": "a secret"})
        with Raw(served) as raw:
            raw.ask(b"nonsense\r\n\r\n")
        wait_until(lambda: len(log.read_text().splitlines()) == 3)
    text = log.read_text("ascii")
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["status"] for line in lines] == [404, 404, 400]
    assert lines[0]["path"] == "/sessions/a\nb\x1b[31m"
    assert lines[0].keys() == {"ts", "client", "method", "path", "status", "bytes", "ms"}
    assert not {letter for letter in text if ord(letter) < 32 and letter != "\n"}
    assert TOKEN not in text
    assert "secret" not in text
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_unix_socket_is_served_to_its_owner_alone(root: Root, tmux_socket: Path) -> None:
    path = tmux_socket.with_name("api")
    with serving(root, uds=path) as served:
        assert served.ok("GET", "/sessions")["total"] == 0
        assert path.stat().st_mode & 0o777 == 0o600
        assert served.refused("GET", "/sessions", headers={"Host": "evil.example"}, status=403)
    assert path.exists()  # who opened it removes it
