"""Bringing a team up: build aside, rename into place, launch, record.

What fails on the way undoes all it made, tmux too. What a crash leaves, ``mas doctor`` rolls back before the rename and
forward after it. What a start will do is worked out in ``mas.planning``.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mas import events, files, guard, launch, naming, planning, profiles, settings, tmux, watching, workspace
from mas.errors import MasError, NotFoundError, RefusedError, explaining
from mas.paths import SessionPaths
from mas.planning import StartPlan
from mas.record import Document, runtime_of
from mas.replay import Entry
from mas.runtime import may_go_on
from mas.session import Session
from mas.structs import Frozen
from mas.team import Team
from mas.teamfile import stored_team

if TYPE_CHECKING:
    from mas.app import Mas

_NO_GRACE = 0.5
"""Seconds that the processes of a team have that is not to be: nobody worked with them yet."""


class Started(Frozen):
    """A session that was made or brought back; its team is up unless none was asked for."""

    session: Session
    tmux_name: str
    workspace: Path
    team: Team
    reason: str
    """Why it is this agent program, in one line."""


def start(mas: "Mas", made: StartPlan) -> Started:
    """Carry a plan out under the session's lock; a failure undoes all of it and says so."""
    with _alone(mas, made.document), mas.storage.lock(made.session_id):
        session = _renew(mas, made, made.launch) if made.renews and made.launch else _begin(mas, made)
    _call_courier(mas, made.session_id)
    return _started(mas, session, made.team, made.choice.reason)


def _begin(mas: "Mas", made: StartPlan) -> Session:
    if mas.storage.has(made.session_id):
        raise planning.taken(made.session_id)
    try:
        session = _create(mas, made)
        if made.launch:
            _enqueue_prompts(mas, made.session_id, made.team)
            session = bring_up(mas, made.launch)
    except BaseException as error:
        _undo(mas, made, error)
        raise
    return session


def _renew(mas: "Mas", made: StartPlan, wanted: launch.LaunchPlan) -> Session:
    """Take up a record that is there; a failure leaves it as one of a team that is down."""
    from mas import stopping  # noqa: PLC0415  nothing is ended most of the time

    session_id, before = made.session_id, _document(mas, made.session_id)
    stopping.end_marked(mas, session_id)
    with _stepping_back(mas, made.document):
        _write_config(made, mas.root.session(session_id))
        if made.document["feature_request"] != before["feature_request"]:
            mas.manager.update_session(session_id, {"feature_request": made.document["feature_request"]})
        mas.manager.observe(session_id, runtime_of(made.document))
        _enqueue_prompts(mas, session_id, made.team)
        return bring_up(mas, wanted)


def _create(mas: "Mas", made: StartPlan) -> Session:
    """Make the session and its row; starts with labels wait for one another, so that each sees the others' rows."""
    if not made.label:
        return mas.manager.create(made.document, build=lambda staged: _build(made, staged))
    with files.lock(mas.root.label_lock):
        planning.check_label(mas, made.label)
        return mas.manager.create(made.document, build=lambda staged: _build(made, staged))


def _build(made: StartPlan, staged: SessionPaths) -> None:
    made.fill(staged)
    _write_config(made, staged)


def _write_config(made: StartPlan, paths: SessionPaths) -> None:
    with files.directory(paths.directory) as fd:
        files.replace(fd, paths.config.name, json.dumps(made.config, indent=2).encode("ascii"))


def bring_up(mas: "Mas", wanted: launch.LaunchPlan) -> Session:
    """Build a team in tmux and record that it is up; the caller holds the lock and has recorded the intent."""
    paths = mas.root.session(wanted.session_id)
    with explaining(paths.directory):
        workspace.offer_program(paths, mas.program)
    launched = tmux.launch(mas.server, wanted)
    server = tmux.Seen(running=True, pid=launched.server_pid, started=launched.server_started, socket=launched.socket)
    seen = watching.on_record(launched.tmux_id, server, launched.panes)
    with mas.sure(wanted.session_id, "up"):
        session = went_up(mas, wanted.session_id, {"wanted": "up", "observed": "up", "tmux": seen, "was_up": True})
    if session.mode == settings.LEGACY:
        from mas import legacy  # noqa: PLC0415  most teams have a workspace of their own

        legacy.leave_note(session.document, mas.root.path)
    return session


def went_up(mas: "Mas", session_id: str, changes: Mapping[str, Any]) -> Session:
    """Record that a team is up; the work goes on where the pause was ours and is ours to end."""

    def decide(document: Document, now: str) -> Sequence[Entry]:
        entries = guard.news(document, changes)
        if may_go_on(document):
            entries.append(guard.admit(document, events.Resumed(), now))
        return entries

    return mas.manager.change(session_id, decide)


def _undo(mas: "Mas", made: StartPlan, error: BaseException) -> None:
    """Leave nothing of a start that failed, and say so in the error; what cannot be undone is left to the doctor."""
    from mas import stopping  # noqa: PLC0415  see _renew

    told = error if isinstance(error, MasError) else None
    try:
        if mas.storage.has(made.session_id):
            if made.launch:
                stopping.end_team(mas, made.session_id, made.document, grace=0, patience=_NO_GRACE)
            stopping.delete(mas, made.session_id, force=True)
    except MasError as left:
        with suppress(MasError):
            mas.manager.observe(made.session_id, {"wanted": "down"})
        error.add_note(f"session {made.session_id} is left over: {left.message}")
        if told:
            told.message = f"{told.message}; {error.__notes__[-1]}"
            told.hint = f"`mas doctor --fix {made.session_id}`, then `mas rm {made.session_id}`"
        return
    if told:
        told.message = f"{told.message}; nothing of the new session is left"


