"""Surveying hostile trees and reading files that may be something else."""

import os
import resource
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mas.errors import MasError, NotFoundError, RefusedError
from mas.trees import MIB, WORKSPACE, Limits, read_small, survey


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "template"
    (top / "unit/00").mkdir(parents=True)
    (top / "unit/00/README.md").write_text("read me")
    return top


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        directory = os.open(path.parent, os.O_RDONLY)
        server.bind(f"/proc/self/fd/{directory}/{path.name}")
        os.close(directory)


def make_device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root makes devices")


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


def refusal(tree: Path, limits: Limits | None = None) -> str:
    with pytest.raises(RefusedError) as caught:
        survey(tree, limits or Limits())
    assert caught.value.hint
    return caught.value.message


def test_a_survey_counts_what_a_copy_would_take(tree: Path) -> None:
    (tree / "workflows").mkdir()
    (tree / "workflows/guide.md").write_bytes(b"x" * 1000)
    found = survey(tree)
    assert (found.entries, found.bytes, found.source) == (5, 1007, tree)


def test_what_is_not_taken_is_not_looked_at(tree: Path) -> None:
    (tree / "secret").symlink_to("/etc/passwd")
    (tree / "unit/01").mkdir()
    (tree / "unit/01/secret").symlink_to("/etc/passwd")
    found = survey(tree, take=lambda place: place not in {"secret", "unit/01"})
    assert (found.entries, found.bytes) == (3, 7)


def test_a_part_of_a_tree_is_counted_by_itself(tree: Path) -> None:
    (tree / "workflows").mkdir()
    (tree / "workflows/link").symlink_to("nowhere")
    found = survey(tree, WORKSPACE)
    unit, workflows = found.part("unit"), found.part("workflows")
    assert unit
    assert workflows
    assert (unit.source, unit.entries, unit.bytes) == (tree / "unit", 2, 7)
    assert (workflows.entries, workflows.bytes) == (1, 0)
    assert found.part("README.md") is None


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda path: path.symlink_to("README.md"), "a symbolic link"),
        (lambda path: path.symlink_to(".."), "a symbolic link"),
        (lambda path: path.symlink_to(path), "a symbolic link"),
        (lambda path: path.symlink_to("/dev/zero"), "a symbolic link"),
        (os.mkfifo, "a named pipe"),
        (make_socket, "a socket"),
        (make_device, "a device"),
    ],
    ids=["link inside", "link to its parent", "link to itself", "link to a device", "pipe", "socket", "device"],
)
def test_what_is_no_file_is_refused_by_name(tree: Path, make: Callable[[Path], None], kind: str) -> None:
    make(tree / "unit/00/odd one")
    message = refusal(tree)
    assert "unit/00/odd one" in message
    assert message.endswith(f"is {kind}")


def test_a_tree_of_our_own_keeps_links_and_leaves_out_the_rest(tree: Path) -> None:
    (tree / "python").symlink_to("/usr/bin/python3")
    os.mkfifo(tree / "pipe")
    make_socket(tree / "unit/socket")
    found = survey(tree, WORKSPACE)
    assert found.top.links == [("python", "/usr/bin/python3")]
    assert not found.top.files


def test_a_sparse_terabyte_is_refused(tree: Path) -> None:
    with (tree / "huge").open("wb") as file:
        file.truncate(1 << 40)
    assert refusal(tree).endswith("huge' is larger than 64 MiB")


def test_the_sum_of_all_files_is_limited(tree: Path) -> None:
    for number in range(5):
        with (tree / f"large-{number}").open("wb") as file:
            file.truncate(64 * MIB)
    assert refusal(tree).endswith("is larger than 256 MiB in all")


def test_a_file_at_the_limit_passes(tree: Path) -> None:
    with (tree / "large").open("wb") as file:
        file.truncate(64 * MIB)
    assert survey(tree).bytes == 64 * MIB + 7


