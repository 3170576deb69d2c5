"""Several processes at once: nothing is lost, nothing is torn, and a killed one is in nobody's way."""

import json
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import failpoints
import pytest
from records import fingerprint

from mas.events import CommandExecuted, IterationCompleted, IterationStarted, Paused, Resumed
from mas.filestore import FileStorage
from mas.index import decode_index
from mas.manager import SessionManager
from mas.paths import Root
from mas.projections import Projections

Wait = Callable[..., None]

WRITE = """
import sys
from pathlib import Path
from mas.events import CommandExecuted
from mas.filestore import FileStorage
from mas.manager import SessionManager
from mas.paths import Root
root, session_id, count, name = sys.argv[1:]
manager = SessionManager(root, storage=FileStorage(Root(Path(root)), lock_timeout=120))
for number in range(int(count)):
    manager.record_event(session_id, CommandExecuted(f"{name} {number}"))
    print(number, flush=True)
"""
CREATE = """
import sys
from pathlib import Path
from mas.filestore import FileStorage
from mas.manager import SessionManager
from mas.paths import Root
manager = SessionManager(sys.argv[1], storage=FileStorage(Root(Path(sys.argv[1])), lock_timeout=120))
for number in range(int(sys.argv[2])):
    print(manager.create_session("x").id, flush=True)
"""


def manager_of(root: Root) -> SessionManager:
    return SessionManager(root.path, storage=FileStorage(root, lock_timeout=60))


def started(root: Root) -> tuple[SessionManager, str]:
    manager = manager_of(root)
    session_id = manager.create_session("x").id
    manager.start_session(session_id)
    return manager, session_id


def program(text: str, *words: object) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", text, *map(str, words)], stdout=subprocess.PIPE, text=True)


def outputs(processes: list[subprocess.Popen[str]]) -> list[list[str]]:
    found = [process.communicate(timeout=300)[0].split("\n")[:-1] for process in processes]
    assert {process.returncode for process in processes} == {0}
    return found


def test_two_processes_with_200_events_each_lose_none(root: Root) -> None:
    manager, session_id = started(root)
    outputs([program(WRITE, root.path, session_id, 200, name) for name in ("a", "b")])
    events = manager.events(session_id)
    assert [event.seq for event in events] == [*range(2, 403)]
    for name in ("a", "b"):
        own = [event.event.command for event in events if isinstance(event.event, CommandExecuted)]
        assert [word for word in own if word.startswith(name)] == [f"{name} {number}" for number in range(200)]
    assert manager.restore_session(session_id).document == manager.get_session(session_id).document


def create_at_once(root: Root, processes: int, sessions: int) -> None:
    stop, looks = threading.Event(), []
    wrong: list[object] = []
    root.path.mkdir(parents=True)
    shown = Projections(FileStorage(root))

    def read() -> None:
        seen: set[str] = set()
        while not stop.is_set():
            if root.index.exists():
                raw = root.index.read_bytes()
                if not decode_index(raw).sound or len(json.loads(raw)["sessions"]) != decode_index(raw).size:
                    wrong.append(raw)
            rows = {row["sessionId"] for row in shown.rows()}
            wrong.extend(seen - rows)
            seen |= rows
            looks.append(1)

    reader = threading.Thread(target=read)
    reader.start()
    made = outputs([program(CREATE, root.path, sessions) for _ in range(processes)])
    stop.set()
    reader.join()
    acknowledged = {session_id for lines in made for session_id in lines}
    assert wrong == []
    assert len(looks) > 3
    assert len(acknowledged) == processes * sessions
    index = decode_index(root.index.read_bytes())
    assert index.sound
    assert {row["sessionId"] for row in index.rows()} == acknowledged == {*FileStorage(root).list()}
    assert index.size == len(acknowledged)


def test_sessions_made_at_once_are_all_in_the_index_which_is_whole_at_every_instant(root: Root) -> None:
    create_at_once(root, 6, 15)


@pytest.mark.slow
def test_20_processes_with_50_sessions_each(root: Root) -> None:
    create_at_once(root, 20, 50)


def test_the_same_id_at_once_has_one_winner(root: Root) -> None:
    program_text = CREATE.replace('create_session("x")', 'create_session("x", session_id=sys.argv[3])')
    session_id = "11111111-2222-4333-8444-555555555555"
    made = [program(program_text, root.path, 1, session_id) for _ in range(6)]
    for process in made:
        process.communicate(timeout=120)
    assert sorted(process.returncode for process in made) == [0, 1, 1, 1, 1, 1]
    assert manager_of(root).get_session(session_id).rev == 1
    assert [*root.staging.iterdir()] == []


