"""Which sessions a caller asks for, and in which order. Pure."""

from collections.abc import Iterable

from mas.errors import RefusedError, shorten
from mas.lifecycle import SessionPhase, SessionStatus, parse_phase, parse_status
from mas.record import Document
from mas.structs import Frozen
from mas.values import check_text


def check_limit(limit: int | None) -> int:
    """How many sessions at most, 0 for all; raises RefusedError for a negative number."""
    if limit is not None and (type(limit) is not int or limit < 0):
        msg = f"limit is {shorten(limit)}, expected a whole number of at least 0"
        raise RefusedError(msg)
    return limit or 0


def check_bound(value: str | None, name: str) -> str | None:
    """A timestamp to compare with, as text; raises RefusedError for anything else."""
    return None if value is None else check_text(value, name, empty=True)


class Filter(Frozen):
    """What a session must be to be chosen; None asks nothing. Both bounds belong to their range."""

    status: SessionStatus | None = None
    phase: SessionPhase | None = None
    created_after: str | None = None
    created_before: str | None = None
    branch: str | None = None
    limit: int = 0

    def select(self, documents: Iterable[Document]) -> list[Document]:
        """The documents that fit, newest first."""
        found = sorted(filter(self.fits, documents), key=_age, reverse=True)
        return found[: self.limit] if self.limit else found

    def fits(self, document: Document) -> bool:
        """Whether a document is what is asked for."""
        created = document["created_at"]
        return (
            (self.status is None or document["status"] == self.status)
            and (self.phase is None or document.get("current_phase") == self.phase)
            and (not self.created_after or created >= self.created_after)
            and (not self.created_before or created <= self.created_before)
            and (not self.branch or (document.get("git_context") or {}).get("branch") == self.branch)
        )


def asked_for(
    status: SessionStatus | str | None,
    phase: SessionPhase | str | None,
    created_after: str | None,
    created_before: str | None,
    branch: str | None,
    limit: int | None,
) -> Filter:
    """The filter a caller means, an empty word asking nothing; raises RefusedError for what cannot be asked."""
    return Filter(
        parse_status(status) if status else None,
        parse_phase(phase) if phase else None,
        check_bound(created_after, "created_after"),
        check_bound(created_before, "created_before"),
        branch,
        check_limit(limit),
    )


def _age(document: Document) -> tuple[str, str]:
    return document["created_at"], document["session_id"]
