"""What the HTTP API adds, as ratios to the same work done without it, measured in one run on a tmux server of its own.

- ``GET /sessions`` with 100 live sessions, to the tmux query that it makes, run as a plain command.
- ``POST /runs`` of 13 agents, to the call that it makes, in a process of its own.
- ``GET /health`` a second, to an application of FastAPI that does nothing else.

The ways take turns, so that whatever else the machine does falls on all of them, and medians are compared.

    python benchmarks/api.py [ROUNDS]
"""

import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mas.api import presence
from mas.api.presence import Running
from mas.app import Mas
from mas.paths import Root
from mas.starting import StartOptions

LIVE = 100
PIPELINED = 50
PROFILES = '[profile.stub]\ncommand = ["cat", "-"]\n'
FIELDS = (
    "#{session_id}\t#{session_name}\t#{@mas_session}\t#{@mas_root}\t#{session_attached}\t#{session_created}\t"
    "#{session_activity}"
)
BARE = """
import sys, fastapi, uvicorn
app = fastapi.FastAPI()

@app.get("/health")
async def health():
    return {"status": "ok", "timestamp": "2026-01-07T13:02:58.000001Z"}

uvicorn.run(app, port=int(sys.argv[1]), log_config=None, access_log=False, http="h11", loop="asyncio", ws="none")
"""

Way = Callable[[], object]


def measure(ways: Mapping[str, Way], rounds: int) -> dict[str, float]:
    """Median milliseconds of each way; the first round warms up."""
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if turn:
                spent[name].append((time.perf_counter() - start) * 1000)
    return {name: statistics.median(times) for name, times in spent.items()}


def report(title: str, medians: Mapping[str, float], unit: str = "ms") -> None:
    """One table, each way beside its ratio to the first."""
    print(title)
    base = next(iter(medians.values()))
    for name, median in medians.items():
        print(f"  {name:36} {median:9.2f} {unit}  {median / base:5.2f} x")


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
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    try:
        yield presence.wait_until_ready(root, process.pid, 60)
    finally:
        process.terminate()
        process.wait(60)


def tmux(*words: str) -> list[str]:
    """A plain command line for our own tmux server."""
    return ["tmux", "-u", "-S", os.environ["MAS_TMUX_SOCKET"], *words]


def list_sessions(root: Root, mas: Mas, rounds: int) -> None:
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
            f"GET /sessions?limit={LIVE}": lambda: client.ask("GET", f"/sessions?limit={LIVE}"),
        }
        report(f"{LIVE} live sessions", measure(ways, rounds))


def start_teams(root: Root, mas: Mas, rounds: int) -> None:
    """Teams of 13 agents; what is up grows with each round, for both ways alike."""
    body = {"sessionMode": "isolated", "template": "default", "profile": "stub"}
    options = StartOptions(template="default", agent="stub")
    with serving(root) as server:
        client = Client(server.port, presence.token(root))
        ways: dict[str, Way] = {
            "Mas.plan and Mas.start": lambda: mas.start(mas.plan(options)),
            "POST /runs": lambda: client.ask("POST", "/runs", body),
        }
        report("a team of 13", measure(ways, rounds))


def answer_health(root: Root, mas: Mas, rounds: int) -> None:
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
            times = measure(ways, rounds * 10)
            spent = {name: cpu(pid) - before[name] for name, pid in pids.items()}
    finally:
        bare.terminate()
        bare.wait(60)
    asked = PIPELINED * (rounds * 10 + 1)
    report("GET /health", {name: PIPELINED / median * 1000 for name, median in times.items()}, "a second")
    report("the same on a busy machine", {name: asked / seconds for name, seconds in spent.items()}, "a CPU second")


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
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with tempfile.TemporaryDirectory(prefix="mas-api-") as directory:
        here = Path(directory)
        os.environ["MAS_TMUX_SOCKET"] = str(here / "tmux")
        for name, part in (("list", list_sessions), ("start", start_teams), ("health", answer_health)):
            root = Root(here / name)
            root.path.mkdir()
            (root.path / "profiles.toml").write_text(PROFILES)
            try:
                part(root, Mas(root, os.environ, here), rounds)
            finally:
                subprocess.run(tmux("kill-server"), check=False, capture_output=True)


if __name__ == "__main__":
    main()
