"""Which guide is whose, and that it arrives beside the agent's own files."""

import os
import stat
from pathlib import Path

import pytest

from mas import guides, trees
from mas.errors import RefusedError
from mas.paths import SessionPaths
from mas.team import Agent, Team, Unit

MANAGER = Agent("10", "Lead", role="manager")
WORKER = Agent("12", "Hand")
TEAM = Team("team", (Unit("one", (MANAGER, WORKER)),))


@pytest.fixture
def place(tmp_path: Path) -> SessionPaths:
    paths = SessionPaths(tmp_path)
    for directory in (paths.workflows, paths.unit / "10", paths.unit / "12"):
        directory.mkdir(parents=True)
    return paths


@pytest.mark.parametrize(
    ("names", "copies"),
    [
        (["12_hand.md"], [("12_hand.md", guides.COPY)]),
        (["11-13_hands.md", "10-19_all.md"], [("11-13_hands.md", guides.COPY)]),
        (["11-13_hands.md", "12_hand.md"], [("12_hand.md", guides.COPY)]),
        (["12_b.md", "12_a.md"], [("12_a.md", guides.COPY)]),
        (["10_lead.md", "13-20_others.md", "12.md", "112_x.md", "12_notes.txt", "README.md"], []),
        (["workers_common.md"], [("workers_common.md", guides.COMMON_COPY)]),
        (["20-10_backwards.md"], []),
    ],
)
def test_a_guide_is_chosen_by_its_name(names: list[str], copies: list[tuple[str, str]]) -> None:
    assert list(guides.guides_of(WORKER, names)) == copies


def test_a_manager_gets_no_guide_for_workers() -> None:
    assert list(guides.guides_of(MANAGER, ["workers_common.md", "10_lead.md"])) == [("10_lead.md", guides.COPY)]


def test_guides_are_copied_readable_for_all_whatever_the_umask(place: SessionPaths) -> None:
    (place.workflows / "10-12_all.md").write_text("how we work")
    (place.workflows / "workers_common.md").write_text("for workers")
    before = os.umask(0o077)
    try:
        guides.hand_out(TEAM, place)
    finally:
        os.umask(before)
    found = {str(path.relative_to(place.unit)): path for path in place.unit.rglob("*.md")}
    assert {name: path.read_text() for name, path in found.items()} == {
        f"10/{guides.COPY}": "how we work",
        f"12/{guides.COPY}": "how we work",
        f"12/{guides.COMMON_COPY}": "for workers",
    }
    assert {stat.S_IMODE(path.stat().st_mode) for path in found.values()} == {0o644}


def test_what_the_template_put_there_stays(place: SessionPaths) -> None:
    (place.workflows / "12_hand.md").write_text("general")
    (place.unit / "12" / guides.COPY).write_text("special")
    guides.hand_out(TEAM, place)
    assert (place.unit / "12" / guides.COPY).read_text() == "special"


def test_a_dangling_link_is_not_written_through(place: SessionPaths, tmp_path: Path) -> None:
    (place.workflows / "12_hand.md").write_text("guide")
    (place.unit / "12" / guides.COPY).symlink_to(tmp_path / "elsewhere")
    guides.hand_out(TEAM, place)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("name", "refused"), [("12_hand.md", True), ("workers_common.md", True), ("pictures.md", False)]
)
def test_a_large_guide_is_refused_before_anything_is_copied(place: SessionPaths, name: str, *, refused: bool) -> None:
    (place.workflows / name).write_bytes(b"x" * (trees.MIB + 1))
    tree = trees.survey(place.directory)
    if not refused:
        guides.check(tree)
        return
    with pytest.raises(RefusedError, match=f"the guide '{name}' is larger than 1 MiB"):
        guides.check(tree)


def test_a_template_without_workflows_has_no_guides_to_check(tmp_path: Path) -> None:
    guides.check(trees.survey(tmp_path))
