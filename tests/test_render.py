import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas import render
from mas.render import Column

CONTROLS = {
    *(chr(code) for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"),
    *"\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
    *(chr(code) for code in (0xD800, 0xDC80, 0xDFFF)),
}
HOSTILE = st.text(st.one_of(st.sampled_from(sorted(CONTROLS)), st.characters()))
PAYLOADS = {
    "clipboard": "\x1b]52;c;ZXZpbA==\x07",
    "link": "\x1b]8;;http://example.invalid\x1b\\here\x1b]8;;\x1b\\",
    "device": "\x1bP+q544e\x1b\\",
    "C1": "\x9b31m",
    "overwritten": "innocent\rguilty",
    "turned around": "\u202egpj.exe",
    "erased": "abc\x7f\x7f\x7f",
}


@given(HOSTILE)
def test_clean_text_commands_no_terminal(text: str) -> None:
    assert not CONTROLS & set(render.clean(text))


@given(HOSTILE)
def test_one_line_is_one_line(text: str) -> None:
    assert not (CONTROLS | {"\n", "\t"}) & set(render.one_line(text))


@given(HOSTILE)
def test_json_is_printable_ascii_and_says_the_same(text: str) -> None:
    told = render.to_json({"text": text}, indent=None)
    assert told.isascii()
    assert told.isprintable()
    assert json.loads(told) == {"text": text}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_what_would_fool_a_terminal_is_shown(payload: str) -> None:
    assert render.clean(payload).isprintable()
    assert render.clean(f"a{payload}b").startswith("a")


def test_clean_keeps_what_is_harmless() -> None:
    assert render.clean("a\n\tb é 日本 👍") == "a\n\tb é 日本 👍"
    assert render.one_line("a\n\tb\x1b[0m\u2028\ud800") == "a\\n\\tb\\x1b[0m\\u2028\\ud800"


@pytest.mark.parametrize(("text", "width"), [("", 0), ("abc", 3), ("日本", 4), ("é", 1), ("e\u0301", 1), ("👍", 2)])
def test_width_counts_cells(text: str, width: int) -> None:
    assert render.width_of(text) == width


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])), st.integers(0, 30))
def test_cut_text_fits(text: str, width: int) -> None:
    found = render.cut(text, width)
    assert render.width_of(found) <= width
    assert found == text or found.rstrip("…") in text


COLUMNS = (Column("NAME", least=4), Column("N", right=True), Column("WHERE", least=1))


def test_a_table_is_aligned() -> None:
    rows = [("one", "1", "here"), ("two and more", "22", "there")]
    assert render.table(COLUMNS, rows, 80) == [
        "NAME           N  WHERE",
        "one            1  here",
        "two and more  22  there",
    ]


def test_a_table_without_rows_is_its_titles() -> None:
    assert render.table(COLUMNS, [], 80) == ["NAME  N  WHERE"]
    assert render.aligned([]) == []


@given(st.lists(st.tuples(HOSTILE, st.text("0123456789", max_size=4), HOSTILE)), st.integers(16, 80))
def test_no_line_of_a_table_is_wider_than_the_terminal(rows: list[tuple[str, str, str]], width: int) -> None:
    for line in render.table(COLUMNS, rows, width):
        assert render.width_of(line) <= width
        assert not CONTROLS & set(line)


def test_a_table_that_cannot_be_cut_enough_is_as_narrow_as_it_gets() -> None:
    assert render.table(COLUMNS, [("long name", "123456789", "place")], 12)[1] == "lon…  123456789  …"


def test_only_known_words_are_coloured_and_nothing_moves() -> None:
    columns = (Column("STATUS"), Column("X"))
    rows = [("active?", "x"), ("odd", "active")]
    plain = render.table(columns, rows, 80)
    assert render.table(columns, rows, 80, colour=True) == [
        f"\x1b[2m{plain[0]}\x1b[0m",
        "\x1b[32mactive?\x1b[0m  x",
        "odd      \x1b[32mactive\x1b[0m",
    ]


