"""Arguments and options that several verbs share, as typer reads them."""

from typing import Annotated

import typer

from mas.cli.calls import Call
from mas.errors import UsageError, shorten

Name = Annotated[str | None, typer.Argument(metavar="[ID]", help="id, its beginning, label or tmux name")]
Names = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="ids, their beginnings, labels, tmux names")]
Json = Annotated[bool, typer.Option("--json", help="print JSON")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="print ids only")]
Request = Annotated[str, typer.Option("--request", "--feature-request", metavar="TEXT", help="what is to be built")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="only say what would be done")]

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def call_of(context: typer.Context) -> Call:
    """The call a verb's function works for."""
    call: Call = context.obj
    return call


def names_agent(word: str) -> bool:
    """Whether a word can only be an agent: its two digits, or agent-NN."""
    digits = word.removeprefix("agent-")
    return len(digits) == 2 and digits.isascii() and digits.isdecimal()


def seconds(text: str, option: str) -> float:
    """The seconds that a duration like ``90``, ``1.5h`` or ``7d`` means; raises UsageError for another text."""
    number, unit = (text[:-1], text[-1:]) if text[-1:] in _SECONDS else (text, "s")
    if number.isascii() and number.replace(".", "", 1).isdecimal():
        return float(number) * _SECONDS[unit]
    raise UsageError(f"{option} is {shorten(text)}", hint="a number with s, m, h, d or w, for example 7d")
