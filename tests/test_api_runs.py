"""Starting teams over HTTP: what may be asked, and that a retry never makes a second team."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from roots import FakeTmux
from serving import SOLO, Served, serving

from mas.api.asked import RunRequest
from mas.api.keys import KEPT, Entry, Keys, digest
from mas.api.refusals import HttpError
from mas.paths import Root

ID = "aaaaaaaa-0000-4000-8000-000000000001"


@pytest.fixture
def served(root: Root, tmux_socket: Path) -> Iterator[Served]:
    del tmux_socket
    with serving(root) as found:
        yield found


def config_of(made: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(made["configPath"]).read_text())
    return found


PAIR = {"sessionMode": "isolated", "template": "pair", "profile": "stub"}
UNITS = [{"unitId": 1, "manager": {"id": "10", "prompt": "Write."}, "workers": [{"id": "11", "prompt": "Read."}]}]


READS = [{"name": "pair", "manager": {"id": "11", "prompt": "Read."}, "workers": []}]
SHAPES: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"agents": {"metaManager": {"id": "10", "prompt": "Begin."}}}, {"10": "Begin."}),
    ({"agents": {"units": UNITS}}, {"10": "Write.", "11": "Read."}),
    ({"metaManager": {"prompt": "Begin."}}, {"10": "Begin."}),
    ({"agents": {"metaManager": {"prompt": "Begin."}}, "units": READS}, {"10": "Begin.", "11": "Read."}),
    ({"units": UNITS}, {"10": "Write.", "11": "Read."}),
    ({}, {}),
]


def test_each_shape_of_a_configuration_is_understood_and_kept(served: Served) -> None:
    for config, prompts in SHAPES:
        made = served.ok("POST", "/runs", json=PAIR | config, status=201)
        kept = config_of(made)
        assert {key: value for key, value in kept.items() if key != "mas"} == config
        agents = [agent for unit in kept["mas"]["team"]["unit"] for agent in unit["agent"]]
        assert {agent["id"]: agent["prompt"] for agent in agents if "prompt" in agent} == prompts


def test_keys_that_nobody_knows_are_dropped(served: Served) -> None:
    made = served.start(sessionName="x", command="touch /canary", agents={"units": [], "more": 1}, nonsense={"a": []})
    assert config_of(made).keys() == {"agents", "mas"}
    assert config_of(made)["agents"] == {"units": []}
    found = served.ok("GET", f"/sessions/{made['sessionId']}")
    assert found["agents"][0]["command"] == "cat"


def test_label_request_and_id_are_taken_over(served: Served) -> None:
    made = served.start(label="search", featureRequest="find things", sessionId=ID)
    assert made["sessionId"] == ID
    found = served.ok("GET", "/sessions/search")
    assert (found["sessionId"], found["request"], found["profile"]) == (ID, "find things", "stub")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"sessionMode": "other"}, "body.sessionMode"),
    ({"sessionId": ID.upper()}, "body.sessionId"),
    ({"sessionId": f"{ID}\n"}, "body.sessionId"),
    ({"sessionId": f"../{ID}"}, "body.sessionId"),
    ({"agents": []}, "body.agents"),
    ({"agents": {"metaManager": {"id": "1"}}}, "body.agents.metaManager.id"),
    ({"agents": {"metaManager": {"id": "00", "prompt": ""}}}, "body.agents.metaManager.prompt"),
    ({"agents": {"units": {}}}, "body.agents.units"),
    ({"agents": {"units": [{"unitId": 0}]}}, "body.agents.units.0.unitId"),
    ({"label": 1}, "body.label"),
    ({"template": ""}, "body.template"),
]
MEANINGLESS: list[dict[str, Any]] = [
    {"template": "nothing"},
    {"template": "../solo"},
    {"profile": "nothing"},
    {"label": "-x"},
    {"label": "a\nb"},
    {"agents": {"units": [{"manager": {"id": "14", "prompt": "x"}}]}},
    {"agents": {"units": [{"manager": {"prompt": "x"}}]}},
    {"agents": {"metaManager": {"id": "00", "prompt": "x\0"}}},
    {"agents": {"metaManager": {"id": "00", "model": "--danger"}}},
    {"request": "x" * 40_000},
]
NO_OBJECTS = [b"", b"{", b"[]", b"null", b'{"label":"a","label":"b"}', b'{"label":NaN}', b"\xff"]


def test_a_body_that_is_wrong_is_refused_with_the_place(served: Served) -> None:
    for body, field in WRONG:
        found = served.refused("POST", "/runs", json=SOLO | body, status=400)
        assert field in [one["field"] for one in found["details"]], body
    for content in NO_OBJECTS:
        answer = served.client.post("/runs", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400, content
    assert served.ok("GET", "/sessions")["total"] == 0


def test_a_value_that_means_nothing_is_refused_with_the_reason(served: Served) -> None:
    for body in MEANINGLESS:
        assert served.refused("POST", "/runs", json=SOLO | body, status=400)["error"], body
    assert served.ok("GET", "/sessions")["total"] == 0


def test_an_id_or_label_that_is_taken_is_a_conflict(served: Served) -> None:
    served.start(sessionId=ID, label="search")
    assert served.refused("POST", "/runs", json=SOLO | {"sessionId": ID}, status=409)["code"] == "exists"
    assert served.refused("POST", "/runs", json=SOLO | {"label": "search"}, status=409)["code"] == "exists"
    assert served.ok("GET", "/sessions")["total"] == 1


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=12,
    ),
    st.sampled_from(["agents", "units", "metaManager", "sessionId", "template", "profile", "label", "request"]),
)
def test_whatever_is_sent_is_refused_or_served(served: Served, value: object, key: str) -> None:
    content = json.dumps({**SOLO, "template": "no-such-template", key: value}).encode()
    answer = served.client.post("/runs", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 409), answer.text


# --- retries ---


def test_a_retry_gets_the_first_answer(served: Served) -> None:
    key = {"Idempotency-Key": "k-1"}
    first = served.client.post("/runs", json=SOLO, headers=key)
    again = served.client.post("/runs", json={**dict(reversed(SOLO.items()))}, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert served.ok("GET", "/sessions")["total"] == 1
    assert served.refused("POST", "/runs", json=SOLO | {"label": "x"}, headers=key, status=409)["code"] == "key_reused"


def test_two_retries_at_once_make_one_team(served: Served) -> None:
    def ask(_: int) -> str:
        answer = served.client.post("/runs", json=SOLO, headers={"Idempotency-Key": "k-1"})
        found: str = answer.json()["sessionId"]
        return found

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(8)))) == 1
    assert served.ok("GET", "/sessions")["total"] == 1


def test_a_key_outlives_the_server(root: Root, tmux_socket: Path) -> None:
    del tmux_socket
    key = {"Idempotency-Key": "k-1"}
    with serving(root) as served:
        first = served.ok("POST", "/runs", json=SOLO, headers=key, status=201)
    with serving(root) as served:
        assert served.ok("POST", "/runs", json=SOLO, headers=key, status=201) == first


def test_what_was_refused_may_be_asked_again_under_its_key(served: Served) -> None:
    key = {"Idempotency-Key": "k-1"}
    served.start(label="search")
    served.refused("POST", "/runs", json=SOLO | {"label": "search"}, headers=key, status=409)
    served.ok("DELETE", "/sessions/search?force=true")
    served.ok("POST", "/runs", json=SOLO | {"label": "search"}, headers=key, status=201)


def test_a_key_is_a_key(served: Served) -> None:
    for key in (b"", b"a b", b"x" * 256, b"\xe9"):
        answer = served.client.post("/runs", json=SOLO, headers=[(b"Idempotency-Key", key)])
        assert answer.status_code == 400, key


def begun(served: Served, session_id: str) -> None:
    """What a server leaves that was killed after it had written down what it was about to make."""
    Keys(served.root).begin("k-1", digest(RunRequest.model_validate(SOLO).model_dump(mode="json")), session_id)


def test_a_retry_makes_what_was_never_begun(served: Served) -> None:
    begun(served, ID)
    made = served.ok("POST", "/runs", json=SOLO, headers={"Idempotency-Key": "k-1"}, status=201)
    assert made["sessionId"] != ID


def test_a_retry_finishes_what_was_cut_off(served: Served) -> None:
    """The session is there and its team is not; the retry brings that up, and is told the same session."""
    made = served.start(sessionId=ID)
    served.mas.stop(ID)
    served.mas.manager.observe(ID, {"wanted": "up", "observed": "unknown"})
    begun(served, ID)
    again = served.ok("POST", "/runs", json=SOLO, headers={"Idempotency-Key": "k-1"}, status=201)
    assert (again["sessionId"], again["tmuxSession"]) == (made["sessionId"], made["tmuxSession"])
    assert served.ok("GET", f"/sessions/{ID}")["status"] == "active"
    assert served.ok("GET", "/sessions")["total"] == 1


def test_a_retry_is_told_nothing_while_tmux_does_not_answer(served: Served, fake: FakeTmux) -> None:
    served.start(sessionId=ID)
    begun(served, ID)
    fake.instead("exit 1")
    found = served.refused("POST", "/runs", json=SOLO, headers={"Idempotency-Key": "k-1"}, status=503)
    assert found["code"] == "unknown"
    fake.away()
    again = served.ok("POST", "/runs", json=SOLO, headers={"Idempotency-Key": "k-1"}, status=201)
    assert again["sessionId"] == ID


def test_a_retry_does_not_bring_back_what_was_stopped_meanwhile(served: Served) -> None:
    served.start(sessionId=ID)
    served.mas.stop(ID)
    begun(served, ID)
    served.ok("POST", "/runs", json=SOLO, headers={"Idempotency-Key": "k-1"}, status=201)
    assert served.ok("GET", f"/sessions/{ID}")["status"] == "stopped"


def test_keys_are_kept_for_a_day(root: Root) -> None:
    now = [1_000_000.0]
    keys = Keys(root, clock=lambda: now[0])
    keys.begin("k", "request", ID)
    assert keys.find("k", "request") == Entry("request", ID, now[0])
    keys.finish("k", "request", {"sessionId": ID})
    now[0] += KEPT
    assert keys.find("k", "request") == Entry("request", ID, 1_000_000.0, {"sessionId": ID})
    now[0] += 1
    assert keys.find("k", "request") is None
    assert keys.find("other", "request") is None


def test_old_keys_are_dropped(root: Root) -> None:
    place = root.path / ".mas_http" / "requests"
    now = [1_000.0]
    Keys(root, clock=lambda: now[0]).begin("k", "request", ID)
    now[0] = next(place.iterdir()).stat().st_mtime + KEPT - 1
    Keys(root, clock=lambda: now[0]).prune()
    assert len([*place.iterdir()]) == 1
    now[0] += 2
    fresh = Keys(root, clock=lambda: now[0])
    fresh.prune()
    assert [*place.iterdir()] == []
    fresh.begin("k", "request", ID)
    fresh.prune()  # at most once an hour
    assert len([*place.iterdir()]) == 1


def test_a_damaged_key_is_a_new_one(root: Root) -> None:
    keys = Keys(root)
    keys.begin("k", "request", ID)
    file = next((root.path / ".mas_http" / "requests").iterdir())
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text("{")
    assert keys.find("k", "request") is None
    keys.begin("k", "request", ID)
    with pytest.raises(HttpError):
        keys.find("k", "another")
