"""What a session is asked to do: the configuration that its Started event carries."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mas.structs import Frozen
from mas.values import check_count, check_flag, check_json, wrong

_WORKTREE = r"(?a)[A-Za-z0-9][A-Za-z0-9._/-]{0,99}"


class ExecutionMode(Frozen):
    """Where the work happens: in the project itself, or in a git worktree on a new branch called ``worktree``."""

    worktree: str | None = None

    def __post_init__(self) -> None:
        """Refuse what git would not take as a branch, as far as can be told without asking it."""
        if self.worktree is not None and not (
            isinstance(self.worktree, str) and re.fullmatch(_WORKTREE, self.worktree)
        ):
            raise wrong("execution_mode.worktree", self.worktree, "a name for a branch: letters, digits, . _ - and /")

    def to_json(self) -> Any:
        """``"direct"``, or ``{"worktree": name}``."""
        return "direct" if self.worktree is None else {"worktree": self.worktree}

    @classmethod
    def from_json(cls, value: object) -> "ExecutionMode":
        """The reverse of ``to_json``; raises RefusedError for anything else."""
        if value in ("direct", None):
            return cls()
        if isinstance(value, Mapping) and value.keys() == {"worktree"} and value["worktree"] is not None:
            return cls(value["worktree"])
        raise wrong("execution_mode", value, '"direct" or {"worktree": "name"}')


class SessionOptions(Frozen):
    """Switches of a session.

    ``fail_fast`` fails it on a failing command, ``auto_merge`` fast-forwards the worktree's branch on completion,
    ``collect_metrics`` measures each iteration by git, ``verbose`` keeps the output of commands.
    """

    fail_fast: bool = False
    auto_merge: bool = False
    collect_metrics: bool = False
    verbose: bool = False

    def __post_init__(self) -> None:
        """Refuse a switch that is neither on nor off."""
        for name, value in vars(self).items():
            check_flag(value, f"options.{name}")


class SessionConfig(Frozen):
    """What is to be worked on, how and how often. ``max_iterations`` is at least 1; ``workflow`` is plain JSON."""

    project_path: Path
    workflow: Mapping[str, Any] = {}
    execution_mode: ExecutionMode = ExecutionMode()
    max_iterations: int = 3
    focus: str | None = None
    options: SessionOptions = SessionOptions()

    def __post_init__(self) -> None:
        """Refuse values no session could work with."""
        if not isinstance(self.project_path, str | Path) or "\0" in str(self.project_path):
            raise wrong("project_path", self.project_path, "a path")
        object.__setattr__(self, "project_path", Path(self.project_path))
        if not isinstance(self.workflow, Mapping):
            raise wrong("workflow", self.workflow, "a table")
        object.__setattr__(self, "workflow", check_json(self.workflow, "workflow"))
        check_count(self.max_iterations, "max_iterations", 1)
        for name, kind in (("execution_mode", ExecutionMode), ("options", SessionOptions), ("focus", str | None)):
            if not isinstance(getattr(self, name), kind):
                raise wrong(name, getattr(self, name), f"{getattr(kind, '__name__', 'text')}")

    def to_json(self) -> dict[str, Any]:
        """The configuration as plain JSON values."""
        return {
            "project_path": str(self.project_path),
            "workflow": dict(self.workflow),
            "execution_mode": self.execution_mode.to_json(),
            "max_iterations": self.max_iterations,
            "focus": self.focus,
            "options": dict(vars(self.options)),
        }

    @classmethod
    def from_json(cls, data: object) -> "SessionConfig":
        """The reverse of ``to_json``; keys it does not know are left out, missing ones take their default.

        Raises RefusedError for anything that is no configuration.
        """
        if not isinstance(data, Mapping):
            raise wrong("config", data, "a table")
        options = data.get("options") or {}
        if not isinstance(options, Mapping):
            raise wrong("options", options, "a table")
        known = {name: options[name] for name in SessionOptions.__match_args__ if name in options}
        return cls(
            project_path=data.get("project_path", "."),
            workflow=data.get("workflow") or {},
            execution_mode=ExecutionMode.from_json(data.get("execution_mode")),
            max_iterations=data.get("max_iterations", 3),
            focus=data.get("focus"),
            options=SessionOptions(**known),
        )
