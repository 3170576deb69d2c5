"""A stand-in for the servers of language models: it answers what the agent programs ask, in the words of each.

It says which errands it has heard of in the whole conversation, so that one can see whether an agent remembers, and
where the last thing said has the word of ``WORK`` in it, it has the agent run a command, about which the agent asks.
"""

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WORK = "make-a-file"
COMMAND = "touch made-by-the-agent"
ASKING = {"sandbox_permissions": "require_escalated", "justification": "May I make a file?"}
ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "Bash": {"command": COMMAND, "description": "Make a file"},
    "bash": {"command": COMMAND, "description": "Make a file"},
    "exec_command": {"cmd": COMMAND, **ASKING},
    "shell_command": {"command": COMMAND, **ASKING},
    "shell": {"command": COMMAND.split(), **ASKING},
    "run_shell_command": {"command": COMMAND, "description": "Make a file"},
}
"""The tools by which the programs run commands, and how they are told what."""

LISTING = f"\n\n{COMMAND.rpartition(' ')[2]}\n```\nmade\n```\n"
"""What has a program without tools make the file."""

Event = tuple[str, Any]


class Handler(BaseHTTPRequestHandler):
    """One request of an agent program."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  as the base calls it
        """Say nothing: the program under trial has the terminal."""

    def do_GET(self) -> None:
        """Whatever else a program wants to know, there is none of it."""
        self._answer({"data": [], "models": []})

    def do_HEAD(self) -> None:
        """Somebody is here."""
        self._answer({})

    def do_POST(self) -> None:
        """A part of a conversation, or something about it."""
        body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
        path = self.path.partition("?")[0]
        speak = SPEAKERS.get(path.rpartition(":")[2] if path.startswith("/v1beta/") else path)
        if speak is None:
            self._answer({"input_tokens": 10})
        else:
            self._stream(speak(body, *_reply(body)))

    def _answer(self, document: Mapping[str, Any]) -> None:
        text = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def _stream(self, events: Iterator[Event]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for name, data in events:
            head = f"event: {name}\n" if name else ""
            self.wfile.write(f"{head}data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode())
            self.wfile.flush()


RESULTS = ('"tool_result"', '"function_call_output"', '"role": "tool"', '"functionResponse"')
"""What stands in a message that says what came out of a command."""


def _reply(body: Mapping[str, Any]) -> tuple[str, str]:
    """What is said, and the tool that is to be used before that, if any."""
    said = body.get("messages") or body.get("input") or body.get("contents") or [""]
    last = json.dumps(said[-1])
    heard = sorted(set(re.findall(r"errand-[0-9]", json.dumps(said))))
    text = f"The stand-in has heard of {', '.join(heard) or 'nothing'}."
    if WORK not in last or any(word in last for word in RESULTS):
        return text, ""
    names = re.findall(r'"name": "(\w+)"', json.dumps(body.get("tools", ())))
    return (text, next((name for name in ARGUMENTS if name in names), "")) if names else (text + LISTING, "")


def _messages(body: Mapping[str, Any], text: str, tool: str) -> Iterator[Event]:
    """As Claude's server does it."""
    usage = {"input_tokens": 10, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": body.get("model", ""), "content": []}
    block: dict[str, Any] = {"type": "text", "text": ""}
    delta = {"type": "text_delta", "text": text}
    if tool:
        block = {"type": "tool_use", "id": "toolu_1", "name": tool, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(ARGUMENTS[tool])}
    why = {"stop_reason": "tool_use" if tool else "end_turn", "stop_sequence": None}
    for name, data in (
        ("message_start", {"message": {**message, "stop_reason": None, "stop_sequence": None, "usage": usage}}),
        ("content_block_start", {"index": 0, "content_block": block}),
        ("content_block_delta", {"index": 0, "delta": delta}),
        ("content_block_stop", {"index": 0}),
        ("message_delta", {"delta": why, "usage": {"output_tokens": 5}}),
        ("message_stop", {}),
    ):
        yield name, {"type": name, **data}


def _responses(body: Mapping[str, Any], text: str, tool: str) -> Iterator[Event]:
    """As the newer one of OpenAI does it."""
    content = {"type": "output_text", "text": text, "annotations": []}
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [content]}
    if tool:
        call = {"call_id": "call_1", "name": tool, "arguments": json.dumps(ARGUMENTS[tool])}
        item = {"type": "function_call", "id": "fc_1", "status": "completed", **call}
    response = {"id": "resp_1", "object": "response", "model": body.get("model", ""), "output": []}
    usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
    for name, data in (
        ("response.created", {"response": {**response, "status": "in_progress"}}),
        ("response.output_item.added", {"output_index": 0, "item": item}),
        ("response.output_item.done", {"output_index": 0, "item": item}),
        ("response.completed", {"response": {**response, "status": "completed", "output": [item], "usage": usage}}),
    ):
        yield name, {"type": name, **data}


def _chat(body: Mapping[str, Any], text: str, tool: str) -> Iterator[Event]:
    """As the older one of OpenAI does it, and many others."""
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": body.get("model", "")}
    delta: dict[str, Any] = {"role": "assistant", "content": text}
    if tool:
        function = {"name": tool, "arguments": json.dumps(ARGUMENTS[tool])}
        delta = {"role": "assistant", "tool_calls": [{"index": 0, "id": "1", "type": "function", "function": function}]}
    yield "", {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    end = {"index": 0, "delta": {}, "finish_reason": "tool_calls" if tool else "stop"}
    yield "", {**chunk, "choices": [end], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}
    yield "", "[DONE]"


def _generate(body: Mapping[str, Any], text: str, tool: str) -> Iterator[Event]:
    """As Gemini's server does it."""
    part: dict[str, Any] = {"functionCall": {"name": tool, "args": ARGUMENTS[tool]}} if tool else {"text": text}
    usage = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
    candidate = {"index": 0, "content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}
    yield "", {"candidates": [candidate], "usageMetadata": usage, "modelVersion": body.get("model", "")}


SPEAKERS = {
    "/v1/messages": _messages,
    "/v1/responses": _responses,
    "/v1/chat/completions": _chat,
    "streamGenerateContent": _generate,
}
"""By the path that is asked, or by what follows the model in it."""


@contextmanager
def serving() -> Iterator[str]:
    """A stand-in on a free port of this machine; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
