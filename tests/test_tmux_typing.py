"""Text in real panes: every byte to the right agent, or nothing and the reason."""

import os
import pty
import signal
import tty
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import teams

from mas import tmux
from mas.errors import UnknownStateError
from mas.launch import Launched
from mas.tmux import Server, Typed
from mas.tmux.look import CROWD

Wait = Callable[..., None]

RAW = ("sh", "-c", "stty raw -echo; echo ready; exec cat >got")
BRACKETED = ("sh", "-c", "stty raw -echo; printf '\\033[?2004hready'; exec cat >got")
ENDS = ("sh", "-c", "echo done; exit 3")


@pytest.fixture
def server(tmux_socket: Path) -> Server:
    return Server(str(tmux_socket))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "a root" / "sessions" / teams.SESSION


@pytest.fixture
def launch(server: Server, directory: Path, wait_until: Wait) -> Callable[..., Launched]:
    """Build a team whose agents show that they are ready."""

    def launched(argv: tuple[str, ...] = RAW, shape: Mapping[str, int] | None = None, word: str = "ready") -> Launched:
        found = tmux.launch(server, teams.plan(directory, shape or {"a": 2}, argv))
        wait_until(lambda: all(word in look.screen for look in tmux.looks(server, [*found.panes.values()]).values()))
        return found

    return launched


def got(directory: Path, agent_id: str) -> bytes:
    path = directory / "unit" / agent_id / "got"
    return path.read_bytes() if path.exists() else b""


def typed(server: Server, team: Launched, agent_id: str, text: bytes) -> Typed:
    (found,) = tmux.paste(server, {team.panes[agent_id]: agent_id}, teams.SESSION, text).values()
    return found


def buffers(socket: Path) -> str:
    return teams.tmux(socket, "list-buffers")


# --- looking ---


def test_a_look_tells_whose_a_pane_is_and_what_it_shows(
    server: Server, tmux_socket: Path, directory: Path, launch: Callable[..., Launched]
) -> None:
    team = launch()
    pane = team.panes["00"]
    look = tmux.looks(server, [pane])[pane]
    assert (look.session_id, look.root, look.agent_id) == (teams.SESSION, str(directory.parent), "00")
    assert (look.there, look.ready, look.dead, look.exit_code) == (True, False, False, None)
    assert look.screen.strip() == "ready"
    assert look.tty == teams.tmux(tmux_socket, "display-message", "-p", "-t", pane, "#{pane_tty}")
    assert str(look.pid) == teams.tmux(tmux_socket, "display-message", "-p", "-t", pane, "#{pane_pid}")
    assert look.shows() == tmux.looks(server, [pane])[pane].shows()


def test_spaces_show_too(server: Server, launch: Callable[..., Launched], wait_until: Wait) -> None:
    pane = launch(("cat", "-"), word="").panes["00"]
    before = tmux.looks(server, [pane])[pane]
    tmux.paste(server, {pane: "00"}, teams.SESSION, b"   ")
    wait_until(lambda: tmux.looks(server, [pane])[pane].shows() != before.shows())


def test_panes_that_are_gone_are_left_out(server: Server, tmux_socket: Path, launch: Callable[..., Launched]) -> None:
    team = launch()
    teams.tmux(tmux_socket, "kill-pane", "-t", team.panes["00"])
    assert [*tmux.looks(server, [*team.panes.values(), "%999"])] == [team.panes["01"]]
    assert tmux.looks(server, []) == {}
    assert tmux.looks(Server(str(tmux_socket.with_name("other"))), ["%0"]) == {}


def test_an_agent_that_has_ended_is_told_with_its_code(
    server: Server, launch: Callable[..., Launched], wait_until: Wait
) -> None:
    pane = launch(ENDS, word="done").panes["00"]
    wait_until(lambda: tmux.looks(server, [pane])[pane].exit_code == 3)
    assert not tmux.looks(server, [pane])[pane].there


def test_more_panes_than_one_call_can_speak_of(
    server: Server, directory: Path, launch: Callable[..., Launched], wait_until: Wait
) -> None:
    team = launch(shape={"a": 9, "b": 9})
    assert len(team.panes) > CROWD
    assert {*tmux.looks(server, [*team.panes.values()])} == {*team.panes.values()}
    sent = tmux.paste(server, {pane: agent_id for agent_id, pane in team.panes.items()}, teams.SESSION, b"all of you")
    assert all(one.done for one in sent.values())
    wait_until(lambda: all(got(directory, agent_id) == b"all of you" for agent_id in team.panes))


# --- typing ---


