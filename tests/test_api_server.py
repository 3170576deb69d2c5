"""The server as a process: begun, found, asked to end, killed; what it leaves and what it refuses."""

import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from commandline import PROGRAM, environment, mas, ok
from conftest import Wait
from roots import tmux
from serving import SOLO, in_a_process, make_root

from mas import processes
from mas.api import listening, presence
from mas.api.config import ServeConfig
from mas.errors import DamagedError, ExistsError, MasError, NotFoundError, RefusedError
from mas.paths import Root

ID = "aaaaaaaa-0000-4000-8000-000000000001"


@pytest.fixture
def place(root: Root, tmux_socket: Path) -> Iterator[Root]:
    """A root whose server, if a test leaves one, is ended."""
    del tmux_socket
    yield make_root(root)
    if presence.running(root):
        presence.stop(root, 20)


# --- begun and ended ---


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_server_and_leaves_the_sessions(place: Root, wait_until: Wait, number: int) -> None:
    with in_a_process(place) as served:
        served.start(sessionId=ID)
        os.kill(served.pid, number)
        wait_until(lambda: processes.find(served.pid) is None)
    assert ok("show", ID, "--json", root=place.path).json["status"] == "active"
    assert not (place.path / ".mas_http" / "server.json").exists()


def test_what_was_asked_for_is_finished_first(place: Root, wait_until: Wait) -> None:
    """A start and a stream are under way when the server is asked to end: one is finished, the other ended."""
    with in_a_process(place) as served:
        session_id = served.start()["sessionId"]
        answers: list[httpx.Response] = []
        body = SOLO | {"template": "default", "sessionId": ID}
        start = threading.Thread(target=lambda: answers.append(served.client.post("/runs", json=body)))
        with served.client.stream(
            "GET", f"/sessions/{session_id}/events", headers={"Accept": "text/event-stream"}
        ) as one:
            lines = one.iter_lines()
            next(lines)
            start.start()
            wait_until(lambda: (place.staging / ID).exists() or (place.sessions / ID).exists())
            os.kill(served.pid, signal.SIGTERM)
            assert [line for line in lines if line.startswith("data")]
        start.join(20)
    assert [answer.status_code for answer in answers] == [201]
    assert ok("show", ID, "--json", root=place.path).json["status"] == "active"


def test_readiness_is_announced_where_the_environment_says(place: Root) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://localhost:{taken.getsockname()[1]}"
    env = environment(place.path, {"MAS_HTTP_HOST": "localhost", "MAS_API_PORT": url.rpartition(":")[2]})
    process = subprocess.Popen([*PROGRAM, "serve"], stderr=subprocess.PIPE, text=True, env=env)
    assert process.stderr
    assert process.stderr.readline() == f"serving {place.path} on {url}; ^C ends it\n"
    assert httpx.get(f"{url}/health").status_code == 200
    process.terminate()
    assert process.communicate(timeout=20)[1] == ""
    assert process.returncode == 0


