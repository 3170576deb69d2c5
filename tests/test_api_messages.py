"""Messages over HTTP, and what their senders are told."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commandline import ok
from conftest import Wait
from serving import Served, serving

from mas.paths import Root

ID = "aaaaaaaa-0000-4000-8000-000000000001"


@pytest.fixture
def served(root: Root, tmux_socket: Path) -> Iterator[Served]:
    """A server with a pair at work."""
    del tmux_socket
    with serving(root) as found:
        found.start(template="pair", sessionId=ID)
        yield found


def screen(agent: str) -> str:
    """What an agent's pane shows."""
    found = ["-S", os.environ["MAS_TMUX_SOCKET"], "list-panes", "-a", "-F", "#{@mas_agent} #{pane_id}"]
    panes = subprocess.run(["tmux", *found], capture_output=True, text=True, check=True, timeout=10).stdout.split()
    pane = panes[panes.index(agent) + 1]
    argv = ["tmux", "-S", os.environ["MAS_TMUX_SOCKET"], "capture-pane", "-p", "-t", pane]
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=10).stdout


def test_a_message_reaches_whom_it_is_for(served: Served, wait_until: Wait) -> None:
    text = "$(touch /canary); `x` 'y' \"z\" #S ü"
    sent = served.ok("POST", "/message", json={"target": "10", "message": text})
    assert (sent["status"], sent["session"], sent["sessionId"]) == ("acknowledged", f"mas-{ID[:8]}", ID)
    assert (sent["target"], sent["to"], sent["fates"]["10"]["outcome"]) == ("10", ["10"], "submitted")
    wait_until(lambda: screen("10").count(text) == 2)  # typed, and answered by cat
    assert "canary" not in screen("11")
    assert not Path("/canary").exists()


def test_a_text_may_be_typed_without_being_entered(served: Served, wait_until: Wait) -> None:
    served.ok("POST", f"/sessions/{ID}/messages", json={"target": "11", "message": "typed", "execute": False})
    wait_until(lambda: screen("11").count("typed") == 1)
    served.ok("POST", f"/sessions/{ID}/messages", json={"target": "11", "message": " and entered"})
    wait_until(lambda: screen("11").count("typed and entered") == 2)


def test_the_session_may_be_named(served: Served) -> None:
    other = served.start(label="other")
    served.refused("POST", "/message", json={"target": "10", "message": "x"}, status=409)
    for name in ("other", other["sessionId"], other["tmuxSession"]):
        sent = served.ok("POST", "/message", json={"target": "00", "message": "x", "session": name})
        assert sent["sessionId"] == other["sessionId"]
    found = served.refused("POST", "/message", json={"target": "00", "message": "x", "session": "no"}, status=404)
    assert (found["error"], found["details"]) == ("Session not found", {"sessionId": "no"})


NOT_SENT: list[dict[str, Any]] = [
    {"target": "10"},
    {"message": "x"},
    {"target": "", "message": "x"},
    {"target": "10", "message": ""},
    {"target": "10", "message": "\x1b\x00"},
    {"target": "99", "message": "x"},
    {"target": "nobody", "message": "x"},
    {"target": "*", "message": "x"},
    {"target": "10", "message": "x", "execute": "maybe"},
    {"target": "10", "message": "x", "sender": "10"},
    {"target": "10", "message": "x", "sender": "33"},
    {"target": "10", "message": 1},
]


def test_a_message_that_may_not_be_sent_is_refused_and_not_kept(served: Served) -> None:
    for body in NOT_SENT:
        for path in ("/message", f"/sessions/{ID}/messages"):
            assert served.refused("POST", path, json=body, status=400)["error"], body
    assert served.ok("GET", f"/sessions/{ID}/messages")["total"] == 0


def test_a_sender_is_held_to_the_talk_rules(served: Served) -> None:
    default = served.start(template="default")["sessionId"]
    path = f"/sessions/{default}/messages"
    assert served.ok("POST", path, json={"target": "10", "message": "x", "sender": "00"})["sender"] == "00"
    assert (
        "may not"
        in served.refused("POST", path, json={"target": "11", "message": "x", "sender": "00"}, status=400)["error"]
    )
    assert served.ok("POST", path, json={"target": "11", "message": "x", "sender": "somebody"})["sender"] == "unknown"


def test_a_message_to_who_is_not_up_waits_or_is_refused(served: Served) -> None:
    served.mas.stop(ID)
    body = {"target": "all", "message": "later"}
    sent = served.ok("POST", f"/sessions/{ID}/messages", json=body)
    assert {fate["outcome"] for fate in sent["fates"].values()} == {"queued"}
    found = served.refused("POST", f"/sessions/{ID}/messages", json=body | {"queue": False}, status=409)
    assert found["code"] == "not_delivered"
    assert {fate["outcome"] for fate in found["details"]["fates"].values()} == {"refused"}
    assert served.ok("GET", f"/sessions/{ID}/messages")["total"] == 2


