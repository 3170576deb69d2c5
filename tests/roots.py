"""A root with small teams in it, and what must hold of every root, whatever happened to it."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mas import doctor, files, index, processes, projections, record
from mas.app import Mas
from mas.paths import Root
from mas.planning import StartOptions
from mas.starting import Started
from mas.wrapper import MARKER

WAITING = "sleep 100000"
"""An agent that does nothing until it is ended."""


def make_template(root: Root, name: str = "duo", agents: Sequence[str] = ("10", "11")) -> Path:
    """A template of one unit in the root's own ``templates/``."""
    place = root.path / "templates" / name
    for agent_id in agents:
        (place / "unit" / agent_id).mkdir(parents=True)
        (place / "unit" / agent_id / "README.md").write_text(f"I am agent {agent_id}.\n")
    (place / "workflows").mkdir()
    (place / "workflows" / "10_guide.md").write_text("# A guide\n")
    tables = "".join(f'[[unit.agent]]\nid = "{agent_id}"\n' for agent_id in agents)
    (place / "team.toml").write_text(f'name = "{name}"\n[[unit]]\nname = "design"\n{tables}')
    return place


def mas_of(root: Root, environ: Mapping[str, str] | None = None) -> Mas:
    """What a command called now would work with."""
    return Mas(root, os.environ if environ is None else environ, root.path.parent)


def start(mas: Mas, **wanted: object) -> Started:
    """Start a session of the small template, unless something else is wanted."""
    options = {"template": "duo", "command": WAITING} | wanted
    return mas.start(mas.plan(StartOptions(**options)))  # type: ignore[arg-type]


def tmux(socket: Path, *words: str) -> list[str]:
    """The lines that a plain client prints; none where it fails."""
    done = subprocess.run(["tmux", "-u", "-S", socket, *words], capture_output=True, check=False, timeout=10)
    return done.stdout.decode("utf-8", "surrogateescape").splitlines()


def teams(socket: Path, root: Root) -> dict[str, str]:
    """The tmux sessions of a root: their names by the ids of their sessions."""
    rows = tmux(socket, "list-sessions", "-F", "#{@mas_root}\t#{@mas_session}\t#{session_name}")
    fields = [row.split("\t") for row in rows]
    return {session_id: name for place, session_id, name in fields if place == str(root.path)}


def launched(mas: Mas) -> dict[str, int]:
    """The processes of a root's launches: how many by the ids of their sessions."""
    counts: dict[str, int] = {}
    for value, count in processes.marks(MARKER).items():
        session_id, _, nonce = value.partition(":")
        if nonce.endswith(mas.mark):
            counts[session_id] = counts.get(session_id, 0) + count
    return counts


def log_of(root: Root, session_id: str) -> bytes:
    """The log of a session as it is on disk."""
    return root.session(session_id).log.read_bytes()


def put_row(root: Root, row: index.Row) -> None:
    """Put a row into an index behind mas's back, as nobody else's would look."""
    changed = index.encode(index.read_index(root).with_row(row), "2026-01-01T00:00:00Z")
    root.index.write_bytes(b"".join(changed))


def violations(mas: Mas, socket: Path) -> Iterator[str]:
    """What does not hold of a root that nobody works on and that the doctor has mended."""
    root = mas.root
    yield from (f"the doctor finds {one}" for one in doctor.look(mas).findings)
    if not root.sessions.is_dir():
        return
    ids = {path.name for path in root.sessions.iterdir() if path.is_dir() and path.name[0] != "."}
    rows = {row["sessionId"]: row for row in index.read_index(root).rows()}
    yield from (f"{one} has only a row or only a directory" for one in ids ^ set(rows))
    yield from (
        f"{one} was left aside" for place in (root.staging, root.trash) if place.is_dir() for one in place.iterdir()
    )
    locks = {path.stem for path in root.locks.iterdir()} if root.locks.is_dir() else set()
    yield from (f"the lock of {one} was left" for one in locks - ids - {"index", "labels", "shared"})
    yield from (f"{one} is unfinished" for one in root.path.rglob("*.tmp") if files.writer_of(one.name) is not None)
    yield from _broken_sessions(mas, ids, rows)
    up = {one for one in ids if _runtime(mas, one).get("observed") == "up"}
    running = set(teams(socket, root))
    yield from (f"{one} is up in tmux alone or on record alone" for one in up ^ running)
    yield from (f"processes of {one} were left" for one in set(launched(mas)) - up)


def _runtime(mas: Mas, session_id: str) -> Mapping[str, Any]:
    return record.runtime_of(mas.storage.read(session_id).document)


def _broken_sessions(mas: Mas, ids: set[str], rows: Mapping[str, Mapping[str, object]]) -> Iterator[str]:
    if mas.root.index.exists():
        json.loads(mas.root.index.read_bytes())
    for session_id in sorted(ids):
        stored = mas.storage.read(session_id)
        if stored.damage or stored.torn or stored.stale:
            yield f"the log of {session_id} is not whole"
        paths = mas.root.session(session_id)
        json.loads(paths.snapshot.read_bytes())
        if _runtime(mas, session_id).get("mode"):
            json.loads(paths.config.read_bytes())
            homes = [paths.unit / agent_id for agent_id in _runtime(mas, session_id)["agents"]]
            if not all(path.is_dir() for path in (*homes, paths.workflows, paths.logs)):
                yield f"the workspace of {session_id} is not whole"
        if projections.parse_shell(paths.shell.read_text())["STATUS"] != rows.get(session_id, {}).get("status"):
            yield f"row and .session of {session_id} differ"


class FakeTmux:
    """Stands in front of tmux on PATH: passes calls on, and from a chosen one on does something else."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.real = str(shutil.which("tmux"))
        self.calls = directory / "calls"
        directory.mkdir()

    def instead(self, what: str, *, of: int = 1, once: bool = False) -> None:
        """From the call of that number on, or ``once`` for that one, run a line of shell instead."""
        self.calls.write_text("")
        test = "-eq" if once else "-ge"
        program = self.directory / "tmux"
        program.write_text(
            f"#!/bin/sh\nprintf x >>'{self.calls}'\n"
            f"if [ $(wc -c <'{self.calls}') {test} {of} ]; then\n{what}\nfi\nexec {self.real} \"$@\"\n"
        )
        program.chmod(0o755)

    def away(self) -> None:
        """Pass every call on."""
        (self.directory / "tmux").unlink(missing_ok=True)

    def counted(self) -> int:
        """How many calls there were."""
        return len(self.calls.read_text())
