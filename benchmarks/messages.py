"""What a message costs in process: a long text against ``send-keys`` in pieces, and everybody against one agent.

The agents are programs that read single keys, know bracketed paste and say on their screen how much they have got. A
text counts as delivered when the agent has its last byte.

    python benchmarks/messages.py [--rounds N] [--check]
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ratios import Report, Way, arguments, environment, interleaved

from mas import tmux
from mas.app import Mas
from mas.clock import utc_now
from mas.delivery import SendOptions, deliver
from mas.messages import Address, Message
from mas.paths import Root
from mas.planning import StartOptions
from mas.reach import Reach, reach

SIZE = 100_000
PIECE = 4000
"""Characters a call: tmux takes no argument beyond 16 KB, and a character may have four bytes."""

AGENT = "10"
END = "--end-of-text--"
PROGRAM = """
import os, sys, tty
end, seen, tail = sys.argv[2].encode(), 0, b""
tty.setraw(0)
os.write(1, b"\\x1b[?2004h> ")
while data := os.read(0, 65536):
    seen += len(data)
    os.write(1, b"\\r%d bytes" % seen)
    tail += data
    if end in tail:
        with open(sys.argv[1], "wb") as told:
            told.write(b".")
        tail = b""
    tail = tail[-len(end):]
"""


def long_text() -> str:
    """100 KB in lines, as a person might paste them, not all of it ASCII."""
    line = "The quick brown fox jumps over the lazy dog, über Stock und Stein, 日本.\n"
    body = (line * (SIZE // len(line.encode()) + 1)).encode()[: SIZE - len(END)].decode(errors="ignore")
    return body + END


class Team:
    """13 agents that are up, and the ways to type to one."""

    def __init__(self, mas: Mas, session_id: str, told: int) -> None:
        self.mas, self.session_id, self.told = mas, session_id, told
        self.found: Reach = reach(mas, session_id)
        self.pane = self.found.panes[AGENT]
        self.text = long_text()

    def arrived(self) -> None:
        """Wait until the agent has the end of a text."""
        os.read(self.told, 1)

    def in_pieces(self) -> None:
        """What a script does that does not know better."""
        for start in range(0, len(self.text), PIECE):
            piece = self.text[start : start + PIECE]
            subprocess.run([*self.found.server.argv, "send-keys", "-t", self.pane, "-l", "--", piece], check=True)
        self.arrived()

    def pasted(self) -> None:
        """The text alone."""
        typed = tmux.paste(self.found.server, {self.pane: AGENT}, self.session_id, self.text.encode())
        if not typed[self.pane].done:
            sys.exit(f"nothing was typed: {typed}")
        self.arrived()

    def entered(self) -> None:
        """The text, a look at the screen until it shows it, and Enter."""
        message = Message("00", utc_now(), "", AGENT, (AGENT,), self.text)
        fates = deliver(self.found, message, self.found.look([AGENT]), SendOptions())
        if fates[AGENT].outcome != "submitted":
            sys.exit(f"it was not delivered: {fates}")
        self.arrived()

    def send(self, target: str, text: str = "hello") -> None:
        """All that ``mas send`` does: the same, and its record."""
        sent = self.mas.send(self.session_id, Address(target, text), SendOptions())
        if {fate.outcome for fate in sent.fates.values()} != {"submitted"}:
            sys.exit(f"not everybody got it: {sent.fates}")

    def send_long(self) -> None:
        """The long text with its record."""
        self.send(AGENT, self.text)
        self.arrived()


@contextmanager
def team() -> Iterator[Team]:
    """A team on a tmux server of its own."""
    with tempfile.TemporaryDirectory(prefix="mas-messages-", ignore_cleanup_errors=True) as directory:
        place, socket = Path(directory), f"{directory}/tmux"
        os.environ["MAS_TMUX_SOCKET"] = socket
        (place / "agent.py").write_text(PROGRAM)
        os.mkfifo(place / "told")
        mas = Mas(Root(place / "root"), environment(MAS_TMUX_SOCKET=socket), place)
        mas.root.path.mkdir()
        command = f"{sys.executable} {place}/agent.py {place}/told {END}"
        try:
            started = mas.start(mas.plan(StartOptions(template="default", command=command)))
            made = Team(mas, started.session.session_id, os.open(place / "told", os.O_RDWR))
            made.send("all")
            yield made
        finally:
            subprocess.run(["tmux", "-S", socket, "kill-server"], capture_output=True, check=False)


def measure_long(report: Report, made: Team, rounds: int) -> None:
    """100 KB to one agent."""
    ways: dict[str, Way] = {
        "send-keys in pieces": made.in_pieces,
        "pasted": made.pasted,
        "pasted, looked at and entered": made.entered,
        "Mas.send": made.send_long,
    }
    medians = interleaved(ways, rounds)
    report.table(f"{SIZE // 1000} KB to one agent", medians)
    for name, most in (("pasted", 0.10), ("pasted, looked at and entered", 0.25), ("Mas.send", None)):
        report.ratio(f"{name} to send-keys in pieces", medians[name] / medians["send-keys in pieces"], most=most)


def measure_broadcast(report: Report, made: Team, rounds: int) -> None:
    """A short text to all of them."""
    medians = interleaved({"to one": lambda: made.send(AGENT), "to 13": lambda: made.send("all")}, rounds)
    report.table("a short text", medians)
    report.ratio("a send to 13 agents to one to one agent", medians["to 13"] / medians["to one"], most=3)


def main() -> None:
    """Measure both."""
    given = arguments(__doc__ or "", 20).parse_args()
    report = Report()
    with team() as made:
        measure_long(report, made, given.rounds)
        measure_broadcast(report, made, given.rounds)
    report.end(check=given.check)


if __name__ == "__main__":
    main()
