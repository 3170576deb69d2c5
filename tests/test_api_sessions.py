"""Seeing, stopping, restoring and removing sessions over HTTP."""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import Wait
from roots import FakeTmux
from serving import Served, serving

from mas.api.config import Limits
from mas.api.watch import record_lost
from mas.paths import Root

ID = "aaaaaaaa-0000-4000-8000-000000000001"


@pytest.fixture
def served(root: Root, tmux_socket: Path) -> Iterator[Served]:
    del tmux_socket
    with serving(root) as found:
        yield found


def tmux(*words: str) -> str:
    """What a plain client prints."""
    argv = ["tmux", "-S", os.environ["MAS_TMUX_SOCKET"], *words]
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=10).stdout.strip()


# --- the list ---


def test_a_list_has_pages_and_both_counts(served: Served) -> None:
    ids = [served.start()["sessionId"] for _ in range(3)]
    first = served.ok("GET", "/sessions?limit=2")
    assert (first["total"], first["count"], len(first["sessions"])) == (3, 2, 2)
    second = served.ok("GET", "/sessions?limit=2&offset=2")
    assert (second["total"], second["count"]) == (3, 1)
    assert {one["sessionId"] for one in [*first["sessions"], *second["sessions"]]} == {*ids}
    assert served.ok("GET", "/sessions?offset=7")["sessions"] == []
    one = first["sessions"][0]
    assert (one["status"], one["agentCount"], one["httpServerStatus"]) == ("active", 1, "running")
    assert one["workingDir"].endswith(one["sessionId"])


@contextmanager
def attached(name: str) -> Iterator[None]:
    """Somebody looks at a tmux session, until the end of the block."""
    argv = ["tmux", "-S", os.environ["MAS_TMUX_SOCKET"], "-C", "attach-session", "-t", f"={name}"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL):
        yield


def test_a_list_is_filtered_by_status_and_mode(served: Served, wait_until: Wait) -> None:
    up, down = (served.start()["sessionId"] for _ in range(2))
    served.mas.stop(down)
    wanted = {"active": up, "running": up, "inactive": up, "stopped": down, "terminated": down, "restoring": down}
    for status, session_id in wanted.items():
        assert [one["sessionId"] for one in served.ok("GET", f"/sessions?status={status}")["sessions"]] == [session_id]
    assert served.ok("GET", "/sessions?status=error")["total"] == 0
    with attached(served.ok("GET", f"/sessions/{up}")["tmuxSession"]):
        wait_until(lambda: served.ok("GET", "/sessions?status=active")["sessions"][0]["attached"])
        assert served.ok("GET", "/sessions?status=inactive")["total"] == 0
    assert served.ok("GET", "/sessions?status=all&mode=isolated")["total"] == 2
    assert served.ok("GET", "/sessions?mode=legacy")["total"] == 0


def test_a_query_that_is_wrong_is_refused_with_the_place(served: Served) -> None:
    wrong = "limit=0 limit=101 limit=x limit= offset=-1 offset=1e9 status=x status= mode=both"
    for query in wrong.split():
        found = served.refused("GET", f"/sessions?{query}", status=400)
        assert found["details"][0]["field"] == f"query.{query.partition('=')[0]}"


@pytest.fixture
def strays(served: Served) -> Served:
    """Two tmux sessions that nobody has registered."""
    tmux("-f", os.devnull, "new-session", "-d", "-s", "mas-tmux", "-n", "pair", "cat", ";", "split-window", "cat")
    tmux("new-session", "-d", "-s", "mas-other", "cat")
    return served


def test_what_nobody_registered_is_listed_and_can_be_looked_at(strays: Served) -> None:
    found = {(one["sessionId"], one["tmuxSession"], one["mode"]) for one in strays.ok("GET", "/sessions")["sessions"]}
    assert found == {("", "mas-tmux", "legacy"), ("", "mas-other", "legacy")}
    for name in ("mas-tmux", "tmux"):  # as earlier servers gave its id
        told = strays.ok("GET", f"/sessions/{name}")
        assert (told["tmuxSession"], told["status"], told["sessionId"], told["unitDir"]) == (
            ("mas-tmux", "active", "", "")
        )
        assert [(one["name"], one["paneCount"], one["active"]) for one in told["windows"]] == [("pair", 2, True)]
        assert "mas adopt mas-tmux" in told["remedy"]
        assert strays.ok("GET", f"/sessions/{name}/agents")["agents"] == []
        connected = strays.ok("POST", f"/sessions/{name}/connect", json={"window": "pair"})
        assert connected["connectionDetails"] == {"windows": ["pair"], "activeAgents": 0, "focusedWindow": "pair"}
    assert strays.ok("POST", "/sessions/mas-tmux/connect")["attachCommand"].endswith("attach-session -t =mas-tmux")
    strays.refused("POST", "/sessions/mas-tmux/connect", json={"window": "design"}, status=400)


