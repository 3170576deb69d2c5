"""The engines: what each value of the variable does, and every switch from one to another."""

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import commandline
import pytest
from records import fingerprint

from mas.config import SessionConfig
from mas.engines import ENGINES, DocumentStorage, ShadowStorage, open_storage
from mas.errors import ExistsError, NotFoundError, RefusedError, UsageError
from mas.events import CommandExecuted, Failed, IterationStarted, Paused
from mas.filestore import FileStorage
from mas.maestro import root_of
from mas.manager import SessionManager
from mas.paths import Root
from mas.session import Session


def manager(place: Path, engine: str, monkeypatch: pytest.MonkeyPatch) -> SessionManager:
    """A manager as a program gets it that says which engine it wants."""
    monkeypatch.setenv("MAS_SESSION_ENGINE", engine)
    return SessionManager(place)


def files_of(place: Path, session: Session) -> set[str]:
    return {path.name for path in root_of(place).session(session.id).directory.iterdir()}


def differences(place: Path, session: Session) -> list[dict[str, Any]]:
    log = root_of(place).session(session.id).logs / "shadow.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


# --- the variable ---


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, FileStorage),
        ("", FileStorage),
        ("kernel", FileStorage),
        ("shadow", ShadowStorage),
        ("documents", DocumentStorage),
    ],
)
def test_each_value_names_its_storage(tmp_path: Path, value: str | None, kind: type[FileStorage]) -> None:
    environ = {} if value is None else {"MAS_SESSION_ENGINE": value}
    assert type(open_storage(Root(tmp_path), environ)) is kind


@pytest.mark.parametrize("value", ["Kernel", "yes", " kernel", "documents,shadow"])
def test_any_other_value_is_refused_with_the_choice(
    tmp_path: Path, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="MAS_SESSION_ENGINE is") as refused:
        manager(tmp_path, value, monkeypatch)
    assert refused.value.hint == "one of: kernel, shadow, documents"


def test_a_storage_that_is_given_is_taken_whatever_the_variable_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAS_SESSION_ENGINE", "nonsense")
    assert SessionManager(tmp_path, storage=FileStorage(Root(tmp_path))).create_session("x").rev == 1


# --- documents ---


@pytest.fixture
def documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SessionManager:
    return manager(tmp_path, "documents", monkeypatch)


def test_documents_keeps_the_files_of_the_documents_alone(tmp_path: Path, documents: SessionManager) -> None:
    session = documents.create_session("Build it")
    for status in ("planning", "generating_tasks", "implementing", "paused", "validating", "generating_report"):
        documents.transition_state(session.id, status)
    documents.update_session(
        session.id, {"statistics": {"total_tasks": 4}, "prd_reference": {"filename": "a", "path": "b"}}
    )
    done = documents.transition_state(session.id, "completed")
    assert files_of(tmp_path, session) == {"metadata.json"}
    stored = json.loads((documents.sessions_dir / session.id / "metadata.json").read_bytes())
    assert stored == done.to_dict() == documents.get_session(session.id).to_dict()
    assert (stored["status"], stored["statistics"]["total_tasks"]) == ("completed", 4)
    assert [one.id for one in documents.query_sessions(status="completed")] == [session.id]
    documents.delete_session(session.id)
    assert documents.storage.list() == []


def test_documents_refuses_what_they_cannot_hold_and_changes_nothing(tmp_path: Path, documents: SessionManager) -> None:
    session = documents.create_session("Build it")
    documents.start_session(session.id)
    before = fingerprint(tmp_path)
    for call in (
        lambda: documents.record_event(session.id, IterationStarted(1)),
        lambda: documents.record_event(session.id, CommandExecuted("x")),
        lambda: documents.record_event(session.id, Paused("lunch")),
        lambda: documents.record_event(session.id, Failed("luck")),
        lambda: documents.observe(session.id, {"wanted": "up"}),
        lambda: documents.update_session(session.id, {"label": "mine"}),
        lambda: documents.save_checkpoint(session.id),
        lambda: documents.create_session("x", config=SessionConfig(tmp_path)),
        lambda: documents.create(documents.retry(session.id)),
        lambda: documents.create(documents.draft("x"), build=lambda _: None),
    ):
        with pytest.raises(RefusedError, match="MAS_SESSION_ENGINE=documents cannot hold"):
            call()
    assert fingerprint(tmp_path) == before


