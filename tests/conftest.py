"""The world of a test: nothing of the user's is in reach, and what a test needs is made for it alone.

The guard is proved in ``test_guard.py``. tmux, git, processes and files are the real ones.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from mas.paths import Root

settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

XDG_NAMES = (
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "XDG_CACHE_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_DIRS",
)
OWN_NAMES = ("SESSION_DIR", "UNIT_DIR", "WORKFLOWS_DIR", "PROJECT_ROOT")
FOREIGN_PREFIXES = ("MAS_", "TMUX", "GIT_", "XDG_")

Wait = Callable[..., None]


@pytest.fixture(autouse=True)
def guard(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the user's home, data directories and tmux server fail loudly instead of being touched."""
    for name in list(os.environ):
        if name.startswith(FOREIGN_PREFIXES) or name in OWN_NAMES:
            monkeypatch.delenv(name)
    _guard_home(tmp_path_factory.mktemp("guard"), monkeypatch)
    _guard_tmux(tmp_path_factory.mktemp("no-tmux"), monkeypatch)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.setenv("SHELL", "/bin/sh")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    before = os.umask(0o022)
    yield
    os.umask(before)


def _guard_home(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below a regular file nothing can be made, so whoever writes there is told."""
    wall = directory / "not-a-directory"
    wall.touch()
    monkeypatch.setenv("HOME", str(wall / "home"))
    for name in XDG_NAMES:
        monkeypatch.setenv(name, str(wall / name.lower()))


def _guard_tmux(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tmux refuses a socket directory that others may enter: a call without ``-S`` fails."""
    unsafe = directory / f"tmux-{os.getuid()}"
    unsafe.mkdir()
    unsafe.chmod(0o777)
    monkeypatch.setenv("TMUX_TMPDIR", str(directory))


@pytest.fixture
def root(tmp_path: Path) -> Root:
    """A root of its own that does not exist yet, at a path with a space."""
    return Root(tmp_path / "a root")


@pytest.fixture
def tmux_socket(monkeypatch: pytest.MonkeyPatch, wait_until: Wait) -> Iterator[Path]:
    """A tmux socket of its own, in MAS_TMUX_SOCKET; afterwards no process that was given it is left."""
    # A socket's path may hold about a hundred bytes, and tmp_path alone can be longer.
    directory = Path(tempfile.mkdtemp(prefix="mas-", dir="/tmp"))
    socket = directory / "tmux.sock"
    monkeypatch.setenv("MAS_TMUX_SOCKET", str(socket))
    yield socket
    subprocess.run(["tmux", "-S", socket, "kill-server"], capture_output=True, check=False, timeout=10)
    try:
        wait_until(lambda: not _carriers(socket), what=lambda: f"left behind: {_carriers(socket)}")
    finally:
        shutil.rmtree(directory)


def _carriers(socket: Path) -> dict[int, str]:
    """Every process but this one whose environment holds the socket, with its command line."""
    mark = f"MAS_TMUX_SOCKET={socket}\0".encode()
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        pid = int(process.name)
        try:
            if pid != os.getpid() and mark in (process / "environ").read_bytes():
                found[pid] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:  # it ended meanwhile, or is another user's
            continue
    return found


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A git repository with one commit on ``main``."""
    path = tmp_path / "a repo"
    path.mkdir()
    git = ["git", "-C", str(path)]
    (path / "README.md").write_text("# A repository\n")
    for words in (
        ["init", "-q", "-b", "main"],
        ["config", "user.name", "A Tester"],
        ["config", "user.email", "tester@example.invalid"],
        ["add", "README.md"],
        ["commit", "-q", "-m", "Begin"],
    ):
        subprocess.run([*git, *words], check=True, capture_output=True, timeout=10)
    return path


@pytest.fixture
def wait_until() -> Wait:
    """Poll a predicate until it holds; fails with what was waited for when it does not within the timeout."""
    return _wait_until


def _wait_until(
    predicate: Callable[[], object], timeout: float = 10, what: str | Callable[[], str] = "the condition"
) -> None:
    deadline = time.monotonic() + timeout
    while not predicate():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout:g} s: {what() if callable(what) else what}")
        time.sleep(0.01)
