"""The world of a test: nothing of the user's is in reach, and what a test needs is made for it alone.

tmux, git, processes and files are the real ones. That the guard holds is proved in ``test_guard.py``.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import coverage
import pytest
import roots
from hypothesis import settings

from mas.app import Mas
from mas.paths import Root

settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

FOREIGN_PREFIXES = ("MAS_", "TMUX", "GIT_", "XDG_")
FOREIGN_NAMES = ("SESSION_DIR", "UNIT_DIR", "WORKFLOWS_DIR", "PROJECT_ROOT", "CDPATH", "BASH_ENV", "ENV")
XDG_HOMES = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR")

Wait = Callable[..., None]


@pytest.fixture(scope="session", autouse=True)
def guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Make the user's home, data directories and tmux server fail loudly instead of being touched."""
    umask = os.umask(0o022)
    _take_coverages_lock_away()
    _hear_interrupts()
    with pytest.MonkeyPatch.context() as patch:
        _take_another_bash(tmp_path_factory.mktemp("bash"), patch)
        for name in list(os.environ):
            if name.startswith(FOREIGN_PREFIXES) or name in FOREIGN_NAMES:
                patch.delenv(name)
        _wall_off_home(tmp_path_factory.mktemp("guard"), patch)
        _wall_off_tmux(tmp_path_factory.mktemp("guard"), patch)
        patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        patch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
        patch.setenv("SHELL", "/bin/sh")
        patch.setenv("LC_ALL", "C.UTF-8")
        yield
    os.umask(umask)


def _take_coverages_lock_away() -> None:
    """Who forks beside threads that are measured may leave that lock taken for ever, in the child or here.

    It only keeps files from being added while the data are saved, and then the tests are over.
    """
    collector = getattr(coverage.Coverage.current(), "_collector", None)
    if collector is not None:
        collector.data_lock = None


def _hear_interrupts() -> None:
    """A shell lets what it starts in the background ignore ^C, and with that all that the tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _take_another_bash(directory: Path, patch: pytest.MonkeyPatch) -> None:
    """MAS_TEST_BASH names a bash that the tests use in place of the one on PATH."""
    if wanted := os.environ.get("MAS_TEST_BASH"):
        (directory / "bash").symlink_to(wanted)
        patch.setenv("PATH", f"{directory}{os.pathsep}{os.environ['PATH']}")


def _wall_off_home(directory: Path, patch: pytest.MonkeyPatch) -> None:
    """Below a regular file nothing can be made, so whoever writes there is told."""
    wall = directory / "not-a-directory"
    wall.touch()
    patch.setenv("HOME", str(wall / "home"))
    for name in XDG_HOMES:
        patch.setenv(name, str(wall / name.lower()))


def _wall_off_tmux(directory: Path, patch: pytest.MonkeyPatch) -> None:
    """Tmux refuses a socket directory that others may enter, so every call without ``-S`` fails."""
    unsafe = directory / f"tmux-{os.getuid()}"
    unsafe.mkdir()
    unsafe.chmod(0o777)
    patch.setenv("TMUX_TMPDIR", str(directory))


@pytest.fixture
def root(tmp_path: Path) -> Root:
    """A root of its own, not made yet, at a path with a space."""
    return Root(tmp_path / "a root")


@pytest.fixture
def tmux_socket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A tmux socket of its own, in MAS_TMUX_SOCKET; its server is ended, and a process left behind is an error."""
    with own_tmux() as socket:
        monkeypatch.setenv("MAS_TMUX_SOCKET", str(socket))
        yield socket


@pytest.fixture(scope="module")
def shared_socket() -> Iterator[Path]:
    """The same for all tests of a module, for a team that they only write to and look at."""
    with own_tmux() as socket, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAS_TMUX_SOCKET", str(socket))
        yield socket


@pytest.fixture(scope="module")
def shared_root(tmp_path_factory: pytest.TempPathFactory) -> Root:
    """A root for all tests of a module."""
    return Root(tmp_path_factory.mktemp("shared") / "a root")


@contextmanager
def own_tmux() -> Iterator[Path]:
    """A socket for a tmux server; whatever comes to run there is gone at the end, or the test fails."""
    # A socket's path holds about a hundred bytes at most, and tmp_path alone may be longer.
    directory = Path(tempfile.mkdtemp(prefix="mas-", dir="/tmp"))
    socket = directory / "tmux"
    yield socket
    subprocess.run(["tmux", "-S", socket, "kill-server"], capture_output=True, check=False, timeout=10)
    try:
        wait_for(lambda: not _carriers(socket), timeout=5, what=lambda: f"left behind: {_carriers(socket)}")
    finally:
        for pid in _carriers(socket):
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(directory)


def _carriers(socket: Path) -> dict[int, str]:
    """The processes whose environment holds this socket, with their command lines."""
    mark = f"MAS_TMUX_SOCKET={socket}\0".encode()
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes():
                words = (process / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(process.name)] = words.decode("utf-8", "replace").strip()
        except OSError:  # it ended meanwhile, or is somebody else's
            continue
    return found


@pytest.fixture
def mas(root: Root, tmux_socket: Path) -> Mas:
    """A root with a small template, and a tmux server that outlives its teams."""
    roots.make_template(root)
    roots.tmux(tmux_socket, "-f", os.devnull, "new-session", "-d", "-s", "bystander", "cat")
    return roots.mas_of(root)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[roots.FakeTmux]:
    """A tmux on PATH that can be told to fail; as long as it is not, it is the real one."""
    made = roots.FakeTmux(tmp_path / "programs")
    monkeypatch.setenv("PATH", f"{made.directory}:{os.environ['PATH']}")
    yield made
    made.away()


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A git repository with one commit on ``main``, at a path with a space."""
    path = tmp_path / "a repo"
    path.mkdir()
    (path / "README.md").write_text("# A repository\n")
    for words in (
        ("init", "-q", "-b", "main"),
        ("config", "user.name", "A Tester"),
        ("config", "user.email", "tester@example.invalid"),
        ("add", "README.md"),
        ("commit", "-q", "-m", "Begin"),
    ):
        subprocess.run(["git", "-C", path, *words], check=True, capture_output=True, timeout=10)
    return path


@pytest.fixture
def wait_until() -> Wait:
    """Poll a predicate until it holds; the test fails, saying what it waited for, when it does not in time."""
    return wait_for


def wait_for(predicate: Callable[[], object], timeout: float = 10, what: str | Callable[[], str] = "") -> None:
    """The same for who has no test of its own."""
    deadline = time.monotonic() + timeout
    while not predicate():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout:g} s: {what() if callable(what) else what or predicate}")
        time.sleep(0.01)
