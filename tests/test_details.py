import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import roots

from mas import details, events
from mas.app import Mas
from mas.details import Window
from mas.errors import NotFoundError
from mas.lines import Line
from mas.paths import Root

Wait = Callable[..., None]


@pytest.fixture
def mas(root: Root, tmux_socket: Path) -> Mas:
    del tmux_socket
    roots.make_template(root)
    return roots.mas_of(root)


def test_a_team_that_is_up_is_told_with_its_panes(mas: Mas, wait_until: Wait) -> None:
    started = roots.start(mas)
    session_id = started.session.session_id
    wait_until(lambda: details.gather(mas, session_id).agents[0].command == "sleep")
    found = details.gather(mas, session_id)
    assert (found.view.status, found.problem, found.remedy) == ("active", "", "")
    assert (found.team_name, found.program) == ("duo", "sleep 100000")
    assert found.windows == (Window(0, "design", 2, active=True),)
    first = found.agents[0]
    assert (first.id, first.unit, first.position, first.status) == ("10", "design", 0, "running")
    assert first.directory == str(started.workspace / "unit" / "10")
    assert first.pane_id == started.session.document["runtime"]["tmux"]["panes"]["10"]


def test_a_team_that_is_down_is_told_from_its_configuration(mas: Mas) -> None:
    session_id = roots.start(mas).session.session_id
    mas.manager.start_session(session_id)
    mas.stop(session_id, grace=0)
    found = details.gather(mas, session_id)
    assert (found.view.status, found.reason, found.windows) == ("stopped", "stopped", ())
    assert [(line.type, dict(line.data).get("wanted")) for line in found.recent[-3:]] == [
        ("runtime", "down"),
        ("paused", None),
        ("runtime", "down"),
    ]
    assert [(agent.id, agent.status, agent.pane_id) for agent in found.agents] == [
        ("10", "stopped", ""),
        ("11", "stopped", ""),
    ]


def test_an_agent_without_a_pane_is_a_problem(mas: Mas, tmux_socket: Path) -> None:
    started = roots.start(mas)
    roots.tmux(tmux_socket, "kill-pane", "-t", started.session.document["runtime"]["tmux"]["panes"]["11"])
    found = details.gather(mas, started.session.session_id)
    assert [agent.status for agent in found.agents] == ["running", "error"]
    assert found.problem == "its tmux session lacks agents 11"
    assert "mas stop" in found.remedy


def test_an_agent_that_ended_is_told_with_its_code(mas: Mas, wait_until: Wait) -> None:
    session_id = roots.start(mas, command="sh -c 'exit 7'").session.session_id
    wait_until(lambda: all(agent.exit_code == 7 for agent in details.gather(mas, session_id).agents))
    assert {agent.status for agent in details.gather(mas, session_id).agents} == {"stopped"}


def test_an_agent_that_went_elsewhere_is_told_with_its_directory(mas: Mas, wait_until: Wait) -> None:
    session_id = roots.start(mas, command="sh -c 'cd / && exec sleep 100000'").session.session_id
    wait_until(lambda: details.gather(mas, session_id).agents[0].directory == "/")


def test_where_tmux_gives_no_answer_the_last_word_stands(mas: Mas, root: Root, tmp_path: Path) -> None:
    session_id = roots.start(mas).session.session_id
    fake = roots.FakeTmux(tmp_path / "bin")
    fake.instead("exit 1")
    silent = roots.mas_of(root, {**os.environ})
    path = os.environ["PATH"]
    os.environ["PATH"] = f"{fake.directory}:{path}"
    try:
        found = details.gather(silent, session_id)
    finally:
        os.environ["PATH"] = path
    assert (found.view.status, found.view.stale, found.windows) == ("active", True, ())
    assert {agent.status for agent in found.agents} == {"unknown"}
    assert {agent.to_json()["status"] for agent in found.agents} == {"error"}  # the API has no word for it
    assert (found.word, found.problem) == ("unknown", "tmux gave no clear answer: exit code 1, ''")
    assert found.remedy == "run the command again; nothing was changed"


@pytest.mark.parametrize("question", [2, 3])
def test_where_tmux_falls_silent_nothing_is_concluded(mas: Mas, fake: roots.FakeTmux, question: int) -> None:
    session_id = roots.start(mas).session.session_id
    fake.instead("exit 1", of=question)
    found = details.gather(mas, session_id)
    assert (found.view.status, found.view.stale, found.word) == ("active", True, "unknown")
    assert {agent.status for agent in found.agents} == {"unknown"}
    assert found.problem.startswith("tmux gave no clear answer")


def test_tmux_is_asked_once_what_is_up_and_twice_what_is_in_it(mas: Mas, fake: roots.FakeTmux) -> None:
    """One that hangs keeps whoever looks waiting for each question."""
    session_id = roots.start(mas).session.session_id
    fake.instead("true", of=10_000)
    details.gather(mas, session_id)
    assert fake.counted() == 3


def test_a_record_without_a_team_has_neither_agents_nor_problems(mas: Mas) -> None:
    session_id = mas.manager.create_session("Build it").session_id
    found = details.gather(mas, session_id)
    assert (found.agents, found.team_name, found.problem) == ((), "", "")
    assert [line.type for line in found.recent] == ["created"]


def test_only_the_newest_events_are_told(mas: Mas) -> None:
    session_id = mas.manager.create_session().session_id
    mas.manager.start_session(session_id)
    for number in range(12):
        mas.manager.record_event(session_id, events.CommandExecuted(f"make {number}"))
    recent = details.gather(mas, session_id).recent
    assert [line.data["command"] for line in recent] == [f"make {number}" for number in range(4, 12)]


