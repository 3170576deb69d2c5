"""Looking at a root as a whole: what a crash, a person or another program left, and mending it.

Looking takes no lock and writes nothing. Mending takes each session's lock, looks again, and carries out what
``mas.reconcile`` says; killed at any point it can simply be run again.
"""

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mas import files, mending, processes, projections, reconcile, tmux
from mas.errors import BusyError, DamagedError, MasError
from mas.launch import MARKER
from mas.paths import SessionPaths, is_session_id
from mas.reconcile import Finding, Report, Seen
from mas.record import runtime_of

if TYPE_CHECKING:
    from mas.app import Mas

INDEX = "index"
"""What findings about the index as a whole are called by."""


def look(mas: "Mas", session_ids: Sequence[str] = ()) -> Report:
    """Everything that is not as it should be, of the named sessions or of the whole root; nothing is changed."""
    view = _View(mas)
    found = [finding for session_id in session_ids or view.ids() for finding in view.plan(session_id)]
    return Report((*(view.index() if not session_ids else ()), *found))


def mend(mas: "Mas", session_ids: Sequence[str] = (), *, force: bool = False) -> Report:
    """Mend what can be mended without loss, and what is lossy for sessions that were named."""
    report = look(mas, session_ids)
    if not force and reconcile.too_many_lost(report.findings, len(mas.rows())):
        msg = f"the directories of {len(report.findings)} sessions are missing at once from {mas.root.sessions}"
        raise MasError(msg, hint="is a disk not mounted? `mas doctor --fix --force` drops them all the same")
    mended: dict[Finding, str] = {}
    for session_id in dict.fromkeys(finding.session_id for finding in report.findings):
        if session_id == INDEX:
            mas.projections.rebuild()
            mended |= dict.fromkeys((one for one in report.findings if one.session_id == INDEX), "")
        else:
            mended |= _mend_one(mas, session_id, lossy=session_id in session_ids)
    return Report(tuple(dict.fromkeys([*report.findings, *mended])), mended)


def _mend_one(mas: "Mas", session_id: str, *, lossy: bool) -> dict[Finding, str]:
    done: dict[Finding, str] = {}
    try:
        with files.lock(mas.root.lock(session_id), 0):
            for _ in range(4):  # mending one thing may uncover the next: a torn tail, then a row
                wanted = [one for one in _View(mas).plan(session_id, held=True) if one not in done]
                todo = [one for one in wanted if one.action and (lossy or not one.lossy)]
                if not todo:
                    break
                done[todo[0]] = mending.carry_out(mas, todo[0])
    except BusyError as error:
        return {Finding(session_id, "busy", error.message): error.message}
    return done


