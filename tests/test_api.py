"""A team of thirteen over HTTP, from the making to the removal, by a real server in its own process, in both modes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commandline import ok
from conftest import Wait
from serving import Served, in_a_process, make_root

from mas.paths import Root

AGENTS = {"metaManager": {"id": "00", "prompt": "Plan it."}, "units": []}


@pytest.fixture
def served(root: Root, tmux_socket: Path) -> Iterator[Served]:
    """A server of a project that has the directories of a team of its own."""
    del tmux_socket
    make_root(root)
    ok("init", "--template", "default", root=root.path, cwd=root.path)
    with in_a_process(root) as found:
        yield found


@pytest.mark.parametrize("mode", ["isolated", "legacy"])
def test_a_team_from_the_making_to_the_removal(served: Served, wait_until: Wait, mode: str) -> None:
    made = begin(served, mode)
    path = f"/sessions/{made['sessionId']}"
    check_detail(served.ok("GET", path), made)
    talk(served, path, wait_until)
    work(served, path)
    assert served.ok("POST", f"{path}/stop", json={})["wasUp"] is True
    found = served.ok("GET", path)
    assert (found["status"], found["lifecycle"]) == ("stopped", "paused")
    assert served.ok("POST", f"{path}/stop")["wasUp"] is False
    assert served.ok("POST", f"{path}/restore")["agentsStarted"] == 13
    assert served.ok("GET", path)["status"] == "active"
    assert served.refused("DELETE", path, status=409)["code"] == "refused"
    assert served.ok("DELETE", f"{path}?force=true")["status"] == "deleted"
    assert served.refused("GET", path, status=404)["details"] == {"sessionId": made["sessionId"]}
    wait_until(lambda: served.ok("GET", "/sessions")["total"] == 0)
    assert (served.root.path / "unit" / "33").is_dir()  # the project's own stay


def begin(served: Served, mode: str) -> dict[str, Any]:
    """What is not said is as it always was: no mode is legacy."""
    own = {"sessionMode": mode, "template": "default"} if mode == "isolated" else {}
    made = served.ok("POST", "/runs", json={**own, "profile": "stub", "label": "search", "agents": AGENTS}, status=201)
    assert (made["status"], made["sessionMode"], len(made["sessionId"])) == ("started", mode, 36)
    root = served.root.path
    place = root / "sessions" / made["sessionId"] if mode == "isolated" else root
    assert made["workingDir"] == str(place)
    assert (made["unitDir"], made["workflowsDir"]) == (f"{place}/unit", f"{place}/workflows")
    name = f"mas-{made['sessionId'][:8]}" if mode == "isolated" else "mas-a-root"
    assert made["tmuxSession"] == name
    assert (root / ".mas_session").is_file() == (mode == "legacy")
    return made


def check_detail(found: dict[str, Any], made: dict[str, Any]) -> None:
    assert (found["mode"], found["status"], found["lifecycle"]) == (made["mode"], "active", "initializing")
    assert len(found["agents"]) == 13
    assert {agent["status"] for agent in found["agents"]} == {"running"}
    assert [(window["paneCount"], window["active"]) for window in found["windows"]] == [(1, True), *[(4, False)] * 3]
    assert [unit["name"] for unit in found["units"]] == ["meta", "design", "development", "business"]
    assert found["units"][1]["paths"]["11"] == f"{made['unitDir']}/11"
    assert found["metadata"]["TMUX_SESSION"] == made["tmuxSession"]
    assert found["progress"]["totalIterations"] == 3
    assert Path(found["configPath"]).is_file()
    assert found["config"] == {"agents": AGENTS}


def talk(served: Served, path: str, wait_until: Wait) -> None:
    sent = served.ok("POST", f"{path}/messages", json={"target": "design", "message": "hello there"})
    assert (sent["status"], sorted(sent["fates"])) == ("acknowledged", ["10", "11", "12", "13"])
    assert served.ok("POST", "/message", json={"target": "33", "message": "and there"})["status"] == "acknowledged"

    def outcomes() -> dict[str, set[str]]:
        told = served.ok("GET", f"{path}/messages")["messages"]
        return {one["message"]: {fate["outcome"] for fate in one["fates"].values()} for one in told}

    wait_until(lambda: outcomes() == {text: {"submitted"} for text in ("Plan it.", "hello there", "and there")})


def work(served: Served, path: str) -> None:
    served.ok("POST", f"{path}/transition", json={"status": "planning"})
    served.ok("POST", f"{path}/events", json={"type": "iteration_started", "data": {"number": 1}}, status=201)
    types = [one["type"] for one in served.ok("GET", f"{path}/events")["events"]]
    assert types[0] == "created"
    assert types[-2:] == ["started", "iteration_started"]
