"""Stamps on a session that somebody else built: all of them or none, and taken back without a trace."""

import os
from pathlib import Path

import projects
import pytest
import roots

from mas import tmux
from mas.errors import RefusedError, UnknownStateError

ID = "0f0f0f0f-1111-4222-8333-444444444444"
ROOT = '/it\'s #(touch canary) $HOME; "a" ~root'


@pytest.fixture
def server(tmux_socket: Path) -> tmux.Server:
    roots.tmux(tmux_socket, "-f", os.devnull, "new-session", "-d", "-s", "mas-tmux2", "cat")
    projects.old_team(tmux_socket)
    return tmux.Server(str(tmux_socket))


def seen(server: tmux.Server, name: str = "mas-tmux") -> tmux.SeenSession:
    return next(one for one in tmux.discover(server).sessions if one.name == name)


def stamps(socket: str) -> list[str]:
    return roots.tmux(
        Path(socket), "list-panes", "-a", "-F", "#{session_name}|#{@mas_session}|#{@mas_root}|#{@mas_agent}"
    )


def programs(socket: str) -> list[str]:
    """Whether what a pane runs is noted on it, a word for each."""
    told = "#{?#{==:#{@mas_pid},#{pane_pid}},its own,#{@mas_pid}}"
    return roots.tmux(Path(socket), "list-panes", "-a", "-F", told)


def panes(server: tmux.Server) -> list[str]:
    return [pane.pane_id for pane in tmux.panes(server, seen(server).tmux_id, "")]


def test_a_session_and_its_panes_are_stamped_and_no_other(server: tmux.Server) -> None:
    first, second = panes(server)
    tmux.stamp(server, seen(server), ID, ROOT, {first: "10", second: "11"})
    assert stamps(server.socket) == [
        f"mas-tmux|{ID}|{ROOT}|10",
        f"mas-tmux|{ID}|{ROOT}|11",
        "mas-tmux2|||",
    ]
    assert programs(server.socket) == ["its own", "its own", ""]


def test_a_pane_may_stay_without_a_stamp(server: tmux.Server) -> None:
    first, _ = panes(server)
    tmux.stamp(server, seen(server), ID, ROOT, {first: "10"})
    assert [line.rpartition("|")[2] for line in stamps(server.socket)] == ["10", "", ""]


def test_what_has_a_stamp_keeps_it(server: tmux.Server) -> None:
    first, _ = panes(server)
    tmux.stamp(server, seen(server), ID, ROOT, {first: "10"})
    before = stamps(server.socket)
    with pytest.raises(RefusedError, match="mas-tmux is not what it was a moment ago"):
        tmux.stamp(server, seen(server), ID.replace("0f", "1f"), "/another", {first: "20"})
    assert stamps(server.socket) == before
    tmux.unstamp(server, seen(server), ID.replace("0f", "1f"))
    assert stamps(server.socket) == before


def test_an_id_that_means_another_session_by_now_is_left_alone(server: tmux.Server) -> None:
    before = seen(server)
    roots.tmux(Path(server.socket), "rename-session", "-t", "=mas-tmux", "mine")
    with pytest.raises(RefusedError):
        tmux.stamp(server, before, ID, ROOT, {})
    assert stamps(server.socket) == ["mas-tmux2|||", "mine|||", "mine|||"]


def test_a_pane_that_is_gone_leaves_a_session_that_is_not_ours(server: tmux.Server) -> None:
    first, _ = panes(server)
    with pytest.raises(RefusedError):
        tmux.stamp(server, seen(server), ID, ROOT, {first: "10", "%4711": "11"})
    assert all(line.split("|")[1:3] == ["", ""] for line in stamps(server.socket))
    tmux.unstamp(server, seen(server), ID)
    assert stamps(server.socket) == ["mas-tmux|||", "mas-tmux|||", "mas-tmux2|||"]


def test_a_pane_of_another_session_is_noticed(server: tmux.Server) -> None:
    (other,) = (pane.pane_id for pane in tmux.panes(server, seen(server, "mas-tmux2").tmux_id, ""))
    with pytest.raises(UnknownStateError, match="not stamped as they should be"):
        tmux.stamp(server, seen(server), ID, ROOT, {other: "10"})


def test_stamps_are_taken_back(server: tmux.Server) -> None:
    first, second = panes(server)
    tmux.stamp(server, seen(server), ID, ROOT, {first: "10", second: "11"})
    tmux.unstamp(server, seen(server), ID)
    assert stamps(server.socket) == ["mas-tmux|||", "mas-tmux|||", "mas-tmux2|||"]
    assert programs(server.socket) == ["", "", ""]
    tmux.unstamp(server, seen(server), ID)


def test_a_stamp_that_stays_is_told(server: tmux.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = panes(server)
    found = seen(server)
    tmux.stamp(server, found, ID, ROOT, {first: "10"})
    fake = roots.FakeTmux(tmp_path / "programs")
    monkeypatch.setenv("PATH", f"{fake.directory}:{os.environ['PATH']}")
    fake.instead("exit 1", of=3, once=True)
    with pytest.raises(UnknownStateError, match="could not be taken back"):
        tmux.unstamp(server, found, ID)
