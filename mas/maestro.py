"""What a Maestro root is, and the schema that lies beside its sessions."""

from contextlib import suppress
from pathlib import Path

from mas import directories, files
from mas.errors import MasError
from mas.paths import Root

SCHEMA_NAME = "session-metadata.schema.json"
SCHEMA = Path(__file__).parent / "schemas" / SCHEMA_NAME
"""The JSON Schema of ``metadata.json``, as it travels with the package."""


def root_of(repo_root: Path) -> Root:
    """The Maestro root of a repository."""
    return Root(repo_root / ".flow" / "maestro", maestro=True)


def around(path: Path) -> Path:
    """The directory around ``path`` that holds ``.flow/maestro``, where there is none ``path`` itself."""
    return next((place for place in (path, *path.parents) if root_of(place).path.is_dir()), path)


def prepared(root: Root) -> Root:
    """The root, if it is a Maestro root with its ``sessions/`` made where that can be: callers put files into it."""
    with suppress(MasError, OSError):
        if root.maestro:
            directories.make_directory(root.sessions)
    return root


def install_schema(root: Root) -> None:
    """Put the schema into a Maestro root that has none; one that is there is left as it is."""
    place = root.path / "schemas"
    if (place / SCHEMA_NAME).exists():
        return
    directories.make_directory(place)
    with files.directory(place) as fd:
        files.replace(fd, SCHEMA_NAME, SCHEMA.read_bytes(), mode=0o644)
