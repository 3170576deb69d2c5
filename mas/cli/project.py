"""``init``: a project in a directory."""

from typing import Annotated

import typer

from mas import project
from mas.cli.options import Json, call_of


def init(
    context: typer.Context,
    *,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="of the project, else the directory's")] = None,
    template: Annotated[str | None, typer.Option(metavar="NAME", help="the team, see `mas templates list`")] = None,
    as_json: Json = False,
) -> int:
    """Make the working directory, or that of --root, a project: .masrc, unit/, workflows/ and sessions/.

    What is there already stays as it is.
    """
    call = call_of(context)
    call.refuse_records_only("init")
    done = project.init(call.place, name, template)
    if as_json:
        call.json({"root": str(done.root.path), "made": done.made, "kept": done.kept, "tmuxSession": done.session_name})
        return 0
    pairs = [("Project", str(done.root.path)), ("Made", ", ".join(done.made)), ("Kept", ", ".join(done.kept))]
    call.out("\n".join(f"{title}: {value}" for title, value in pairs if value))
    call.say(f"`mas start` brings its team up as {done.session_name}, `mas start --isolated` one in a workspace")
    return 0


COMMANDS = {"init": init}
