"""One look at a root: everything that ``mas.reconcile`` wants to know of each session. Nothing is written.

What all sessions are compared with (the index, what tmux runs, which processes there are) is read once and shared.
"""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mas import belongings, files, index, modes, processes, projections, reconcile, tmux
from mas.checkpoints import name_of
from mas.errors import DamagedError, UnknownStateError, shorten
from mas.index import Row
from mas.paths import SessionPaths, is_session_id, is_stored_id
from mas.reconcile import INDEX, Finding, Seen
from mas.record import Document, runtime_of
from mas.structs import replace
from mas.wrapper import MARKER

if TYPE_CHECKING:
    from mas.app import Mas
    from mas.runtime import Observed

_ABANDONED = 600.0
"""Seconds after which an unfinished file is left over even where its writer's pid is somebody's again."""

_PATHS = frozenset({"workingDir", "UNIT_DIR", "WORKFLOWS_DIR", "SESSION_DIR"})

Teams = dict[str, tmux.SeenSession]


class Inspection:
    """One look at a root. What tmux and the processes say is asked for when a session first needs it."""

    def __init__(self, mas: "Mas") -> None:
        self.mas = mas
        self.root = mas.root
        self._index = index.read_index(mas.root)
        self.rows: dict[str, Row] = {row["sessionId"]: row for row in self._index.rows()}
        self.complaint = ""
        """Why tmux gave no answer, where it was asked in vain."""
        self.ask_again()

    def ask_again(self) -> None:
        """Forget what tmux and the processes said."""
        self._teams: dict[tmux.Server, Teams | None] = {}
        self._carriers: dict[str, int] | None = None

    def read_again(self, session_id: str) -> None:
        """Forget what tmux and the processes said, and read the row of a session that was just mended."""
        self.ask_again()
        self.rows.pop(session_id, None)
        row = index.read_index(self.root).row(session_id)
        if row is not None:
            self.rows[session_id] = row

    def ids(self) -> list[str]:
        """Every id that anything here speaks of, in order."""
        names = {*_names(self.root.sessions), *_own_names(self.root.staging)}
        names |= {name.rpartition(".")[0] for name in _own_names(self.root.trash)}
        locks = {name.removesuffix(".lock") for name in _own_names(self.root.locks) if name.endswith(".lock")}
        names |= locks - self._own_locks()
        shown = {name for name in names if name and not name.startswith(".")}
        return sorted(shown | set(self.rows) | set(self._teams_of(self.mas.server) or {}))

    def _own_locks(self) -> set[str]:
        return {self.root.index_lock.stem, self.root.label_lock.stem, self.root.shared_lock.stem}

    # --- findings ---

    def index(self) -> Iterator[Finding]:
        """What is wrong with the index, and with what all sessions share."""
        locks = (self.root.locks / name for name in _own_names(self.root.locks))
        for place in (self.root.locks, self.root.staging, self.root.trash, *locks):
            if place.is_symlink():
                yield Finding(INDEX, "redirected", f"{place.name} is a link, and no link is followed; move it away")
        yield from self._exposed()
        if self.root.maestro:
            return
        if os.path.lexists(self.root.index) and not (self.root.index.is_file() and not self.root.index.is_symlink()):
            yield Finding(INDEX, "redirected", f"{self.root.index.name} is no regular file; move it away")
        elif not self._index.sound and (self.mas.storage.list() or self.root.index.exists()):
            yield Finding(INDEX, "index", "the index is missing or was edited", "rebuild_index")
        if left := left_over(self.root.sessions):
            yield Finding(INDEX, "temporary", reconcile.unfinished(len(left)), "unlink_temporaries")

    def _exposed(self) -> Iterator[Finding]:
        wrong = [path for path, _ in modes.of_root(self.root) if path != self.root.index or self._index.sound]
        if wrong:
            names = ", ".join(path.name for path in wrong)
            yield Finding(INDEX, "modes", f"others can read or write {names}", "restrict_root")
        for place in (self.root.path, self.root.sessions):
            if place not in wrong and (how := modes.exposure(place)):
                yield Finding(
                    INDEX, "exposed", f"{shorten(str(place), 200)} is not safe: {how}", remedy=modes.remedy(place)
                )

    def plan(self, session_id: str, *, held: bool = False) -> tuple[Finding, ...]:
        """What is wrong with one session; ``held`` says that we hold its lock ourselves."""
        if not is_stored_id(session_id):
            return tuple(self._strange(session_id))
        found = reconcile.plan(self.seen(session_id))
        lock = self.root.lock(session_id)
        if found and not held and files.is_locked(lock):
            return reconcile.plan(Seen(session_id, locked=files.holder(lock)))
        return found

    def _strange(self, name: str) -> Iterator[Finding]:
        """A name that no session of anybody has is looked at no further."""
        if name in self.rows:
            yield Finding(name, "row_without_directory", "no session has such an id", "drop_row")
        else:
            yield Finding(name, "foreign_directory", "no session has such a name; it is left alone")

    # --- one session ---

    def seen(self, session_id: str) -> Seen:
        """Everything about one session."""
        directory = self.root.sessions / session_id
        base = Seen(
            session_id,
            row=self.rows.get(session_id),
            staged=is_session_id(session_id) and session_id in _own_names(self.root.staging),
            discarded=tuple(name for name in _own_names(self.root.trash) if name.rpartition(".")[0] == session_id),
            lock_file=os.path.lexists(self.root.lock(session_id)),
            maestro=self.root.maestro,
        )
        if not os.path.lexists(directory):
            return self._with_team(base)
        paths = SessionPaths(directory)
        if directory.is_symlink():
            return replace(base, place="foreign")
        if not os.path.lexists(paths.log) and self._is_earlier(base.session_id):
            return replace(base, place="earlier")
        if not any(map(os.path.lexists, (paths.log, paths.snapshot))):
            return replace(base, place="foreign")
        left = tuple(path.name for place in paths.written for path in left_over(place))
        wrong = tuple(os.path.relpath(path, directory) for path, _ in modes.of_session(paths))
        base = replace(base, place="directory", temporaries=left, wrong_modes=wrong)
        try:
            return self._with_team(self._with_record(base, paths))
        except (DamagedError, FileNotFoundError) as error:
            return self._with_team(replace(base, unreadable=getattr(error, "message", "it vanished")))

    def _with_record(self, base: Seen, paths: SessionPaths) -> Seen:
        stored = self.mas.storage.examine(base.session_id)
        damaged = [seq for seq, checkpoint in self.mas.storage.checkpoint_files(base.session_id) if checkpoint is None]
        odd = tuple(seq for seq in damaged if is_odd(paths.checkpoints / name_of(seq)))
        return replace(
            base,
            document=stored.document,
            damage=stored.damage,
            torn=stored.torn,
            stale=stored.stale,
            edited=stored.edited is not None,
            rejected=stored.rejected,
            newer=stored.newer,
            expected_row=self._expected_row(stored.document, base.row),
            row=base.row if self._index.sound else projections.row_of(stored.document, self.root),
            shell_right=self.root.maestro or self._shell_is_right(stored.document, paths),
            shell_odd=is_odd(paths.shell),
            damaged_checkpoints=tuple(seq for seq in damaged if seq not in odd),
            odd_checkpoints=odd,
            workspace=belongings.look(self.mas, stored.document),
        )

    def _expected_row(self, document: Document, row: Row | None) -> Row | None:
        """What the row should be; its directory may be spelled in another way. An unsound index is made again."""
        if not self._index.sound:
            return None
        expected = projections.row_of(document, self.root)
        return {**expected, "workingDir": row["workingDir"]} if row and _alike(row, expected) else expected

    def _shell_is_right(self, document: Document, paths: SessionPaths) -> bool:
        expected = projections.shell_values(document, self.root)
        with suppress(FileNotFoundError, DamagedError), files.directory(paths.directory) as fd:
            stored = files.read(fd, paths.shell.name)
            if stored == projections.encode_shell(expected):
                return True
            values = projections.parse_shell(stored.decode("utf-8", "surrogateescape"))
            return stored == projections.encode_shell(values) and _alike(values, expected)
        return False

    # --- its team ---

    def _with_team(self, base: Seen) -> Seen:
        known = (runtime_of(base.document).get("tmux") or {}) if base.document else {}
        teams = self._teams_of(self.mas.server_of(known.get("socket", "")))
        team = (teams or {}).get(base.session_id)
        runtime: Observed = "unknown" if teams is None else "up" if team else "down"
        if runtime == "down" and base.document and runtime_of(base.document).get("observed") == "up":
            runtime = self.mas.observe(base.document)  # its server may only have lost its socket
        panes = self._panes(base, team) if team else frozenset()
        return replace(
            base,
            runtime=runtime if panes is not None else "unknown",
            panes=panes or frozenset(),
            survivors=self._survivors().get(base.session_id, 0) if runtime == "down" else 0,
        )

    def _teams_of(self, server: tmux.Server) -> Teams | None:
        """The teams of this root that a server runs; None where it gives no answer."""
        if server not in self._teams:
            try:
                sessions = tmux.discover(server).sessions
            except UnknownStateError as error:
                self._teams[server], self.complaint = None, error.message
            else:
                self._teams[server] = {one.session_id: one for one in sessions if self.mas.is_ours(one)}
        return self._teams[server]

    def _panes(self, base: Seen, team: tmux.SeenSession) -> frozenset[str] | None:
        """The agents that have a pane, asked for in a team that nobody has seen up yet; None without an answer."""
        if base.document is None or runtime_of(base.document).get("observed") != "unknown":
            return frozenset()
        server = self.mas.server_of((runtime_of(base.document).get("tmux") or {}).get("socket", ""))
        with suppress(UnknownStateError):
            return frozenset(pane.agent_id for pane in tmux.panes(server, team.tmux_id, team.session_id))
        return None

    def _is_earlier(self, session_id: str) -> bool:
        from mas import migration  # noqa: PLC0415  hardly any directory lacks its log

        return migration.takes_over(self.mas, session_id)

    def _survivors(self) -> dict[str, int]:
        """How many processes carry the mark of a launch of this root, by the id of its session."""
        if self._carriers is None:
            self._carriers = {}
            for value, count in processes.marks(MARKER).items():
                session_id, _, nonce = value.partition(":")
                if nonce.endswith(self.mas.mark):
                    self._carriers[session_id] = self._carriers.get(session_id, 0) + count
        return self._carriers


