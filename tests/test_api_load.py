"""Many starts at once, and a server that is killed in the middle: nothing lost, nothing twice, nothing half-made."""

import json
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from commandline import mas as command
from conftest import Wait
from roots import make_template, teams, violations
from serving import Served, in_a_process, make_root

from mas.paths import Root

ONE = {"sessionMode": "isolated", "template": "one", "profile": "stub"}

few_or_many = pytest.mark.parametrize("number", [12, pytest.param(50, marks=pytest.mark.slow)])


@pytest.fixture
def place(root: Root, tmux_socket: Path) -> Root:
    del tmux_socket
    make_template(make_root(root), "one", ("10",))
    return root


def ask(served: Served, number: int) -> dict[str, Any] | None:
    """Ask for a team under a key of its own; None where the server did not live to answer."""
    try:
        with httpx.Client(timeout=120) as client:
            headers = dict(served.client.headers) | {"Idempotency-Key": f"team-{number}"}
            answer = client.post(f"{served.config.url}/runs", json=ONE, headers=headers)
    except httpx.HTTPError:
        return None
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


@few_or_many
def test_all_of_many_starts_at_once_succeed(place: Root, tmux_socket: Path, number: int) -> None:
    with in_a_process(place) as served:
        with ThreadPoolExecutor(number + 1) as pool:
            asked = [pool.submit(ask, served, each) for each in range(number)]
            while not all(one.done() for one in asked):
                served.ok("GET", "/health")
                found = served.ok("GET", "/sessions?limit=100")
                assert all(session["sessionId"] for session in found["sessions"])
            made = {one.result()["sessionId"] for one in asked}  # type: ignore[index]
        assert len(made) == number
        assert {one["sessionId"] for one in served.ok("GET", "/sessions?limit=100&status=active")["sessions"]} == made
        mas = served.mas
    assert {row["sessionId"] for row in json.loads(place.index.read_bytes())["sessions"]} == made
    assert {path.name for path in place.sessions.iterdir() if path.name[0] != "."} == made
    assert set(teams(tmux_socket, place)) == made
    assert [*violations(mas, tmux_socket)] == []


@few_or_many
def test_a_server_killed_in_the_middle_leaves_what_it_acknowledged(
    place: Root, tmux_socket: Path, wait_until: Wait, number: int
) -> None:
    """What was under way is made whole or undone by the doctor; who asks again gets one team, and the same one.

    What the server itself had begun to write is removed by the next one.
    """
    acknowledged: dict[int, str] = {}
    lock = threading.Lock()

    def note(served: Served, each: int) -> None:
        made = ask(served, each)
        if made:
            with lock:
                acknowledged[each] = made["sessionId"]

    with in_a_process(place) as served, ThreadPoolExecutor(number) as pool:
        for each in range(number):
            pool.submit(note, served, each)
        wait_until(lambda: len(acknowledged) >= number // 4, timeout=120)
        os.kill(served.pid, signal.SIGKILL)
    told = command("doctor", "--fix", root=place.path)
    assert told.code == 0, told
    assert [one for one in violations(served.mas, tmux_socket) if ".mas_http" not in one] == []
    assert {*acknowledged.values()} <= set(teams(tmux_socket, place))
    left = {row["sessionId"] for row in json.loads(place.index.read_bytes())["sessions"]}
    with in_a_process(place) as served, ThreadPoolExecutor(4) as pool:
        again = [one["sessionId"] for one in pool.map(lambda each: ask(served, each), range(number)) if one]
        assert len({*again}) == number
        assert all(again[each] == session_id for each, session_id in acknowledged.items())
        assert {one["sessionId"] for one in served.ok("GET", "/sessions?limit=100")["sessions"]} == {*again} | left
        up = {one["sessionId"] for one in served.ok("GET", "/sessions?limit=100&status=active")["sessions"]}
        assert {*again} <= up
    assert [*violations(served.mas, tmux_socket)] == []
