"""What copying a template costs, as a ratio to ``shutil.copytree`` and ``cp -r`` in the same run.

Nothing is removed between rounds: ext4 makes files more slowly for some seconds after others were removed.

    python benchmarks/copying.py [--rounds N] [--check] [--directory DIRECTORY]
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from ratios import Report, Way, arguments, interleaved

from mas import copying, trees

KIB = 1024
COPYTREE = "shutil.copytree"


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
    copying.copy(trees.survey(source), target)


def copy_cp(source: Path, target: Path) -> None:
    """A shell script's way; starting ``cp`` is part of what it costs."""
    subprocess.run(["cp", "-r", "--", source, target], check=True)


WAYS: dict[str, Callable[[Path, Path], object]] = {
    COPYTREE: shutil.copytree,
    "cp -r": copy_cp,
    "mas.copying": copy_ours,
}


def into(target: Path, source: Path, copy: Callable[[Path, Path], object]) -> Way:
    """A way that copies to another place each time."""
    turn = iter(range(sys.maxsize))
    return lambda: copy(source, Path(f"{target}-{next(turn)}"))


def main() -> None:
    """Measure a template like the default one and a large one; a directory on the disk in question may be given."""
    parser = arguments(__doc__ or "", 12)
    parser.add_argument("--directory", help="where the copies are made (default: a temporary directory)")
    given = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory(dir=given.directory, prefix="mas-copying-") as directory:
        for title, most, shape, rounds in (
            ("13 directories, 78 files, 0.3 MB", 0.6, (13, 6, 4 * KIB), given.rounds),
            ("13 directories, 1300 files, 63 MB", 0.8, (13, 100, 48 * KIB), max(3, given.rounds // 4)),
        ):
            place = Path(directory) / str(shape[1])
            source = make_tree(place / "source", *shape)
            ways = {name: into(place / name.replace(" ", ""), source, way) for name, way in WAYS.items()}
            medians = interleaved(ways, rounds)
            report.table(title, medians)
            report.ratio(
                f"mas.copying to shutil.copytree, {title}", medians["mas.copying"] / medians[COPYTREE], most=most
            )
            report.ratio(f"mas.copying to cp -r, {title}", medians["mas.copying"] / medians["cp -r"])
    report.end(check=given.check)


if __name__ == "__main__":
    main()
