"""The messages of a session on disk."""

from pathlib import Path

import pytest

from mas import mailbox
from mas.errors import DamagedError
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


def message(key: str, text: str = "hello", **fates: Fate) -> Message:
    return Message(key, "", "", "10", ("10",), text, fates={name.removeprefix("a"): one for name, one in fates.items()})


def test_messages_and_fates_come_back_in_order(box: Mailbox, root: Root) -> None:
    assert box.messages() == {}
    assert box.size() == 0
    for key in "abc":
        box.accept(message(key))
    box.settle([("b", "10", Fate("submitted"))])
    box.settle([("a", "10", Fate("queued")), ("c", "10", Fate("unknown", "cut off"))])
    box.settle([])
    found = Mailbox(root, SESSION).messages()
    assert [(key, one.fates["10"].outcome) for key, one in found.items()] == [
        ("a", "queued"),
        ("b", "submitted"),
        ("c", "unknown"),
    ]
    assert [line.seq for line in box.records(since=4)] == [5, 6]
    assert box.size() == log_of(root).stat().st_size


@pytest.mark.parametrize(("newest", "wanted"), [(None, "abc"), (2, "bc"), (0, ""), (9, "abc")])
def test_the_newest_may_be_asked_for(box: Mailbox, newest: int | None, wanted: str) -> None:
    box.accept(message("a"), message("b"), message("c"))
    assert "".join(box.messages(newest)) == wanted


def test_several_are_recorded_at_once_with_what_became_of_them(box: Mailbox, root: Root) -> None:
    box.accept(message("a", a10=Fate("queued", "it is not up")), message("b"))
    assert [line.type for line in Mailbox(root, SESSION).records()] == ["message", "fate", "message"]
    assert box.messages()["a"].fates == {"10": Fate("queued", "it is not up")}


def test_a_long_text_has_a_file_of_its_own(box: Mailbox, root: Root) -> None:
    text = "ä" * INLINE_BYTES
    box.accept(message("a", text))
    assert log_of(root).stat().st_size < 1000
    assert box.messages()["a"].text == text
    (waiting,) = box.open().values()
    assert (waiting.text, box.with_text(waiting).text) == ("", text)


def test_a_long_text_makes_no_session_that_is_gone(box: Mailbox, root: Root) -> None:
    root.session(SESSION).directory.rmdir()
    with pytest.raises(FileNotFoundError):
        box.accept(message("a", "x" * (INLINE_BYTES + 1)))
    assert not root.session(SESSION).directory.exists()


def test_a_long_text_that_is_gone_is_said_to_be(box: Mailbox, root: Root) -> None:
    box.accept(message("a", "x" * (INLINE_BYTES + 1)))
    (root.session(SESSION).directory / mailbox.TEXTS / "a.txt").unlink()
    assert box.messages()["a"].text == "(the text of message a is gone)"
    with pytest.raises(DamagedError):
        box.with_text(box.open()["a"])


@pytest.mark.parametrize("rest", [b"half a line", b"not a record\n", b'{"v":1}\n{"v"'])
def test_what_was_cut_off_is_saved_and_cut_by_the_next_writer(box: Mailbox, root: Root, rest: bytes) -> None:
    box.accept(message("a"))
    assert box.unreadable() == 0
    whole = log_of(root).read_bytes()
    log_of(root).write_bytes(whole + rest)
    assert box.unreadable() == len(rest)
    assert [*box.messages()] == ["a"]
    box.accept(message("b"))
    assert log_of(root).read_bytes().startswith(whole)
    assert [*box.messages()] == ["a", "b"]
    assert [line.seq for line in box.records()] == [1, 2]
    assert (root.session(SESSION).quarantine / f"{LOG}.tail.0").read_bytes() == rest


def test_mending_cuts_and_writes_nothing_else(box: Mailbox, root: Root) -> None:
    assert box.unreadable() == 0
    box.accept(message("a"))
    whole = log_of(root).read_bytes()
    log_of(root).write_bytes(whole + b"half")
    box.mend()
    assert log_of(root).read_bytes() == whole


def test_mending_takes_out_what_cannot_be_read_and_keeps_all_of_it(box: Mailbox, root: Root) -> None:
    for key in "abc":
        box.accept(message(key, a10=Fate("queued", "it is not up")))
    spoilt = log_of(root).read_bytes().replace(b'"id":"b"', b'"id":"x"')
    log_of(root).write_bytes(spoilt)
    assert 0 < box.unreadable() < len(spoilt) / 2
    box.mend()
    assert box.unreadable() == 0
    assert [*box.messages()] == [*Mailbox(root, SESSION).open()] == ["a", "c"]
    assert (root.session(SESSION).quarantine / f"{LOG}.0").read_bytes() == spoilt
    box.accept(message("d"))
    assert [*box.messages()] == ["a", "c", "d"]


def test_a_long_damage_at_the_end_takes_no_whole_line_along(box: Mailbox, root: Root) -> None:
    """The last whole line may begin far before what is looked at first."""
    for key in "ab":
        box.accept(message(key))
    whole = log_of(root).read_bytes()
    log_of(root).write_bytes(whole + b"x" * 300_000)
    box.accept(message("c"))
    assert log_of(root).read_bytes().startswith(whole)
    assert [line.seq for line in box.records()] == [1, 2, 3]
    assert (root.session(SESSION).quarantine / f"{LOG}.tail.0").read_bytes() == b"x" * 300_000


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


def fill(root: Root, count: int) -> None:
    """Messages as their senders record them: each looks first what is open."""
    for number in range(count):
        box = Mailbox(root, SESSION)
        box.open()
        box.accept(message(f"m{number}", "x" * 15_000))
        box.settle([(f"m{number}", "10", Fate("submitted"))])


def test_what_waits_is_found_behind_a_long_log_without_reading_it(box: Mailbox, root: Root) -> None:
    box.accept(message("first", a10=Fate("queued", "it is not up")))
    box.accept(message("cut off"))
    fill(root, 40)
    box.accept(message("last", a10=Fate("queued")))
    note = root.session(SESSION).directory / mailbox.OPEN
    assert note.exists()
    wanted = box.open()
    assert [*wanted] == ["first", "cut off", "last"]
    assert wanted["first"].fates == {"10": Fate("queued", "it is not up")}
    raw = bytearray(log_of(root).read_bytes())
    middle = len(raw) // 4  # nobody reads there any more
    raw[middle : middle + 10] = b"damaged!!!"
    log_of(root).write_bytes(raw)
    assert Mailbox(root, SESSION).open() == wanted
    box.settle([("first", "10", Fate("submitted"))])
    assert [*Mailbox(root, SESSION).open()] == ["cut off", "last"]


@pytest.mark.parametrize("note", [b"", b"[]", b'{"size":1}', b'{"size":99999,"crc":"00000000","waiting":[]}'])
def test_a_note_that_does_not_fit_the_log_is_not_believed(box: Mailbox, root: Root, note: bytes) -> None:
    box.accept(message("a", a10=Fate("queued")))
    (root.session(SESSION).directory / mailbox.OPEN).write_bytes(note)
    assert [*box.open()] == ["a"]


def test_nothing_waits_where_there_is_no_session(root: Root) -> None:
    assert Mailbox(root, SESSION).open() == {}
    with pytest.raises(FileNotFoundError):
        Mailbox(root, SESSION).accept(message("a"))
    assert not root.session(SESSION).directory.exists()