def test_in_the_background_it_is_begun_found_and_ended(place: Root) -> None:
    told = mas("serve", "--status", root=place.path)
    assert (told.code, told.out) == (1, "stopped\n")
    assert mas("serve", "--stop", root=place.path).code == 1
    begun = ok("serve", "--background", "--port", "0", "--json", root=place.path).json
    assert begun == ok("serve", "--status", "--json", root=place.path).json
    assert begun["status"] == "running"
    url = ok("serve", "--status", "-q", root=place.path).out.strip()
    assert url == begun["url"] == f"http://127.0.0.1:{begun['port']}"
    token = ok("token", root=place.path).out.strip()
    assert httpx.get(f"{url}/sessions", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    modes = {path.stat().st_mode & 0o777 for path in (place.path / ".mas_http").iterdir() if path.is_file()}
    assert modes == {0o600}
    environment = Path(f"/proc/{begun['pid']}/environ").read_bytes()
    assert b"MAS_ROOT" not in environment
    assert f"\0MAS_PROJECT_DIR={Path.cwd()}\0".encode() in environment
    for words in (("serve", "--background", "--port", "0"), ("serve", "--port", "0")):
        again = mas(*words, root=place.path)
        assert again.code == 1
        assert f"(process {begun['pid']})" in again.err
    assert "sessions go on" in ok("serve", "--stop", root=place.path).err
    assert mas("serve", "--status", "--json", root=place.path).json == {"status": "stopped"}
    assert processes.find(begun["pid"]) is None


def test_what_a_killed_server_left_is_in_nobodys_way(place: Root, tmux_socket: Path) -> None:
    path = tmux_socket.with_name("api")
    with in_a_process(place, "--uds", str(path)) as served:
        assert served.ok("GET", "/sessions")["total"] == 0
        os.kill(served.pid, signal.SIGKILL)
    assert path.exists()
    assert (place.path / ".mas_http" / "server.json").exists()
    assert presence.running(place) is None
    with in_a_process(place, "--uds", str(path)) as served:
        assert served.ok("GET", "/health")["status"] == "ok"
    assert not path.exists()


@pytest.mark.parametrize("inside", [False, True], ids=["begun outside", "begun inside"])
def test_a_server_outlives_the_teams_it_serves(
    place: Root, tmux_socket: Path, wait_until: Wait, *, inside: bool
) -> None:
    """Also one that was started in the background from a pane of the team that is stopped."""
    words = ("start", "--isolated", "-q", "--no-attach", "--id", ID, "--template", "solo", "--command", "sh -i")
    ok(*words, root=place.path)
    serve = [*PROGRAM, "serve", "--root", str(place.path), "--background", "--port", "0"]
    if inside:
        line = f"{shlex.join(serve)} >'{place.path}/said' 2>&1"
        tmux(tmux_socket, "send-keys", "-t", "=mas-aaaaaaaa:", line, "Enter")
    else:
        subprocess.run(serve, check=True, capture_output=True, timeout=20)
    wait_until(lambda: presence.running(place), timeout=20)
    before = presence.running(place)
    assert before is not None
    ok("stop", "--force", ID, root=place.path)
    assert presence.running(place) == before
    assert httpx.get(f"{before.url}/health").json()["status"] == "ok"


# --- refused ---


def test_a_port_in_use_is_told_with_who_uses_it(place: Root) -> None:
    program = (
        "import socket, sys; s = socket.create_server(('127.0.0.1', 0)); "
        "print(s.getsockname()[1], flush=True); sys.stdin.read()"
    )
    argv = [sys.executable, "-c", program]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        port = other.stdout.readline().strip()
        for words in (("serve",), ("serve", "--background")):
            told = mas(*words, "--port", port, root=place.path)
            assert told.code == 1
            assert f"port {port} of 127.0.0.1 is in use by process {other.pid} (python" in told.err
            assert "--port 0" in told.err
        other.communicate()


LISTEN = """
import socket, sys
with socket.create_server(("127.0.0.1", 0)) as opened:
    print(opened.getsockname()[1], flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--host", "0.0.0.0"), 1, "--allow-remote"),  # noqa: S104
        (("--host", "::"), 1, "--allow-remote"),
        (("--host", "0.0.0.0", "--no-auth", "--allow-remote"), 1, "--no-auth"),  # noqa: S104
        (("--port", "70000"), 2, "65535"),
        (("--host", "nowhere.invalid", "--allow-remote"), 1, "cannot listen"),
        (("--uds", "/tmp/x", "--port", "1"), 2, "--uds"),  # noqa: S108
        (("--background", "--stop"), 2, "mixed"),
        (("--origin", "*"), 2, "origin"),
        (("--uds", "/" + "x" * 108), 2, "107"),
    ],
)
def test_what_is_not_safe_is_not_served(place: Root, words: tuple[str, ...], code: int, said: str) -> None:
    told = mas("serve", *words, root=place.path)
    assert told.code == code
    assert said in told.err
    assert told.err.count("\n") == 1


def test_a_record_only_root_is_not_served(repo: Path) -> None:
    assert mas("serve", "--repo", repo).code == 1


def test_what_is_not_installed_is_told(place: Root) -> None:
    block = "import sys; sys.modules['fastapi'] = None; from mas.cli import main; sys.exit(main())"
    for words in (("serve", "--port", "0"), ("serve", "--print-openapi")):
        told = mas(*words, root=place.path, program=(sys.executable, "-P", "-c", block))
        assert (told.code, told.err) == (1, "mas: the HTTP API needs fastapi; type: pip install 'mas[api]'\n")


def test_a_server_without_a_token_serves_this_machine(place: Root) -> None:
    with in_a_process(place, "--port", "0", "--no-auth") as served:
        assert httpx.get(f"{served.config.url}/sessions").status_code == 200
        assert httpx.get(f"{served.config.url}/sessions", headers={"Origin": "http://evil.example"}).status_code == 403
        assert ok("serve", "--status", "--json", root=place.path).json["auth"] is False
        described = httpx.get(f"{served.config.url}/openapi.json").json()
    assert described == ok("serve", "--print-openapi", root=place.path).json


# --- the token ---


def test_a_token_is_made_once_for_its_owner_alone(place: Root) -> None:
    first = ok("token", root=place.path).out
    assert len(first) == 44
    assert ok("token", root=place.path).out == first
    assert ok("token", "--header", root=place.path).out == f"Authorization: Bearer {first}"
    file = place.path / ".mas_http" / "token"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    second = ok("token", "--renew", root=place.path).out
    assert second != first
    file.write_text("\n")
    assert "mas token --renew" in mas("token", root=place.path).err


def test_a_token_asked_for_by_many_at_once_is_one(place: Root) -> None:
    children = [
        subprocess.Popen([*PROGRAM, "token", "--root", str(place.path)], stdout=subprocess.PIPE) for _ in range(4)
    ]
    assert len({child.communicate(timeout=30)[0] for child in children}) == 1


def test_a_directory_that_others_could_enter_is_closed_to_them(place: Root) -> None:
    directory = place.path / ".mas_http"
    directory.mkdir(mode=0o755)
    directory.chmod(0o755)
    presence.token(place)
    assert directory.stat().st_mode & 0o777 == 0o700


# --- the parts ---


def test_presence_believes_only_the_process_that_wrote_it(root: Root) -> None:
    assert presence.running(root) is None
    with presence.opened(root):
        pass
    file = root.path / ".mas_http" / "server.json"
    for text in ("{", "[]", "{}", '{"pid": 1}'):
        file.write_text(text)
        assert presence.running(root) is None
    own = processes.find(os.getpid())
    assert own
    server = presence.Running(pid=own.pid, start=own.start, url="x")
    presence.announce(root, server)
    assert presence.running(root) == server
    presence.announce(root, presence.Running(pid=own.pid, start=own.start + 1, url="x"))
    assert presence.running(root) is None
    with pytest.raises(NotFoundError):
        presence.stop(root, 1)


def test_one_server_claims_a_root(root: Root) -> None:
    with presence.claim(root):
        claimed = subprocess.run(
            [sys.executable, "-c", CLAIM, str(root.path)], capture_output=True, text=True, check=False, timeout=20
        )
    assert "ExistsError" in claimed.stderr, claimed.stderr
    with presence.claim(root):
        pass


def test_whoever_serves_removes_what_was_never_finished(root: Root) -> None:
    with presence.opened(root, presence.KEYS):
        place = root.path / ".mas_http"
    dead, alive = f".token.{2**22 + 1}-0123abcd.tmp", f".token.{os.getpid()}-0123abcd.tmp"
    for directory in (place, place / presence.KEYS):
        for name in (dead, alive, "notes.tmp"):
            (directory / name).touch()
    with presence.claim(root):
        for directory in (place, place / presence.KEYS):
            assert {path.name for path in directory.iterdir() if path.suffix == ".tmp"} == {alive, "notes.tmp"}


CLAIM = """
import sys
from pathlib import Path
from mas.api import presence
from mas.paths import Root
with presence.claim(Root(Path(sys.argv[1]))):
    pass
"""


def test_waiting_ends_with_the_process_or_the_time(root: Root) -> None:
    with pytest.raises(MasError, match="it said nothing"):
        presence.wait_until_ready(root, 2**22 + 1, 5)
    with presence.opened(root):
        (root.path / ".mas_http" / presence.LOG).write_text("mas: first\nmas: no room\n")
    with pytest.raises(MasError, match="did not start: no room"):
        presence.wait_until_ready(root, 2**22 + 1, 5)
    with pytest.raises(MasError, match="not ready within"):
        presence.wait_until_ready(root, os.getpid(), 0.1)


def test_a_server_that_does_not_end_is_told_of(root: Root) -> None:
    deaf = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); sys.stdin.read()"
    argv = [sys.executable, "-c", deaf]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        other.stdout.readline()
        process = processes.find(other.pid)
        assert process
        presence.announce(root, presence.Running(pid=process.pid, start=process.start, url="x"))
        with pytest.raises(RefusedError, match="has not ended"):
            presence.stop(root, 0.2)
        other.communicate()


def test_a_socket_is_taken_over_only_from_nobody(tmp_path: Path) -> None:
    path = tmp_path / "place" / "api"
    config = ServeConfig(uds=path)
    with listening.listen(config):
        assert path.parent.stat().st_mode & 0o777 == 0o700
        with pytest.raises(ExistsError):
            listening.listen(config)
    with listening.listen(config):  # nobody listens any more
        pass
    path.unlink()
    path.write_text("mine")
    with pytest.raises(ExistsError):
        listening.listen(config)
    assert path.read_text() == "mine"
    path.parent.chmod(0o777)
    with pytest.raises(RefusedError):
        listening.listen(config)


def test_a_port_that_nobody_uses_has_no_owner_that_can_be_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mine:
        port = mine.getsockname()[1]
        assert listening.owner(port).startswith(f"process {os.getpid()} (")
    assert listening.owner(port) == "another process"


def test_a_token_that_is_none_is_damage(root: Root) -> None:
    assert presence.token(root) == presence.token(root)
    (root.path / ".mas_http" / "token").write_text("short")
    with pytest.raises(DamagedError):
        presence.token(root)
    assert len(presence.token(root, renew=True)) > 40