def resume(mas: "Mas", session_id: str) -> Started:
    """Bring a team up again from what the session's ``config.json`` says; raises RefusedError where it is up.

    Raises UnknownStateError where tmux cannot tell, NotFoundError where the workspace or what it needs is gone.
    """
    from mas import stopping  # noqa: PLC0415  see _renew

    planning.check_place(mas)
    with _alone(mas, _document(mas, session_id)), mas.storage.lock(session_id):
        document = _document(mas, session_id)
        chosen, choice = stored_team(mas, session_id)
        found = watching.look(mas, session_id, document)
        if found.team:
            msg = f"session {session_id} is up"
            raise RefusedError(msg, hint=f"`mas attach {session_id}`")
        profiles.check_present(choice.profile, mas.environ, "bring it back, or put its directory on PATH")
        seen = found.seen if found.server == mas.server else tmux.discover(mas.server)
        tmux.capacity(seen).require(len(chosen.ids))
        fresh = planning.intent(mas, session_id, seen, up=True, name=_own_name(document))
        renewed = {**document, "runtime": {**runtime_of(document), **fresh}}
        again = _going_on(mas, document, chosen) if choice.profile.resume else frozenset()
        wanted = planning.launch_plan(mas, renewed, chosen, choice.profile, again=again)
        planning.check_directories(wanted)
        stopping.end_marked(mas, session_id)
        with _stepping_back(mas, renewed):
            mas.manager.observe(session_id, fresh)
            _enqueue_prompts(mas, session_id, chosen, {*chosen.ids} - again)
            session = bring_up(mas, wanted)
    _call_courier(mas, session_id)
    return _started(mas, session, chosen, choice.reason)


def _own_name(document: Document) -> str:
    """What the team may be called again; one that was adopted into a workspace gives its old name back."""
    name, runtime = runtime_of(document).get("tmux_name", ""), runtime_of(document)
    own = name.startswith(f"{naming.PREFIX}{document['session_id'][:8]}")
    return name if own or runtime.get("mode") == settings.LEGACY else ""


def _alone(mas: "Mas", document: Document) -> AbstractContextManager[None]:
    """Keep other starts away from directories that teams share."""
    if runtime_of(document).get("mode") != settings.LEGACY:
        return nullcontext()
    from mas import legacy  # noqa: PLC0415  see bring_up

    return legacy.alone(mas, document)


def _going_on(mas: "Mas", document: Document, team: Team) -> frozenset[str]:
    """The agents that can go on with a conversation they had: those that were up and got their first prompt."""
    if not runtime_of(document).get("was_up"):
        return frozenset()
    from mas import courier  # noqa: PLC0415  see _enqueue_prompts

    return frozenset(team.ids) - courier.unprompted(mas, document["session_id"])


def _enqueue_prompts(mas: "Mas", session_id: str, team: Team, agent_ids: Collection[str] | None = None) -> None:
    """Let the first prompts wait for their agents, and take back those of an earlier team."""
    if any(agent.prompt for agent in team.agents) or mas.root.session(session_id).messages.exists():
        from mas import courier  # noqa: PLC0415  most teams begin without a prompt

        courier.enqueue_prompts(mas, session_id, team, agent_ids)


def _call_courier(mas: "Mas", session_id: str) -> None:
    """Have delivered what waits. The team is up, whatever keeps a process from being started."""
    if not mas.root.session(session_id).messages.exists():
        return
    from mas import courier, delivery  # noqa: PLC0415  see _enqueue_prompts

    with suppress(MasError, OSError):
        if courier.something_waits(mas, session_id):
            delivery.call_courier(mas, session_id)


def _document(mas: "Mas", session_id: str) -> Document:
    try:
        document = mas.storage.read(session_id).document
    except NotFoundError:
        if mas.row(session_id) is None or mas.storage.is_earlier(session_id):
            raise
        msg = f"the workspace of session {session_id} is gone: {mas.root.session(session_id).directory}"
        raise NotFoundError(msg, hint=f"bring it back, or `mas rm {session_id}`") from None
    if not runtime_of(document).get("mode"):
        msg = f"session {session_id} has no team"
        raise RefusedError(msg, hint=f"`mas unpause {session_id}` goes on with its work")
    return document


@contextmanager
def _stepping_back(mas: "Mas", renewed: Document) -> Iterator[None]:
    """End what a resume has built where it fails, also where that cannot be recorded.

    The record then says down, or what is wanted where none can tell.
    """
    session_id = renewed["session_id"]
    try:
        yield
    except BaseException:
        with suppress(MasError):
            mas.manager.observe(session_id, {"wanted": "down"})
        from mas import stopping  # noqa: PLC0415  see _renew

        with suppress(MasError):
            stopping.end_team(mas, session_id, renewed, grace=0, patience=_NO_GRACE)
            mas.manager.observe(session_id, {"observed": "down"})
        raise


def _started(mas: "Mas", session: Session, chosen: Team, reason: str) -> Started:
    runtime = runtime_of(session.document)
    place = mas.root.session(session.session_id).directory
    works_in = mas.root.path if session.mode == settings.LEGACY else place
    return Started(session, runtime["tmux_name"], works_in, chosen, reason)