class _View:
    """One look at a root: what every session is compared with is read once."""

    def __init__(self, mas: "Mas") -> None:
        self.mas = mas
        self.root = mas.root
        self.stored_index = projections.read_index(mas.root)
        self.rows = {row["sessionId"]: row for row in self.stored_index.rows()}
        self.teams = _teams(mas)
        self.carriers = _carriers()

    def ids(self) -> list[str]:
        """Every id that anything here speaks of."""
        places = (self.root.sessions, self.root.staging)
        names = {name for place in places for name in _names(place) if not name.startswith(".")}
        names |= {name.rpartition(".")[0] for name in _names(self.root.trash)}
        names |= {name.removesuffix(".lock") for name in _names(self.root.locks)} - {INDEX}
        return sorted(name for name in names | set(self.rows) | set(self.teams or {}) if name)

    def index(self) -> Iterable[Finding]:
        """What is wrong with the index as a whole."""
        if not self.stored_index.sound and not self.root.maestro and self.mas.storage.list():
            yield Finding(INDEX, "index", "the index is missing or was edited", "rebuild_index")

    def plan(self, session_id: str, *, held: bool = False) -> tuple[Finding, ...]:
        """What is wrong with one session; ``held`` says that we hold its lock ourselves."""
        found = reconcile.plan(self.seen(session_id))
        busy = found and not held and files.is_locked(self.root.lock(session_id))
        return reconcile.plan(Seen(session_id, locked=True)) if busy else found

    def seen(self, session_id: str) -> Seen:
        """Everything about one session."""
        directory = self.root.sessions / session_id
        teams = self.teams
        team = (teams or {}).get(session_id)
        base = Seen(
            session_id,
            row=self.rows.get(session_id),
            runtime="unknown" if teams is None else "up" if team else "down",
            panes=_panes(self.mas, team),
            staged=is_session_id(session_id) and (self.root.staging / session_id).exists(),
            discarded=tuple(name for name in _names(self.root.trash) if name.rpartition(".")[0] == session_id),
            lock_file=(self.root.locks / f"{session_id}.lock").exists(),
            maestro=self.root.maestro,
            survivors=self.carriers.get(session_id, 0) if teams is not None and not team else 0,
        )
        if not os.path.lexists(directory):
            return base
        return self._directory(base, SessionPaths(directory))

    def _directory(self, base: Seen, paths: SessionPaths) -> Seen:
        names = _names(paths.directory)
        if not {paths.log.name, paths.snapshot.name} & set(names):
            return replace(base, place="foreign")
        base = replace(
            base,
            place="directory",
            temporaries=tuple(name for name in names if files.is_temporary(name)),
            wrong_modes=tuple(_wrong_modes(paths)),
        )
        try:
            return self._record(base, paths)
        except (DamagedError, FileNotFoundError) as error:
            return replace(base, unreadable=getattr(error, "message", "it vanished"))

    def _record(self, base: Seen, paths: SessionPaths) -> Seen:
        stored = self.mas.storage.read(base.session_id)
        document = stored.document
        elsewhere = self.mas.observe(document) if base.runtime == "down" and _has_socket(document) else base.runtime
        checkpoints = self.mas.storage.checkpoint_files(base.session_id)
        return replace(
            base,
            document=document,
            damage=stored.damage,
            torn=stored.torn,
            stale=stored.stale,
            edited=stored.edited is not None,
            rejected=stored.rejected,
            newer=stored.newer,
            runtime=elsewhere,
            expected_row=projections.row_of(document, self.root),
            shell_right=self.root.maestro or self._shell_right(document, paths),
            damaged_checkpoints=tuple(seq for seq, checkpoint in checkpoints if checkpoint is None),
        )

    def _shell_right(self, document: Mapping[str, object], paths: SessionPaths) -> bool:
        with suppress(FileNotFoundError, DamagedError), files.directory(paths.directory) as fd:
            expected = projections.encode_shell(projections.shell_values(document, self.root))
            return files.read(fd, paths.shell.name) == expected
        return False


def _teams(mas: "Mas") -> dict[str, tmux.SeenSession] | None:
    try:
        sessions = tmux.discover(mas.server).sessions
    except MasError:
        return None
    root = str(mas.root.path)
    return {one.session_id: one for one in sessions if one.session_id and one.root == root}


def _panes(mas: "Mas", team: tmux.SeenSession | None) -> frozenset[str]:
    if team is None:
        return frozenset()
    with suppress(MasError):
        return frozenset(pane.agent_id for pane in tmux.panes(mas.server, team.tmux_id, team.session_id))
    return frozenset()


def _carriers() -> dict[str, int]:
    """How many processes carry the mark of a launch, by the id of its session."""
    counts: dict[str, int] = {}
    for value, count in processes.marks(MARKER).items():
        session_id = value.partition(":")[0]
        counts[session_id] = counts.get(session_id, 0) + count
    return counts


def _has_socket(document: Mapping[str, object]) -> bool:
    return bool((runtime_of(document).get("tmux") or {}).get("socket"))


def _names(place: Path) -> list[str]:
    with suppress(FileNotFoundError, NotADirectoryError):
        return sorted(os.listdir(place))  # noqa: PTH208  names are all we want
    return []


def _wrong_modes(paths: SessionPaths) -> Iterable[str]:
    private = (paths.directory, paths.log, paths.snapshot, paths.shell, paths.config, paths.messages)
    for path in private:
        with suppress(FileNotFoundError):
            if stat.S_IMODE(path.lstat().st_mode) & 0o077:
                yield path.name
