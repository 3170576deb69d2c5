"""The wrapper of a pane, under each shell that may be ``/bin/sh``."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import teams

from mas.launch import PANE_PATH
from mas.wrapper import WRAPPER

Wait = Callable[..., None]
SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]


class Pane:
    """One wrapper in a pane of its own, looked at by a plain tmux."""

    def __init__(self, socket: Path, directory: Path, sh: Path, wait: Wait) -> None:
        self.socket, self.directory, self.sh, self.wait = socket, directory, sh, wait
        self.pane_id = ""

    def run(self, *argv: str, cwd: str = "/", anew: tuple[str, ...] = (), **env: str) -> "Pane":
        variables = {"MAS_SESSION_DIR": str(self.directory), "MAS_TMUX_SOCKET": str(self.socket), **env}
        words = [word for name, value in variables.items() for word in ("-e", f"{name}={value}")]
        wrapped = (str(self.sh), "-c", WRAPPER, "mas-pane", "07", cwd, str(len(argv)), *argv, *anew)
        self.pane_id = teams.tmux(
            self.socket, "new-window", "-t", "bystander:", "-P", "-F", "#{pane_id}", *words, *wrapped
        )
        return self

    def show(self, field: str) -> str:
        return teams.tmux(self.socket, "display-message", "-p", "-t", self.pane_id, f"#{{{field}}}")

    @property
    def screen(self) -> str:
        return teams.tmux(self.socket, "capture-pane", "-p", "-J", "-t", self.pane_id).strip()

    def keys(self, *keys: str) -> None:
        teams.tmux(self.socket, "send-keys", "-t", self.pane_id, *keys)

    def shows(self, text: str) -> None:
        self.wait(lambda: text in self.screen, what=lambda: f"{text!r} on the screen, which shows {self.screen!r}")

    def echoes(self) -> None:
        """Wait for ``cat``: the terminal shows what was typed once, the agent a second time."""
        self.keys("typed", "Enter")
        self.shows("typed\ntyped")

    def ended(self) -> str:
        """Wait for the shell that comes after the agent; the exit code that the pane was given."""
        self.shows("this is a shell now")
        self.keys("echo ready-$((1+1))", "Enter")
        self.shows("ready-2")
        return self.show("@mas_exit")

    @property
    def agent(self) -> int:
        """The pid of what the wrapper runs."""
        self.wait(lambda: teams.children(int(self.show("pane_pid"))), what="an agent")
        return teams.children(int(self.show("pane_pid")))[0]

    @property
    def file(self) -> Path:
        return self.directory / "logs" / "agent-07.exit"


@pytest.fixture(params=SHELLS)
def pane(request: pytest.FixtureRequest, tmux_socket: Path, tmp_path: Path, wait_until: Wait) -> Pane:
    """A pane that was not started yet; its wrapper will be run by that shell, called ``sh``."""
    sh = tmp_path / "sh"
    sh.symlink_to(str(shutil.which(request.param)))
    (tmp_path / "a dir" / "logs").mkdir(parents=True)
    teams.start_server(tmux_socket)
    return Pane(tmux_socket, tmp_path / "a dir", sh, wait_until)


@pytest.mark.parametrize("code", [0, 3, 148])
def test_exit_code_is_kept_on_the_pane_and_in_a_file(pane: Pane, code: int) -> None:
    assert pane.run("sh", "-c", f"exit {code}").ended() == str(code)
    assert pane.file.read_text() == f"{code}\n"
    assert pane.file.stat().st_mode & 0o777 == 0o600


def test_a_command_that_is_not_found_says_so(pane: Pane) -> None:
    assert pane.run("no-such-agent", "-x").ended() == "127"
    assert "no-such-agent: not found" in pane.screen
    assert "agent 07 has ended (exit 127)" in pane.screen


def test_a_builtin_of_the_shell_is_not_a_command(pane: Pane) -> None:
    assert pane.run("exit", "3").ended() == "127"


def test_a_missing_directory_runs_nothing_somewhere_else(pane: Pane, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    assert pane.run("touch", str(canary), cwd=str(tmp_path / "gone")).ended() == "126"
    assert str(tmp_path / "gone") in pane.screen.replace("\n", "")
    assert not canary.exists()


def test_the_words_of_the_agent_arrive_as_they_are(pane: Pane, tmp_path: Path) -> None:
    words = ["a b", "", "$HOME", "'\"`", "*", "-n", "#{pane_id}", "日本"]
    out = tmp_path / "out"
    pane.run("sh", "-c", f'printf "%s|" "$@" >"{out}"', "x", *words).ended()
    assert out.read_text() == "|".join([*words, ""])


def test_who_cannot_go_on_begins_anew_and_that_is_told(pane: Pane, tmp_path: Path) -> None:
    (tmp_path / "mas").write_text(f'#!/bin/sh\necho "$@" >"{tmp_path}/told"\n')
    (tmp_path / "mas").chmod(0o755)
    anew = ("sh", "-c", 'printf "%s|" "$@"; exec cat', "x", "a b", "", "$HOME")
    fails = ("sh", "-c", "echo as before; exit 1", "x", "a b")
    path = f"{tmp_path}:{os.environ['PATH']}"
    pane.run(*fails, anew=anew, MAS_SESSION_ID="some", MAS_PANE_PATH=path).shows("a b||$HOME|")
    pane.shows("as before\nmas: agent 07 had nothing to go on with (exit 1); it begins anew")
    pane.wait(
        lambda: (tmp_path / "told").exists() and (tmp_path / "told").read_text() == "deliver --begin 07 -- some\n"
    )
    assert (pane.show("@mas_exit"), pane.file.exists()) == ("", False)
    pane.keys("C-d", "C-d")
    assert pane.ended() == "0"


@pytest.mark.parametrize(("end", "code"), [("exit 0", "0"), ("kill $$", "143")])
def test_who_went_on_and_ended_does_not_begin_anew(pane: Pane, end: str, code: str) -> None:
    assert pane.run("sh", "-c", end, anew=("echo", "anew")).ended() == code
    assert "\nanew" not in pane.screen


def test_the_path_is_the_one_meant_for_the_pane(pane: Pane, tmp_path: Path) -> None:
    out = tmp_path / "out"
    path = f"{os.environ['PATH']}:/there"
    pane.run("sh", "-c", f'echo "$PATH ${{{PANE_PATH}-unset}}" >"{out}"', MAS_PANE_PATH=path).ended()
    assert out.read_text() == f"{path} unset\n"


def test_interrupt_ends_the_agent_and_not_the_pane(pane: Pane) -> None:
    pane.run("cat").echoes()
    pane.keys("C-c")
    assert pane.ended() == "130"


def test_quit_ends_the_agent_and_not_the_pane(pane: Pane) -> None:
    pane.run("cat").echoes()
    pane.keys("C-\\")
    assert pane.ended() == "131"


def test_interrupt_is_the_agents_to_handle(pane: Pane) -> None:
    pane.run("sh", "-c", 'trap "echo caught" INT; echo set; while :; do sleep 0.05; done').shows("set")
    pane.keys("C-c")
    pane.shows("caught")
    assert pane.show("@mas_exit") == ""


def test_an_agent_cannot_be_left_stopped(pane: Pane) -> None:
    pane.run("cat").echoes()
    pane.keys("C-z")
    pane.keys("after", "Enter", "C-d")
    assert pane.ended() == "0"
    assert pane.screen.count("after") == 2


def test_an_agent_that_kills_its_group_leaves_the_pane(pane: Pane) -> None:
    assert pane.run("sh", "-c", 'trap "" TERM; kill 0; exit 2').ended() in {"2", "143"}


def test_the_terminal_is_usable_after_an_agent_that_was_killed_while_it_drew(pane: Pane) -> None:
    modes = r"\033[?1049h\033[?1000h\033[?1006h\033[?25l\033[?2004h\033[?1h\033[4h\033[3;5r\033="
    pane.run("sh", "-c", rf'echo first; stty raw -echo; printf "{modes}GARBAGE"; kill -9 $$')
    assert pane.ended() == "137"
    assert "first" in pane.screen
    assert "GARBAGE" not in pane.screen
    fields = "alternate_on", "mouse_any_flag", "cursor_flag", "keypad_flag", "keypad_cursor_flag", "insert_flag"
    assert [pane.show(field) for field in fields] == ["0", "0", "1", "0", "0", "0"]
    pane.keys("clear; stty -a | grep -o -w -e -icanon -e -echo -e icanon -e echo", "Enter")
    pane.shows("icanon\necho")
    height = int(pane.show("pane_height"))
    assert (pane.show("scroll_region_upper"), pane.show("scroll_region_lower")) == ("0", str(height - 1))


def test_what_the_agent_did_not_read_is_thrown_away(pane: Pane, tmp_path: Path) -> None:
    canary, go = tmp_path / "canary", tmp_path / "go"
    pane.run("sh", "-c", f'stty raw -echo; echo set; until [ -e "{go}" ]; do sleep 0.02; done').shows("set")
    pane.keys(f"touch '{canary}'", "Enter", "unfinished")
    go.touch()
    pane.ended()
    assert not canary.exists()
    assert "unfinished" not in pane.screen


def test_what_comes_while_the_wrapper_clears_up_is_thrown_away(pane: Pane, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    pane.run("sh", "-c", "stty raw -echo; exit 0")
    while "this is a shell now" not in pane.screen and not pane.show("@mas_exit"):
        pane.keys(f"touch '{canary}'", "Enter")
    pane.ended()
    assert not canary.exists()


def test_the_pane_becomes_the_users_shell(pane: Pane) -> None:
    teams.tmux(pane.socket, "set-option", "-t", "bystander", "default-shell", str(shutil.which("bash")))
    pane.run("true").ended()
    pane.keys("echo shell:$0", "Enter")
    pane.shows(f"shell:{shutil.which('bash')}")


def test_the_file_of_an_earlier_launch_is_gone_while_the_agent_runs(pane: Pane) -> None:
    pane.file.write_text("9\n")
    pane.run("cat").echoes()
    assert not pane.file.exists()


def test_a_session_without_a_directory_for_it_has_no_file(pane: Pane) -> None:
    shutil.rmtree(pane.directory)
    assert pane.run("sh", "-c", "exit 4").ended() == "4"
    assert not pane.directory.exists()
    assert str(pane.directory) not in pane.screen


def test_a_shell_that_was_killed_gives_the_terminal_back(pane: Pane) -> None:
    if pane.sh.resolve().name == "bash":
        pytest.skip("bash leaves a script when a job in it dies of ^C, so the agent is no job there")
    pane.run("bash", "--norc", "-i").keys("echo up-$((1+1))", "Enter")
    pane.shows("up-2")
    os.kill(pane.agent, signal.SIGKILL)
    assert pane.ended() == "137"
