"""No two sessions of a root have one label, whichever way they come by it."""

import threading
from pathlib import Path

import commandline
import pytest
from test_storage import KINDS

from mas.errors import ExistsError, NotFoundError, RefusedError
from mas.filestore import FileStorage
from mas.manager import SessionManager
from mas.paths import Root


@pytest.fixture(params=KINDS)
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> SessionManager:
    return SessionManager(tmp_path, storage=KINDS[request.param](tmp_path, 10))


def test_a_label_is_given_once_and_again_when_it_is_free(manager: SessionManager) -> None:
    one, other = (manager.create_session().id for _ in range(2))
    for _ in range(2):
        assert manager.update_session(one, {"label": "mine"}).label == "mine"
    before = manager.get_session(other).document
    with pytest.raises(ExistsError, match="the label 'mine' is taken"):
        manager.update_session(other, {"label": "mine", "current_phase": "plan"})
    assert manager.get_session(other).document == before
    manager.update_session(one, {"label": ""})
    assert manager.update_session(other, {"label": "mine"}).label == "mine"
    manager.update_session(one, {"label": ""})


def test_what_is_no_label_and_what_is_no_session_are_told_as_ever(manager: SessionManager) -> None:
    for label in (3, None, "dead", " x"):
        with pytest.raises(RefusedError, match="label is"):
            manager.update_session(manager.create_session().id, {"label": label})
    with pytest.raises(NotFoundError, match="Session not found"):
        manager.update_session(manager.make_id(), {"label": "mine"})


def test_of_many_at_once_one_has_it(manager: SessionManager) -> None:
    ids = [manager.create_session().id for _ in range(4)]
    together, refused = threading.Barrier(len(ids)), []

    def label(session_id: str) -> None:
        together.wait()
        try:
            manager.update_session(session_id, {"label": "mine"})
        except ExistsError:
            refused.append(session_id)

    threads = [threading.Thread(target=label, args=(one,)) for one in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(refused) == sorted(one for one in ids if manager.get_session(one).label != "mine")
    assert len(refused) == len(ids) - 1


def test_the_command_line_says_what_to_do(tmp_path: Path) -> None:
    one, other = (commandline.record(tmp_path) for _ in range(2))
    commandline.ok("session", "update", one, "label=mine", "-q", root=tmp_path)
    refused = commandline.mas("session", "update", other, "label=mine", root=tmp_path)
    complaint = "mas: the label 'mine' is taken; `mas show 'mine'` says which session has it; or choose another label\n"
    assert (refused.code, refused.out, refused.err) == (1, "", complaint)


def test_one_that_cannot_be_read_is_in_nobodys_way(tmp_path: Path) -> None:
    manager = SessionManager(tmp_path, storage=FileStorage(Root(tmp_path / ".flow", maestro=True)))
    one = manager.create_session().id
    (manager.sessions_dir / manager.make_id()).mkdir()
    assert manager.update_session(one, {"label": "mine"}).label == "mine"
