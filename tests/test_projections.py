"""What is shown outside of a record: the row and ``.session``, made again from it whenever they are lost."""

import json
import os
import shlex
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import roots
from hypothesis import given
from hypothesis import strategies as st
from records import ID, OTHER_ID, T0, first, time

from mas.clock import utc_now
from mas.filestore import FileStorage
from mas.index import ROW_KEYS, decode_index, encode
from mas.paths import Root
from mas.projections import SHELL_KEYS, Projections, encode_shell, parse_shell, row_of, shell_values

THIRD_ID = "bbbbbbbb-2222-4333-8444-555555555555"

HOSTILE = [
    "",
    "plain",
    "two words",
    "it's",
    '"quoted"',
    "a'\"'\"b",
    "$HOME",
    "$(touch canary)",
    "`touch canary`",
    "x; touch canary",
    "x\ntouch canary",
    "x\nPATH=/nowhere",
    "x\r\nLABEL=y",
    "\\",
    "~root",
    "#comment",
    "&& touch canary",
    "a\u2028b\x0bc\x85d",
    "日本語 ☕",
    "-n",
    "*",
    "!history",
    "{a,b}",
    "=",
    "'\n'\n'",
]


@pytest.fixture
def storage(root: Root) -> FileStorage:
    made = FileStorage(root)
    for at, session_id in enumerate((ID, OTHER_ID)):
        made.create(first(session_id, created_at=time(at), runtime={"tmux_name": f"mas-{session_id[:8]}"}), T0)
    return made


@pytest.fixture
def shown(storage: FileStorage) -> Projections:
    """Two sessions, both shown."""
    made = Projections(storage)
    for session_id in (ID, OTHER_ID):
        made.publish(session_id)
    return made


def ids(shown: Projections) -> list[str]:
    return [row["sessionId"] for row in shown.rows()]


def label(storage: FileStorage, text: str, session_id: str = ID) -> None:
    with storage.lock(session_id):
        stored = storage.prepare(session_id, T0)
        storage.append(session_id, stored, [("updated", {"set": {"label": text}})], time(5))


# --- what is shown ---


def test_a_row_says_what_a_listing_needs(root: Root) -> None:
    runtime = {
        "tmux_name": "mas-1",
        "mode": "isolated",
        "label": "mine",
        "agents": ["10", "11"],
        "wanted": "up",
        "observed": "up",
        "tmux": {"socket": "/s"},
        "project": "/home/me/shop",
    }
    row = row_of({**first(runtime=runtime), "rev": 4}, root)
    assert [*row] == [*ROW_KEYS]
    assert row == {
        "sessionId": ID,
        "tmuxSession": "mas-1",
        "status": "active",
        "createdAt": "2026-01-07T13:00:00Z",
        "workingDir": str(root.sessions / ID),
        "mode": "isolated",
        "lastActivity": T0,
        "label": "mine",
        "agentCount": 2,
        "lifecycle": "initializing",
        "tmuxSocket": "/s",
        "projectDir": "/home/me/shop",
        "rev": 4,
    }
    assert row_of(first(), root)["status"] == "stopped"
    assert row_of(first(runtime={"mode": "legacy"}), root)["workingDir"] == str(root.path)


def test_the_shells_values_are_those_of_the_record(root: Root) -> None:
    values = shell_values(first(runtime={"tmux_name": "mas-1", "mode": "isolated", "label": "x"}), root)
    assert [*values] == [*SHELL_KEYS]
    place = str(root.sessions / ID)
    assert values == {
        "SESSION_ID": ID,
        "TMUX_SESSION": "mas-1",
        "STATUS": "stopped",
        "CREATED_AT": "2026-01-07T13:00:00Z",
        "UNIT_DIR": f"{place}/unit",
        "WORKFLOWS_DIR": f"{place}/workflows",
        "SESSION_DIR": place,
        "MAS_SESSION_MODE": "isolated",
        "MAS_SESSION_NAME": "mas-1",
        "LABEL": "x",
    }
    shared = shell_values(first(runtime={"mode": "legacy"}), root)
    assert (shared["UNIT_DIR"], shared["SESSION_DIR"]) == (str(root.path / "unit"), place)


