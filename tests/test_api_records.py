"""The record of a session over HTTP: the same answers as the command line gives, the same refusals."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commandline import ok
from serving import Served, serving

from mas.events import TYPES, CommandExecuted
from mas.lifecycle import TRANSITIONS, SessionStatus
from mas.paths import Root

ID = "aaaaaaaa-0000-4000-8000-000000000001"
PATH = f"/sessions/{ID}"


@pytest.fixture
def served(root: Root, tmux_socket: Path) -> Iterator[Served]:
    """A server with one record."""
    del tmux_socket
    with serving(root) as found:
        found.mas.manager.create_session("search", session_id=ID)
        yield found


def test_a_transition_answers_the_record(served: Served) -> None:
    found = served.ok("POST", f"{PATH}/transition", json={"status": "planning"})
    assert (found["session_id"], found["status"], found["rev"]) == (ID, "planning", 2)
    assert found == ok("session", "get", ID, "--json", root=served.root.path).json


def test_a_transition_that_the_table_refuses_is_a_conflict(served: Served) -> None:
    for wanted in SessionStatus:
        if wanted not in TRANSITIONS[SessionStatus.INITIALIZING]:
            found = served.refused("POST", f"{PATH}/transition", json={"status": str(wanted)}, status=409)
            assert found["code"] == "refused"
            assert found["error"].startswith("Invalid state transition: initializing -> ")
    for body in ({"status": "flying"}, {"status": ""}, {"status": None}, {}):
        served.refused("POST", f"{PATH}/transition", json=body, status=400)
    assert served.mas.manager.get_session(ID).rev == 1


def test_fields_are_changed_and_merged(served: Served) -> None:
    found = served.ok(
        "PATCH",
        PATH,
        json={"current_phase": "plan", "label": "find", "statistics": {"total_tasks": 7}, "status": "planning"},
    )
    assert (found["current_phase"], found["status"]) == ("plan", "planning")
    assert found["statistics"]["total_tasks"] == 7
    assert served.ok("GET", "/sessions/find")["sessionId"] == ID
    other = served.mas.manager.create_session("another").session_id
    assert served.refused("PATCH", f"/sessions/{other}", json={"label": "find"}, status=409)["code"] == "exists"
    assert served.ok("PATCH", PATH, json={"label": "find"})["session_id"] == ID
    served.ok("PATCH", PATH, json={"statistics": {"completed_tasks": 1}})
    found = served.ok("PATCH", PATH, json={"configuration": {"max_iterations": 9}})
    assert (found["statistics"]["total_tasks"], found["statistics"]["completed_tasks"]) == (7, 1)


NO_CHANGES: list[dict[str, Any]] = [
    {"nonsense": 1},
    {"session_id": ID},
    {"created_at": "now"},
    {"status": "flying"},
    {"statistics": {"total_tasks": -1}},
    {"statistics": {"nonsense": 1}},
    {"statistics": []},
    {"configuration": {"max_iterations": 0}},
    {"feature_request": 1},
    {"current_phase": "nap"},
    {"label": "-x"},
    {"git_context": {"branch": "x"}},
]


def test_a_change_that_means_nothing_is_refused(served: Served) -> None:
    for body in NO_CHANGES:
        assert served.refused("PATCH", PATH, json=body, status=400)["error"], body
    assert served.mas.manager.get_session(ID).rev == 1


def test_a_status_that_is_out_of_reach_is_a_conflict(served: Served) -> None:
    served.refused("PATCH", PATH, json={"status": "completed", "current_phase": "plan"}, status=409)
    assert served.mas.manager.get_session(ID).rev == 1


def work(served: Served) -> None:
    """An iteration with a command in it, and a pause."""
    report = f"{PATH}/events"
    served.ok("POST", report, json={"type": "started"}, status=201)
    served.ok("POST", report, json={"type": "iteration_started", "data": {"number": 1}}, status=201)
    command = {"command": "make test", "success": False}
    served.ok("POST", report, json={"type": "command-executed", "data": command}, status=201)
    changes = {"files_modified": ["a.py"], "lines_added": 3}
    served.ok("POST", report, json={"type": "iteration_completed", "data": {"changes": changes}}, status=201)
    served.ok("POST", report, json={"type": "paused", "data": {"reason": "lunch"}}, status=201)


def test_events_are_recorded_and_paged(served: Served) -> None:
    work(served)
    found = served.ok("GET", f"{PATH}/events?limit=3")
    assert [one["type"] for one in found["events"]] == ["created", "started", "iteration_started"]
    assert (found["count"], found["next"], found["more"]) == (3, 3, True)
    rest = served.ok("GET", f"{PATH}/events?since={found['next']}")
    assert rest["events"][-1]["type"] == "paused"
    assert rest["more"] is False
    empty = served.ok("GET", f"{PATH}/events?since={rest['next']}")
    assert (empty["events"], empty["next"]) == ([], rest["next"])
    for number in range(20):
        served.mas.manager.record_event(ID, CommandExecuted(f"{number}{'x' * 60_000}"))
    long = served.ok("GET", f"{PATH}/events?since={rest['next']}")
    assert (long["count"], long["next"], long["more"]) == (17, rest["next"] + 17, True)  # a megabyte of them
    lines = ok("events", ID, "--json", root=served.root.path).out.splitlines()[: rest["next"]]
    told = served.client.get(f"{PATH}/events?limit={rest['next']}").json()["events"]
    assert [json.loads(line) for line in lines] == told


NOT_NOW: list[tuple[dict[str, Any], int]] = [
    ({"type": "flown"}, 400),
    ({}, 400),
    ({"type": "iteration_started"}, 400),
    ({"type": "iteration_started", "data": {"number": 0}}, 400),
    ({"type": "iteration_started", "data": {"number": 1, "more": 1}}, 400),
    ({"type": "started", "data": []}, 400),
    ({"type": "created", "data": {}}, 400),
    ({"type": "runtime", "data": {"wanted": "down"}}, 400),
    ({"type": "completed"}, 409),
    ({"type": "resumed"}, 409),
    ({"type": "iteration_started", "data": {"number": 1}}, 409),
    ({"type": "command_executed", "data": {"command": "x" * 70_000}}, 409),
]


def test_what_cannot_happen_is_not_recorded(served: Served) -> None:
    for body, status in NOT_NOW:
        served.refused("POST", f"{PATH}/events", json=body, status=status)
    assert served.mas.manager.get_session(ID).rev == 1


def test_every_event_is_known_by_its_word(served: Served) -> None:
    for word in TYPES:
        answer = served.client.post(f"{PATH}/events", json={"type": word, "data": {"nonsense": 1}})
        assert answer.status_code == 400
        assert "unknown event" not in answer.json()["error"]


def test_progress_is_told_as_on_the_command_line(served: Served) -> None:
    work(served)
    found = served.ok("GET", f"{PATH}/progress")
    assert (found["iterationsCompleted"], found["filesChanged"]) == (1, ["a.py"])
    assert found["commandsExecuted"][0]["success"] is False
    assert found == ok("progress", ID, "--json", root=served.root.path).json
    assert served.ok("GET", PATH)["progress"] == found


def test_a_checkpoint_is_saved_shown_and_gone_back_to(served: Served) -> None:
    served.ok("POST", f"{PATH}/transition", json={"status": "planning"})
    made = served.ok("POST", f"{PATH}/checkpoints", status=201)
    assert made["state_snapshot"]["status"] == "planning"
    found = served.ok("GET", f"{PATH}/checkpoints")
    assert (found["sessionId"], found["count"], found["checkpoints"]) == (ID, 1, [made])
    assert found == ok("checkpoint", "list", ID, "--json", root=served.root.path).json
    assert served.ok("GET", f"{PATH}/checkpoints/{made['seq']}") == made
    child = served.ok("POST", f"{PATH}/checkpoints/{made['seq']}/restore", status=201)
    assert child["lifecycle"]["parent_session_id"] == ID
    assert child["status"] == "initializing"
    assert served.refused("GET", f"{PATH}/checkpoints/77", status=404)["code"] == "not_found"
    for seq in ("0", "-1", "x", "1.5", str(2**53)):
        served.refused("GET", f"{PATH}/checkpoints/{seq}", status=400)
    (served.root.session(ID).checkpoints / f"{made['seq']}.json").write_text("nonsense")
    assert served.ok("GET", f"{PATH}/checkpoints")["damaged"] == [made["seq"]]
    assert served.refused("GET", f"{PATH}/checkpoints/{made['seq']}", status=409)["code"] == "damaged"


def test_a_child_of_a_team_has_its_workspace(served: Served) -> None:
    made = served.start()
    path = f"/sessions/{made['sessionId']}"
    (Path(made["unitDir"]) / "00" / "notes.md").write_text("so far\n")
    seq = served.ok("POST", f"{path}/checkpoints", status=201)["seq"]
    child = served.ok("POST", f"{path}/checkpoints/{seq}/restore", status=201)
    found = served.ok("GET", f"/sessions/{child['session_id']}")
    assert (found["status"], found["parentSessionId"]) == ("stopped", made["sessionId"])
    assert (Path(found["unitDir"]) / "00" / "notes.md").read_text() == "so far\n"
    assert served.ok("POST", f"/sessions/{child['session_id']}/restore")["agentsStarted"] == 1
