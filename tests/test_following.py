import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import commandline
import pytest
import roots

from mas import events, following
from mas.app import Mas
from mas.errors import DamagedError, NotFoundError, RefusedError, WaitTimeoutError
from mas.filestore import FileStorage
from mas.manager import SessionManager
from mas.paths import Root
from mas.replay import Stored

Wait = Callable[..., None]


@pytest.fixture
def mas(root: Root) -> Mas:
    return roots.mas_of(root)


@pytest.fixture
def made(mas: Mas) -> str:
    return mas.manager.create_session("Build it").session_id


def in_background(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_all_that_happened_is_told_once(mas: Mas, made: str) -> None:
    mas.manager.start_session(made)
    assert [line.type for line in following.follow(mas, made, forever=False)] == ["created", "started"]
    assert [line.type for line in following.follow(mas, made, 1, forever=False)] == ["started"]
    assert [*following.follow(mas, made, 99, forever=False)] == []


def test_what_comes_later_is_told_as_it_comes(mas: Mas, made: str) -> None:
    followed = following.follow(mas, made)
    assert next(followed).type == "created"
    mas.manager.start_session(made)
    mas.manager.record_event(made, events.Paused("lunch"))
    assert [next(followed).type, next(followed).type] == ["started", "paused"]


def test_a_record_that_is_being_written_waits_until_it_is_whole(mas: Mas, made: str) -> None:
    followed = following.follow(mas, made)
    next(followed)
    log, snapshot = mas.root.session(made).log, mas.root.session(made).snapshot
    whole, before = log.read_bytes(), snapshot.read_bytes()
    mas.manager.start_session(made)
    grown = log.read_bytes()
    snapshot.write_bytes(before)  # it follows the log
    log.write_bytes(grown[: len(whole) + 20])
    writing = threading.Timer(0.3, log.write_bytes, [grown])
    writing.start()
    assert next(followed).type == "started"
    writing.join()


def test_a_log_that_was_cut_is_read_again_from_its_beginning(mas: Mas, made: str) -> None:
    """What was told already is not told a second time."""
    log = mas.root.session(made).log
    begun = log.read_bytes()
    mas.manager.start_session(made)
    followed = following.follow(mas, made)
    assert [next(followed).type, next(followed).type] == ["created", "started"]
    grown = log.read_bytes()
    log.write_bytes(begun)
    look_again = threading.Timer(0.3, log.write_bytes, [grown])
    look_again.start()
    look_again.join()
    mas.manager.record_event(made, events.Paused("lunch"))
    assert next(followed).type == "paused"


def damage(mas: Mas, made: str, old: bytes, new: bytes) -> None:
    log = mas.root.session(made).log
    log.write_bytes(log.read_bytes().replace(old, new, 1))


def test_a_damaged_record_is_named_with_its_place_once_what_stands_before_it_was_told(mas: Mas, made: str) -> None:
    """The snapshot stands at the end of the log, so nothing else would say so."""
    first = len(mas.root.session(made).log.read_bytes())
    mas.manager.start_session(made)
    mas.manager.record_event(made, events.Paused("lunch"))
    damage(mas, made, b'"started"', b'"strated"')
    for forever in (False, True):
        followed = following.follow(mas, made, forever=forever)
        assert next(followed).type == "created"
        with pytest.raises(DamagedError, match=rf"^events.jsonl is damaged at byte {first}: checksum differs") as said:
            next(followed)
        assert f"`mas doctor --fix {made[:8]}` mends it" in (said.value.hint or "")


def test_a_log_that_ends_before_its_snapshot_does_is_damaged(mas: Mas, made: str) -> None:
    log = mas.root.session(made).log
    begun = log.read_bytes()
    mas.manager.start_session(made)
    log.write_bytes(begun)
    followed = following.follow(mas, made, forever=False)
    assert next(followed).type == "created"
    with pytest.raises(DamagedError, match=r"^events.jsonl holds \d+ bytes, its snapshot stands at"):
        next(followed)
    log.unlink()
    with pytest.raises(DamagedError, match=r"^events.jsonl is missing"):
        next(following.follow(mas, made, forever=False))


def test_damage_further_up_keeps_nobody_from_waiting(mas: Mas, made: str) -> None:
    damage(mas, made, b'"Build it"', b'"Build at"')
    reached: list[str] = []
    waiting = in_background(lambda: reached.append(following.wait(mas, made, "planning", 20)))
    mas.manager.start_session(made)
    waiting.join()
    assert reached == ["planning"]


def test_following_ends_with_the_session(mas: Mas, made: str) -> None:
    followed = following.follow(mas, made)
    next(followed)
    mas.manager.delete_session(made)
    with pytest.raises(NotFoundError, match="was removed"):
        next(followed)
    with pytest.raises(NotFoundError):
        next(following.follow(mas, made))


def test_a_record_of_an_older_program_has_no_log_to_follow(mas: Mas, made: str) -> None:
    paths = mas.root.session(made)
    paths.log.unlink()
    old = {"session_id": made, "feature_request": "", "status": "planning", "created_at": "2026-01-01T00:00:00Z"}
    paths.snapshot.write_text(json.dumps(old))
    assert [*following.follow(mas, made, forever=False)] == []
    assert following.wait(mas, made, "planning", 0) == "planning"


def test_a_session_that_keeps_no_log_is_waited_for_by_its_document(root: Root) -> None:
    mas = roots.mas_of(root, {**os.environ, "MAS_SESSION_ENGINE": "documents"})
    made = mas.manager.create_session("Build it").session_id
    followed = following.follow(mas, made, forever=False)
    reached: list[str] = []
    waiting = in_background(lambda: reached.append(following.wait(mas, made, "planning", 20)))
    mas.manager.start_session(made)
    waiting.join()
    assert (reached, [*followed]) == (["planning"], [])


@pytest.mark.parametrize("until", ["initializing", "stopped"])
def test_what_is_true_already_is_not_waited_for(mas: Mas, made: str, until: str) -> None:
    assert following.wait(mas, made, until, 0) == until


class Overtaken(FileStorage):
    """A storage in which something happens right before each read but the first."""

    def __init__(self, root: Root, happens: Callable[[], object]) -> None:
        super().__init__(root)
        self.happens, self.reads = happens, 0

    def read(self, session_id: str) -> Stored:
        self.reads += 1
        if self.reads == 2:
            self.happens()
        return super().read(session_id)


def test_what_was_true_meanwhile_was_reached(mas: Mas, made: str) -> None:
    def happens() -> None:
        mas.manager.start_session(made)
        mas.manager.record_event(made, events.Failed("no"))

    theirs = roots.mas_of(mas.root)
    theirs.storage = Overtaken(mas.root, happens)
    assert following.wait(theirs, made, "planning", 20) == "planning"


@pytest.mark.parametrize("until", ["failed", "terminal"])
def test_any_end_is_an_end(mas: Mas, made: str, until: str) -> None:
    reached: list[str] = []
    waiting = in_background(lambda: reached.append(following.wait(mas, made, until, 20)))
    mas.manager.record_event(made, events.Failed("no"))
    waiting.join()
    assert reached == [until]


def test_work_that_takes_too_long_is_waited_for(mas: Mas, made: str) -> None:
    with pytest.raises(WaitTimeoutError):
        following.wait(mas, made, "overdue", 0)
    long_ago = SessionManager(mas.root.path, storage=mas.storage, clock=lambda: "2026-01-01T00:00:00Z")
    long_ago.start_session(made)
    assert following.wait(mas, made, "overdue", 0) == "overdue"
    assert mas.manager.get_progress(made).overdue


def test_the_time_may_be_up_first(mas: Mas, made: str) -> None:
    with pytest.raises(WaitTimeoutError, match="did not become completed in time"):
        following.wait(mas, made, "completed", 0.15)


def test_what_can_never_come_is_refused(mas: Mas, made: str) -> None:
    mas.manager.record_event(made, events.Failed("no"))
    with pytest.raises(RefusedError, match="is failed, it will never be completed"):
        following.wait(mas, made, "completed")


@pytest.fixture
def up(root: Root, tmux_socket: Path) -> tuple[Mas, str]:
    del tmux_socket
    roots.make_template(root)
    mas = roots.mas_of(root)
    return mas, roots.start(mas).session.session_id


def test_a_team_is_waited_for(up: tuple[Mas, str]) -> None:
    mas, session_id = up
    assert following.wait(mas, session_id, "active", 0) == "active"
    with pytest.raises(WaitTimeoutError):
        following.wait(mas, session_id, "stopped", 0.15)
    reached: list[str] = []
    waiting = in_background(lambda: reached.append(following.wait(mas, session_id, "stopped", 20)))
    mas.stop(session_id, grace=0)
    waiting.join()
    assert reached == ["stopped"]


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not there")
def test_waiting_costs_a_stat_ten_times_a_second_and_tmux_once(
    up: tuple[Mas, str], fake: roots.FakeTmux, tmp_path: Path
) -> None:
    """Counted by strace in the real program, and by a tmux that counts; how long it took bounds both."""
    mas, session_id = up
    fake.instead("true", of=10_000)
    trace, begun = tmp_path / "trace", time.monotonic()
    words = ["wait", session_id, "--until", "stopped", "--timeout", "0.5"]
    done = commandline.mas(
        *words, root=mas.root.path, program=("strace", "-o", str(trace), "-e", "trace=%file", *commandline.PROGRAM)
    )
    seconds, calls = time.monotonic() - begun, trace.read_text().splitlines()
    assert done.code == 124, done
    looks = [call for call in calls if '"events.jsonl"' in call and "stat" in call.partition("(")[0]]
    assert 1 < len(looks) <= 2 + 10 * seconds
    assert 1 <= fake.counted() <= 1 + seconds
    reads = [call for call in calls if '"events.jsonl"' in call and call.startswith("open")]
    assert len(reads) <= 1  # at the first look; then only its size is asked for


def test_a_tmux_that_gives_no_answer_is_not_taken_for_one(up: tuple[Mas, str], root: Root) -> None:
    mas, session_id = up
    silent = roots.mas_of(root, {**os.environ, "MAS_TMUX_SOCKET": "/proc/none"})
    assert mas.view(session_id).status == "active"
    with pytest.raises(WaitTimeoutError):
        following.wait(silent, session_id, "stopped", 0.15)