@pytest.mark.parametrize(
    "text",
    [
        bytes(range(1, 256)) * 3,
        b"ends in ;",
        b";",
        b"-X",
        b"Enter",
        b"#(touch canary)#{pane_id}#S",
        b"$(touch canary)`touch canary`;touch canary\n",
        b"x" * (1 << 20),
    ],
    ids=["every byte", "semicolon at the end", "semicolon", "dash", "key", "format", "shell", "a megabyte"],
)
def test_every_byte_arrives_where_it_is_meant_for(
    server: Server, tmux_socket: Path, directory: Path, launch: Callable[..., Launched], wait_until: Wait, text: bytes
) -> None:
    team = launch()
    assert typed(server, team, "01", text) == Typed(done=True)
    wait_until(lambda: len(got(directory, "01")) == len(text))
    assert got(directory, "01") == text
    assert got(directory, "00") == b""
    assert buffers(tmux_socket) == ""
    assert not [*directory.rglob("canary")]


def test_a_text_is_one_paste_and_enter_is_none(
    server: Server, directory: Path, launch: Callable[..., Launched], wait_until: Wait
) -> None:
    team = launch(BRACKETED)
    typed(server, team, "00", b"two\nlines")
    tmux.press_enter(server, {team.panes["00"]: "00"}, teams.SESSION)
    wait_until(lambda: got(directory, "00") == b"\x1b[200~two\nlines\x1b[201~\r")


def test_a_pane_in_copy_mode_leaves_it(
    server: Server, tmux_socket: Path, directory: Path, launch: Callable[..., Launched], wait_until: Wait
) -> None:
    team = launch(BRACKETED)
    teams.tmux(tmux_socket, "copy-mode", "-t", team.panes["00"])
    typed(server, team, "00", b"hello")
    teams.tmux(tmux_socket, "copy-mode", "-t", team.panes["00"])
    tmux.press_enter(server, {team.panes["00"]: "00"}, teams.SESSION)
    wait_until(lambda: got(directory, "00") == b"\x1b[200~hello\x1b[201~\r")


def test_synchronized_panes_get_nothing_that_is_not_for_them(
    server: Server, tmux_socket: Path, directory: Path, launch: Callable[..., Launched], wait_until: Wait
) -> None:
    team = launch()
    teams.tmux(tmux_socket, "set-option", "-g", "synchronize-panes", "on")
    typed(server, team, "00", b"for you")
    tmux.press_enter(server, {team.panes["00"]: "00"}, teams.SESSION)
    wait_until(lambda: got(directory, "00") == b"for you\r")
    assert got(directory, "01") == b""


def test_a_pane_of_somebody_else_is_not_typed_to(
    server: Server, directory: Path, launch: Callable[..., Launched]
) -> None:
    team = launch()
    pane = team.panes["00"]
    for session_id, agent_id in (("0" * 36, "00"), (teams.SESSION, "01"), (teams.SESSION, "")):
        refused = tmux.paste(server, {pane: agent_id}, session_id, b"canary")[pane]
        assert refused == Typed(reason="its pane belongs to somebody else")
    assert got(directory, "00") == b""


def test_after_a_pane_died_nobody_gets_what_was_for_it(
    server: Server, tmux_socket: Path, directory: Path, launch: Callable[..., Launched]
) -> None:
    team = launch()
    teams.tmux(tmux_socket, "kill-pane", "-t", team.panes["00"])
    assert typed(server, team, "00", b"canary") == Typed(reason="its pane is gone", ended=True)
    assert got(directory, "01") == b""
    assert buffers(tmux_socket) == ""


def test_a_dead_pane_does_not_end_the_server(
    server: Server, tmux_socket: Path, launch: Callable[..., Launched], wait_until: Wait
) -> None:
    team = launch()
    pane = team.panes["00"]
    teams.tmux(tmux_socket, "set-option", "-g", "remain-on-exit", "on")
    os.kill(tmux.looks(server, [pane])[pane].pid, signal.SIGKILL)
    wait_until(lambda: tmux.looks(server, [pane])[pane].dead)
    assert typed(server, team, "00", b"canary") == Typed(reason="its pane is dead", ended=True)
    assert tmux.discover(server).running


def test_the_shell_behind_an_agent_that_has_ended_gets_nothing(
    server: Server, launch: Callable[..., Launched], wait_until: Wait
) -> None:
    team = launch(ENDS, word="done")
    wait_until(lambda: tmux.looks(server, [team.panes["00"]])[team.panes["00"]].exit_code == 3)
    assert typed(server, team, "00", b"touch canary\n") == Typed(reason="it has ended (exit 3)", ended=True)


