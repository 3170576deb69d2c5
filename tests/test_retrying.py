import json
import os
import shutil
from pathlib import Path

import pytest
import roots

from mas import events, retrying
from mas.app import Mas
from mas.errors import MasError, NotFoundError, RefusedError
from mas.paths import Root
from mas.planning import StartOptions
from mas.record import runtime_of


@pytest.fixture
def mas(root: Root, tmux_socket: Path) -> Mas:
    del tmux_socket
    roots.make_template(root)
    return roots.mas_of(root)


def test_a_child_begins_again_where_its_parent_is(mas: Mas) -> None:
    parent = roots.start(mas, request="Build it", label="first").session
    (mas.root.session(parent.session_id).unit / "10" / "notes.md").write_text("mine")
    mas.manager.record_event(parent.session_id, events.Failed("no"))
    child = retrying.retry(mas, parent.session_id, manager=mas.manager)
    paths = mas.root.session(child.session_id)
    assert (child.parent_session_id, child.feature_request, child.status) == (
        parent.session_id,
        "Build it",
        "initializing",
    )
    assert (paths.unit / "10" / "notes.md").read_text() == "mine"
    assert (paths.workflows / "10_guide.md").is_file()
    stored = [json.loads(mas.root.session(one.session_id).config.read_bytes())["mas"] for one in (parent, child)]
    assert stored[0] == stored[1]
    assert paths.logs.stat().st_mode & 0o777 == 0o700
    assert paths.config.stat().st_mode & 0o777 == 0o600
    assert mas.view(child.session_id).status == "stopped"
    assert mas.view(child.session_id).label == ""
    assert runtime_of(child.document)["tmux_name"] == f"mas-{child.session_id[:8]}"


def test_the_team_of_a_child_is_brought_up_where_that_is_wanted(mas: Mas, tmux_socket: Path) -> None:
    parent = roots.start(mas).session
    child = retrying.retry(mas, parent.session_id, manager=mas.manager, start=True)
    assert set(roots.teams(tmux_socket, mas.root)) == {parent.session_id, child.session_id}
    assert [*roots.violations(mas, tmux_socket)] == []


def test_a_child_has_the_links_that_agents_made_and_not_their_pipes(mas: Mas) -> None:
    """A workspace in use holds what no template may: dependencies are full of links."""
    parent = roots.start(mas, team=False)
    home = parent.workspace / "unit" / "10"
    (home / "link").symlink_to("README.md")
    os.mkfifo(home / "pipe")
    child = retrying.retry(mas, parent.session.session_id, manager=mas.manager)
    copied = mas.root.session(child.session_id).unit / "10"
    assert (copied / "link").readlink() == Path("README.md")
    assert not (copied / "pipe").exists()


def test_a_child_of_a_checkpoint_has_its_record(mas: Mas) -> None:
    parent = mas.manager.create_session("first")
    mas.manager.save_checkpoint(parent.session_id)
    mas.manager.update_session(parent.session_id, {"feature_request": "second"})
    (checkpoint,) = mas.storage.checkpoints(parent.session_id)
    child = retrying.retry(mas, parent.session_id, manager=mas.manager, checkpoint=checkpoint)
    assert (child.feature_request, child.mode) == ("first", None)


def test_a_child_that_cannot_be_made_leaves_nothing(mas: Mas, tmux_socket: Path) -> None:
    parent = roots.start(mas).session.session_id
    paths = mas.root.session(parent)
    deep = paths.unit / "10" / "/".join("d" * 250)
    deep.mkdir(parents=True)
    with pytest.raises(MasError, match="below more than 200 directories"):
        retrying.retry(mas, parent, manager=mas.manager)
    shutil.rmtree(paths.unit / "10" / "d")
    paths.config.unlink()
    with pytest.raises(NotFoundError, match="json is missing"):
        retrying.retry(mas, parent, manager=mas.manager)
    assert mas.storage.list() == [parent]
    assert list(mas.root.staging.iterdir()) == []
    assert set(roots.teams(tmux_socket, mas.root)) == {parent}


def test_a_child_of_a_team_in_the_projects_directories_has_a_copy_of_them(mas: Mas, root: Root) -> None:
    (root.path / "unit" / "10").mkdir(parents=True)
    (root.path / "unit" / "10" / "notes.md").write_text("ours")
    parent = mas.start(mas.plan(StartOptions(mode="legacy", command=roots.WAITING))).session
    child = retrying.retry(mas, parent.session_id, manager=mas.manager)
    paths = mas.root.session(child.session_id)
    assert child.mode == "isolated"
    assert (paths.unit / "10" / "notes.md").read_text() == "ours"
    assert list(paths.workflows.iterdir()) == []
    mas.stop(parent.session_id, grace=0)


def test_only_a_team_can_be_started(mas: Mas) -> None:
    parent = mas.manager.create_session().session_id
    with pytest.raises(RefusedError, match="has no team"):
        retrying.retry(mas, parent, manager=mas.manager, start=True)
    assert mas.storage.list() == [parent]


def test_there_must_be_a_parent(mas: Mas) -> None:
    with pytest.raises(NotFoundError):
        retrying.retry(mas, "0f0f0f0f-1111-4222-8333-444444444444", manager=mas.manager)
