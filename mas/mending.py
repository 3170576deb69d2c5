"""What each action of a reconciliation does. The caller holds the session's lock and has just looked."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from mas import files, processes, stopping, tmux
from mas.errors import MasError
from mas.launch import MARKER
from mas.reconcile import Finding
from mas.record import runtime_of
from mas.salvage import salvage

if TYPE_CHECKING:
    from mas.app import Mas


def carry_out(mas: "Mas", finding: Finding) -> str:
    """Do it; returns an empty text, or why it could not be done."""
    try:
        _ACTIONS[finding.action](mas, finding.session_id)
    except (MasError, OSError) as error:
        return str(error)
    return ""


def _erase_staged(mas: "Mas", session_id: str) -> None:
    files.remove_tree(mas.root.staged(session_id).directory)


def _erase_discarded(mas: "Mas", session_id: str) -> None:
    if not (mas.root.sessions / session_id).exists():
        mas.projections.forget(session_id)
    for place in sorted(mas.root.trash.glob(f"{session_id}.*")):
        files.remove_tree(place)


def _drop_row(mas: "Mas", session_id: str) -> None:
    mas.projections.forget(session_id)


def _unlink_lock(mas: "Mas", session_id: str) -> None:
    (mas.root.locks / f"{session_id}.lock").unlink(missing_ok=True)


def _unlink_temporaries(mas: "Mas", session_id: str) -> None:
    for path in (mas.root.sessions / session_id).iterdir():
        if files.is_temporary(path.name):
            path.unlink(missing_ok=True)


def _restrict(mas: "Mas", session_id: str) -> None:
    paths = mas.root.session(session_id)
    paths.directory.chmod(0o700)
    for path in (paths.log, paths.snapshot, paths.shell, paths.config, paths.messages):
        if path.is_file() and not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o700)


def _prepare(mas: "Mas", session_id: str) -> None:
    mas.manager.change(session_id, lambda _document, _now: [])


def _refresh(mas: "Mas", session_id: str) -> None:
    mas.storage.refresh(session_id, mas.storage.read(session_id))


def _cut_log(mas: "Mas", session_id: str) -> None:
    salvage(mas.storage, session_id)


def _set_checkpoint_aside(mas: "Mas", session_id: str) -> None:
    paths = mas.root.session(session_id)
    for seq, checkpoint in mas.storage.checkpoint_files(session_id):
        if checkpoint is None:
            source = paths.checkpoints / f"{seq}.json"
            files.keep(paths.quarantine, source.name, source.read_bytes())
            source.unlink()


def _end_team(mas: "Mas", session_id: str) -> None:
    seen = mas.ours(tmux.discover(mas.server), session_id)
    if seen:
        tmux.end(mas.server, seen.tmux_id, session_id)
    _end_survivors(mas, session_id)


def _finish_stop(mas: "Mas", session_id: str) -> None:
    stopping.stop(mas, session_id)


def _adopt_team(mas: "Mas", session_id: str) -> None:
    seen = mas.ours(tmux.discover(mas.server), session_id)
    if seen is None:
        msg = "its team ended meanwhile"
        raise MasError(msg)
    panes = {pane.agent_id: pane.pane_id for pane in tmux.panes(mas.server, seen.tmux_id, session_id)}
    known = runtime_of(mas.storage.read(session_id).document).get("tmux") or {}
    changes = {"observed": "up", "tmux": {**known, "id": seen.tmux_id, "panes": panes}}
    mas.manager.observe(session_id, changes)


def _record_down(mas: "Mas", session_id: str) -> None:
    mas.manager.observe(session_id, {"observed": "down"})


def _end_survivors(mas: "Mas", session_id: str) -> None:
    del mas  # the processes are marked with the id, whatever root they came from
    for mark in sorted(processes.marks(MARKER)):
        if mark.partition(":")[0] == session_id:
            stopping.end_processes(frozenset(), f"{MARKER}={mark}")


def _publish(mas: "Mas", session_id: str) -> None:
    mas.projections.publish(session_id)


_ACTIONS: dict[str, Callable[["Mas", str], None]] = {
    "erase_staged": _erase_staged,
    "erase_discarded": _erase_discarded,
    "drop_row": _drop_row,
    "unlink_lock": _unlink_lock,
    "unlink_temporaries": _unlink_temporaries,
    "restrict": _restrict,
    "cut_tail": _prepare,
    "take_edit": _prepare,
    "reject_edit": _prepare,
    "refresh": _refresh,
    "cut_log": _cut_log,
    "set_checkpoint_aside": _set_checkpoint_aside,
    "end_team": _end_team,
    "finish_stop": _finish_stop,
    "adopt_team": _adopt_team,
    "record_down": _record_down,
    "end_survivors": _end_survivors,
    "publish": _publish,
}
