"""``retry``: beginning again."""

from typing import Annotated

import typer

from mas import retrying
from mas.cli.calls import Call
from mas.cli.options import Json, Name, Quiet, call_of
from mas.states import SessionCheckpoint


def retry(
    context: typer.Context,
    name: Name = None,
    *,
    start: Annotated[bool, typer.Option("--start", help="bring its team up too")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Begin again: a child session with the same request and a copy of the workspace."""
    call = call_of(context)
    return make_child(call, call.mas.resolve(name), None, start=start, as_json=as_json, quiet=quiet)


def make_child(
    call: Call, session_id: str, checkpoint: SessionCheckpoint | None, *, start: bool, as_json: bool, quiet: bool
) -> int:
    """Make a child of a session and say which."""
    with call.busy(f"beginning {session_id[:8]} again"):
        child = retrying.retry(call.mas, session_id, manager=call.manager, checkpoint=checkpoint, start=start)
    if as_json:
        call.json(dict(child.document))
    elif quiet:
        call.out(child.session_id)
    else:
        call.out(f"Session ID: {child.session_id}")
        if not start and child.mode:
            call.say(f"its team is not up; `mas resume {child.session_id[:8]}` starts it")
    return 0


COMMANDS = {"retry": retry}