def test_more_than_ten_thousand_entries_are_refused(tmp_path: Path) -> None:
    top = tmp_path / "many"
    top.mkdir()
    for number in range(10_000):
        (top / str(number)).touch()
    assert survey(top).entries == 10_000
    (top / "one more").touch()
    assert refusal(top).endswith("is made of more than 10000 entries")


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    before = Path.cwd()
    top = tmp_path / "deep"
    top.mkdir()
    os.chdir(top)
    for _ in range(3000):
        Path("d").mkdir()
        os.chdir("d")
    os.chdir(before)
    assert refusal(top).endswith("is below more than 64 directories")
    assert refusal(top, Limits(depth=3)).endswith("is below more than 3 directories")
    flatten(top)


def flatten(top: Path) -> None:
    """Take a tree apart that is too deep to be removed by path."""
    while (inner := top / "d").exists():
        inner.rename(top.with_name("rest"))
        top.rmdir()
        top.with_name("rest").rename(top)


def test_a_source_that_is_a_link_is_not_followed(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tree)
    with pytest.raises(NotFoundError, match="link"):
        survey(tmp_path / "link")


def test_a_source_that_is_missing_or_a_file_is_not_found(tree: Path) -> None:
    for source in (tree / "missing", tree / "unit/00/README.md"):
        with pytest.raises(NotFoundError):
            survey(source)


def test_a_source_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    with pytest.raises(MasError, match="File name too long"):
        survey(tmp_path / ("x" * 300))


def test_a_directory_that_may_not_be_read_is_named(tree: Path) -> None:
    (tree / "unit/00").chmod(0)
    with kept_out(tree.parent), pytest.raises(MasError, match=r"cannot read 'template/unit/00': Permission denied"):
        survey(Path("template"))


def test_running_out_of_descriptors_inside_a_tree_names_the_place(tree: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = [os.dup(0) for _ in range(3)]  # the lowest ones that are
    for descriptor in free:
        os.close(descriptor)
    for spare, place in ((1, "template"), (2, "unit"), (3, "unit/00")):
        resource.setrlimit(resource.RLIMIT_NOFILE, (free[spare - 1] + 1, hard))
        try:
            with pytest.raises(MasError, match="Too many open files") as caught:
                survey(tree)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert place in caught.value.message


def test_names_of_any_bytes_are_shown_on_one_printable_line(tmp_path: Path) -> None:
    top = tmp_path / "tree"
    top.mkdir()
    os.mkfifo(os.fsencode(top) + b"/a\nb\xff\x1b[2J")
    message = refusal(top)
    assert message.isprintable()
    assert "a\\nb\\udcff\\x1b[2J" in message


def test_read_small_reads_a_regular_file(tree: Path) -> None:
    assert read_small(tree / "unit/00/README.md") == b"read me"


def test_read_small_follows_a_link_only_where_asked(tree: Path) -> None:
    (tree / "link").symlink_to("unit/00/README.md")
    assert read_small(tree / "link", follow=True) == b"read me"
    with pytest.raises(RefusedError, match="a symbolic link"):
        read_small(tree / "link")


def test_read_small_refuses_what_would_block_or_never_end(tree: Path) -> None:
    os.mkfifo(tree / "pipe")
    with pytest.raises(RefusedError, match="a named pipe"):
        read_small(tree / "pipe")
    with pytest.raises(RefusedError, match="a device"):
        read_small(Path("/dev/zero"))
    with pytest.raises(RefusedError, match="a directory"):
        read_small(tree)


def test_read_small_refuses_a_large_file(tree: Path) -> None:
    (tree / "large").write_bytes(b"x" * (MIB + 1))
    with pytest.raises(RefusedError, match="larger than 1 MiB"):
        read_small(tree / "large")


def test_read_small_tells_what_is_missing(tree: Path) -> None:
    with pytest.raises(NotFoundError, match=r"team\.toml"):
        read_small(tree / "team.toml")
    with pytest.raises(NotFoundError):
        read_small(tree / "unit/00/README.md/below a file")
