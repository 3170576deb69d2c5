"""The messages of a session on disk."""

from pathlib import Path

import pytest

from mas.mailbox import LOG, Mailbox
from mas.messages import INLINE_BYTES, Fate, Message
from mas.paths import Root

SESSION = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def box(root: Root) -> Mailbox:
    root.session(SESSION).directory.mkdir(parents=True)
    return Mailbox(root, SESSION)


def log_of(root: Root) -> Path:
    return root.session(SESSION).directory / LOG


def message(key: str, text: str = "hello") -> Message:
    return Message(key, "", "", "10", ("10",), text)


def test_messages_and_fates_come_back_in_order(box: Mailbox, root: Root) -> None:
    assert box.messages() == {}
    for key in "abc":
        box.accept(message(key))
    box.settle("b", "10", Fate("submitted"))
    box.settle_all([("a", "10", Fate("queued")), ("c", "10", Fate("unknown", "cut off"))])
    box.settle_all([])
    found = Mailbox(root, SESSION).messages()
    assert [(key, one.fates["10"].outcome) for key, one in found.items()] == [
        ("a", "queued"),
        ("b", "submitted"),
        ("c", "unknown"),
    ]
    assert [line.seq for line in box.records(since=4)] == [5, 6]


def test_a_long_text_has_a_file_of_its_own(box: Mailbox, root: Root) -> None:
    text = "ä" * INLINE_BYTES
    box.accept(message("a", text))
    assert log_of(root).stat().st_size < 1000
    assert box.messages()["a"].text == text


@pytest.mark.parametrize("rest", [b"half a line", b"not a record\n", b'{"v":1}\n{"v"'])
def test_what_was_cut_off_is_saved_and_cut_by_the_next_writer(box: Mailbox, root: Root, rest: bytes) -> None:
    box.accept(message("a"))
    whole = log_of(root).read_bytes()
    log_of(root).write_bytes(whole + rest)
    assert [*box.messages()] == ["a"]
    box.accept(message("b"))
    assert log_of(root).read_bytes().startswith(whole)
    assert [*box.messages()] == ["a", "b"]
    assert [line.seq for line in box.records()] == [1, 2]
    assert (root.session(SESSION).quarantine / f"{LOG}.tail.0").read_bytes() == rest


def test_numbers_go_on_behind_a_log_longer_than_one_look(box: Mailbox, root: Root) -> None:
    for number in range(20):
        box.accept(message(f"m{number}", "x" * (INLINE_BYTES - 1)))
    assert log_of(root).stat().st_size > 2 * 64 * 1024
    assert [line.seq for line in box.records()] == [*range(1, 21)]


def test_one_bad_line_says_nothing_of_the_others(box: Mailbox, root: Root) -> None:
    for key in "abc":
        box.accept(message(key))
    log_of(root).write_bytes(log_of(root).read_bytes().replace(b'"id":"b"', b'"id":"x"'))
    assert [*box.messages()] == ["a", "c"]
