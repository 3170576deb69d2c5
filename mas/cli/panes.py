"""``logs`` and ``restart-agent``: what an agent's pane printed, and beginning again in it."""

import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from mas import render, restarting, transcripts
from mas.cli.calls import Call
from mas.cli.options import Quiet, call_of, names_agent
from mas.errors import UsageError, shorten
from mas.stopping import ASKING

Words = Annotated[list[str], typer.Argument(metavar="[ID] AGENT", help="the session, and which of its agents")]

_LINES = 200
_LONGEST = 4096
"""Bytes of a line that a terminal waits for the end of: some programs never end one."""


def _meant(call: Call, words: Sequence[str]) -> tuple[str, str]:
    """The session and the agent that one or two words mean."""
    if len(words) > 2:
        raise UsageError(f"{len(words)} words were given", hint="say which session, and which agent: ID AGENT")
    if len(words) == 1 and not names_agent(words[0]) and call.is_session(words[0]):
        raise UsageError(f"which agent of session {shorten(words[0])}?", hint=f"add its id: {words[0]} AGENT")
    return call.mas.resolve(words[0] if len(words) == 2 else None), words[-1]


def logs(
    context: typer.Context,
    words: Words,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="go on as it comes")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, metavar="N", help="the last N lines")] = _LINES,
) -> int:
    """Print what an agent's pane printed, where that is kept: `mas start --log`.

    For a terminal without the codes that move the cursor, for a program byte by byte.
    """
    call = call_of(context)
    transcript = transcripts.find(call.mas, *_meant(call, words))
    if not call.on_terminal:
        _bytes(transcript, lines, follow=follow)
        return 0
    call.lines(_clean(transcript.last(lines)))
    waiting = b""
    for data in transcripts.follow(transcript) if follow else ():
        whole, end, waiting = (waiting + data).rpartition(b"\n")
        if len(waiting) > _LONGEST:
            whole, end, waiting = whole + end + waiting, b"\n", b""
        if end:
            call.lines(_clean(whole))
            call.flush()
    return 0


def _clean(data: bytes) -> list[str]:
    return [render.clean(line) for line in transcripts.plain(data).splitlines()]


def _bytes(transcript: transcripts.Transcript, lines: int, *, follow: bool) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(transcript.last(lines))
    sys.stdout.buffer.flush()
    for data in transcripts.follow(transcript) if follow else ():
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def restart_agent(
    context: typer.Context,
    words: Words,
    *,
    again: Annotated[bool, typer.Option("--continue", help="with the conversation it had")] = False,
    force: Annotated[bool, typer.Option("--force", "-f", help="do not wait for it to end by itself")] = False,
    quiet: Quiet = False,
) -> int:
    """End what is left of one agent and start it again in its pane; what waits for it is delivered."""
    call = call_of(context)
    session_id, agent_id = _meant(call, words)
    with call.busy(f"restarting agent {agent_id}"):
        pane = restarting.restart(call.mas, session_id, agent_id, again=again, grace=0 if force else ASKING)
    if quiet:
        call.out(session_id)
    else:
        call.out(f"agent {agent_id.removeprefix('agent-')} runs again in pane {pane}")
    return 0


COMMANDS: dict[str, Callable[..., int]] = {"logs": logs, "restart-agent": restart_agent}
