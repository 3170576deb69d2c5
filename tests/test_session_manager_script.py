"""The session manager as one file: a drop-in for the earlier one, wherever it is copied to."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
SCRIPTS = REPOSITORY / "scripts"
NAMES = (
    "GitContext, PRDReference, Session, SessionConfiguration, "
    "SessionManager, SessionPhase, SessionStatistics, SessionStatus"
)


@pytest.fixture
def copied(repo: Path) -> Path:
    """The script where a repository of old has it."""
    place = repo / ".flow" / "maestro" / "scripts"
    place.mkdir(parents=True)
    return Path(shutil.copy(SCRIPTS / "session_manager.py", place))


def run(script: Path, *words: str, cwd: Path, python: str = sys.executable, code: int = 0, **env: str) -> str:
    done = subprocess.run(
        [python, script, *words],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def test_the_commands_answer_in_json(copied: Path, repo: Path) -> None:
    created = json.loads(run(copied, "create", "--feature-request", "Add authentication", cwd=repo))
    assert created["status"] == "initializing"
    assert created["git_context"]["branch"] == "main"
    session_id = created["session_id"]
    assert (repo / ".flow" / "maestro" / "sessions" / session_id / "metadata.json").is_file()
    assert (repo / ".flow" / "maestro" / "schemas" / "session-metadata.schema.json").is_file()

    pretty = run(copied, "get", "--session-id", session_id, "--output", "pretty", cwd=repo)
    assert pretty == json.dumps(created, indent=2) + "\n"
    moved = json.loads(run(copied, "transition", "--session-id", session_id, "--status", "planning", cwd=repo))
    assert moved["status"] == "planning"
    listed = run(copied, "list", "--branch", "main", "--limit", "10", cwd=repo)
    assert [one["session_id"] for one in json.loads(listed)] == [session_id]
    assert run(copied, "list", "--branch", "other", cwd=repo) == "[]\n"
    assert json.loads(run(copied, "delete", "--session-id", session_id, cwd=repo)) == {"deleted": session_id}
    assert run(copied, "list", cwd=repo) == "[]\n"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "usage"),
        (("create",), 2, "--feature-request is required"),
        (("create", "--feature-request", ""), 2, "--feature-request is required"),
        (("get",), 2, "--session-id is required"),
        (("transition", "--session-id", "x"), 2, "--status is required"),
        (("transition", "--session-id", "x", "--status", "nowhere"), 2, "invalid choice"),
        (("get", "--session-id", "../../etc"), 1, "not a session id"),
        (("get", "--session-id", "11111111-2222-4333-8444-555555555555"), 1, "Session not found"),
    ],
)
def test_bad_calls_end_with_their_code_and_no_traceback(
    copied: Path, repo: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    complaint = run(copied, *words, cwd=repo, code=code)
    assert said in complaint
    assert "Traceback" not in complaint


def test_its_names_can_be_imported(copied: Path, repo: Path) -> None:
    program = f"from session_manager import {NAMES}; print(SessionManager().repo_root)"
    script = repo / "program.py"
    script.write_text(program)
    assert run(script, cwd=repo, PYTHONPATH=str(copied.parent)) == f"{repo}\n"


def bare_python() -> str:
    """An interpreter of this version that has no packages of ours."""
    return str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}")


def test_a_python_without_our_packages_finds_the_environment_of_mas(copied: Path, repo: Path) -> None:
    program = str(Path(sys.executable).with_name("mas"))
    assert run(copied, "list", cwd=repo, python=bare_python(), MAS_BIN=program) == "[]\n"


def test_another_python_hands_over_to_the_one_that_has_mas(copied: Path, repo: Path, tmp_path: Path) -> None:
    home = tmp_path / "environment"
    (home / "lib" / "python9.9" / "site-packages" / "mas").mkdir(parents=True)
    (home / "bin").mkdir()
    interpreter = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n'
    for name, text in (("python", interpreter), ("mas", "#!/bin/sh\n")):
        (home / "bin" / name).write_text(text)
        (home / "bin" / name).chmod(0o755)
    program = str(home / "bin" / "mas")
    assert run(copied, "list", cwd=repo, python=bare_python(), MAS_BIN=program, PATH="/usr/bin:/bin") == "[]\n"
    importing = repo / "program.py"
    importing.write_text("import session_manager")
    env = {"PYTHONPATH": str(copied.parent), "MAS_BIN": program, "PATH": "/usr/bin:/bin"}
    said = run(importing, cwd=repo, python=bare_python(), code=1, **env)
    assert said.endswith(f"; type: {home / 'bin' / 'python'} {importing}\n")


def test_beside_its_records_it_finds_them_without_git(tmp_path: Path) -> None:
    place = tmp_path / ".flow" / "maestro" / "scripts"
    place.mkdir(parents=True)
    script = Path(shutil.copy(SCRIPTS / "session_manager.py", place))
    made = json.loads(run(script, "create", "--feature-request", "x", cwd=place))["session_id"]
    assert (tmp_path / ".flow" / "maestro" / "sessions" / made / "metadata.json").is_file()
    assert [path.name for path in place.iterdir()] == ["session_manager.py"]


def test_without_mas_it_says_what_to_type(copied: Path, repo: Path) -> None:
    said = run(copied, "list", cwd=repo, python=bare_python(), PATH="/nowhere", code=1)
    assert said.count("\n") == 1
    assert "pipx install mas" in said


def test_the_examples_run() -> None:
    shown = run(SCRIPTS / "example_session_manager.py", cwd=REPOSITORY)
    assert "completed  1 of 2" in shown
    assert "Invalid state transition: initializing -> completed" in shown
    assert "Session not found" in shown
