"""From what is seen of a session to what is wrong with it and what mends it. Pure.

One rule: before the rename into place roll back, after it roll forward. What tmux does not answer changes nothing; what
is not ours is named and left alone; what is lossy waits until it is asked for by the session's id.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal

from mas.index import Row
from mas.lifecycle import TERMINAL
from mas.record import Document, lacks_worktree, runtime_of, status_of
from mas.runtime import Observed, wanted_up
from mas.structs import Frozen

Place = Literal["directory", "earlier", "foreign", "none"]

INDEX = "index"
"""What findings about the index as a whole are called by; no session has that id."""

_ODD = "mas follows no links; look at it and move it away"
"""What helps where there is something that mas did not make."""

_SHOWN = 4
"""So many names of files are told of each session."""

MANY = 3
"""Rows without a directory: this many, and more than a fifth of all, are not dropped at once."""

NOTES = frozenset({"busy", "earlier_program", "foreign_directory"})
"""Problems that are none: what is being worked on, and what is not ours, or not yet."""

OF_TEAMS = frozenset({"orphan_team", "half_built", "half_started", "half_stopped", "interrupted", "survivors"})
"""Problems that are concluded from what tmux and the processes said."""


class Workspace(Frozen):
    """What can be seen of the files and directories that a session's team needs beside its record."""

    missing: tuple[str, ...] = ()
    odd: tuple[str, ...] = ()
    """Names of what is a link, or of another kind than what mas made."""
    config: str = ""
    """Why the team could not be brought up from its configuration, and then what helps."""
    config_remedy: str = ""
    unreadable: int = 0
    """Bytes among the messages that say nothing."""


class Seen(Frozen):
    """Everything that can be seen of one session id. Readable state only; asking for it changed nothing."""

    session_id: str
    place: Place = "none"
    """``foreign`` is a directory that holds no record of ours, ``earlier`` a workspace of an earlier program."""
    document: Document | None = None
    """None where there is no record, or one that cannot be read."""
    unreadable: str = ""
    damage: str = ""
    torn: int = 0
    stale: bool = False
    edited: bool = False
    rejected: bool = False
    newer: bool = False
    row: Row | None = None
    expected_row: Row | None = None
    shell_right: bool = True
    shell_odd: bool = False
    """Whether something that is no file is in the place of ``.session``, so that it cannot be written."""
    runtime: Observed = "down"
    """What tmux says of a session tagged with this id and root."""
    panes: frozenset[str] = frozenset()
    """Agents whose panes are there."""
    survivors: int = 0
    """Processes of the last launch that outlived its tmux session."""
    staged: bool = False
    discarded: tuple[str, ...] = ()
    locked: str = ""
    """Who holds the lock: whatever this is, it is being worked on."""
    lock_file: bool = False
    temporaries: tuple[str, ...] = ()
    wrong_modes: tuple[str, ...] = ()
    damaged_checkpoints: tuple[int, ...] = ()
    odd_checkpoints: tuple[int, ...] = ()
    """Those in whose place there is no file."""
    workspace: Workspace = Workspace()
    maestro: bool = False
    """The root keeps records only: neither rows nor ``.session``."""


class Finding(Frozen):
    """One thing that is not as it should be. ``action`` mends it; empty where only a person can."""

    session_id: str
    problem: str
    text: str
    action: str = ""
    lossy: bool = False
    """The action gives something up, so it is only done for a session that was named."""
    remedy: str = ""
    """What a person can do where there is no action."""

    def to_json(self) -> dict[str, object]:
        """The finding as JSON values."""
        return {
            "sessionId": self.session_id,
            "problem": self.problem,
            "text": self.text,
            "action": self.action,
            "lossy": self.lossy,
            "remedy": self.remedy,
        }


def plan(seen: Seen) -> tuple[Finding, ...]:
    """What is wrong with one session, in the order in which it is to be mended."""
    if seen.locked:
        return (Finding(seen.session_id, "busy", f"not looked at: {seen.locked} works on it"),)
    return tuple(finding for rule in _RULES for finding in rule(seen))


def _aside(seen: Seen) -> Iterator[Finding]:
    if seen.staged:
        yield Finding(seen.session_id, "staging", "a start was cut off before its commit", "erase_staged")
    for name in seen.discarded:
        yield Finding(seen.session_id, "trash", f"a removal was cut off after its commit ({name})", "erase_discarded")


