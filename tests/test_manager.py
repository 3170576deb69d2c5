"""SessionManager: Maestro's methods and those for events, in memory, in a Maestro root and in a root of ours."""

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from records import ID, OTHER_ID, clock, fingerprint, path_to, time

from mas.config import SessionConfig, SessionOptions
from mas.errors import DamagedError, ExistsError, InvalidIdError, NotFoundError, RefusedError
from mas.events import (
    CommandExecuted,
    Completed,
    Failed,
    IterationCompleted,
    IterationStarted,
    Paused,
    PhaseChanged,
    Resumed,
    SessionEvent,
    Started,
    TimestampedEvent,
)
from mas.filestore import FileStorage
from mas.iteration import IterationChanges
from mas.lifecycle import TRANSITIONS, SessionPhase, SessionStatus
from mas.manager import SessionManager
from mas.paths import Root
from mas.session import GitContext, PRDReference, Session, SessionConfiguration, SessionStatistics
from mas.states import Created, Running, SessionSummary
from mas.states import Paused as PausedState
from mas.storage import MemoryStorage

S = SessionStatus

KINDS: dict[str, Callable[[Path], SessionManager]] = {
    "memory": lambda path: SessionManager(path, storage=MemoryStorage(), clock=clock()),
    "maestro": lambda path: SessionManager(path, clock=clock()),
    "ours": lambda path: SessionManager(path, storage=FileStorage(Root(path / "a root")), clock=clock()),
}


@pytest.fixture(params=KINDS)
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> SessionManager:
    return KINDS[request.param](tmp_path)


@pytest.fixture
def session(manager: SessionManager) -> Session:
    return manager.create_session("Build it")


def walk(manager: SessionManager, session: Session, *statuses: str) -> Session:
    for status in statuses:
        session = manager.transition_state(session.id, status)
    return session


ALL_THE_WAY = ("planning", "generating_tasks", "implementing", "validating", "generating_report", "completed")


def kinds(manager: SessionManager, session: Session) -> list[str]:
    return [line.type for line in manager.records(session.id)]


# --- where it is ---


