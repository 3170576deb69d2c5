"""The form of ``.sessions.index``: valid JSON, one row a line, believed only while nobody else touched it."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas.index import (
    ROW_KEYS,
    Index,
    counted_right,
    decode_index,
    encode,
    encode_row,
    newest,
    read_index,
    whole_seconds,
)
from mas.paths import Root

NOW = "2026-01-07T13:00:00.123456Z"


def row(number: int, **more: Any) -> dict[str, Any]:
    return {"sessionId": f"{number:08}-0000-4000-8000-000000000000", "status": "active", **more}


def index(count: int) -> Index:
    return Index.of(map(row, range(count)))


def saved(index: Index) -> bytes:
    return b"".join(encode(index, NOW))


@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_an_index_survives_and_is_json_with_one_row_a_line(count: int) -> None:
    raw = saved(index(count))
    assert (decode_index(raw).sound, decode_index(raw).rows()) == (True, index(count).rows())
    loaded = json.loads(raw)
    assert [*loaded] == ["version", "sessions", "lastUpdated", "checksum"]
    assert loaded["version"] == "1.0"
    assert loaded["lastUpdated"] == "2026-01-07T13:00:00Z"
    assert loaded["sessions"] == [row(number) for number in range(count)]
    assert len(raw.splitlines()) == count + 2


@given(st.lists(st.dictionaries(st.text(), st.text() | st.integers() | st.lists(st.text())), max_size=5))
def test_rows_survive_with_whatever_others_put_into_them(extras: list[dict[str, Any]]) -> None:
    made = Index()
    for number, extra in enumerate(extras):
        raw = saved(made.with_row({**{f"x{name}": value for name, value in extra.items()}, **row(number)}))
        made = decode_index(raw)
        assert made.sound
    assert [one["sessionId"] for one in made.rows()] == [row(number)["sessionId"] for number in range(len(extras))]


def test_a_row_is_found_changed_and_dropped_without_the_others() -> None:
    made = index(5)
    assert made.row(row(3)["sessionId"]) == row(3)
    assert made.row("none") is None
    changed = decode_index(saved(made.with_row(row(3, foreign=1))))
    changed = decode_index(saved(changed.with_row({**row(3), "status": "stopped"})))
    assert changed.row(row(3)["sessionId"]) == {**row(3), "status": "stopped", "foreign": 1}
    assert [one for one in changed.rows() if one["sessionId"] != row(3)["sessionId"]] == [
        *made.rows()[:3],
        made.rows()[4],
    ]
    dropped = decode_index(saved(changed.without(row(3)["sessionId"])))
    assert [one["sessionId"][7] for one in dropped.rows()] == ["0", "1", "2", "4"]


@given(st.lists(st.tuples(st.integers(0, 4), st.none() | st.sampled_from(["active", "stopped"]), st.booleans())))
def test_whatever_rows_come_change_and_go_the_file_is_believed(steps: list[tuple[int, str | None, bool]]) -> None:
    """The checksum is carried on from what was read. A status is a change, None drops the row; some are read again."""
    made, wanted, ids = Index(), dict[str, dict[str, Any]](), [row(number)["sessionId"] for number in range(5)]
    for number, status, again in steps:
        one = row(number)
        if status:
            made = made.with_row({**one, "status": status})
            wanted[one["sessionId"]] = {**one, "status": status}
        else:
            made = made.without(one["sessionId"])
            wanted.pop(one["sessionId"], None)
        read = decode_index(saved(made))
        for found in (made, read):
            assert (found.sound, found.rows(), found.size) == (True, [*wanted.values()], len(wanted))
            assert found.rows(2) == [*wanted.values()][-2:]
            assert [found.row(each) for each in ids] == [wanted.get(each) for each in ids]
        made = read if again else made


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_whichever_row_is_dropped_the_file_is_json(gone: int) -> None:
    left = saved(index(3).without(row(gone)["sessionId"]))
    assert json.loads(left)["sessions"] == [row(number) for number in range(3) if number != gone]


def test_dropping_the_last_row_or_none_changes_nothing_else() -> None:
    assert saved(index(1).without(row(0)["sessionId"])) == saved(index(0))
    assert saved(index(2).without("none")) == saved(index(2))


def test_how_ids_begin_is_seen_in_the_rows_alone() -> None:
    made = decode_index(saved(index(3)))
    assert [made.begins(beginning) for beginning in ("00000000", "00000002", "00000003", "")] == [
        True,
        True,
        False,
        True,
    ]
    assert not Index().begins("")


def test_what_tells_an_id_from_the_others_is_seen_in_the_rows_alone() -> None:
    ids = ["0f0f0f0f-1111", "0f0f0f0f-1122", "ab12cd34-1111", "short"]
    made = Index.of([{"sessionId": one} for one in ids])
    assert [made.beginning(one) for one in ids] == ["0f0f0f0f-111", "0f0f0f0f-112", "ab12cd34", "short"]


def test_our_keys_come_first_in_their_order() -> None:
    shuffled = dict.fromkeys(["foreign", *reversed(ROW_KEYS)], "x")
    assert [*json.loads(encode_row(shuffled))] == [*ROW_KEYS, "foreign"]


def test_the_newest_rows_are_read_without_the_others() -> None:
    made = index(10)
    assert [one["sessionId"][7] for one in made.rows(3)] == ["7", "8", "9"]
    assert len(made.rows(0)) == 0
    assert len(made.rows(50)) == 10
    rows, total = newest(made, 2, [row(1)["sessionId"], row(9)["sessionId"], "none"])
    assert ([one["sessionId"][7] for one in rows], total) == (["1", "8", "9"], 10)
    assert newest(made, None)[1] == len(newest(made, None)[0]) == 10


def test_no_flipped_bit_and_no_cut_is_believed() -> None:
    raw = saved(index(3))
    for at in range(len(raw)):
        assert not decode_index(raw[:at]).sound
        for bit in range(8):
            assert not decode_index(raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :]).sound


@given(st.binary())
def test_other_bytes_are_an_empty_index_that_is_not_believed(raw: bytes) -> None:
    assert (decode_index(raw).sound, decode_index(raw).rows()) == (False, [])


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        ({"version": "1.0", "sessions": [row(1, workingDir="/x")], "lastUpdated": ""}, [row(1, workingDir="/x")]),
        ({"sessions": [row(1), 3, None, {"no": "id"}, {"sessionId": 3}, {"sessionId": "../x"}]}, [row(1)]),
        ({"sessions": [row(1), row(2), {**row(1), "status": "stopped"}]}, [{**row(1), "status": "stopped"}, row(2)]),
        ({"sessions": []}, []),
        ({"sessions": None}, []),
        ({}, []),
        ([row(1)], []),
        (None, []),
    ],
)
def test_what_another_program_wrote_is_read_as_far_as_it_is_any(data: Any, rows: list[dict[str, Any]]) -> None:
    found = decode_index(json.dumps(data, indent=2).encode())
    assert found.rows() == rows
    assert not found.sound


def test_what_json_cannot_hold_never_comes_in() -> None:
    assert decode_index(b'{"sessions":[{"sessionId":"x","odd":NaN}]}').rows() == []


def test_a_missing_index_is_empty_and_not_believed(root: Root, tmp_path: Path) -> None:
    assert read_index(root) == Index(sound=False)
    root.sessions.mkdir(parents=True)
    assert read_index(root) == Index(sound=False)
    root.index.write_bytes(saved(index(2)))
    assert read_index(root).rows() == index(2).rows()
    root.index.unlink()
    root.index.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_bytes(saved(index(2)))
    assert read_index(root) == Index(sound=False)


def test_rows_are_counted_against_directories(root: Root) -> None:
    assert not counted_right(root, Index())
    for place in (root.locks, root.trash):
        place.mkdir(parents=True)
    assert counted_right(root, Index())
    for number in range(3):
        (root.sessions / f"{number}").mkdir()
    (root.sessions / "a file").touch()
    assert counted_right(root, index(3))
    assert not counted_right(root, index(2))
    root.staging.mkdir()
    assert counted_right(root, index(3))


def test_timestamps_are_cut_to_seconds() -> None:
    assert (whole_seconds(NOW), whole_seconds("")) == ("2026-01-07T13:00:00Z", "")