def _nothing(seen: Seen) -> Iterator[Finding]:
    if seen.place != "none":
        return
    if seen.runtime == "up":
        yield Finding(seen.session_id, "orphan_team", "a team runs without a session", "end_team")
    elif seen.runtime == "down" and seen.survivors:
        yield _survivors(seen)
    if seen.row is not None:
        yield Finding(seen.session_id, "row_without_directory", "its directory is gone", "drop_row")
    if seen.lock_file:
        yield Finding(seen.session_id, "lock_without_directory", "a lock file is left over", "unlink_lock")


def _foreign(seen: Seen) -> Iterator[Finding]:
    if seen.place == "foreign" and (seen.row or {}).get("lifecycle"):  # the row is of one that had a record
        text = "in the place of its directory is a link, or what is no session's"
        yield Finding(seen.session_id, "displaced", text, remedy=move_away(seen.session_id))
    elif seen.place == "foreign":
        yield Finding(seen.session_id, "foreign_directory", "this directory holds no session; it is left alone")
    if seen.place == "earlier":
        yield Finding(seen.session_id, "earlier_program", "an earlier mas has kept it; `mas migrate` takes it over")


def move_away(session_id: str) -> str:
    """What helps where something else is in the place of a session's directory."""
    return f"bring its directory back, or move this away and `mas rm {session_id[:8]}`"


def unfinished(count: int) -> str:
    """How many files a writer did not finish."""
    return f"{count} unfinished files" if count != 1 else "1 unfinished file"


def _files(seen: Seen) -> Iterator[Finding]:
    if seen.place != "directory":
        return
    if seen.temporaries:
        yield Finding(seen.session_id, "temporary", unfinished(len(seen.temporaries)), "unlink_temporaries")
    if seen.wrong_modes:
        shown = ", ".join("its directory" if name == "." else name for name in seen.wrong_modes[:_SHOWN])
        more = f" and {len(seen.wrong_modes) - _SHOWN} more" if len(seen.wrong_modes) > _SHOWN else ""
        yield Finding(seen.session_id, "modes", f"others can read {shown}{more}", "restrict")
    for seq in seen.damaged_checkpoints:
        text = f"checkpoint {seq} is damaged; the others hold"
        yield Finding(seen.session_id, "checkpoint", text, "set_checkpoint_aside")
    for seq in seen.odd_checkpoints:
        yield Finding(
            seen.session_id, "checkpoint", f"checkpoint {seq} is no regular file; the others hold", remedy=_ODD
        )


def _record(seen: Seen) -> Iterator[Finding]:
    if seen.place != "directory":
        return
    if seen.newer:
        yield Finding(seen.session_id, "newer", "a newer mas wrote it; it is read and not written")
    elif seen.unreadable:
        remedy = f"mend it by hand, or `mas rm --force {seen.session_id[:8]}`"
        yield Finding(seen.session_id, "unreadable", seen.unreadable, remedy=remedy)
        if seen.row and seen.row.get("status") != "error" and seen.runtime == "down":
            yield Finding(seen.session_id, "row", "its row in the index does not say so", "mark_unreadable")
    elif seen.damage:
        yield Finding(seen.session_id, "damage", seen.damage, "cut_log", lossy=True)
    elif seen.torn:
        yield Finding(seen.session_id, "torn", f"{seen.torn} bytes of a record that was cut off", "cut_tail")
    elif seen.rejected:
        yield Finding(
            seen.session_id, "rejected", "somebody's edit of metadata.json cannot be taken over", "reject_edit"
        )
    elif seen.edited:
        yield Finding(seen.session_id, "edited", "somebody edited metadata.json", "take_edit")
    elif seen.stale:
        yield Finding(seen.session_id, "stale", "metadata.json lags behind the log", "refresh")


def _worktree(seen: Seen) -> Iterator[Finding]:
    if seen.document and _writable(seen) and lacks_worktree(seen.document) and status_of(seen.document) not in TERMINAL:
        yield Finding(seen.session_id, "half_made_worktree", "making its git worktree was cut off", "finish_worktree")


def of_workspace(session_id: str, seen: Workspace) -> Iterator[Finding]:
    """What is wrong with what a session's team needs beside its record."""
    for name in seen.odd:
        text = f"{name} is a link, or not of the kind that mas made"
        yield Finding(session_id, "workspace", text, remedy=_ODD)
    for name in seen.missing:
        action, remedy = _MADE_AGAIN.get(name, ""), f"bring it back, or `mas rm {session_id[:8]}`"
        yield Finding(session_id, "workspace", f"{name} is missing", action, remedy="" if action else remedy)
    if seen.config:
        yield Finding(session_id, "config", seen.config, remedy=seen.config_remedy)
    if seen.unreadable:
        text = f"{seen.unreadable} bytes of messages.jsonl cannot be read; the other messages hold"
        yield Finding(session_id, "messages", text, "set_messages_aside")


