"""The two write primitives and the locks, with real files, full disks and killed processes."""

import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import failpoints
import pytest
from obstacles import as_nobody, odd_things, tiny_disk

from mas import files
from mas.errors import BusyError, CapacityError, DamagedError, MasError

LOCK_HELD = """
import sys, time
from pathlib import Path
from mas import files
with files.lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
Wait = Callable[..., None]


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    with files.directory(tmp_path) as opened:
        yield opened


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    with tiny_disk(tmp_path / "tiny") as place:
        yield place


# --- directories and reading ---


def test_a_link_or_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "file").touch()
    for name in ("link", "file"):
        with pytest.raises(DamagedError, match="is not a directory of its own"), files.directory(tmp_path / name):
            pass
    with pytest.raises(FileNotFoundError), files.directory(tmp_path / "none"):
        pass
    with files.directory(tmp_path) as above, files.directory("real", above) as inside:
        assert os.fstat(inside).st_ino == (tmp_path / "real").stat().st_ino


def test_descriptors_run_out_with_a_clear_error(tmp_path: Path) -> None:
    def act(done: failpoints.Acknowledge) -> None:
        soft = len(os.listdir("/proc/self/fd")) - 1  # noqa: PTH208
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, soft))
        try:
            with files.directory(tmp_path) as opened:
                files.read(opened, "x")
        except CapacityError as error:
            done(str(error))

    ending = failpoints.run(act, failpoints.NEVER)
    assert ending.acknowledged
    assert "too many open files" in ending.acknowledged[0]


def test_a_file_is_read_whole(tmp_path: Path, fd: int) -> None:
    for content in (b"", b"x", os.urandom(3_000_000)):
        (tmp_path / "file").write_bytes(content)
        assert files.read(fd, "file") == content
        assert files.size_of(fd, "file") == len(content)
    assert files.size_of(fd, "none") is None
    with pytest.raises(FileNotFoundError):
        files.read(fd, "none")


def test_what_grows_while_it_is_read_is_read_on() -> None:
    """The kernel says of these files that they are empty."""
    with files.directory(f"/proc/{os.getpid()}") as proc:
        assert files.size_of(proc, "status") == 0
        assert b"Pid:" in files.read(proc, "status")


def test_lines_come_one_by_one_and_bounded(tmp_path: Path, fd: int) -> None:
    (tmp_path / "log").write_bytes(b"one\ntwo\n\nthree")
    assert [*files.read_from(fd, "log", 0)] == [b"one\n", b"two\n", b"\n", b"three"]
    assert [*files.read_from(fd, "log", 4)] == [b"two\n", b"\n", b"three"]
    assert [*files.read_from(fd, "log", 4, 3)] == [b"two", b"\n", b"\n", b"thr", b"ee"]
    assert files.read_part(fd, "log", 4, 3) == b"two"


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path, fd: int) -> None:
    seen = 0
    calls: list[Callable[[str], object]] = [
        lambda name: files.read(fd, name),
        lambda name: [*files.read_from(fd, name, 0)],
        lambda name: files.read_part(fd, name, 0, 5),
        lambda name: files.size_of(fd, name),
        lambda name: files.append(fd, name, b"x", at=0),
        lambda name: files.append(fd, name, b"x", at=6),
        lambda name: files.cut(fd, name, 0),
        lambda name: files.replace(fd, name, b"x"),
    ]
    for kind in odd_things(tmp_path, "state"):
        for call in calls:
            with pytest.raises(DamagedError, match="'state' is no regular file"):
                call("state")
        assert (tmp_path / "target").read_text() == "secret", kind
        seen += 1
    assert seen >= 5


def test_what_the_system_does_not_let_us_read_is_explained() -> None:
    with files.directory(f"/proc/{os.getpid()}") as proc, pytest.raises(MasError, match="cannot read 'mem'"):
        files.read(proc, "mem")
    with files.directory(f"/proc/{os.getpid()}") as proc, pytest.raises(MasError, match="cannot read 'mem'"):
        files.read_part(proc, "mem", 0, 10)


def test_what_may_not_be_entered_or_opened_is_explained(tmp_path: Path) -> None:
    with as_nobody(tmp_path) as own:
        (own / "closed").mkdir(mode=0)
        with pytest.raises(MasError, match=r"cannot read .*closed.*permission denied"), files.directory(own / "closed"):
            pass
        with files.directory(own) as fd:
            files.append(fd, "log", b"x", at=0)
            (own / "log").chmod(0)
            with pytest.raises(MasError, match="cannot read 'log': permission denied"):
                files.read(fd, "log")
            with pytest.raises(MasError, match="cannot write 'log': permission denied"):
                files.append(fd, "log", b"x", at=1)
            own.chmod(0o600)
            with pytest.raises(MasError, match="cannot read 'log': permission denied"):
                files.size_of(fd, "log")
            own.chmod(0o700)


# --- append ---


def test_append_makes_a_private_file_and_grows_it(tmp_path: Path, fd: int) -> None:
    files.append(fd, "log", b"one\n", at=0)
    files.append(fd, "log", b"two\n", at=4, tail=b"one\n")
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o600


@pytest.mark.parametrize(("at", "tail"), [(3, b""), (5, b""), (0, b""), (4, b"two\n"), (4, b"longer than all\n")])
def test_append_refuses_a_log_that_is_not_what_it_was(tmp_path: Path, fd: int, at: int, tail: bytes) -> None:
    (tmp_path / "log").write_bytes(b"one\n")
    with pytest.raises(DamagedError, match="log is not what it was"):
        files.append(fd, "log", b"x\n", at=at, tail=tail)
    assert (tmp_path / "log").read_bytes() == b"one\n"


def test_append_makes_no_log_where_there_was_one(tmp_path: Path, fd: int) -> None:
    with pytest.raises(DamagedError, match="log is not what it was"):
        files.append(fd, "log", b"x\n", at=4)
    assert not (tmp_path / "log").exists()


def test_an_append_that_finds_no_room_is_cut_back(tiny: Path) -> None:
    with files.directory(tiny) as fd:
        files.append(fd, "log", b"one\n", at=0)
        with pytest.raises(CapacityError, match="cannot write 'log': no space left"):
            files.append(fd, "log", b"x" * 100_000, at=4)
        assert (tiny / "log").read_bytes() == b"one\n"
        files.append(fd, "log", b"two\n", at=4)


def test_a_short_write_is_cut_back(tmp_path: Path) -> None:
    """Up to the limit on the size of a file the kernel writes what fits, and says so."""
    (tmp_path / "log").write_bytes(b"one\n")

    def act(done: failpoints.Acknowledge) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))
        with files.directory(tmp_path) as fd:
            try:
                files.append(fd, "log", b"x" * 100 + b"\n", at=4)
            except MasError as error:
                done(str(error))

    ending = failpoints.run(act, failpoints.NEVER)
    assert "cannot write 'log'" in ending.acknowledged[0]
    assert (tmp_path / "log").read_bytes() == b"one\n"


def test_a_log_that_may_not_be_cut_is_said(tmp_path: Path, fd: int) -> None:
    (tmp_path / "log").write_bytes(b"one\ntwo")
    if subprocess.run(["chattr", "+a", tmp_path / "log"], check=False, capture_output=True, timeout=10).returncode:
        pytest.skip("this file system knows no such files")
    try:
        with pytest.raises(MasError, match="cannot write 'log': operation not permitted"):
            files.cut(fd, "log", 4)
    finally:
        subprocess.run(["chattr", "-a", tmp_path / "log"], check=True, timeout=10)


def test_cut_cuts(tmp_path: Path, fd: int) -> None:
    (tmp_path / "log").write_bytes(b"one\ntwo")
    files.cut(fd, "log", 4)
    assert (tmp_path / "log").read_bytes() == b"one\n"


# --- replace ---


@pytest.mark.parametrize("durable", [False, True])
def test_replace_puts_a_private_file_in_place(tmp_path: Path, fd: int, durable: bool) -> None:  # noqa: FBT001
    for content in (b"old", b"", b"new" * 1_000_000):
        files.replace(fd, "state", content, durable=durable)
        assert (tmp_path / "state").read_bytes() == content
    assert [one.name for one in tmp_path.iterdir()] == ["state"]
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o600


def test_what_was_written_is_told_as_the_file_is_known(fd: int) -> None:
    written = files.replace(fd, "state", b"new")
    found = files.status_of(fd, "state")
    assert found
    assert (found.st_ino, found.st_size, found.st_mtime_ns) == (written.st_ino, 3, written.st_mtime_ns)
    assert files.status_of(fd, "none") is None


@pytest.mark.parametrize("umask", [0, 0o077])
def test_modes_do_not_depend_on_the_umask(tmp_path: Path, fd: int, umask: int) -> None:
    before = os.umask(umask)
    try:
        files.replace(fd, "state", b"x")
        files.append(fd, "log", b"x", at=0)
        files.keep(tmp_path / "quarantine", "state", b"x")
        with files.lock(tmp_path / "a.lock"):
            pass
    finally:
        os.umask(before)
    for path in (tmp_path / "state", tmp_path / "log", tmp_path / "quarantine", tmp_path / "a.lock"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


@pytest.mark.parametrize("size", [100_000, 3_000_000])
def test_replace_that_finds_no_room_leaves_the_old_one(tiny: Path, size: int) -> None:
    with files.directory(tiny) as fd:
        files.replace(fd, "state", b"old")
        with pytest.raises(CapacityError, match="cannot write 'state'"):
            files.replace(fd, "state", b"x" * size)
    assert [(one.name, one.read_bytes()) for one in tiny.iterdir()] == [("state", b"old")]


def test_a_kill_anywhere_leaves_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    def act(_done: failpoints.Acknowledge) -> None:
        with files.directory(tmp_path) as fd:
            files.replace(fd, "state", b"new")

    (tmp_path / "state").write_bytes(b"old")
    seen = set()
    for at in range(1, failpoints.count(act) + 1):
        (tmp_path / "state").write_bytes(b"old")
        assert failpoints.run(act, at).killed
        seen.add((tmp_path / "state").read_bytes())
        for left in tmp_path.iterdir():
            assert left.name == "state" or files.writer_of(left.name)
            left.unlink()
    assert seen == {b"old", b"new"}


def test_a_directory_that_cannot_be_made_durable_is_said_although_the_new_one_stands(tmp_path: Path) -> None:
    """A descriptor that only names a place finds files, and cannot be synchronised."""
    place = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    try:
        with pytest.raises(MasError, match="cannot make durable 'state'"):
            files.replace(place, "state", b"new", durable=True)
    finally:
        os.close(place)
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("state", b"new")]


@pytest.mark.parametrize(
    ("name", "writer"),
    [
        (".metadata.json.123-0a1b2c3d.tmp", 123),
        ("..session.1-00000000.tmp", 1),
        ("metadata.json.123-0a1b2c3d.tmp", None),
        (".metadata.json.tmp", None),
        (".notes.tmp", None),
        (".1-00000000.tmp", None),
        (".x.y-00000000.tmp", None),
        (".x.²-00000000.tmp", None),
        (".x.1-000.tmp", None),
        ("foo.tmp", None),
        (".x.1-00000000", None),
    ],
)
def test_who_wrote_a_temporary_file_is_in_its_name(name: str, writer: int | None) -> None:
    assert files.writer_of(name) == writer


# --- keep and remove ---


def test_what_is_kept_is_kept_once_and_nothing_is_overwritten(tmp_path: Path) -> None:
    place = tmp_path / "quarantine"
    assert files.keep(place, "log", b"one") == place / "log.0"
    assert files.keep(place, "log", b"two") == place / "log.1"
    assert files.keep(place, "log", b"one") == place / "log.0"
    assert files.keep(place, "log", b"two") == place / "log.1"
    assert [one.read_bytes() for one in sorted(place.iterdir())] == [b"one", b"two"]


def test_nothing_is_kept_by_way_of_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "quarantine").symlink_to("elsewhere")
    with pytest.raises(DamagedError):
        files.keep(tmp_path / "quarantine", "log", b"one")
    assert [*(tmp_path / "elsewhere").iterdir()] == []


def test_removing_is_fine_where_nothing_is(tmp_path: Path, fd: int) -> None:
    (tmp_path / "x").touch()
    files.remove(fd, "x")
    files.remove(fd, "x")
    (tmp_path / "d").mkdir()
    with pytest.raises(MasError, match="cannot write 'd'"):
        files.remove(fd, "d")


# --- locks ---


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds ``a.lock``."""
    words = [sys.executable, "-c", LOCK_HELD, str(tmp_path / "a.lock")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_wait_that_runs_out_names_the_holder(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(BusyError, match=rf"a is in use by process {holder.pid} \(python") as busy, _locked(tmp_path):
        pass
    assert "nobody's lock is ever broken" in (busy.value.hint or "")
    assert files.is_locked(tmp_path / "a.lock")


def test_a_stopped_holder_is_named_with_its_state_and_holds_on(
    tmp_path: Path, holder: subprocess.Popen[str], wait_until: Wait
) -> None:
    holder.send_signal(signal.SIGSTOP)
    wait_until(lambda: " T " in Path(f"/proc/{holder.pid}/stat").read_text())
    with pytest.raises(BusyError, match=r"state T \(stopped\)"), _locked(tmp_path):
        pass


def test_a_killed_holder_holds_no_more(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()
    with _locked(tmp_path):
        assert not files.is_locked(tmp_path / "b.lock")


def _locked(tmp_path: Path, timeout: float = 0.05) -> AbstractContextManager[None]:
    return files.lock(tmp_path / "a.lock", timeout)


def test_a_lock_is_reentrant_in_its_thread_and_only_there(tmp_path: Path) -> None:
    outcomes: list[str] = []

    def other() -> None:
        try:
            with _locked(tmp_path):
                outcomes.append("held")
        except BusyError:
            outcomes.append("busy")

    def run() -> None:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()

    with _locked(tmp_path):
        with _locked(tmp_path):
            run()
        run()
    run()
    assert outcomes == ["busy", "busy", "held"]


def test_threads_take_turns(tmp_path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(20):
            with files.lock(tmp_path / "a.lock"):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 80


def test_a_child_inherits_no_lock(tmp_path: Path) -> None:
    """Neither one that is forked nor one that is started."""
    with _locked(tmp_path):
        ending = failpoints.run(lambda done: done(_try(tmp_path)), failpoints.NEVER)
        assert (ending.acknowledged, ending.error) == (("busy",), "")
        child = subprocess.Popen(["sleep", "1000"], close_fds=False)
        try:
            held = [os.readlink(link) for link in Path(f"/proc/{child.pid}/fd").iterdir()]  # noqa: PTH115
            assert not [name for name in held if name.endswith(".lock")]
        finally:
            child.kill()
            child.wait()
    assert _try(tmp_path) == "held"


def _try(tmp_path: Path) -> str:
    try:
        with _locked(tmp_path):
            return "held"
    except BusyError:
        return "busy"


def test_objects_do_not_pile_up(tmp_path: Path) -> None:
    before = len(files._locks)
    for number in range(50):
        with files.lock(tmp_path / f"{number}.lock"):
            assert len(files._locks) == before + 1
    assert len(files._locks) == before


def test_the_file_of_a_lock_that_guards_nothing_goes_with_it(tmp_path: Path) -> None:
    lock, thing = tmp_path / "a.lock", tmp_path / "thing"
    with files.lock(lock, guards=thing):
        with files.lock(lock, guards=thing):
            pass
        assert lock.exists()
    assert not lock.exists()
    thing.mkdir()
    with files.lock(lock, guards=thing):
        pass
    assert lock.exists()


def test_a_lock_that_is_no_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a.lock").symlink_to("elsewhere")
    with pytest.raises(MasError, match="cannot write"), _locked(tmp_path):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_no_lock_is_taken_in_a_directory_that_is_a_link(tmp_path: Path) -> None:
    """Who reaches the directory by another name would take another lock."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "locks").symlink_to("elsewhere")
    (tmp_path / "elsewhere" / "b.lock").touch()
    with pytest.raises(DamagedError, match="locks' is not a directory of its own"), _locked(tmp_path / "locks"):
        pass
    assert not files.is_locked(tmp_path / "locks" / "b.lock")
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["b.lock"]
    (tmp_path / "locks").unlink()
    (tmp_path / "locks").symlink_to("nowhere")
    with pytest.raises(MasError, match="locks': file exists"), _locked(tmp_path / "locks"):
        pass


def test_looking_makes_no_file(tmp_path: Path) -> None:
    assert not files.is_locked(tmp_path / "a.lock")
    assert [*tmp_path.iterdir()] == []


def test_a_waiter_gets_the_lock_of_a_removed_file_anew(tmp_path: Path) -> None:
    """Who removes the file it holds leaves nobody behind with a lock that guards no name."""
    order: list[str] = []
    began = threading.Event()

    def wait() -> None:
        began.set()
        with files.lock(tmp_path / "a.lock", guards=tmp_path / "none"):
            order.append("second")

    with files.lock(tmp_path / "a.lock", guards=tmp_path / "none"):
        thread = threading.Thread(target=wait)
        thread.start()
        began.wait()
        deadline = time.monotonic() + 0.05
        while time.monotonic() < deadline:
            os.sched_yield()
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert [*tmp_path.iterdir()] == []


def test_a_lock_inside_of_what_is_gone_does_not_make_it_again(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), files.lock(tmp_path / "gone" / ".a.lock", inside=True):
        pass
    assert list(tmp_path.iterdir()) == []
