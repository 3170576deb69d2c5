"""From the words behind a verb to the call of its function, by typer; the only place that builds typer's commands."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import typer
from typer.main import get_command

from mas.cli.calls import COMMON, Call
from mas.errors import UsageError

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 80}
_USAGE: type[Exception] = typer.BadParameter.__mro__[1]
"""typer's own error for a wrong command line; where its class lives depends on typer's version."""


def run(
    call: Call, verb: str, function: Callable[..., Any] | Mapping[str, Callable[..., Any]], words: Sequence[str]
) -> int:
    """Call what the words ask for and return its exit code; raises UsageError where they are wrong."""
    command = build(verb, function)
    try:
        with command.make_context(f"mas {verb}", list(words), obj=call) as context:
            return command.invoke(context) or 0
    except typer.Exit as end:
        return end.exit_code
    except _USAGE as error:
        message, _, meant = _message(error).partition(". Did you mean ")
        hint = f"did you mean {meant}" if meant else f"`mas {_path(error, verb)} --help` shows how"
        raise UsageError(message, hint=hint) from None


def build(verb: str, function: Callable[..., Any] | Mapping[str, Callable[..., Any]]) -> Any:
    """The command of a verb as typer has it."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    if isinstance(function, Mapping):
        app.callback(context_settings=_CONTEXT, no_args_is_help=False, help=function[""].__doc__)(function[""])
        for name, one in function.items():
            if name:
                app.command(name, context_settings=_CONTEXT, epilog=_EPILOG)(one)
    else:
        app.command(verb, context_settings=_CONTEXT, epilog=_EPILOG)(function)
    return get_command(app)


_EPILOG = "Everywhere: " + "; ".join(f"{name} PATH, {text}" for name, text in COMMON.items()) + "."


def _message(error: Exception) -> str:
    text = error.format_message()  # type: ignore[attr-defined]
    text = " ".join(text.split()).rstrip(".")
    return text[:1].lower() + text[1:]


def _path(error: Exception, verb: str) -> str:
    context = getattr(error, "ctx", None)
    return context.command_path.removeprefix("mas ") if context else verb