def test_documents_keeps_the_rules_of_the_table(tmp_path: Path, documents: SessionManager) -> None:
    session = documents.create_session("Build it")
    before = fingerprint(tmp_path)
    with pytest.raises(RefusedError, match="Invalid state transition"):
        documents.transition_state(session.id, "completed")
    assert fingerprint(tmp_path) == before
    with pytest.raises(ExistsError):
        documents.create_session("x", session_id=session.id)
    with pytest.raises(NotFoundError):
        documents.get_session("11111111-2222-4333-8444-555555555555")


def test_documents_has_no_history_and_a_position_all_the_same(documents: SessionManager) -> None:
    session = documents.create_session("Build it")
    first = documents.storage.position(session.id)
    documents.transition_state(session.id, "planning")
    assert documents.storage.position(session.id) > first
    assert documents.events(session.id) == []
    assert documents.storage.checkpoints(session.id) == []
    assert documents.get_progress(session.id).iterations_completed == 0
    assert documents.restore_session(session.id).status == "planning"


def test_documents_keeps_keys_of_others(documents: SessionManager) -> None:
    session = documents.create_session("Build it")
    place = documents.sessions_dir / session.id / "metadata.json"
    place.write_text(json.dumps({**json.loads(place.read_bytes()), "start_time": 17}))
    documents.transition_state(session.id, "planning")
    assert json.loads(place.read_bytes())["start_time"] == 17


# --- shadow ---


def work(made: SessionManager) -> Session:
    """A whole life, with everything that documents hold and much that they do not."""
    session = made.create_session("Build it")
    made.start_session(session.id)
    made.record_event(session.id, IterationStarted(1))
    made.save_checkpoint(session.id)
    made.update_session(session.id, {"current_phase": "plan", "label": "mine", "statistics": {"total_tasks": 3}})
    made.record_event(session.id, Paused("lunch"))
    made.transition_state(session.id, "implementing")
    made.update_session(session.id, {"status": "validating", "current_phase": None})
    made.record_event(session.id, Failed("luck"))
    return session


def test_shadow_is_the_kernel_with_a_second_opinion_that_agrees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = manager(tmp_path, "shadow", monkeypatch)
    session = work(made)
    assert differences(tmp_path, session) == []
    copy = json.loads((made.sessions_dir / session.id / "shadow" / "metadata.json").read_bytes())
    assert copy == made.get_session(session.id).to_dict()
    assert len(made.events(session.id)) == 6
    assert made.restore_session(session.id).document == made.get_session(session.id).document


def test_shadow_writes_down_where_the_two_differ_and_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = manager(tmp_path, "shadow", monkeypatch)
    session = made.create_session("Build it")
    made.start_session(session.id)
    copy = made.sessions_dir / session.id / "shadow" / "metadata.json"
    copy.write_text(json.dumps({**json.loads(copy.read_bytes()), "status": "validating", "feature_request": "other"}))
    made.update_session(session.id, {"current_phase": "plan"})
    made.update_session(session.id, {"current_phase": "implement"})
    [difference] = differences(tmp_path, session)
    assert difference["rev"] == 3
    assert difference["differences"] == {
        "feature_request": {"documents": "other", "kernel": "Build it"},
        "status": {"documents": "validating", "kernel": "planning"},
    }
    assert json.loads(copy.read_bytes()) == made.get_session(session.id).to_dict()


@pytest.mark.parametrize("bad", [b"", b"[]", b"{", b"[" * 100_000])
def test_a_copy_that_is_none_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: bytes) -> None:
    made = manager(tmp_path, "shadow", monkeypatch)
    session = made.create_session("Build it")
    made.start_session(session.id)
    (made.sessions_dir / session.id / "shadow" / "metadata.json").write_bytes(bad)
    made.update_session(session.id, {"current_phase": "plan"})
    assert differences(tmp_path, session) == []


def test_what_goes_wrong_beside_the_kernel_harms_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = manager(tmp_path, "shadow", monkeypatch)
    session = made.create_session("Build it")
    (made.sessions_dir / session.id / "shadow").write_text("in the way")
    made.start_session(session.id)
    assert made.get_session(session.id).status == "planning"


