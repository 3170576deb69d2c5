"""Panes as a sender sees them, just before and after it types: whose they are, who reads there, and what they show."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mas.listings import Listing
from mas.tmux.client import REPLACED, Server, ask, equals, listing, number, pane_target, unclear

CROWD = 16
"""Panes that one client call may speak of: a command line for tmux holds about 16,000 bytes."""

_FACTS = (
    "@mas_session",
    "@mas_root",
    "@mas_agent",
    "@mas_exit",
    "@mas_ready",
    "pane_dead",
    REPLACED,
    "pane_pid",
    "pane_tty",
)
_PLACE = ("cursor_x", "cursor_y", "history_size")


class Look(NamedTuple):
    """One pane at one moment. ``exit_code`` is None while its agent runs.

    ``ready`` says that somebody saw the agent read since it was started, ``replaced`` that another program was started
    in its pane. ``place`` is where the cursor is: a text shows even where it looks like what was there before.
    """

    session_id: str
    root: str
    agent_id: str
    exit_code: int | None = None
    ready: bool = False
    dead: bool = False
    replaced: bool = False
    pid: int = 0
    tty: str = ""
    place: tuple[str, ...] = ()
    screen: str = ""

    @property
    def there(self) -> bool:
        """Whether an agent runs in it."""
        return not (self.dead or self.replaced) and self.exit_code is None

    def shows(self) -> tuple[object, ...]:
        """What a person sees: two looks with the same value saw the same."""
        return self.place, self.screen


def ended(*, dead: bool, exit_code: int | None, replaced: bool) -> str:
    """Why no agent runs in a pane; empty where one does."""
    if dead:
        return "its pane is dead"
    if exit_code is not None:
        return f"it has ended (exit {exit_code})"
    return "another program was started in its pane" if replaced else ""


def looks(server: Server, pane_ids: Sequence[str]) -> dict[str, Look]:
    """What each of several panes is and shows; one that is gone is left out.

    Raises UnknownStateError where tmux gives no answer.
    """
    found: dict[str, Look] = {}
    for start in range(0, len(pane_ids), CROWD):
        found |= _looks(server, pane_ids[start : start + CROWD])
    return found


def _looks(server: Server, pane_ids: Sequence[str]) -> dict[str, Look]:
    rows, end = listing("pane_id", *_FACTS, *_PLACE), listing("pid")
    words = [word for pane in pane_ids for word in _question(pane_target(pane), rows)]
    answer = ask(server, *words, "display-message", "-p", end.format)
    if answer is None:
        return {}
    told, _, rest = answer.partition(end.mark)  # what was cut is seen to be cut
    parts = told.split(rows.mark)
    width = len(rows.fields) + 1  # behind each row stands its screen
    if not rest or len(parts) % width != 1:
        raise unclear("it ended too early")
    found = (parts[start : start + width] for start in range(1, len(parts), width))
    return {pane: _look(facts, screen.removeprefix("\n")) for pane, *facts, screen in found}


def _question(pane: str, rows: Listing) -> Iterator[str]:
    told = f"display-message -p -t '{pane}' '{rows.format}' ; capture-pane -p -t '{pane}'"
    yield from ("if-shell", "-F", "-t", pane, equals("pane_id", pane), told, ";")


def _look(facts: Sequence[str], screen: str) -> Look:
    session_id, root, agent_id, code, ready, dead, replaced, pid, tty, *place = facts
    return Look(
        session_id=session_id,
        root=root,
        agent_id=agent_id,
        exit_code=number(code) if code else None,
        ready=bool(ready),
        dead=dead == "1",
        replaced=replaced == "1",
        pid=number(pid),
        tty=tty,
        place=tuple(place),
        screen=screen,
    )
