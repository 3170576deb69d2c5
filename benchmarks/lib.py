"""What the bash library costs, as ratios to a bash that does nothing, started in the same run.

Sourcing a file of it, and reading a session's state once it is sourced; a bash that asks the program instead is shown
beside. The ways take turns, so that whatever else the machine does falls on all of them, and the medians are compared.

    python benchmarks/lib.py [ROUNDS]
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from mas.index import Index
from mas.paths import Root
from mas.projections import SHELL_KEYS, encode_shell

LIB = Path(__file__).resolve().parents[1] / "lib"
PROGRAM = Path(sys.executable).with_name("mas")
NOTHING = "bash --norc -c :"
ID = "1234abcd-0000-4000-8000-000000000001"
ROWS = 1000


def make_root(directory: Path) -> Root:
    """A root with one session to read, and an index of many."""
    root = Root(directory)
    place = root.sessions / ID
    place.mkdir(parents=True)
    values = dict.fromkeys(SHELL_KEYS, "x") | {"SESSION_ID": ID, "UNIT_DIR": str(place / "unit")}
    (place / ".session").write_bytes(encode_shell(values))
    index = Index()
    for number in range(ROWS):
        name = f"{number:08x}" if number else ID[:8]
        session_id = name + ID[8:]
        row = {"sessionId": session_id, "tmuxSession": f"mas-{name}", "workingDir": str(root.sessions / session_id)}
        index = index.with_row(row)
    root.index.write_bytes(index.encode("2026-01-02T03:04:05Z"))
    return root


def ways() -> dict[str, str]:
    """The scripts that are compared."""
    session = f"source '{LIB}/session.sh'"
    return {
        NOTHING: ":",
        "source tmux.sh": f"source '{LIB}/tmux.sh'",
        "source session.sh": session,
        "source session.sh twice": f"{session}; {session}",
        "source message.sh (all of it)": f"source '{LIB}/message.sh'",
        "load_session_metadata": f"{session}; load_session_metadata {ID}",
        f"get_session_unit_dir, by tmux name among {ROWS}": f"{session}; get_session_unit_dir mas-{ID[:8]}",
        "mas path, a program": f"'{PROGRAM}' path {ID}",
    }


def measure(scripts: Mapping[str, str], rounds: int, root: Root) -> dict[str, float]:
    """Median milliseconds of each way."""
    spent: dict[str, list[float]] = {name: [] for name in scripts}
    for _ in range(rounds):
        for name, script in scripts.items():
            start = time.perf_counter()
            words = ["bash", "--norc", "-c", script]
            subprocess.run(words, check=True, env={"MAS_ROOT": str(root.path)}, stdout=subprocess.DEVNULL)
            spent[name].append((time.perf_counter() - start) * 1000)
    return {name: statistics.median(times) for name, times in spent.items()}


def main() -> None:
    """Print each way beside its ratio to doing nothing."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    with tempfile.TemporaryDirectory(prefix="mas-lib-") as directory:
        medians = measure(ways(), rounds, make_root(Path(directory)))
    for name, median in medians.items():
        print(f"  {name:50} {median:8.2f} ms  {median / medians[NOTHING]:6.2f} x")


if __name__ == "__main__":
    main()
