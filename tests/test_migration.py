"""Taking over what the earlier programs kept, and giving it back."""

import json
import os
import subprocess
import sys
from pathlib import Path

import projects
import pytest
import roots

from mas import details, doctor, migration, teamfile
from mas.app import Mas
from mas.errors import MasError
from mas.manager import SessionManager
from mas.paths import Root
from mas.runtime import wanted_up

ONE = "11111111-2222-4333-8444-555555555555"
TWO = "66666666-7777-4888-8999-aaaaaaaaaaaa"

OLD_RECORD = {
    "session_id": ONE,
    "feature_request": "Add user authentication",
    "status": "paused",
    "created_at": "2025-12-01T10:00:00.000001Z",
    "git_context": {"branch": "main", "commit": "abc123", "repo_root": "/home/me/project", "is_worktree": True},
    "start_time": "an extra key",
}


def tree(place: Path) -> dict[str, tuple[bytes, int]]:
    """Every file below a place with its bytes and mode, but what may stay behind."""
    return {
        str(path.relative_to(place)): (path.read_bytes(), path.stat().st_mode)
        for path in sorted(place.rglob("*"))
        if path.is_file() and not {"quarantine", ".locks"} & set(path.relative_to(place).parts)
    }


@pytest.fixture
def mas(root: Root, tmux_socket: Path) -> Mas:
    """A root as the earlier bash program left it: two workspaces, unquoted values, an index of its own."""
    del tmux_socket
    sessions = root.path / "sessions"
    for session_id, status in ((ONE, "active"), (TWO, "stopped")):
        place = sessions / session_id
        for agent in ("00", "10", "11"):
            (place / "unit" / agent).mkdir(parents=True)
        for name in ("workflows", "logs"):
            (place / name).mkdir()
        (place / ".session").write_text(
            f"SESSION_ID={session_id}\nTMUX_SESSION=mas-{session_id[:8]}\nSTATUS={status}\n"
            f"CREATED_AT=2025-12-01T10:00:00Z\nUNIT_DIR={place}/unit\nWORKFLOWS_DIR={place}/workflows\nSESSION_DIR={place}\n"
        )
    (sessions / ONE / "config.json").write_text('{"units": [{"manager": {"id": "10", "prompt": "begin"}}]}')
    rows = [{"sessionId": one, "tmuxSession": f"mas-{one[:8]}", "status": "active"} for one in (ONE, TWO)]
    index = {"version": "1.0", "sessions": rows, "lastUpdated": "2025-12-01T10:00:00Z"}
    (sessions / ".sessions.index").write_text(json.dumps(index, indent=2))
    (sessions / ".sessions.index").chmod(0o600)
    return Mas(root, dict(os.environ), Path.cwd())


def test_workspaces_become_sessions_that_can_come_up(mas: Mas) -> None:
    before = tree(mas.root.path)
    assert [(step.session_id, step.kind) for step in migration.plan(mas)] == [(ONE, "workspace"), (TWO, "workspace")]
    assert tree(mas.root.path) == before

    assert [step.problem for step in migration.migrate(mas)] == ["", ""]
    assert migration.plan(mas) == ()
    assert migration.migrate(mas) == ()
    document = mas.storage.read(ONE).document
    assert document["status"] == "initializing"
    assert document["created_at"] == "2025-12-01T10:00:00Z"
    assert document["runtime"]["tmux_name"] == "mas-11111111"
    assert not wanted_up(document)
    assert {view.session_id: view.status for view in mas.list().views} == {ONE: "stopped", TWO: "stopped"}
    config = json.loads(mas.root.session(ONE).config.read_bytes())
    assert config["units"] == [{"manager": {"id": "10", "prompt": "begin"}}]

    mas.resume(ONE)
    assert mas.view(ONE).status == "active"
    mas.stop(ONE, grace=0)