def test_the_repository_around_the_working_directory_is_found(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (repo / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(repo / "deep" / "er")
    manager = SessionManager()
    assert manager.repo_root == repo
    assert manager.sessions_dir == repo / ".flow" / "maestro" / "sessions"


def test_without_a_repository_it_is_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert SessionManager().repo_root == tmp_path
    assert SessionManager("below").repo_root == tmp_path / "below"
    assert SessionManager(str(tmp_path)).repo_root == tmp_path
    assert [*tmp_path.iterdir()] == []


def test_sessions_in_memory_have_no_directory(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="not kept in files"):
        _ = KINDS["memory"](tmp_path).sessions_dir


def test_the_table_is_there_for_callers() -> None:
    assert SessionManager.STATE_TRANSITIONS is TRANSITIONS


# --- create ---


def test_a_session_begins_as_documented(manager: SessionManager) -> None:
    session = manager.create_session("Build it", SessionConfiguration(max_iterations=5))
    assert (session.feature_request, session.status, session.current_phase) == ("Build it", "initializing", None)
    assert session.created_at == session.updated_at
    assert session.configuration == SessionConfiguration(max_iterations=5)
    assert session.statistics == SessionStatistics()
    assert session.state == Created()
    assert manager.get_session(session.id) == session
    assert manager.events(session.id) == []


@pytest.mark.parametrize("request_text", ["", None, "日本語 ☕\n$(x)"])
def test_any_request_will_do(manager: SessionManager, request_text: str | None) -> None:
    session = manager.create_session(request_text)
    assert manager.get_session(session.id).feature_request == (request_text or "")


def test_an_id_may_be_given_and_is_taken_once(manager: SessionManager) -> None:
    assert manager.create_session("x", session_id=ID).id == ID
    with pytest.raises(ExistsError):
        manager.create_session("y", session_id=ID)
    assert manager.get_session(ID).feature_request == "x"


@pytest.mark.parametrize("session_id", ["", "x", "../x", ID + "\n", "A" * 36])
def test_no_other_text_is_an_id(manager: SessionManager, tmp_path: Path, session_id: str) -> None:
    before = fingerprint(tmp_path)
    with pytest.raises(InvalidIdError):
        manager.create_session("x", session_id=session_id)
    assert fingerprint(tmp_path) == before


def test_a_configuration_of_the_work_is_kept(manager: SessionManager, tmp_path: Path) -> None:
    config = SessionConfig(tmp_path, {"steps": ["a"]}, max_iterations=9, focus="speed")
    session = manager.create_session("x", config=config)
    assert session.configuration.max_iterations == 9
    started = manager.start_session(session.id)
    assert [one.event for one in manager.events(session.id)] == [Started(config)]
    loaded = manager.storage.load(session.id)
    assert loaded is not None
    assert loaded.config == config
    assert started.state == Running(0)


# --- get, update ---


@pytest.mark.parametrize("session_id", [OTHER_ID, "nonexistent", "", "../x", f"{ID}\n", None, 3])
def test_what_is_not_there_is_a_file_that_is_not_found(
    manager: SessionManager, session: Session, tmp_path: Path, session_id: Any
) -> None:
    before = fingerprint(tmp_path, without=())
    calls: list[Callable[[], object]] = [
        lambda: manager.get_session(session_id),
        lambda: manager.update_session(session_id, {}),
        lambda: manager.update_session(session_id, {"status": "completed"}),
        lambda: manager.transition_state(session_id, "planning"),
        lambda: manager.transition_state(session_id, "completed"),
        lambda: manager.start_session(session_id),
        lambda: manager.record_event(session_id, Paused("x")),
        lambda: manager.record_event(session_id, IterationStarted(1)),
        lambda: manager.complete_session(session_id),
        lambda: manager.get_state(session_id),
        lambda: manager.get_progress(session_id),
        lambda: manager.save_checkpoint(session_id),
        lambda: manager.prune_checkpoints(session_id, 1),
        lambda: manager.restore_session(session_id),
        lambda: manager.retry(session_id),
        lambda: manager.events(session_id),
        lambda: manager.records(session_id),
        lambda: manager.observe(session_id, {"wanted": "up"}),
        lambda: manager.delete_session(session_id),
        lambda: manager.delete_session(session_id, force=True),
    ]
    for call in calls:
        with pytest.raises(FileNotFoundError) as missing:
            call()
        assert isinstance(missing.value, NotFoundError)
    assert fingerprint(tmp_path, without=()) == before
    assert manager.get_session(session.id) == session


def test_updates_as_documented(manager: SessionManager, session: Session) -> None:
    updated = manager.update_session(
        session.id,
        {"current_phase": SessionPhase.IMPLEMENT, "statistics": {"total_tasks": 10, "completed_tasks": 5}},
    )
    assert updated.current_phase is SessionPhase.IMPLEMENT
    assert updated.statistics == SessionStatistics(total_tasks=10, completed_tasks=5)
    assert updated.updated_at is not None
    assert updated.updated_at > session.created_at
    updated = manager.update_session(
        session.id,
        {
            "statistics": SessionStatistics(decisions_made=3),
            "prd_reference": PRDReference("prd.md", "/p", "1.0.0"),
            "git_context": GitContext("other", "", "/x"),
            "feature_request": "Build another",
        },
    )
    assert updated.statistics == SessionStatistics(decisions_made=3)
    assert updated.prd_reference == PRDReference("prd.md", "/p", "1.0.0")
    assert (updated.git_context.branch, updated.feature_request) == ("other", "Build another")
    assert manager.get_session(session.id) == updated
    assert manager.events(session.id) == []


def test_an_update_may_move_the_status_and_then_is_one_append(manager: SessionManager, session: Session) -> None:
    moved = manager.update_session(session.id, {"status": "planning", "current_phase": "plan"})
    assert (moved.status, moved.current_phase) == ("planning", "plan")
    assert kinds(manager, session) == ["created", "started", "updated"]
    first, second = [*manager.records(session.id)][1:]
    assert (first.more, second.more) == (True, False)
    assert manager.update_session(session.id, {"status": "planning"}).rev == moved.rev


@pytest.mark.parametrize(
    "updates",
    [
        {"status": "completed"},
        {"status": "nowhere"},
        {"status": 3},
        {"status": "planning", "nothing": 1},
        {"status": "completed", "current_phase": "plan"},
        {"current_phase": "nowhere"},
        {"session_id": OTHER_ID},
        {"created_at": "x"},
        {"statistics": {"total_tasks": -1}},
        {"statistics": {"nothing": 1}},
        {"lifecycle": {}},
        {"feature_request": "x" * 40_000},
        [("status", "planning")],
        "status",
        None,
    ],
)
def test_a_refused_update_changes_not_a_byte(
    manager: SessionManager, session: Session, tmp_path: Path, updates: Any
) -> None:
    before = fingerprint(tmp_path, without=())
    with pytest.raises(RefusedError):
        manager.update_session(session.id, updates)
    assert fingerprint(tmp_path, without=()) == before
    assert manager.get_session(session.id) == session


# --- transitions and events ---


@pytest.mark.parametrize("wanted", SessionStatus)
@pytest.mark.parametrize("current", SessionStatus)
def test_each_pair_is_allowed_or_changes_not_a_byte(
    tmp_path: Path, current: SessionStatus, wanted: SessionStatus
) -> None:
    manager = KINDS["ours"](tmp_path)
    heard: list[str] = []
    manager.add_observer(lambda _, happened: heard.append(type(happened.event).__name__))
    session = manager.create_session("x")
    walk(manager, session, *path_to(current))
    assert manager.flush(10)
    heard.clear()
    before = fingerprint(tmp_path, without=())
    if wanted in TRANSITIONS[current]:
        assert manager.transition_state(session.id, wanted).status is wanted
        assert manager.flush(10)
        assert len(heard) == 1
        assert manager.restore_session(session.id).document == manager.get_session(session.id).document
    else:
        with pytest.raises(ValueError, match=f"Invalid state transition: {current} -> {wanted}"):
            manager.transition_state(session.id, wanted)
        assert fingerprint(tmp_path, without=()) == before
        assert manager.flush(10)
        assert heard == []
    manager.close()


def test_words_will_do_and_wrong_ones_are_refused(manager: SessionManager, session: Session) -> None:
    assert manager.transition_state(session.id, "planning").status is S.PLANNING
    with pytest.raises(ValueError, match="unknown status 'nowhere'"):
        manager.transition_state(session.id, "nowhere")


def test_completed_at_is_set_at_the_end(manager: SessionManager, session: Session) -> None:
    done = walk(manager, session, *ALL_THE_WAY)
    assert done.completed_at == done.updated_at
    assert manager.list_active_sessions() == []
    other = manager.create_session("y")
    assert walk(manager, other, "failed").completed_at is not None


def test_a_pause_by_event_remembers_and_a_transition_chooses(manager: SessionManager, session: Session) -> None:
    walk(manager, session, "planning", "generating_tasks", "implementing")
    manager.record_event(session.id, IterationStarted(1))
    paused = manager.record_event(session.id, Paused("lunch"))
    assert (paused.state, paused.iteration) == (PausedState("lunch"), 1)
    assert manager.record_event(session.id, Resumed()).state == Running(1)
    assert manager.get_session(session.id).status is S.IMPLEMENTING
    walk(manager, session, "paused", "validating")
    assert [type(one.event).__name__ for one in manager.events(session.id)][-3:] == ["Resumed", "Paused", "Resumed"]


def test_a_session_completes_from_any_running_status(manager: SessionManager, session: Session) -> None:
    manager.start_session(session.id)
    summary = manager.complete_session(session.id)
    assert summary == manager.get_session(session.id).state.summary  # type: ignore[union-attr]
    assert (summary.session_id, summary.iterations) == (session.id, 0)
    assert isinstance(summary, SessionSummary)
    with pytest.raises(RefusedError, match="nothing more can happen"):
        manager.complete_session(session.id)
    with pytest.raises(RefusedError):
        manager.start_session(session.id)


def test_a_life_with_iterations(manager: SessionManager, session: Session) -> None:
    manager.start_session(session.id)
    for number in (1, 2):
        manager.record_event(session.id, IterationStarted(number))
        manager.record_event(session.id, CommandExecuted(f"make {number}"))
        manager.record_event(session.id, IterationCompleted(IterationChanges((f"{number}.py",), 3, 1)))
    progress = manager.get_progress(session.id)
    assert progress.iterations_completed == 2
    assert progress.files_changed == {Path("1.py"), Path("2.py")}
    assert [one.command for one in progress.commands_executed] == ["make 1", "make 2"]
    summary = manager.complete_session(session.id)
    assert (summary.file_changes, summary.lines_added, summary.commands) == (2, 6, 2)
    assert summary.duration_seconds > 0


def test_a_completed_iteration_saves_a_checkpoint_unless_told_not_to(manager: SessionManager) -> None:
    for wanted in (True, False):
        session = manager.create_session("x", SessionConfiguration(auto_checkpoint=wanted))
        manager.start_session(session.id)
        manager.record_event(session.id, IterationStarted(1))
        manager.record_event(session.id, IterationCompleted())
        found = manager.storage.checkpoints(session.id)
        assert [one.iteration for one in found] == ([1] if wanted else [])
        assert manager.get_session(session.id).statistics.checkpoints_created == len(found)


def test_a_checkpoint_that_cannot_be_saved_by_itself_stops_nothing(tmp_path: Path) -> None:
    manager = KINDS["ours"](tmp_path)
    session = manager.create_session("x")
    (manager.sessions_dir / session.id / "checkpoints").touch()
    manager.start_session(session.id)
    manager.record_event(session.id, IterationStarted(1))
    assert manager.record_event(session.id, IterationCompleted()).statistics.checkpoints_created == 0
    with pytest.raises(DamagedError):
        manager.save_checkpoint(session.id)


def test_a_session_that_fails_fast_fails(manager: SessionManager, tmp_path: Path) -> None:
    config = SessionConfig(tmp_path, options=SessionOptions(fail_fast=True))
    session = manager.create_session("x", config=config)
    manager.start_session(session.id)
    failed = manager.record_event(session.id, CommandExecuted("make", success=False))
    assert failed.status is S.FAILED
    assert kinds(manager, session)[-2:] == ["command_executed", "failed"]


@pytest.mark.parametrize(
    "event",
    [
        Completed(),
        Resumed(),
        IterationStarted(1),
        IterationCompleted(),
        CommandExecuted("x"),
        PhaseChanged(S.PLANNING, S.VALIDATING),
        "paused",
        None,
        Paused,
    ],
)
def test_a_refused_event_changes_not_a_byte(
    manager: SessionManager, session: Session, tmp_path: Path, event: Any
) -> None:
    before = fingerprint(tmp_path, without=())
    with pytest.raises(RefusedError):
        manager.record_event(session.id, event)
    assert fingerprint(tmp_path, without=()) == before


# --- queries ---


def test_queries_as_documented(manager: SessionManager) -> None:
    made = [manager.create_session(f"{number}") for number in range(4)]
    walk(manager, made[1], "planning")
    walk(manager, made[2], "failed")
    manager.update_session(made[3].id, {"current_phase": "plan", "git_context": GitContext("feature", "", "/x")})

    def numbers(sessions: list[Session]) -> list[int]:
        return [int(one.feature_request) for one in sessions]

    assert numbers(manager.query_sessions()) == [3, 2, 1, 0]
    assert numbers(manager.query_sessions(status=S.PLANNING)) == [1]
    assert numbers(manager.query_sessions(status="failed")) == [2]
    assert numbers(manager.query_sessions(phase="plan")) == [3]
    assert numbers(manager.query_sessions(branch="feature")) == [3]
    assert numbers(manager.query_sessions(created_after=made[2].created_at)) == [3, 2]
    assert numbers(manager.query_sessions(created_before=made[1].created_at, limit=1)) == [1]
    assert numbers(manager.list_active_sessions()) == [3, 1, 0]
    assert numbers(manager.get_recent_sessions(2)) == [3, 2]
    assert numbers(manager.get_recent_sessions(0)) == [3, 2, 1, 0]
    assert len(manager.get_recent_sessions()) == 4
    for wrong in ({"limit": -1}, {"status": "nowhere"}, {"phase": "nowhere"}, {"created_after": 3}):
        with pytest.raises(RefusedError):
            manager.query_sessions(**wrong)


def test_what_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    manager = KINDS["maestro"](tmp_path)
    session = manager.create_session("x")
    for name, content in (("damaged", "{"), ("list", "[]"), ("only-checkpoints", None)):
        (manager.sessions_dir / name).mkdir()
        if content:
            (manager.sessions_dir / name / "metadata.json").write_text(content)
    (manager.sessions_dir / "only-checkpoints" / "checkpoints.json").write_text("{}")
    (manager.sessions_dir / "link").symlink_to(manager.sessions_dir / session.id)
    assert [one.id for one in manager.query_sessions()] == [session.id]
    with pytest.raises(json.JSONDecodeError):
        manager.get_session("damaged")
    with pytest.raises(FileNotFoundError):
        manager.get_session("only-checkpoints")


# --- delete ---


def test_a_session_is_deleted_with_everything(tmp_path: Path) -> None:
    for kind in ("maestro", "ours"):
        manager = KINDS[kind](tmp_path / kind)
        kept, gone = manager.create_session("kept"), manager.create_session("gone")
        (manager.sessions_dir / gone.id / "unit" / "10" / "deep").mkdir(parents=True)
        manager.save_checkpoint(gone.id)
        manager.delete_session(gone.id)
        assert [one.id for one in manager.query_sessions()] == [kept.id]
        left = {path.name for path in manager.sessions_dir.rglob("*")}
        assert gone.id not in str(left)


def test_a_session_that_is_wanted_up_is_deleted_by_force_alone(manager: SessionManager, session: Session) -> None:
    manager.observe(session.id, {"wanted": "up"})
    with pytest.raises(RefusedError, match="is wanted up"):
        manager.delete_session(session.id)
    manager.delete_session(session.id, force=True)
    assert not manager.storage.has(session.id)


def test_what_cannot_be_read_is_deleted_by_force_alone(tmp_path: Path) -> None:
    manager = KINDS["ours"](tmp_path)
    session = manager.create_session("x")
    (manager.sessions_dir / session.id / "metadata.json").unlink()
    (manager.sessions_dir / session.id / "events.jsonl").write_text("damaged")
    with pytest.raises(DamagedError):
        manager.delete_session(session.id)
    manager.delete_session(session.id, force=True)
    assert not manager.storage.has(session.id)


def test_one_whose_log_is_a_link_is_deleted_by_force_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    manager = KINDS["ours"](tmp_path)
    session = manager.create_session("x")
    log = manager.sessions_dir / session.id / "events.jsonl"
    log.rename(tmp_path / "elsewhere")
    log.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DamagedError):
        manager.delete_session(session.id)
    manager.delete_session(session.id, force=True)
    assert not manager.storage.has(session.id)
    assert (tmp_path / "elsewhere").read_bytes()


def test_a_directory_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    manager = KINDS["ours"](tmp_path)
    manager.create_session("x")
    (manager.sessions_dir / "notes").mkdir()
    (manager.sessions_dir / "notes" / "file").touch()
    for force in (False, True):
        with pytest.raises(NotFoundError):
            manager.delete_session("notes", force=force)
    assert (manager.sessions_dir / "notes" / "file").exists()


# --- restoring, children, checkpoints, events ---


def test_restoring_reads_the_record_again_and_writes_nothing(
    manager: SessionManager, session: Session, tmp_path: Path
) -> None:
    walk(manager, session, "planning", "paused")
    manager.save_checkpoint(session.id)
    before = fingerprint(tmp_path, without=())
    assert manager.restore_session(session.id).document == manager.get_session(session.id).document
    assert fingerprint(tmp_path, without=()) == before


def test_restoring_what_is_damaged_says_so(tmp_path: Path) -> None:
    manager = KINDS["ours"](tmp_path)
    session = manager.create_session("x")
    walk(manager, session, "planning")
    log = manager.sessions_dir / session.id / "events.jsonl"
    log.write_bytes(log.read_bytes().replace(b'"started"', b'"STARTED"'))
    for call in (manager.restore_session, manager.events, manager.get_progress):
        with pytest.raises(DamagedError, match="damaged at byte"):
            call(session.id)
    log.write_bytes(log.read_bytes()[:100])
    with pytest.raises(DamagedError, match="is damaged"):
        manager.restore_session(session.id)


def test_a_child_begins_again_from_its_parent_or_a_checkpoint(manager: SessionManager, session: Session) -> None:
    manager.update_session(session.id, {"current_phase": "plan"})
    checkpoint = manager.save_checkpoint(session.id)
    manager.update_session(session.id, {"feature_request": "changed", "current_phase": None})
    walk(manager, session, "failed")
    child = manager.create(manager.retry(session.id))
    assert (child.feature_request, child.current_phase, child.status) == ("changed", None, "initializing")
    restored = manager.create(manager.retry(session.id, checkpoint=checkpoint))
    assert (restored.feature_request, restored.current_phase) == ("Build it", "plan")
    assert {child.parent_session_id, restored.parent_session_id} == {session.id}
    assert manager.get_session(session.id).status is S.FAILED


def test_checkpoints_are_pruned_to_what_is_asked(manager: SessionManager, session: Session) -> None:
    made = [manager.save_checkpoint(session.id).seq for _ in range(5)]
    assert manager.prune_checkpoints(session.id, 2) == made[:3]
    assert manager.prune_checkpoints(session.id, 0) == made[3:4]
    assert [one.seq for one in manager.storage.checkpoints(session.id)] == made[4:]


def test_events_are_numbered_and_followed(manager: SessionManager, session: Session) -> None:
    walk(manager, session, "planning")
    manager.update_session(session.id, {"current_phase": "plan"})
    walk(manager, session, "failed")
    assert [(one.seq, type(one.event)) for one in manager.events(session.id)] == [(2, Started), (4, Failed)]
    assert [one.seq for one in manager.events(session.id, since=2)] == [4]
    assert [line.seq for line in manager.records(session.id, 2)] == [3, 4]


# --- observers ---


def test_creation_is_heard_by_nobody_start_and_completion_once(manager: SessionManager) -> None:
    heard: list[tuple[str, SessionEvent]] = []
    manager.add_observer(lambda one, happened: heard.append((one, happened.event)))
    session = manager.create_session("x")
    manager.start_session(session.id)
    manager.update_session(session.id, {"current_phase": "plan"})
    manager.save_checkpoint(session.id)
    manager.complete_session(session.id)
    assert manager.flush(10)
    assert heard == [(session.id, Started()), (session.id, Completed())]
    manager.close()


def test_an_observer_hears_after_it_is_durable_and_may_call_back(tmp_path: Path) -> None:
    manager = KINDS["ours"](tmp_path)
    seen: list[object] = []

    def hear(session_id: str, happened: TimestampedEvent) -> None:
        other = SessionManager(tmp_path, storage=FileStorage(Root(tmp_path / "a root")))
        seen.append(other.events(session_id)[-1] == happened)
        if isinstance(happened.event, Started):
            manager.record_event(session_id, Paused("by an observer"))

    manager.add_observer(hear)
    session = manager.create_session("x")
    manager.start_session(session.id)
    assert manager.flush(10)
    assert manager.flush(10)
    assert seen == [True, True]
    assert manager.get_state(session.id) == PausedState("by an observer")
    manager.close()


def test_a_failing_observer_hurts_nobody(manager: SessionManager, session: Session) -> None:
    heard: list[int] = []

    async def late(_: str, happened: TimestampedEvent) -> None:
        await asyncio.to_thread(int)
        heard.append(happened.seq)

    def fail(_: str, __: TimestampedEvent) -> None:
        raise ZeroDivisionError

    for observer in (fail, late):
        manager.add_observer(observer)
    walk(manager, session, "planning", "paused")
    assert manager.flush(10)
    assert heard == [2, 3]
    manager.remove_observer(late)
    walk(manager, session, "failed")
    assert manager.flush(10)
    assert heard == [2, 3]
    manager.close()


def test_of_many_writers_each_sessions_events_come_in_order(manager: SessionManager) -> None:
    heard: dict[str, list[int]] = {}
    manager.add_observer(lambda one, happened: heard.setdefault(one, []).append(happened.seq))
    sessions = [manager.create_session("x") for _ in range(2)]
    for session in sessions:
        manager.start_session(session.id)

    def work(session: Session) -> None:
        for number in range(10):
            manager.record_event(session.id, CommandExecuted(f"{number}"))

    threads = [threading.Thread(target=work, args=(session,)) for session in sessions for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert manager.flush(20)
    assert heard == {session.id: [*range(2, 43)] for session in sessions}
    manager.close()


# --- Maestro's own examples ---


def test_maestros_usage_examples(repo: Path) -> None:
    """Its basic workflow leaves two states out that its own table requires; the table holds."""
    manager = SessionManager(repo)
    session = manager.create_session("Build REST API")
    manager.transition_state(session.session_id, SessionStatus.PLANNING)
    manager.transition_state(session.session_id, SessionStatus.GENERATING_TASKS)
    manager.transition_state(session.session_id, SessionStatus.IMPLEMENTING)
    manager.update_session(session.session_id, {"statistics": {"total_tasks": 10, "completed_tasks": 5}})
    with pytest.raises(ValueError, match="Invalid state transition"):
        manager.transition_state(session.session_id, SessionStatus.COMPLETED)
    manager.transition_state(session.session_id, SessionStatus.PAUSED)
    manager.transition_state(session.session_id, SessionStatus.IMPLEMENTING)
    manager.transition_state(session.session_id, SessionStatus.VALIDATING)
    manager.transition_state(session.session_id, SessionStatus.GENERATING_REPORT)
    manager.transition_state(session.session_id, SessionStatus.COMPLETED)
    assert manager.query_sessions(branch="main")[0].session_id == session.session_id
    assert manager.query_sessions(created_after="2020-01-01T00:00:00Z", created_before=time(0)) == []
    with pytest.raises(FileNotFoundError):
        manager.get_session("nonexistent")
    manager.delete_session(session.session_id)
