"""The HTTP server from bash: begun, asked for and ended by the functions that older scripts call."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from bashes import STRICT, Bash, Done
from conftest import Wait

from mas.api import presence
from mas.paths import Root

QUIET = {"MAS_HTTP_PORT": "0"}


@pytest.fixture
def sh(root: Root, tmux_socket: Path) -> Iterator[Bash]:
    del tmux_socket
    root.path.mkdir()
    yield Bash(STRICT, root.path, "session.sh", QUIET)
    if presence.running(root):
        presence.stop(root, 30)


def said(done: Done) -> list[str]:
    """What a script said, without colours and exit marks."""
    assert done.code == 0, done
    return [line.partition("\033[0m ")[2] or line for line in done.out.splitlines()]


def test_a_server_is_begun_once_asked_for_and_ended(sh: Bash, root: Root) -> None:
    lines = said(sh("check_http_server || echo $?; start_http_server any; start_http_server any; check_http_server"))
    server = presence.running(root)
    assert server
    assert lines == [
        "stopped",
        "1",
        "Starting HTTP server...",
        f"HTTP server is running on {server.url}",
        "HTTP server is already running",
        "running",
    ]
    assert httpx.get(f"{server.url}/health").status_code == 200
    lines = said(sh("stop_http_server; stop_http_server; check_http_server || echo $?"))
    assert lines == ["HTTP server is stopped", "HTTP server is not running", "stopped", "1"]


def test_a_project_is_found_from_its_directories(sh: Bash, root: Root) -> None:
    (root.path / ".masrc").touch()
    below = root.path / "a" / "b"
    below.mkdir(parents=True)
    nowhere = {"MAS_ROOT": ""}
    said(sh('start_http_server any "$1"', str(below), cwd=Path("/"), env=nowhere))
    assert presence.running(root)
    assert (
        said(sh("check_http_server; check_http_server ..; check_http_server b", cwd=below.parent, env=nowhere))
        == ["running"] * 3
    )
    assert said(sh("check_http_server / || echo $?", cwd=below, env=nowhere)) == ["stopped", "1"]


def test_what_the_program_refuses_is_told(sh: Bash, root: Root) -> None:
    done = sh("start_http_server any || echo $?", env={"MAS_HTTP_HOST": "0.0.0.0"})  # noqa: S104
    assert "HTTP server could not be started" in done.out
    assert done.out.endswith("1\n")
    assert "--allow-remote" in done.err
    assert presence.running(root) is None


def test_only_the_process_that_wrote_the_file_is_believed(sh: Bash, root: Root, wait_until: Wait) -> None:
    said(sh("start_http_server any"))
    server = presence.running(root)
    assert server
    file = root.path / ".mas_http" / "server.json"
    text = file.read_text()
    for other in (
        text.replace(f'"start": {server.start}', '"start": 1'),
        text.replace(f'"pid": {server.pid}', '"pid": 1'),
        text.replace(f'"pid": {server.pid}', '"pid": x'),
        "",
        "{",
        json.dumps({"pid": os.getpid()}),
    ):
        file.write_text(other)
        assert said(sh("check_http_server || echo $?")) == ["stopped", "1"], other
    file.write_text(text)
    os.kill(server.pid, signal.SIGKILL)
    wait_until(lambda: presence.running(root) is None)
    assert said(sh("check_http_server || echo $?")) == ["stopped", "1"]


def test_asking_starts_no_process(sh: Bash) -> None:
    """Neither the program nor any other is found where there is no PATH."""
    assert said(sh("PATH=/nowhere; check_http_server || echo $?", env={"MAS_BIN": "/nowhere/mas"})) == ["stopped", "1"]
