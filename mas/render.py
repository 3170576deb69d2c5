"""How answers look: text that is safe on a terminal, aligned columns, trees, JSON. Nothing here prints.

What came from files, messages and agents goes through ``clean`` or ``one_line`` before it may reach a terminal.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mas.clock import moment
from mas.structs import Frozen

COLOURS: Mapping[str, str] = {
    "active": "green",
    "running": "green",
    "stopped": "dim",
    "paused": "yellow",
    "error": "red",
    "failed": "red",
    "completed": "cyan",
}
"""The words that are told apart by colour on a terminal."""

PROSE = frozenset({"request", "feature_request", "description", "problem", "remedy"})
"""The facts whose values are sentences."""

_CODES = {"bold": "1", "green": "32", "dim": "2", "yellow": "33", "red": "31", "cyan": "36"}
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_UNITS = ((365 * 86400, "y"), (7 * 86400, "w"), (86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
_GAP = "  "
_MARKS = "?*"
"""What a word of COLOURS may have at its end."""


def clean(text: str) -> str:
    """Text that cannot command a terminal: control characters but newline and tab become visible, bidi ones too."""
    return _CONTROLS.sub(_visible, text)


def one_line(text: str) -> str:
    """The same on one line: newlines and tabs become visible too."""
    return clean(text).replace("\n", "\\n").replace("\t", "\\t")


def _visible(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def to_json(value: Any, *, indent: int | None = 2) -> str:
    """A value as JSON of printable ASCII characters, without a newline at its end."""
    return json.dumps(value, indent=indent, ensure_ascii=True)


# --- columns ---


def width_of(text: str) -> int:
    """How many cells of a terminal a line of clean text takes."""
    if text.isascii():
        return len(text)
    import unicodedata  # noqa: PLC0415  most texts are ASCII

    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(unicodedata.category(letter) in ("Mn", "Me", "Cf") for letter in text)


def cut(text: str, width: int) -> str:
    """At most ``width`` cells of a line; an ellipsis stands for what was cut off."""
    if width_of(text) <= width:
        return text
    while text and width_of(text) >= width:
        text = text[:-1]
    return text + "…" if width > 0 else ""


def paint(text: str, colour: str | None) -> str:
    """The text in one of the colours; None leaves it as it is."""
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if colour and text else text


class Column(Frozen):
    """A column of a table. One with ``least`` may be cut to so many cells where the table is too wide."""

    title: str
    right: bool = False
    least: int = 0


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]], width: int, *, colour: bool = False) -> list[str]:
    """The lines of a table, its titles first; none is wider than ``width`` as long as columns can be cut."""
    cells = [[one_line(cell) for cell in row] for row in rows]
    widths = _widths(columns, cells, width)
    titles = paint(_row(columns, [column.title for column in columns], widths), "dim" if colour else None)
    return [titles, *(_row(columns, row, widths, colour=colour) for row in cells)]


def aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of rows of equal length, one beside the other, without titles."""
    cells = [[one_line(cell) for cell in row] for row in rows]
    columns = [Column("") for _ in cells[0]] if cells else []
    widths = _widths(columns, cells, 1 << 16)
    return [_row(columns, row, widths) for row in cells]


def _widths(columns: Sequence[Column], cells: Sequence[Sequence[str]], width: int) -> list[int]:
    widths = [max(len(column.title), *(width_of(row[at]) for row in cells), 0) for at, column in enumerate(columns)]
    room = width - len(_GAP) * (len(columns) - 1)
    while sum(widths) > room:
        spare, at = max((widths[at] - column.least, at) for at, column in enumerate(columns) if column.least)
        if spare <= 0:
            break
        widths[at] -= 1
    return widths


def _row(columns: Sequence[Column], row: Sequence[str], widths: Sequence[int], *, colour: bool = False) -> str:
    parts = []
    for column, cell, width in zip(columns, row, widths, strict=True):
        text = cut(cell, width)
        space = " " * (width - width_of(text))
        if colour:
            text = paint(text, COLOURS.get(cell.rstrip(_MARKS)))
        parts.append(space + text if column.right else text + space)
    return _GAP.join(parts).rstrip()


def tab_separated(rows: Iterable[Sequence[str]]) -> list[str]:
    """One line a row for scripts: full values parted by tabs."""
    return ["\t".join(one_line(cell) for cell in row) for row in rows]


def facts(pairs: Iterable[tuple[str, str]], *, indent: int = 2, gap: int = 2, width: int | None = None) -> list[str]:
    """Names with their values below one another, values aligned; pairs without a value are left out.

    With ``width`` the values of PROSE are broken between words; others stay whole, a path is to be copied as it is.
    """
    shown = [(name, value) for name, value in pairs if value]
    start = indent + gap + max((len(name) for name, _ in shown), default=0)
    lines = []
    for name, value in shown:
        first, *others = _broken(clean(value), width - start if width and name in PROSE else None)
        lines += [f"{' ' * indent}{name}".ljust(start) + first, *((" " * start + other).rstrip() for other in others)]
    return lines


def _broken(text: str, width: int | None) -> list[str]:
    lines = text.split("\n")
    return lines if width is None else [part for line in lines for part in wrapped(line, width)]


def wrapped(text: str, width: int) -> list[str]:
    """A clean line as so many as it takes, broken between words alone: what is longer is to be copied whole."""
    if width_of(text) <= width:
        return [text]
    import textwrap  # noqa: PLC0415  most texts fit

    return textwrap.wrap(text, max(width, 1), break_long_words=False, break_on_hyphens=False) or [""]


# --- terminals ---


def tree(title: str, branches: Iterable[tuple[str, Sequence[str]]], width: int, *, colour: bool = False) -> str:
    """A tree of two levels, drawn with lines, no line wider than ``width``."""
    from rich.text import Text  # noqa: PLC0415  only a terminal needs it
    from rich.tree import Tree  # noqa: PLC0415

    def label(text: str, style: str = "") -> Text:
        shown = Text(one_line(text), style=style, no_wrap=True, overflow="ellipsis")
        for word, name in COLOURS.items():
            shown.highlight_regex(rf"(?<!\w){word}(?!\w)", name)
        return shown

    top = Tree(Text(one_line(title), style="bold"), guide_style="dim")
    for name, leaves in branches:
        branch = top.add(label(name))
        for leaf in leaves:
            branch.add(label(leaf))
    return _drawn(top, width, colour=colour)


def _drawn(picture: Any, width: int, *, colour: bool) -> str:
    import io  # noqa: PLC0415

    from rich.console import Console  # noqa: PLC0415

    page = io.StringIO()
    console = Console(
        file=page, width=width, force_terminal=True, color_system="standard" if colour else None, highlight=False
    )
    console.print(picture)
    return "\n".join(line.rstrip() for line in page.getvalue().splitlines())


def bar(done: int, total: int, width: int, *, plain: bool = False) -> str:
    """How much of something is done, as a bar of ``width`` cells; ``plain`` draws it with ASCII characters."""
    filled = round(width * min(done, total) / total) if total > 0 else 0
    full, empty = ("#", "-") if plain else ("█", "░")
    return full * filled + empty * (width - filled)


# --- times ---


def ago(timestamp: str, now: str) -> str:
    """How long ago something was, in its largest unit; empty for a timestamp that is none."""
    try:
        seconds = (moment(now) - moment(timestamp)).total_seconds()
    except ValueError:
        return ""
    return next((f"{int(seconds // size)}{unit}" for size, unit in _UNITS if seconds >= size), "0s")


def duration(seconds: float) -> str:
    """A duration in its two largest units."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02}m"
