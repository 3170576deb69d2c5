"""``events`` and ``wait``: watching a session."""

from typing import Annotated

import typer

from mas import details, following, render
from mas.cli.calls import Call
from mas.cli.options import Json, Name, Quiet, call_of, seconds
from mas.errors import UsageError, shorten
from mas.lifecycle import plain_word
from mas.lines import Line


def events(
    context: typer.Context,
    name: Name = None,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="go on with each new one as it comes")] = False,
    since: Annotated[int, typer.Option(min=0, metavar="SEQ", help="only those after this number")] = 0,
    as_json: Json = False,
) -> int:
    """Show what happened to a session, oldest first. With --json each is one line of JSON."""
    call = call_of(context)
    session_id = call.mas.resolve(name)
    for line in following.follow(call.mas, session_id, since, forever=follow):
        _tell(call, line, as_json=as_json)
        if follow:
            call.flush()
    return 0


def _tell(call: Call, line: Line, *, as_json: bool) -> None:
    if as_json:
        call.out(render.to_json(details.line_to_json(line), indent=None))
    elif call.on_terminal:
        text = f"{line.seq:>5}  {line.ts[:19].replace('T', ' ')}  {line.type:19}  {details.said(line)}"
        call.lines([render.cut(render.one_line(text.rstrip()), call.width)])
    else:
        call.lines(render.tab_separated([(str(line.seq), line.ts, line.type, details.said(line))]))


def wait(
    context: typer.Context,
    name: Name = None,
    *,
    until: Annotated[str, typer.Option(metavar="WORD", help=f"one of: {', '.join(following.WORDS)}")],
    timeout: Annotated[str | None, typer.Option(metavar="TIME", help="give up after so long, for example 10m")] = None,
    quiet: Quiet = False,
) -> int:
    """Wait until a session is, or meanwhile was, what a word says. Exit code 124 where the time was up first."""
    call = call_of(context)
    until = plain_word(until)
    if until not in following.WORDS:
        raise UsageError(f"--until is {shorten(until)}", hint=f"one of: {', '.join(following.WORDS)}")
    limit = None if timeout is None else seconds(timeout, "--timeout")
    session_id = call.mas.resolve(name)
    with call.busy(f"waiting until {session_id[:8]} is {until}"):
        following.wait(call.mas, session_id, until, limit)
    if quiet:
        call.out(session_id)
    else:
        call.say(f"{session_id[:8]} is {until}")
    return 0


COMMANDS = {"events": events, "wait": wait}
