"""Killed at any point, a command leaves what one `mas doctor --fix` makes whole. Real processes, really killed."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import failpoints
import pytest
import roots

from mas import doctor
from mas.app import Mas
from mas.paths import Root

Prepare = Callable[[Mas], failpoints.Act]
"""Brings a root to where the command begins, and returns the command."""


def starting(mas: Mas) -> failpoints.Act:
    root = mas.root
    return lambda done: done(roots.start(roots.mas_of(root), label="a name").session.session_id)


def stopping(mas: Mas) -> failpoints.Act:
    root, session_id = mas.root, roots.start(mas).session.session_id
    return lambda done: done(roots.mas_of(root).stop(session_id, grace=0.1).session_id)


def removing(mas: Mas) -> failpoints.Act:
    root, session_id = mas.root, roots.start(mas).session.session_id

    def act(done: failpoints.Acknowledge) -> None:
        roots.mas_of(root).remove(session_id, force=True)
        done(session_id)

    return act


def resuming(mas: Mas) -> failpoints.Act:
    root, session_id = mas.root, roots.start(mas).session.session_id
    mas.manager.start_session(session_id)
    mas.stop(session_id, grace=0)
    return lambda done: done(roots.mas_of(root).resume(session_id).session.session_id)


def status(mas: Mas, session_id: str) -> str:
    """The word of a session, or that it is gone."""
    row = mas.row(session_id)
    return mas.view(session_id).status if row else "gone"


PROMISED: dict[Prepare, str] = {starting: "active", stopping: "stopped", removing: "gone", resuming: "active"}
"""What a command that was acknowledged has brought about, whatever happened to its process after that."""


@dataclass(frozen=True)
class Crashed:
    """A root in which a command was killed. ``findings`` is what the doctor then found there."""

    mas: Mas
    ending: failpoints.Ending
    promised: str
    neighbour: str
    log: bytes
    findings: tuple[str, ...] = ()


@dataclass
class Place:
    """Where roots are made, one for each crash, beside a team of another root on the same tmux server."""

    directory: Path
    socket: Path
    numbers: Iterator[int]

    def root(self) -> Mas:
        root = Root(self.directory / f"root {next(self.numbers)}")
        roots.make_template(root)
        return roots.mas_of(root)

    def crash(self, prepare: Prepare, at: int) -> Crashed:
        """A root with a session that was acknowledged, and a command killed behind its ``at``-th point."""
        mas = self.root()
        neighbour = mas.manager.create_session("beside it").session_id
        act = prepare(mas)
        ending = failpoints.run(act, at)
        failpoints.settle(self.socket)
        log = roots.log_of(mas.root, neighbour)
        findings = tuple(one.problem for one in doctor.look(mas).findings)
        return Crashed(mas, ending, PROMISED[prepare], neighbour, log, findings)

    def check(self, crashed: Crashed) -> list[str]:
        """What is wrong once the doctor was there."""
        mas = crashed.mas
        wrong = [f"the doctor leaves {one}" for one in doctor.mend(mas).remaining]
        wrong += roots.violations(mas, self.socket)
        for session_id in crashed.ending.acknowledged:
            if status(mas, session_id) != crashed.promised:
                wrong.append(f"it was acknowledged, and is {status(mas, session_id)}")
        if not roots.log_of(mas.root, crashed.neighbour).startswith(crashed.log):
            wrong.append("the neighbour's log was changed")
        for name in roots.teams(self.socket, mas.root).values():
            roots.tmux(self.socket, "kill-session", "-t", f"={name}")
        return [f"killed behind {crashed.ending.last} ({crashed.ending.passed}): {one}" for one in wrong]


@pytest.fixture
def place(tmp_path: Path, tmux_socket: Path) -> Place:
    made = Place(tmp_path, tmux_socket, count(1))
    roots.start(made.root())
    return made


def panes(socket: Path) -> list[str]:
    return roots.tmux(socket, "list-panes", "-a", "-F", "#{session_name} #{pane_id} #{pane_pid}")


def test_the_points_are_those_that_leave_something(tmp_path: Path) -> None:
    """Seen to count, to kill behind the chosen one, and to tell what was done before."""

    def act(done: failpoints.Acknowledge) -> None:
        tmp_path.chmod(0o700)
        done("closed")
        os.close(os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT))
        os.close(os.open(tmp_path / "file", os.O_RDONLY))
        done("opened")

    assert failpoints.count(act) == 2
    assert failpoints.run(act, 1) == failpoints.Ending((), 1, "chmod", killed=True)
    assert failpoints.run(act, 2) == failpoints.Ending(("closed",), 2, "open", killed=True)
    assert failpoints.run(act, 3) == failpoints.Ending(("closed", "opened"), 2, "open", killed=False)


def test_what_an_act_raises_is_told() -> None:
    assert failpoints.run(lambda _: int("x"), 1).error.startswith("ValueError: invalid literal")


EACH, SOME, FEW = 1, 5, 25
"""Every so many points: of a command, and of the doctor that mends what it left."""

LOOSE = 5
"""So many points of a command may be passed in one run and not in another: what waits looks once more or less."""


@pytest.mark.parametrize(
    ("prepare", "step", "second"),
    [
        (starting, SOME, FEW),
        (stopping, SOME, FEW),
        (removing, SOME, FEW),
        (resuming, SOME, FEW),
        *(pytest.param(one, EACH, EACH, marks=pytest.mark.slow) for one in (starting, stopping, removing, resuming)),
    ],
)
def test_killed_at_any_point(place: Place, prepare: Prepare, step: int, second: int) -> None:
    """A command that was killed is mended by one doctor; so is what a doctor leaves that was itself killed at that."""
    before = panes(place.socket)
    points = place.crash(prepare, failpoints.NEVER).ending.passed
    assert points > 10
    wrong: list[str] = []
    kinds: set[tuple[str, ...]] = {()}
    for at in range(1, points + 1, step):
        crashed = place.crash(prepare, at)
        wrong += place.check(crashed)
        if not crashed.ending.killed and at + max(step, LOOSE) <= points:
            wrong.append(f"nothing was killed at point {at} of {points}")
        if crashed.findings not in kinds:
            kinds.add(crashed.findings)
            wrong += kill_the_doctor(place, prepare, at, second)
    assert wrong == []
    assert set(before) <= set(panes(place.socket))


def kill_the_doctor(place: Place, prepare: Prepare, at: int, step: int) -> list[str]:
    """Make the same state again and again, and kill the doctor at one point of its mending after another."""
    wrong: list[str] = []
    for point in count(1, step):
        crashed = place.crash(prepare, at)
        ending = failpoints.run(mending(crashed.mas), point)
        failpoints.settle(place.socket)
        wrong += [f"the doctor killed behind {ending.last} ({point}): {one}" for one in place.check(crashed)]
        if not ending.killed:
            return wrong if point > 1 else [*wrong, "the doctor was not killed at all"]
    return wrong


def mending(mas: Mas) -> failpoints.Act:
    return lambda done: done(str(doctor.mend(roots.mas_of(mas.root)).remaining))
