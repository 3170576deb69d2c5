"""The lock of a path: whichever way it is taken, one holds it and the others wait. With real processes."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import Timeout, UnixFileLock

from mas.locks import Lock

Process = subprocess.Popen[str]


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "x.lock")


@pytest.fixture
def elsewhere(path: str) -> Iterator[Process]:
    """A process that holds the lock and says so, and that has a forked child which outlives it."""
    program = """
        import os, sys, time
        from mas.locks import Lock
        lock = Lock(sys.argv[1])
        lock.acquire(0)
        child = os.fork()
        if child == 0:
            os.setsid()
            time.sleep(600)
        print(child, flush=True)
        time.sleep(600)
        """
    words = [sys.executable, "-c", textwrap.dedent(program), path]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        child = int(process.stdout.readline())
        yield process
        process.kill()
        os.kill(child, signal.SIGKILL)


def test_one_that_is_free_is_taken_without_loading_filelock(path: str) -> None:
    program = "import sys; from mas.locks import Lock; Lock(sys.argv[1]).acquire(0); print('filelock' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def is_free(path: str) -> bool:
    lock = Lock(path)
    try:
        lock.acquire(0)
    except TimeoutError:
        return False
    lock.release()
    return True


def test_it_is_the_lock_that_filelock_takes(path: str) -> None:
    theirs, ours = UnixFileLock(path), Lock(path)
    with theirs:
        assert not is_free(path)
    ours.acquire(0)
    with pytest.raises(Timeout):
        theirs.acquire(timeout=0)
    ours.release()
    with theirs.acquire(timeout=0):
        assert not is_free(path)


def test_one_that_is_held_is_waited_for_and_given_back(path: str) -> None:
    theirs, ours = UnixFileLock(path, thread_local=False), Lock(path)
    theirs.acquire()
    threading.Timer(0.05, theirs.release).start()
    ours.acquire(20)
    ours.acquire(0)
    assert ours.lock_counter == 2
    ours.release()
    assert not is_free(path)
    ours.release()
    assert is_free(path)


def test_a_forked_child_keeps_nothing_of_what_its_parent_held(path: str, elsewhere: Process) -> None:
    assert not is_free(path)
    elsewhere.kill()
    elsewhere.wait()
    assert is_free(path)  # the child lives on


def test_a_child_that_goes_on_in_its_parents_hold_gives_back_nothing(path: str, tmp_path: Path) -> None:
    program = """
        import os, sys
        from mas.locks import Lock
        lock = Lock(sys.argv[1])
        lock.acquire(0)
        child = os.fork()
        if child == 0:
            number = os.open(sys.argv[2], os.O_CREAT | os.O_RDWR)  # takes the number that the lock had
            lock.release()
            os._exit(0 if os.fstat(number).st_nlink else 1)
        assert os.waitpid(child, 0)[1] == 0
        try:
            Lock(sys.argv[1]).acquire(0)
        except TimeoutError:
            print("held")
        """
    words = [sys.executable, "-c", textwrap.dedent(program), path, str(tmp_path / "other")]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "held\n"


def test_one_that_its_holder_removes_meanwhile_is_taken_anew(path: str) -> None:
    """Between the opening of the file and the lock on it, which the interpreter tells us of."""
    program = """
        import os, sys
        from mas.locks import Lock
        left = [os.unlink]
        sys.addaudithook(lambda event, _: event == "fcntl.flock" and left and left.pop()(sys.argv[1]))
        lock = Lock(sys.argv[1])
        lock.acquire(1)
        assert not left and os.path.exists(sys.argv[1])
        try:
            Lock(sys.argv[1]).acquire(0)
        except TimeoutError:
            print("held")
        """
    words = [sys.executable, "-c", textwrap.dedent(program), path]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "held\n"


def test_a_copy_of_its_descriptor_keeps_nothing(path: str) -> None:
    """A thread may fork, or start a program, while another one takes a lock."""
    lock = Lock(path)
    lock.acquire(0)
    own = next(int(link.name) for link in Path("/proc/self/fd").iterdir() if os.path.realpath(link) == path)
    copy = os.dup(own)
    lock.release()
    assert is_free(path)
    os.close(copy)


def test_its_file_is_its_owners_alone_whatever_the_umask(path: str) -> None:
    before = os.umask(0o777)
    try:
        assert is_free(path)
    finally:
        os.umask(before)
    assert Path(path).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("kind", ["link", "directory"])
def test_what_is_no_file_is_refused(path: str, kind: str) -> None:
    if kind == "link":
        Path(path).symlink_to(os.devnull)
    else:
        Path(path).mkdir()
    lock = Lock(path)
    with pytest.raises(OSError, match=r"Too many|Is a directory"):
        lock.acquire(0)
    assert lock.lock_counter == 0
