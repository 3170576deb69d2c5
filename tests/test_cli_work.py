"""Work from the command line: records, what happens to them, checkpoints, waiting, watching."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from commandline import PROGRAM, Done, document, environment, fingerprint, mas, move, ok, record, start, within

from mas import following
from mas.lifecycle import SessionStatus
from mas.paths import Root

Wait = Callable[..., None]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "a root"


def test_a_record_is_made_with_what_was_given(place: Path) -> None:
    words = ("--request", "Build it", "--max-iterations", "7", "--timeout-minutes", "9")
    done = ok("session", "create", *words, root=place)
    made = done.out.removeprefix("Session ID: ").strip()
    stored = document(place, made)
    assert stored["feature_request"] == "Build it"
    assert stored["configuration"]["max_iterations"] == 7
    assert stored["configuration"]["timeout_minutes"] == 9
    assert stored["status"] == "initializing"
    assert ok("session", "create", "--json", root=place).json["session_id"] != made


def test_a_record_is_made_with_the_configuration_of_its_work(place: Path, repo: Path) -> None:
    words = ("--worktree", "feature", "--focus", "speed", "--workflow", '{"steps": 2}', "--max-iterations", "7")
    flags = ("--fail-fast", "--auto-merge", "--collect-metrics", "--verbose")
    made = ok("session", "create", "-q", "--feature-request", "x", "--project", repo, *words, *flags, root=place)
    stored = document(place, made.out.strip())
    assert stored["lifecycle"]["config"] == {
        "project_path": str(repo),
        "workflow": {"steps": 2},
        "execution_mode": {"worktree": "feature"},
        "max_iterations": 7,
        "focus": "speed",
        "options": dict.fromkeys(("fail_fast", "auto_merge", "collect_metrics", "verbose"), True),
    }
    assert (stored["feature_request"], stored["configuration"]["max_iterations"]) == ("x", 7)
    assert stored["git_context"]["branch"] == "main"
    assert Path(stored["lifecycle"]["worktree"]["path"], "README.md").exists()


def test_a_record_is_shown_by_its_own_keys(place: Path) -> None:
    made = record(place, request="two\nlines")
    lines = ok("session", "get", made[:6], root=place).lines
    assert f"session_id                            {made}" in lines
    assert "feature_request                       two" in lines
    assert "configuration.max_iterations          3" in lines


def test_records_are_listed_newest_first_and_chosen(place: Path) -> None:
    first, second = record(place, request="first"), record(place, request="second")
    move(place, first, "planning")
    within(place).manager.update_session(first, {"current_phase": "plan"})
    assert ok("session", "list", "-q", root=place).lines == [second, first]
    assert ok("session", "list", "-q", "--limit", "1", root=place).lines == [second]
    assert ok("session", "list", "-q", "--status", "planning", root=place).lines == [first]
    assert ok("session", "list", "-q", "--phase", "plan", root=place).lines == [first]
    assert ok("session", "list", "-q", "--branch", "nix", root=place).lines == []
    created = document(place, second)["created_at"]
    assert ok("session", "list", "-q", "--after", created, root=place).lines == [second]
    assert ok("session", "list", "-q", "--before", document(place, first)["created_at"], root=place).lines == [first]
    assert ok("session", "list", root=place).lines[0].split("\t") == [second, "initializing", created, "", "second"]
    assert [one["session_id"] for one in ok("session", "list", "--json", root=place).json] == [second, first]


@pytest.mark.parametrize(
    ("words", "key", "value"),
    [
        (["statistics.total_tasks=7"], ("statistics", "total_tasks"), 7),
        (["statistics.duration_seconds=1.5", "statistics.failed_tasks=2"], ("statistics", "failed_tasks"), 2),
        (["configuration.auto_checkpoint=false"], ("configuration", "auto_checkpoint"), False),
        (["feature_request=123"], ("feature_request",), "123"),
        (["feature_request=a=b"], ("feature_request",), "a=b"),
        (["current_phase=implement"], ("current_phase",), "implement"),
        (["status=planning"], ("status",), "planning"),
        (["label=checkout"], ("runtime", "label"), "checkout"),
        (["prd_reference.filename=1", "prd_reference.path=docs"], ("prd_reference", "filename"), "1"),
        (["git_context.branch=x"], ("git_context", "branch"), "x"),
        (['git_context={"branch":"b","commit":"","repo_root":"/"}'], ("git_context", "branch"), "b"),
        (["--data", '{"statistics": {"total_tasks": 3}}'], ("statistics", "total_tasks"), 3),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_fields_are_changed(place: Path, words: list[str], key: tuple[str, ...], value: object) -> None:
    made = record(place)
    found = ok("session", "update", made, *words, "--json", root=place).json
    assert found == document(place, made)
    for name in key:
        found = found[name]
    assert found == value


def test_a_phase_is_taken_away_by_nothing(place: Path) -> None:
    made = record(place)
    within(place).manager.update_session(made, {"current_phase": "plan"})
    assert "current_phase" not in ok("session", "update", made, "current_phase=", "--json", root=place).json


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["session_id=x"], 1, "session_id"),
        (["created_at=x"], 1, "created_at"),
        (["odd=1"], 1, "odd"),
        (["statistics.odd=1"], 1, "statistics has no field 'odd'"),
        (["statistics.total_tasks=many"], 1, "statistics.total_tasks is 'many'"),
        (["statistics=1", "statistics.total_tasks=1"], 2, "statistics is given twice"),
        (["statistics.=1"], 2, "'statistics.=1' is no KEY=VALUE"),
        (["=1"], 2, "'=1' is no KEY=VALUE"),
        (["status=completed"], 1, "Invalid state transition: initializing -> completed"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_change_that_may_not_be_is_refused(place: Path, words: list[str], code: int, said: str) -> None:
    made = record(place)
    before = fingerprint(place)
    done = mas("session", "update", made, *words, root=place)
    assert (done.code, said in done.err, done.err.count("\n")) == (code, True, 1)
    assert fingerprint(place) == before


def test_work_goes_its_way(place: Path) -> None:
    """The basic workflow, with every status that its table requires."""
    made = record(place)
    assert ok("session", "transition", made, "planning", root=place).err == f"{made[:8]} is planning\n"
    for word in ("generating_tasks", "implementing", "validating", "generating_report", "completed"):
        assert ok("session", "transition", made, word, "--json", root=place).json["status"] == word
    assert document(place, made)["completed_at"]
    refused = mas("session", "transition", made, "planning", root=place)
    assert (refused.code, refused.err.count("\n")) == (1, 1)


def test_pausing_remembers_where(place: Path) -> None:
    made = record(place)
    move(place, made, "planning")
    assert ok("pause", made, "--reason", "lunch", root=place).err == f"{made[:8]} is paused\n"
    assert document(place, made)["lifecycle"]["pause"]["reason"] == "lunch"
    assert mas("pause", made, root=place).code == 1
    assert ok("unpause", made, root=place).err == f"{made[:8]} is planning\n"
    ok("pause", "-q", made, root=place)
    assert ok("unpause", made, "--to", "validating", "--json", root=place).json["status"] == "validating"
    assert mas("unpause", made, "--to", "lunch", root=place).err.startswith("mas: unknown status 'lunch'; one of: ")


def test_completing_and_failing(place: Path) -> None:
    done, failed, other = record(place), record(place), record(place)
    for made in (done, other):
        move(place, made, "planning")
    assert ok("complete", done, "--json", root=place).json["session_id"] == done
    assert ok("complete", other, root=place).err == f"{other[:8]} is completed\n"
    assert ok("fail", failed, "--error", "no idea", root=place).err == f"{failed[:8]} is failed\n"
    assert document(place, failed)["lifecycle"]["error"] == "no idea"
    assert mas("complete", failed, root=place).code == 1
    ok("fail", again := record(place), "--reason", "in the word of pause", root=place)
    assert document(place, again)["lifecycle"]["error"] == "in the word of pause"


def work(place: Path, made: str) -> None:
    """One iteration with two commands, as an agent reports it."""
    move(place, made, "planning")
    ok("record", "-q", "IterationStarted", "--number", "1", root=place, env={"MAS_SESSION_ID": made})
    ok("record", "-q", made, "command-executed", "--data", '{"command": "make"}', root=place)
    ok("record", "-q", made, "command_executed", "--data", '{"command": "make test", "success": false}', root=place)
    changes = {"files_modified": ["a.py", "b.py"], "lines_added": 5, "lines_removed": 2}
    ok("record", "-q", made, "iteration_completed", "--data", json.dumps({"changes": changes}), root=place)


def test_what_is_reported_is_progress(place: Path) -> None:
    made = record(place)
    work(place, made)
    told = ok("progress", made, "--json", root=place).json
    assert (told["lifecycle"], told["iterationsCompleted"], told["totalIterations"]) == ("planning", 1, 3)
    assert told["filesChanged"] == ["a.py", "b.py"]
    assert [(one["command"], one["success"]) for one in told["commandsExecuted"]] == [
        ("make", True),
        ("make test", False),
    ]
    assert told["iterations"][0]["lines_added"] == 5
    assert told["overdue"] is False
    shown = ok("progress", made, root=place).lines
    assert shown[0] == f"{made[:8]}: planning"
    assert shown[2] == "  ##########--------------------  1 of 3 iterations"
    assert "  files     2 changed, 5 lines added, 2 removed" in shown
    assert "  commands  2 run, 1 failed" in shown
    assert shown[-1].endswith(" of 2h 00m, without pauses")


def test_what_happened_is_told(place: Path) -> None:
    made = record(place)
    work(place, made)
    rows = [line.split("\t") for line in ok("events", made, root=place).lines]
    assert [row[2] for row in rows][:5] == [
        "created",
        "started",
        "iteration_started",
        "command_executed",
        "command_executed",
    ]
    assert rows[2][3] == "number 1"
    assert rows[3][3] == "command make, success true"
    assert rows[0][3] == ""
    last = json.loads(ok("events", made, "--since", "2", "--json", root=place).lines[0])
    assert (last["seq"], last["type"], last["data"]["number"]) == (3, "iteration_started", 1)


def test_events_are_followed_as_they_come(place: Path) -> None:
    made = record(place)
    words = [*PROGRAM, "events", made, "--follow", "--json"]
    following_it = subprocess.Popen(words, env=environment(place), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert following_it.stdout
    assert following_it.stderr
    lines: Iterator[bytes] = iter(following_it.stdout.readline, b"")
    assert json.loads(next(lines))["type"] == "created"
    move(place, made, "planning")
    assert json.loads(next(lines))["type"] == "started"
    ok("rm", "-q", made, root=place)
    assert following_it.wait(timeout=10) == 1
    assert following_it.stderr.read().decode() == f"mas: session {made} was removed\n"
    following_it.stdout.close()
    following_it.stderr.close()


def begin_wait(place: Path, *words: str) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    return subprocess.Popen([*PROGRAM, "wait", *words], env=environment(place), stdout=pipe, stderr=pipe)


def ended(process: subprocess.Popen[bytes]) -> Done:
    out, err = process.communicate(timeout=20)
    return Done(process.returncode, out.decode(), err.decode())


@pytest.mark.parametrize("until", ["planning", "paused", "terminal"])
def test_waiting_ends_when_it_comes_true(place: Path, wait_until: Wait, until: str) -> None:
    """Also where it is true no more when somebody looks."""
    made = record(place)
    waiting = begin_wait(place, made, "--until", until, "--timeout", "20s")
    wait_until(lambda: is_waiting(waiting))
    for verb in (("session", "transition", made, "planning"), ("pause", made), ("fail", made)):
        ok(*verb, root=place)
    assert ended(waiting) == Done(0, "", f"{made[:8]} is {until}\n")


def is_waiting(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process sleeps between two looks."""
    return "nanosleep" in Path(f"/proc/{process.pid}/wchan").read_text()


