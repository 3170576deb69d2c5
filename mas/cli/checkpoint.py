"""``checkpoint``: states of a session to go back to."""

from typing import Annotated, Any

import typer

from mas import render
from mas.cli.calls import Call
from mas.cli.options import Json, Name, Quiet, call_of
from mas.clock import utc_now
from mas.errors import NotFoundError
from mas.states import SessionCheckpoint

Seq = Annotated[int | None, typer.Option("--seq", metavar="N", help="its number, else the newest")]


def group() -> None:
    """States of a session to go back to."""


def save(context: typer.Context, name: Name = None, *, as_json: Json = False, quiet: Quiet = False) -> int:
    """Keep the record of a session as it is now."""
    call = call_of(context)
    made = call.manager.save_checkpoint(call.mas.resolve(name))
    if as_json:
        call.json(made.to_dict())
    elif quiet:
        call.out(str(made.seq))
    else:
        call.say(f"checkpoint {made.seq} is saved")
    return 0


def list_(context: typer.Context, name: Name = None, *, as_json: Json = False, quiet: Quiet = False) -> int:
    """Show the checkpoints of a session, oldest first."""
    call = call_of(context)
    session_id = call.mas.resolve(name)
    found, damaged = _read(call, session_id)
    for seq in damaged if not as_json else ():
        call.say(f"checkpoint {seq} is damaged; `mas doctor --fix {session_id[:8]}` sets it aside")
    if as_json:
        told = [one.to_dict() for one in found]
        call.json({"sessionId": session_id, "checkpoints": told, "count": len(found), "damaged": damaged})
    elif quiet:
        call.lines([str(one.seq) for one in found])
    elif not found:
        call.say("no checkpoints; `mas checkpoint save` makes one")
    else:
        _show_list(call, found)
    return 0


def _read(call: Call, session_id: str) -> tuple[list[SessionCheckpoint], list[int]]:
    """The checkpoints of a session, and the numbers of those that are damaged."""
    files = call.mas.storage.checkpoint_files(session_id)
    return [found for _, found in files if found], [seq for seq, found in files if found is None]


def _show_list(call: Call, found: Any) -> None:
    rows = [(str(one.seq), one.state_snapshot["status"], str(one.iteration), one.timestamp) for one in found]
    if not call.on_terminal:
        call.lines(render.tab_separated(rows))
        return
    now = utc_now()
    columns = [
        render.Column("SEQ", right=True),
        render.Column("STATUS"),
        render.Column("ITERATION"),
        render.Column("AGE"),
    ]
    cells = [(*row[:3], render.ago(row[3], now)) for row in rows]
    call.lines(render.table(columns, cells, call.width, colour=call.colour))


def show(context: typer.Context, name: Name = None, seq: Seq = None) -> int:
    """Print the record that a checkpoint holds."""
    call = call_of(context)
    call.json(_chosen(call, call.mas.resolve(name), seq).to_dict())
    return 0


def restore(
    context: typer.Context,
    name: Name = None,
    seq: Seq = None,
    *,
    start: Annotated[bool, typer.Option("--start", help="bring its team up too")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Begin again from a checkpoint: a child session, the old one stays as it is."""
    call = call_of(context)
    session_id = call.mas.resolve(name)
    chosen = _chosen(call, session_id, seq)
    from mas.cli.again import make_child  # noqa: PLC0415  the other verbs begin nothing

    return make_child(call, session_id, chosen, start=start, as_json=as_json, quiet=quiet)


def prune(
    context: typer.Context,
    name: Name = None,
    *,
    keep: Annotated[int, typer.Option(min=1, metavar="N", help="how many of the newest stay")] = 5,
    quiet: Quiet = False,
) -> int:
    """Drop old checkpoints."""
    call = call_of(context)
    dropped = call.manager.prune_checkpoints(call.mas.resolve(name), keep)
    if quiet:
        call.lines([str(seq) for seq in dropped])
    else:
        call.say("1 checkpoint is dropped" if len(dropped) == 1 else f"{len(dropped)} checkpoints are dropped")
    return 0


def _chosen(call: Call, session_id: str, seq: int | None) -> SessionCheckpoint:
    """The checkpoint of that number, else the newest that is whole; which were passed over for it is said."""
    if seq is not None:
        return call.mas.storage.checkpoint(session_id, seq)
    found, damaged = _read(call, session_id)
    if not found:
        what = "no checkpoint that is whole" if damaged else "no checkpoint"
        raise NotFoundError(f"session {session_id} has {what}", hint="`mas checkpoint save` makes one")
    for newer in damaged:
        if newer > found[-1].seq:
            call.say(f"checkpoint {newer} is damaged, taking {found[-1].seq}")
    return found[-1]


COMMANDS = {"checkpoint": {"": group, "save": save, "list": list_, "show": show, "restore": restore, "prune": prune}}
