"""What the bash library costs, as ratios to a bash that does nothing, started in the same run.

Sourcing a file of it, and reading a session's state once it is sourced; a bash that asks the program instead is shown
beside. How many processes a read starts is told by the kernel's last process number, read by the shell before and
after; the least of several times is that of the read alone, whatever else the machine starts.

    python benchmarks/lib.py [--rounds N] [--check]
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from ratios import Report, arguments, interleaved

from mas.index import Index, encode
from mas.paths import Root
from mas.projections import SHELL_KEYS, encode_shell

LIB = Path(__file__).resolve().parents[1] / "lib"
PROGRAM = Path(sys.executable).with_name("mas")
NOTHING = "bash --norc -c :"
ID = "1234abcd-0000-4000-8000-000000000001"
ROWS = 1000
SESSION = f"source '{LIB}/session.sh'"
READS = {
    "load_session_metadata": f"load_session_metadata {ID}",
    "get_session_unit_dir, by id": f"get_session_unit_dir {ID}",
    f"get_session_unit_dir, by tmux name among {ROWS:,}": f"get_session_unit_dir mas-{ID[:8]}",
}
COUNTED = """
read -r _ _ _ _ __before </proc/loadavg
%s >/dev/null
read -r _ _ _ _ __after </proc/loadavg
echo $((__after - __before))
"""


def make_root(directory: Path) -> Root:
    """A root with one session to read, and an index of many."""
    root = Root(directory)
    place = root.sessions / ID
    place.mkdir(parents=True)
    values = dict.fromkeys(SHELL_KEYS, "x") | {"SESSION_ID": ID, "UNIT_DIR": str(place / "unit")}
    (place / ".session").write_bytes(encode_shell(values))
    rows = []
    for number in range(ROWS):
        name = f"{number:08x}" if number else ID[:8]
        session_id = name + ID[8:]
        row = {"sessionId": session_id, "tmuxSession": f"mas-{name}", "workingDir": str(root.sessions / session_id)}
        rows.append(row)
    root.index.write_bytes(b"".join(encode(Index.of(rows), "2026-01-02T03:04:05Z")))
    return root


def scripts() -> dict[str, str]:
    """The scripts that are compared."""
    return {
        NOTHING: ":",
        "source tmux.sh": f"source '{LIB}/tmux.sh'",
        "source session.sh": SESSION,
        "source session.sh twice": f"{SESSION}; {SESSION}",
        "source message.sh (all of it)": f"source '{LIB}/message.sh'",
        **{name: f"{SESSION}; {script}" for name, script in READS.items()},
        "mas path, a program": f"'{PROGRAM}' path {ID}",
    }


def bash(script: str, root: Root) -> str:
    """What a script prints."""
    words = ["bash", "--norc", "-c", script]
    return subprocess.run(words, check=True, env={"MAS_ROOT": str(root.path)}, stdout=subprocess.PIPE, text=True).stdout


def judge(report: Report, medians: Mapping[str, float]) -> None:
    """Each way against a bash that does nothing."""
    report.table("a whole bash", medians)
    for name, median in medians.items():
        most = 4 if name == "source session.sh" else None
        report.ratio(f"{name} to {NOTHING}", median / medians[NOTHING], most=most)


def started(script: str, root: Root, rounds: int) -> int:
    """How many processes a read starts, once the library is sourced."""
    return min(int(bash(f"{SESSION}; {COUNTED % script}", root)) for _ in range(rounds))


def main() -> None:
    """Measure, and print each way beside its ratio to doing nothing."""
    given = arguments(__doc__ or "", 30).parse_args()
    report = Report()
    with tempfile.TemporaryDirectory(prefix="mas-lib-") as directory:
        root = make_root(Path(directory))
        ways: dict[str, Callable[[], str]] = {
            name: lambda script=script: bash(script, root)  # type: ignore[misc]
            for name, script in scripts().items()
        }
        judge(report, interleaved(ways, given.rounds))
        if started("x=$(:)", root, given.rounds) != 1:
            sys.exit("processes cannot be counted here")
        for name, script in READS.items():
            report.ratio(f"processes that {name} starts", started(script, root, given.rounds), most=0)
    report.end(check=given.check)


if __name__ == "__main__":
    main()
