"""One look at a root, without writing: what is shared is asked once, and what is odd does not stop it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import roots

from mas import doctor
from mas.app import Mas
from mas.inspection import Inspection, left_over
from mas.paths import Root

ID = "0f0f0f0f-1111-4222-8333-444444444444"


def test_tmux_is_asked_once_for_all_sessions(mas: Mas, fake: roots.FakeTmux) -> None:
    """Of each server; and again only when told to."""
    for _ in range(3):
        roots.start(mas)
    fake.instead("true", of=1000)
    view = Inspection(mas)
    assert [one for session_id in view.ids() for one in view.plan(session_id)] == []
    assert fake.counted() == 1
    view.ask_again()
    view.plan(view.ids()[0])
    assert fake.counted() == 2


def test_every_id_that_anything_speaks_of_is_known(mas: Mas) -> None:
    ids = [f"{number}{ID[1:]}" for number in range(6)]
    for place in (
        mas.root.sessions / ids[0],
        mas.root.staging / ids[1],
        mas.root.trash / f"{ids[2]}.0",
        mas.root.locks,
    ):
        place.mkdir(parents=True)
    mas.root.lock(ids[3]).touch()
    mas.root.index_lock.touch()
    mas.root.label_lock.touch()
    (mas.root.trash / "no-number").touch()
    session_id = roots.start(mas).session.session_id
    assert Inspection(mas).ids() == sorted([*ids[:4], session_id])


def test_a_pane_is_asked_for_only_where_it_matters(mas: Mas, fake: roots.FakeTmux) -> None:
    session_id = roots.start(mas).session.session_id
    mas.manager.observe(session_id, {"observed": "unknown"})
    fake.instead("true", of=1000)
    assert Inspection(mas).seen(session_id).panes == {"10", "11"}
    assert fake.counted() == 2


def test_where_panes_cannot_be_asked_for_nothing_is_concluded(mas: Mas, fake: roots.FakeTmux) -> None:
    session_id = roots.start(mas).session.session_id
    mas.manager.observe(session_id, {"observed": "unknown"})
    fake.instead("exit 1", of=2)
    assert [one.problem for one in Inspection(mas).plan(session_id)] == []


@pytest.mark.parametrize(
    "name",
    [
        ".session.99999999-0a1b2c3d.tmp",
        "notes.tmp",
        ".notes.tmp",
        ".a.b-c.tmp",
        ".x.²-12345678.tmp",
        ".x.{pid}-0a1b2c3d.tmp",
    ],
)
def test_what_was_left_over_is_known_by_its_name_and_its_writer(tmp_path: Path, name: str) -> None:
    name = name.format(pid=os.getpid())
    (tmp_path / name).touch()
    assert left_over(tmp_path) == ([tmp_path / name] if "99999999" in name else [])


def test_what_vanishes_meanwhile_is_no_leftover(tmp_path: Path) -> None:
    (tmp_path / f".x.{os.getpid()}-0a1b2c3d.tmp").symlink_to(tmp_path / "nothing")
    assert left_over(tmp_path) == []
    assert left_over(tmp_path / "nothing") == []


def test_another_spelling_of_the_same_root_is_no_difference(mas: Mas, tmp_path: Path) -> None:
    roots.start(mas)
    (tmp_path / "link").symlink_to(mas.root.path)
    view = Inspection(roots.mas_of(Root(tmp_path / "link")))
    assert [one for session_id in view.ids() for one in view.plan(session_id)] == []


def test_a_root_that_was_moved_is_one(mas: Mas, tmp_path: Path) -> None:
    """What its rows and files for the shell say leads nowhere now."""
    session_id = roots.start(mas, team=False).session.session_id
    moved = roots.mas_of(Root(mas.root.path.rename(tmp_path / "moved")))
    assert [one.problem for one in Inspection(moved).plan(session_id)] == ["row"]


@pytest.mark.parametrize("odd", [Path.mkdir, os.mkfifo, lambda place: place.symlink_to("nowhere")])
def test_what_stands_in_the_place_of_the_index_is_to_be_moved_away(mas: Mas, odd: Callable[[Path], None]) -> None:
    """It is neither followed nor replaced: whoever put it there knows what for."""
    roots.start(mas, team=False)
    mas.root.index.unlink()
    odd(mas.root.index)
    (found,) = doctor.mend(mas).remaining
    assert (found.problem, found.text) == ("redirected", ".sessions.index is no regular file; move it away")
    assert os.path.lexists(mas.root.index)


@pytest.mark.parametrize("name", [".staging", ".trash", ".locks"])
def test_nothing_is_erased_through_a_link(mas: Mas, tmp_path: Path, name: str) -> None:
    """A link in place of a directory that mas empties is a finding, and what it leads to stays."""
    elsewhere = tmp_path / "elsewhere"
    for entry in (ID, f"{ID}.0"):
        (elsewhere / entry).mkdir(parents=True)
    (elsewhere / f"{ID}.lock").touch()
    mas.root.sessions.mkdir(parents=True, exist_ok=True)
    (mas.root.sessions / name).symlink_to(elsewhere)
    report = doctor.mend(mas)
    assert [(one.problem, one.text) for one in report.remaining] == [
        ("redirected", f"{name} is a link, and no link is followed; move it away")
    ]
    assert {path.name for path in elsewhere.iterdir()} >= {ID, f"{ID}.0", f"{ID}.lock"}
