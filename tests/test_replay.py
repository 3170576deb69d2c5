"""From a log to a record and back: whole appends count, anything else is noticed with its place."""

import json
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import T0, begun, first, grown, happened, time

from mas import guard, lines, replay
from mas.errors import RefusedError
from mas.events import CommandExecuted, IterationCompleted, IterationStarted, Paused, Started
from mas.iteration import IterationChanges
from mas.record import CREATED, SALVAGED
from mas.replay import Entry, Stored


def log(*appends: list[Entry]) -> tuple[list[bytes], Stored]:
    """The lines of a log that begins with a record, and what is stored after it."""
    raw, stored = replay.extend(None, [(CREATED, first())], T0)
    raws = [raw]
    for at, entries in enumerate(appends, 1):
        raw, stored = replay.extend(stored, entries, time(at))
        raws += raw.splitlines(keepends=True)
    return raws, stored


START: Entry = ("started", {})
PAUSE: Entry = ("paused", {"reason": "x", "by": "user", "substate": "planning", "iteration": 0})
LABEL: Entry = ("updated", {"set": {"label": "x"}})
RAWS, STORED = log([START, LABEL], [PAUSE, LABEL, LABEL], [LABEL])


def test_a_log_folds_to_what_was_stored() -> None:
    done = replay.replay(RAWS)
    assert (done.document, done.size, done.crc, done.bad) == (STORED.document, STORED.size, STORED.crc, "")
    assert done.size == sum(map(len, RAWS))
    assert STORED.document["rev"] == len(RAWS) == 7


def test_it_goes_on_from_any_whole_append() -> None:
    for count in (1, 3, 6, 7):
        before = replay.replay(RAWS[:count])
        assert before.bad == ""
        assert replay.replay(RAWS[count:], before.document, before.size, before.crc) == replay.replay(RAWS)


@pytest.mark.parametrize(("count", "whole"), [(2, 1), (4, 3), (5, 3)])
def test_an_append_that_was_cut_off_between_its_records_does_not_count(count: int, whole: int) -> None:
    done = replay.replay(RAWS[:count])
    assert done.size == sum(map(len, RAWS[:whole]))
    assert done.document == replay.replay(RAWS[:whole]).document
    assert "the records that belong to it are missing" in done.bad
    assert not done.lost


def test_no_cut_is_taken_for_a_record() -> None:
    whole = b"".join(RAWS)
    ends = [sum(map(len, RAWS[:count])) for count in (0, 1, 3, 6, 7)]
    for at in range(len(whole)):
        done = replay.replay(whole[:at].splitlines(keepends=True))
        assert done.size == max(end for end in ends if end <= at)
        assert bool(done.bad) == (at not in ends)
        assert not done.lost


def test_no_flipped_byte_goes_unnoticed_and_its_place_is_named() -> None:
    whole = b"".join(RAWS)
    for at in range(len(whole)):
        flipped = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        done = replay.replay(flipped.splitlines(keepends=True) if b"\n" in flipped else [flipped])
        assert done.size <= at
        assert f"at byte {done.size}: " in done.bad
        assert done.lost == (at < len(whole) - len(RAWS[-1]) - 1)  # the last two lines may have become one


@given(st.data())
def test_lines_removed_moved_or_repeated_are_noticed(data: st.DataObject) -> None:
    order = data.draw(st.lists(st.integers(0, len(RAWS) - 1), max_size=9))
    done = replay.replay([RAWS[at] for at in order])
    prefix = next((at for at, number in enumerate(order) if number != at), len(order))
    assert done.size <= sum(map(len, RAWS[:prefix]))
    assert done.bad or order == [*range(len(order))]


def line(kind: str, data: Any, seq: int, prev: str, **more: Any) -> bytes:
    """A line with the right checksum, whatever it says."""
    members = {"v": 1, "seq": seq, "ts": T0, "type": kind, "data": data, "prev": prev, **more}
    body = json.dumps(members, separators=(",", ":")).encode()
    return b'%b,"crc":"%08x"}\n' % (body[:-1], crc32(body))


