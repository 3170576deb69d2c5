"""What an agent may not do: end or remove sessions other than its own. A person in a terminal of their own may do all.

An agent can write to what belongs to its user, so this keeps from mistakes, not from malice.
"""

from typing import TYPE_CHECKING

from mas import processes, settings
from mas.errors import RefusedError
from mas.wrapper import MARKER

if TYPE_CHECKING:
    from mas.app import Mas


def check_may_end(mas: "Mas", session_id: str) -> None:
    """Raise RefusedError where this runs in a pane of another session, and the project does not allow that.

    The processes of a launch are told by what their ancestors were started with, not by the environment as it is now.
    """
    carried = processes.values(MARKER, processes.ancestry())
    own = f"{session_id}:"
    inside = all(value.startswith(own) and value.endswith(mas.mark) for value in carried)
    if inside or settings.ends_others(mas.root):
        return
    msg = "this runs in a pane of another session, and an agent ends or removes only its own"
    raise RefusedError(msg, hint=f"call it from a terminal of yours, or set {settings.OTHERS_VARIABLE}=1 in .masrc")
