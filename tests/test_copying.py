"""Copying trees: what arrives, what is refused, and that a failure leaves nothing."""

import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas import copying, trees
from mas.errors import ExistsError, MasError

OUTSIDE = "not for copying"
MEMORY = Path("/dev/shm")  # noqa: S108  a file system of its own is wanted, not a place for secrets


@pytest.fixture
def source(tmp_path: Path) -> Path:
    top = tmp_path / "a source"
    (top / "unit/00").mkdir(parents=True)
    (top / "unit/00/README.md").write_text("read me")
    (top / "unit/00/empty").touch()
    (top / "unit/nothing in it").mkdir()
    (top / "script").write_text("#!/bin/sh\n")
    (top / "script").chmod(0o755)
    return top


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "a target"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    top = tmp_path / "elsewhere"
    top.mkdir()
    (top / "README.md").write_text(OUTSIDE)
    return top


@pytest.fixture
def other_filesystem(tmp_path: Path) -> Iterator[Path]:
    if not os.access(MEMORY, os.W_OK) or MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is only one file system to write to")
    with tempfile.TemporaryDirectory(dir=MEMORY) as directory:
        yield Path(directory)


def contents(top: Path) -> dict[str, tuple[int, bytes | None]]:
    """Each name below top with its mode and, for a file, its bytes."""
    found = {"": (stat.S_IMODE(top.stat().st_mode), None)}
    return found | {
        str(path.relative_to(top)): (stat.S_IMODE(path.stat().st_mode), path.read_bytes() if path.is_file() else None)
        for path in top.rglob("*")
    }


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@contextmanager
def kept_out(place: Path) -> Iterator[None]:
    """Work in ``place`` as somebody whom the modes of files keep out, which they never do with root."""
    place.chmod(0o777)
    before, user = Path.cwd(), os.geteuid()
    os.chdir(place)
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
        os.chdir(before)


def test_a_copy_equals_its_source_and_shares_nothing_with_it(source: Path, target: Path) -> None:
    before = open_descriptors()
    tree = trees.survey(source)
    copying.copy(tree, target)
    assert contents(target) == contents(source)
    assert tree.entries == 6
    (target / "script").write_text("changed")
    assert (source / "script").read_text() == "#!/bin/sh\n"
    assert open_descriptors() == before


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_modes_do_not_depend_on_the_umask(source: Path, target: Path, umask: int) -> None:
    (source / "private").touch(mode=0o600)
    (source / "unit").chmod(0o750)
    before = os.umask(umask)
    try:
        copying.copy(trees.survey(source), target)
    finally:
        os.umask(before)
    assert contents(target) == contents(source)


def test_setuid_setgid_and_sticky_are_dropped(source: Path, target: Path) -> None:
    (source / "script").chmod(0o6755)
    (source / "unit").chmod(0o3775)
    copying.copy(trees.survey(source), target)
    assert stat.S_IMODE((target / "script").stat().st_mode) == 0o755
    assert stat.S_IMODE((target / "unit").stat().st_mode) == 0o775


def test_a_copied_directory_is_always_open_to_its_owner(source: Path, target: Path) -> None:
    (source / "unit/00").chmod(0o555)
    copying.copy(trees.survey(source), target)
    assert stat.S_IMODE((target / "unit/00").stat().st_mode) == 0o755
    shutil.rmtree(target)


names = st.binary(min_size=1, max_size=12).filter(lambda name: not set(name) & set(b"/\0") and name.strip(b"."))