def test_a_workspace_that_is_gone_is_a_problem_with_a_remedy(mas: Mas) -> None:
    session_id = roots.start(mas).session.session_id
    mas.stop(session_id, grace=0)
    shutil.rmtree(mas.root.session(session_id).directory)
    found = details.gather(mas, session_id)
    assert (found.view.status, found.document, found.agents) == ("error", {}, ())
    assert found.problem.startswith("its workspace is missing: ")
    assert found.remedy == f"bring it back, or forget it: `mas rm {session_id[:8]}`"


def test_a_configuration_that_is_gone_is_a_problem(mas: Mas) -> None:
    started = roots.start(mas)
    (started.workspace / "config.json").unlink()
    found = details.gather(mas, started.session.session_id)
    assert "config.json is missing" in found.problem
    assert found.windows == (Window(0, "design", 2, active=True),)
    assert found.agents == ()


@pytest.mark.parametrize(("name", "helps"), [("unit/11", "bring it back"), ("logs", "mas doctor --fix")])
def test_a_workspace_that_lacks_something_is_a_problem(mas: Mas, name: str, helps: str) -> None:
    started = roots.start(mas, team=False)
    shutil.rmtree(started.workspace / name)
    found = details.gather(mas, started.session.session_id)
    assert found.problem == f"{name} is missing"
    assert helps in found.remedy
    assert [agent.id for agent in found.agents] == ["10", "11"]


def test_a_record_that_cannot_be_read_is_a_problem(mas: Mas) -> None:
    session_id = mas.manager.create_session().session_id
    paths = mas.root.session(session_id)
    paths.log.unlink()
    paths.snapshot.write_bytes(b"\xff")
    found = details.gather(mas, session_id)
    assert (found.view.status, found.document) == ("error", {})
    assert session_id in found.problem
    assert "doctor" in found.remedy


def test_damage_that_the_snapshot_has_passed_is_a_problem_and_the_state_stays(mas: Mas) -> None:
    session_id = roots.start(mas).session.session_id
    log = mas.root.session(session_id).log
    log.write_bytes(log.read_bytes().replace(b'"seq":2', b'"seq":3', 1))
    found = details.gather(mas, session_id)
    assert found.view.status == "active"
    assert found.problem.startswith("events.jsonl is damaged at byte ")
    assert found.remedy == f"`mas doctor --fix {session_id[:8]}`"
    assert [line.type for line in found.recent] == ["created"]


def test_what_is_no_session_is_told_as_what_it_is(mas: Mas, tmp_path: Path) -> None:
    started = roots.start(mas, team=False)
    (mas.root.sessions / "notes").mkdir()
    found = details.gather(mas, "notes")
    assert found.problem == f"{mas.root.sessions / 'notes'} holds no session; it is left alone"
    assert found.remedy == "look at it; if nobody needs it, remove it by hand"
    started.workspace.rename(tmp_path / "elsewhere")
    started.workspace.symlink_to(tmp_path / "elsewhere")
    found = details.gather(mas, started.session.session_id)
    assert (found.view.status, found.problem) == (
        "error",
        f"{started.workspace} is a link, and no link is followed",
    )
    assert found.remedy.startswith("bring its directory back, or move this away and `mas rm ")


def test_a_damaged_log_is_a_problem_and_the_rest_is_told(mas: Mas) -> None:
    session_id = mas.manager.create_session("Build it").session_id
    mas.manager.start_session(session_id)
    log = mas.root.session(session_id).log
    log.write_bytes(log.read_bytes()[:-10])
    found = details.gather(mas, session_id)
    assert (found.view.status, found.remedy) == ("error", f"`mas doctor --fix {session_id[:8]}`")
    assert found.problem
    assert found.document["feature_request"] == "Build it"
    assert [line.type for line in found.recent] == ["created"]


def test_nothing_speaks_of_it(mas: Mas) -> None:
    with pytest.raises(NotFoundError):
        details.gather(mas, "0f0f0f0f-1111-4222-8333-444444444444")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, ""),
        ({"number": 3}, "number 3"),
        ({"command": "make", "success": True, "output": ""}, "command make, success true"),
        ({"from": "planning", "to": "paused"}, "from planning, to paused"),
        ({"changes": {"lines_added": 3}, "number": 1}, "number 1"),
        ({"session_id": "x", "status": "planning"}, ""),
    ],
)
def test_a_record_is_said_in_few_words(data: dict[str, object], said: str) -> None:
    line = Line(2, "2026-01-01T00:00:00Z", "odd", data, "", "")
    assert details.said(line) == said
    assert details.line_to_json(line) == {"seq": 2, "timestamp": line.ts, "type": "odd", "data": data}


def test_the_answer_is_that_of_the_http_api(mas: Mas) -> None:
    started = roots.start(mas, request="Build it")
    told = details.gather(mas, started.session.session_id).to_json()
    assert {"sessionId", "tmuxSession", "status", "workingDir", "startedAt", "agentCount", "lastActivity"} <= set(told)
    assert (told["unitDir"], told["template"], told["request"]) == (f"{started.workspace}/unit", "duo", "Build it")
    assert {"agentId", "name", "status", "window", "pane"} <= set(told["agents"][0])
    assert set(told["gitContext"]) >= {"branch", "commit", "repoRoot", "isWorktree"}
