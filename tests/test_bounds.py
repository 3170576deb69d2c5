"""What an agent is refused, asked from inside of a real pane."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from commandline import PROGRAM, ok, record, start

from mas.paths import Root
from mas.settings import FILE, OTHERS_VARIABLE

Wait = Callable[..., None]


@pytest.fixture
def place(root: Root, tmux_socket: Path) -> Path:
    del tmux_socket
    return root.path


def from_a_pane(place: Path, out: Path, wait: Wait, *calls: str) -> str:
    """What calls say that an agent makes one after another, without the mark of its launch in their environment."""
    program = " ".join(map(shlex.quote, PROGRAM))
    script = "; ".join(f"env -u MAS_LAUNCH {program} {call}" for call in calls)
    agent = (
        f"{{ {script}; }} >{shlex.quote(str(out))}.part 2>&1; mv {shlex.quote(str(out))}.part {shlex.quote(str(out))}"
    )
    start(place, command=shlex.join(["sh", "-c", f"{agent}; exec cat"]), label="own")
    wait(out.exists, timeout=30)
    return out.read_text()


def test_an_agent_ends_no_session_but_its_own(place: Path, tmp_path: Path, wait_until: Wait) -> None:
    other, kept = start(place), record(place)
    said = from_a_pane(place, tmp_path / "out", wait_until, f"stop -f {other}", f"rm {kept}", f"session delete {kept}")
    refusal = (
        "this runs in a pane of another session, and an agent ends or removes only its own; "
        "call it from a terminal of yours, or set MAS_AGENTS_END_OTHERS=1 in .masrc"
    )
    assert said == f"mas: {other[:8]}: {refusal}\n" + f"mas: {kept[:8]}: {refusal}\n" * 2
    assert other in ok("list", "--active", "-q", root=place).lines
    ok("rm", kept, root=place)


def test_a_project_may_allow_it(place: Path, tmp_path: Path, wait_until: Wait) -> None:
    other = start(place)
    (place / FILE).write_text(f"{OTHERS_VARIABLE}=1\n")
    assert from_a_pane(place, tmp_path / "out", wait_until, f"stop -f {other}") == f"{other[:8]} is stopped\n"


def test_an_agent_ends_its_own(place: Path, tmp_path: Path, wait_until: Wait) -> None:
    said = from_a_pane(place, tmp_path / "out", wait_until, "stop -f own")
    assert "is being stopped from outside" in said
    wait_until(lambda: ok("list", "--active", "-q", root=place).out == "", timeout=20)
