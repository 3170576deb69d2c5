"""Names that may become paths, and the root a command works in."""

from pathlib import Path

import pytest

from mas import paths
from mas.errors import InvalidIdError, NotFoundError
from mas.paths import (
    Root,
    absolute,
    check_new_id,
    check_session_id,
    check_stored_id,
    is_session_id,
    is_stored_id,
    resolve_root,
)

ID = "11111111-2222-4333-8444-555555555555"

LOOK_ALIKES = [
    "",
    ID.upper().replace("1", "A"),
    f" {ID}",
    f"{ID}\n",
    f"{{{ID}}}",
    f"urn:uuid:{ID}",
    ID.replace("-", ""),
    ID[:-1],
    ID + "0",
    ID.replace("1", "\uff11"),
    ID.replace("-", "_"),
    "0x" + ID[2:],
    "+" + ID[1:],
]
ESCAPES = [
    "..",
    ".",
    "../x",
    "a/b",
    "/etc",
    "~",
    ".locks",
    "a\0b",
    "a\n",
    "-x",
    "x" * 129,
    "é",
    "a b",
    "*",
    "$HOME",
    "a\\b",
]


def test_only_the_canonical_form_is_an_id() -> None:
    assert is_session_id(ID)
    assert check_session_id(ID) == ID
    for text in LOOK_ALIKES + ESCAPES:
        assert not is_session_id(text)
        for check in (check_session_id, check_new_id):
            with pytest.raises(InvalidIdError, match="not a session id"):
                check(text)


@pytest.mark.parametrize(("version", "variant"), [("1", "8"), ("7", "b"), ("0", "a"), ("4", "7"), ("4", "c")])
def test_a_new_id_is_a_random_one(version: str, variant: str) -> None:
    """What another kind of UUID names may be read."""
    assert check_new_id(ID) == ID
    other = f"0f0f0f0f-1111-{version}222-{variant}333-444444444444"
    assert check_session_id(other) == other
    with pytest.raises(InvalidIdError, match=f"'{other}' is no UUID of version 4") as raised:
        check_new_id(other)
    assert raised.value.hint == "leave the id out and one is drawn, or take one of `uuidgen`"


@pytest.mark.parametrize("value", [None, 3, b"x", Path(ID), ["x"]])
def test_what_is_no_text_is_no_id(value: object) -> None:
    for check in (check_session_id, check_stored_id, check_new_id):
        with pytest.raises(InvalidIdError):
            check(value)


def test_what_older_programs_named_may_be_read_as_long_as_it_stays_inside() -> None:
    for text in ("test-session-123", "mas_1", "A", ID):
        assert check_stored_id(text) == text
        assert is_stored_id(text)
    for text in ESCAPES:
        assert not is_stored_id(text)
        with pytest.raises(InvalidIdError):
            Root(Path("/r")).session(text)
        with pytest.raises(InvalidIdError):
            Root(Path("/r")).lock(text)


def test_only_an_id_of_ours_is_ever_staged() -> None:
    with pytest.raises(InvalidIdError):
        Root(Path("/r")).staged("test-session-123")


def test_everything_has_its_place() -> None:
    root = Root(Path("/a b"))
    session = root.session(ID)
    assert session.directory == root.sessions / ID == Path("/a b/sessions") / ID
    names = (
        "events.jsonl metadata.json messages.jsonl .session config.json "
        "checkpoints unit workflows worktree quarantine logs"
    )
    places = (
        session.log,
        session.snapshot,
        session.messages,
        session.shell,
        session.config,
        session.checkpoints,
        session.unit,
        session.workflows,
        session.worktree,
        session.quarantine,
        session.logs,
    )
    assert [place.relative_to(session.directory).name for place in places] == names.split()
    assert root.lock(ID) == root.locks / f"{ID}.lock"
    assert root.index_lock.parent == root.locks
    assert {place.parent for place in (root.index, root.locks, root.staging, root.trash)} == {root.sessions}
    assert root.staged(ID).directory == root.staging / ID


def test_what_is_named_wins_in_its_order(tmp_path: Path) -> None:
    environ = {name: f"/{name}" for name in paths.ROOT_VARIABLES}
    assert resolve_root("given", environ, tmp_path) == Root(tmp_path / "given")
    for name in paths.ROOT_VARIABLES:
        assert resolve_root(None, environ, tmp_path) == Root(Path("/", name))
        environ[name] = ""
    assert resolve_root(Path("/x/../y"), {}, tmp_path) == Root(Path("/y"))


@pytest.mark.parametrize("mark", [".masrc", "sessions/.sessions.index"])
def test_else_the_nearest_project(tmp_path: Path, mark: str) -> None:
    deep = tmp_path / "project" / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "project" / mark).parent.mkdir(exist_ok=True)
    (tmp_path / "project" / mark).touch()
    assert resolve_root(None, {}, deep) == Root(tmp_path / "project")
    (deep / ".masrc").touch()
    assert resolve_root(None, {}, deep) == Root(deep)


def test_else_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    assert resolve_root(None, {}, Path("/")) == Root(tmp_path / "data" / "mas")
    assert paths.user_config_directory() == tmp_path / "configuration" / "mas"


def test_a_path_holds_no_nul(tmp_path: Path) -> None:
    assert absolute("a/../b", tmp_path) == tmp_path / "b"
    with pytest.raises(NotFoundError, match="NUL"):
        absolute("a\0b", tmp_path)


def test_what_travels_with_the_package() -> None:
    assert paths.shipped("mas").is_dir()
    with pytest.raises(NotFoundError, match="lacks its nothing/ directory"):
        paths.shipped("nothing")
