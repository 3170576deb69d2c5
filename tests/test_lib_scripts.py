"""The programs of earlier versions, by their names and in their syntax."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bashes import PROGRAM, Done, give_readers, run
from conftest import own_tmux, wait_for
from roots import FakeTmux, mas_of
from serving import in_a_process
from teams import sessions, tmux

from mas.paths import Root
from mas.planning import StartOptions

Wait = Callable[..., None]

SCRIPTS = Path(__file__).parents[1] / "scripts"
ID = "1234abcd-0000-4000-8000-000000000001"
NAME = "mas-1234abcd"


def around(root: Root, socket: Path, patch: pytest.MonkeyPatch) -> None:
    """Let the scripts see that root and that server."""
    patch.setenv("MAS_TMUX_SOCKET", str(socket))
    patch.setenv("MAS_ROOT", str(root.path))
    patch.setenv("MAS_BIN", str(PROGRAM))
    patch.setenv("XDG_CONFIG_HOME", str(root.path.parent / "config"))


@pytest.fixture(autouse=True)
def world(root: Root, tmux_socket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    around(root, tmux_socket, monkeypatch)


@pytest.fixture
def team(root: Root) -> str:
    """A team of one agent, to be ended."""
    mas = mas_of(root)
    options = StartOptions(template="solo", command="cat", session_id=ID)
    return mas.start(mas.plan(options)).tmux_name


@pytest.fixture(scope="module")
def started(shared_root: Root, shared_socket: Path) -> Root:
    """A whole team for all tests that leave it as it is; its root."""
    del shared_socket
    words = ["start", "--isolated", "--root", str(shared_root.path), "--id", ID, *give_readers(shared_root)]
    assert run([str(PROGRAM), *words]).code == 0
    return shared_root


@pytest.fixture
def readers(started: Root, shared_socket: Path, monkeypatch: pytest.MonkeyPatch) -> Root:
    """The root of that team, which the scripts see."""
    around(started, shared_socket, monkeypatch)
    return started


def call(script: str, *words: str, cwd: Path | None = None, answer: str = "") -> Done:
    """Run one of the scripts; ``answer`` is what it reads. Colours are left out of what it says."""
    done = subprocess.run(
        [SCRIPTS / script, *words], input=answer, capture_output=True, text=True, check=False, timeout=60, cwd=cwd
    )
    return Done(done.returncode, re.sub(r"\033\[[0-9;]*m", "", done.stdout), done.stderr)


def sent(root: Root) -> list[dict[str, Any]]:
    return [one.to_json() for one in mas_of(root).messages(ID).values()]


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
def test_sending(readers: Root, words: tuple[str, ...], target: str, text: str, *, execute: bool) -> None:
    before = len(sent(readers))
    assert call(*words).answer == (0, "")
    found = [(one["target"], one["message"], one["execute"]) for one in sent(readers)[before:]]
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
def test_what_cannot_be_sent_ends_with_1(readers: Root, words: tuple[str, ...]) -> None:
    before = len(sent(readers))
    assert call(*words).code == 1
    assert len(sent(readers)) == before


@pytest.mark.parametrize("script", ["mas_refactored.sh", "mas.sh"])
@pytest.mark.usefixtures("readers")
def test_status(script: str) -> None:
    assert call(script, "status").answer == (0, f"Session: {NAME}\nStatus: running\nHTTP Server: stopped\n")
    option = "--detail" if script == "mas_refactored.sh" else "-d"
    code, out = call(script, "status", option).answer
    assert (code, len(re.findall(r"^  Unit .*: running$", out, re.MULTILINE))) == (0, 13)


def test_status_without_a_session() -> None:
    assert call("mas_refactored.sh", "status").answer == (0, "Session: none\nStatus: stopped\nHTTP Server: stopped\n")
    assert call("mas.sh", "status").code == 1


def test_status_of_a_server_that_runs(root: Root) -> None:
    with in_a_process(root):
        assert call("mas_refactored.sh", "status").out.endswith("HTTP Server: running\n")


UNKNOWN = (0, "Session: unknown\nStatus: unknown\nHTTP Server: stopped\n")


def test_of_several_sessions_none_is_stopped(tmux_socket: Path) -> None:
    for name in ("mas-one", "mas-two"):
        tmux(tmux_socket, "new-session", "-d", "-s", name, "cat")
    for script in ("mas_refactored.sh", "mas.sh"):
        done = call(script, "status")
        assert ((done.code, done.out), "mas-one mas-two" in done.err) == (UNKNOWN, True)
        done = call(script, "stop", "-f")
        assert (done.code, "mas-one mas-two" in done.err, "mas stop NAME" in done.out) == (1, True, True)
    assert call("mas_refactored.sh", "attach").code == 1
    assert sessions(tmux_socket) == ["mas-one", "mas-two"]


def test_where_tmux_gives_no_answer_nothing_is_said_to_be_stopped(fake: FakeTmux) -> None:
    fake.instead("echo 'the server is not well' >&2; exit 1")
    done = call("mas_refactored.sh", "status")
    assert ((done.code, done.out), "the server is not well" in done.err) == (UNKNOWN, True)
    assert call("mas_refactored.sh", "stop", "-f").code == 1


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
    mas = mas_of(root)
    mas.start(mas.plan(StartOptions(template="default", command="cat")))
    assert call(*words).code == 1


def test_attaching_goes_to_a_window(readers: Root, shared_socket: Path, wait_until: Wait) -> None:
    script = f"export TERM=screen MAS_ROOT='{readers.path}'; unset TMUX; exec '{SCRIPTS}/mas.sh' attach managers"
    words = ("-d", "-s", "viewer", "-e", f"MAS_TMUX_SOCKET={shared_socket}", "sh", "-c", script)
    tmux(shared_socket, "select-window", "-t", f"={NAME}:=business")
    tmux(shared_socket, "new-session", *words)
    wait_until(lambda: tmux(shared_socket, "display-message", "-p", "-t", f"={NAME}:", "#{session_attached}") == "1")
    assert tmux(shared_socket, "display-message", "-p", "-t", f"={NAME}:", "#{window_name}") == "meta"


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


CALLS = """
start 0 mas_refactored.sh start --no-attach
status 0 mas_refactored.sh status
first 0 mas.sh status
list 0 mas.sh list
send 0 mas_refactored.sh send 00 hello -e
told 0 send_message.sh -p 00 -e hello
attach 1 mas.sh attach
stop 0 mas_refactored.sh stop -f
"""
"""A line a call: its name, its exit code, its words. Nobody sits at its terminal."""

CALL_ALL = """
while read -r name wanted script words; do
    "$1/$script" $words >"$2/$name" 2>&1 </dev/null && code=0 || code=$?
    echo "$name $code" >>"$2/codes"