@pytest.mark.parametrize(
    "forged",
    [
        ("failed", {}),
        ("resumed", {"to": "nowhere"}),
        ("updated", {"set": 3}),
        ("started", []),
        (CREATED, first()),
        (SALVAGED, {"status": "x"}),
        ("imported", {"set": {"git_context": 3}}),
    ],
)
def test_a_record_that_means_nothing_is_damage_and_no_accident(forged: tuple[str, Any]) -> None:
    raws, stored = log([START])
    done = replay.replay([*raws, line(*forged, 3, stored.crc)])
    assert done.document == stored.document
    assert done.bad.startswith(f"record 3 at byte {stored.size}: ")


@pytest.mark.parametrize("kind", ["started", SALVAGED])
def test_a_log_begins_with_a_record(kind: str) -> None:
    assert replay.replay([line(kind, first(), 1, lines.GENESIS)]).document is None
    with pytest.raises(RefusedError, match="begins with a record"):
        replay.extend(None, [], T0)


@pytest.mark.parametrize("seq", [0, -1, "1", 1.0, None])
def test_numbers_are_numbers_from_one(seq: Any) -> None:
    assert "does not follow" in replay.replay([line(CREATED, first(), seq, lines.GENESIS)]).bad


def test_a_salvaged_record_may_leave_numbers_out_and_no_other() -> None:
    raws, stored = log()
    salvaged = line(SALVAGED, first(feature_request="newest"), 9, stored.crc)
    done = replay.replay([*raws, salvaged])
    assert done.document == first(feature_request="newest") | {"rev": 9}
    assert replay.replay([*raws, line("started", {}, 9, stored.crc)]).bad
    assert replay.replay([*raws, line(SALVAGED, first(), 1, stored.crc)]).bad
    assert replay.replay([line(CREATED, first(), 9, lines.GENESIS)]).document == {**first(), "rev": 9}


def test_a_newer_programs_line_is_neither_torn_nor_damage() -> None:
    raws, stored = log()
    newer = line("started", {}, 2, stored.crc, v=2)
    done = replay.replay([*raws, newer])
    assert (done.newer, done.document) == (True, stored.document)
    assert replay.any_whole([newer])
    assert not replay.any_whole([b"x\n", newer[:-1]])


def test_unknown_records_survive() -> None:
    raws, stored = log([("from_the_future", {"x": 1})], [START])
    assert replay.replay(raws).document == stored.document
    assert stored.document["status"] == "planning"


def test_extending_numbers_on_or_from_a_number() -> None:
    raw, stored = replay.extend(STORED, [LABEL], time(9))
    assert lines.decode(raw).seq == 8
    raw, stored = replay.extend(STORED, [(SALVAGED, first())], time(9), 20)
    assert (lines.decode(raw).seq, stored.document["rev"]) == (20, 20)


def test_a_record_that_would_break_a_rule_is_never_written() -> None:
    with pytest.raises(RefusedError, match="a session that is paused lacks pause data"):
        grown(begun(), ("updated", {"set": {"status": "paused"}}))
    with pytest.raises(RefusedError, match="longer than"):
        grown(begun(), ("updated", {"set": {"feature_request": "x" * lines.MAX_BYTES}}))
    long = replay.extend(None, [(CREATED, first(extra="x" * lines.MAX_BYTES))], T0)[1]
    assert long.size > lines.MAX_BYTES


def test_what_happened_are_the_events_alone() -> None:
    raws, _ = log([START, LABEL], [PAUSE], [("runtime", {})], [("from_the_future", {})])
    found = [*replay.happened(map(lines.decode, raws))]
    assert [one.event for one in found] == [Started(), Paused("x")]
    assert [(one.seq, one.timestamp) for one in found] == [(2, time(1)), (4, time(2))]


def test_what_was_written_in_pieces_is_one_event() -> None:
    changes = IterationChanges(tuple(f"{number:0200}" for number in range(400)), commands_run=("make",))
    stored = happened(begun(), Started(), IterationStarted(1))
    entries = guard.consequences(stored.document, IterationCompleted(changes), time(3))
    raw, _ = replay.extend(stored, [*entries, *guard.consequences(stored.document, CommandExecuted("x"), T0)], time(3))
    found = [*replay.happened(map(lines.decode, raw.splitlines()))]
    assert [one.event for one in found] == [IterationCompleted(changes), CommandExecuted("x")]
