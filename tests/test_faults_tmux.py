"""tmux missing, failing at any of its calls, printing nonsense, hanging: what was done before stands or is undone."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import roots

from mas import doctor
from mas.app import Mas
from mas.errors import MasError, UnknownStateError

Act = Callable[[Mas], object]

FAILS = "echo 'something is wrong' >&2; exit 1"
PRINTS_NONSENSE = "echo 'a line of nonsense'; exit 0"
PRINTS_HALF = '{real} "$@" | head -c 30; exit 0'
IS_KILLED = "kill -KILL $$"
ACTS_AND_FAILS = '{real} "$@" >/dev/null; exit 1'
WAYS = {
    "fails": FAILS,
    "prints nonsense": PRINTS_NONSENSE,
    "prints half of it": PRINTS_HALF,
    "is killed": IS_KILLED,
    "acts and fails": ACTS_AND_FAILS,
}


def start(mas: Mas) -> None:
    roots.start(mas)


def stop(mas: Mas) -> None:
    mas.stop(mas.list().views[0].session_id, grace=0)


def remove(mas: Mas) -> None:
    mas.remove(mas.list().views[0].session_id, force=True)


def resume(mas: Mas) -> None:
    mas.resume(mas.rows()[0]["sessionId"])


def prepare(mas: Mas, act: Act) -> None:
    """Bring a root to where the act begins."""
    for view in mas.list().views:
        mas.remove(view.session_id, force=True)
    if act is not start:
        roots.start(mas, team=act is not resume)


ACTS = (start, stop, remove, resume)
QUICK = [*((act, "fails", False) for act in ACTS), (start, "acts and fails", True), (stop, "is killed", True)]
REST = [(act, way, once) for act in ACTS for way in WAYS for once in (True, False) if (act, way, once) not in QUICK]


@pytest.mark.parametrize(
    ("act", "way", "once"), [*QUICK, *(pytest.param(*one, marks=pytest.mark.slow) for one in REST)]
)
def test_whichever_call_goes_wrong(
    mas: Mas, tmux_socket: Path, fake: roots.FakeTmux, act: Act, way: str, *, once: bool
) -> None:
    """Either it is done, or one line says why not; and one doctor makes whole what could not be undone."""
    prepare(mas, act)
    fake.instead("true", of=10_000)
    act(mas)
    for number in range(1, fake.counted() + 1):
        fake.away()
        prepare(mas, act)
        before = {row["sessionId"]: roots.log_of(mas.root, row["sessionId"]) for row in mas.rows()}
        fake.instead(WAYS[way].format(real=fake.real), of=number, once=once)
        try:
            act(mas)
        except MasError as error:
            assert error.message  # noqa: PT017  both ends are right
            assert "\n" not in error.message  # noqa: PT017
        fake.away()
        assert doctor.mend(mas).remaining == ()
        assert list(roots.violations(mas, tmux_socket)) == []
        for session_id, log in before.items():
            assert not mas.storage.has(session_id) or roots.log_of(mas.root, session_id).startswith(log)


@pytest.mark.parametrize("act", ACTS)
def test_without_tmux_nothing_is_touched_and_what_to_do_is_told(
    mas: Mas, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, act: Act
) -> None:
    prepare(mas, act)
    before = {path: path.read_bytes() for path in mas.root.path.rglob("*") if path.is_file()}
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(path_without_tmux(tmp_path)))
        with pytest.raises(MasError, match="tmux is not installed, or not on PATH") as raised:
            acting_on(mas, act)
    assert raised.value.hint == "install it, for example: apt-get install tmux"
    assert {path: path.read_bytes() for path in mas.root.path.rglob("*") if path.is_file()} == before


def acting_on(mas: Mas, act: Act) -> None:
    """The act by the ids that are known without asking tmux."""
    ids = [row["sessionId"] for row in mas.rows()]
    if act is stop:
        mas.stop(ids[0])
    elif act is remove:
        mas.remove(ids[0], force=True)
    else:
        act(mas)


def path_without_tmux(tmp_path: Path) -> Path:
    place = tmp_path / "without"
    place.mkdir()
    for program in ("sh", "sleep", "git"):
        found = subprocess.run(["sh", "-c", f"command -v {program}"], capture_output=True, text=True, check=True)
        (place / program).symlink_to(found.stdout.strip())
    return place


@pytest.mark.parametrize("act", [start, stop, *(pytest.param(one, marks=pytest.mark.slow) for one in (remove, resume))])
def test_a_server_that_hangs_is_waited_for_and_nothing_is_touched(mas: Mas, tmux_socket: Path, act: Act) -> None:
    prepare(mas, act)
    before = {path: path.read_bytes() for path in mas.root.path.rglob("*") if path.is_file()}
    (pid,) = roots.tmux(tmux_socket, "display-message", "-p", "#{pid}")
    os.kill(int(pid), signal.SIGSTOP)
    try:
        with pytest.raises(UnknownStateError, match="tmux did not answer within 5 s"):
            acting_on(mas, act)
    finally:
        os.kill(int(pid), signal.SIGCONT)
    assert {path: path.read_bytes() for path in mas.root.path.rglob("*") if path.is_file()} == before
    assert list(roots.violations(mas, tmux_socket)) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [2, 3])
def test_a_server_that_hangs_in_the_middle_is_waited_for_and_left_to_the_doctor(
    mas: Mas, tmux_socket: Path, fake: roots.FakeTmux, number: int
) -> None:
    """The client that was given up may be heard later all the same."""
    (pid,) = roots.tmux(tmux_socket, "display-message", "-p", "#{pid}")
    fake.instead(f"kill -STOP {pid}", of=number, once=True)
    try:
        with pytest.raises(MasError):
            roots.start(mas)
    finally:
        os.kill(int(pid), signal.SIGCONT)
    fake.away()
    assert doctor.mend(mas).remaining == ()
    assert list(roots.violations(mas, tmux_socket)) == []
