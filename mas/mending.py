"""What each action of a reconciliation does. The caller holds the session's lock and has just looked."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from mas import directories, files, modes, starting, stopping, tmux, watching
from mas.checkpoints import name_of
from mas.errors import MasError
from mas.inspection import is_odd, left_over
from mas.mailbox import Mailbox
from mas.reconcile import INDEX, Finding
from mas.removal import remove_tree
from mas.salvage import salvage

if TYPE_CHECKING:
    from mas.app import Mas


def carry_out(mas: "Mas", finding: Finding) -> str:
    """Do it; returns an empty text, or why it could not be done."""
    try:
        ACTIONS[finding.action](mas, finding.session_id)
    except (MasError, OSError) as error:
        return str(error)
    return ""


# --- what was put aside, and what is left over ---


def _erase_staged(mas: "Mas", session_id: str) -> None:
    with files.directory(mas.root.staging):
        remove_tree(mas.root.staged(session_id).directory)


def _erase_discarded(mas: "Mas", session_id: str) -> None:
    if not mas.storage.has(session_id):
        mas.projections.forget(session_id)
    with files.directory(mas.root.trash):
        for place in sorted(mas.root.trash.glob(f"{session_id}.*")):
            remove_tree(place)


def _drop_row(mas: "Mas", session_id: str) -> None:
    mas.projections.forget(session_id)


def _unlink_lock(mas: "Mas", session_id: str) -> None:
    mas.root.lock(session_id).unlink(missing_ok=True)


def _unlink_temporaries(mas: "Mas", session_id: str) -> None:
    places = (mas.root.sessions,) if session_id == INDEX else mas.root.session(session_id).written
    for path in (path for place in places for path in left_over(place)):
        path.unlink(missing_ok=True)


def _restrict(mas: "Mas", session_id: str) -> None:
    for path, mode in modes.of_session(mas.root.session(session_id)):
        path.chmod(mode)


def _restrict_root(mas: "Mas", session_id: str) -> None:
    del session_id
    for path, mode in modes.of_root(mas.root):
        path.chmod(mode)


# --- the record, and what is made from it ---


def _rebuild_index(mas: "Mas", session_id: str) -> None:
    del session_id
    mas.projections.rebuild()


def _publish(mas: "Mas", session_id: str) -> None:
    mas.projections.publish(session_id)


def _mark_unreadable(mas: "Mas", session_id: str) -> None:
    mas.projections.mark_unreadable(session_id)


def _prepare(mas: "Mas", session_id: str) -> None:
    mas.manager.change(session_id, lambda _document, _now: [])


def _refresh(mas: "Mas", session_id: str) -> None:
    mas.storage.refresh(session_id, mas.storage.read(session_id))


def _cut_log(mas: "Mas", session_id: str) -> None:
    salvage(mas.storage, session_id)


def _set_checkpoint_aside(mas: "Mas", session_id: str) -> None:
    """What is no file is none of ours: the look names it, and it is left to a person."""
    paths = mas.root.session(session_id)
    damaged = [seq for seq, checkpoint in mas.storage.checkpoint_files(session_id) if checkpoint is None]
    with files.directory(paths.checkpoints) as fd:
        for name in map(name_of, damaged):
            if not is_odd(paths.checkpoints / name):
                files.keep(paths.quarantine, name, files.read(fd, name))
                files.remove(fd, name)


def _finish_worktree(mas: "Mas", session_id: str) -> None:
    mas.manager.finish_worktree(session_id)


# --- what its team needs ---


def _make_logs(mas: "Mas", session_id: str) -> None:
    with files.directory(mas.root.session(session_id).directory) as fd:
        directories.make_child(fd, "logs")


def _set_messages_aside(mas: "Mas", session_id: str) -> None:
    Mailbox(mas.root, session_id).mend()


# --- the team ---


def _end_team(mas: "Mas", session_id: str) -> None:
    document = mas.storage.read(session_id).document if mas.storage.has(session_id) else None
    stopping.end_team(mas, session_id, document, grace=0)


def _end_survivors(mas: "Mas", session_id: str) -> None:
    stopping.end_marked(mas, session_id)


def _finish_stop(mas: "Mas", session_id: str) -> None:
    stopping.stop(mas, session_id)


def _adopt_team(mas: "Mas", session_id: str) -> None:
    found = watching.look(mas, session_id, mas.storage.read(session_id).document)
    if found.team is None:
        msg = "its team ended meanwhile"
        raise MasError(msg)
    panes = {pane.agent_id: pane.pane_id for pane in tmux.panes(found.server, found.team.tmux_id, session_id)}
    seen = watching.on_record(found.team.tmux_id, found.seen, panes)
    starting.went_up(mas, session_id, {"observed": "up", "tmux": seen, "tmux_name": found.team.name, "was_up": True})


def _record_down(mas: "Mas", session_id: str) -> None:
    mas.manager.observe(session_id, {"observed": "down"})


ACTIONS: dict[str, Callable[["Mas", str], None]] = {
    "erase_staged": _erase_staged,
    "erase_discarded": _erase_discarded,
    "drop_row": _drop_row,
    "unlink_lock": _unlink_lock,
    "unlink_temporaries": _unlink_temporaries,
    "restrict": _restrict,
    "restrict_root": _restrict_root,
    "rebuild_index": _rebuild_index,
    "publish": _publish,
    "mark_unreadable": _mark_unreadable,
    "cut_tail": _prepare,
    "take_edit": _prepare,
    "reject_edit": _prepare,
    "refresh": _refresh,
    "cut_log": _cut_log,
    "set_checkpoint_aside": _set_checkpoint_aside,
    "finish_worktree": _finish_worktree,
    "make_logs": _make_logs,
    "set_messages_aside": _set_messages_aside,
    "end_team": _end_team,
    "end_survivors": _end_survivors,
    "finish_stop": _finish_stop,
    "adopt_team": _adopt_team,
    "record_down": _record_down,
}
"""What mends each problem, by the word that a finding names it with."""
