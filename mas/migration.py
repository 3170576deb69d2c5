"""Taking over what the earlier programs kept, and giving it back byte for byte.

Two kinds are known: a record with a ``metadata.json`` of the earlier session manager, and a workspace with a
``.session`` (and perhaps a ``metadata.json`` of its own form) of the earlier bash program. Originals are kept before
anything is written, as they are when a record is taken over by its first change; killed at any point, either way can
simply be run again.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from mas import adopting, files, foreign, notes, originals, snapshots
from mas.clock import utc_at
from mas.derived import derive_team
from mas.errors import DamagedError, MasError, RefusedError
from mas.fields import moment
from mas.logbook import LOG
from mas.paths import SessionPaths
from mas.projections import parse_shell
from mas.runtime import wanted_up
from mas.session import SessionConfiguration, SessionStatistics
from mas.structs import Frozen

if TYPE_CHECKING:
    from mas.app import Mas

Kind = Literal["record", "workspace"]

_OLD_FORM = {"session_id": "sessionId", "tmux_name": "sessionName", "created_at": "startedAt"}


class Step(Frozen):
    """One session that is taken over, or given back. ``problem`` says why that failed."""

    session_id: str
    kind: Kind
    text: str
    problem: str = ""

    def to_json(self) -> dict[str, str]:
        """The step as JSON values."""
        return {"sessionId": self.session_id, "kind": self.kind, "text": self.text, "problem": self.problem}


def plan(mas: "Mas") -> tuple[Step, ...]:
    """What there is to take over; nothing is touched. Empty once all is done."""
    return tuple(step for session_id in sorted(mas.storage.list()) if (step := _step(mas, session_id)))


def takes_over(mas: "Mas", session_id: str) -> bool:
    """Whether a directory is a workspace of an earlier program that nobody has taken over yet."""
    step, shell = _step(mas, session_id), mas.root.session(session_id).shell
    return step is not None and step.kind == "workspace" and (mas.storage.is_earlier(session_id) or not shell.exists())


def migrate(mas: "Mas") -> tuple[Step, ...]:
    """Take over everything that ``plan`` finds; one that cannot be is left as it was and says why."""
    steps = plan(mas)
    if steps and not mas.root.maestro:
        with files.lock(mas.root.index_lock):
            originals.keep_index(mas.root)
    return tuple(_tried(mas, step, _migrate_one) for step in steps)


def rollback_plan(mas: "Mas") -> tuple[Step, ...]:
    """What there is to give back; nothing is touched."""
    return tuple(step for session_id in sorted(mas.storage.list()) if (step := _given_back(mas, session_id)))


def rollback(mas: "Mas") -> tuple[Step, ...]:
    """Give back the originals of everything that was taken over. What came after is kept in ``quarantine/``."""
    done = tuple(_tried(mas, step, _roll_back_one) for step in rollback_plan(mas))
    if done and not mas.root.maestro:
        originals.give_back_index(mas.root)
    return done


def _tried(mas: "Mas", step: Step, work: Any) -> Step:
    try:
        with mas.storage.lock(step.session_id):
            work(mas, step)
    except (MasError, OSError) as error:
        hint = error.hint if isinstance(error, MasError) else None
        return Step(step.session_id, step.kind, step.text, f"{error}; {hint}" if hint else str(error))
    return step


def _step(mas: "Mas", session_id: str) -> Step | None:
    paths = mas.root.session(session_id)
    with suppress(FileNotFoundError, DamagedError), files.directory(paths.directory) as fd:
        if files.size_of(fd, LOG) is not None:
            return None
        if _is_record(_read(fd, paths.snapshot.name)):
            return Step(session_id, "record", "begin a log from its metadata.json")
        if not mas.root.maestro and _old_values(fd, paths).get("session_id") == session_id:
            return Step(session_id, "workspace", "make a record from its .session")
    return None


def _is_record(raw: bytes | None) -> bool:
    snapshot = snapshots.decode(raw) if raw else None
    if snapshot is None:
        return False
    try:
        foreign.adopt(snapshot.document)
    except (KeyError, TypeError, ValueError, AttributeError):
        return False
    return True


def _read(fd: int, name: str) -> bytes | None:
    return None if files.size_of(fd, name) is None else files.read(fd, name)


def _old_values(fd: int, paths: SessionPaths) -> dict[str, str]:
    """What the earlier bash program wrote about a session, in our words; from ``.session``, else its metadata."""
    raw = _read(fd, paths.shell.name)
    values = parse_shell(raw.decode("utf-8", "surrogateescape")) if raw else {}
    found = {
        "session_id": values.get("SESSION_ID", ""),
        "tmux_name": values.get("TMUX_SESSION", ""),
        "created_at": values.get("CREATED_AT", ""),
    }
    snapshot = snapshots.decode(_read(fd, paths.snapshot.name) or b"")
    document: Mapping[str, Any] = snapshot.document if snapshot else {}
    return {name: value or str(document.get(_OLD_FORM[name], "")) for name, value in found.items()}


def _migrate_one(mas: "Mas", step: Step) -> None:
    paths = mas.root.session(step.session_id)
    with files.directory(paths.directory) as fd:
        live = step.kind == "workspace" and adopting.running(mas, _old_values(fd, paths)["tmux_name"])
        originals.keep(fd, paths)
        if step.kind == "workspace":
            _write_record(mas, fd, paths)
    mas.manager.change(step.session_id, lambda _document, _now: [])
    if live:
        adopting.take_in(mas, step.session_id)


def _write_record(mas: "Mas", fd: int, paths: SessionPaths) -> None:
    """Write what the earlier session manager would have: the first change then begins a log from it."""
    from mas import workspace  # noqa: PLC0415  a record needs none

    values = _old_values(fd, paths)
    created = _created(fd, paths, values["created_at"])
    ids = workspace.agent_ids(paths.directory)
    document = {
        "session_id": values["session_id"],
        "feature_request": "",
        "status": "initializing",
        "created_at": created,
        "updated_at": created,
        "git_context": {"branch": "", "commit": "", "repo_root": ""},
        "statistics": SessionStatistics().to_dict(),
        "configuration": SessionConfiguration().to_dict(),
        "runtime": {
            "mode": "isolated",
            "root": str(mas.root.path),
            "wanted": "down",
            "observed": "down",
            "tmux_name": values["tmux_name"],
            "agents": list(ids),
            "label": "",
        },
    }
    if ids:
        files.replace(fd, paths.config.name, _config(mas, fd, paths, ids), durable=True)
    files.replace(fd, paths.snapshot.name, snapshots.encode_plain(document), durable=True)


def _created(fd: int, paths: SessionPaths, said: str) -> str:
    """When a session was made: as it says, and where that is no time, when what says the rest was written."""
    try:
        return moment(said, "CREATED_AT")
    except RefusedError:
        name = paths.shell.name if _read(fd, paths.shell.name) else paths.snapshot.name
        return utc_at(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mtime)


def _config(mas: "Mas", fd: int, paths: SessionPaths, ids: Sequence[str]) -> bytes:
    """The configuration that was given, with the team as its directories show it, so that it can come up again."""
    from mas import profiles, teamfile, workspace  # noqa: PLC0415  a record needs none of them

    given = snapshots.decode(_read(fd, paths.config.name) or b"")
    pattern = workspace.find_template(workspace.DEFAULT, mas.root).team
    team = derive_team("project", ids, pattern)
    choice = profiles.choose(None, None, profiles.load(mas.root, mas.environ), mas.environ)
    own = {"mas": teamfile.own_config(team.name, choice, team)}
    return json.dumps({**(given.document if given else {}), **own}, indent=2).encode("ascii")


def _given_back(mas: "Mas", session_id: str) -> Step | None:
    paths = mas.root.session(session_id)
    with suppress(FileNotFoundError, DamagedError), files.directory(paths.quarantine / originals.PLACE) as kept:
        if files.size_of(kept, originals.LIST) is not None:
            kind: Kind = "workspace" if files.size_of(kept, paths.shell.name) is not None else "record"
            return Step(session_id, kind, "give back what was there before")
    return None


def _roll_back_one(mas: "Mas", step: Step) -> None:
    paths = mas.root.session(step.session_id)
    with suppress(DamagedError):
        if wanted_up(mas.storage.read(step.session_id).document):
            msg = f"session {step.session_id} is wanted up"
            raise RefusedError(msg, hint=f"`mas stop {step.session_id}` first")
    with files.directory(paths.directory) as fd:
        originals.give_back(fd, paths)


def legacy_sessions(mas: "Mas") -> Iterator[str]:
    """The team that the root's ``.mas_session`` names, where it runs and nobody has registered it."""
    live, _ = mas.live()
    seen = (live or {}).get(notes.name_in(mas.root.path))
    if seen and mas.is_stray(seen):
        yield seen.name