def test_a_writer_killed_at_random_is_in_nobodys_way(root: Root, wait_until: Wait) -> None:
    manager, session_id = started(root)
    chance = random.Random(7)  # noqa: S311
    acknowledged = 0
    for turn in range(8):
        process = program(WRITE, root.path, session_id, 100_000, f"{turn}")
        enough = acknowledged + chance.randrange(1, 30)
        wait_until(lambda enough=enough: manager.storage.position(session_id) and _count(manager, session_id) > enough)
        process.kill()
        told = process.communicate(timeout=60)[0].split("\n")[:-1]
        assert process.returncode == -signal.SIGKILL
        acknowledged += len(told)
        events = [event.event for event in manager.events(session_id)]
        own = [one for one in events if isinstance(one, CommandExecuted) and one.command.startswith(f"{turn} ")]
        assert len(told) <= len(own) <= len(told) + 1
        manager.record_event(session_id, CommandExecuted("after"))
        assert manager.storage.examine(session_id).damage == ""  # type: ignore[attr-defined]
        acknowledged = _count(manager, session_id)
    assert manager.restore_session(session_id).document == manager.get_session(session_id).document


def _count(manager: SessionManager, session_id: str) -> int:
    return manager.get_session(session_id).rev


def live(manager: SessionManager, session_id: str) -> None:
    """A bit of everything a writer does."""
    manager.record_event(session_id, IterationStarted(1))
    manager.update_session(session_id, {"status": "generating_tasks", "current_phase": "plan", "label": "mine"})
    manager.record_event(session_id, IterationCompleted())
    manager.save_checkpoint(session_id)
    manager.record_event(session_id, Paused("x"))
    manager.record_event(session_id, Resumed())


def test_a_life_killed_at_every_call_leaves_a_record_that_goes_on(root: Root, tmp_path: Path) -> None:
    def make(name: str) -> tuple[SessionManager, str]:
        return started(Root(tmp_path / name))

    counted = make("count")
    points = failpoints.count(lambda _done: live(*counted))
    assert points > 40
    others = fingerprint(root.path) if root.path.exists() else ""
    for at in range(1, points + 1):
        manager, session_id = make(str(at))
        before = manager.get_session(session_id).rev
        ending = failpoints.run(lambda _done, manager=manager, one=session_id: live(manager, one), at)  # type: ignore[misc]
        assert ending.killed
        again = manager_of(Root(tmp_path / str(at)))
        session = again.get_session(session_id)
        assert session.rev >= before
        assert again.storage.examine(session_id).damage == ""  # type: ignore[attr-defined]
        assert [one.seq for one in again.storage.checkpoints(session_id)] == sorted(
            seq
            for seq, _ in again.storage.checkpoint_files(session_id)  # type: ignore[attr-defined]
        )
        again.record_event(session_id, CommandExecuted("after"))
        assert again.restore_session(session_id).document == again.get_session(session_id).document
        assert len(Projections(FileStorage(Root(tmp_path / str(at)))).rows()) == 1
    assert (fingerprint(root.path) if root.path.exists() else "") == others


def test_threads_of_one_manager_lose_nothing(root: Root) -> None:
    manager, session_id = started(root)

    def work(name: str) -> None:
        for number in range(25):
            manager.record_event(session_id, CommandExecuted(f"{name} {number}"))
            manager.get_progress(session_id)

    threads = [threading.Thread(target=work, args=(f"{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert manager.get_session(session_id).rev == 202
    assert len(manager.get_progress(session_id).commands_executed) == 200


def test_a_forked_child_writes_like_any_other_process(root: Root) -> None:
    manager, session_id = started(root)

    def act(_done: failpoints.Acknowledge) -> None:
        manager.record_event(session_id, CommandExecuted("child"))

    with manager.storage.lock(session_id):
        manager.record_event(session_id, CommandExecuted("parent"))
    ending = failpoints.run(act, failpoints.NEVER)
    assert ending.error == ""
    manager.record_event(session_id, CommandExecuted("parent again"))
    commands = [event.event.command for event in manager.events(session_id) if isinstance(event.event, CommandExecuted)]
    assert commands == ["parent", "child", "parent again"]
