"""The trial of real agent programs, as far as it goes without one: what the stand-in for their servers says."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import standin

SCRIPT = Path(__file__).with_name("trying.py")
GEMINI = "/v1beta/models/any:streamGenerateContent?alt=sse"
SPOKEN = {
    "/v1/messages": "messages",
    "/v1/responses": "input",
    "/v1/chat/completions": "messages",
    GEMINI: "contents",
}
TOOLS: dict[str, tuple[str, dict[str, Any]]] = {
    "/v1/messages": ("Bash", {"name": "Bash"}),
    "/v1/responses": ("exec_command", {"name": "exec_command"}),
    "/v1/chat/completions": ("bash", {"function": {"name": "bash"}}),
    GEMINI: ("run_shell_command", {"functionDeclarations": [{"name": "run_shell_command"}]}),
}
RESULTS: dict[str, dict[str, Any]] = {
    "/v1/messages": {"role": "user", "content": [{"type": "tool_result", "content": standin.WORK}]},
    "/v1/responses": {"type": "function_call_output"},
    "/v1/chat/completions": {"role": "tool"},
    GEMINI: {"role": "user", "parts": [{"functionResponse": {"name": "run_shell_command"}}]},
}
each_way = pytest.mark.parametrize("path", SPOKEN)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with standin.serving() as address:
        yield address


def ask(url: str, path: str, *said: dict[str, Any]) -> str:
    """The whole stream that comes back."""
    tools = [TOOLS[path][1]]
    answer = httpx.post(url + path, json={"model": "any", SPOKEN[path]: list(said), "tools": tools})
    assert answer.headers["content-type"] == "text/event-stream"
    return answer.text


@each_way
def test_it_says_what_it_has_heard_of_in_the_whole_conversation(url: str, path: str) -> None:
    said = ({"role": "user", "content": f"errand-{number}"} for number in (2, 1, 2))
    assert "The stand-in has heard of errand-1, errand-2." in ask(url, path, *said)


@each_way
def test_it_has_the_agent_work_once(url: str, path: str) -> None:
    wish: dict[str, Any] = {"role": "user", "content": standin.WORK}
    first = ask(url, path, wish)
    assert TOOLS[path][0] in first
    assert standin.COMMAND in first
    assert standin.COMMAND not in ask(url, path, wish, {**RESULTS[path], "output": standin.WORK})


def test_a_program_without_tools_is_told_what_the_file_holds(url: str) -> None:
    wish = {"role": "user", "content": standin.WORK}
    answer = httpx.post(f"{url}/v1/chat/completions", json={"model": "any", "messages": [wish]}).text
    assert json.dumps(standin.LISTING).strip('"') in answer


def test_whatever_else_is_asked_has_an_answer(url: str) -> None:
    assert httpx.get(f"{url}/v1/models").json()["data"] == []
    assert httpx.post(f"{url}/v1/messages/count_tokens", json={}).json() == {"input_tokens": 10}
    assert json.loads(httpx.head(url).text or "{}") == {}


def test_a_program_that_nobody_knows_is_named() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "nobody"], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 2
    assert "it is not known how to try 'nobody'; known are claude, codex, opencode, gemini, aider" in done.stderr
