"""Mas: sessions with teams. The command line and the HTTP server both call it, and nothing below them.

It knows the root, the tmux server and the manager of one place, answers what is there, and leaves the order of
things in starting and stopping to ``mas.starting`` and ``mas.stopping``.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mas import naming, tmux, views
from mas.clock import utc_now
from mas.errors import MissingProgramError, NotFoundError, RefusedError, UnknownStateError, UsageError, shorten
from mas.filestore import FileStorage
from mas.paths import Root
from mas.projections import Projections, Row
from mas.record import Document, runtime_of
from mas.runtime import OLD_WORDS, Observed
from mas.views import View

if TYPE_CHECKING:
    from mas.manager import SessionManager
    from mas.starting import Started, StartOptions, StartPlan
    from mas.stopping import Stopped

NEWEST = 50
"""How many sessions a listing shows besides the live ones."""

_OURS = re.compile(r"mas-[A-Za-z0-9_-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Listed:
    """The sessions a listing shows, of ``total`` that fit; ``complaint`` says why tmux gave no answer."""

    views: tuple[View, ...]
    total: int
    timestamp: str
    complaint: str = ""

    def to_json(self) -> dict[str, Any]:
        """The listing in the words of the HTTP API."""
        return dict(views.listing(self.views, self.total, self.timestamp))


class Mas:
    """Everything one root offers. ``environ`` and ``cwd`` are the caller's; nothing is read behind their back."""

    def __init__(self, root: Root, environ: Mapping[str, str], cwd: Path, program: Path | None = None) -> None:
        self.root = root
        self.environ = environ
        self.cwd = cwd
        self.program = program
        """The ``mas`` to put on the PATH of panes, where the caller knows it."""
        self.server = tmux.Server.from_environ(environ)
        self.storage = FileStorage(root)

    @cached_property
    def manager(self) -> "SessionManager":
        """The session manager of this root; it notices when a team is gone."""
        from mas.manager import SessionManager  # noqa: PLC0415  listings do without

        return SessionManager(self.root.path, storage=self.storage, probe=self.observe)

    @cached_property
    def projections(self) -> Projections:
        """The index of this root."""
        return Projections(self.storage)

    # --- seeing ---

    def rows(self) -> Sequence[Row]:
        """The rows of all sessions, oldest first."""
        return self.projections.rows()

    def server_of(self, socket: str) -> tmux.Server:
        """The tmux server a session was started on; ours where it never was."""
        return tmux.Server(socket) if socket and socket != self.socket_path else self.server

    @cached_property
    def socket_path(self) -> str:
        """Where the socket of our tmux server is, whether or not it runs."""
        socket = self.server.socket
        if "/" in socket:
            return socket
        place = Path(self.environ.get("TMUX_TMPDIR") or "/tmp")  # noqa: S108  tmux's own rule
        return str(place / f"tmux-{os.getuid()}" / (socket or "default"))

    def observe(self, document: Document) -> Observed:
        """Whether the team of a record is up, asked of the tmux server it was started on."""
        socket = (runtime_of(document).get("tmux") or {}).get("socket", "")
        try:
            seen = tmux.discover(self.server_of(socket))
        except (UnknownStateError, MissingProgramError):
            return "unknown"
        return "up" if self.ours(seen, document["session_id"]) else "down"

    def ours(self, seen: tmux.Seen, session_id: str) -> tmux.SeenSession | None:
        """The tmux session of one of our sessions; another root's of the same id is none."""
        root = str(self.root.path)
        return next((one for one in seen.sessions if one.session_id == session_id and one.root == root), None)

    def list(
        self, *, everything: bool = False, active: bool = False, status: str | None = None, limit: int | None = None
    ) -> Listed:
        """What is live and the newest others: NEWEST of them, ``limit`` in all, or everything."""
        wanted = _status_word(status)
        live, complaint = self._live()
        tagged = [one.session_id for one in (live or {}).values() if one.session_id]
        newest = None if everything or wanted or limit else NEWEST + len(tagged)
        rows, total = self.projections.newest(newest, tagged)
        found = views.newest_first([*self._views(rows, live), *self._unregistered(live)])
        fitting = [view for view in found if _fits(view, wanted, active=active)]
        total = len(fitting) if newest is None or active else total + len(found) - len(rows)
        return Listed(tuple(fitting if everything else _bounded(fitting, limit)), total, utc_now(), complaint)

    def view(self, session_id: str) -> View:
        """One session as it is now."""
        live, _ = self._live()
        row = next((row for row in self.rows() if row["sessionId"] == session_id), None)
        if row is None:
            raise NotFoundError(f"no session {shorten(session_id)}", hint="`mas list --all` shows what there is")
        return next(iter(self._views([row], live)))

    def _live(self) -> tuple[dict[str, tmux.SeenSession] | None, str]:
        """Tmux sessions by name; None, and why, where tmux gives no answer."""
        try:
            return {one.name: one for one in tmux.discover(self.server).sessions}, ""
        except (UnknownStateError, MissingProgramError) as error:
            return None, error.message

    def _views(self, rows: Iterable[Row], live: Mapping[str, tmux.SeenSession] | None) -> Iterable[View]:
        root = str(self.root.path)
        up = {one.session_id: one for one in (live or {}).values() if one.session_id and one.root == root}
        for row in rows:
            seen = up.get(row["sessionId"])
            sound = (self.root.sessions / row["sessionId"]).is_dir()
            yield views.of_row(row, _live_of(seen) if seen else None, known=self._known(row, live), sound=sound)

    def _known(self, row: Row, live: Mapping[str, tmux.SeenSession] | None) -> bool:
        return live is not None and self.server_of(row.get("tmuxSocket") or "") == self.server

    def _unregistered(self, live: Mapping[str, tmux.SeenSession] | None) -> Iterable[View]:
        for name, seen in sorted((live or {}).items()):
            if not seen.session_id and _OURS.fullmatch(name):
                yield views.unregistered(_live_of(seen))

    # --- naming ---

    def resolve(self, name: str | None = None) -> str:
        """The id of the session that a name means, or the one that is meant where none is given.

        Without a name: the session of the environment, then of the tmux session we are in, then the attached one, then
        the only active one. Raises NotFoundError, AmbiguousError with the candidates.
        """
        rows = self.rows()
        if name is not None:
            return str(naming.find(name, rows)["sessionId"])
        for variable in ("MAS_SESSION_ID", "MAS_SESSION_NAME"):
            if given := self.environ.get(variable):
                return str(naming.find(given, rows)["sessionId"])
        return self._the_one(rows)

    def _the_one(self, rows: Sequence[Row]) -> str:
        live, complaint = self._live()
        if live is None:
            raise UnknownStateError(f"cannot tell which session is meant: {complaint}", hint="name one: `mas list`")
        up = [view for view in self._views(rows, live) if view.status == "active"]
        attached = [view for view in up if view.attached]
        for fitting in (attached, up):
            if len(fitting) == 1:
                return fitting[0].session_id
            if fitting:
                chosen = [row for row in rows if any(row["sessionId"] == view.session_id for view in fitting)]
                raise naming.ambiguous(f"{len(fitting)} sessions are active", chosen)
        raise NotFoundError(
            "no session is active", hint="`mas start --isolated` starts one, `mas list` shows the others"
        )

    def resolve_all(self, names: Sequence[str]) -> Sequence[str]:
        """The ids that several names mean, each once, in their order; all are resolved before anything is done."""
        return [*dict.fromkeys(self.resolve(name) for name in names)] if names else [self.resolve()]

    # --- doing ---

    def plan(self, options: "StartOptions") -> "StartPlan":
        """What a start would do; nothing is touched. Raises what a start would be refused with."""
        from mas import starting  # noqa: PLC0415  listings do without

        return starting.plan(self, options)

    def start(self, plan: "StartPlan") -> "Started":
        """Make the session and bring its team up, or leave nothing behind."""
        from mas import starting  # noqa: PLC0415

        return starting.start(self, plan)

    def resume(self, session_id: str) -> "Started":
        """Bring a stopped session's team up again, as it was asked for."""
        from mas import starting  # noqa: PLC0415

        return starting.resume(self, session_id)

    def stop(self, session_id: str, *, grace: float = 3.0) -> "Stopped":
        """End a session's team and prove that no process of it remains; the workspace stays."""
        from mas import stopping  # noqa: PLC0415

        return stopping.stop(self, session_id, grace=grace)

    def remove(self, session_id: str, *, force: bool = False) -> None:
        """Delete a session and its workspace; a live one is refused without ``force``, which stops it first."""
        from mas import stopping  # noqa: PLC0415

        stopping.remove(self, session_id, force=force)


def _live_of(seen: tmux.SeenSession) -> views.Live:
    return views.Live(seen.name, seen.session_id, seen.attached > 0)


def _status_word(status: str | None) -> str | None:
    if status is None or status == "all":
        return None
    word = OLD_WORDS.get(status, status)
    if word not in ("active", "stopped", "error"):
        msg = f"unknown status {shorten(status)}"
        raise UsageError(msg, hint="one of: active, stopped, error, all")
    return word


def _fits(view: View, status: str | None, *, active: bool) -> bool:
    return (status is None or view.status == status) and (not active or view.status == "active")


def _bounded(found: Sequence[View], limit: int | None) -> Sequence[View]:
    if limit is not None:
        if limit < 1:
            raise RefusedError(f"limit is {limit}, expected a whole number of at least 1")
        return found[:limit]
    live = sum(1 for view in found if view.status == "active")
    return found[: live + NEWEST]


def working_directory() -> Path:
    """The directory the program was called in; raises MasError where it is gone."""
    try:
        return Path(os.getcwd())  # noqa: PTH109  the same, without resolving links
    except FileNotFoundError:
        raise NotFoundError("the working directory is gone", hint="cd somewhere else") from None
