"""Sessions over HTTP, from the making to the removal, on a real server with a real client."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Wait
from serving import Served, serving

from mas.paths import Root

TEAM = {"sessionMode": "isolated", "template": "default", "profile": "stub"}


@pytest.fixture
def served(root: Root, tmux_socket: Path) -> Iterator[Served]:
    del tmux_socket
    with serving(root) as found:
        yield found


def test_a_team_from_the_making_to_the_removal(served: Served, wait_until: Wait) -> None:
    agents = {"metaManager": {"id": "00", "prompt": "Plan it."}, "units": []}
    made = served.ok("POST", "/runs", json={**TEAM, "label": "search", "agents": agents}, status=201)
    path = f"/sessions/{made['sessionId']}"
    assert made["status"] == "started"
    assert made["sessionMode"] == "isolated"
    assert made["tmuxSession"] == f"mas-{made['sessionId'][:8]}"
    assert Path(made["unitDir"], "33").is_dir()
    assert Path(made["workflowsDir"]).is_dir()

    found = served.ok("GET", path)
    assert len(found["agents"]) == 13
    assert {agent["status"] for agent in found["agents"]} == {"running"}
    assert [(window["paneCount"], window["active"]) for window in found["windows"]] == [(1, True), *[(4, False)] * 3]
    assert [unit["name"] for unit in found["units"]] == ["meta", "design", "development", "business"]
    assert found["units"][1]["paths"]["11"] == f"{made['unitDir']}/11"
    assert found["metadata"]["TMUX_SESSION"] == made["tmuxSession"]
    assert found["lifecycle"] == "initializing"
    assert found["progress"]["totalIterations"] == 3
    assert Path(found["configPath"]).is_file()

    sent = served.ok("POST", f"{path}/messages", json={"target": "design", "message": "hello there"})
    assert sent["status"] == "acknowledged"
    assert sorted(sent["fates"]) == ["10", "11", "12", "13"]
    assert [one["message"] for one in served.ok("GET", f"{path}/messages")["messages"]][-1] == "hello there"

    served.ok("POST", f"{path}/transition", json={"status": "planning"})
    served.ok("POST", f"{path}/events", json={"type": "iteration_started", "data": {"number": 1}}, status=201)
    types = [one["type"] for one in served.ok("GET", f"{path}/events")["events"]]
    assert types[0] == "created"
    assert types[-2:] == ["started", "iteration_started"]

    assert served.ok("POST", f"{path}/stop", json={})["wasUp"] is True
    assert served.ok("GET", path)["status"] == "stopped"
    assert served.ok("GET", path)["lifecycle"] == "paused"
    assert served.ok("POST", f"{path}/stop")["wasUp"] is False

    assert served.ok("POST", f"{path}/restore")["agentsStarted"] == 13
    assert served.ok("GET", path)["status"] == "active"
    assert served.refused("DELETE", path, status=409)["code"] == "refused"
    assert served.ok("DELETE", f"{path}?force=true")["status"] == "deleted"
    assert served.refused("GET", path, status=404)["details"] == {"sessionId": made["sessionId"]}
    wait_until(lambda: served.ok("GET", "/sessions")["total"] == 0)
