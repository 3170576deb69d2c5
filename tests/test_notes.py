"""``.mas_session``: written for shells, read without running it, taken away with the team it names."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from mas import notes
from mas.errors import DamagedError

KEYS = ["SESSION_NAME", "STARTED_AT", "PID", "PROJECT_DIR", "UNIT_DIR", "WORKFLOWS_DIR"]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "it's a $(place)"
    place.mkdir()
    return place


def sourced(place: Path) -> dict[str, str]:
    """What a shell has after sourcing the note."""
    script = f". ./{notes.FILE}; for name in {' '.join(KEYS)}; do eval printf '%s\\\\0' '\"$'$name'\"'; done"
    done = subprocess.run(["sh", "-euc", script], cwd=place, capture_output=True, text=True, check=True, timeout=10)
    return dict(zip(KEYS, done.stdout.split("\0"), strict=False))


def test_a_shell_reads_what_was_noted(place: Path) -> None:
    notes.leave(place, "mas-tmux", place)
    found = sourced(place)
    assert found.pop("STARTED_AT")[:2] == "20"
    assert found == {
        "SESSION_NAME": "mas-tmux",
        "PID": str(os.getpid()),
        "PROJECT_DIR": str(place),
        "UNIT_DIR": f"{place}/unit",
        "WORKFLOWS_DIR": f"{place}/workflows",
    }
    assert [line.partition("=")[0] for line in (place / notes.FILE).read_text().splitlines()] == KEYS
    assert stat.S_IMODE((place / notes.FILE).stat().st_mode) == 0o644


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('SESSION_NAME=mas-tmux\nSTARTED_AT="2025-11-01 10:00:00"\nPID=17\n', "mas-tmux"),
        ("SESSION_NAME='mas tmux'\n", "mas tmux"),
        ("SESSION_NAME=$(touch canary)\n", "$(touch canary)"),
        ("PID=17\n", ""),
        ("", ""),
        ("\0\xff", ""),
    ],
)
def test_a_note_is_read_and_never_run(place: Path, text: str, name: str) -> None:
    (place / notes.FILE).write_bytes(text.encode("latin-1"))
    assert notes.name_in(place) == name
    assert [path.name for path in place.iterdir()] == [notes.FILE]


def test_what_is_no_note_says_nothing(place: Path) -> None:
    assert notes.name_in(place) == ""
    assert notes.name_in(place / "nowhere") == ""
    (place / "real").write_text("SESSION_NAME=mas-tmux\n")
    (place / notes.FILE).symlink_to("real")
    assert notes.name_in(place) == ""
    notes.take_away(place, "")
    assert (place / notes.FILE).is_symlink()


def test_a_new_note_takes_the_place_of_the_old_one(place: Path) -> None:
    notes.leave(place, "mas-one", place)
    notes.leave(place, "mas-two", place)
    assert notes.name_in(place) == "mas-two"
    assert [path.name for path in place.iterdir()] == [notes.FILE]


def test_what_is_no_file_is_not_written_over(place: Path) -> None:
    (place / notes.FILE).mkdir()
    with pytest.raises(DamagedError, match="no regular file"):
        notes.leave(place, "mas-one", place)
    assert notes.name_in(place) == ""


def test_only_the_note_of_that_team_is_taken_away(place: Path) -> None:
    notes.leave(place, "mas-one", place)
    notes.take_away(place, "mas-two")
    assert notes.name_in(place) == "mas-one"
    notes.take_away(place, "mas-one")
    notes.take_away(place, "mas-one")
    assert [*place.iterdir()] == []


def test_a_place_that_is_reached_by_a_link_has_its_note(place: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(place)
    notes.leave(tmp_path / "link", "mas-one", place)
    assert notes.name_in(place) == "mas-one"