def test_a_line_for_scripts_holds_everything() -> None:
    assert render.tab_separated([("a" * 200, "b\tc\nd", "\x1b[m")]) == ["a" * 200 + "\tb\\tc\\nd\t\\x1b[m"]


def test_facts_leave_out_what_is_not_known() -> None:
    pairs = [("id", "1"), ("label", ""), ("request", "first\nsecond\x1b")]
    assert render.facts(pairs) == ["  id       1", "  request  first", "           second\\x1b"]
    assert render.facts(pairs, indent=0, gap=1)[0] == "id      1"
    assert render.facts([]) == []


def test_sentences_are_broken_to_the_width_and_paths_are_not() -> None:
    pairs = [("request", "one two three four"), ("directory", "/a path/that is/long")]
    assert render.facts(pairs, width=22) == [
        "  request    one two",
        "             three",
        "             four",
        "  directory  /a path/that is/long",
    ]
    assert render.facts([("request", "a\n\nb c")], indent=0, width=10) == ["request  a", "", "         b", "         c"]


def test_a_tree_is_drawn_and_cut() -> None:
    drawn = render.tree("team", [("meta", ["00  Meta\x1b Manager"]), ("design", ["10  x" * 20, "[red]no markup"])], 24)
    assert drawn.splitlines() == [
        "team",
        "├── meta",
        "│   └── 00  Meta\\x1b Ma…",
        "└── design",
        "    ├── 10  x10  x10  x…",
        "    └── [red]no markup",
    ]


def test_a_coloured_tree_says_the_same() -> None:
    branches = [("meta", ["00  running"])]
    coloured = render.tree("team", branches, 40, colour=True)
    assert "\x1b[32mrunning\x1b[0m" in coloured
    assert "\x1b" not in render.tree("team", branches, 40)


@pytest.mark.parametrize(
    ("done", "total", "drawn"),
    [(0, 3, "░░░░░░"), (1, 3, "██░░░░"), (3, 3, "██████"), (5, 3, "██████"), (0, 0, "░░░░░░")],
)
def test_a_bar_is_as_full_as_the_work(done: int, total: int, drawn: str) -> None:
    assert render.bar(done, total, 6) == drawn
    assert render.bar(done, total, 6, plain=True) == drawn.replace("█", "#").replace("░", "-")


@pytest.mark.parametrize(
    ("then", "told"),
    [
        ("2026-01-01T00:00:00Z", "0s"),
        ("2025-12-31T23:59:01Z", "59s"),
        ("2025-12-31T23:58:59.5Z", "1m"),
        ("2025-12-31T22:00:00", "2h"),
        ("2025-12-30T00:00:00Z", "2d"),
        ("2025-12-10T00:00:00Z", "3w"),
        ("2022-12-10T00:00:00Z", "3y"),
        ("2027-01-01T00:00:00Z", "0s"),
        ("", ""),
        ("yesterday", ""),
    ],
)
def test_ago_tells_the_largest_unit(then: str, told: str) -> None:
    assert render.ago(then, "2026-01-01T00:00:00.000000Z") == told


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "0s"), (59.9, "59s"), (61, "1m 01s"), (3600, "1h 00m"), (90_061, "25h 01m")]
)
def test_a_duration_tells_two_units(seconds: float, told: str) -> None:
    assert render.duration(seconds) == told


def test_the_controls_of_these_tests_are_those_of_unicode() -> None:
    """Every control and bidirectional control character that Unicode knows is among them."""
    every = (chr(code) for code in range(0x10000))
    bidi = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    known = {
        one
        for one in every
        if unicodedata.category(one) in ("Cc", "Zl", "Zp") or unicodedata.bidirectional(one) in bidi
    }
    assert known - CONTROLS == {"\n", "\t"}