def test_an_edit_of_another_program_is_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = manager(tmp_path, "shadow", monkeypatch)
    session = made.create_session("Build it")
    made.start_session(session.id)
    snapshot = made.sessions_dir / session.id / "metadata.json"
    snapshot.write_text(json.dumps({**json.loads(snapshot.read_bytes()), "current_phase": "plan"}))
    made.update_session(session.id, {"statistics": {"total_tasks": 1}})
    assert made.get_session(session.id).current_phase == "plan"
    assert differences(tmp_path, session) == []


# --- switches ---


@pytest.mark.parametrize(("before", "after"), [*permutations(ENGINES, 2)])
def test_a_switch_goes_on_where_the_other_engine_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str, after: str
) -> None:
    first = manager(tmp_path, before, monkeypatch)
    session = first.create_session("Build it")
    first.transition_state(session.id, "planning")
    first.update_session(session.id, {"statistics": {"total_tasks": 4}})
    left = first.get_session(session.id)
    second = manager(tmp_path, after, monkeypatch)
    assert second.get_session(session.id).to_dict() == left.to_dict()
    second.transition_state(session.id, "generating_tasks")
    second.update_session(session.id, {"current_phase": "generate_tasks"})
    expected = {**left.to_dict(), "status": "generating_tasks", "current_phase": "generate_tasks"}
    for engine in ENGINES:
        found = manager(tmp_path, engine, monkeypatch).get_session(session.id).to_dict()
        assert {**found, "updated_at": 0} == {**expected, "updated_at": 0}
    third = manager(tmp_path, before, monkeypatch)
    third.transition_state(session.id, "implementing")
    third.transition_state(session.id, "failed")
    for engine in ENGINES:
        found = manager(tmp_path, engine, monkeypatch).get_session(session.id).to_dict()
        assert (found["status"], found["statistics"]["total_tasks"]) == ("failed", 4)
    assert differences(tmp_path, session) == []


def test_from_documents_the_kernel_takes_everything_over_as_one_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = manager(tmp_path, "kernel", monkeypatch)
    session = kernel.create_session("Build it")
    kernel.update_session(session.id, {"label": "mine"})
    documents = manager(tmp_path, "documents", monkeypatch)
    for status in ("planning", "generating_tasks", "implementing", "validating", "generating_report", "completed"):
        documents.transition_state(session.id, status)
    again = manager(tmp_path, "kernel", monkeypatch)
    assert again.get_session(session.id).status == "completed"
    again.update_session(session.id, {"current_phase": "cleanup"})
    assert [line.type for line in again.records(session.id)] == ["created", "updated", "imported", "updated"]
    found = again.get_session(session.id)
    assert (found.status, found.label, found.current_phase) == ("completed", "mine", "cleanup")
    assert again.restore_session(session.id).document == found.document


# --- from the command line ---


def test_every_verb_takes_the_engine_that_is_named_and_every_switch(tmp_path: Path) -> None:
    def say(engine: str, *words: str) -> commandline.Done:
        return commandline.mas(*words, root=tmp_path, env={"MAS_SESSION_ENGINE": engine})

    made = say("documents", "session", "create", "--request", "Build it", "-q").out.strip()
    place = Root(tmp_path).session(made)
    assert {path.name for path in place.directory.iterdir()} == {"metadata.json", ".session"}
    assert say("shadow", "session", "transition", made, "planning", "-q").code == 0
    assert (place.directory / "shadow").is_dir()
    assert say("documents", "session", "transition", made, "generating_tasks", "-q").code == 0
    assert say("documents", "doctor").err.endswith("all is well\n")
    assert say("kernel", "session", "transition", made, "implementing", "-q").code == 0
    assert [line.type for line in FileStorage(Root(tmp_path)).records(made)] == [
        *("created", "started", "imported", "phase_changed"),
    ]


@pytest.mark.parametrize("words", ["list", "list --all", "env x", "path x", "show x", "session list", "doctor"])
def test_every_verb_refuses_an_engine_that_there_is_none_of(tmp_path: Path, words: str) -> None:
    commandline.record(tmp_path)
    refused = commandline.mas(*words.split(), root=tmp_path, env={"MAS_SESSION_ENGINE": "nonsense"})
    complaint = "mas: MAS_SESSION_ENGINE is 'nonsense'; one of: kernel, shadow, documents\n"
    assert (refused.code, refused.out, refused.err) == (2, "", complaint)