def test_what_an_agent_asks_is_answered_where_that_is_meant(served: Served, wait_until: Wait) -> None:
    asks = """[profile.asks]\ncommand = ["sh", "-c", "printf 'May I? '; exec cat"]\nwaiting = 'May I\\?\\s*\\Z'\n"""
    (served.root.path / "profiles.toml").write_text(asks)
    path = f"/sessions/{served.start(template='solo', profile='asks', label='asking')['sessionId']}/messages"
    wait_until(lambda: "May I?" in screen("00"))
    body = {"target": "00", "message": "yes"}
    held = served.ok("POST", path, json=body)["fates"]["00"]
    assert (held["outcome"], "waits for a decision" in held["reason"]) == ("queued", True)
    assert served.ok("POST", path, json=body | {"answer": True})["fates"]["00"]["outcome"] == "submitted"
    found = served.refused("POST", path, json=body | {"answer": True}, status=409)
    assert found["details"]["fates"]["00"]["reason"] == "it asks for nothing"


def test_a_message_that_not_everybody_gets_is_told_as_such(served: Served, wait_until: Wait) -> None:
    served.ok("POST", f"/sessions/{ID}/messages", json={"target": "11", "message": "x"})
    pane = served.ok("GET", f"/sessions/{ID}/agents")["agents"][1]["paneId"]
    subprocess.run(
        ["tmux", "-S", os.environ["MAS_TMUX_SOCKET"], "send-keys", "-t", pane, "C-d"], check=True, timeout=10
    )
    wait_until(lambda: served.ok("GET", f"/sessions/{ID}/agents")["agents"][1]["status"] == "stopped")
    sent = served.ok("POST", f"/sessions/{ID}/messages", json={"target": "all", "message": "x", "queue": False})
    assert sent["status"] == "partial"
    assert {agent: fate["outcome"] for agent, fate in sent["fates"].items()} == {"10": "submitted", "11": "refused"}


def test_a_long_message_arrives_whole(served: Served) -> None:
    text = "\n".join("x" * 1000 for _ in range(1000))
    path = f"/sessions/{ID}/messages"
    served.ok("POST", path, json={"target": "10", "message": text})
    found = served.ok("GET", path)
    assert (found["messages"][0]["message"], found["more"]) == (text, False)
    served.ok("POST", path, json={"target": "10", "message": f"{text}\n{text}"[: 2**20 - 1]})
    found = served.ok("GET", path)  # more than a megabyte, but the newest is always told
    assert (found["count"], found["total"], found["more"]) == (1, 2, True)
    assert served.ok("GET", f"/messages?sessionId={ID}")["more"] is True


def test_messages_are_listed_oldest_first_and_newest_first(served: Served) -> None:
    for number in range(3):
        served.ok("POST", "/message", json={"target": ("10", "11", "all")[number], "message": f"m{number}"})
    path = f"/sessions/{ID}/messages"
    assert [one["message"] for one in served.ok("GET", path)["messages"]] == ["m0", "m1", "m2"]
    found = served.ok("GET", f"{path}?agent=11&limit=1")
    assert ([one["message"] for one in found["messages"]], found["total"], found["count"]) == (["m2"], 2, 1)
    logs = served.ok("GET", f"/messages?sessionId={ID[:8]}")
    assert [one["message"] for one in logs["logs"]] == ["m2", "m1", "m0"]
    assert (logs["sessionId"], logs["resolvedSessionId"], logs["channel"]) == (ID[:8], ID, "all")
    before = logs["logs"][0]["timestamp"]
    older = served.ok("GET", "/messages", params={"sessionId": ID, "before": before, "channel": "unit-0", "limit": 1})
    assert [one["message"] for one in older["logs"]] == ["m1"]
    for query in ("", f"sessionId={ID}&channel=x", f"sessionId={ID}&limit=0", f"sessionId={ID}&channel=unit-7"):
        served.refused("GET", f"/messages?{query}", status=400)


def test_the_command_line_tells_the_same_messages(served: Served) -> None:
    served.ok("POST", "/message", json={"target": "10", "message": "hello"})
    told = ok("messages", ID, "--json", root=served.root.path)
    assert served.ok("GET", f"/sessions/{ID}/messages")["messages"][0] in (
        told.json if isinstance(told.json, list) else told.json["messages"]
    )