_MADE_AGAIN = {"logs": "make_logs"}
"""What may simply be made again, since nothing needs what was in it."""


def _workspace(seen: Seen) -> Iterator[Finding]:
    if _writable(seen):
        yield from of_workspace(seen.session_id, seen.workspace)


def _writable(seen: Seen) -> bool:
    return seen.place == "directory" and seen.document is not None and not (seen.damage or seen.newer)


def _team(seen: Seen) -> Iterator[Finding]:
    document = seen.document
    if document is None or not _writable(seen):
        return
    last, agents = runtime_of(document).get("observed", "down"), runtime_of(document).get("agents", ())
    if wanted_up(document):
        yield from _wanted_up(seen, last, frozenset(agents))
    elif seen.runtime == "up" or (seen.runtime == "down" and (last != "down" or seen.survivors)):
        yield Finding(seen.session_id, "half_stopped", "a stop was cut off", "finish_stop")


def _wanted_up(seen: Seen, last: str, agents: frozenset[str]) -> Iterator[Finding]:
    """Only a team that nobody has seen up yet may be half-built; of another one a person may have closed panes."""
    if seen.runtime == "up" and last == "unknown" and not agents <= seen.panes:
        yield Finding(seen.session_id, "half_built", "a start was cut off while its team was built", "end_team")
    elif seen.runtime == "up" and last != "up":
        yield Finding(seen.session_id, "half_started", "its team is up, which is not on record", "adopt_team")
    elif seen.runtime == "down":
        if seen.survivors:
            yield _survivors(seen)
        if last != "down":
            yield Finding(seen.session_id, "interrupted", "its team is gone", "record_down")


def _survivors(seen: Seen) -> Finding:
    return Finding(seen.session_id, "survivors", f"{seen.survivors} processes outlived the team", "end_survivors")


def _projections(seen: Seen) -> Iterator[Finding]:
    if seen.maestro or seen.place != "directory" or seen.document is None:
        return
    if seen.shell_odd:  # and until it is moved away neither it nor the row can be written
        yield Finding(seen.session_id, "shell", ".session is no regular file", remedy=_ODD)
    elif seen.row is None:
        yield Finding(seen.session_id, "directory_without_row", "the index lacks it", "publish")
    elif seen.damage:
        return  # its row may say so, or what it was before
    elif seen.expected_row is not None and not _equal(seen.row, seen.expected_row):
        yield Finding(seen.session_id, "row", "its row in the index is not what the record says", "publish")
    elif not seen.shell_right:
        yield Finding(seen.session_id, "shell", ".session is not what the record says", "publish")


def _equal(row: Row, expected: Row) -> bool:
    quiet = {"lastActivity", "rev"}
    return all(row.get(name) == value for name, value in expected.items() if name not in quiet)


_RULES: tuple[Callable[[Seen], Iterable[Finding]], ...] = (
    _aside,
    _nothing,
    _foreign,
    _files,
    _record,
    _worktree,
    _workspace,
    _team,
    _projections,
)


def too_many_lost(findings: Iterable[Finding], rows: int) -> int:
    """How many directories are gone at once, where they are so many that the place itself is rather missing than they.

    ``rows`` is how many rows the index has; where it has none, a team without a session is one too many.
    """
    lost: dict[str, set[str]] = {}
    for finding in findings:
        lost.setdefault(finding.session_id, set()).add(finding.problem)
    gone = [one for one in lost.values() if one & {"row_without_directory", "orphan_team"} and "trash" not in one]
    return len(gone) if gone and (not rows or (len(gone) >= MANY and len(gone) * 5 > rows)) else 0


class Report(Frozen):
    """What a look at a root found, and what of it was mended."""

    findings: tuple[Finding, ...] = ()
    mended: Mapping[Finding, str] = {}
    """How each action ended: empty where it worked, else why it did not."""
    complaint: str = ""
    """Why tmux gave no answer, where it gave none: what would be wrong with teams is not among the findings."""

    @property
    def remaining(self) -> tuple[Finding, ...]:
        """What is still not as it should be."""
        left = (finding for finding in self.findings if self.mended.get(finding) != "")
        return tuple(finding for finding in left if finding.problem not in NOTES)
