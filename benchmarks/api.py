"""What the HTTP API adds, as ratios to the same work done without it, measured in one run on a tmux server of its own.

- ``GET /sessions`` with 100 live sessions, to the tmux query that it makes, run as a plain command.
- ``POST /runs`` of 13 agents, to the call that it makes, in a process of its own.
- ``GET /health`` a second, to an application of FastAPI that does nothing else.

    python benchmarks/api.py [--rounds N] [--check]
"""

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ratios import Report, Way, arguments, environment, interleaved

from mas.api import presence
from mas.api.presence import Running
from mas.app import Mas
from mas.paths import Root
from mas.planning import StartOptions

LIVE = 100
PIPELINED = 50
PROFILES = '[profile.stub]\ncommand = ["cat", "-"]\n'
FIELDS = "#{session_id}\t#{session_name}\t#{@mas_session}\t#{@mas_root}\t#{session_attached}"
BARE = """
import sys, fastapi, uvicorn
app = fastapi.FastAPI()

@app.get("/health")
async def health():
    return {"status": "ok", "timestamp": "2026-01-07T13:02:58.000001Z"}

uvicorn.run(app, port=int(sys.argv[1]), log_config=None, access_log=False, http="h11", loop="asyncio", ws="none")
"""


class Client:
    """One connection to a server, kept open."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(self, method: str, path: str, body: object = None) -> bytes:
        """The body of an answer; raises SystemExit for one that is an error."""
        self._connection.request(method, path, json.dumps(body) if body is not None else None, self._headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 400:
            sys.exit(text.decode())
        return text


@contextmanager
def serving(root: Root) -> Iterator[Running]:
    """A server of a root."""
    words = [sys.executable, "-P", "-m", "mas", "serve", "--root", str(root.path), "--port", "0"]
    process = subprocess.Popen(
        words, env=environment(MAS_TMUX_SOCKET=os.environ["MAS_TMUX_SOCKET"]), stderr=subprocess.DEVNULL
    )
    try:
        yield presence.wait_until_ready(root, process.pid, 60)
    finally:
        process.terminate()
        process.wait(60)


def tmux(*words: str) -> list[str]:
    """A plain command line for our own tmux server."""
    return ["tmux", "-u", "-S", os.environ["MAS_TMUX_SOCKET"], *words]


def list_sessions(report: Report, root: Root, mas: Mas, rounds: int) -> None:
    """A list of many sessions that are up."""
    for _ in range(LIVE):
        mas.start(mas.plan(StartOptions(template="solo", agent="stub")))
    query = tmux("list-sessions", "-F", FIELDS, ";", "display-message", "-p", "#{pid}\t#{start_time}\t#{socket_path}")
    with serving(root) as server:
        client = Client(server.port, presence.token(root))
        found = json.loads(client.ask("GET", f"/sessions?limit={LIVE}"))
        if [one["status"] for one in found["sessions"]] != ["active"] * LIVE:
            sys.exit(f"{LIVE} sessions were started, and {found['total']} are listed")
        ways: dict[str, Way] = {
            "the tmux query": lambda: subprocess.run(query, check=True, capture_output=True),
            "Mas.list": lambda: mas.list(everything=True),
            "GET /sessions": lambda: client.ask("GET", f"/sessions?limit={LIVE}"),
        }
        medians = interleaved(ways, rounds * 2)
    report.table(f"{LIVE} live sessions", medians)
    for name, most in (("Mas.list", None), ("GET /sessions", 3)):
        report.ratio(
            f"{name} of {LIVE} to the tmux query that it makes", medians[name] / medians["the tmux query"], most=most
        )


def start_teams(report: Report, root: Root, mas: Mas, rounds: int) -> None:
    """Teams of 13 agents; what is up grows with each round, for both ways alike."""
    body = {"sessionMode": "isolated", "template": "default", "profile": "stub"}
    options = StartOptions(template="default", agent="stub")
    with serving(root) as server:
        client = Client(server.port, presence.token(root))
        ways: dict[str, Way] = {
            "Mas.plan and Mas.start": lambda: mas.start(mas.plan(options)),
            "POST /runs": lambda: client.ask("POST", "/runs", body),
        }
        medians = interleaved(ways, rounds)
    report.table("a team of 13", medians)
    ratio = medians["POST /runs"] / medians["Mas.plan and Mas.start"]
    report.ratio("POST /runs to the call that it makes", ratio, most=1.2)


def answer_health(report: Report, root: Root, mas: Mas, rounds: int) -> None:
    """Many requests on one connection, several under way at a time."""
    del mas
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    bare = subprocess.Popen([sys.executable, "-c", BARE, str(port)])
    try:
        with serving(root) as server:
            pids = {"FastAPI alone": bare.pid, "mas serve": server.pid}
            ways = dict(zip(pids, (pipeline(port), pipeline(server.port)), strict=True))
            before = {name: cpu(pid) for name, pid in pids.items()}
            times = interleaved(ways, rounds * 10)
            spent = {name: cpu(pid) - before[name] for name, pid in pids.items()}
    finally:
        bare.terminate()
        bare.wait(60)
    asked = PIPELINED * (rounds * 10 + 1)
    for title, rates in (
        ("GET /health a second", {name: PIPELINED / median * 1000 for name, median in times.items()}),
        ("GET /health a second of processor time", {name: asked / seconds for name, seconds in spent.items()}),
    ):
        report.table(title, rates, "/s")
        report.ratio(f"{title}, to FastAPI alone", rates["mas serve"] / rates["FastAPI alone"], least=0.7)


def cpu(pid: int) -> float:
    """Seconds of processor time that a process has had."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def pipeline(port: int) -> Way:
    """Ask PIPELINED times and read the answers."""
    request = f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    opened = connected(port)

    def ask() -> None:
        opened.sendall(request * PIPELINED)
        text = b""
        while text.count(b'"status"') < PIPELINED:
            text += opened.recv(65536)

    return ask


def connected(port: int) -> socket.socket:
    """A connection to a server that is about to listen."""
    for _ in range(200):
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=60)
        except ConnectionRefusedError:
            time.sleep(0.05)
    sys.exit(f"nobody listens on port {port}")


def main() -> None:
    """Measure all three."""
    given = arguments(__doc__ or "", 7).parse_args()
    report = Report()
    with tempfile.TemporaryDirectory(prefix="mas-api-") as directory:
        here = Path(directory)
        os.environ["MAS_TMUX_SOCKET"] = str(here / "tmux")
        for name, part in (("list", list_sessions), ("start", start_teams), ("health", answer_health)):
            root = Root(here / name)
            root.path.mkdir()
            (root.path / "profiles.toml").write_text(PROFILES)
            try:
                part(report, root, Mas(root, os.environ, here), given.rounds)
            finally:
                subprocess.run(tmux("kill-server"), check=False, capture_output=True)
    report.end(check=given.check)


if __name__ == "__main__":
    main()