def test_publishing_shows_the_record_as_it_is_now(storage: FileStorage, shown: Projections, root: Root) -> None:
    label(storage, "it's mine")
    shown.publish(ID)
    rows = {row["sessionId"]: row for row in shown.rows()}
    assert rows[ID] == row_of(storage.read(ID).document, root)
    assert parse_shell(root.session(ID).shell.read_text())["LABEL"] == "it's mine"
    assert root.session(ID).shell.stat().st_mode & 0o777 == root.index.stat().st_mode & 0o777 == 0o600


def test_only_more_than_activity_makes_a_difference(storage: FileStorage, shown: Projections) -> None:
    before = storage.read(ID).document
    assert not shown.differ(before, {**before, "rev": 9, "updated_at": time(9)})
    assert shown.differ(before, {**before, "runtime": {"label": "x"}})
    assert shown.differ(before, {**before, "status": "failed"})


def test_what_is_gone_is_forgotten(storage: FileStorage, shown: Projections) -> None:
    storage.delete(ID)
    shown.forget(ID)
    assert ids(shown) == [OTHER_ID]
    shown.forget(ID)


# --- an index that cannot be believed ---


def test_the_index_is_made_again_equal_from_the_directories(shown: Projections, root: Root) -> None:
    before, raw = shown.rows(), root.index.read_bytes()
    root.index.unlink()
    assert shown.rows() == before
    assert not root.index.exists()
    shown.rebuild()
    assert decode_index(root.index.read_bytes()).rows() == decode_index(raw).rows()


def test_a_cut_or_flipped_index_costs_nothing(storage: FileStorage, shown: Projections, root: Root) -> None:
    before, raw = shown.rows(), root.index.read_bytes()
    for at in range(0, len(raw), 5):
        for bad in (raw[:at], raw[:at] + bytes([raw[at] ^ 4]) + raw[at + 1 :]):
            root.index.write_bytes(bad)
            found = [
                {name: row[name] for name in ROW_KEYS} for row in shown.rows() if row["sessionId"] in storage.list()
            ]
            assert found == before
    shown.publish(ID)
    assert [row for row in shown.rows() if row["status"] != "error"] == before


def test_a_hand_edited_index_is_corrected_and_foreign_keys_stay(shown: Projections, root: Root) -> None:
    data = json.loads(root.index.read_bytes())
    data["sessions"][0] |= {"status": "terminated", "workingDir": "/wrong", "mine": {"kept": [1]}}
    del data["sessions"][1]
    root.index.write_text(json.dumps(data, indent=2))
    for _ in range(2):
        rows = {row["sessionId"]: row for row in shown.rows()}
        assert rows.keys() == {ID, OTHER_ID}
        assert (rows[ID]["status"], rows[ID]["mine"]) == ("stopped", {"kept": [1]})
        assert rows[ID]["workingDir"] == str(root.sessions / ID)
        shown.publish(OTHER_ID)


def test_foreign_keys_stay_while_the_row_changes(storage: FileStorage, shown: Projections, root: Root) -> None:
    roots.put_row(root, {"sessionId": ID, "mine": 1})
    label(storage, "x")
    shown.publish(ID)
    assert [row.get("mine") for row in shown.rows()] == [1, None]


def test_what_another_process_wrote_in_between_is_kept(storage: FileStorage, shown: Projections, root: Root) -> None:
    """What was written here last is not read again while it stands; everything else is."""
    label(storage, "x", OTHER_ID)
    Projections(storage).publish(OTHER_ID)
    shown.publish(ID)
    assert [row["label"] for row in shown.rows()] == ["", "x"]
    root.index.unlink()
    shown.publish(ID)
    assert decode_index(root.index.read_bytes()).size == 2