def test_waiting_for_what_is_true_already(place: Path) -> None:
    made = record(place)
    assert ok("wait", made, "--until", "initializing", "-q", root=place).out == f"{made}\n"
    assert ok("wait", made, "--until", "stopped", root=place).err == f"{made[:8]} is stopped\n"


def test_waiting_too_long_has_a_code_of_its_own(place: Path) -> None:
    made = record(place)
    done = mas("wait", made, "--until", "completed", "--timeout", "0.2", root=place)
    assert (done.code, done.out) == (124, "")
    assert done.err == f"mas: session {made} did not become completed in time; `mas show` says what it is\n"


def test_waiting_for_what_can_never_come_is_refused(place: Path) -> None:
    made = record(place)
    move(place, made, "failed")
    done = mas("wait", made, "--until", "completed", root=place)
    assert done.code == 1
    assert done.err.startswith(f"mas: session {made} is failed, it will never be completed; ")


def test_waiting_for_a_team(place: Path, tmux_socket: Path) -> None:
    del tmux_socket
    made = start(place)
    assert ok("wait", made, "--until", "active", "--timeout", "20s", root=place).code == 0
    waiting = begin_wait(place, made, "--until", "stopped", "--timeout", "20s")
    ok("stop", "-f", made, root=place)
    assert ended(waiting).code == 0


