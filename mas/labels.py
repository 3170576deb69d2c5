"""Labels: the name that a person gives a session, and that no other session of its root has."""

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress

from mas import files
from mas.errors import ExistsError, MasError
from mas.filestore import FileStorage
from mas.index import Row
from mas.projections import Projections
from mas.record import runtime_of
from mas.storage import SessionStorage, not_found

_IN_MEMORY = threading.RLock()
"""Held by who gives a label to a session that is in no file."""


def check_free(label: str, rows: Iterable[Row], session_id: str = "") -> None:
    """Raise ExistsError for a label that a session has, if it is not this one."""
    if any(row.get("label") == label for row in rows if row["sessionId"] != session_id):
        msg = f"the label {label!r} is taken"
        raise ExistsError(msg, hint=f"`mas show {label!r}` says which session has it; or choose another label")


@contextmanager
def given(storage: SessionStorage, projections: Projections | None, session_id: str, label: object) -> Iterator[None]:
    """Let nobody else give that label meanwhile, which no other session has; what is no text is checked elsewhere."""
    if not isinstance(label, str) or not label:
        yield
        return
    if not storage.has(session_id):
        raise not_found(session_id)
    others = files.lock(storage.root.label_lock) if isinstance(storage, FileStorage) else _IN_MEMORY
    with storage.lock(session_id), others:
        check_free(label, projections.rows() if projections else _rows(storage), session_id)
        yield


def _rows(storage: SessionStorage) -> Iterator[Mapping[str, str]]:
    """As much of an index as is asked for here, where there is none."""
    for session_id in storage.list():
        with suppress(MasError, FileNotFoundError):
            yield {"sessionId": session_id, "label": runtime_of(storage.read(session_id).document).get("label", "")}
