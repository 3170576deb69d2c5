"""Guides: which file of ``workflows/`` tells which agent how its work flows.

A guide is called after those it is for: ``11_ui_designer.md`` for one agent, ``11-13_design_workers.md`` for a range
of ids. Each agent gets the narrowest one as ``WORKFLOW_INSTRUCTIONS.md`` in its directory, and workers
``workers_common.md`` as ``WORKER_GUIDELINES.md``, unless the template put a file of that name there.
"""

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from mas import copying, trees
from mas.errors import RefusedError, shorten
from mas.paths import SessionPaths
from mas.team import Agent, Team

COPY = "WORKFLOW_INSTRUCTIONS.md"
"""What an agent's guide is called in its directory."""

COMMON, COMMON_COPY = "workers_common.md", "WORKER_GUIDELINES.md"
"""The guide that all workers get, and what it is called in their directories."""

_NAME = re.compile(r"([0-9]{2})(?:-([0-9]{2}))?_.*\.md", re.ASCII | re.DOTALL)


def check(template: trees.Tree) -> None:
    """Raise RefusedError where a template holds a guide that is too large to be given to each of its agents."""
    workflows = template.part("workflows")
    for file in workflows.top.files if workflows else ():
        if file.size > trees.MIB and (file.name == COMMON or _NAME.fullmatch(file.name)):
            msg = f"the guide {shorten(file.name)} is larger than 1 MiB"
            raise RefusedError(msg, hint="agents read it whole: keep it short, and large material in other files")


def hand_out(team: Team, place: SessionPaths) -> None:
    """Put into each agent's directory its guides from the ``workflows/`` of the same place."""
    unit, workflows = place.unit, place.workflows
    names = os.listdir(workflows)  # noqa: PTH208  names are all that is wanted
    texts: dict[str, bytes] = {}
    for agent in team.agents:
        for name, copy in guides_of(agent, names):
            target = unit / agent.id / copy
            if not os.path.lexists(target):
                if name not in texts:
                    texts[name] = trees.read_small(workflows / name)
                write(target, texts[name])


def guides_of(agent: Agent, names: Collection[str]) -> Iterator[tuple[str, str]]:
    """The guides among ``names`` that are for an agent, each with what its copy is called."""
    fitting = [(int(last) - int(first), name) for first, last, name in _ranges(names) if first <= agent.id <= last]
    if fitting:
        yield min(fitting)[1], COPY
    if agent.role == "worker" and COMMON in names:
        yield COMMON, COMMON_COPY


def write(path: Path, data: bytes) -> None:
    """Write a new file that everybody may read; raises FileExistsError where there is one."""
    with trees.Opened(path, copying.NEW_FILE) as file:
        os.fchmod(file, 0o644)
        copying.write_all(file, data)


def _ranges(names: Collection[str]) -> Iterator[tuple[str, str, str]]:
    for name in names:
        found = _NAME.fullmatch(name)
        if found:
            yield found[1], found[2] or found[1], name