def test_a_damaged_checkpoint_is_told_and_an_older_one_taken(place: Path) -> None:
    made = record(place)
    first, second = (within(place).manager.save_checkpoint(made).seq for _ in range(2))
    (within(place).root.session(made).checkpoints / f"{second}.json").write_text("nonsense")
    listed = ok("checkpoint", "list", "-q", made, root=place)
    assert listed.lines == [str(first)]
    assert listed.err == f"checkpoint {second} is damaged; `mas doctor --fix {made[:8]}` sets it aside\n"
    assert ok("checkpoint", "list", "--json", made, root=place).json["damaged"] == [second]
    shown = ok("checkpoint", "show", made, root=place)
    assert (shown.json["seq"], shown.err) == (first, f"checkpoint {second} is damaged, taking {first}\n")
    refused = mas("checkpoint", "show", made, "--seq", str(second), root=place)
    assert (refused.code, refused.err.partition(": its")[0]) == (1, f"mas: checkpoint {second} is damaged")


def test_checkpoints_are_kept_and_gone_back_to(place: Path) -> None:
    made = record(place, request="Build it")
    assert ok("checkpoint", "list", made, root=place).err == "no checkpoints; `mas checkpoint save` makes one\n"
    first = ok("checkpoint", "save", "-q", made, root=place).out.strip()
    move(place, made, "planning")
    second = ok("checkpoint", "save", made, "--json", root=place).json["seq"]
    said = ok("checkpoint", "save", made, root=place).err
    *_, third = ok("checkpoint", "list", "-q", made, root=place).lines
    assert said == f"checkpoint {third} is saved\n"
    assert ok("checkpoint", "list", "-q", made, root=place).lines == [first, str(second), third]
    assert [line.split("\t")[:2] for line in ok("checkpoint", "list", made, root=place).lines] == [
        [first, "initializing"],
        [str(second), "planning"],
        [third, "planning"],
    ]
    assert ok("checkpoint", "list", made, "--json", root=place).json["count"] == 3
    shown = ok("checkpoint", "show", made, "--seq", first, root=place).json
    assert shown["state_snapshot"]["status"] == "initializing"
    assert ok("checkpoint", "show", made, root=place).json["seq"] == int(third)
    child = ok("checkpoint", "restore", "-q", made, "--seq", first, root=place).out.strip()
    assert document(place, child)["lifecycle"]["parent_session_id"] == made
    assert document(place, child)["feature_request"] == "Build it"
    assert document(place, made)["status"] == "planning"
    assert ok("checkpoint", "prune", made, "--keep", "2", root=place).err == "1 checkpoint is dropped\n"
    assert ok("checkpoint", "prune", "-q", made, "--keep", "1", root=place).lines == [str(second)]
    assert ok("checkpoint", "prune", made, root=place).err == "0 checkpoints are dropped\n"
    assert mas("checkpoint", "show", made, "--seq", first, root=place).err == (
        f"mas: session {made} has no checkpoint {first}; there are: {third}\n"
    )
    assert mas("checkpoint", "show", child, root=place).err == (
        f"mas: session {child} has no checkpoint; `mas checkpoint save` makes one\n"
    )


