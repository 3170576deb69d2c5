"""Whether a team is up is asked of the server it was started on, wherever that is by now. On the real tmux."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import roots

from mas.app import Mas
from mas.errors import UnknownStateError
from mas.reach import reach

Wait = Callable[..., None]


def test_a_session_whose_server_lost_its_socket_is_reached_all_the_same(mas: Mas, tmux_socket: Path) -> None:
    session_id = roots.start(mas).session.session_id
    tmux_socket.unlink()
    assert mas.observe(mas.storage.read(session_id).document) == "up"
    tmux_socket.unlink()
    assert mas.stop(session_id, grace=0).was_up is True
    assert roots.launched(mas) == {}


def test_who_sends_reaches_a_server_that_lost_its_socket(mas: Mas, tmux_socket: Path) -> None:
    session_id = roots.start(mas).session.session_id
    tmux_socket.unlink()
    assert {look.there for look in reach(mas, session_id).look(["10"]).values()} == {True}
    assert tmux_socket.exists()


def test_a_server_in_the_place_of_ours_says_nothing_about_our_teams(mas: Mas, tmux_socket: Path) -> None:
    session_id = roots.start(mas).session.session_id
    moved = tmux_socket.rename(tmux_socket.with_name("moved"))
    roots.tmux(tmux_socket, "-f", os.devnull, "new-session", "-d", "-s", "another", "cat")
    try:
        assert mas.observe(mas.storage.read(session_id).document) == "unknown"
        with pytest.raises(UnknownStateError, match="runs, but is not reached at") as raised:
            mas.stop(session_id)
        assert "kill -USR1" in str(raised.value.hint)
        assert roots.tmux(tmux_socket, "list-sessions", "-F", "#{session_name}") == ["another"]
    finally:
        roots.tmux(tmux_socket, "kill-server")
        roots.tmux(moved, "kill-server")


def new_session(socket: Path, name: str) -> bool:
    roots.tmux(socket, "-f", os.devnull, "new-session", "-d", "-s", name, "cat")
    return name in roots.tmux(socket, "list-sessions", "-F", "#{session_name}")


def test_after_a_new_server_took_its_place_the_old_ones_teams_are_down(
    mas: Mas, tmux_socket: Path, wait_until: Wait
) -> None:
    """Its numbers begin anew, so the ids on record mean somebody else's session."""
    session_id = roots.start(mas).session.session_id
    roots.tmux(tmux_socket, "kill-server")
    wait_until(lambda: new_session(tmux_socket, "another"))  # the old one may still be on its way out
    wait_until(lambda: new_session(tmux_socket, "and another"))
    assert mas.observe(mas.storage.read(session_id).document) == "down"
    assert mas.stop(session_id).was_up is False
    assert roots.tmux(tmux_socket, "list-sessions", "-F", "#{session_name}") == ["and another", "another"]
