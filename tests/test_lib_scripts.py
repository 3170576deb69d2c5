"""The programs of earlier versions, by their names and in their syntax."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bashes import PROGRAM, READER, Done, run
from teams import sessions, tmux

from mas.paths import Root

Wait = Callable[..., None]

SCRIPTS = Path(__file__).parents[1] / "scripts"
ID = "1234abcd-0000-4000-8000-000000000001"
NAME = "mas-1234abcd"


@pytest.fixture(autouse=True)
def world(root: Root, tmux_socket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert os.environ["MAS_TMUX_SOCKET"] == str(tmux_socket)
    monkeypatch.setenv("MAS_ROOT", str(root.path))
    monkeypatch.setenv("MAS_BIN", str(PROGRAM))
    monkeypatch.setenv("MAS_API_PORT", "1")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(root.path.parent / "config"))


@pytest.fixture
def team(root: Root) -> str:
    words = ["start", "--isolated", "--root", str(root.path), "--id", ID, "--command", READER]
    assert run([str(PROGRAM), *words]).code == 0
    return NAME


def call(script: str, *words: str, cwd: Path | None = None, answer: str = "") -> Done:
    """Run one of the scripts; ``answer`` is what it reads. Colours are left out of what it says."""
    done = subprocess.run(
        [SCRIPTS / script, *words], input=answer, capture_output=True, text=True, check=False, timeout=60, cwd=cwd
    )
    return Done(done.returncode, re.sub(r"\033\[[0-9;]*m", "", done.stdout), done.stderr)


def sent(root: Root) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        run([str(PROGRAM), "messages", ID, "--json", "--root", str(root.path)]).out
    )["messages"]
    return found


@pytest.mark.parametrize(
    ("words", "target", "text", "execute"),
    [
        (("mas_refactored.sh", "send", "12", "two  words"), "12", "two  words", False),
        (("mas_refactored.sh", "send", "design", "-x", "-e"), "design", "-x", True),
        (("mas_refactored.sh", "send", "12", "hello", "--execute", "--unknown"), "12", "hello", True),
        (("mas_refactored.sh", "send", "12", "hello", "-e", "-n"), "12", "hello", False),
        (("mas.sh", "send", "hello"), "all", "hello", False),
        (("mas.sh", "send", "-t", "managers", "-e", "hello"), "managers", "hello", True),
        (("mas.sh", "send", "--target", "12", "--", "-x"), "12", "-x", False),
        (("send_message.sh", "-p", "12", "hello"), "12", "hello", False),
        (("send_message.sh", "-p", "accounting", "-s", "10", "-e", "hello"), "business", "hello", True),
        (("send_message.sh", "-e", "-p", "dev", "--", "-x"), "dev", "-x", True),
    ],
)
@pytest.mark.usefixtures("team")
def test_sending(root: Root, words: tuple[str, ...], target: str, text: str, *, execute: bool) -> None:
    assert call(*words).answer == (0, "")
    found = [(one["target"], one["message"], one["execute"]) for one in sent(root)]
    assert found == [(target, text, execute)]


@pytest.mark.parametrize(
    "words",
    [
        ("mas_refactored.sh", "send", "12"),
        ("mas_refactored.sh", "send"),
        ("mas_refactored.sh", "send", "nobody", "hello"),
        ("mas.sh", "send"),
        ("mas.sh", "send", "-x", "hello"),
        ("send_message.sh", "hello"),
        ("send_message.sh", "-p", "12"),
        ("send_message.sh", "-h"),
        ("send_message.sh",),
        ("send_message.sh", "-p", "nobody", "hello"),
    ],
)
@pytest.mark.usefixtures("team")
def test_what_cannot_be_sent_ends_with_1(root: Root, words: tuple[str, ...]) -> None:
    assert call(*words).code == 1
    assert sent(root) == []


@pytest.mark.parametrize("script", ["mas_refactored.sh", "mas.sh"])
def test_status(team: str, script: str) -> None:
    assert call(script, "status").answer == (0, f"Session: {team}\nStatus: running\nHTTP Server: stopped\n")
    option = "--detail" if script == "mas_refactored.sh" else "-d"
    code, out = call(script, "status", option).answer
    assert (code, len(re.findall(r"^  Unit .*: running$", out, re.MULTILINE))) == (0, 13)


def test_status_without_a_session() -> None:
    assert call("mas_refactored.sh", "status").answer == (0, "Session: none\nStatus: stopped\nHTTP Server: stopped\n")
    assert call("mas.sh", "status").code == 1


def test_status_of_a_server_that_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket  # noqa: PLC0415

    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("MAS_API_PORT", str(server.getsockname()[1]))
        assert call("mas_refactored.sh", "status").out.endswith("HTTP Server: running\n")


@pytest.mark.parametrize(
    ("script", "words", "answer", "ends"),
    [
        ("mas_refactored.sh", ["-f"], "", True),
        ("mas_refactored.sh", ["--force"], "", True),
        ("mas_refactored.sh", [], "y\n", True),
        ("mas_refactored.sh", [], "n\n", False),
        ("mas_refactored.sh", [], "", False),
        ("mas.sh", [], "yes\n", True),
        ("mas.sh", [], "y\n", False),
    ],
)
def test_stopping(team: str, tmux_socket: Path, script: str, words: list[str], answer: str, *, ends: bool) -> None:
    assert call(script, "stop", *words, answer=answer).code == 0
    assert (team in sessions(tmux_socket)) != ends


def test_stopping_nothing_succeeds() -> None:
    assert call("mas_refactored.sh", "stop").code == 0
    assert call("mas.sh", "stop", answer="yes\n").code == 0


def test_the_session_of_the_project_is_stopped(team: str, tmux_socket: Path, tmp_path: Path) -> None:
    """Not the first one that tmux lists."""
    tmux(tmux_socket, "new-session", "-d", "-s", "mas-project", "cat")
    (tmp_path / ".mas_session").write_text("SESSION_NAME=mas-project\n")
    assert call("mas_refactored.sh", "stop", "-f", cwd=tmp_path).code == 0
    assert sessions(tmux_socket) == [team]
    assert not (tmp_path / ".mas_session").exists()


@pytest.mark.parametrize("words", [("mas_refactored.sh", "attach"), ("mas.sh", "attach"), ("mas.sh", "attach", "dev")])
def test_attaching_needs_a_session_and_a_terminal(words: tuple[str, ...], root: Root) -> None:
    assert call(*words).code == 1
    run([str(PROGRAM), "start", "--isolated", "--root", str(root.path), "--id", ID, "--command", READER])
    assert call(*words).code == 1


def test_attaching_goes_to_a_window(team: str, tmux_socket: Path, root: Root, wait_until: Wait) -> None:
    script = f"export TERM=screen MAS_ROOT='{root.path}'; unset TMUX; exec {SCRIPTS}/mas.sh attach managers"
    words = ("-d", "-s", "viewer", "-e", f"MAS_TMUX_SOCKET={tmux_socket}", "sh", "-c", script)
    tmux(tmux_socket, "select-window", "-t", f"={team}:=business")
    tmux(tmux_socket, "new-session", *words)
    wait_until(lambda: tmux(tmux_socket, "display-message", "-p", "-t", f"={team}:", "#{session_attached}") == "1")
    assert tmux(tmux_socket, "display-message", "-p", "-t", f"={team}:", "#{window_name}") == "meta"


def test_starting_says_what_scripts_look_for(tmux_socket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAS_SESSION_MODE", "isolated")
    code, out = call("mas_refactored.sh", "start", "--no-attach", "--skip-init").answer
    assert code == 0
    assert re.search(r"Session:\s+(\S+)", out)
    assert re.search(r"^Workspace: /", out, re.MULTILINE)
    assert len(sessions(tmux_socket)) == 1
    assert call("mas.sh", "start", "--unknown").code == 1
    assert call("mas.sh", "start", "--no-attach").code == 0
    assert len(sessions(tmux_socket)) == 2
    assert call("mas_refactored.sh", "start", "--config", "/nowhere").code != 0
    assert len(sessions(tmux_socket)) == 2


@pytest.mark.parametrize(("script", "template"), [("mas_refactored.sh", "solo"), ("mas.sh", "minimal")])
def test_a_project_is_made(
    root: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, template: str
) -> None:
    monkeypatch.delenv("MAS_ROOT")
    assert call(script, "init", "--name", "my project", "--template", template, cwd=tmp_path).code == 0
    assert (tmp_path / ".masrc").exists()
    assert len(list((tmp_path / "unit").iterdir())) == 1
    assert call("mas.sh", "init", cwd=tmp_path).code == 1
    assert call("mas.sh", "init", "--unknown", cwd=root.path.parent.parent).code == 1


def test_shared_directories_are_worked_in(tmux_socket: Path, root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mode of old: one team, by its old name, noted in the directory."""
    (root.path / "unit" / "00").mkdir(parents=True)
    monkeypatch.setenv("MAS_AGENT", "shell")
    assert call("mas_refactored.sh", "start", "--no-attach", cwd=root.path).code == 0
    assert sessions(tmux_socket) == ["mas-tmux"]
    assert call("mas_refactored.sh", "status", cwd=root.path).out.startswith("Session: mas-tmux\nStatus: running\n")
    assert call("mas_refactored.sh", "stop", "-f", cwd=root.path).code == 0
    assert sessions(tmux_socket) == []
    assert not (root.path / ".mas_session").exists()


