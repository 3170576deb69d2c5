"""What a session's team needs beside its record, looked at: its directories, its configuration, its messages.

Nothing is written. What is wrong with it, and what helps, is said by ``mas.reconcile.of_workspace``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mas import settings, teamfile
from mas.environment import PROGRAMS
from mas.errors import DamagedError, MasError
from mas.mailbox import Mailbox
from mas.paths import SessionPaths
from mas.reconcile import Workspace
from mas.record import Document, runtime_of

if TYPE_CHECKING:
    from mas.app import Mas


def look(mas: "Mas", document: Document) -> Workspace:
    """What there is of a session's workspace; of one that is only a record nothing is expected."""
    session_id, runtime = document["session_id"], runtime_of(document)
    if not runtime.get("mode"):
        return Workspace()
    paths = mas.root.session(session_id)
    places = list(_places(paths, [] if runtime["mode"] == settings.LEGACY else runtime.get("agents", [])))
    odd = [place for place in (*places, paths.directory / PROGRAMS) if _is_odd(place)]
    missing = [place for place in places if place not in odd and not place.is_dir()]
    config, remedy = _config(mas, session_id) if runtime.get("agents") else ("", "")
    unreadable = _unreadable(mas, session_id)
    return Workspace(
        missing=_outermost(paths, missing, [*odd, *missing]),
        odd=_outermost(paths, odd, odd) + (() if unreadable is not None else (paths.messages.name,)),
        config=config,
        config_remedy=remedy,
        unreadable=unreadable or 0,
    )


def _places(paths: SessionPaths, agent_ids: list[str]) -> Iterator[Path]:
    """The directories of a session; those of a team in the root's own directories are the project's."""
    if agent_ids:
        yield from (paths.unit, *(paths.unit / agent_id for agent_id in agent_ids), paths.workflows)
    yield paths.logs


def _is_odd(place: Path) -> bool:
    return place.is_symlink() or (place.exists() and not place.is_dir())


def _outermost(paths: SessionPaths, places: list[Path], faults: list[Path]) -> tuple[str, ...]:
    """Their names, without those in a directory that is at fault itself."""
    return tuple(str(place.relative_to(paths.directory)) for place in places if place.parent not in faults)


def _config(mas: "Mas", session_id: str) -> tuple[str, str]:
    """Why the team could not be brought up from its configuration, and what helps."""
    try:
        teamfile.stored_team(mas, session_id)
    except MasError as error:
        return error.message, error.hint or ""
    return "", ""


def _unreadable(mas: "Mas", session_id: str) -> int | None:
    """Bytes among the messages that say nothing; None where they are in no file of their own."""
    try:
        return Mailbox(mas.root, session_id).unreadable()
    except DamagedError:
        return None
