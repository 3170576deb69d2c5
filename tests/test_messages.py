"""What may be sent, to whom, and what a log of messages folds to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas import messages
from mas.errors import RefusedError, UsageError
from mas.lines import Line
from mas.messages import Address, Fate, Message
from mas.structs import replace
from mas.team import Agent, Team, Unit

TEAM = Team(
    "pair",
    (
        Unit("meta", (Agent("00", "Lead", role="manager"),)),
        Unit(
            "design",
            (Agent("10", "Manager", role="manager"), Agent("11", "Worker", prompt="begin")),
            aliases=("unit1",),
        ),
    ),
    groups={"managers": ("00", "10")},
    talk={"00": ("10",), "10": ("00", "11"), "11": ("10",)},
)


@given(st.text())
def test_a_sanitised_text_is_printable_lines_and_stays_as_it_is(text: str) -> None:
    try:
        clean = messages.sanitize(text)
    except RefusedError:
        return
    assert messages.sanitize(clean) == clean
    assert all(char in "\t\n" or not (ord(char) < 32 or 127 <= ord(char) < 160) for char in clean)
    clean.encode()


def test_the_end_of_a_paste_cannot_stand_in_a_text() -> None:
    assert messages.sanitize("a\x1b[201~\rrm -rf x\r\nb\x9b201~") == "a[201~\nrm -rf x\nb201~"


@pytest.mark.parametrize("text", ["", "\n\n", "\x1b\x00", "x" * (messages.MAX_BYTES + 1)])
def test_nothing_and_too_much_are_refused(text: str) -> None:
    with pytest.raises(RefusedError):
        messages.sanitize(text)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["design", "hello"], Address("design", "hello")),
        (["10", "11", "hello"], Address("11", "[From: Agent 10] hello", "10")),
        (["agent-10", "all", "hello"], Address("all", "[From: Agent 10] hello", "10")),
    ],
)
def test_words_name_who_gets_what(words: list[str], wanted: Address) -> None:
    assert messages.parse_words(words, TEAM) == wanted


@pytest.mark.parametrize("words", [[], ["design"], ["design", "two", "words"], ["10", "11", "two", "words"]])
def test_other_words_are_a_usage_error_that_shows_the_way(words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        messages.parse_words(words, TEAM)
    assert "mas send" in str(caught.value.hint)


def test_the_sender_gets_nothing_and_the_talk_rules_hold_where_asked() -> None:
    assert messages.recipients(TEAM, Address("all", "x", "10")) == ("00", "11")
    assert messages.recipients(TEAM, Address("11", "x", "00")) == ("11",)
    assert messages.recipients(TEAM, Address("11", "x", "10"), checked=True) == ("11",)
    with pytest.raises(RefusedError, match="agent 00 may not write to 11"):
        messages.recipients(TEAM, Address("11", "x", "00"), checked=True)
    for target in ("all", "design", "11,00", "managers"):
        with pytest.raises(RefusedError, match="agent 10 may write to one agent at a time"):
            messages.recipients(TEAM, Address(target, "x", "10"), checked=True)
    assert messages.recipients(replace(TEAM, talk={}), Address("all", "x", "10"), checked=True) == ("00", "11")
    with pytest.raises(RefusedError, match="nobody but the sender"):
        messages.recipients(TEAM, Address("10", "x", "10"))
    with pytest.raises(RefusedError, match="no target '77'"):
        messages.recipients(TEAM, Address("77", "x"))


def lines_of(*entries: tuple[str, dict[str, object]]) -> list[Line]:
    return [Line(seq, "2026-01-01T00:00:00Z", kind, data, "", "") for seq, (kind, data) in enumerate(entries, 1)]


def test_a_log_folds_to_messages_with_their_latest_fate() -> None:
    first = Message("a", "", "", "all", ("00", "10"), "hello")
    second = Message("b", "", "10", "11", ("11",), "you", execute=False, kind="prompt")
    log = lines_of(
        ("message", first.to_data()),
        ("message", second.to_data()),
        ("fate", messages.fate_data("a", "00", Fate("queued", "not up"))),
        ("fate", messages.fate_data("b", "11", Fate("queued"))),
        ("fate", messages.fate_data("a", "00", Fate("submitted"))),
        ("fate", messages.fate_data("zz", "00", Fate("submitted"))),
        ("later", {}),
    )
    found = messages.fold_messages(log)
    assert [one.text for one in found.values()] == ["hello", "you"]
    assert found["a"].fates == {"00": Fate("submitted")}
    assert messages.queued(found, "11") == (found["b"],)
    assert messages.queued(found, "00") == ()
    assert messages.unsettled(found) == ((found["a"], "10"),)
    assert found["b"].to_json()["fates"] == {"11": {"outcome": "queued", "reason": ""}}
    assert (found["b"].kind, found["b"].execute, found["b"].sender) == ("prompt", False, "10")


def test_first_prompts_are_those_of_the_team() -> None:
    assert messages.initial_prompts(TEAM) == (("11", "begin"),)
