"""Teams in the root's own directories over HTTP: one at a time, beside those with a workspace of their own."""

import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from commandline import AGENT, ok
from conftest import Wait
from serving import PROFILES, Served, serving

from mas.api.asked import RunRequest
from mas.api.keys import Keys, digest
from mas.paths import Root

ISOLATED = {"sessionMode": "isolated", "template": "solo", "profile": "stub"}
AGENTS = {"agents": {"units": [{"unitId": 1, "manager": {"id": "10", "prompt": "Begin."}, "workers": [{"id": "11"}]}]}}


@pytest.fixture
def served(root: Root, tmux_socket: Path) -> Iterator[Served]:
    """A server of a root that has ``unit/`` and ``workflows/`` of its own, for two agents."""
    del tmux_socket
    for agent in ("10", "11"):
        (root.path / "unit" / agent).mkdir(parents=True)
    (root.path / "workflows").mkdir()
    (root.path / "profiles.toml").write_text(PROFILES)
    (root.path / ".masrc").write_text("MAS_AGENT=stub\n")
    with serving(root) as found:
        yield found


def test_a_shared_team_is_found_by_the_id_that_earlier_servers_gave_it(served: Served) -> None:
    made = served.ok("POST", "/runs", json=AGENTS, status=201)
    assert made["tmuxSession"] == "mas-tmux"
    assert served.ok("GET", "/sessions/tmux")["sessionId"] == made["sessionId"]
    assert served.ok("GET", "/sessions/tmux")["config"] == AGENTS


def test_a_second_shared_team_is_a_conflict_until_the_first_is_down(served: Served) -> None:
    first = served.ok("POST", "/runs", json={"sessionMode": "legacy"}, status=201)
    found = served.refused("POST", "/runs", json={}, status=409)
    assert (found["code"], "mas-tmux" in found["error"]) == ("exists", True)
    served.ok("POST", "/sessions/mas-tmux/stop")
    assert served.ok("POST", "/runs", json={}, status=201)["sessionId"] == first["sessionId"]


def test_both_modes_are_listed_together(served: Served) -> None:
    shared = served.ok("POST", "/runs", json={}, status=201)["sessionId"]
    own = served.ok("POST", "/runs", json=ISOLATED, status=201)["sessionId"]

    def listed(query: str = "") -> dict[str, str]:
        return {one["sessionId"]: one["mode"] for one in served.ok("GET", f"/sessions{query}")["sessions"]}

    assert listed() == {shared: "legacy", own: "isolated"}
    assert listed("?mode=legacy") == {shared: "legacy"}
    assert listed("?mode=isolated") == {own: "isolated"}
    served.ok("POST", f"/sessions/{own}/stop")
    assert served.ok("GET", f"/sessions/{shared}")["status"] == "active"
    assert ok("list", "-q", "--active", root=served.root.path).out.split() == [shared]


def test_a_team_that_another_program_started_is_in_the_way(served: Served) -> None:
    argv = ["tmux", "-f", os.devnull, "-S", os.environ["MAS_TMUX_SOCKET"], "new-session", "-d", "-s", "mas-tmux", "cat"]
    subprocess.run(argv, check=True, timeout=10)
    assert served.refused("POST", "/runs", json={}, status=409)["code"] == "exists"
    assert served.ok("GET", "/sessions")["sessions"][0]["tmuxSession"] == "mas-tmux"


def test_what_is_in_the_way_is_no_fault_of_the_request(served: Served, tmp_path: Path) -> None:
    """Another root's team of that name, a place that others may write to, broken settings."""
    other = tmp_path / "other"
    (other / "unit" / "10").mkdir(parents=True)
    ok("start", "--legacy", *AGENT, "--no-attach", root=other, cwd=other)
    assert "belongs to" in served.refused("POST", "/runs", json={}, status=409)["error"]
    ok("stop", "mas-tmux", root=other, cwd=other)
    served.root.path.chmod(0o777)
    assert "not safe" in served.refused("POST", "/runs", json={}, status=409)["error"]
    served.root.path.chmod(0o755)
    (served.root.path / ".masrc").write_text("{")
    assert ".masrc" in served.refused("POST", "/runs", json={}, status=409)["error"]


def test_what_a_shared_team_cannot_have_is_refused(served: Served) -> None:
    wrong: list[dict[str, Any]] = [
        {"template": "solo"},
        {"agents": {"units": [{"manager": {"id": "33", "prompt": "x"}}]}},
        {"sessionMode": "both"},
    ]
    for body in wrong:
        served.refused("POST", "/runs", json=body, status=400)
    assert served.ok("GET", "/sessions")["total"] == 0


def test_a_root_without_directories_of_its_own_has_no_shared_team(root: Root, tmux_socket: Path) -> None:
    del tmux_socket
    with serving(root) as served:
        found = served.refused("POST", "/runs", json={}, status=409)
        assert "unit" in found["error"]
        assert found["hint"]


def test_a_retry_makes_no_second_shared_team(served: Served) -> None:
    key = {"Idempotency-Key": "k-1"}
    first = served.ok("POST", "/runs", json={}, headers=key, status=201)
    assert served.ok("POST", "/runs", json={}, headers=key, status=201) == first
    served.refused("POST", "/runs", json={}, headers={"Idempotency-Key": "k-2"}, status=409)


def test_a_retry_starts_a_shared_team_that_was_not_begun(served: Served) -> None:
    """The record is there from the time before; the server was killed before it had begun."""
    made = served.ok("POST", "/runs", json={}, status=201)["sessionId"]
    served.ok("POST", f"/sessions/{made}/stop")
    before = served.mas.storage.read(made).document["runtime"]["nonce"]
    Keys(served.root).begin("k-1", digest(RunRequest.model_validate({}).model_dump(mode="json")), made, before)
    assert served.ok("POST", "/runs", json={}, headers={"Idempotency-Key": "k-1"}, status=201)["sessionId"] == made
    assert served.ok("GET", f"/sessions/{made}")["status"] == "active"


def test_a_shared_start_under_a_key_says_from_where_it_begins(served: Served, wait_until: Wait) -> None:
    made = served.ok("POST", "/runs", json={}, status=201)["sessionId"]
    served.ok("POST", f"/sessions/{made}/stop")
    before = served.mas.storage.read(made).document["runtime"]["nonce"]
    place = served.root.path / ".mas_http" / "requests"
    with ThreadPoolExecutor(1) as pool:
        with served.mas.storage.lock(made):  # it cannot go on from here
            asked = pool.submit(served.ok, "POST", "/runs", json={}, headers={"Idempotency-Key": "k-1"}, status=201)
            wait_until(lambda: [*place.glob("*.json")])
            assert json.loads(next(place.glob("*.json")).read_text())["before"] == before
        assert asked.result()["sessionId"] == made
