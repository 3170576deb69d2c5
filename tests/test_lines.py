"""The line format of a log: no changed byte goes unnoticed, no value makes a second line."""

import json
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas import lines
from mas.errors import RefusedError
from mas.lines import BadLineError, Line, NewerLineError, crc_of, decode, encode, end_of

TEXT = st.text()
DATA = st.dictionaries(TEXT, st.integers() | TEXT | st.lists(TEXT, max_size=3), max_size=4)
LINES = st.builds(
    Line,
    st.integers(1, 2**53),
    TEXT,
    TEXT,
    DATA,
    st.from_regex(r"[0-9a-f]{8}", fullmatch=True),
    st.just(""),
    st.booleans(),
)
SAMPLE = Line(7, "2026-01-07T13:00:00Z", "paused", {"reason": "lunch\nbreak ☕"}, "0a1b2c3d", "")


@given(LINES)
def test_a_line_survives_and_is_one_line(line: Line) -> None:
    raw = encode(line)
    assert raw.endswith(b"\n")
    assert raw.count(b"\n") == 1
    assert raw.isascii()
    found = decode(raw)
    assert (found.seq, found.ts, found.type, found.data) == (line.seq, line.ts, line.type, line.data)
    assert (found.prev, found.more, found.crc) == (line.prev, line.more, crc_of(raw))
    assert raw.endswith(end_of(found.crc))
    assert decode(raw[:-1]) == found


def test_a_line_is_plain_json_with_the_members_in_their_order() -> None:
    assert [*json.loads(encode(SAMPLE))] == ["v", "seq", "ts", "type", "data", "prev", "crc"]
    members = json.loads(encode(Line(1, "t", "x", {}, lines.GENESIS, "", more=True)))
    assert [*members] == ["v", "seq", "ts", "type", "data", "prev", "more", "crc"]
    assert members["more"] is True


def test_no_flipped_bit_and_no_cut_goes_unnoticed() -> None:
    raw = encode(SAMPLE).rstrip(b"\n")
    for at in range(len(raw)):
        with pytest.raises(BadLineError):
            decode(raw[:at])
        for bit in range(8):
            with pytest.raises(BadLineError):
                decode(raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :])


@given(st.binary())
def test_other_bytes_are_no_line(raw: bytes) -> None:
    with pytest.raises(BadLineError):
        decode(raw)


def sealed(body: bytes) -> bytes:
    """A line with the right checksum, whatever it says."""
    return b'%b,"crc":"%08x"}\n' % (body[:-1], crc32(body))


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b"{'v':1}",
        b'{"v":1,"seq":1,"ts":"t","type":"x","data":[],"prev":"00000000"}',
        b'{"v":1,"seq":1,"ts":"t","type":3,"data":{},"prev":"00000000"}',
        b'{"v":1,"seq":1,"ts":3,"type":"x","data":{},"prev":"00000000"}',
        b'{"seq":1,"ts":"t","type":"x","data":{},"prev":"00000000"}',
        b'{"v":1,"data":' + b"[" * 10_000 + b"}",
    ],
)
def test_a_right_checksum_does_not_make_a_line(body: bytes) -> None:
    with pytest.raises(BadLineError):
        decode(sealed(body))


def test_a_newer_form_is_told_apart_from_damage() -> None:
    with pytest.raises(NewerLineError, match="line format 2 is newer"):
        decode(sealed(b'{"v":2,"seq":1,"ts":"t","type":"x","data":{},"prev":"00000000"}'))


@pytest.mark.parametrize("value", [float("nan"), object(), {1: {2}}])
def test_data_that_is_no_json_is_refused(value: object) -> None:
    with pytest.raises(RefusedError, match="the data of a x record is no plain JSON"):
        encode(Line(1, "t", "x", {"value": value}, lines.GENESIS, ""))


def test_data_nested_without_end_is_refused() -> None:
    data: dict[str, object] = {}
    data["self"] = data
    with pytest.raises(RefusedError, match="no plain JSON"):
        encode(Line(1, "t", "x", data, lines.GENESIS, ""))


def test_length_is_bounded_and_the_hint_says_where_else() -> None:
    def line(length: int) -> Line:
        return Line(1, "t", "x", {"text": "a" * length}, lines.GENESIS, "")

    spare = lines.MAX_BYTES - len(encode(line(0)))
    assert len(encode(line(spare))) == lines.MAX_BYTES
    with pytest.raises(RefusedError, match="longer than 65536") as refused:
        encode(line(spare + 1))
    assert "file" in (refused.value.hint or "")
    assert len(encode(line(spare + 1), lines.MAX_WHOLE_BYTES)) == lines.MAX_BYTES + 1
