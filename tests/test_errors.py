"""Errors: what callers of the earlier programs catch, and that they survive a trip between processes."""

import errno
import json
import os
import pickle
from pathlib import Path

import pytest

from mas import errors, trees
from mas.errors import (
    AmbiguousError,
    BusyError,
    CapacityError,
    DamagedError,
    ExistsError,
    InvalidIdError,
    MasError,
    NotFoundError,
    OccupiedError,
    RefusedError,
    WaitTimeoutError,
    explained,
    explaining,
    shorten,
)

LEAVES = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, MasError) and kind not in (AmbiguousError, OccupiedError)
]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (NotFoundError, FileNotFoundError),
        (InvalidIdError, FileNotFoundError),
        (InvalidIdError, ValueError),
        (RefusedError, ValueError),
        (ExistsError, FileExistsError),
        (DamagedError, json.JSONDecodeError),
        (BusyError, TimeoutError),
        (WaitTimeoutError, TimeoutError),
    ],
)
def test_callers_of_the_earlier_programs_catch_what_they_caught(ours: type[MasError], theirs: type[Exception]) -> None:
    with pytest.raises(theirs, match=r"^said$"):
        raise ours("said", hint="do this")


@pytest.mark.parametrize("kind", LEAVES)
def test_an_error_says_its_message_and_keeps_both_through_pickle(kind: type[MasError]) -> None:
    for error in (kind("said", "do this"), pickle.loads(pickle.dumps(kind("said", "do this")))):  # noqa: S301
        assert (type(error), str(error), error.message, error.hint) == (kind, "said", "said", "do this")
    assert kind("said").hint is None


def test_an_ambiguous_name_keeps_its_candidates() -> None:
    error = pickle.loads(pickle.dumps(AmbiguousError("said", iter("ab"), "do this")))  # noqa: S301
    assert (error.candidates, error.hint) == (("a", "b"), "do this")


def test_values_are_shortened_and_made_printable() -> None:
    assert shorten("a\x1b\n") == r"'a\x1b\n'"
    assert shorten("ä") == r"'\xe4'"
    assert len(shorten("x" * 500)) == 80


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE])
def test_what_room_would_mend_is_a_matter_of_capacity(code: int) -> None:
    error = explained(OSError(code, os.strerror(code)), Path("/some/place"))
    assert isinstance(error, CapacityError)
    assert str(error).startswith("cannot write '/some/place': ")


def test_a_limit_of_the_process_is_named(tmp_path: Path) -> None:
    assert explained(OSError(errno.EMFILE, "Too many open files"), "x", "read").hint == (
        "raise the limit and repeat: ulimit -n 1024"
    )
    too_large = OSError(errno.EFBIG, "File too large")
    for made in (explained(too_large, tmp_path), trees.unreadable(tmp_path, too_large)):
        assert made.hint == "raise the limit and repeat: ulimit -f unlimited"


def test_other_refusals_of_the_system_are_explained_with_the_place() -> None:
    error = explained(OSError(errno.EACCES, "Permission denied"), "a name", "read")
    assert type(error) is MasError
    assert str(error) == "cannot read 'a name': permission denied"
    assert str(explained(OSError("odd"), "x")) == "cannot write 'x': odd"


def test_within_a_block_only_the_systems_refusals_are_changed() -> None:
    with pytest.raises(MasError, match="cannot write 'x'"), explaining("x"):
        raise PermissionError(errno.EACCES, "Permission denied")
    for error in (FileNotFoundError("gone"), ExistsError("there"), KeyError("k")):
        with pytest.raises(type(error)) as raised, explaining("x"):
            raise error
        assert raised.value is error
