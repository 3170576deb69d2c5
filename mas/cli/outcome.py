"""How a change ended, said alike by every verb: of one session, or of several."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from mas import render
from mas.cli.calls import Call
from mas.errors import MasError

if TYPE_CHECKING:
    from mas.session import Session
    from mas.team import Team


def tell(call: Call, session: "Session", *, as_json: bool, quiet: bool) -> int:
    """Say what a session is now."""
    if as_json:
        call.json(dict(session.document))
    elif quiet:
        call.out(session.session_id)
    else:
        call.say(f"{session.label or session.session_id[:8]} is {session.status}")
    return 0


def each(call: Call, ids: Iterable[str], act: Callable[[str], str], *, quiet: bool) -> int:
    """Do something to each session and say how it went; one that fails does not keep the others from their turn."""
    code = 0
    for session_id in ids:
        try:
            how = act(session_id)
        except MasError as error:
            hint = f"; {error.hint}" if error.hint else ""
            whose = "" if session_id in error.message else f"{session_id[:8]}: "
            call.say(render.one_line(f"mas: {whose}{error.message}{hint}"))
            code = 1
        else:
            if quiet:
                call.out(session_id)
            else:
                call.say(f"{session_id[:8]} {how}")
    return code


def own_last(call: Call, ids: Iterable[str]) -> list[str]:
    """The session we are in ourselves comes last, or the others would not be reached."""
    return sorted(ids, key=lambda one: one == call.environ.get("MAS_SESSION_ID"))


def summary(team: "Team") -> str:
    """A team in one line."""
    units = ", ".join(f"{unit.name} {len(unit.agents)}" for unit in team.units)
    return f"{team.name}, {len(team.ids)} agents ({units})" if len(team.ids) > 1 else f"{team.name}, 1 agent"
