"""What is asked of a server at once: turns that are waited for, one look at tmux for all, and bugs that stay inside."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from roots import FakeTmux
from serving import SOLO, TOKEN, Served, access_log, make_root, serving

from mas import files
from mas.api.application import build
from mas.api.config import Limits, ServeConfig
from mas.app import Mas
from mas.paths import Root

ID = "aaaaaaaa-0000-4000-8000-000000000001"


@pytest.fixture
def served(root: Root, tmux_socket: Path) -> Iterator[Served]:
    """A server that has looked for lost teams once, and will not again."""
    del tmux_socket
    with serving(root, limits=Limits(look_time=3600)) as found:
        yield found


def test_a_start_that_gets_no_turn_in_time_is_told_when_to_come_again(root: Root, tmux_socket: Path) -> None:
    """One of two holds the only turn as long as somebody else has the labels; then it goes on."""
    del tmux_socket
    limits = Limits(creates=1, queue_time=0.3)
    with serving(root, limits=limits) as served, ThreadPoolExecutor(2) as pool:
        served.start(label="first")
        with files.lock(root.label_lock):
            asked = [pool.submit(served.client.post, "/runs", json=SOLO | {"label": label}) for label in "ab"]
            refused = next(as_completed(asked)).result()
            assert (refused.status_code, refused.json()["code"]) == (503, "busy")
            assert refused.headers["retry-after"] == "1"
            assert served.ok("GET", "/sessions")["total"] == 1  # who looks has turns of its own
        assert sorted(one.result().status_code for one in asked) == [201, 503]
        served.start(label="last")


def test_tmux_is_asked_once_however_many_sessions_there_are(served: Served, fake: FakeTmux) -> None:
    def asked() -> tuple[int, int]:
        fake.instead("true", of=10_000)
        found = served.ok("GET", "/sessions?status=active")["total"]
        return found, fake.counted()

    served.start()
    assert asked() == (1, 1)
    fake.away()
    with ThreadPoolExecutor(4) as pool:
        [*pool.map(lambda _: served.start(), range(9))]
    assert asked() == (10, 1)


def test_a_bug_stays_inside(root: Root, tmux_socket: Path) -> None:
    """The client learns that there is one, and nothing of it."""
    del tmux_socket
    config = ServeConfig(token=TOKEN)
    api = build(Mas(make_root(root), {}, root.path), config)

    @api.get("/bug")
    async def bug() -> None:
        secret = "the secret"  # noqa: S105
        raise RuntimeError(secret)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=api, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=config.url) as client:
            return await client.get("/bug", headers={"Authorization": f"Bearer {TOKEN}"})

    answer = asyncio.run(ask())
    assert (answer.status_code, answer.json()["code"], answer.json()["status"]) == (500, "bug", "failed")
    assert "secret" not in answer.text
    assert "RuntimeError" not in answer.text
    assert [json.loads(line)["status"] for line in access_log(root).read_text().splitlines()] == [500]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
BODIES: dict[tuple[str, str], dict[str, object]] = {
    ("POST", "/message"): {"target": "00", "message": "x", "sender": None, "execute": True, "queue": True},
    ("POST", f"/sessions/{ID}/messages"): {"target": "00", "message": "x", "execute": False},
    ("POST", f"/sessions/{ID}/events"): {"type": "command_executed", "data": {"command": "make"}},
    ("POST", f"/sessions/{ID}/transition"): {"status": "planning"},
    ("PATCH", f"/sessions/{ID}"): {
        "label": "x",
        "status": "planning",
        "current_phase": "plan",
        "statistics": {"total_tasks": 1},
    },
}


def test_whatever_is_sent_is_served_or_refused(served: Served) -> None:
    """Bodies that are nearly right: one value of one that is served is another, or there is one more."""
    served.start(sessionId=ID)

    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.sampled_from([*BODIES]), VALUES, st.data())
    def send(route: tuple[str, str], value: object, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from([*BODIES[route]]) | st.text(max_size=8))
        answer = served.client.request(*route, content=json.dumps(BODIES[route] | {key: value}), headers=JSON)
        assert answer.status_code in (200, 201, 400, 409), answer.text
        assert answer.status_code < 400 or {"error", "code", "details", "hint"} <= answer.json().keys()

    send()
    assert served.ok("GET", f"/sessions/{ID}")["status"] == "active"


JSON = {"Content-Type": "application/json"}
