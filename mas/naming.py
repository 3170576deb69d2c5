"""Which session a person means, and what a session is called in tmux. Pure.

A name is a full id, a label, a tmux name, or the unique beginning of an id (4 characters or more), in that order.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise

from mas.errors import AmbiguousError, MasError, NotFoundError, shorten
from mas.index import Row
from mas.paths import is_session_id

PREFIX = "mas-"
UNNAMED = "mas-tmux"
"""What the team of a project's own directories is called in tmux where the project has no name."""

LEAST_PREFIX = 4
_SUGGESTED = 1000
"""Among so many of the newest rows a name is looked for that is like the one given."""


def find(name: str, rows: Sequence[Row]) -> Row:
    """The row that ``name`` means; raises NotFoundError with a suggestion, AmbiguousError with all it fits."""
    for fitting in (_by_id(name, rows), _by_label(name, rows), _by_tmux_name(name, rows), _by_prefix(name, rows)):
        if len(fitting) > 1:
            raise ambiguous(f"{shorten(name)} fits {len(fitting)} sessions", fitting)
        if fitting:
            return fitting[0]
    raise NotFoundError(f"no session {shorten(name)}", hint=_suggestion(name, rows))


def ambiguous(message: str, rows: Iterable[Row], hint: str = "name one of them") -> AmbiguousError:
    """The error for a question with several answers; it lists them, each by what tells it from the others."""
    rows = list(rows)
    beginnings = Counter(row["sessionId"][:8] for row in rows)
    candidates = [describe(row, whole=beginnings[row["sessionId"][:8]] > 1) for row in rows]
    shown = ", ".join(candidates[:6]) + (", …" if len(candidates) > 6 else "")
    return AmbiguousError(f"{message}: {shown}", candidates, hint=hint)


def describe(row: Row, *, whole: bool = False) -> str:
    """A session in few words: the beginning of its id or the ``whole`` of it, and its label or tmux name."""
    name = row.get("label") or row.get("tmuxSession")
    session_id = str(row["sessionId"])
    shown = session_id if whole else session_id[:8]
    return f"{shown} ({name})" if name and name != f"{PREFIX}{session_id[:8]}" else shown or str(name)


def beginnings(ids: Iterable[str]) -> dict[str, str]:
    """The shortest beginning of each id, of 8 characters at least, that none of the others has."""
    ordered = ["", *sorted(set(ids)), ""]
    shared = [_alike(one, other) for one, other in pairwise(ordered)]
    return {
        session_id: session_id[: max(8, before + 1, behind + 1)]
        for session_id, before, behind in zip(ordered[1:-1], shared, shared[1:], strict=False)
    }


def _alike(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    pairs = zip(one, other, strict=False)
    return next((place for place, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other)))


def _by_id(name: str, rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["sessionId"] == name]


def _by_label(name: str, rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if name and row.get("label") == name]


def _by_tmux_name(name: str, rows: Sequence[Row]) -> list[Row]:
    fitting = [row for row in rows if name and row.get("tmuxSession") == name]
    up = [row for row in fitting if row.get("status") == "active"]
    return up if len(up) == 1 else fitting


def _by_prefix(name: str, rows: Sequence[Row]) -> list[Row]:
    bare = name.removeprefix(PREFIX)
    return [row for row in rows if row["sessionId"].startswith(bare)] if len(bare) >= LEAST_PREFIX else []


def _suggestion(name: str, rows: Sequence[Row]) -> str:
    import difflib  # noqa: PLC0415  only a mistake needs it

    known = [row.get(key) for row in rows[-_SUGGESTED:] for key in ("label", "tmuxSession", "sessionId")]
    words = [word for word in known if isinstance(word, str) and word]
    close = difflib.get_close_matches(name, words, n=1, cutoff=0.6)
    if not close and len(name) >= LEAST_PREFIX:
        close = [row["sessionId"] for row in rows if _near(name, row["sessionId"][: len(name)])][:1]
    return f"did you mean {close[0]}?" if close else "`mas list --all` shows what there is"


def _near(name: str, beginning: str) -> bool:
    return sum(left != right for left, right in zip(name, beginning, strict=False)) == 1


def tmux_name(session_id: str, taken: Collection[str]) -> str:
    """A tmux name for an id: ``mas-`` and its first 8 characters, more of them where that is taken.

    Raises MasError where even the whole id is.
    """
    lengths = (8, *range(13, len(session_id) + 1))
    for length in lengths:
        name = f"{PREFIX}{session_id[:length]}"
        if name not in taken:
            return name
    msg = f"every tmux name for {session_id} is taken"
    raise MasError(msg, hint="choose another id")


def shared_name(session: str, project: str) -> str:
    """The tmux name for the team of a project's own directories: as the project sets it, else after the project.

    Every character but letters, digits, ``_`` and ``-`` becomes ``-``, as it always did.
    """
    wanted = session or (f"{PREFIX}{project}" if project else UNNAMED)
    return re.sub(r"[^A-Za-z0-9_-]", "-", wanted)


def free_id(make_id: Iterable[str], taken: Collection[str]) -> str:
    """The first generated id whose beginning is that of no name, or raises MasError when there is none.

    ``taken`` are the names of sessions and of what is in tmux; there may be thousands.
    """
    for candidate in make_id:
        beginnings = candidate[:8], f"{PREFIX}{candidate[:8]}"
        if is_session_id(candidate) and not any(name.startswith(beginnings) for name in taken):
            return candidate
    msg = "no free session id was found"
    raise MasError(msg, hint="try again")