def test_a_failed_session_is_tried_again_by_a_child(place: Path) -> None:
    made = record(place, request="Build it", iterations=7)
    move(place, made, "failed")
    done = ok("retry", made, root=place)
    child = done.out.removeprefix("Session ID: ").strip()
    assert done.err == ""
    assert document(place, child)["lifecycle"]["parent_session_id"] == made
    assert (document(place, child)["feature_request"], document(place, child)["status"]) == ("Build it", "initializing")
    assert document(place, child)["configuration"]["max_iterations"] == 7
    assert document(place, made)["status"] == "failed"
    assert ok("retry", made, "--json", root=place).json["lifecycle"]["parent_session_id"] == made


def test_a_child_has_a_copy_of_what_the_agents_did(place: Path, tmux_socket: Path) -> None:
    del tmux_socket
    made = start(place, template="pair")
    (place / "sessions" / made / "unit" / "10" / "notes.md").write_text("mine")
    done = ok("retry", made, root=place)
    child = done.out.removeprefix("Session ID: ").strip()
    assert done.err == f"its team is not up; `mas resume {child[:8]}` starts it\n"
    copy = place / "sessions" / child / "unit" / "10" / "notes.md"
    assert copy.read_text() == "mine"
    copy.write_text("theirs")
    assert (place / "sessions" / made / "unit" / "10" / "notes.md").read_text() == "mine"
    assert ok("list", "--active", "-q", root=place).lines == [made]
    assert ok("resume", "-q", child, root=place).out == f"{child}\n"
    assert set(ok("list", "--active", "-q", root=place).lines) == {made, child}
    assert [one["agentId"] for one in ok("agents", child, "--json", root=place).json["agents"]] == ["10", "11"]