@pytest.mark.parametrize("summed", [False, True], ids=["by hand, later", "by mas, in the same moment"])
def test_what_was_written_into_the_same_file_is_kept(shown: Projections, root: Root, *, summed: bool) -> None:
    roots.put_row(root, {"sessionId": OTHER_ID, "mine": 1})
    shown.publish(ID)
    file, text = root.index.stat(), root.index.read_bytes()
    theirs = decode_index(text).with_row({"sessionId": OTHER_ID, "mine": 2})
    root.index.write_bytes(b"".join(encode(theirs, utc_now())) if summed else text.replace(b'"mine":1', b'"mine":2'))
    os.utime(root.index, ns=(file.st_atime_ns, file.st_mtime_ns + (not summed)))
    assert (root.index.stat().st_size, root.index.stat().st_ino) == (file.st_size, file.st_ino)
    shown.publish(ID)
    assert [row.get("mine") for row in shown.rows()] == [None, 2]


def test_a_directory_without_a_row_is_shown_all_the_same(storage: FileStorage, shown: Projections, root: Root) -> None:
    storage.create(first(THIRD_ID, created_at=time(9)), T0)
    assert ids(shown) == [ID, OTHER_ID, THIRD_ID]
    assert decode_index(root.index.read_bytes()).row(THIRD_ID) is None


def test_a_row_without_a_directory_is_an_error_and_is_not_dropped(
    shown: Projections, root: Root, tmp_path: Path
) -> None:
    (root.sessions / ID).rename(tmp_path / "away")
    for make_sure in (shown.rows, shown.rebuild, partial(shown.publish, OTHER_ID)):
        make_sure()
        rows = {row["sessionId"]: row for row in shown.rows()}
        assert (rows[ID]["status"], rows[ID]["tmuxSession"]) == ("error", f"mas-{ID[:8]}")
    (tmp_path / "away").rename(root.sessions / ID)
    shown.rebuild()
    assert [row["status"] for row in shown.rows()] == ["stopped", "stopped"]


def test_rows_are_never_dropped_because_the_sessions_are_not_mounted(
    shown: Projections, root: Root, tmp_path: Path
) -> None:
    for session_id in (ID, OTHER_ID):
        (root.sessions / session_id).rename(tmp_path / session_id)
    shown.rebuild()
    assert sorted(ids(shown)) == [ID, OTHER_ID]
    root.sessions.rename(tmp_path / "sessions")
    assert shown.rows() == []


def test_a_session_that_cannot_be_read_keeps_its_row(shown: Projections, root: Root) -> None:
    root.session(ID).snapshot.unlink()
    root.session(ID).log.write_text("damaged")
    shown.rebuild()
    rows = {row["sessionId"]: row for row in shown.rows()}
    assert (rows[ID]["status"], rows[ID]["tmuxSession"]) == ("error", f"mas-{ID[:8]}")
    root.index.unlink()
    assert {row["sessionId"]: row["status"] for row in shown.rows()} == {ID: "error", OTHER_ID: "stopped"}


def test_a_damaged_session_is_an_error_although_it_can_be_read(shown: Projections, root: Root) -> None:
    root.session(ID).log.write_text("shorter")
    root.index.unlink()
    assert {row["sessionId"]: row["status"] for row in shown.rows()} == {ID: "error", OTHER_ID: "stopped"}


def test_without_sessions_there_are_no_rows(root: Root) -> None:
    shown = Projections(FileStorage(root))
    assert shown.rows() == []
    assert not root.path.exists()


def test_an_index_that_could_not_follow_is_not_believed(shown: Projections, root: Root) -> None:
    shown.distrust()
    assert not root.index.exists()
    shown.distrust()
    assert ids(shown) == [ID, OTHER_ID]


