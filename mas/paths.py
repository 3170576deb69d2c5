"""Where everything is: the root a command works in, and the files below it.

Nothing here touches a session's files; it only builds paths from names that were checked first.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from mas.errors import InvalidIdError, NotFoundError, shorten
from mas.structs import Frozen

ROOT_VARIABLES = ("MAS_ROOT", "MAS_WORKSPACE_ROOT", "MAS_PROJECT_ROOT", "PROJECT_ROOT")
"""Variables that may name the root, the first set one wins (the earlier programs used each of them)."""

SHARED_PARTS = ("unit", "workflows")
"""What a team works in: below a template, a session, and the root itself for the team that shares it."""

_CANONICAL_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
_RANDOM_ID = re.compile(r".{14}4.{4}[89ab].*")
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}", re.ASCII)


def is_session_id(text: str) -> bool:
    """Whether text is a UUID in its canonical lower-case form."""
    return _CANONICAL_ID.fullmatch(text) is not None


def check_session_id(text: object) -> str:
    """Return text where it is a canonical id; raises InvalidIdError (a FileNotFoundError and a ValueError)."""
    if isinstance(text, str) and is_session_id(text):
        return text
    msg = f"not a session id: {shorten(text)}"
    raise InvalidIdError(msg, hint="an id is a lower-case UUID; `mas list` shows them")


def check_new_id(text: object) -> str:
    """Like check_session_id, but takes only what a new session may be called: a UUID of version 4."""
    if isinstance(text, str) and is_session_id(text):
        if _RANDOM_ID.fullmatch(text):
            return text
        msg = f"{shorten(text)} is no UUID of version 4"
    else:
        msg = f"not a session id: {shorten(text)}, expected a lower-case UUID"
    raise InvalidIdError(msg, hint="leave the id out and one is drawn, or take one of `uuidgen`")


def check_stored_id(text: object) -> str:
    """Like check_session_id, but takes any safe directory name that an older program may have written."""
    if isinstance(text, str) and is_stored_id(text):
        return text
    return check_session_id(text)


def is_stored_id(name: str) -> bool:
    """Whether a directory of that name may be a session's, be it of an older program."""
    return _SAFE_NAME.fullmatch(name) is not None


class SessionPaths(Frozen):
    """The files of one session, whether or not they exist."""

    directory: Path

    @property
    def log(self) -> Path:
        """``events.jsonl``, the truth."""
        return self.directory / "events.jsonl"

    @property
    def snapshot(self) -> Path:
        """``metadata.json``, what the log folds to."""
        return self.directory / "metadata.json"

    @property
    def messages(self) -> Path:
        """``messages.jsonl``, every message and its fate."""
        return self.directory / "messages.jsonl"

    @property
    def shell(self) -> Path:
        """``.session``, the projection bash scripts source."""
        return self.directory / ".session"

    @property
    def config(self) -> Path:
        """``config.json``, the team as it was asked for."""
        return self.directory / "config.json"

    @property
    def checkpoints(self) -> Path:
        """Directory of checkpoints, one file each."""
        return self.directory / "checkpoints"

    @property
    def unit(self) -> Path:
        """Directory of the agents' own directories."""
        return self.directory / "unit"

    @property
    def workflows(self) -> Path:
        """Directory of the role guides."""
        return self.directory / "workflows"

    @property
    def worktree(self) -> Path:
        """The git worktree of a session that works in one of its own."""
        return self.directory / "worktree"

    @property
    def quarantine(self) -> Path:
        """Directory of originals: what was cut, rejected or migrated."""
        return self.directory / "quarantine"

    @property
    def written(self) -> tuple[Path, ...]:
        """The directories that hold state files."""
        return self.directory, self.checkpoints, self.quarantine

    @property
    def logs(self) -> Path:
        """Directory of text logs and exit files."""
        return self.directory / "logs"

    def agent_log(self, agent_id: str) -> Path:
        """What an agent's pane printed, where that is kept; what came before is in ``….log.1``."""
        return self.logs / f"agent-{agent_id}.log"


