"""Workspaces: the templates they are made from, and the making itself.

A template is a directory with ``team.toml``, ``unit/`` and ``workflows/``. It is copied, never linked, and what may not
be copied is refused when the template is found, before anything is touched.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mas import copying, guides, trees
from mas.derived import derive_team
from mas.environment import PROGRAMS
from mas.errors import ConflictError, ExistsError, MasError, NotFoundError, RefusedError, explained, shorten
from mas.paths import Root, SessionPaths, shipped
from mas.structs import Frozen
from mas.team import Team, parse_team

DEFAULT = "default"
"""The shipped template that is taken where nothing else was chosen."""

OWN = "project"
"""What the root's own ``unit/`` and ``workflows/`` are called as a template."""

_TEAM_FILE = "team.toml"

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)
_AGENT_ID = re.compile(r"[0-9]{2}", re.ASCII)


class Template(Frozen):
    """A template that may be copied: its team, and what a copy for that team takes from it."""

    name: str
    path: Path
    team: Team
    tree: trees.Tree

    @property
    def size(self) -> int:
        """Bytes that a workspace made from it takes, guides not counted twice."""
        return self.tree.bytes


class Listed(Frozen):
    """A template as a listing shows it: with its team, or with the ``problem`` that keeps it from being used."""

    name: str
    path: Path
    team: Team | None
    problem: str = ""


def find_template(name: str | None, root: Root, default: str | None = None) -> Template:
    """The template that is meant: ``name``, ``default`` (the project's setting), the root's own, or DEFAULT.

    What stands below ``<root>/templates/`` comes before a shipped one of that name. Raises NotFoundError where there is
    none, RefusedError where its ``team.toml`` is wrong or it holds what is not copied.
    """
    wanted = name or default or (OWN if agent_ids(root.path) else DEFAULT)
    places = _places(root)
    if wanted not in places:
        where = "" if _NAME.fullmatch(wanted) else f"; others are named below {trees.shown(root.path / 'templates')}"
        raise NotFoundError(f"no template {shorten(wanted)}", hint=f"there are: {', '.join(places)}{where}")
    path = places[wanted]
    team = _load_team(wanted, path)
    tops = {"unit", "workflows", *(f"unit/{agent_id}" for agent_id in team.ids)}
    tree = trees.survey(
        path, take=lambda place: place in tops or place.startswith("workflows/") or place.count("/") > 1
    )
    guides.check(tree)
    return Template(wanted, path, team, tree)


def shared_team(root: Root) -> Team:
    """The team of the root's own ``unit/``. Raises RefusedError where there is none, or its ``team.toml`` is wrong."""
    if not (root.path / "unit").is_dir():
        msg = f"there is no unit/ in {trees.shown(root.path)} to start a team in"
        raise ConflictError(msg, hint="`mas init` makes one here, `mas start --isolated` a workspace of its own")
    return _load_team(OWN, root.path)


def list_templates(root: Root) -> tuple[Listed, ...]:
    """Every template there is, in the order in which they are looked for."""
    return tuple(_listed(name, path) for name, path in _places(root).items())


def build(template: Template, team: Team, target: SessionPaths) -> None:
    """Make ``unit/`` with a directory for each agent of the team, ``workflows/`` and ``logs/``.

    Modes are the template's whatever the umask, ``logs/`` is its owner's alone. On failure none of them is left; raises
    ExistsError where one is there already, and what ``copying.copy`` raises.
    """
    places = (target.workflows, target.unit, target.logs)
    taken = next((place for place in places if os.path.lexists(place)), None)
    if taken:
        raise ExistsError(f"already there: {trees.shown(taken)}", hint="a workspace is made in a directory of its own")
    with _undone(places):
        _copy_part(template.tree, target.workflows)
        _make_units(template.tree, team, target)
        _make_directory(target.logs, 0o700)


def lay_out(template: Template, root: Root) -> tuple[str, ...]:
    """Make a project's ``workflows/``, ``unit/`` and ``team.toml``, each only where it is missing; returns their names.

    ``team.toml`` goes with a new ``unit/`` only, since it says who works there.
    """
    here = SessionPaths(root.path)
    new = [place for place in (here.workflows, here.unit) if not os.path.lexists(place)]
    team_file = template.path / _TEAM_FILE
    if here.unit in new and team_file.is_file() and not os.path.lexists(root.path / _TEAM_FILE):
        new.append(root.path / _TEAM_FILE)
    with _undone(new):
        if here.workflows in new:
            _copy_part(template.tree, here.workflows)
        if here.unit in new:
            _make_units(template.tree, template.team, here)
        if root.path / _TEAM_FILE in new:
            guides.write(root.path / _TEAM_FILE, trees.read_small(team_file))
    return tuple(place.name for place in new)


