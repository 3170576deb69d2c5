"""What copying a template costs, as a ratio to ``shutil.copytree`` and ``cp -r`` in the same run.

The ways take turns, so that whatever else the machine does falls on all of them, and the medians are compared. Nothing
is removed between rounds: ext4 makes files more slowly for some seconds after others were removed.

    python benchmarks/copying.py [ROUNDS] [DIRECTORY]
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from mas import copying

KIB = 1024


def make_tree(top: Path, directories: int, files: int, size: int) -> Path:
    """A tree of ``directories`` directories with ``files`` files of ``size`` bytes each."""
    content = bytes(range(256)) * (size // 256 + 1)
    for number in range(directories):
        directory = top / f"unit/{number:02}"
        directory.mkdir(parents=True)
        for place in range(files):
            (directory / f"file-{place}.md").write_bytes(content[:size])
    return top


def copy_ours(source: Path, target: Path) -> None:
    """The copy that ``mas start`` makes."""
    copying.copy_tree(source, target)


def copy_cp(source: Path, target: Path) -> None:
    """A shell script's way; starting ``cp`` is part of what it costs."""
    subprocess.run(["cp", "-r", "--", source, target], check=True)


WAYS: dict[str, Callable[[Path, Path], object]] = {
    "shutil.copytree": shutil.copytree,
    "cp -r": copy_cp,
    "mas.copying": copy_ours,
}


def measure(source: Path, into: Path, rounds: int) -> dict[str, float]:
    """Median milliseconds of each way."""
    spent: dict[str, list[float]] = {name: [] for name in WAYS}
    for turn in range(rounds):
        for name, way in WAYS.items():
            target = into / f"{turn}-{name.replace(' ', '')}"
            start = time.perf_counter()
            way(source, target)
            spent[name].append((time.perf_counter() - start) * 1000)
    return {name: statistics.median(times) for name, times in spent.items()}


def report(title: str, medians: dict[str, float]) -> None:
    """One table, each way beside its ratio to the standard library's."""
    print(title)
    for name, median in medians.items():
        print(f"  {name:16} {median:8.2f} ms  {median / medians['shutil.copytree']:5.2f} x")


def main() -> None:
    """Measure a template like the default one and a large one."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    place = sys.argv[2] if len(sys.argv) > 2 else None
    with tempfile.TemporaryDirectory(dir=place, prefix="mas-copying-") as directory:
        here = Path(directory)
        for title, shape in (
            ("13 directories, 78 files, 0.3 MB", (13, 6, 4 * KIB)),
            ("13 directories, 1300 files, 63 MB", (13, 100, 48 * KIB)),
        ):
            (into := here / str(shape[1])).mkdir()
            source = make_tree(into / "source", *shape)
            copy_ours(source, into / "warm-up")
            report(title, measure(source, into, rounds))


if __name__ == "__main__":
    main()