class Root(Frozen):
    """A directory that holds ``sessions/``. A Maestro root keeps records only: neither index nor ``.session``."""

    path: Path
    maestro: bool = False

    @property
    def sessions(self) -> Path:
        """Directory of the sessions, one directory each."""
        return self.path / "sessions"

    @property
    def index(self) -> Path:
        """``.sessions.index``, a projection with one row a session."""
        return self.sessions / ".sessions.index"

    @property
    def locks(self) -> Path:
        """Directory of the lock files; they live outside what is renamed."""
        return self.sessions / ".locks"

    @property
    def staging(self) -> Path:
        """Sessions being created."""
        return self.sessions / ".staging"

    @property
    def trash(self) -> Path:
        """Sessions being deleted."""
        return self.sessions / ".trash"

    def session(self, session_id: str) -> SessionPaths:
        """Paths of a session; raises InvalidIdError unless the id is one that may name a directory."""
        return SessionPaths(self.sessions / check_stored_id(session_id))

    def staged(self, session_id: str) -> SessionPaths:
        """Paths of a session while it is being created."""
        return SessionPaths(self.staging / check_session_id(session_id))

    def lock(self, session_id: str) -> Path:
        """Lock file of a session."""
        return self.locks / f"{check_stored_id(session_id)}.lock"

    @property
    def index_lock(self) -> Path:
        """Lock file of the index, a leaf: no other lock is taken while it is held."""
        return self.locks / "index.lock"

    @property
    def label_lock(self) -> Path:
        """Lock file of those who give a session a label: taken inside a session's lock, outside the index's."""
        return self.locks / "labels.lock"

    @property
    def shared_lock(self) -> Path:
        """Lock file of those who bring a team up in the root's own directories: taken outside all others."""
        return self.locks / "shared.lock"


def resolve_root(explicit: str | Path | None, environ: Mapping[str, str], cwd: Path) -> Root:
    """The root a command works in.

    ``explicit`` wins, then ROOT_VARIABLES, then the nearest parent of ``cwd`` with ``.masrc`` or an index, then the
    per-user data directory. The result is absolute; it need not exist.
    """
    return named_root(explicit, environ, cwd) or Root(_nearest_project(cwd) or user_data_directory())


def named_root(explicit: str | Path | None, environ: Mapping[str, str], cwd: Path) -> Root | None:
    """The root that is asked for, by ``explicit`` or by one of ROOT_VARIABLES; None where none is."""
    named = explicit or next((environ[name] for name in ROOT_VARIABLES if environ.get(name)), None)
    return Root(absolute(named, cwd)) if named else None


def absolute(path: str | Path, cwd: Path) -> Path:
    """Path made absolute against ``cwd``, ``..`` resolved by name, links left as they are; refuses NUL."""
    if "\0" in str(path):
        msg = f"a path cannot hold a NUL character: {shorten(str(path))}"
        raise NotFoundError(msg)
    return Path(os.path.normpath(cwd / path))


def _nearest_project(cwd: Path) -> Path | None:
    for directory in (cwd, *cwd.parents):
        if (directory / ".masrc").is_file() or (directory / "sessions" / ".sessions.index").is_file():
            return directory
    return None


def user_data_directory() -> Path:
    """The per-user root, used where no project is found."""
    import platformdirs  # noqa: PLC0415  costs start-up time, and most commands run inside a project

    return Path(platformdirs.user_data_dir("mas", appauthor=False))


def user_config_directory() -> Path:
    """The per-user configuration directory: ``profiles.toml``."""
    import platformdirs  # noqa: PLC0415  see user_data_directory

    return Path(platformdirs.user_config_dir("mas", appauthor=False))


def shipped(name: str) -> Path:
    """A directory that travels with the package: ``templates`` or ``lib``, in a checkout and in a wheel alike."""
    package = Path(__file__).resolve().parent
    for candidate in (package / "_shipped" / name, package.parent / name):
        if candidate.is_dir():
            return candidate
    msg = f"the installed package lacks its {name}/ directory"
    raise NotFoundError(msg, hint="install mas again")
