"""Many at once: nobody's work is lost, the index can be read at each instant, of one id there is one winner."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import roots

from mas import doctor, workspace
from mas.app import Mas

GIVEN = "0f0f0f0f-1111-4222-8333-444444444444"
TIMEOUT = 120


def begin(mas: Mas, *words: str) -> subprocess.Popen[str]:
    """A command line of mas, on its way."""
    line = [sys.executable, "-P", "-m", "mas", *words, "--root", str(mas.root.path)]
    return subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end(processes: Sequence[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """How they all ended: code, what they printed, what they complained."""
    ended = []
    for process in processes:
        said, complaint = process.communicate(timeout=TIMEOUT)
        ended.append((process.returncode, said.strip(), complaint.strip()))
    return ended


def start_words(template: str = "duo", *more: str) -> list[str]:
    words = ["start", "--isolated", "--no-attach", "--template", template, "--command", roots.WAITING, "-q"]
    return [*words, *more]


@contextmanager
def watched(mas: Mas) -> Iterator[None]:
    """Read the index again and again meanwhile: whatever there is, it is whole, and no row comes back once gone."""
    over = threading.Event()
    wrong: list[str] = []
    seen: set[str] = set()
    gone: set[str] = set()

    def read() -> None:
        while not over.is_set():
            try:
                rows = {row["sessionId"] for row in json.loads(mas.root.index.read_bytes())["sessions"]}
            except FileNotFoundError:
                continue
            except ValueError as error:
                wrong.append(str(error))
                return
            gone.update(seen - rows)
            wrong.extend(f"{one} came back" for one in gone & rows)
            seen.update(rows)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield
    finally:
        over.set()
        reader.join()
    assert wrong == []
    assert seen


def remove_all(mas: Mas) -> None:
    for view in mas.list(everything=True).views:
        if view.session_id:
            mas.remove(view.session_id, force=True)


@pytest.mark.parametrize(
    ("count", "template"),
    [
        (8, "default"),
        (12, "solo"),
        pytest.param(20, "default", marks=pytest.mark.slow),
        pytest.param(50, "solo", marks=pytest.mark.slow),
    ],
)
def test_parallel_starts_are_all_there(mas: Mas, tmux_socket: Path, count: int, template: str) -> None:
    agents = len(workspace.find_template(template, mas.root).team.ids)
    with watched(mas):
        ended = end([begin(mas, *start_words(template)) for _ in range(count)])
    assert [one for one in ended if one[0] != 0] == []
    ids = {said for _, said, _ in ended}
    assert len(ids) == count
    assert {row["sessionId"] for row in mas.rows()} == ids
    assert set(roots.teams(tmux_socket, mas.root)) == ids
    rows = roots.tmux(tmux_socket, "list-panes", "-a", "-F", "#{@mas_session}")
    assert {one: rows.count(one) for one in ids} == dict.fromkeys(ids, agents)
    assert list(roots.violations(mas, tmux_socket)) == []


def test_the_first_starts_of_all_need_no_server_before_them(mas: Mas, tmux_socket: Path) -> None:
    """They race for starting the tmux server too."""
    roots.tmux(tmux_socket, "kill-server")
    ended = end([begin(mas, *start_words()) for _ in range(6)])
    assert [one for one in ended if one[0] != 0] == []
    assert set(roots.teams(tmux_socket, mas.root)) == {said for _, said, _ in ended}


def test_of_one_id_there_is_one_winner(mas: Mas, tmux_socket: Path) -> None:
    ended = end([begin(mas, *start_words("duo", "--id", GIVEN)) for _ in range(8)])
    assert sorted(code for code, _, _ in ended) == [0, *[1] * 7]
    for code, _, complaint in ended:
        assert code == 0 or complaint.startswith(f"mas: session {GIVEN} exists")
        assert "\n" not in complaint
    assert list(roots.teams(tmux_socket, mas.root)) == [GIVEN]
    assert list(roots.violations(mas, tmux_socket)) == []


def test_of_one_label_there_is_one_winner(mas: Mas, tmux_socket: Path) -> None:
    ended = end([begin(mas, *start_words("duo", "--label", "mine")) for _ in range(6)])
    assert sorted(code for code, _, _ in ended) == [0, *[1] * 5]
    assert len(roots.teams(tmux_socket, mas.root)) == 1
    assert list(roots.violations(mas, tmux_socket)) == []


@pytest.mark.parametrize("count", [10, pytest.param(50, marks=pytest.mark.slow)])
def test_of_many_stops_one_stops_and_all_succeed(mas: Mas, tmux_socket: Path, count: int) -> None:
    session_id = roots.start(mas).session.session_id
    ended = end([begin(mas, "stop", session_id) for _ in range(count)])
    assert [one for one in ended if one[0] != 0] == []
    assert sum(complaint.endswith(" is stopped") for _, _, complaint in ended) == 1
    assert mas.view(session_id).status == "stopped"
    assert list(roots.violations(mas, tmux_socket)) == []


@pytest.mark.parametrize("count", [10, pytest.param(50, marks=pytest.mark.slow)])
def test_of_many_removals_one_removes(mas: Mas, tmux_socket: Path, count: int) -> None:
    session_id = roots.start(mas).session.session_id
    ended = end([begin(mas, "rm", "--force", session_id) for _ in range(count)])
    assert sorted({code for code, _, _ in ended}) in ([0, 1], [0])
    assert sum(code == 0 for code, _, _ in ended) >= 1
    for code, _, complaint in ended:
        assert code == 0 or any(one in complaint for one in ("no session", "Session not found", "is in use by"))
        assert "\n" not in complaint
    assert mas.rows() == []
    assert list(roots.violations(mas, tmux_socket)) == []


def test_a_stop_and_a_removal_and_a_resume_at_once_leave_one_of_their_ends(mas: Mas, tmux_socket: Path) -> None:
    for _ in range(3):
        session_id = roots.start(mas).session.session_id
        commands = [("stop",), ("rm", "--force"), ("resume", "-q"), ("stop",), ("rm",)]
        ended = end([begin(mas, *words, session_id) for words in commands])
        assert {code for code, _, _ in ended} <= {0, 1}
        assert all("\n" not in complaint for _, _, complaint in ended)
        assert list(roots.violations(mas, tmux_socket)) == []
        remove_all(mas)


@pytest.mark.parametrize("seconds", [6, pytest.param(60, marks=pytest.mark.slow)])
def test_everything_mixed_for_a_while(mas: Mas, tmux_socket: Path, seconds: float) -> None:
    """Starts, listings, doctors that mend, stops, removals: none sees a root that is not whole."""
    deadline = time.monotonic() + seconds
    wrong: list[str] = []

    def repeat(*words: str, codes: tuple[int, ...] = (0,), pick: Callable[[], str | None] = lambda: "") -> None:
        while time.monotonic() < deadline:
            one = pick()
            if one is None:
                continue
            code, said, complaint = end([begin(mas, *words, *([one] if one else []))])[0]
            if code not in codes or "Traceback" in complaint or complaint.count("\n") > 0:
                wrong.append(f"{words} {one}: {code} {said[-300:]} {complaint[-300:]}")

    def any_session() -> str | None:
        rows = mas.rows()
        return str(rows[int(time.monotonic() * 1000) % len(rows)]["sessionId"]) if rows else None

    loops = [
        threading.Thread(target=repeat, args=start_words()),
        threading.Thread(target=repeat, args=start_words()),
        threading.Thread(target=repeat, args=("list", "--json")),
        threading.Thread(target=repeat, args=("doctor", "--fix")),
        threading.Thread(target=repeat, args=("stop", "--force"), kwargs={"codes": (0, 1), "pick": any_session}),
        threading.Thread(target=repeat, args=("rm", "--force"), kwargs={"codes": (0, 1), "pick": any_session}),
    ]
    roots.start(mas)
    with watched(mas):
        for loop in loops:
            loop.start()
        for loop in loops:
            loop.join()
    assert wrong == []
    assert doctor.mend(mas).remaining == ()
    assert list(roots.violations(mas, tmux_socket)) == []
