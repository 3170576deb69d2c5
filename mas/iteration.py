"""What one iteration changed: files, lines, commands and commits."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import Any

from mas.structs import Frozen, replace
from mas.values import check_count, check_text, wrong

PORTION_BYTES = 32 * 1024
"""Lists of one iteration that are longer than this are written in several records."""


class CommitInfo(Frozen):
    """One git commit. ``sha`` is its full hexadecimal name, ``timestamp`` ISO 8601."""

    sha: str
    subject: str = ""
    author: str = ""
    timestamp: str = ""

    def __post_init__(self) -> None:
        """Refuse what is no text."""
        for name in ("sha", "subject", "author", "timestamp"):
            check_text(getattr(self, name), f"git_commits.{name}", empty=name != "sha")


class IterationChanges(Frozen):
    """What one iteration changed: files relative to the project, lines, commands and commits."""

    files_modified: tuple[str, ...] = ()
    lines_added: int = 0
    lines_removed: int = 0
    commands_run: tuple[str, ...] = ()
    git_commits: tuple[CommitInfo, ...] = ()

    def __post_init__(self) -> None:
        """Refuse values that no iteration can have; lists become tuples."""
        for name in ("lines_added", "lines_removed"):
            check_count(getattr(self, name), name)
        for name in ("files_modified", "commands_run", "git_commits"):
            things, kinds = getattr(self, name), CommitInfo if name == "git_commits" else str | PurePath
            if not isinstance(things, list | tuple) or not all(isinstance(thing, kinds) for thing in things):
                raise wrong(name, things, "a list")
            object.__setattr__(self, name, tuple(str(one) if isinstance(one, PurePath) else one for one in things))

    def filled(self, measured: "IterationChanges") -> "IterationChanges":
        """These changes as somebody reported them, and what was left out as it was measured."""
        lines = self if self.lines_added or self.lines_removed else measured
        return replace(
            self,
            files_modified=self.files_modified or measured.files_modified,
            lines_added=lines.lines_added,
            lines_removed=lines.lines_removed,
            git_commits=self.git_commits or measured.git_commits,
        )

    def news(self, reported: Iterable[str]) -> tuple[str, ...]:
        """The commands that were run besides those ``reported`` one by one; of two alike each counts."""
        left, found = Counter(reported), []
        for command in self.commands_run:
            if left[command]:
                left[command] -= 1
            else:
                found.append(command)
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """The changes as plain JSON values."""
        return {
            "files_modified": list(self.files_modified),
            "lines_added": self.lines_added,
            "lines_removed": self.lines_removed,
            "commands_run": list(self.commands_run),
            "git_commits": [
                {"sha": one.sha, "subject": one.subject, "author": one.author, "timestamp": one.timestamp}
                for one in self.git_commits
            ],
        }

    @classmethod
    def from_json(cls, data: object) -> "IterationChanges":
        """The reverse of ``to_json``; missing keys take their default, raises RefusedError for wrong types."""
        if not isinstance(data, Mapping):
            raise wrong("changes", data, 'a table like {"files_modified": […], "lines_added": 0, …}')
        commits = data.get("git_commits", ())
        return cls(
            data.get("files_modified", ()),
            data.get("lines_added", 0),
            data.get("lines_removed", 0),
            data.get("commands_run", ()),
            tuple(map(_commit_from_json, commits)) if isinstance(commits, list | tuple) else commits,
        )

    def split(self) -> tuple[list[dict[str, list[Any]]], "IterationChanges"]:
        """Pieces of the lists where they are too long for one record, and the changes that are left."""
        whole = self.to_json()
        if len(json.dumps(whole)) <= PORTION_BYTES:
            return [], self
        pieces = [{name: piece} for name in _LISTS for piece in _pieces(whole[name])]
        return pieces, IterationChanges(lines_added=self.lines_added, lines_removed=self.lines_removed)

    def joined(self, pieces: Iterable[Mapping[str, Any]]) -> "IterationChanges":
        """The reverse of ``split``."""
        pieces, whole = list(pieces), self.to_json()
        for name in _LISTS:
            whole[name] = [thing for piece in pieces for thing in piece.get(name, ())] + whole[name]
        return IterationChanges.from_json(whole)


_LISTS = ("files_modified", "commands_run", "git_commits")


def _pieces(things: list[Any]) -> Iterator[list[Any]]:
    """The list in pieces of at most PORTION_BYTES as JSON, or of one thing that is longer."""
    piece: list[Any] = []
    size = 0
    for thing in things:
        length = len(json.dumps(thing)) + 2
        if piece and size + length > PORTION_BYTES:
            yield piece
            piece, size = [], 0
        piece.append(thing)
        size += length
    if piece:
        yield piece


def _commit_from_json(data: object) -> CommitInfo:
    if isinstance(data, str):
        return CommitInfo(data)
    if not isinstance(data, Mapping) or "sha" not in data:
        raise wrong("git_commits", data, "names of commits, or tables with sha")
    return CommitInfo(**{name: data[name] for name in ("sha", "subject", "author", "timestamp") if name in data})
