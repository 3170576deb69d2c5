"""The crowd of ``scripts/crowd``: many teams on one tmux server, and one more than there is room for."""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import roots

from mas.app import Mas
from mas.errors import CapacityError
from mas.paths import Root
from mas.planning import StartOptions

AGENTS = 13
AT_ONCE = 8
"""Messages under way: an agent that was just started is given two seconds to show that it reads."""


def say(text: str) -> None:
    """A line, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def must(holds: object, what: str) -> None:
    """End here where something is not as it must be."""
    if not holds:
        sys.exit(f"FAILED: {what}")


@contextmanager
def took(what: str) -> Iterator[None]:
    """Say how long something took."""
    begin = time.monotonic()
    yield
    say(f"{what}: {time.monotonic() - begin:.1f} s")


class Crowd:
    """A root and a tmux server of their own, whose descriptors may be limited."""

    def __init__(self, place: Path, name: str, limit: int | None = None) -> None:
        self.socket = place / f"tmux-{name}"
        self.env = {word: value for word, value in os.environ.items() if not word.startswith(("MAS_", "TMUX"))}
        self.env |= {"MAS_TMUX_SOCKET": str(self.socket), "MAS_ROOT": str(place / name)}
        self.mas = Mas(Root(place / name), self.env, place)
        self.mas.root.path.mkdir()
        bound = f"ulimit -n {limit}; " if limit else ""
        line = f'{bound}exec tmux -S "$0" -f /dev/null new-session -d -s mine cat'
        subprocess.run(["sh", "-c", line, self.socket], check=True, env=self.env)

    def start(self) -> str:
        """One more team; its id."""
        return self.mas.start(self.mas.plan(StartOptions(template="default", command="cat -"))).session.session_id

    def run(self, *words: str) -> str:
        """What the program prints."""
        argv = [sys.executable, "-P", "-m", "mas", *words]
        done = subprocess.run(argv, env=self.env, capture_output=True, text=True, check=False, timeout=300)
        must(done.returncode == 0, f"mas {' '.join(words)}: {done.stdout[-500:]}{done.stderr}")
        return done.stdout

    def panes(self) -> int:
        """How many panes our teams have, by the word of tmux."""
        return sum(map(bool, roots.tmux(self.socket, "list-panes", "-a", "-F", "#{@mas_session}")))

    def whole(self) -> None:
        """Nothing is half-made, left over, or up in one place alone."""
        found = list(roots.violations(self.mas, self.socket))
        must(not found, "; ".join(found[:5]))

    def stop(self) -> None:
        """Stop all, and see that nothing is left of them."""
        self.run("stop", "--all", "-f", "-q")
        must(self.panes() == 0, f"{self.panes()} panes are left")
        must(not roots.launched(self.mas), f"processes are left: {roots.launched(self.mas)}")
        self.whole()

    def end(self) -> None:
        """End the server, and so whatever is left."""
        roots.tmux(self.socket, "kill-server")


def many(crowd: Crowd, sessions: int) -> None:
    """As many teams as are wanted: started, listed, written to, stopped."""
    with took(f"started {sessions} sessions of {AGENTS} agents"):
        ids = [crowd.start() for _ in range(sessions)]
    must(crowd.panes() == sessions * AGENTS, f"there are {crowd.panes()} panes, not {sessions * AGENTS}")
    with took("listed"):
        rows = json.loads(crowd.run("list", "--all", "--json"))
    listed = {row["sessionId"] for row in rows["sessions"] if row["status"] == "active"}
    must(listed == set(ids), f"{len(listed)} of {sessions} are listed as active")
    with took("one message to an agent of each, one to all of the last"):
        with ThreadPoolExecutor(AT_ONCE) as several:
            list(several.map(lambda one: crowd.run("send", "--session", one, "10", f"hello {one}"), ids))
        crowd.run("send", "--session", ids[-1], "all", "hello everybody")
    for session_id in (ids[0], ids[-1]):
        must(f"hello {session_id}" in crowd.run("capture", session_id, "-a", "10"), f"{session_id} shows no message")
    with took("stopped"):
        crowd.stop()


def too_many(crowd: Crowd, limit: int) -> None:
    """Until there is no room: the last one is refused in one line, and the others never notice."""
    ids: list[str] = []
    refusal = ""
    with took(f"filled a tmux server of {limit} descriptors"):
        while not refusal:
            must(len(ids) * AGENTS <= limit, f"{len(ids)} sessions fit where {limit} descriptors are")
            try:
                ids.append(crowd.start())
            except CapacityError as error:
                refusal = str(error)
    say(f"{len(ids)} fit; the next one was refused: {refusal}")
    must("\n" not in refusal, "the refusal has more than one line")
    must(ids, f"not even one fits where {limit} descriptors are")
    must(crowd.panes() == len(ids) * AGENTS, f"there are {crowd.panes()} panes, not {len(ids) * AGENTS}")
    crowd.whole()
    crowd.run("send", "--session", ids[0], "all", "still there?")
    crowd.stop()
    crowd.start()
    say("after they were stopped there is room again")
    crowd.stop()


def main() -> None:
    """Both."""
    parser = argparse.ArgumentParser(prog="scripts/crowd", description="Have a crowd of teams up at once.")
    parser.add_argument("--sessions", type=int, default=100, help="how many (default: %(default)s)")
    parser.add_argument("--limit", type=int, default=100, help="descriptors of the small server (default: %(default)s)")
    given = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a tmux server has a descriptor for each pane
    with tempfile.TemporaryDirectory(prefix="mas-crowd-") as directory:
        place = Path(directory)
        for name, limit in (("many", None), ("few", given.limit)):
            crowd = Crowd(place, name, limit)
            try:
                too_many(crowd, limit) if limit else many(crowd, given.sessions)
            finally:
                crowd.end()
    say("all as it must be")


if __name__ == "__main__":
    main()