def test_a_link_in_place_of_the_index_is_left_where_it_is(shown: Projections, root: Root, tmp_path: Path) -> None:
    root.index.rename(tmp_path / "elsewhere")
    root.index.symlink_to(tmp_path / "elsewhere")
    shown.distrust()
    assert root.index.is_symlink()
    assert ids(shown) == [ID, OTHER_ID]


# --- .session ---


def sourced(path: Path, cwd: Path) -> dict[str, str]:
    """What a bash that sources a file has then and had not before."""
    program = f"compgen -v | sort >before; . {shlex.quote(str(path))}; compgen -v | sort >after; " + "".join(
        f"printf '%s\\0%s\\0' {key} \"${key}\"; " for key in SHELL_KEYS
    )
    words = ["env", "-i", "bash", "--norc", "-euo", "pipefail", "-c", program]
    done = subprocess.run(words, cwd=cwd, capture_output=True, check=True, timeout=10)
    new = {*(cwd / "after").read_text().split()} - {*(cwd / "before").read_text().split()}
    assert new <= {*SHELL_KEYS, "BASH_LINENO", "PIPESTATUS", "_"}, new
    found = done.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1]
    return dict(zip(found[::2], found[1::2], strict=True))


@pytest.mark.parametrize("value", HOSTILE)
def test_sourcing_sets_exactly_the_keys_whatever_a_value_holds(tmp_path: Path, value: str) -> None:
    values = dict.fromkeys(SHELL_KEYS, value)
    (tmp_path / ".session").write_bytes(encode_shell(values))
    assert sourced(tmp_path / ".session", tmp_path) == values
    assert not (tmp_path / "canary").exists()
    assert parse_shell((tmp_path / ".session").read_bytes().decode()) == values


def test_a_path_that_is_no_text_survives(tmp_path: Path) -> None:
    values = dict.fromkeys(SHELL_KEYS, os.fsdecode(b"/a/\xff b"))
    (tmp_path / ".session").write_bytes(encode_shell(values))
    assert sourced(tmp_path / ".session", tmp_path) == values


SHELL_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,9}", fullmatch=True), SHELL_TEXT, min_size=1))
def test_parsing_gives_back_what_was_written(values: dict[str, str]) -> None:
    assert parse_shell(encode_shell(values).decode()) == values


def test_plain_values_are_not_quoted_for_readers_that_do_not_unquote() -> None:
    assert encode_shell({"A": "/plain/path", "B": "", "C": "mas-1"}) == b"A=/plain/path\nB=\nC=mas-1\n"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("SESSION_DIR=/a b/c\nSTATUS=active\n", {"SESSION_DIR": "/a b/c", "STATUS": "active"}),
        ("A=o'brien\nB=x\n", {"A": "o'brien", "B": "x"}),
        ('STARTED_AT="2025-01-01 10:00:00"\nPID=1', {"STARTED_AT": "2025-01-01 10:00:00", "PID": "1"}),
        ("# comment\nexport A=1\n  B=2\nC=$(x)\n", {"C": "$(x)"}),
        ("", {}),
        ("A\n", {}),
        ("A=\nB=x=y\n", {"A": "", "B": "x=y"}),
    ],
)
def test_what_earlier_programs_wrote_is_parsed_and_never_run(text: str, values: dict[str, str]) -> None:
    assert parse_shell(text) == values


def test_more_values_than_anybody_writes_are_parsed_in_no_time() -> None:
    assert parse_shell("A='" + "x" * 100_000) == {"A": "'" + "x" * 100_000}


def test_a_record_with_odd_values_is_shown(root: Root) -> None:
    odd: dict[str, Any] = {"tmux_name": 3, "label": None, "mode": "isolated"}
    storage = FileStorage(root)
    storage.create(first(runtime=odd), T0)
    Projections(storage).publish(ID)
    assert parse_shell(root.session(ID).shell.read_text())["TMUX_SESSION"] == "3"