def test_the_originals_come_back_byte_for_byte(mas: Mas) -> None:
    before = tree(mas.root.path)
    migration.migrate(mas)
    mas.manager.start_session(ONE)
    assert [step.problem for step in migration.rollback(mas)] == ["", ""]
    assert tree(mas.root.path) == before
    kept = [*mas.root.session(ONE).quarantine.glob("events.jsonl.*")]
    assert b'"type":"started"' in kept[0].read_bytes()
    assert migration.rollback(mas) == ()
    assert len(migration.migrate(mas)) == 2


def test_until_it_is_taken_over_everybody_says_how(mas: Mas) -> None:
    told = details.gather(mas, ONE)
    assert (told.problem, told.remedy) == ("an earlier mas has kept it", "`mas migrate` takes it over")
    found = doctor.look(mas, [ONE])
    assert [(one.problem, one.text) for one in found.findings] == [
        ("earlier_program", "an earlier mas has kept it; `mas migrate` takes it over")
    ]
    assert found.remaining == ()
    for call in (mas.manager.get_session, mas.resume, mas.remove):
        with pytest.raises(MasError) as refused:
            call(ONE)
        assert refused.value.hint == "`mas migrate` takes it over"


def test_the_doctor_finds_nothing_in_what_was_taken_over(mas: Mas) -> None:
    migration.migrate(mas)
    assert {one.problem for one in doctor.look(mas).findings} == {"modes"}  # the earlier program let others read
    assert doctor.mend(mas).remaining == ()
    assert doctor.look(mas).findings == ()


def test_the_index_comes_back_also_where_something_else_wrote_it_first(mas: Mas) -> None:
    before = tree(mas.root.path)
    mas.manager.delete_session(mas.manager.create_session("something else").id)
    assert mas.root.index.read_bytes() != before["sessions/.sessions.index"][0]
    migration.migrate(mas)
    mas.projections.rebuild()
    migration.rollback(mas)
    assert tree(mas.root.path) == before


def test_a_team_that_runs_on_is_registered_and_can_be_stopped(mas: Mas, tmux_socket: Path) -> None:
    projects.old_team(tmux_socket, "mas-11111111", panes=3)
    projects.old_team(tmux_socket, "mas-11111111-other")
    assert [step.problem for step in migration.migrate(mas)] == ["", ""]
    assert {view.session_id: view.status for view in mas.list().views if view.session_id} == {
        ONE: "active",
        TWO: "stopped",
    }
    refused, given_back = migration.rollback(mas)
    assert refused.problem == f"session {ONE} is wanted up; `mas stop {ONE}` first"
    assert given_back.problem == ""
    mas.stop(ONE, grace=0)
    assert roots.tmux(tmux_socket, "list-sessions", "-F", "#{session_name}") == ["mas-11111111-other"]
    assert [step.problem for step in migration.rollback(mas)] == [""]


def test_where_tmux_gives_no_answer_a_workspace_is_left_as_it_was(mas: Mas, fake: roots.FakeTmux) -> None:
    before = tree(mas.root.path)
    fake.instead("echo 'the server is not well' >&2; exit 1")
    assert all("the server is not well" in step.problem for step in migration.migrate(mas))
    assert tree(mas.root.path) == before


def test_metadata_of_the_later_bash_program_is_understood(mas: Mas) -> None:
    place = mas.root.session(TWO).directory
    (place / ".session").unlink()
    old = {
        "sessionId": TWO,
        "sessionName": "mas-66666666",
        "workingDir": str(place),
        "startedAt": "2026-01-02T03:04:05Z",
    }
    (place / "metadata.json").write_text(json.dumps(old))
    before = tree(mas.root.path)
    migration.migrate(mas)
    assert mas.storage.read(TWO).document["created_at"] == "2026-01-02T03:04:05Z"
    migration.rollback(mas)
    assert tree(mas.root.path) == before