def test_a_program_that_somebody_started_in_its_place_gets_nothing(
    server: Server, tmux_socket: Path, directory: Path, launch: Callable[..., Launched]
) -> None:
    team = launch()
    pane = team.panes["00"]
    teams.tmux(tmux_socket, "respawn-pane", "-k", "-t", pane, "-c", str(directory), "sh", "-c", "exec cat >got")
    look = tmux.looks(server, [pane])[pane]
    assert (look.replaced, look.there, look.agent_id) == (True, False, "00")
    assert {one.agent_id: one.replaced for one in tmux.panes(server, team.tmux_id, teams.SESSION)} == {
        "00": True,
        "01": False,
    }
    assert typed(server, team, "00", b"canary\n") == Typed(reason="another program was started in its pane", ended=True)
    assert typed(server, team, "01", b"canary\n").done
    tmux.respawn(server, teams.plan(directory, {"a": 2}, RAW), "00", pane)
    assert tmux.looks(server, [pane])[pane].there
    assert typed(server, team, "00", b"back").done


def test_a_pane_without_a_note_of_its_program_is_typed_to(
    server: Server, tmux_socket: Path, launch: Callable[..., Launched]
) -> None:
    team = launch()
    pane = team.panes["00"]
    teams.tmux(tmux_socket, "set-option", "-p", "-u", "-t", pane, "@mas_pid")
    assert tmux.looks(server, [pane])[pane].there
    assert typed(server, team, "00", b"hello").done


def test_a_pane_that_takes_no_input_is_a_refusal(
    server: Server, tmux_socket: Path, launch: Callable[..., Launched]
) -> None:
    team = launch()
    teams.tmux(tmux_socket, "select-pane", "-d", "-t", team.panes["00"])
    assert typed(server, team, "00", b"lost") == Typed(reason="the input of its pane is switched off")


def test_where_no_server_runs_nobody_is_there(server: Server) -> None:
    assert tmux.paste(server, {"%0": "00"}, teams.SESSION, b"x") == {"%0": Typed(reason="its pane is gone", ended=True)}


def test_no_answer_is_unknown(
    server: Server, tmp_path: Path, launch: Callable[..., Launched], monkeypatch: pytest.MonkeyPatch
) -> None:
    team = launch()
    for number, text in enumerate(("exit 1", "echo something else")):
        with monkeypatch.context() as patch:
            teams.fake_tmux(tmp_path / f"bin{number}", text, patch)
            assert typed(server, team, "00", b"x").unknown, text
            with pytest.raises(UnknownStateError):
                tmux.looks(server, [*team.panes.values()])
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        assert typed(server, team, "00", b"x") == Typed(reason="tmux is not installed, or not on PATH", unknown=True)


def test_that_an_agent_reads_is_noted_on_its_pane(server: Server, launch: Callable[..., Launched]) -> None:
    team = launch()
    first, second = team.panes.values()
    tmux.mark_ready(server, {first: "00"}, teams.SESSION)
    tmux.mark_ready(server, {second: "01"}, "0" * 36)
    seen = tmux.looks(server, [first, second])
    assert (seen[first].ready, seen[second].ready) == (True, False)


def test_panes_that_die_while_they_are_typed_to_leave_the_server_alive(
    server: Server, tmux_socket: Path, launch: Callable[..., Launched]
) -> None:
    team = launch()
    teams.tmux(tmux_socket, "set-option", "-g", "remain-on-exit", "on")
    for number in range(60):
        program = f"sleep 0.0{number % 9 + 1}"
        words = ("new-window", "-d", "-P", "-F", "#{pane_id}", "-t", f"{team.tmux_id}:", program)
        pane = teams.tmux(tmux_socket, *words, ";", "set-option", "-p", "@mas_agent", "99").split()[0]
        teams.tmux(tmux_socket, "set-option", "-p", "-t", pane, "@mas_agent", "99")
        for _ in range(5):
            tmux.paste(server, {pane: "99"}, teams.SESSION, b"into a dying pane")
    assert tmux.discover(server).running
    assert buffers(tmux_socket) == ""


# --- what a terminal does with lines ---


def test_a_terminal_hands_over_lines_until_its_program_wants_otherwise(tmp_path: Path) -> None:
    main, other = pty.openpty()
    try:
        name = os.ttyname(other)
        assert (tmux.reads_lines(name), tmux.reads_keys(name)) == (True, False)
        tty.setraw(other)
        assert (tmux.reads_lines(name), tmux.reads_keys(name)) == (False, True)
    finally:
        os.close(main)
        os.close(other)
    for unknown in (str(tmp_path / "none"), os.devnull):
        assert (tmux.reads_lines(unknown), tmux.reads_keys(unknown)) == (None, None)
