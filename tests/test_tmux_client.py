"""Which server is meant, how it is shown to a person, and how it is reached when its socket was removed."""

import os
import pty
import select
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import teams

from mas import proc, tmux
from mas.errors import RefusedError
from mas.tmux import Server

Wait = Callable[..., None]


@pytest.fixture
def server(tmux_socket: Path) -> Server:
    return Server(str(tmux_socket))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "a root" / "sessions" / teams.SESSION


@pytest.mark.parametrize(
    ("environ", "argv"),
    [
        ({}, ["tmux", "-u"]),
        ({"MAS_TMUX_SOCKET": ""}, ["tmux", "-u"]),
        ({"MAS_TMUX_SOCKET": "work"}, ["tmux", "-u", "-L", "work"]),
        ({"MAS_TMUX_SOCKET": "/run/a b"}, ["tmux", "-u", "-S", "/run/a b"]),
        ({"MAS_TMUX_SOCKET": "./here"}, ["tmux", "-u", "-S", "./here"]),
    ],
)
def test_the_variable_names_the_server(environ: dict[str, str], argv: list[str]) -> None:
    assert Server.from_environ(environ).argv == argv


def test_a_server_is_reached_by_its_name(tmux_socket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMUX_TMPDIR", str(tmux_socket.parent))
    assert tmux.discover(Server("named")).running is False
    subprocess.run(["tmux", "-f", os.devnull, "-L", "named", "new-session", "-d", "cat"], check=True, timeout=10)
    try:
        assert tmux.discover(Server("named")).running is True
        assert tmux.discover(Server("other")).running is False
        assert tmux.objects(Server("named")).is_alive()
    finally:
        subprocess.run(["tmux", "-L", "named", "kill-server"], check=True, timeout=10)


def test_a_path_that_no_socket_can_have_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="107 bytes") as error:
        tmux.discover(Server(str(tmp_path / ("x" * 107))))
    assert "MAS_TMUX_SOCKET" in str(error.value.hint)


def test_a_removed_socket_is_made_again(server: Server, tmux_socket: Path, wait_until: Wait) -> None:
    teams.start_server(tmux_socket)
    before = tmux.discover(server)
    tmux_socket.unlink()
    assert tmux.discover(server).running is False
    assert tmux.reopen_socket(before.pid) is True
    wait_until(lambda: tmux.discover(server) == before)


def test_only_a_tmux_server_is_asked_for_its_socket() -> None:
    with subprocess.Popen(["sleep", "1000"]) as other:
        assert tmux.reopen_socket(other.pid) is False
        assert other.poll() is None
        other.kill()
    assert tmux.reopen_socket(other.pid) is False


def test_objects_are_libtmux_ones(server: Server, directory: Path) -> None:
    plan = teams.plan(directory, {"meta": 1, "design": 2})
    launched = tmux.launch(server, plan)
    session = tmux.objects(server).sessions.get(session_id=launched.tmux_id)
    assert session is not None
    assert [window.window_name for window in session.windows] == ["meta", "design"]
    assert [pane.pane_id for pane in session.panes] == list(launched.panes.values())


class Terminal:
    """A person's terminal with a program in it."""

    def __init__(self, argv: list[str], env: dict[str, str]) -> None:
        self.master, slave = pty.openpty()
        self.program = subprocess.Popen(argv, env=env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
        os.close(slave)

    def drain(self) -> None:
        while select.select([self.master], [], [], 0)[0]:
            os.read(self.master, 65536)

    def close(self) -> None:
        self.program.kill()
        self.program.wait()
        os.close(self.master)


def attached(socket: Path) -> list[str]:
    form = "#{session_id} #{@mas_agent}"
    return teams.tmux(socket, "list-clients", "-F", form).split("\n")


def test_attach_shows_the_session_window_and_pane_asked_for(
    server: Server, tmux_socket: Path, directory: Path, wait_until: Wait
) -> None:
    teams.start_server(tmux_socket)
    launched = tmux.launch(server, teams.plan(directory, {"meta": 1, "design": 2}))
    home = tmux.discover(server).sessions[0].tmux_id
    env = {**proc.foreign_environment(os.environ), "TERM": "xterm"}
    terminal = Terminal(tmux.attach_argv(server, launched.tmux_id), env)

    def shows(expected: str) -> bool:
        terminal.drain()
        return attached(tmux_socket) == [expected]

    def switch(expected: str, *argv: str) -> None:
        if argv:
            subprocess.run(argv, check=True, timeout=10, capture_output=True)
        wait_until(lambda: shows(expected), what=lambda: f"{expected}, but {attached(tmux_socket)}")

    try:
        switch(f"{launched.tmux_id} 00")
        switch(f"{home} ", *tmux.attach_argv(server, home, inside=True))
        switch(f"{launched.tmux_id} 10", *tmux.attach_argv(server, launched.tmux_id, window="design", inside=True))
        pane = launched.panes["11"]
        switch(f"{launched.tmux_id} 11", *tmux.attach_argv(server, launched.tmux_id, pane=pane, inside=True))
    finally:
        terminal.close()


@pytest.mark.parametrize(("tmux_id", "pane"), [("mas", None), ("$1:", None), ("$1", "0"), ("$1", "%1;")])
def test_attach_takes_ids_only(server: Server, tmux_id: str, pane: str | None) -> None:
    with pytest.raises(RefusedError):
        tmux.attach_argv(server, tmux_id, pane=pane)
