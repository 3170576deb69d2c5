"""Mas: sessions with teams. The command line and the HTTP server both call it, and nothing below them.

It knows the root, the tmux server and the manager of one place, answers what is there, and leaves the order of
things in starting and stopping to ``mas.starting`` and ``mas.stopping``.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

from mas import tmux, views
from mas.clock import utc_now
from mas.errors import NotFoundError, RefusedError, UnknownStateError, shorten
from mas.index import Index, Row, counted_right, newest, read_index
from mas.paths import Root, is_session_id
from mas.views import Listed, View

if TYPE_CHECKING:
    from mas.adopting import Adopted
    from mas.delivery import SendOptions
    from mas.environment import Place
    from mas.filestore import FileStorage
    from mas.manager import SessionManager
    from mas.messages import Address, Message
    from mas.planning import StartOptions, StartPlan
    from mas.projections import Projections
    from mas.record import Document
    from mas.runtime import Observed
    from mas.starting import Started
    from mas.stopping import Stopped

_OURS = r"(?a)mas-[A-Za-z0-9_-]+"


class Mas:
    """Everything one root offers. ``environ`` and ``cwd`` are the caller's; nothing is read behind their back."""

    def __init__(self, root: Root, environ: Mapping[str, str], cwd: Path, program: Path | None = None) -> None:
        self.root = root
        self.environ = environ
        self.cwd = cwd
        self.program = program
        """The ``mas`` to put on the PATH of panes, where the caller knows it."""
        self.server = tmux.Server.from_environ(environ)
        self._engine = _engine(environ)
        self._sure: dict[str, Observed] = {}

    @cached_property
    def storage(self) -> "FileStorage":
        """Where the sessions of this root are kept, by the engine that MAS_SESSION_ENGINE names."""
        return self._engine(self.root)

    @cached_property
    def manager(self) -> "SessionManager":
        """The session manager of this root; it notices when a team is gone."""
        from mas.manager import SessionManager  # noqa: PLC0415  listings do without

        return SessionManager(self.root.path, storage=self.storage, probe=self.observe)

    @cached_property
    def projections(self) -> "Projections":
        """The index of this root."""
        from mas.projections import Projections  # noqa: PLC0415  see storage

        return Projections(self.storage)

    # --- seeing ---

    def rows(self) -> Sequence[Row]:
        """The rows of all sessions, oldest first."""
        return self.index().rows()

    def index(self) -> Index:
        """The index as it is believed."""
        index = read_index(self.root)
        return index if index.sound and counted_right(self.root, index) else self.projections.believed()

    def row(self, session_id: str) -> Row | None:
        """The row of one session; None where there is none."""
        return self.index().row(session_id)

    def server_of(self, socket: str) -> tmux.Server:
        """The tmux server a session was started on; ours where it never was."""
        return tmux.Server(socket) if socket and socket != self.socket_path else self.server

    @cached_property
    def socket_path(self) -> str:
        """Where the socket of our tmux server is, whether or not it runs."""
        return tmux.socket_path(self.server, self.environ)

    @cached_property
    def mark(self) -> str:
        """What every launch of this root ends its nonce with: a copy of the root has sessions of the same ids."""
        return f"{crc32(os.fsencode(os.path.realpath(self.root.path))):08x}"

    def observe(self, document: "Document") -> "Observed":
        """Whether the team of a record is up, asked of the tmux server it was started on."""
        if document["session_id"] in self._sure:
            return self._sure[document["session_id"]]
        from mas import watching  # noqa: PLC0415

        try:
            return "up" if watching.look(self, document["session_id"], document).team else "down"
        except UnknownStateError:
            return "unknown"

    @contextmanager
    def sure(self, session_id: str, observed: "Observed") -> Iterator[None]:
        """Spare tmux being asked again meanwhile what it has just told; the caller holds the session's lock."""
        self._sure[session_id] = observed
        try:
            yield
        finally:
            del self._sure[session_id]

    def ours(self, seen: tmux.Seen, session_id: str) -> tmux.SeenSession | None:
        """The tmux session of one of our sessions; another root's of the same id is none."""
        return next((one for one in seen.sessions if one.session_id == session_id and self.is_ours(one)), None)

    def is_ours(self, seen: "tmux.SeenSession | tmux.Look") -> bool:
        """Whether a tmux session, or a pane, belongs to this root, by whatever path that was reached."""
        root = os.path.normpath(self.root.path)
        return bool(seen.root) and (seen.root == root or os.path.realpath(seen.root) == os.path.realpath(root))

    def is_stray(self, seen: tmux.SeenSession) -> bool:
        """Whether a tmux session has our kind of name and nobody's stamp: an earlier program's, or made by hand."""
        return not seen.session_id and re.fullmatch(_OURS, seen.name) is not None

    def list(
        self, *, everything: bool = False, active: bool = False, status: str | None = None, limit: int | None = None
    ) -> Listed:
        """What is live and the newest others: NEWEST of them, ``limit`` in all, or everything."""
        wanted = views.status_word(status)
        live, complaint = self.live()
        tagged = [one.session_id for one in (live or {}).values() if one.session_id]
        count = None if everything or wanted or limit else views.NEWEST + len(tagged)
        rows, total = newest(self.index(), count, tagged)
        found = views.newest_first([*self._views(rows, live), *self._unregistered(live)])
        fitting = [view for view in found if views.fits(view, wanted, active=active)]
        total = len(fitting) if count is None or active else total + len(found) - len(rows)
        return Listed(tuple(fitting if everything else views.bounded(fitting, limit)), total, utc_now(), complaint)

    def view(self, session_id: str, *, asked: bool = True) -> View:
        """One session as it is now; unless tmux is ``asked``, as its row says that it was."""
        live = self.live()[0] if asked else None
        row = self.row(session_id)
        if row is None:
            raise _unknown(session_id)
        return next(iter(self._views([row], live)))

    def live(self) -> tuple[dict[str, tmux.SeenSession] | None, str]:
        """Tmux sessions by name; None, and why, where tmux gives no answer."""
        try:
            return {one.name: one for one in tmux.discover(self.server).sessions}, ""
        except UnknownStateError as error:
            return None, error.message

    def _views(self, rows: Iterable[Row], live: Mapping[str, tmux.SeenSession] | None) -> Iterable[View]:
        up = {one.session_id: one for one in (live or {}).values() if one.session_id and self.is_ours(one)}
        for row in rows:
            seen = up.get(row["sessionId"])
            sound = (self.root.sessions / row["sessionId"]).is_dir()
            yield views.of_row(row, _live_of(seen) if seen else None, known=self._known(row, live), sound=sound)

    def _known(self, row: Row, live: Mapping[str, tmux.SeenSession] | None) -> bool:
        if live is None or self.server_of(row.get("tmuxSocket") or "") == self.server:
            return live is not None
        return self.projections.is_settled(row["sessionId"])

    def _unregistered(self, live: Mapping[str, tmux.SeenSession] | None) -> Iterable[View]:
        for _, seen in sorted((live or {}).items()):
            if self.is_stray(seen):
                yield views.unregistered(_live_of(seen))

    # --- naming ---

    def resolve(self, name: str | None = None, *, down: bool = False) -> str:
        """The id of the session that a name means, or where none is given the one that ``mas.meaning`` finds.

        With ``down`` that is one whose team may be brought back.
        Raises NotFoundError, AmbiguousError with the candidates, UnknownStateError where tmux has to be asked in vain.
        """
        if name is not None:
            return self._find(name)
        from mas import meaning  # noqa: PLC0415  most calls name a session

        found = meaning.meant_down(self) if down else meaning.meant(self)
        if found.stray:
            raise meaning.unregistered(found.stray)
        return found.session_id

    def _find(self, name: str) -> str:
        """The id a name means; a full one is looked up without reading the others."""
        if is_session_id(name) and self.row(name):
            return name
        from mas import meaning  # noqa: PLC0415  listings do without

        return meaning.named(self, name)

    def resolve_all(self, names: Sequence[str]) -> Sequence[str]:
        """The ids that several names mean, each once, in their order; all are resolved before anything is done."""
        return [*dict.fromkeys(self.resolve(name) for name in names)] if names else [self.resolve()]

    # --- what is in a session ---

    def place(self, document: "Document") -> "Place":
        """Where the session of a record is, as its agents are to find it."""
        from mas.environment import Place  # noqa: PLC0415
        from mas.record import runtime_of  # noqa: PLC0415  listings do without
        from mas.runtime import code_of  # noqa: PLC0415

        runtime = runtime_of(document)
        return Place(
            session_id=document["session_id"],
            tmux_name=runtime.get("tmux_name", ""),
            root=self.root,
            mode=runtime.get("mode", ""),
            socket=self.server_of((runtime.get("tmux") or {}).get("socket", "")).socket or None,
            program=self.program,
            project=code_of(document),
        )

    def environment_of(self, session_id: str) -> dict[str, str]:
        """What a shell needs to work in a session like its panes do; PATH stays the shell's own.

        Raises NotFoundError, RefusedError for a session that is only a record.
        """
        from mas.environment import Place, session_environment  # noqa: PLC0415

        row = self.row(session_id)
        if row is None:
            raise _unknown(session_id)
        if not row.get("mode"):
            msg = f"session {session_id} has no team, so it has no variables either"
            raise RefusedError(msg, hint="`mas list` shows which have one")
        server = self.server_of(row.get("tmuxSocket") or "")
        told = server.socket or None, None, row.get("projectDir") or ""
        place = Place(session_id, row["tmuxSession"], self.root, row["mode"], *told)
        return session_environment(place, self.environ)

    # --- doing ---

    def plan(self, options: "StartOptions") -> "StartPlan":
        """What a start would do; nothing is touched. Raises what a start would be refused with."""
        if options.mode == "legacy":
            from mas import legacy  # noqa: PLC0415  listings do without

            return legacy.plan(self, options)
        from mas import planning  # noqa: PLC0415

        return planning.plan(self, options)

    def start(self, plan: "StartPlan") -> "Started":
        """Make the session and bring its team up, or leave nothing behind."""
        from mas import starting  # noqa: PLC0415

        return starting.start(self, plan)

    def resume(self, session_id: str) -> "Started":
        """Bring a stopped session's team up again, as it was asked for."""
        from mas import starting  # noqa: PLC0415

        return starting.resume(self, session_id)

    def adopt(self, name: str | None = None, *, isolated: bool = False) -> "Adopted":
        """Register a team that runs and that nobody has registered; with ``isolated`` in a workspace of its own."""
        from mas import adopting  # noqa: PLC0415

        return adopting.adopt(self, name, isolated=isolated)

    def stop(self, session_id: str, *, grace: float | None = None) -> "Stopped":
        """End a session's team and prove that no process of it remains; the workspace stays."""
        from mas import stopping  # noqa: PLC0415

        return stopping.stop(self, session_id, grace=stopping.ASKING if grace is None else grace)

    def send(self, session_id: str, address: "Address", options: "SendOptions | None" = None) -> "Message":
        """Send a text to agents of a session; the message tells what became of it, agent by agent."""
        from mas import delivery  # noqa: PLC0415

        return delivery.send(self, session_id, address, options)

    def messages(self, session_id: str) -> Mapping[str, "Message"]:
        """The messages of a session by id, oldest first, each with its fates."""
        from mas.mailbox import Mailbox  # noqa: PLC0415

        self.storage.read(session_id)
        return Mailbox(self.root, session_id).messages()

    def remove(self, session_id: str, *, force: bool = False) -> None:
        """Delete a session and its workspace; a live one is refused without ``force``, which stops it first."""
        from mas import stopping  # noqa: PLC0415

        stopping.remove(self, session_id, force=force)


def _engine(environ: Mapping[str, str]) -> "Callable[[Root], FileStorage]":
    """What opens the storage of a root; raises UsageError for an unknown engine, also where only the index is read."""
    if environ.get("MAS_SESSION_ENGINE", "kernel") in ("", "kernel"):
        return _kernel
    from mas import engines  # noqa: PLC0415  who asks for another waits for it

    return engines.chosen(environ)


def _kernel(root: Root) -> "FileStorage":
    from mas.filestore import FileStorage  # noqa: PLC0415  a listing reads the index alone

    return FileStorage(root)


def _unknown(session_id: str) -> NotFoundError:
    return NotFoundError(f"no session {shorten(session_id)}", hint="`mas list --all` shows what there is")


def _live_of(seen: tmux.SeenSession) -> views.Live:
    return views.Live(seen.name, seen.session_id, seen.attached > 0)


def working_directory() -> Path:
    """The directory the program was called in; raises MasError where it is gone."""
    try:
        return Path(os.getcwd())  # noqa: PTH109  the same, without resolving links
    except FileNotFoundError:
        raise NotFoundError("the working directory is gone", hint="cd somewhere else") from None
