"""What a Maestro root is, and the schema that lies beside its sessions."""

from pathlib import Path

from mas import directories, files
from mas.paths import Root

SCHEMA_NAME = "session-metadata.schema.json"
SCHEMA = Path(__file__).parent / "schemas" / SCHEMA_NAME
"""The JSON Schema of ``metadata.json``, as it travels with the package."""


def root_of(repo_root: Path) -> Root:
    """The Maestro root of a repository."""
    return Root(repo_root / ".flow" / "maestro", maestro=True)


def install_schema(root: Root) -> None:
    """Put the schema into a Maestro root that has none; one that is there is left as it is."""
    place = root.path / "schemas"
    if (place / SCHEMA_NAME).exists():
        return
    directories.make_directory(place)
    with files.directory(place) as fd:
        files.replace(fd, SCHEMA_NAME, SCHEMA.read_bytes(), mode=0o644)