def test_agents_are_listed() -> None:
    lines = call("mas_refactored.sh", "list").answer[1].splitlines()
    assert (len(lines), lines[0]) == (13, "Unit 00: Meta Manager (Model: opus)")
    assert (
        call("mas_refactored.sh", "list", "-u", "design").answer[1].splitlines()[1]
        == "Unit 11: UI Designer (Model: sonnet)"
    )
    assert call("mas.sh", "ls").answer == call("mas.sh", "list").answer == call("mas_refactored.sh", "list").answer


@pytest.mark.parametrize("script", ["mas_refactored.sh", "mas.sh"])
def test_help_version_and_nonsense(script: str) -> None:
    for word in ("help", "-h", "--help"):
        code, out = call(script, word).answer
        assert (code, out.startswith(f"usage: {script}")) == (0, True)
    code, out = call(script, "version").answer
    assert (code, bool(re.fullmatch(r"mas version [0-9.]+\S*\n", out))) == (0, True)
    code, out = call(script, "frobnicate").answer
    assert (code, "[ERROR]" in out, "usage:" in out) == (1, True, True)


def test_details_of_the_first_program() -> None:
    assert call("mas.sh", "--version").answer == call("mas.sh", "-v").answer == call("mas.sh", "version").answer
    assert call("mas.sh", "--frobnicate").code == 1
    assert call("mas.sh", "stop", "--help").out.startswith("usage: mas.sh")
    assert call("mas_refactored.sh").out.startswith("usage: mas_refactored.sh")


def test_scripts_are_found_through_a_link(tmp_path: Path) -> None:
    for script in ("mas.sh", "mas_refactored.sh"):
        (tmp_path / script).symlink_to(SCRIPTS / script)
        assert run([str(tmp_path / script), "version"]).code == 0