def test_records_of_the_earlier_manager_begin_a_log(repo: Path) -> None:
    maestro = Root(repo / ".flow" / "maestro", maestro=True)
    place = maestro.session(ONE).directory
    place.mkdir(parents=True)
    (place / "metadata.json").write_text(json.dumps(OLD_RECORD, indent=2))
    (place / "decisions.json").write_text("[]")
    before = tree(repo)
    mas = Mas(maestro, dict(os.environ), repo)
    assert SessionManager(repo).get_session(ONE).state.__class__.__name__ == "Paused"
    assert tree(repo) == before

    assert [(step.kind, step.problem) for step in migration.migrate(mas)] == [("record", "")]
    assert json.loads((place / "metadata.json").read_bytes())["start_time"] == "an extra key"
    assert (place / "events.jsonl").is_file()
    migration.rollback(mas)
    assert tree(repo) == before


@pytest.mark.parametrize("said", ["", "CREATED_AT=yesterday\n", "CREATED_AT='2026-01-02 03:04:05'\n"])
def test_one_that_does_not_say_when_it_was_made_has_the_time_of_its_file(mas: Mas, said: str) -> None:
    shell = mas.root.session(ONE).shell
    shell.write_text(f"SESSION_ID={ONE}\nTMUX_SESSION=mas-11111111\n{said}STATUS=stopped\n")
    os.utime(shell, (1e9, 1e9))
    before = tree(mas.root.path)
    assert [step.problem for step in migration.migrate(mas)] == ["", ""]
    assert mas.manager.get_session(ONE).created_at == "2001-09-09T01:46:40.000000Z"
    migration.rollback(mas)
    assert tree(mas.root.path) == before


def test_what_is_no_session_is_left_alone(mas: Mas) -> None:
    for name, content in (("empty", None), ("torn", '{"session_id": '), ("other", '{"a": 1}')):
        place = mas.root.path / "sessions" / name
        place.mkdir()
        if content:
            (place / "metadata.json").write_text(content)
    (mas.root.path / "sessions" / "liar").mkdir()
    (mas.root.path / "sessions" / "liar" / ".session").write_text(f"SESSION_ID={ONE}\n")
    assert {step.session_id for step in migration.plan(mas)} == {ONE, TWO}


def test_only_directories_with_the_name_of_an_agent_are_agents(mas: Mas) -> None:
    """Digits of other scripts are none of its digits."""
    unit = mas.root.session(ONE).unit
    (unit / "\u0663\u0664").mkdir()
    (unit / "42").touch()
    assert [step.problem for step in migration.migrate(mas)] == ["", ""]
    assert mas.storage.read(ONE).document["runtime"]["agents"] == ["00", "10", "11"]
    assert teamfile.stored_team(mas, ONE)[0].ids == ("00", "10", "11")


def test_a_session_that_cannot_be_taken_over_says_why_and_the_others_are(mas: Mas) -> None:
    config = mas.root.session(ONE).config
    config.unlink()
    config.mkdir()
    first, second = migration.migrate(mas)
    assert "config.json" in first.problem
    assert second.problem == ""
    assert not mas.root.session(ONE).log.exists()


def test_the_command_line_shows_the_plan_migrates_and_gives_back(mas: Mas) -> None:
    def run(*words: str) -> str:
        argv = [sys.executable, "-m", "mas", "migrate", "--root", str(mas.root.path), *words]
        done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
        return done.stdout

    (mas.root.path / ".mas_session").write_text('SESSION_NAME=mas-tmux\nSTARTED_AT="today"\n')
    before = tree(mas.root.path)
    assert run("--dry-run").count("make a record from its .session") == 2
    assert tree(mas.root.path) == before
    assert json.loads(run("--json"))["count"] == 2
    assert run() == ""
    taken = tree(mas.root.path)
    assert run("--rollback", "--dry-run").count("give back") == 2
    assert tree(mas.root.path) == taken
    assert run("--rollback").count("give back") == 2
    assert tree(mas.root.path) == before
