"""A Maestro root and the schema beside its sessions."""

import json
from pathlib import Path

import jsonschema
from records import fingerprint

from mas import maestro
from mas.manager import SessionManager


def test_a_root_lies_below_the_repository() -> None:
    root = maestro.root_of(Path("/a repo"))
    assert (root.path, root.maestro) == (Path("/a repo/.flow/maestro"), True)


def test_the_schema_comes_with_the_first_session(tmp_path: Path) -> None:
    manager = SessionManager(tmp_path)
    assert not (tmp_path / ".flow").exists()
    session = manager.create_session("Build it")
    place = tmp_path / ".flow" / "maestro" / "schemas" / "session-metadata.schema.json"
    assert place.read_bytes() == maestro.SCHEMA.read_bytes()
    assert place.stat().st_mode & 0o777 == 0o644
    stored = json.loads((manager.sessions_dir / session.session_id / "metadata.json").read_bytes())
    jsonschema.validate(stored, json.loads(place.read_bytes()), jsonschema.Draft7Validator)


def test_the_sessions_directory_is_there_for_who_asks_for_it(tmp_path: Path) -> None:
    """Callers put files of their own into it, and make directories in it without parents."""
    manager = SessionManager(tmp_path)
    assert manager.query_sessions() == []
    assert not (tmp_path / ".flow").exists()
    (manager.sessions_dir / "theirs").mkdir()


def test_a_schema_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    place = maestro.root_of(tmp_path).path / "schemas" / maestro.SCHEMA_NAME
    place.parent.mkdir(parents=True)
    place.write_text("mine")
    before = fingerprint(tmp_path)
    maestro.install_schema(maestro.root_of(tmp_path))
    assert fingerprint(tmp_path) == before
