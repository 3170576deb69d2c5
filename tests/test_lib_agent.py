"""Agents from bash: who they are, where they sit, starting them in a session of ours and in any other."""

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from bashes import PROGRAM, STRICT, Bash, Done, run
from teams import tmux

from mas.paths import Root

Wait = Callable[..., None]

IDS = "00 10 11 12 13 20 21 22 23 30 31 32 33".split()
ID = "1234abcd-0000-4000-8000-000000000001"
NAME = "mas-1234abcd"


@pytest.fixture(params=["", STRICT], ids=["plain", "strict"])
def sh(request: pytest.FixtureRequest, root: Root, tmux_socket: Path) -> Bash:
    assert os.environ["MAS_TMUX_SOCKET"] == str(tmux_socket)
    return Bash(request.param, root.path, "agent.sh", {"HOME": str(root.path.parent)})


@pytest.fixture
def raw(sh: Bash) -> str:
    """A session as scripts build it themselves, with a shell in each pane."""
    assert sh("create_session mas-raw && create_mas_windows mas-raw").answer == (0, "")
    return "mas-raw"


@pytest.fixture
def ours(root: Root, tmux_socket: Path) -> str:
    """A session of mas whose agents are readers of a line that end with 3."""
    assert tmux_socket.parent.is_dir()
    config = str(root.path.parent / "config")
    words = ["start", "--isolated", "--root", str(root.path), "--id", ID, "--command", "sh -c 'read line; exit 3'"]
    assert run([str(PROGRAM), *words], env={**os.environ, "XDG_CONFIG_HOME": config}).code == 0
    return NAME


def plain(done: Done) -> tuple[int, list[str]]:
    """The answer without colours, by lines."""
    code, out = done.answer
    return code, re.sub(r"\033\[[0-9;]*m", "", out).splitlines()


def screen(socket: Path, target: str) -> str:
    return tmux(socket, "capture-pane", "-p", "-J", "-t", target).rstrip()


# --- who they are ---


@pytest.mark.parametrize("agent", [*IDS, "99", "", "x"])
def test_models(sh: Bash, agent: str) -> None:
    model = "opus" if agent in ("00", "10", "20", "30") else "sonnet"
    assert sh('get_agent_model "$1"', agent).answer == (0, f"{model}\n")


@pytest.mark.parametrize(
    ("agent", "code"), [("00", 0), ("10", 0), ("20", 0), ("30", 0), ("11", 1), ("40", 1), ("", 1), ("0", 1), ("100", 1)]
)
def test_managers(sh: Bash, agent: str, code: int) -> None:
    assert sh('is_manager "$1"', agent).answer == (code, "")


def test_responsibilities(sh: Bash) -> None:
    for agent in IDS:
        code, out = sh("get_agent_responsibilities $1", agent).answer
        assert (code, [line[:2] for line in out.splitlines()]) == (0, ["- "] * 3)
    for agent in ("99", "", "x"):
        assert sh('get_agent_responsibilities "$1"', agent).answer == (0, "- Undefined role\n")


def test_tables(sh: Bash) -> None:
    """They are there also where a function sources the library, and hold what they always held."""
    script = 'printf "%s\\n" "${#AGENT_NAMES[@]}" "${AGENT_NAMES[31]}" "${AGENT_MODELS[20]}" "${UNIT_NAMES[design]}"'
    assert sh(script).answer == (0, "13\nAccounting\nopus\n10 11 12 13\n")
    inside = replace(sh, begin=f"{sh.begin}\nload() {{ source '{Path(__file__).parents[1]}/lib/agent.sh'; }}; load")
    assert inside(script).answer == (0, "13\nAccounting\nopus\n10 11 12 13\n")


def test_a_library_directory_that_is_set_stays(sh: Bash) -> None:
    assert sh('echo "$LIB_DIR"').answer == (0, f"{Path(__file__).parents[1]}/lib\n")
    assert replace(sh, begin=f"{sh.begin}\nreadonly LIB_DIR=/mine")('echo "$LIB_DIR"').answer == (0, "/mine\n")


def test_workflows_are_those_beside_the_units_however_these_are_named(sh: Bash, tmp_path: Path) -> None:
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows" / "11_mine.md").write_text("mine\n")
    for place in ("unit", "./other", str(tmp_path / "third")):
        assert sh('init_agent_directory "$1" 11', place, cwd=tmp_path).answer == (0, "")
        assert (tmp_path / place / "11" / "WORKFLOW_INSTRUCTIONS.md").read_text() == "mine\n"


