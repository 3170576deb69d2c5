"""Damaged files, seen from the command line: whatever is in one, every verb ends in order and other sessions go on."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from commandline import mas, ok, record

JUNK = (b"", b"null", b"[]", b"{}", b'"x"', b"\xff\xfe", b'{"a":NaN}', b'{"sessions":3}', b"[" * 20_000)
VERBS = """
list --all;list --json;show ONE;show ONE --json;show OTHER;events ONE;progress ONE;checkpoint list ONE;messages ONE;
session list;doctor;doctor ONE;env ONE;agents ONE;pause ONE;pause OTHER;session update ONE label=two;complete ONE;
retry ONE;stop ONE;migrate --dry-run;doctor --fix;doctor --fix ONE;list;rm ONE;rm --force ONE
"""


def damaged(raw: bytes, chance: random.Random) -> bytes:
    """The same with something cut off, flipped, lost or put in."""
    at, other = (chance.randrange(len(raw)) for _ in range(2))
    ways = (
        raw[:at],
        raw[:at] + bytes([raw[at] ^ 1 << chance.randrange(8)]) + raw[at + 1 :],
        raw[: min(at, other)] + raw[max(at, other) :],
        raw[:at] + chance.randbytes(chance.randrange(40)) + raw[at:],
        chance.choice(JUNK),
    )
    return chance.choice(ways)


def state_files(root: Path, session_id: str) -> Iterator[Path]:
    """What mas reads of the session, and what is written for all."""
    place = root / "sessions" / session_id
    yield root / "sessions" / ".sessions.index"
    yield from (path for path in sorted(place.rglob("*")) if path.is_file() and path.parent.name != "workflows")


@pytest.mark.parametrize("rounds", [4, pytest.param(300, marks=pytest.mark.slow)])
def test_whatever_is_in_a_file_every_verb_ends_in_order(tmp_path: Path, tmux_socket: Path, rounds: int) -> None:
    del tmux_socket
    whole, root, chance = tmp_path / "whole", tmp_path / "root", random.Random(rounds)  # noqa: S311
    whole.mkdir()
    words = ("--isolated", "--no-team", "--template", "solo", "--command", "cat", "-q")
    one, other = ok("start", *words, root=whole).out.strip(), record(whole)
    ok("session", "transition", one, "planning", root=whole)
    ok("checkpoint", "save", one, root=whole)
    for _ in range(rounds):
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(whole, root)
        path = chance.choice([*state_files(root, one)])
        path.write_bytes(damaged(path.read_bytes() or b"x", chance))
        for verb in VERBS.replace("ONE", one).replace("OTHER", other).split(";"):
            done = mas(*verb.split(), root=root)
            assert done.code in ((0,) if other in verb else (0, 1)), (path, path.read_bytes(), done)
            assert "Traceback" not in done.err