@given(files=st.dictionaries(names, st.tuples(st.binary(max_size=200), st.integers(0o400, 0o777)), max_size=6))
def test_names_and_bytes_arrive_as_they_are(files: dict[bytes, tuple[bytes, int]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        source, target = Path(directory, "source"), Path(directory, "target")
        source.mkdir()
        for name, (data, mode) in files.items():
            path = source / os.fsdecode(name)
            path.write_bytes(data)
            path.chmod(mode)
        copying.copy(trees.survey(source), target)
        assert contents(target) == contents(source)


def test_a_newline_and_broken_utf8_in_a_directory_name(source: Path, target: Path) -> None:
    odd = source / os.fsdecode(b"line\nbreak \xff")
    odd.mkdir()
    (odd / "file").touch()
    copying.copy(trees.survey(source), target)
    assert contents(target) == contents(source)


def test_hard_links_become_files_of_their_own(source: Path, target: Path) -> None:
    (source / "second").hardlink_to(source / "script")
    copying.copy(trees.survey(source), target)
    assert (target / "second").stat().st_nlink == 1


def test_an_existing_target_is_refused_and_left_alone(source: Path, target: Path) -> None:
    target.mkdir()
    with pytest.raises(ExistsError, match="already there"):
        copying.copy(trees.survey(source), target)
    assert list(target.iterdir()) == []


def test_a_target_without_a_parent_says_so(source: Path, tmp_path: Path) -> None:
    with pytest.raises(MasError, match="no such file or directory"):
        copying.copy(trees.survey(source), tmp_path / "missing/target")


def test_links_of_our_own_trees_are_copied_as_links(source: Path, target: Path) -> None:
    for place, leads_to in {"python": "/usr/bin/python3", "unit/up": "../..", "gone": "nowhere"}.items():
        (source / place).symlink_to(leads_to)
    copying.copy(trees.survey(source, trees.WORKSPACE), target)
    assert (target / "python").readlink() == Path("/usr/bin/python3")
    assert (target / "unit/up").readlink() == Path("../..")
    assert (target / "gone").is_symlink()


def replace_by_link(path: Path, leads_to: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    path.symlink_to(leads_to)


def rewrite(path: Path, _: Path) -> None:
    """Write the same number of other bytes, until the time of change shows it."""
    before = path.stat().st_ctime_ns
    while path.stat().st_ctime_ns == before:
        path.write_text("EAD MER")


def replace_by_pipe(path: Path, _: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("place", "change"),
    [
        ("unit/00/README.md", lambda path, elsewhere: replace_by_link(path, elsewhere / "README.md")),
        ("unit/00", replace_by_link),
        ("unit", replace_by_link),
        ("", replace_by_link),
        ("unit/00/README.md", rewrite),
        ("unit/00/README.md", lambda path, _: path.write_text("more than was there")),
        ("unit/00/README.md", lambda path, _: path.write_text("less")),
        ("unit/00/README.md", lambda path, _: path.unlink()),
        ("unit/nothing in it", lambda path, _: path.rmdir()),
        ("unit/00/README.md", replace_by_pipe),
        ("unit/00/empty", replace_by_pipe),
    ],
    ids=[
        "a file became a link",
        "a directory became a link",
        "an outer directory became a link",
        "the source became a link",
        "a file was rewritten",
        "a file grew",
        "a file shrank",
        "a file went away",
        "a directory went away",
        "a file became a pipe",
        "an empty file became a pipe",
    ],
)
def test_what_changes_after_the_survey_is_an_error(
    source: Path, target: Path, elsewhere: Path, place: str, change: Callable[[Path, Path], object]
) -> None:
    tree = trees.survey(source)
    change(source / place, elsewhere)
    with pytest.raises(MasError, match="changed while it was copied"):
        copying.copy(tree, target)
    assert not target.exists()


def test_what_appears_after_the_survey_is_not_copied(source: Path, target: Path) -> None:
    tree = trees.survey(source)
    (source / "unit/00/late").write_text(OUTSIDE)
    copying.copy(tree, target)
    assert not (target / "unit/00/late").exists()


def test_a_file_that_cannot_be_opened_names_the_reason(source: Path, target: Path) -> None:
    tree = trees.survey(source)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 2, hard))
    try:
        with pytest.raises(MasError, match="Too many open files"):
            copying.copy(tree, target)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_file_that_may_not_be_read_is_named(source: Path, target: Path) -> None:
    (source / "unit/00/README.md").chmod(0)
    message = r"cannot read .*unit/00/README\.md.*Permission denied"
    with kept_out(source.parent), pytest.raises(MasError, match=message):
        copying.copy(trees.survey(Path("a source")), Path("a target"))
    assert not target.exists()


def test_another_file_system_is_reached_without_help_of_the_kernel(source: Path, other_filesystem: Path) -> None:
    (source / "large").write_bytes(os.urandom(3 * trees.MIB + 17))
    copying.copy(trees.survey(source), other_filesystem / "there")
    assert contents(other_filesystem / "there") == contents(source)
    copying.copy(trees.survey(other_filesystem / "there"), source.with_name("and back"))
    assert contents(source.with_name("and back")) == contents(source)


def test_a_file_that_shrank_is_noticed_on_another_file_system_too(source: Path, other_filesystem: Path) -> None:
    tree = trees.survey(source)
    (source / "script").write_text("")
    with pytest.raises(MasError, match="changed while it was copied"):
        copying.copy(tree, other_filesystem / "there")


def test_a_write_that_fails_names_the_file_and_leaves_nothing(source: Path, target: Path) -> None:
    (source / "unit/00/large").write_bytes(b"x" * 5000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(MasError, match=r"a target/unit/00/large.*file too large"):
            copying.copy(trees.survey(source), target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not target.exists()


@pytest.fixture
def large(source: Path) -> Path:
    """A tree that two threads copy."""
    for number in range(40):
        (source / f"unit/00/part-{number}").write_bytes(os.urandom(256 * 1024))
    assert trees.survey(source).bytes > copying.TWO_THREADS_FROM
    return source


def test_a_large_tree_arrives_whole(large: Path, target: Path) -> None:
    before = open_descriptors()
    copying.copy(trees.survey(large), target)
    assert contents(target) == contents(large)
    assert open_descriptors() == before


def test_links_of_a_large_tree_of_our_own_are_made_once(large: Path, target: Path) -> None:
    (large / "unit/link").symlink_to("00")
    copying.copy(trees.survey(large, trees.WORKSPACE), target)
    assert (target / "unit/link").readlink() == Path("00")


@pytest.mark.parametrize("number", range(4))
def test_an_error_in_either_thread_fails_the_whole_copy(large: Path, target: Path, number: int) -> None:
    tree = trees.survey(large)
    (large / f"unit/00/part-{number}").write_text("short")
    with pytest.raises(MasError, match=f"part-{number}"):
        copying.copy(tree, target)
    assert not target.exists()


def test_an_interrupted_copy_leaves_nothing(tmp_path: Path, target: Path) -> None:
    source = tmp_path / "many"
    source.mkdir()
    for number in range(3000):
        (source / str(number)).touch()
    tree = trees.survey(source)

    def interrupt(*_: object) -> None:
        if target.exists() and any(target.iterdir()):  # what comes before the first file is not the copy's to undo
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        with pytest.raises(KeyboardInterrupt):
            copying.copy(tree, target)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert not target.exists()


FULL = """
import sys
from pathlib import Path
from mas import copying, trees
from mas.errors import CapacityError
try:
    copying.copy(trees.survey(Path(sys.argv[1]), trees.WORKSPACE), Path(sys.argv[2], "target"))
except CapacityError as error:
    print(error)
print(sorted(path.name for path in Path(sys.argv[2]).iterdir()))
"""


def copy_to_small_disk(source: Path, place: Path, options: str) -> str:
    """Copy to a file system of its own, in a name space of its own; what was said and what was left."""
    place.mkdir()
    script = 'mount -t tmpfs -o "$4" none "$3" && exec "$0" -c "$1" "$2" "$3"'
    words = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script]
    done = subprocess.run(
        [*words, sys.executable, FULL, source, place, options], capture_output=True, text=True, check=False, timeout=30
    )
    if done.returncode:
        pytest.skip(f"no file system of our own to be had here: {done.stderr}")
    return done.stdout


@pytest.mark.parametrize("options", ["size=64k", "nr_inodes=2", "nr_inodes=3", "nr_inodes=5", "nr_inodes=9"])
def test_a_full_disk_is_named_and_nothing_is_left(source: Path, tmp_path: Path, options: str) -> None:
    (source / "unit/00/large").write_bytes(b"x" * 100_000)
    (source / "link").symlink_to("script")
    (source / "unit/link").symlink_to("00")
    said, left = copy_to_small_disk(source, tmp_path / "disk", options).splitlines()
    assert said.startswith("cannot write ")
    assert said.endswith("no space left on device")
    assert f"{tmp_path}/disk/target" in said
    assert left == "[]"