# --- where they sit ---


@pytest.mark.parametrize(
    ("agent", "place"),
    [("00", "meta.0"), ("10", "design.0"), ("13", "design.3"), ("22", "development.2"), ("33", "business.3")],
)
def test_the_pane_of_an_agent(sh: Bash, agent: str, place: str) -> None:
    assert sh("get_agent_window_pane $1", agent).answer == (0, f"{place}\n")


@pytest.mark.parametrize("agent", ["01", "14", "40", "99", "", "x", "000"])
def test_who_does_not_exist_has_no_pane(sh: Bash, agent: str) -> None:
    assert sh('get_agent_window_pane "$1"', agent).answer == (0, "\n")


# --- their directories ---


def test_a_directory_gets_what_its_agent_needs(sh: Bash, tmp_path: Path) -> None:
    workflows = tmp_path / "work flows"
    workflows.mkdir()
    for name in (
        "00_lead.md",
        "11-13_designers.md",
        "12_ux.md",
        "21-22_a.md",
        "21-23_b.md",
        "workers_common.md",
        "notes.md",
        "1_x.md",
    ):
        (workflows / name).write_text(name)
    for agent, guide in (("00", "00_lead.md"), ("11", "11-13_designers.md"), ("12", "12_ux.md"), ("21", "21-22_a.md")):
        assert sh('init_agent_directory "$1/a unit" $2 "$1/work flows"', str(tmp_path), agent).answer == (0, "")
        place = tmp_path / "a unit" / agent
        assert (place / "WORKFLOW_INSTRUCTIONS.md").read_text() == guide
        assert (place / "WORKER_GUIDELINES.md").exists() == (agent != "00")
    text = (tmp_path / "a unit" / "11" / "README.md").read_text()
    for fact in ("UI Designer", "Unit: design\n", "Role: worker\n", "Model: sonnet\n", "\n- "):
        assert fact in text


def test_what_an_agent_has_already_stays(sh: Bash, tmp_path: Path) -> None:
    (tmp_path / "unit" / "20").mkdir(parents=True)
    (tmp_path / "unit" / "20" / "README.md").write_text("mine")
    assert sh('init_agent_directory "$1" 20', str(tmp_path / "unit")).answer == (0, "")
    assert (tmp_path / "unit" / "20" / "README.md").read_text() == "mine"
    assert (tmp_path / "unit" / "20" / "WORKFLOW_INSTRUCTIONS.md").exists(), "the shipped guide"


@pytest.mark.parametrize("agent", ["", "..", "1", "../x", "abc"])
def test_only_an_agent_gets_a_directory(sh: Bash, tmp_path: Path, agent: str) -> None:
    assert sh('init_agent_directory "$1" "$2"', str(tmp_path / "unit"), agent).code == 1
    assert not (tmp_path / "unit").exists()


def test_guides_come_from_the_session(sh: Bash, tmp_path: Path) -> None:
    """From the directory beside ``unit/``, or from the one that the environment names."""
    for name in ("workflows", "named"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "00_lead.md").write_text(name)
    guide = tmp_path / "unit" / "00" / "WORKFLOW_INSTRUCTIONS.md"
    sh('init_agent_directory "$1/unit" 00', str(tmp_path))
    assert guide.read_text() == "workflows"
    guide.unlink()
    sh('WORKFLOWS_DIR=$1/named init_agent_directory "$1/unit" 00', str(tmp_path))
    assert guide.read_text() == "named"


# --- starting, in a session that a script built ---


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    place = tmp_path / "the session's" / "unit"
    for agent in IDS:
        (place / agent).mkdir(parents=True)
    (place.parent / "workflows").mkdir()
    return place


AGENT = 'sh -c "echo agent {agent_id} {model} in \\$PWD for \\$MAS_AGENT_ID with \\$WORKFLOWS_DIR; exec cat"'


