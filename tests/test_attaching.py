import os
from pathlib import Path

import pytest
import roots

from mas import attaching
from mas.app import Mas
from mas.errors import ConflictError, NotFoundError, RefusedError
from mas.paths import Root


@pytest.fixture
def mas(root: Root, tmux_socket: Path) -> Mas:
    del tmux_socket
    roots.make_template(root)
    return roots.mas_of(root)


def test_a_session_that_is_up_is_found_by_any_of_its_names(mas: Mas, tmux_socket: Path) -> None:
    started = roots.start(mas, label="checkout")
    for name in (None, "checkout", started.tmux_name, started.session.session_id, started.session.session_id[:4]):
        found = attaching.find(mas, name)
        assert (found.session_id, found.seen.name) == (started.session.session_id, started.tmux_name)
    found = attaching.find(mas, None)
    assert found.by_hand == f"tmux -u -S {tmux_socket} attach-session -t ={started.tmux_name}"
    argv = attaching.command(mas, found)
    assert argv == ["tmux", "-u", "-S", str(tmux_socket), "attach-session", "-t", found.seen.tmux_id]


def test_one_that_is_down_is_refused_with_what_brings_it_back(mas: Mas) -> None:
    session_id = roots.start(mas).session.session_id
    mas.stop(session_id, grace=0)
    with pytest.raises(RefusedError, match="is not up") as refused:
        attaching.find(mas, session_id)
    assert refused.value.hint == f"`mas resume {session_id[:8]}` brings it back"


def test_a_program_gets_the_session_as_libtmux_sees_it(mas: Mas) -> None:
    started = roots.start(mas, label="checkout")
    session = attaching.libtmux_session(mas, "checkout")
    assert session.session_name == started.tmux_name
    assert [window.window_name for window in session.windows] == ["design"]
    panes = started.session.document["runtime"]["tmux"]["panes"]
    assert [pane.pane_id for pane in session.panes] == [panes["10"], panes["11"]]
    assert attaching.libtmux_session(mas).session_id == session.session_id


def test_a_program_gets_no_session_that_is_not_up(mas: Mas) -> None:
    session_id = roots.start(mas).session.session_id
    found = attaching.find(mas, session_id)
    mas.stop(session_id, grace=0)
    with pytest.raises(RefusedError, match="is not up"):
        attaching.libtmux_session(mas, session_id)
    with pytest.raises(ConflictError, match=f"{found.seen.name} is not up any more") as refused:
        found.objects()
    assert refused.value.hint == "`mas list` shows what runs"
    with pytest.raises(NotFoundError):
        attaching.libtmux_session(mas, "nobody")


def test_one_that_nobody_registered_is_found_by_its_full_name(mas: Mas, tmux_socket: Path) -> None:
    for name in ("mas-old", "mas-older", "other"):
        roots.tmux(tmux_socket, "new-session", "-d", "-s", name, "cat")
    found = attaching.find(mas, "mas-old")
    assert (found.session_id, found.seen.name) == ("", "mas-old")
    for name in ("mas-ol", "other"):
        assert attaching.find_stray(mas, name) is None
        with pytest.raises(NotFoundError):
            attaching.find(mas, name)


def test_a_window_is_chosen_by_name_or_number(mas: Mas) -> None:
    roots.start(mas)
    found = attaching.find(mas, None)
    for window in ("design", "0", "window0"):
        assert attaching.command(mas, found, window=window)[4:8] == [
            "select-window",
            "-t",
            f"{found.seen.tmux_id}:=design",
            ";",
        ]
    with pytest.raises(RefusedError, match="no window 'nix'"):
        attaching.command(mas, found, window="nix")


def test_a_window_that_was_closed_is_not_found(mas: Mas, tmux_socket: Path) -> None:
    started = roots.start(mas)
    found = attaching.find(mas, None)
    roots.tmux(tmux_socket, "rename-window", "-t", f"={started.tmux_name}:=design", "mine")
    assert "mine" in attaching.command(mas, found, window="mine")[6]
    with pytest.raises(NotFoundError, match="no window 'design' in mas-") as refused:
        attaching.command(mas, found, window="design")
    assert refused.value.hint == "it has: mine"


def test_a_window_of_an_unregistered_session_is_chosen_by_name(mas: Mas, tmux_socket: Path) -> None:
    roots.tmux(tmux_socket, "new-session", "-d", "-s", "mas-old", "-n", "dev", "cat")
    found = attaching.find(mas, "mas-old")
    assert "dev" in attaching.command(mas, found, window="dev")[6]
    with pytest.raises(NotFoundError):
        attaching.command(mas, found, window="0")


def test_an_agent_is_chosen_by_its_id(mas: Mas) -> None:
    started = roots.start(mas)
    found = attaching.find(mas, None)
    pane = started.session.document["runtime"]["tmux"]["panes"]["11"]
    for name in ("11", "agent-11"):
        assert attaching.pane_of(found, name) == pane
    assert attaching.command(mas, found, agent="11")[-7:-3] == ["select-pane", "-t", pane, ";"]
    for name in ("99", "", "agent-"):
        with pytest.raises(NotFoundError, match="no agent"):
            attaching.pane_of(found, name)


def test_inside_the_same_server_the_client_switches(mas: Mas, tmux_socket: Path, root: Root) -> None:
    roots.start(mas)
    found = attaching.find(mas, None)
    inside = roots.mas_of(root, {**os.environ, "TMUX": f"{tmux_socket},1,0"})
    assert attaching.command(inside, found)[-3] == "switch-client"
    assert attaching.environment(inside, found)["TMUX"] == f"{tmux_socket},1,0"
    elsewhere = roots.mas_of(root, {**os.environ, "TMUX": "/nowhere,1,0", "MAS_SESSION_ID": "x"})
    assert attaching.command(elsewhere, found)[-3] == "attach-session"
    assert not {"TMUX", "MAS_SESSION_ID"} & set(attaching.environment(elsewhere, found))
