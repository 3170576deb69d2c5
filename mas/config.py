"""What a session is asked to do: the configuration that its Started event carries."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from mas.errors import RefusedError, shorten


@dataclass(frozen=True, slots=True)
class ExecutionMode:
    """Where the work happens: in the project itself, or in a git worktree of its own called ``worktree``."""

    worktree: str | None = None

    def to_json(self) -> Any:
        """``"direct"``, or ``{"worktree": name}``."""
        return "direct" if self.worktree is None else {"worktree": self.worktree}

    @classmethod
    def from_json(cls, value: object) -> "ExecutionMode":
        """The reverse of ``to_json``; raises RefusedError for anything else."""
        if value in ("direct", None):
            return cls()
        if isinstance(value, Mapping) and isinstance(value.get("worktree"), str) and value["worktree"]:
            return cls(value["worktree"])
        msg = f"execution_mode is {shorten(value)}"
        raise RefusedError(msg, hint='expected "direct" or {"worktree": "name"}')


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """Switches of a session.

    ``fail_fast`` fails it on a failing command, ``auto_merge`` fast-forwards the worktree's branch on completion,
    ``collect_metrics`` measures each iteration by git, ``verbose`` keeps the output of commands.
    """

    fail_fast: bool = False
    auto_merge: bool = False
    collect_metrics: bool = False
    verbose: bool = False


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """What is to be worked on, how and how often. ``max_iterations`` is at least 1."""

    project_path: Path
    workflow: Mapping[str, Any] = field(default_factory=dict)
    execution_mode: ExecutionMode = field(default_factory=ExecutionMode)
    max_iterations: int = 3
    focus: str | None = None
    options: SessionOptions = field(default_factory=SessionOptions)

    def __post_init__(self) -> None:
        """Refuse values no session could work with."""
        if type(self.max_iterations) is not int or self.max_iterations < 1:
            msg = f"max_iterations is {shorten(self.max_iterations)}, expected a whole number of at least 1"
            raise RefusedError(msg)

    def to_json(self) -> dict[str, Any]:
        """The configuration as plain JSON values."""
        return {
            "project_path": str(self.project_path),
            "workflow": dict(self.workflow),
            "execution_mode": self.execution_mode.to_json(),
            "max_iterations": self.max_iterations,
            "focus": self.focus,
            "options": asdict(self.options),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "SessionConfig":
        """The reverse of ``to_json``; keys it does not know are left out, missing ones take their default."""
        options = data.get("options") or {}
        known = {name: options[name] is True for name in (item.name for item in fields(SessionOptions)) if name in options}
        return cls(
            project_path=Path(data.get("project_path", ".")),
            workflow=data.get("workflow") or {},
            execution_mode=ExecutionMode.from_json(data.get("execution_mode")),
            max_iterations=data.get("max_iterations", 3),
            focus=data.get("focus"),
            options=SessionOptions(**known),
        )