def test_an_agent_is_started_in_its_directory(
    sh: Bash, raw: str, tmux_socket: Path, unit: Path, wait_until: Wait
) -> None:
    script = 'start_agent mas-raw design 2 12 "$1"'
    assert plain(sh(script, str(unit), env={"MAS_AGENT_COMMAND": AGENT})) == (
        0,
        ["[INFO] Starting agent 12 (UX Designer)"],
    )
    wanted = f"agent 12 sonnet in {unit}/12 for 12 with {unit.parent}/workflows"
    wait_until(lambda: wanted in screen(tmux_socket, f"={raw}:=design.2"))
    wait_until(lambda: sh("get_agent_status mas-raw 12").answer == (0, "running\n"))
    assert sh("get_agent_status mas-raw 13").answer == (0, "stopped\n")


@pytest.mark.parametrize("way", ["UNIT_DIR", "working directory"])
def test_the_units_are_those_of_the_environment(
    sh: Bash, raw: str, tmux_socket: Path, unit: Path, way: str, wait_until: Wait
) -> None:
    env = {"MAS_AGENT_COMMAND": AGENT} | ({"UNIT_DIR": str(unit)} if way == "UNIT_DIR" else {})
    assert sh("start_agent mas-raw meta 0 00", cwd=unit.parent, env=env).code == 0
    wait_until(lambda: f"agent 00 opus in {unit}/00" in screen(tmux_socket, f"={raw}:=meta"))


def test_a_whole_team_is_started_and_stopped(sh: Bash, raw: str, unit: Path, wait_until: Wait) -> None:
    assert raw == "mas-raw"
    code, lines = plain(sh('start_all_agents mas-raw "$1"', str(unit), env={"MAS_AGENT_COMMAND": "cat"}))
    assert (code, [line.split()[3] for line in lines]) == (0, IDS)
    running = sh("get_all_agent_status mas-raw").out
    wait_until(lambda: sh("get_all_agent_status mas-raw").out.count(": running") == 13, what=running)
    assert plain(sh("stop_all_agents mas-raw"))[0] == 0
    wait_until(lambda: sh("get_all_agent_status mas-raw").out.count(": stopped") == 13)


@pytest.mark.usefixtures("raw")
def test_one_agent_is_stopped(sh: Bash, unit: Path, wait_until: Wait) -> None:
    sh('start_agent mas-raw meta 0 00 "$1"', str(unit), env={"MAS_AGENT_COMMAND": "cat"})
    wait_until(lambda: sh("get_agent_status mas-raw 00").out == "running\n")
    assert sh("stop_agent mas-raw meta 0").answer == (0, "")
    wait_until(lambda: sh("get_agent_status mas-raw 00").out == "stopped\n")


@pytest.mark.usefixtures("raw")
def test_where_something_runs_nothing_is_typed(sh: Bash, tmux_socket: Path, unit: Path, wait_until: Wait) -> None:
    tmux(tmux_socket, "send-keys", "-t", "=mas-raw:=meta", "cat", "Enter")
    wait_until(lambda: sh("get_agent_status mas-raw 00").out == "running\n")
    before = screen(tmux_socket, "=mas-raw:=meta")
    code, lines = plain(sh('start_agent mas-raw meta 0 00 "$1"', str(unit)))
    assert (code, [line.split()[0] for line in lines]) == (1, ["[INFO]", "[WARNING]"])
    assert screen(tmux_socket, "=mas-raw:=meta") == before


@pytest.mark.usefixtures("raw")
def test_an_agent_without_a_directory_is_not_started(sh: Bash, unit: Path) -> None:
    for words in ('meta 0 99 "$1"', 'meta 0 "" "$1"', 'meta 0 ../00 "$1"', "meta 0 00 /nowhere"):
        code, lines = plain(sh(f"start_agent mas-raw {words}", str(unit)))
        assert (code, [line.split()[0] for line in lines]) == (1, ["[INFO]", "[ERROR]"])
    for words in ("nowhere 0", "meta 7", "x.y 0"):
        assert sh(f'start_agent mas-raw {words} 00 "$1"', str(unit)).code == 1
    assert sh('start_agent mas-ra meta 0 00 "$1"', str(unit)).code == 1


# --- in a session of ours ---