def test_agents_that_nobody_registered_are_known_by_the_roots_own_directories(strays: Served) -> None:
    for name in ("10", "11"):
        (strays.root.path / "unit" / name).mkdir(parents=True)
    agents = strays.ok("GET", "/sessions/mas-tmux/agents")["agents"]
    assert [(one["agentId"], one["status"]) for one in agents] == [("10", "running"), ("11", "running")]


def test_what_nobody_registered_is_stopped_where_it_is_named_in_full(strays: Served) -> None:
    strays.refused("POST", "/sessions/mas-tm/stop", status=404)
    stopped = strays.ok("POST", "/sessions/mas-tmux/stop")
    assert (stopped["sessionId"], stopped["status"], stopped["wasUp"]) == ("", "stopped", True)
    assert [one["tmuxSession"] for one in strays.ok("GET", "/sessions")["sessions"]] == ["mas-other"]


# --- one session ---


def test_a_session_is_found_by_each_of_its_names(served: Served) -> None:
    served.start(sessionId=ID, label="search")
    for name in (ID, ID[:8], ID[:4], "search", f"mas-{ID[:8]}"):
        assert served.ok("GET", f"/sessions/{name}")["sessionId"] == ID


def test_a_name_that_fits_several_lists_them(served: Served) -> None:
    other = "aaaaaaaa-0000-4000-8000-000000000002"
    served.start(sessionId=ID)
    served.start(sessionId=other)
    found = served.refused("GET", "/sessions/aaaaaaaa", status=409)
    assert (found["code"], len(found["details"]["candidates"])) == ("ambiguous", 2)
    found = served.refused("POST", "/message", json={"target": "00", "message": "x"}, status=409)
    assert found["code"] == "ambiguous"


def test_a_session_that_is_not_there_is_not_found(served: Served) -> None:
    gets = ["", "/agents", "/events", "/progress", "/checkpoints", "/checkpoints/1", "/messages", "/logs/session"]
    posts = ["/checkpoints", "/checkpoints/1/restore", "/connect", "/stop", "/restore"]
    asked = [*(("GET", path) for path in gets), *(("POST", path) for path in posts), ("DELETE", ""), ("PATCH", "")]
    for name in (ID, "no", "..%2f..%2fetc", "%00", "-x", "a%0Ab", "x" * 128):
        for method, path in asked:
            body: dict[str, Any] = {"json": {}} if method in ("PATCH", "POST") else {}
            found = served.refused(method, f"/sessions/{name}{path}", status=404, **body)
            assert found["error"] in ("Session not found", "Not Found")


def test_a_missing_workspace_is_told_with_the_remedy(served: Served) -> None:
    made = served.start(sessionId=ID)
    shutil.move(made["workingDir"], f"{made['workingDir']}.away")
    found = served.ok("GET", f"/sessions/{ID}")
    assert found["status"] == "error"
    assert found["sessionId"] == ID
    assert "missing" in found["problem"]
    assert "mas rm" in found["remedy"]
    assert (found["agents"], found["logs"], found["progress"], found["metadata"]) == ([], [], None, {})
    assert [one["status"] for one in served.ok("GET", "/sessions")["sessions"] if one["sessionId"] == ID] == ["error"]
    shutil.move(f"{made['workingDir']}.away", made["workingDir"])


def test_a_damaged_record_is_told_and_not_written_to(served: Served) -> None:
    served.start(sessionId=ID)
    log = served.root.session(ID).log
    log.write_bytes(log.read_bytes()[:100])
    assert served.ok("GET", f"/sessions/{ID}")["sessionId"] == ID
    found = served.refused("POST", f"/sessions/{ID}/transition", json={"status": "planning"}, status=409)
    assert found["code"] == "damaged"
    assert "doctor" in found["hint"]
    assert log.stat().st_size == 100


