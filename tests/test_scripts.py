"""The scripts of a checkout, run as a person would, in checkouts and on machines made up for them.

A machine is a directory of programs that is the whole PATH; what must not really happen here (a package manager at
work) is a small program that writes down how it was called.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1]
Wait = Callable[..., None]
Done = subprocess.CompletedProcess[str]

NOTHING: Mapping[str, str] = {}
TOOLS = ("cmp", "cp", "date", "dirname", "id", "ln", "mkdir", "mv", "readlink", "rm", "touch")


def program(path: Path, *lines: str) -> Path:
    """A shell script with these lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return path


def run(program: Path, *words: str, path: Path, cwd: Path = Path("/"), environ: Mapping[str, str] = NOTHING) -> Done:
    env = {**os.environ, "PATH": str(path), **environ}
    return subprocess.run([program, *words], capture_output=True, text=True, check=False, timeout=60, env=env, cwd=cwd)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that is set up: its ``mas`` prints its arguments and ends with 7."""
    place = tmp_path / "m a s"
    shutil.copytree(HERE / "scripts", place / "scripts")
    environment = place / ".venvs" / "made"
    program(environment / "bin" / "mas", 'printf "%s\\n" "mas" "$@"', "exit 7")
    (environment / "bin" / "python").symlink_to(sys.executable)
    (place / ".venv").symlink_to(".venvs/made")
    (place / "requirements").mkdir()
    for kind in ("run", "dev"):
        pins = place / "requirements" / f"{kind}.txt"
        pins.write_text(f"# what to install for {kind}\n")
        shutil.copy(pins, environment)
        mark = environment / f"complete-{kind}"
        mark.write_text(f"{place}\n")
        stamp = pins.stat().st_mtime_ns
        os.utime(mark, ns=(stamp, stamp))
    return place


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A machine with tmux, git, Python and the tools of every system, but no package manager."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for tool in TOOLS:
        (programs / tool).symlink_to(str(shutil.which(tool)))
    (programs / "python3").symlink_to(Path(sys.base_prefix) / "bin" / "python3")
    program(programs / "tmux")
    program(programs / "git")
    return programs


# --- scripts/mas ---


def test_mas_runs_with_its_arguments_as_they_are(checkout: Path, machine: Path) -> None:
    done = run(checkout / "scripts" / "mas", "start", "a b", "", "$HOME", path=machine)
    assert (done.returncode, done.stdout.split("\n"), done.stderr) == (7, ["mas", "start", "a b", "", "$HOME", ""], "")


def test_mas_is_told_how_it_was_called(checkout: Path, machine: Path) -> None:
    """For what it tells a person to type next."""
    program(checkout / ".venv" / "bin" / "mas", 'echo "$MAS_CALLED_AS"')
    assert run(Path("/bin/sh"), "-c", "scripts/mas", path=machine, cwd=checkout).stdout == "scripts/mas\n"


SHELLS = [shell for shell in ("dash", "bash", "busybox sh", "zsh", "ksh") if shutil.which(shell.split()[0])]


@pytest.mark.parametrize("shell", SHELLS)
def test_mas_runs_in_the_shells_that_are_here(checkout: Path, machine: Path, shell: str) -> None:
    name, *words = shell.split()
    done = run(Path(str(shutil.which(name))), *words, str(checkout / "scripts" / "mas"), path=machine)
    assert (done.returncode, done.stdout, done.stderr) == (7, "mas\n", "")


def test_mas_is_found_from_its_own_directory(checkout: Path, machine: Path) -> None:
    scripts = checkout / "scripts"
    assert run(Path("/bin/sh"), "-c", "./mas", path=machine, cwd=scripts).stdout == "mas\n"
    assert run(Path("/bin/sh"), "mas", path=machine, cwd=scripts).stdout == "mas\n"


def test_mas_is_found_through_links(checkout: Path, machine: Path, tmp_path: Path) -> None:
    absolute = tmp_path / "absolute"
    absolute.symlink_to(checkout / "scripts" / "mas")
    (tmp_path / "deeper down").mkdir()
    relative = tmp_path / "deeper down" / "relative"
    relative.symlink_to("../absolute")
    directory = tmp_path / "directory"
    directory.symlink_to(checkout)
    for way in (absolute, relative, directory / "scripts" / "mas"):
        assert run(way, path=machine).stdout == "mas\n"


def test_nothing_but_mas_is_started_once_all_is_set_up(checkout: Path, tmp_path: Path) -> None:
    """On a machine where there is nothing else to start."""
    bare = tmp_path / "bare"
    program(bare / "tmux", "exit 1")
    program(bare / "git", "exit 1")
    done = run(checkout / "scripts" / "mas", path=bare)
    assert (done.stdout, done.stderr) == ("mas\n", "")


def lose_the_environment(checkout: Path) -> None:
    (checkout / ".venv").unlink()


def lose_the_mark(checkout: Path) -> None:
    (checkout / ".venv" / "complete-run").unlink()


def lose_the_interpreter(checkout: Path) -> None:
    (checkout / ".venv" / "bin" / "python").unlink()
    (checkout / ".venv" / "bin" / "python").symlink_to("/nowhere/python")


def take_newer_pins(checkout: Path) -> None:
    stamp = (checkout / ".venv" / "complete-run").stat().st_mtime_ns + 1_000_000
    os.utime(checkout / "requirements" / "run.txt", ns=(stamp, stamp))


def take_older_pins(checkout: Path) -> None:
    stamp = (checkout / ".venv" / "complete-run").stat().st_mtime_ns - 1_000_000
    os.utime(checkout / "requirements" / "run.txt", ns=(stamp, stamp))


def come_from_elsewhere(checkout: Path) -> None:
    mark = checkout / ".venv" / "complete-run"
    stamp = mark.stat().st_mtime_ns
    mark.write_text("/somewhere/else\n")
    os.utime(mark, ns=(stamp, stamp))


CHANGES = [
    lose_the_environment,
    lose_the_mark,
    lose_the_interpreter,
    take_newer_pins,
    take_older_pins,
    come_from_elsewhere,
]


@pytest.mark.parametrize("change", CHANGES)
def test_mas_is_set_up_anew_after(change: Callable[[Path], None], checkout: Path, machine: Path) -> None:
    program(checkout / "scripts" / "setup", "echo setting up", "exit 1")
    change(checkout)
    done = run(checkout / "scripts" / "mas", path=machine)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "setting up\n")


@pytest.mark.parametrize("missing", ["tmux", "git"])
def test_mas_is_set_up_anew_without(missing: str, checkout: Path, machine: Path) -> None:
    program(checkout / "scripts" / "setup", "echo setting up")
    (machine / missing).unlink()
    done = run(checkout / "scripts" / "mas", path=machine)
    assert (done.returncode, done.stdout, done.stderr) == (7, "mas\n", "setting up\n")


# --- scripts/setup: the system's programs ---


def set_up(checkout: Path, machine: Path, *words: str, environ: Mapping[str, str] = NOTHING) -> Done:
    return run(checkout / "scripts" / "setup", *words, path=machine, environ=environ)


def refusal(done: Done) -> str:
    """The one line that a refused set-up says."""
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    return done.stderr.strip()


def test_a_missing_program_is_named_where_no_package_manager_is_known(checkout: Path, machine: Path) -> None:
    (machine / "tmux").unlink()
    expected = "mas: missing: tmux; install with your system's package manager, then run this again"
    assert refusal(set_up(checkout, machine)) == expected


@pytest.mark.parametrize(
    ("manager", "command"),
    [
        ("apt-get", "apt-get install -y"),
        ("dnf", "dnf install -y"),
        ("apk", "apk add"),
        ("pacman", "pacman -S --noconfirm"),
    ],
)
def test_who_is_not_root_is_told_what_to_type(checkout: Path, machine: Path, manager: str, command: str) -> None:
    for name in ("tmux", "git", "id"):
        (machine / name).unlink()
    program(machine / "id", "echo 1000")
    program(machine / manager, "echo not to be called")
    assert refusal(set_up(checkout, machine)) == f"mas: missing: tmux git; type: sudo {command} tmux git"


@pytest.mark.parametrize(
    ("manager", "user", "calls"),
    [
        ("apt-get", 0, ["update -q", "install -y tmux"]),
        ("dnf", 0, ["install -y tmux"]),
        ("apk", 0, ["add tmux"]),
        ("pacman", 0, ["-S --noconfirm tmux"]),
        ("brew", 1000, ["install tmux"]),
    ],
)
def test_who_may_gets_it_installed(checkout: Path, machine: Path, manager: str, user: int, calls: list[str]) -> None:
    log = machine / "log"
    for name in ("tmux", "id"):
        (machine / name).unlink()
    program(machine / "id", f"echo {user}")
    program(machine / manager, f'echo "$*" >>"{log}"', "echo talk", f'cp "{machine}/git" "{machine}/tmux"')
    done = set_up(checkout, machine)
    assert (done.returncode, done.stdout) == (0, "")
    assert log.read_text().splitlines() == calls


def test_a_failing_package_manager_ends_in_what_to_type(checkout: Path, machine: Path) -> None:
    for name in ("git", "id"):
        (machine / name).unlink()
    program(machine / "id", "echo 0")
    program(machine / "apt-get", "exit 100")
    done = set_up(checkout, machine)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "mas: could not install git; type: apt-get install -y git"


def test_what_was_installed_out_of_reach_is_named(checkout: Path, machine: Path) -> None:
    for name in ("git", "id"):
        (machine / name).unlink()
    program(machine / "id", "echo 0")
    program(machine / "dnf")
    done = set_up(checkout, machine)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "mas: installed, but not found on PATH: git"


# --- scripts/setup: Python ---


def test_an_old_python_is_not_taken(checkout: Path, machine: Path) -> None:
    (machine / "python3").unlink()
    program(machine / "python3", "exit 1")
    expected = "mas: python 3.11 or newer is missing; install it, see python.org, then run this again"
    assert refusal(set_up(checkout, machine)) == expected


def test_a_newer_python_under_its_own_name_is_taken(checkout: Path, machine: Path) -> None:
    (machine / "python3").rename(machine / "python3.12")
    program(machine / "python3", "exit 1")
    assert set_up(checkout, machine).returncode == 0


@pytest.mark.parametrize(
    ("python", "packages"),
    [(None, "python3 python3-venv"), ('case "$*" in *ensurepip*) exit 1 ;; esac', "python3-venv")],
    ids=["none", "without environments"],
)
def test_a_python_that_is_missing_or_lacks_a_part_is_a_package(
    checkout: Path, machine: Path, python: str | None, packages: str
) -> None:
    for name in ("python3", "id"):
        (machine / name).unlink()
    program(machine / "id", "echo 1000")
    program(machine / "apt-get")
    if python:
        program(machine / "python3", python)
    assert refusal(set_up(checkout, machine)) == f"mas: missing: {packages}; type: sudo apt-get install -y {packages}"


# --- scripts/setup: the environment ---


@pytest.mark.parametrize("kind", ["run", "dev"])
def test_nothing_is_done_where_nothing_is_missing(checkout: Path, machine: Path, kind: str) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in checkout.rglob("*") if path.name != ".lock")
    done = set_up(checkout, machine, kind)
    after = sorted((path, path.stat().st_mtime_ns) for path in checkout.rglob("*") if path.name != ".lock")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [path for path, _ in after] == [path for path, _ in before]


def test_pins_that_were_only_touched_are_taken_as_they_are(checkout: Path, machine: Path) -> None:
    take_newer_pins(checkout)
    assert set_up(checkout, machine).stderr == ""
    program(checkout / "scripts" / "setup", "echo not again >&2")
    assert run(checkout / "scripts" / "mas", path=machine).stderr == ""


def test_an_environment_of_somebody_else_is_left_alone(checkout: Path, machine: Path) -> None:
    (checkout / ".venv").unlink()
    (checkout / ".venv" / "bin").mkdir(parents=True)
    expected = f"mas: {checkout}/.venv was not made by scripts/setup; move it away, then run this again"
    assert refusal(set_up(checkout, machine)) == expected


def test_an_unknown_kind_is_refused(checkout: Path, machine: Path) -> None:
    assert refusal(set_up(checkout, machine, "test")) == "mas: scripts/setup knows run and dev, not 'test'"


def test_two_do_not_set_up_at_once(checkout: Path, machine: Path, wait_until: Wait, tmp_path: Path) -> None:
    talk = tmp_path / "talk"
    with (checkout / ".venvs" / ".lock").open("w") as lock, talk.open("w") as stderr:
        fcntl.flock(lock, fcntl.LOCK_EX)
        env = {**os.environ, "PATH": str(machine)}
        with subprocess.Popen([checkout / "scripts" / "setup"], stderr=stderr, env=env) as other:
            wait_until(lambda: "waiting for another set-up to end" in talk.read_text(), what="the second to wait")
            assert other.poll() is None
            fcntl.flock(lock, fcntl.LOCK_UN)
            assert other.wait(timeout=10) == 0


def test_without_a_network_one_line_says_so_and_nothing_half_made_is_used(checkout: Path, machine: Path) -> None:
    lose_the_environment(checkout)
    (checkout / "requirements" / "run.txt").write_text("typer==0.28.0 --hash=sha256:" + 64 * "0" + "\n")
    cut_off = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}
    done = set_up(checkout, machine, environ=cut_off)
    assert done.returncode == 1
    log = checkout / ".venvs" / ".log"
    assert done.stderr.splitlines() == [
        f"mas: making the environment in {checkout}/.venv, this takes a moment",
        f"mas: could not install the pinned packages, is there a network? what pip said: {log}",
    ]
    assert "No matching distribution found for typer==0.28.0" in log.read_text()
    assert not (checkout / ".venv").exists()


@pytest.mark.slow
def test_a_fresh_checkout_is_set_up_once_by_two_at_once(tmp_path: Path, machine: Path) -> None:
    """The real thing, with a network: nothing but the checkout and a Python."""
    place = tmp_path / "m a s"
    place.mkdir()
    for name in ("mas", "scripts", "requirements", "templates", "lib"):
        shutil.copytree(HERE / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (*HERE.glob("*.md"), HERE / "pyproject.toml", HERE / "LICENSE"):
        shutil.copy(path, place)
    (place / ".venvs" / "half-made").mkdir(parents=True)
    env = {**os.environ, "PATH": str(machine)}
    both = [subprocess.Popen([place / "scripts" / "mas", "version"], env=env, stdout=subprocess.PIPE) for _ in range(2)]
    said = [one.communicate(timeout=300)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0]
    assert said[0] == said[1] != b""
    assert [path.name for path in (place / ".venvs").iterdir() if path.is_dir()] == [(place / ".venv").resolve().name]


# --- scripts/test, scripts/check, .ci/run ---


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], []),
        (["--cov"], ["--cov"]),
        (["--all"], ["-m", "slow or not slow"]),
        (["tests/test_team.py", "-k", "a b"], ["tests/test_team.py", "-k", "a b"]),
        (["--all", "tests/test_team.py"], ["-m", "slow or not slow", "tests/test_team.py"]),
    ],
)
def test_the_suite_is_run_as_it_is_asked_for(
    checkout: Path, machine: Path, words: list[str], expected: list[str]
) -> None:
    (checkout / ".venv" / "bin" / "python").unlink()
    program(checkout / ".venv" / "bin" / "python", 'printf "%s\\n" "$@"')
    program(checkout / "scripts" / "setup")
    done = run(checkout / "scripts" / "test", *words, path=machine)
    assert done.stdout.splitlines() == ["-m", "pytest", "-n", "4", "--dist", "worksteal", *expected]


@pytest.mark.parametrize(("check", "test", "expected"), [(0, 0, 0), (1, 0, 1), (0, 1, 1), (5, 5, 1)])
def test_a_change_passes_when_linters_and_tests_do(
    tmp_path: Path, machine: Path, check: int, test: int, expected: int
) -> None:
    shutil.copytree(HERE / ".ci", tmp_path / ".ci")
    program(tmp_path / "scripts" / "check", 'echo "check $*"', f"exit {check}")
    program(tmp_path / "scripts" / "test", 'echo "test $*"', f"exit {test}")
    done = run(tmp_path / ".ci" / "run", path=machine)
    again = "test --cov --cov-append -n 0 --last-failed --last-failed-no-failures none"
    runs = ["test --cov"] if test == 0 else ["test --cov", again]  # what failed by itself, and the floors once more
    assert (done.returncode, done.stdout.splitlines()) == (expected, ["check lint", *runs])


RECORD = ("lifecycle", "events", "session", "storage", "projections", "manager", "reconcile")


@pytest.mark.parametrize(("tests", "below", "expected"), [(0, "", 0), (3, "", 3), (0, "manager", 1), (5, "events", 5)])
def test_each_module_of_the_record_has_a_floor(
    checkout: Path, machine: Path, tests: int, below: str, expected: int
) -> None:
    (checkout / ".venv" / "bin" / "python").unlink()
    asked = checkout / "asked"
    lines = (
        '[ "$2" = coverage ] || exit ' + str(tests),
        f'echo "$4 $5" >>"{asked}"',
        f'[ "$4" != --include=mas/{below}.py ]',
    )
    program(checkout / ".venv" / "bin" / "python", *lines)
    program(checkout / "scripts" / "setup")
    done = run(checkout / "scripts" / "test", "--cov", path=machine)
    assert asked.read_text().splitlines() == [f"--include=mas/{name}.py --fail-under=98" for name in RECORD]
    complaint = f"mas: the tests cover less than 98 percent of mas/{below}.py\n" if below else ""
    assert (done.returncode, done.stdout, done.stderr) == (expected, "", complaint)
    assert run(checkout / "scripts" / "test", path=machine).returncode == tests
    assert len(asked.read_text().splitlines()) == len(RECORD)


# --- scripts/test ---


def test_the_tests_are_found_through_a_link(checkout: Path, machine: Path, tmp_path: Path) -> None:
    python = checkout / ".venv" / "bin" / "python"
    python.unlink()
    program(python, "pwd", 'echo "$@"')
    link = tmp_path / "a link"
    link.symlink_to(checkout / "scripts" / "test")
    for way in (link, checkout / "scripts" / "test"):
        done = run(way, "tests/test_team.py", path=machine)
        assert (done.stdout, done.stderr) == (f"{checkout}\n-m pytest -n 4 --dist worksteal tests/test_team.py\n", "")