def test_agents_of_ours_are_known_by_their_stamps(sh: Bash, ours: str, tmux_socket: Path, wait_until: Wait) -> None:
    assert sh("get_agent_status $1 12", ours).answer == (0, "running\n")
    tmux(tmux_socket, "send-keys", "-t", f"={ours}:=design.2", "Enter")
    wait_until(lambda: sh("get_agent_status $1 12", ours).out == "stopped\n")
    tmux(tmux_socket, "kill-pane", "-t", f"={ours}:=design.1")
    assert sh("get_agent_status $1 11", ours).answer == (0, "stopped\n")
    assert sh("get_agent_status $1 13", ours).answer == (0, "running\n")
    lines = sh("get_all_agent_status $1", ours).answer[1].splitlines()
    assert lines[0] == "  Unit 00 (Meta Manager)           : running"
    assert [line.split()[1] for line in lines if line.endswith(": stopped")] == ["11", "12"]


def test_a_pane_that_somebody_opened_is_nobodys(sh: Bash, ours: str, tmux_socket: Path) -> None:
    tmux(tmux_socket, "kill-pane", "-t", f"={ours}:=design.3")
    tmux(tmux_socket, "split-window", "-t", f"={ours}:=design.2", "cat")
    assert sh("get_agent_status $1 13", ours).answer == (0, "stopped\n")


def test_a_running_agent_of_ours_is_left_alone(sh: Bash, ours: str, tmux_socket: Path) -> None:
    def processes() -> str:
        return tmux(tmux_socket, "list-panes", "-s", "-t", f"={ours}:", "-F", "#{pane_id} #{pane_pid}")

    before = processes()
    assert plain(sh("start_agent $1 meta 0 00", ours)) == (0, ["[INFO] Starting agent 00 (Meta Manager)"])
    code, lines = plain(sh("start_all_agents $1", ours))
    assert (code, len(lines)) == (0, 13)
    assert processes() == before


def test_an_agent_of_ours_that_ended_is_brought_back_by_mas(
    sh: Bash, ours: str, tmux_socket: Path, wait_until: Wait
) -> None:
    tmux(tmux_socket, "send-keys", "-t", f"={ours}:=design.2", "Enter")
    wait_until(lambda: sh("get_agent_status $1 12", ours).out == "stopped\n")
    assert plain(sh("start_agent $1 design 2 12", ours)) == (0, ["[INFO] Starting agent 12 (UX Designer)"])
    wait_until(lambda: sh("get_agent_status $1 12", ours).out == "running\n")


# --- what they are doing, where there is nothing to see ---


@pytest.mark.parametrize("agent", ["99", "01", "", "x"])
def test_the_status_of_nobody(sh: Bash, agent: str) -> None:
    assert sh('get_agent_status mas-raw "$1"', agent).answer == (1, "unknown\n")


def test_without_a_session_nobody_runs(sh: Bash) -> None:
    assert sh("get_agent_status mas-raw 00").answer == (0, "stopped\n")
    assert sh("get_all_agent_status mas-raw").answer[1].count(": stopped\n") == 13
    assert sh("stop_agent mas-raw meta 0").code == 1
    assert sh("stop_all_agents mas-raw").code == 1


def test_where_tmux_gives_no_answer_nothing_is_known(sh: Bash, tmp_path: Path) -> None:
    (tmp_path / "tmux").write_text("#!/bin/sh\nexit 2\n")
    (tmp_path / "tmux").chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert sh("get_agent_status mas-raw 00", env=env).answer == (0, "unknown\n")
    assert sh("get_all_agent_status mas-raw", env=env).answer[1].count(": unknown\n") == 13


# --- agent_init.sh ---


def test_a_pane_finds_its_program(root: Root, tmp_path: Path) -> None:
    bash = Bash(STRICT, root.path, "agent_init.sh", {"MAS_BIN": "", "PATH": os.defpath})
    done = bash('printf "%s\\n" "$(command -v mas)" "$MAS_PROJECT_ROOT"; [[ $- != *i* ]]')
    assert done.answer == (0, f"{Path(__file__).parents[1]}/scripts/mas\n{root.path}\n")
    words = ["bash", "--norc", "-i", "-c", f"source '{Path(__file__).parents[1]}/lib/mas-agent_init.sh'"]
    env = {**os.environ, "HOME": str(tmp_path), "MAS_ROOT": str(root.path), "MAS_AGENT_ID": "12", "MAS_SESSION_ID": ID}
    said = run(words, env=env).out.splitlines()
    assert len(said) == 3
    assert "12" in said[0]
    assert ID in said[0]