def test_the_agents_of_a_session_are_told(served: Served, wait_until: Wait) -> None:
    made = served.start(template="pair", profile="stub")
    path = f"/sessions/{made['sessionId']}/agents"
    found = served.ok("GET", path)
    assert found["sessionId"] == made["sessionId"]
    assert [(one["agentId"], one["window"], one["pane"]) for one in found["agents"]] == [
        ("10", "pair", 0),
        ("11", "pair", 1),
    ]
    tmux("send-keys", "-t", found["agents"][1]["paneId"], "C-d")
    wait_until(lambda: served.ok("GET", path)["agents"][1]["status"] == "stopped")
    assert served.ok("GET", path)["agents"][1]["exitCode"] == 0
    assert served.ok("GET", "/status")["status"] == "partial"


# --- terminal ---


def test_connecting_tells_the_command_that_attaches(served: Served) -> None:
    made = served.start(template="default")
    path = f"/sessions/{made['sessionId']}/connect"
    found = served.ok("POST", path)
    socket = os.environ["MAS_TMUX_SOCKET"]
    assert found["attachCommand"] == f"tmux -u -S {socket} attach-session -t ={made['tmuxSession']}"
    assert found["connectionDetails"] == {
        "windows": ["meta", "design", "development", "business"],
        "activeAgents": 13,
        "focusedWindow": "meta",
    }
    assert (found["status"], found["workingDir"]) == ("connected", made["workingDir"])
    for window in ("development", "unit2", "window2", "2"):
        found = served.ok("POST", path, json={"window": window, "reconnect": True})
        assert found["connectionDetails"]["focusedWindow"] == "development"
        assert ":=development" in found["attachCommand"]
    assert served.refused("POST", path, json={"window": "nothing"}, status=400)["hint"]
    served.mas.stop(made["sessionId"])
    assert served.refused("POST", path, status=409)["code"] == "refused"


# --- stopping, restoring, removing ---


def test_stop_and_restore_are_told_what_they_cannot_do(served: Served) -> None:
    path = f"/sessions/{served.start(sessionId=ID)['sessionId']}"
    assert served.refused("POST", f"{path}/restore", status=409)["code"] == "refused"
    before = served.ok("GET", f"{path}/agents")["agents"][0]["paneId"]
    assert served.ok("POST", f"{path}/restore", json={"force": True})["agentsStarted"] == 1
    assert served.ok("GET", f"{path}/agents")["agents"][0]["paneId"] != before or served.ok("GET", "/sessions")
    assert served.ok("POST", f"{path}/stop", json={"force": True})["status"] == "stopped"
    shutil.rmtree(served.root.session(ID).unit)
    assert served.refused("POST", f"{path}/restore", status=404)["code"] == "not_found"
    assert served.ok("DELETE", path)["status"] == "deleted"


def test_a_record_without_a_team_has_nothing_to_stop(served: Served) -> None:
    session_id = served.mas.manager.create_session("x").session_id
    for verb in ("stop", "restore", "connect"):
        served.refused("POST", f"/sessions/{session_id}/{verb}", status=409)
    assert served.ok("GET", f"/sessions/{session_id}")["agents"] == []
    served.refused("POST", f"/sessions/{session_id}/messages", json={"target": "00", "message": "x"}, status=404)
    served.ok("DELETE", f"/sessions/{session_id}")


