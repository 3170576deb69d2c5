"""Everything one root offers, as the command line and the server call it. On the real tmux."""

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import roots

from mas import app, events, views
from mas.app import Mas
from mas.errors import AmbiguousError, NotFoundError, RefusedError, UsageError
from mas.lifecycle import SessionStatus
from mas.paths import Root

Wait = Callable[..., None]
GIVEN = "0f0f0f0f-1111-4222-8333-444444444444"


def shown(mas: Mas, **wanted: object) -> dict[str, str]:
    """The words of the sessions that a listing shows, by id or tmux name."""
    views = mas.list(**wanted).views  # type: ignore[arg-type]
    return {view.session_id or view.tmux_name: view.status for view in views}


# --- listing ---


def test_a_listing_shows_what_tmux_says_now(mas: Mas, tmux_socket: Path) -> None:
    up, down, dead, gone = (roots.start(mas).session.session_id for _ in range(4))
    mas.stop(down, grace=0)
    roots.tmux(tmux_socket, "kill-session", "-t", f"={mas.view(dead).tmux_name}")
    shutil.rmtree(mas.root.session(gone).directory)
    assert shown(mas) == {up: "active", down: "stopped", dead: "stopped", gone: "error"}
    mas.stop(gone, grace=0)


def test_readers_write_nothing(mas: Mas, tmux_socket: Path) -> None:
    session_id = roots.start(mas).session.session_id
    roots.tmux(tmux_socket, "kill-server")
    before = {path: path.stat().st_mtime_ns for path in mas.root.sessions.rglob("*")}
    assert mas.list().views
    assert mas.view(session_id).status == "stopped"
    assert mas.resolve(session_id[:8]) == session_id
    assert {path: path.stat().st_mtime_ns for path in mas.root.sessions.rglob("*")} == before


def test_a_listing_of_nothing_is_empty(root: Root, tmux_socket: Path) -> None:
    del tmux_socket
    found = roots.mas_of(root).list()
    assert (found.views, found.total, found.complaint) == ((), 0, "")
    assert not root.path.exists()


def test_by_default_what_is_live_is_shown_and_the_newest_others(mas: Mas) -> None:
    live = roots.start(mas).session.session_id
    others = [mas.manager.create_session(f"{number}").session_id for number in range(views.NEWEST + 3)]
    found = mas.list()
    assert found.views[0].session_id == live
    assert len(found.views) == views.NEWEST + 1
    assert found.total == views.NEWEST + 4
    assert {view.session_id for view in found.views[1:]} <= set(others)
    assert len(mas.list(everything=True).views) == views.NEWEST + 4
    assert len(mas.list(limit=7).views) == 7
    assert mas.list(limit=7).total == views.NEWEST + 4


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"active": True}, {"active"}),
        ({"status": "active"}, {"active"}),
        ({"status": "stopped"}, {"stopped"}),
        ({"status": "terminated"}, {"stopped"}),
        ({"status": "inactive"}, {"stopped"}),
        ({"status": "error"}, {"error"}),
        ({"status": "all"}, {"active", "stopped", "error"}),
    ],
)
def test_a_listing_is_narrowed_by_a_word(mas: Mas, wanted: dict[str, object], words: set[str]) -> None:
    roots.start(mas)
    roots.start(mas, team=False)
    shutil.rmtree(roots.start(mas, team=False).workspace)
    assert set(shown(mas, **wanted).values()) == words
    assert mas.list(**wanted).total == len(shown(mas, **wanted))  # type: ignore[arg-type]


def test_a_word_or_a_number_that_means_nothing_is_refused(mas: Mas) -> None:
    with pytest.raises(UsageError, match="unknown status 'asleep'") as raised:
        mas.list(status="asleep")
    assert raised.value.hint == "one of: active, stopped, error, all"
    with pytest.raises(RefusedError, match="limit is -1"):
        mas.list(limit=-1)


def test_what_has_our_name_and_nobodys_stamp_is_shown_apart(mas: Mas, tmux_socket: Path, tmp_path: Path) -> None:
    """And another root's teams, or anybody's own sessions, are not shown at all."""
    roots.tmux(tmux_socket, "new-session", "-d", "-s", "mas-tmux", "cat")
    other = Root(tmp_path / "another")
    roots.make_template(other)
    roots.start(roots.mas_of(other))
    assert shown(mas) == {"mas-tmux": "active"}
    (view,) = mas.list().views
    assert (view.mode, view.session_id) == ("legacy", "")


def test_where_tmux_gives_no_answer_the_last_words_are_shown_as_such(mas: Mas, fake: roots.FakeTmux) -> None:
    up, down = (roots.start(mas).session.session_id for _ in range(2))
    mas.stop(down, grace=0)
    fake.instead("exit 1")
    found = mas.list()
    assert found.complaint.startswith("tmux gave no clear answer")
    assert {view.session_id: (view.status, view.stale) for view in found.views} == {
        up: ("active", True),
        down: ("stopped", True),
    }
    assert mas.observe(mas.storage.read(up).document) == "unknown"


def test_without_tmux_installed_the_last_words_are_shown(mas: Mas, monkeypatch: pytest.MonkeyPatch) -> None:
    roots.start(mas)
    monkeypatch.setenv("PATH", "/nowhere")
    found = mas.list()
    assert "tmux is not installed" in found.complaint
    assert [view.stale for view in found.views] == [True]
    monkeypatch.undo()


def test_a_listing_in_json_has_its_words(mas: Mas) -> None:
    session_id = roots.start(mas, label="mine").session.session_id
    told = mas.list().to_json()
    assert (told["total"], told["count"]) == (1, 1)
    assert told["sessions"][0]["sessionId"] == session_id
    assert told["sessions"][0]["agentCount"] == 2


