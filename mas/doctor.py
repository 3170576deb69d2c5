"""Looking at a root as a whole: what a crash, a person or another program left, and mending it.

Looking takes no lock and writes nothing. Mending takes each session's lock, looks again, and carries out what
``mas.reconcile`` says; killed at any point it can simply be run again.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from mas import files, reconcile
from mas.errors import BusyError, MasError
from mas.inspection import Inspection
from mas.paths import check_stored_id, is_stored_id
from mas.reconcile import INDEX, NOTES, OF_TEAMS, Finding, Report

if TYPE_CHECKING:
    from mas.app import Mas

_ROUNDS = 12
"""Mending one thing may uncover the next: an orphan's team, then its row. More than this leads nowhere."""

Findings = dict[Finding, str | None]
"""Findings in their order: None while nothing was done, an empty text once mended, else why that failed."""


def look(mas: "Mas", session_ids: Sequence[str] = ()) -> Report:
    """Everything that is not as it should be, of the named sessions or of the whole root; nothing is changed.

    What a second look does not confirm was somebody at work.
    """
    view = Inspection(mas)
    first = _findings(view, session_ids)
    if all(one.problem in NOTES for one in first):
        return Report(tuple(first), complaint=view.complaint)
    again = Inspection(mas)
    ids = dict.fromkeys(one.session_id for one in first)
    kept = {*again.index(), *(one for name in ids if name != INDEX for one in again.plan(name))}
    return Report(tuple(one for one in first if one in kept), complaint=again.complaint or view.complaint)


def mend(mas: "Mas", session_ids: Sequence[str] = (), *, force: bool = False) -> Report:
    """Mend what can be mended without loss, and what is lossy for sessions that were named.

    Raises MasError where so many directories are missing that rather their disk is; ``force`` mends that too.
    """
    view = Inspection(mas)
    found: Findings = dict.fromkeys(_findings(view, session_ids))
    _refuse_mass_loss(mas, view, found, force=force)
    if any(one.session_id == INDEX for one in found):
        found |= _mend_index(mas, view)
        view = Inspection(mas)
        found |= dict.fromkeys(one for one in _findings(view, session_ids) if one not in found)
        _refuse_mass_loss(mas, view, found, force=force)
    for session_id in dict.fromkeys(one.session_id for one in found if one.problem not in NOTES):
        if session_id != INDEX:
            first = [one for one in found if one.session_id == session_id]
            found |= _mend_one(view, first, lossy=session_id in session_ids)
    return Report(tuple(found), {one: how for one, how in found.items() if how is not None}, view.complaint)


def _findings(view: Inspection, session_ids: Sequence[str]) -> list[Finding]:
    named = [check_stored_id(name) for name in session_ids]
    whole = [] if named else [*view.index()]
    return [*whole, *(one for name in named or view.ids() for one in view.plan(name))]


def _refuse_mass_loss(mas: "Mas", view: Inspection, found: Iterable[Finding], *, force: bool) -> None:
    lost = 0 if force else reconcile.too_many_lost(found, len(view.rows))
    if lost:
        msg = f"the directories of {lost} sessions are missing at once from {mas.root.sessions}"
        raise MasError(msg, hint="is a disk not mounted? `mas doctor --fix --force` gives them up all the same")


def _mend_index(mas: "Mas", view: Inspection) -> Findings:
    from mas import mending  # noqa: PLC0415  who only looks does without

    return {one: mending.carry_out(mas, one) for one in view.index() if one.action}


def _mend_one(view: Inspection, first: Sequence[Finding], *, lossy: bool) -> Findings:
    """Mend one session under its lock: what is still so by then, in the order of the plan."""
    from mas import mending  # noqa: PLC0415  see _mend_index

    mas, session_id = view.mas, first[0].session_id
    if not is_stored_id(session_id):  # an index may hold anything; such a name is never joined to a path
        return {one: mending.carry_out(mas, one) for one in first if one.action}
    done: Findings = {}
    guarded = mas.root.session(session_id).directory
    try:
        with files.lock(mas.root.lock(session_id), 0, guards=guarded):
            if any(one.problem in OF_TEAMS for one in first):
                view.ask_again()
            for _ in range(_ROUNDS):
                left = view.plan(session_id, held=True)
                todo = next((one for one in left if one not in done and one.action and (lossy or not one.lossy)), None)
                if todo is None:
                    break
                done[todo] = mending.carry_out(mas, todo)
                view.read_again(session_id)
            else:
                left = view.plan(session_id, held=True)
    except BusyError as error:
        return {**dict.fromkeys(first), Finding(session_id, "busy", error.message): None}
    except MasError as error:  # its lock is none, or is in no directory of ours
        return dict.fromkeys(first, error.message)
    gone = {one: "" for one in first if one not in left and one not in done}
    return dict.fromkeys(left) | gone | done