def test_stopping_at_once_is_done_once(served: Served) -> None:
    session_id = served.start()["sessionId"]
    answers: list[Any] = []
    threads = [
        threading.Thread(target=lambda: answers.append(served.client.post(f"/sessions/{session_id}/stop")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {200}
    assert sum(answer.json()["wasUp"] for answer in answers) == 1


# --- logs ---


def test_a_log_comes_whole_or_by_ranges(served: Served) -> None:
    served.start(sessionId=ID)
    text = "".join(f"line {number} \x1b[31m\n" for number in range(100_000))
    log = served.root.session(ID).logs / "agent-00.log"
    log.write_text(text)
    path = f"/sessions/{ID}/logs/00"
    whole = served.client.get(path)
    assert (whole.status_code, whole.text == text) == (200, True)
    assert whole.headers["content-type"] == "text/plain; charset=utf-8"
    assert whole.headers["accept-ranges"] == "bytes"
    part = served.client.get(path, headers={"Range": "bytes=5-9"})
    assert (part.status_code, part.text) == (206, text[5:10])
    assert part.headers["content-range"] == f"bytes 5-9/{len(text)}"
    assert served.client.get(path, headers={"Range": "bytes=-4"}).text == text[-4:]
    beyond = served.client.get(path, headers={"Range": f"bytes={len(text)}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(text)}")
    found = served.ok("GET", f"/sessions/{ID}")["logs"]
    assert {"name": "agent-00.log", "path": str(log), "bytes": len(text)} in found


def test_a_log_that_is_none_is_not_read(served: Served, tmp_path: Path) -> None:
    served.start(sessionId=ID)
    logs = served.root.session(ID).logs
    (tmp_path / "secret").write_text("secret")
    (logs / "agent-11.log").symlink_to(tmp_path / "secret")
    os.mkfifo(logs / "agent-12.log")
    for log, status in (("33", 404), ("11", 409), ("12", 409), ("1", 400), ("x", 400), ("%2e%2e", 400), ("00%0A", 400)):
        answer = served.client.get(f"/sessions/{ID}/logs/{log}")
        assert (answer.status_code, "secret" in answer.text) == (status, False), log
    (logs / "agent-00.log").touch()
    assert served.client.get(f"/sessions/{ID}/logs/00").content == b""


# --- the server itself ---


def test_the_status_is_that_of_the_session_that_is_meant(served: Served) -> None:
    found = served.ok("GET", "/status")
    assert (found["status"], found["session"], found["agents"]) == ("stopped", "", [])
    assert found["httpServer"] == {"running": True, "port": served.config.port, "pid": os.getpid()}
    made = served.start(label="search")
    found = served.ok("GET", "/status")
    assert (found["status"], found["session"], len(found["agents"])) == ("running", made["tmuxSession"], 1)
    served.start()
    assert served.ok("GET", "/status")["status"] == "error"
    assert served.ok("GET", "/status?session=search")["status"] == "running"
    served.refused("GET", "/status?session=nothing", status=404)


def test_a_status_of_which_tmux_says_nothing_is_an_error(served: Served, fake: FakeTmux) -> None:
    served.start(sessionId=ID)
    fake.instead("exit 1")
    found = served.ok("GET", f"/status?session={ID}")
    assert (found["status"], found["agents"][0]["status"]) == ("error", "error")
    assert found["error"].startswith("tmux gave no clear answer")
    told = served.ok("GET", f"/sessions/{ID}/agents")
    assert (told["problem"], told["remedy"]) == (found["error"], "run the command again; nothing was changed")
    fake.away()
    assert served.ok("GET", f"/status?session={ID}")["status"] == "running"
    assert "problem" not in served.ok("GET", f"/sessions/{ID}/agents")


def test_the_root_says_what_there_is(served: Served) -> None:
    found = served.ok("GET", "/")
    assert (found["name"], found["status"]) == ("MAS API Server", "running")
    assert {"GET /", "GET /health", "POST /runs", "GET /sessions/{session}/events"} <= {*found["endpoints"]}
    assert served.client.head("/").status_code == 200


def test_a_tmux_that_does_not_answer_keeps_nobody_else_waiting(
    served: Served, fake: FakeTmux, wait_until: Wait
) -> None:
    served.start(sessionId=ID)
    asked = served.root.path / "asked"
    fake.instead(f"touch '{asked}'; while [ -e '{asked}' ]; do sleep 0.05; done; exit 1")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(served.ok, "GET", "/sessions")
        wait_until(asked.exists)
        assert served.ok("GET", "/health")["status"] == "ok"
        assert not waiting.done()
        asked.unlink()
        stale = waiting.result()["sessions"][0]
    assert (stale["status"], stale["stale"]) == ("active", True)
    fake.instead("exit 1")
    found = served.refused("POST", "/message", json={"target": "00", "message": "x"}, status=503)
    assert (found["code"], found["hint"] != "") == ("unknown", True)
    fake.away()
    assert served.ok("GET", "/sessions")["sessions"][0]["stale"] is False


def test_a_team_that_is_gone_is_noticed(root: Root, tmux_socket: Path, wait_until: Wait) -> None:
    """A running server records it, as the next command would."""
    del tmux_socket
    with serving(root, limits=Limits(look_time=0.2)) as served:
        check_that_loss_is_noticed(served, wait_until)


def check_that_loss_is_noticed(served: Served, wait_until: Wait) -> None:
    made = served.start(sessionId=ID)
    served.ok("POST", f"/sessions/{ID}/transition", json={"status": "planning"})
    tmux("kill-session", "-t", f"={made['tmuxSession']}:")
    wait_until(lambda: served.mas.manager.get_session(ID).status == "paused")
    assert served.ok("GET", f"/sessions/{ID}")["reason"] == "interrupted: runtime lost"


def test_looking_for_lost_teams_leaves_the_others_alone(served: Served) -> None:
    served.start()
    assert record_lost(served.mas) == []