def _alike(values: Row, expected: Row) -> bool:
    """Whether the paths among two sets of values mean the same places, and all else in them is the same."""
    return all(
        values.get(name) == value
        or (name in _PATHS and os.path.realpath(str(values.get(name))) == os.path.realpath(value))
        for name, value in expected.items()
        if name in _PATHS or name.isupper()
    )


def _names(place: Path) -> list[str]:
    with suppress(FileNotFoundError, NotADirectoryError):
        return sorted(os.listdir(place))  # noqa: PTH208  names are all we want
    return []


def _own_names(place: Path) -> list[str]:
    """What is in a directory from which things are erased, so it has to be ours: nothing, where it is a link."""
    return [] if place.is_symlink() else _names(place)


def is_odd(path: Path) -> bool:
    """Whether a link, a pipe or the like is in the place of a file."""
    return path.is_symlink() or (path.exists() and not path.is_file())


def left_over(place: Path) -> list[Path]:
    """The files in a directory that a writer did not finish and will not: it is gone, or that was long ago."""
    return [place / name for name in _names(place) if _is_abandoned(place / name, files.writer_of(name))]


def _is_abandoned(path: Path, writer: int | None) -> bool:
    with suppress(FileNotFoundError):
        if writer is not None:
            return processes.find(writer) is None or path.lstat().st_mtime < time.time() - _ABANDONED
    return False