def test_a_session_that_is_attached_is_shown_so(mas: Mas, tmux_socket: Path, wait_until: Wait) -> None:
    started = roots.start(mas)
    pid, terminal = os.forkpty()
    if pid == 0:
        os.execvp("tmux", ["tmux", "-S", str(tmux_socket), "attach-session", "-t", f"={started.tmux_name}"])
    try:
        wait_until(lambda: mas.view(started.session.session_id).attached)
    finally:
        roots.tmux(tmux_socket, "detach-client", "-s", f"={started.tmux_name}")
        os.waitpid(pid, 0)
        os.close(terminal)


def test_an_unknown_session_has_no_view(mas: Mas) -> None:
    with pytest.raises(NotFoundError):
        mas.view(GIVEN)


# --- naming ---


def test_a_session_is_meant_by_any_of_its_names(mas: Mas) -> None:
    session_id = roots.start(mas, session_id=GIVEN, label="mine").session.session_id
    for name in (session_id, session_id[:4], "mine", f"mas-{session_id[:8]}"):
        assert mas.resolve(name) == session_id
    assert mas.resolve_all(["mine", session_id[:6], session_id]) == [session_id]
    assert mas.resolve_all([]) == [session_id]


def test_a_full_id_that_has_no_row_yet_is_found_all_the_same(mas: Mas) -> None:
    """The index lags behind the directory for a moment; it is seen to by counting."""
    session_id = roots.start(mas, team=False).session.session_id
    mas.root.index.unlink()
    assert mas.resolve(session_id) == session_id


def test_where_several_are_meant_none_is_taken(mas: Mas) -> None:
    for _ in range(2):
        roots.start(mas)
    with pytest.raises(AmbiguousError):
        mas.resolve()
    with pytest.raises(NotFoundError):
        mas.resolve_all([mas.list().views[0].session_id, "nobody"])


# --- what is in a session ---


def test_the_variables_of_a_session_are_those_of_its_panes_but_for_the_launch(mas: Mas, tmux_socket: Path) -> None:
    started = roots.start(mas)
    told = mas.environment_of(started.session.session_id)
    (pid, *_) = roots.tmux(tmux_socket, "list-panes", "-s", "-t", f"={started.tmux_name}", "-F", "#{pane_pid}")
    entries = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    of_pane = dict(entry.split("=", 1) for entry in entries if entry)
    assert told.items() <= of_pane.items()
    assert {name for name in of_pane if name.startswith("MAS_")} - set(told) == {
        "MAS_AGENT_ID",
        "MAS_AGENT_NAME",
        "MAS_AGENT_DIR",
        "MAS_AGENT_MODEL",
        "MAS_UNIT_TYPE",
        "MAS_LAUNCH",
    }
    assert "PATH" not in told


def test_the_variables_name_the_server_that_has_the_team(mas: Mas, tmux_socket: Path) -> None:
    """Also when they are asked for with another one in mind."""
    session_id = roots.start(mas).session.session_id
    elsewhere = roots.mas_of(mas.root, {**os.environ, "MAS_TMUX_SOCKET": str(tmux_socket.with_name("other"))})
    assert elsewhere.environment_of(session_id)["MAS_TMUX_SOCKET"] == str(tmux_socket)


def test_a_record_has_no_variables(mas: Mas) -> None:
    with pytest.raises(RefusedError, match="has no team"):
        mas.environment_of(mas.manager.create_session("only a record").session_id)


# --- what is noticed ---


def test_a_team_that_is_gone_is_noticed_once_by_whoever_writes_first(mas: Mas, tmux_socket: Path) -> None:
    session_id = roots.start(mas).session.session_id
    mas.manager.start_session(session_id)
    roots.tmux(tmux_socket, "kill-server")
    managers = [roots.mas_of(mas.root).manager for _ in range(8)]
    begin = threading.Barrier(8)

    def write(number: int) -> None:
        begin.wait()
        managers[number].record_event(session_id, events.AnalysisCompleted())

    writers = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    kinds = [type(one.event).__name__ for one in mas.manager.events(session_id)]
    assert kinds == ["Started", "Paused", *["AnalysisCompleted"] * 8]
    assert mas.manager.get_session(session_id).status is SessionStatus.PAUSED
    assert mas.manager.get_session(session_id).document["runtime"]["observed"] == "down"


def test_a_team_that_is_known_to_be_stopped_needs_no_question_to_another_server(mas: Mas, tmux_socket: Path) -> None:
    stopped, up = (roots.start(mas).session.session_id for _ in range(2))
    mas.stop(stopped, grace=0)
    elsewhere = roots.mas_of(mas.root, {**os.environ, "MAS_TMUX_SOCKET": str(tmux_socket.with_name("other"))})
    assert {view.session_id: (view.status, view.stale) for view in elsewhere.list().views} == {
        stopped: ("stopped", False),
        up: ("active", True),
    }


def test_rows_of_another_shape_do_not_stop_a_listing(mas: Mas) -> None:
    """Somebody may have written the index; what is in it is shown as far as it makes sense."""
    roots.start(mas, team=False)
    roots.put_row(mas.root, {"sessionId": "odd", "createdAt": 7, "status": ["x"], "tmuxSession": None})
    assert shown(mas)["odd"] == "error"


def test_the_working_directory_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert app.working_directory() == here
    here.rmdir()
    with pytest.raises(NotFoundError, match="the working directory is gone"):
        app.working_directory()
    monkeypatch.undo()