done <<<"$3"
mv "$2/codes" "$2/all"
"""


@pytest.mark.parametrize(
    ("mode", "place"), [("legacy", "ours"), ("isolated", "ours"), ("isolated", "beside"), ("legacy", "elsewhere")]
)
def test_every_command_works_in_both_modes_from_inside_tmux(
    root: Root, tmux_socket: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, place: str
) -> None:
    """In a window of the team itself, in a session beside it, and on a server of somebody else.

    There the pane has the number of a pane of another team of ours, which must not be taken for the one that is meant.
    """
    root.path.mkdir()
    run([str(PROGRAM), "init", "--template", "solo", "--name", "shop"], cwd=root.path)
    monkeypatch.setenv("MAS_SESSION_MODE", mode)
    monkeypatch.setenv("MAS_AGENT", "shell")
    with own_tmux() as theirs:
        socket = theirs if place == "elsewhere" else tmux_socket
        if place == "ours":
            assert call("mas_refactored.sh", "start", "--no-attach", cwd=root.path).code == 0
        else:
            for server in {socket, tmux_socket}:
                tmux(server, "-f", os.devnull, "new-session", "-d", "-s", "mine", "cat")
        if place == "elsewhere":
            mas = mas_of(root)
            mas.start(mas.plan(StartOptions(template="solo", command="cat", mode="isolated")))
        words = ["env", f"MAS_SESSION_MODE={mode}", "bash", "-c", CALL_ALL, "bash", str(SCRIPTS), str(tmp_path)]
        tmux(socket, "new-window", "-d", "-t", f"={sessions(socket)[0]}:", "-c", str(root.path), *words, CALLS.strip())
        wait_for((tmp_path / "all").exists, timeout=30)
    wanted = [" ".join(line.split()[:2]) for line in CALLS.strip().splitlines()]
    assert (tmp_path / "all").read_text().splitlines() == wanted
    name = "mas-shop" if mode == "legacy" else "mas-[0-9a-f]{8}"
    for verb in ("status", "first"):
        assert re.fullmatch(f"Session: {name}\nStatus: running\nHTTP Server: stopped\n", (tmp_path / verb).read_text())
    meant = (tmp_path / "status").read_text().split()[1]
    wait_for(lambda: meant not in sessions(tmux_socket), what=f"the end of {meant}")


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
