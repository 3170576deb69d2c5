"""The guard in ``conftest.py`` is proved here: what it forbids fails, and what a fixture leaves behind is noticed."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import libtmux
import pytest
from libtmux.exc import LibTmuxException

from mas import paths

Wait = Callable[..., None]
HERE = Path(__file__).parent
FOREIGN = {
    "MAS_ROOT": "/nowhere",
    "MAS_SESSION_ID": "1234",
    "SESSION_DIR": "/nowhere",
    "UNIT_DIR": "/nowhere",
    "WORKFLOWS_DIR": "/nowhere",
    "TMUX": "/nowhere/default,1,0",
    "TMUX_PANE": "%1",
    "GIT_DIR": "/nowhere/.git",
    "XDG_DATA_DIRS": "/nowhere",
}


@pytest.mark.parametrize(
    "place",
    [
        lambda: Path.home() / "file",
        lambda: Path("~/file").expanduser(),
        lambda: paths.user_data_directory() / "file",
        lambda: paths.user_config_directory() / "file",
    ],
    ids=["home", "tilde", "data", "configuration"],
)
def test_the_users_directories_cannot_be_written(place: Callable[[], Path]) -> None:
    with pytest.raises(NotADirectoryError):
        place().parent.mkdir(parents=True)
    with pytest.raises(NotADirectoryError):
        place().touch()


@pytest.mark.parametrize("kind", ["CONFIG", "DATA", "STATE", "CACHE"])
def test_directories_named_by_the_desktop_cannot_be_made(kind: str) -> None:
    with pytest.raises(NotADirectoryError):
        Path(os.environ[f"XDG_{kind}_HOME"]).mkdir(parents=True)


@pytest.mark.parametrize("words", [["new-session", "-d"], ["list-sessions"], ["-L", "named", "new-session", "-d"]])
def test_tmux_without_a_socket_of_its_own_is_refused(words: list[str]) -> None:
    done = subprocess.run(["tmux", *words], capture_output=True, text=True, check=False, timeout=10)
    assert done.returncode != 0
    assert "unsafe permissions" in done.stderr


def test_libtmux_without_a_socket_of_its_own_is_refused() -> None:
    with pytest.raises(LibTmuxException, match="unsafe permissions"):
        libtmux.Server().new_session()


def test_libtmux_brings_no_fixtures(pytestconfig: pytest.Config) -> None:
    assert not pytestconfig.pluginmanager.hasplugin("libtmux")


def test_no_variable_of_a_session_is_set() -> None:
    assert {name for name in os.environ if name.startswith("MAS_")} == set()
    assert {name for name in FOREIGN if name in os.environ} == set()


def test_git_reads_no_configuration_of_the_user_or_the_machine(repo: Path) -> None:
    done = subprocess.run(
        ["git", "-C", repo, "config", "--list", "--show-scope"], capture_output=True, text=True, check=True, timeout=10
    )
    assert {line.split("\t")[0] for line in done.stdout.splitlines()} == {"local"}
    assert os.environ["GIT_CONFIG_GLOBAL"] == os.devnull


def test_the_shell_the_language_and_the_mask_are_fixed() -> None:
    umask = os.umask(0o022)
    assert (os.environ["SHELL"], os.environ["LC_ALL"], umask) == ("/bin/sh", "C.UTF-8", 0o022)


def inner_pytest(test: Path, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a test file in a pytest of its own, under this directory's conftest."""
    plugins = ["-p", "conftest", "-p", "no:cacheprovider", "-c", str(HERE.parent / "pyproject.toml")]
    env = {**os.environ, "PYTHONPATH": str(HERE), **environ}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, test],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=env,
    )


def test_variables_of_a_session_are_taken_away(tmp_path: Path) -> None:
    test = tmp_path / "test_inner.py"
    test.write_text(f"import os\ndef test_inner(): assert not set(os.environ) & {set(FOREIGN)}\n")
    done = inner_pytest(test, FOREIGN)
    assert done.returncode == 0, done.stdout


def test_another_bash_can_be_named(tmp_path: Path) -> None:
    other, test = tmp_path / "another bash", tmp_path / "test_inner.py"
    other.write_text("#!/bin/sh\necho another\n")
    other.chmod(0o755)
    test.write_text(
        "import subprocess\n"
        "def test_inner(): assert subprocess.run(['bash'], capture_output=True, check=True).stdout == b'another\\n'\n"
    )
    done = inner_pytest(test, {"MAS_TEST_BASH": str(other)})
    assert done.returncode == 0, done.stdout


def test_a_server_of_the_fixture_is_ended_with_all_in_it(tmux_socket: Path) -> None:
    words = ("-f", os.devnull, "new-session", "-d", "sleep 60 & sleep 60")
    subprocess.run(["tmux", "-S", tmux_socket, *words], check=True, capture_output=True, timeout=10)
    assert os.environ["MAS_TMUX_SOCKET"] == str(tmux_socket)
    assert len(os.fsencode(tmux_socket)) < 100


def test_a_process_left_behind_is_an_error(tmp_path: Path, wait_until: Wait) -> None:
    test = tmp_path / "test_inner.py"
    test.write_text(
        "import subprocess\n"
        "def test_inner(tmux_socket):\n"
        "    started = subprocess.Popen(['setsid', 'sleep', '60'], stdin=subprocess.DEVNULL)\n"
        "    print('pid', started.pid)\n"
        "    started.returncode = 0\n"
    )
    done = inner_pytest(test, {})
    assert "1 passed, 1 error" in done.stdout
    assert "left behind: " in done.stdout
    assert "sleep 60" in done.stdout
    pid = int(done.stdout.partition("pid ")[2].split()[0])
    wait_until(lambda: not has_command_line(pid), what="the end of what was left behind")


def has_command_line(pid: int) -> bool:
    """Whether the process is there and not merely waiting to be collected by its parent."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    return False


def test_the_repository_has_one_commit_and_nothing_changed(repo: Path) -> None:
    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", repo, *words], capture_output=True, text=True, check=True, timeout=10
        ).stdout

    assert git("log", "--format=%s") == "Begin\n"
    assert git("status", "--porcelain") == ""
    assert git("branch", "--show-current") == "main\n"


def test_waiting_ends_when_it_holds(wait_until: Wait) -> None:
    answers = iter([False, False, True])
    wait_until(lambda: next(answers))


def test_waiting_in_vain_says_for_what(wait_until: Wait) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"not within 0\.05 s: the moon"):
        wait_until(lambda: False, timeout=0.05, what="the moon")
