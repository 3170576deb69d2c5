"""Interrupted at any point, a start leaves nothing of itself: no doctor is needed for what a process lives to see."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import failpoints
import pytest
import roots

from mas.app import Mas
from mas.cli import main

WORDS = ["--isolated", "--no-attach", "--template", "duo", "--command", roots.WAITING]
ENDINGS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def words(mas: Mas) -> list[str]:
    return ["start", "--root", str(mas.root.path), *WORDS]


def starting(mas: Mas, said: Path) -> failpoints.Act:
    """The command line itself, in a process that hears signals as a terminal's programs do."""
    line = words(mas)

    def act(done: failpoints.Acknowledge) -> None:
        for number in ENDINGS:
            signal.signal(number, signal.SIG_DFL)
        with said.open("w", encoding="utf-8") as output:
            sys.stdout = sys.stderr = output
            code = main(line)
        done(str(code))

    return act


def left(mas: Mas, socket: Path) -> list[str]:
    """What there is of sessions."""
    kept = {".sessions.index", "index.lock"}
    files = [str(path) for path in mas.root.sessions.rglob("*") if path.is_file() and path.name not in kept]
    return [*files, *roots.teams(socket, mas.root), *roots.launched(mas), *(str(row) for row in mas.rows())]


@pytest.mark.parametrize(
    ("number", "step"),
    [
        (signal.SIGTERM, 4),
        (signal.SIGINT, 9),
        (signal.SIGHUP, 10),
        *(pytest.param(number, 1, marks=pytest.mark.slow) for number in ENDINGS),
    ],
)
def test_an_ending_at_any_point_undoes_everything(
    mas: Mas, tmux_socket: Path, tmp_path: Path, number: signal.Signals, step: int
) -> None:
    said = tmp_path / "said"
    points = failpoints.count(starting(mas, said))
    wrong = []
    for view in mas.list().views:
        mas.remove(view.session_id, force=True)
    for at in range(1, points, step):
        ending = failpoints.run(starting(mas, said), at, number)
        failpoints.settle(tmux_socket)
        text = said.read_text()
        if ending.acknowledged == ("0",) and ending.passed < at:  # a root that is there already takes fewer points
            for view in mas.list().views:
                mas.remove(view.session_id, force=True)
        elif ending.acknowledged != (str(128 + number),) or text.count("\n") != 1 or "Traceback" in text:
            wrong.append(f"{ending}: {text}")
        wrong += [
            f"{ending.last} ({at}): {one}" for one in (*left(mas, tmux_socket), *roots.violations(mas, tmux_socket))
        ]
    assert wrong == []


@pytest.mark.parametrize("number", ENDINGS)
def test_an_ending_at_any_moment_undoes_everything(mas: Mas, tmux_socket: Path, number: signal.Signals) -> None:
    """The same with a real process, hit at moments spread over its life: also while it is still being loaded."""
    begun = time.monotonic()
    subprocess.run(command(mas), check=True, capture_output=True, timeout=60)
    lasts = time.monotonic() - begun
    for part in range(5):
        for view in mas.list().views:
            mas.remove(view.session_id, force=True)
        with subprocess.Popen(command(mas), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            moment = time.monotonic() + lasts * part / 5
            while time.monotonic() < moment and process.poll() is None:
                os.sched_yield()
            process.send_signal(number)
            said, complaint = process.communicate(timeout=60)
        early = {1} if "Could not import runpy" in complaint or "import_site" in complaint else set()
        assert process.returncode in {0, -number, 128 + number} | early, complaint  # Python was not up yet: it ends so
        assert ("Session ID: " in said) >= (process.returncode == 0)
        assert [view.status for view in mas.list().views] in ([], ["active"])  # all of it, or nothing
        assert left(mas, tmux_socket) == [] or mas.list().views
        assert list(roots.violations(mas, tmux_socket)) == []


def command(mas: Mas) -> list[str]:
    return [sys.executable, "-P", "-m", "mas", *words(mas)]


def test_an_impatient_second_signal_does_not_cut_the_undoing_short(
    mas: Mas, tmux_socket: Path, fake: roots.FakeTmux
) -> None:
    """tmux takes its time, and the person presses the keys again and again."""
    fake.instead('sleep 0.3; kill -INT "$PPID"; sleep 0.3; kill -INT "$PPID"', of=2)
    process = subprocess.run(command(mas), capture_output=True, text=True, check=False, timeout=60)
    fake.away()
    assert process.returncode == 130
    assert process.stderr.count("\n") == 1
    assert left(mas, tmux_socket) == []
