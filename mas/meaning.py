"""Which session is meant where none is named: the order that scripts and people rely on.

The one that the environment names; the one whose terminal we are in; the one that the project's ``.mas_session``
names; the one that somebody looks at; the only one that is up. Names are compared whole. Only the environment may name
a session that is down; several that fit are an error that lists them.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mas import naming, notes, tmux
from mas.errors import NotFoundError, UnknownStateError, shorten
from mas.index import Row
from mas.structs import Frozen
from mas.views import View

if TYPE_CHECKING:
    from mas.app import Mas

NAME, ID = "MAS_SESSION_NAME", "MAS_SESSION_ID"
"""The variables that name a session: as it is called in tmux, and by its id."""

_PANE = re.compile(r"%[0-9]+", re.ASCII)

Live = Mapping[str, tmux.SeenSession]


class Meant(Frozen):
    """The session that is meant: one of ours by its id, or else a ``stray``, which nobody has registered."""

    session_id: str = ""
    stray: tmux.SeenSession | None = None


def named(mas: "Mas", name: str) -> str:
    """The id of the session that a name means. Raises NotFoundError, AmbiguousError with all that fit."""
    try:
        return str(naming.find(name, mas.rows())["sessionId"])
    except NotFoundError:
        seen = (mas.live()[0] or {}).get(name) if name.startswith(naming.PREFIX) else None
        if seen and mas.is_stray(seen):
            raise unregistered(seen) from None
        raise


def unregistered(stray: tmux.SeenSession) -> NotFoundError:
    """The error for a team that runs and that nobody has registered."""
    return NotFoundError(f"{stray.name} is not registered", hint=f"`mas adopt {stray.name}` takes it in")


def meant(mas: "Mas") -> Meant:
    """The session that is meant. Raises NotFoundError, AmbiguousError with all that fit, UnknownStateError."""
    named = mas.environ.get(NAME, ""), mas.environ.get(ID, "")
    if any(named):
        return _named(mas, *named)
    if session_id := _around(mas):
        return Meant(session_id)
    return _noted(mas) or Meant(_only(mas))


def meant_down(mas: "Mas") -> Meant:
    """The session whose team is to come back: the one that the environment names, or we are in, or the only one down.

    Raises what ``meant`` raises.
    """
    named = mas.environ.get(NAME, ""), mas.environ.get(ID, "")
    if any(named):
        return _named(mas, *named)
    return Meant(_around(mas) or _only_down(mas))


def down(mas: "Mas") -> Sequence[Row]:
    """The sessions whose teams are down and could be brought back, the newest first. Raises UnknownStateError."""
    listed = mas.list(everything=True)
    if listed.complaint:
        raise _untold(listed.complaint)
    teams = (view for view in listed.views if view.session_id and view.mode and view.status != "active")
    there = (view for view in teams if mas.root.session(view.session_id).directory.is_dir())
    return [{"sessionId": view.session_id, "label": view.label, "tmuxSession": view.tmux_name} for view in there]


# --- the environment ---


def _named(mas: "Mas", name: str, session_id: str) -> Meant:
    """What is named both ways is found without asking tmux: panes of ours ask for themselves all the time."""
    row = mas.row(session_id) if session_id else None
    if row and name in ("", row.get("tmuxSession")):
        return Meant(session_id)
    if found := _called(mas, name):
        return found
    if row:
        return Meant(session_id)
    variable, value = (NAME, name) if name else (ID, session_id)
    msg = f"{variable} is set, but there is no session {shorten(value)}"
    raise NotFoundError(msg, hint=f"name a session, or: unset {variable}")


def _called(mas: "Mas", name: str) -> Meant | None:
    """The session of that tmux name: the one that is up, else the only one that was ever called so."""
    if not name:
        return None
    live, complaint = mas.live()
    if found := _of_live(mas, live or {}, name):
        return found
    rows = [row for row in mas.rows() if row.get("tmuxSession") == name]
    if len(rows) > 1:
        why = f" ({complaint})" if complaint else ""
        raise naming.ambiguous(f"{len(rows)} sessions were called {name}{why}", rows)
    return Meant(rows[0]["sessionId"]) if rows else None


def _of_live(mas: "Mas", live: Live, name: str) -> Meant | None:
    seen = live.get(name)
    if seen and seen.session_id and mas.is_ours(seen) and mas.row(seen.session_id):
        return Meant(seen.session_id)
    return Meant(stray=seen) if seen and mas.is_stray(seen) else None


# --- what is up ---


def _around(mas: "Mas") -> str:
    """The session of ours whose terminal this is, asked of the server that the terminal belongs to; empty for none."""
    socket, _, rest = mas.environ.get("TMUX", "").partition(",")
    if not socket:
        return ""
    server, pane = mas.server_of(socket), mas.environ.get("TMUX_PANE", "")
    here: tmux.Look | tmux.SeenSession | None
    if _PANE.fullmatch(pane):
        here = tmux.looks(server, [pane]).get(pane)
    else:
        tmux_id = f"${rest.partition(',')[2]}"
        here = next((one for one in tmux.discover(server).sessions if one.tmux_id == tmux_id), None)
    return here.session_id if here and here.session_id and mas.is_ours(here) and mas.row(here.session_id) else ""


def _noted(mas: "Mas") -> Meant | None:
    """The session that the note in the working directory, or in the root, names, as long as it is up."""
    names = [name for place in (mas.cwd, mas.root.path) if (name := notes.name_in(place))]
    if not names:
        return None
    live, complaint = mas.live()
    if live is None:
        raise _untold(complaint)
    return next((found for name in names if (found := _of_live(mas, live, name))), None)


def _only(mas: "Mas") -> str:
    listed = mas.list(active=True, everything=True)
    if listed.complaint:
        raise _untold(listed.complaint)
    up = [view for view in listed.views if view.session_id]
    attached = [view for view in up if view.attached]
    for fitting in (attached, up):
        if len(fitting) == 1:
            return fitting[0].session_id
        if fitting:
            rows = [row for row in mas.rows() if row["sessionId"] in {view.session_id for view in fitting}]
            raise naming.ambiguous(f"{len(fitting)} sessions are active", rows)
    raise NotFoundError("no session is active", hint=_hint([view for view in listed.views if not view.session_id]))


def _only_down(mas: "Mas") -> str:
    rows = down(mas)
    if not rows:
        hint = "`mas start --isolated` starts one, `mas list` shows what is up"
        raise NotFoundError("no session is down", hint=hint)
    if len(rows) > 1:
        hint = f"`mas resume {rows[0]['sessionId']}` brings back the newest"
        raise naming.ambiguous(f"{len(rows)} sessions are down", rows, hint)
    return str(rows[0]["sessionId"])


def _hint(strays: Sequence[View]) -> str:
    if strays:
        name = strays[0].tmux_name
        return f"{name} runs and is not registered: name it in full, or `mas adopt {name}`"
    return "`mas start --isolated` starts one, `mas list` shows the others"


def _untold(complaint: str) -> UnknownStateError:
    return UnknownStateError(f"cannot tell which session is meant: {complaint}", hint="name one: `mas list`")
