"""The form of ``metadata.json``."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import begun, first
from test_values import PLAIN

from mas.record import SCHEMA
from mas.snapshots import decode, encode, encode_plain


def test_a_snapshot_survives_and_is_json_that_a_person_can_read() -> None:
    document = begun(extra="ü").document
    raw = encode(document, 120, "0a1b2c3d")
    found = decode(raw)
    assert found is not None
    assert (found.document, found.sound, found.schema, found.size, found.crc) == (
        document,
        True,
        SCHEMA,
        120,
        "0a1b2c3d",
    )
    loaded = json.loads(raw)
    assert [*loaded][-4:] == ["rev", "log", "schema", "checksum"]
    assert len(raw.splitlines()) == len(loaded) + 2
    assert raw.isascii()


@given(st.dictionaries(st.text(), PLAIN))
def test_unknown_keys_survive(extra: dict[str, object]) -> None:
    document = {**first(), **{f"x{name}": value for name, value in extra.items()}, "rev": 3}
    found = decode(encode(document, 1, "00000000"))
    assert found is not None
    assert (found.document, found.sound) == (document, True)


def test_no_flipped_bit_and_no_cut_leaves_it_sound() -> None:
    raw = encode(begun().document, 120, "0a1b2c3d")
    for at in range(len(raw)):
        cut = decode(raw[:at])
        assert cut is None or not cut.sound
        for bit in range(8):
            flipped = decode(raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :])
            assert flipped is None or not flipped.sound


def test_the_plain_form_is_the_earlier_programs() -> None:
    raw = encode_plain({"a": 1, "b": {"c": "ü"}})
    assert raw == b'{\n  "a": 1,\n  "b": {"c": "\\u00fc"}\n}'
    found = decode(raw)
    assert found is not None
    assert (found.document, found.sound, found.schema, found.size, found.crc) == (
        {"a": 1, "b": {"c": "ü"}},
        False,
        0,
        None,
        "",
    )


@pytest.mark.parametrize("raw", [b"", b"[]", b"3", b"null", b"{", b"\xff", b"[" * 100_000, b'{"a":' * 100_000])
def test_other_bytes_are_no_snapshot(raw: bytes) -> None:
    assert decode(raw) is None


@pytest.mark.parametrize("log", [3, {}, {"size": "1"}, {"size": True}, None])
def test_a_place_in_the_log_that_is_none(log: object) -> None:
    found = decode(json.dumps({"log": log, "schema": "x"}).encode())
    assert found is not None
    assert (found.size, found.crc, found.schema) == (None, "", 0)


def test_what_is_ours_is_written_anew() -> None:
    document = {**begun().document, "checksum": "forged", "schema": 99, "log": {}}
    found = decode(encode(document, 5, "00000000"))
    assert found is not None
    assert (found.schema, found.size, found.sound) == (SCHEMA, 5, True)