def test_a_child_can_be_started_at_once(place: Path, tmux_socket: Path) -> None:
    del tmux_socket
    made = start(place)
    child = ok("retry", "-q", "--start", made, root=place).out.strip()
    assert set(ok("list", "--active", "-q", root=place).lines) == {made, child}
    assert ok("show", child, "--json", root=place).json["parentSessionId"] == made


def test_a_repository_keeps_records_by_the_same_commands(repo: Path) -> None:
    made = ok("session", "create", "-q", "--request", "x", "--repo", repo).out.strip()
    assert (repo / ".flow" / "maestro" / "sessions" / made / "metadata.json").is_file()
    assert ok("session", "get", made, "--json", "--repo", repo).json["git_context"]["branch"] == "main"
    ok("session", "transition", "-q", made[:4], "planning", "--repo", repo)
    ok("record", "-q", made, "iteration_started", "--number", "1", "--repo", repo)
    assert ok("progress", made, "--json", "--repo", repo).json["iterations"][0]["number"] == 1
    assert "--repo" in mas("resume", made, "--repo", repo).err
    assert "--repo" in mas("clean", "--repo", repo).err
    child = ok("retry", "-q", made, "--repo", repo).out.strip()
    assert "--start" in mas("retry", "--start", made, "--repo", repo).err
    assert {*ok("list", "-q", "--repo", repo).lines} == {child, made}  # without an index a second has no order
    assert ok("session", "delete", made, "--repo", repo).err == f"{made[:8]} is removed\n"
    assert ok("rm", "-q", child, "--repo", repo).out == f"{child}\n"
    assert ok("session", "list", "-q", "--repo", repo).out == ""


def test_every_verb_of_the_record_takes_a_repository(repo: Path) -> None:
    made = ok("session", "create", "-q", "--repo", repo).out.strip()
    for words in (
        ("session", "update", made, "label=mine"),
        ("session", "transition", "mine", "planning"),
        ("record", "mine", "command_executed", "--data", '{"command":"make"}'),
        *(("pause", "mine"), ("unpause", "mine"), ("progress", "mine"), ("show", "mine"), ("session", "list")),
        *(("wait", "mine", "--until", "planning"), ("wait", "mine", "--until", "stopped")),
        *(("checkpoint", word, "mine") for word in ("save", "list", "show", "prune", "restore")),
        *(("migrate", "--dry-run"), ("doctor",), ("doctor", "mine"), ("complete", "mine")),
    ):
        ok(*words, "--repo", repo, *(("--keep", "1") if "prune" in words else ()))
    told = [line.split("\t")[2] for line in ok("events", "mine", "--repo", repo).lines]
    assert told == [
        *("created", "updated", "started", "command_executed", "paused", "resumed", "checkpoint", "completed"),
    ]
    failing = ok("retry", "-q", "mine", "--repo", repo).out.strip()
    assert ok("fail", failing, "--error", "no", "--json", "--repo", repo).json["status"] == "failed"
    late = mas("wait", failing, "--until", "completed", "--timeout", "0", "--repo", repo)
    assert (late.code, late.err.partition(";")[0]) == (
        1,
        f"mas: session {failing} is failed, it will never be completed",
    )
    assert {path.name for path in (repo / ".flow" / "maestro").iterdir()} == {"sessions", "schemas"}


def test_a_record_of_an_older_program_is_shown_with_what_it_has(place: Path) -> None:
    paths = Root(place).session("11111111-2222-4333-8444-555555555555")
    paths.directory.mkdir(parents=True)
    old = {"session_id": paths.directory.name, "feature_request": "", "status": "planning", "created_at": "2026-01-01"}
    paths.snapshot.write_text(json.dumps({**old, "git_context": {"branch": "main", "commit": 3, "repo_root": None}}))
    shown = ok("show", paths.directory.name, root=place).lines
    assert [line.split(maxsplit=1) for line in shown if line.startswith("  git")] == [["git", "main"]]
    assert ok("session", "list", root=place).lines[0].split("\t")[3] == "main"


def test_the_words_to_wait_for_are_those_of_the_lifecycle() -> None:
    assert {*following.WORDS} == {"active", "stopped", "terminal", "overdue", *map(str, SessionStatus)}
