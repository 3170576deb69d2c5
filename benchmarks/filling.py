"""Roots with many sessions on record, made the quick way: what a creation leaves behind, but not durable."""

import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mas import replay, snapshots
from mas.filestore import FileStorage
from mas.logbook import LOG, SNAPSHOT
from mas.manager import SessionManager
from mas.paths import Root
from mas.projections import Projections, encode_shell, shell_values
from mas.record import CREATED


def fill(root: Root, count: int, document: Mapping[str, Any], agents: Sequence[str] = ()) -> list[str]:
    """Put so many sessions there; with ``agents`` each had a team, which is down. Returns their ids."""
    ids = [str(uuid.uuid4()) for _ in range(count)]
    for session_id in ids:
        own = {**document, "session_id": session_id, **(_runtime(session_id, agents) if agents else {})}
        if session_id == ids[0]:
            FileStorage(root).create(own, document["created_at"])
            continue
        raw, stored = replay.extend(None, [(CREATED, own)], document["created_at"])
        directory = root.session(session_id).directory
        directory.mkdir(mode=0o700)
        _write(directory / LOG, raw)
        _write(directory / SNAPSHOT, snapshots.encode(stored.document, stored.size, stored.crc))
        if agents:
            _write(root.session(session_id).shell, encode_shell(shell_values(stored.document, root)))
    return ids


def _write(path: Path, content: bytes) -> None:
    with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as file:  # noqa: PTH123  takes no descriptor
        file.write(content)


def _runtime(session_id: str, agents: Sequence[str]) -> dict[str, Any]:
    runtime = {"mode": "isolated", "wanted": "down", "observed": "down", "agents": list(agents)}
    return {"runtime": {**runtime, "tmux_name": f"mas-{session_id[:8]}"}}


def stopped_teams(place: Path, count: int, agents: Sequence[str]) -> Root:
    """A root of so many sessions whose teams are down, with its index."""
    root = Root(place)
    storage = FileStorage(root)
    ids = fill(root, count, SessionManager(place.parent, storage=storage).draft("a request"), agents)
    Projections(storage).rebuild()
    Projections(storage).publish(ids[0])  # the only one that was made through the storage
    return root
