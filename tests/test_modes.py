"""Who else may read or write what is ours: on real files, and as users that we are not."""

import grp  # noqa: F401  the interpreter's own files may be closed to who tests as nobody
import os
import pwd  # noqa: F401
import stat
from pathlib import Path

import pytest
from obstacles import NOBODY, as_nobody

from mas import modes
from mas.paths import Root

ID = "0f0f0f0f-1111-4222-8333-444444444444"


def test_what_of_a_session_is_open_to_others_is_told_with_the_mode_it_should_have(root: Root) -> None:
    paths = root.session(ID)
    for place in (paths.logs, paths.checkpoints, paths.quarantine):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    paths.directory.chmod(0o700)
    for file in (paths.log, paths.checkpoints / "1.json", paths.quarantine / "x.0"):
        file.touch(0o600)
    assert list(modes.of_session(paths)) == []
    wanted = {paths.directory: 0o700, paths.log: 0o600, paths.logs: 0o700, paths.checkpoints: 0o700}
    wanted |= {paths.checkpoints / "1.json": 0o600, paths.quarantine / "x.0": 0o400}
    for path in wanted:
        path.chmod(0o755 if path.is_dir() else 0o644)
    (paths.quarantine / "x.0").chmod(0o404)
    assert dict(modes.of_session(paths)) == wanted


def test_nothing_is_looked_at_through_a_link(root: Root, tmp_path: Path) -> None:
    paths = root.session(ID)
    paths.directory.mkdir(mode=0o700, parents=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    (elsewhere / "1.json").touch(0o644)
    for name in ("checkpoints", "logs", "config.json"):
        (paths.directory / name).symlink_to(elsewhere)
    assert list(modes.of_session(paths)) == []


def test_what_all_sessions_share_is_nobody_elses_to_write(root: Root) -> None:
    for place in (root.locks, root.staging, root.trash):
        place.mkdir(mode=0o755, parents=True)
    root.index.touch(0o600)
    assert list(modes.of_root(root)) == []
    for place in (root.sessions, root.locks, root.staging, root.trash):
        place.chmod(0o775)
    root.index.chmod(0o644)
    found = dict(modes.of_root(root))
    assert found == {**dict.fromkeys((root.sessions, root.locks, root.staging, root.trash), 0o755), root.index: 0o600}


@pytest.mark.parametrize(
    ("mode", "group", "how"),
    [
        (0o755, NOBODY, ""),
        (0o775, NOBODY, "its group can write to it"),
        (0o775, 0, ""),
        (0o757, 0, "everybody can write to it"),
        (0o777 | stat.S_ISVTX, NOBODY, ""),
    ],
)
def test_a_directory_that_others_can_write_to_is_not_safe(tmp_path: Path, mode: int, group: int, how: str) -> None:
    if os.geteuid():
        pytest.skip("only root may give a directory to another group")
    os.chown(tmp_path, 0, group)
    tmp_path.chmod(mode)
    assert modes.exposure(tmp_path) == how
    assert modes.remedy(tmp_path) == f"`chmod go-w {tmp_path}`, or choose another place with --root"


def test_what_is_not_there_is_safe(tmp_path: Path) -> None:
    assert modes.exposure(tmp_path / "nothing") == ""


def test_root_is_trusted_and_another_user_is_not(tmp_path: Path) -> None:
    others = tmp_path / "others"
    others.mkdir()
    with as_nobody(tmp_path) as own:
        assert modes.exposure(own) == ""
        assert modes.exposure(tmp_path) == ""
        os.seteuid(0)
        os.chown(others, NOBODY - 1, NOBODY)
        assert modes.exposure(others) == ""
        os.seteuid(NOBODY)
        assert modes.exposure(others) == "it belongs to another user"
        assert modes.remedy(others) == "choose another place with --root"


def test_a_group_of_its_owner_alone_may_write(tmp_path: Path) -> None:
    """As where each user has one; also where nobody knows its name."""
    with as_nobody(tmp_path):
        assert modes._is_own_group(4_000_000, 4_000_000)
        assert not modes._is_own_group(4_000_000, 4_000_001)
