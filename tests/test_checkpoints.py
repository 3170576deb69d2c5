"""The form of a checkpoint file: whole and unchanged, or damaged and said so."""

import json
from zlib import crc32

import pytest
from records import begun, first

from mas.checkpoints import decode, encode, name_of, seq_of
from mas.errors import DamagedError
from mas.states import SessionCheckpoint

SAMPLE = SessionCheckpoint(2, "2026-01-07T13:00:00Z", {**begun().document, "rev": 7, "checksum": "x", "log": {}})


def test_a_checkpoint_survives_without_what_describes_the_snapshot() -> None:
    found = decode(encode(SAMPLE), 7)
    assert (found.iteration, found.timestamp, found.resumable, found.seq) == (2, "2026-01-07T13:00:00Z", True, 7)
    assert found.state_snapshot == {**begun().document, "rev": 7}
    assert json.loads(encode(SAMPLE))["seq"] == 7


def test_no_flipped_bit_and_no_cut_goes_unnoticed() -> None:
    raw = encode(SAMPLE)
    for at in range(len(raw)):
        with pytest.raises(DamagedError):
            decode(raw[:at], 7)
        for bit in range(8):
            with pytest.raises(DamagedError, match="checkpoint 7 is damaged"):
                decode(raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :], 7)


def test_one_under_another_name_is_damaged() -> None:
    with pytest.raises(DamagedError, match="checkpoint 8 is damaged: it stands at record 7"):
        decode(encode(SAMPLE), 8)


@pytest.mark.parametrize(
    "members",
    [
        [],
        {},
        {"iteration": 1, "timestamp": "t", "resumable": True, "state_snapshot": 3},
        {"iteration": 1, "timestamp": "t", "resumable": True, "state_snapshot": {"rev": 7}},
        {"iteration": 1, "timestamp": "t", "resumable": True, "state_snapshot": {**first(), "rev": "seven"}},
    ],
)
def test_a_right_checksum_does_not_make_a_checkpoint(members: object) -> None:
    body = json.dumps(members).encode()
    with pytest.raises(DamagedError, match="it describes no record"):
        decode(b'%b,"crc":"%08x"}\n' % (body[:-1], crc32(body[:-1] + b"}")), 7)


def test_names() -> None:
    assert seq_of(name_of(12)) == 12
    for other in (
        "0.json",
        "07.json",
        "x.json",
        "7.json.tmp",
        ".7.json",
        "7",
        "-7.json",
        "7.json\n",
        "\N{ARABIC-INDIC DIGIT SEVEN}.json",
        "1" * 16,
    ):
        assert seq_of(other) is None