def offer_program(paths: SessionPaths, program: Path | None) -> None:
    """Put ``mas`` where the PATH of the session's panes begins; its own directory may hold other programs as well.

    A link on the way to it is not followed: an environment may be made again behind that.
    """
    place = paths.directory / PROGRAMS
    if place.is_symlink():
        raise RefusedError(f"{trees.shown(place)} is a link", hint="mas follows no links in a workspace; move it away")
    if program is None or place == program.parent:
        return
    if program.is_symlink() and (program.parent.parent / paths.shell.name).exists():  # a session's, which may go
        program = program.readlink()
    place.mkdir(mode=0o755, exist_ok=True)
    (place / program.name).unlink(missing_ok=True)
    (place / program.name).symlink_to(program)


def _places(root: Root) -> dict[str, Path]:
    found = dict(_template_directories(root.path / "templates"))
    if agent_ids(root.path):
        found.setdefault(OWN, root.path.resolve())  # a root may be reached by a link
    for name, path in _template_directories(shipped("templates")):
        found.setdefault(name, path)
    return found


def _template_directories(parent: Path) -> Iterator[tuple[str, Path]]:
    for entry in _entries(parent):
        path = parent / entry.name
        if _NAME.fullmatch(entry.name) and (os.path.lexists(path / _TEAM_FILE) or (path / "unit").is_dir()):
            yield entry.name, path


def _entries(path: Path) -> list[os.DirEntry[str]]:
    """What is in a directory, by name; nothing where there is none."""
    try:
        with os.scandir(path) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise trees.unreadable(path, error) from error


def _listed(name: str, path: Path) -> Listed:
    try:
        return Listed(name, path, _load_team(name, path))
    except MasError as error:
        return Listed(name, path, None, error.message)


def _load_team(name: str, path: Path) -> Team:
    try:
        data = trees.read_small(path / _TEAM_FILE)
    except NotFoundError:
        ids = agent_ids(path)
        if not ids:
            msg = f"{trees.shown(path)} has neither {_TEAM_FILE} nor an agent's directory below unit/"
            raise RefusedError(msg, hint="an agent's directory has a name of two digits") from None
        return derive_team(name, ids, _load_team(DEFAULT, shipped("templates") / DEFAULT))
    return _parse(data, path / _TEAM_FILE)


def _parse(data: bytes, path: Path) -> Team:
    import tomllib  # noqa: PLC0415  costs start-up time, and most commands read no template

    try:
        return parse_team(tomllib.loads(data.decode()))
    except MasError as error:
        hint = error.hint or "docs/templates.md shows how a team is written"
        raise RefusedError(f"{trees.shown(path)}: {error.message}", hint=hint) from None
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"{trees.shown(path)} is not TOML: {error}", hint="mend it, or remove it") from None


def agent_ids(path: Path) -> tuple[str, ...]:
    """The two-digit names below ``unit/``, also of links, which are refused where the template is used."""
    return tuple(one.name for one in _entries(path / "unit") if _AGENT_ID.fullmatch(one.name) and one.is_dir())


@contextmanager
def _undone(places: Sequence[Path]) -> Iterator[None]:
    """Remove what was made where the work fails."""
    try:
        yield
    except BaseException as error:
        for place in places:
            copying.remove(place)
        if isinstance(error, OSError) and not isinstance(error, MasError):
            raise explained(error, error.filename or places[0]) from error
        raise


def _copy_part(tree: trees.Tree, target: Path) -> None:
    part = tree.part(target.name)
    if part:
        copying.copy(part, target)
    else:
        _make_directory(target, 0o755)


def _make_units(tree: trees.Tree, team: Team, target: SessionPaths) -> None:
    _copy_part(tree, target.unit)
    for agent in team.agents:
        directory = target.unit / agent.id
        if not directory.is_dir():
            _make_directory(directory, 0o755)
    guides.hand_out(team, target)


def _make_directory(path: Path, mode: int) -> None:
    path.mkdir(mode=mode)
    path.chmod(mode)
