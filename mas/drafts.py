"""The first record of a session that is not yet stored."""

from pathlib import Path
from typing import Any

from mas import git
from mas.config import ExecutionMode, SessionConfig
from mas.errors import RefusedError
from mas.fields import FIELDS, check_part
from mas.lifecycle import SessionStatus
from mas.paths import absolute
from mas.record import Document, lifecycle_of, max_iterations_of
from mas.session import SessionConfiguration, SessionStatistics, from_document
from mas.structs import replace


def first_record(  # noqa: PLR0913  each is one thing a record begins with
    *,
    session_id: str,
    feature_request: str,
    configuration: SessionConfiguration | None,
    config: SessionConfig | None,
    place: Path,
    now: str,
    parent: str | None = None,
) -> Document:
    """A record as it begins; git is asked where the project stands. Raises RefusedError for a value it may not have.

    A project that is named relatively lies below ``place``, and without one ``place`` is it.
    """
    if config:
        config = replace(config, project_path=absolute(config.project_path, place))
        place = config.project_path
    settings, config = _agreed(configuration or SessionConfiguration(), config)
    own = {"config": config.to_json() if config else None, "parent_session_id": parent}
    record: dict[str, Any] = {
        "session_id": session_id,
        "feature_request": FIELDS["feature_request"](feature_request, "feature_request"),
        "status": SessionStatus.INITIALIZING.value,
        "created_at": now,
        "updated_at": now,
        "git_context": check_part("git_context", git.context(place)._asdict()),
        "statistics": SessionStatistics().to_dict(),
        "configuration": check_part("configuration", settings),
        "lifecycle": {name: value for name, value in own.items() if value is not None},
    }
    return record


def _agreed(
    settings: SessionConfiguration, config: SessionConfig | None
) -> tuple[SessionConfiguration, SessionConfig | None]:
    """Both with one bound on the iterations, that which is not the default; raises RefusedError where both say one."""
    if config is None or config.max_iterations == settings.max_iterations:
        return settings, config
    if settings.max_iterations == _DEFAULT:
        return replace(settings, max_iterations=config.max_iterations), config
    if config.max_iterations == _DEFAULT:
        return settings, replace(config, max_iterations=settings.max_iterations)
    msg = f"max_iterations is {settings.max_iterations} in configuration and {config.max_iterations} in config"
    raise RefusedError(msg, hint="give it once")


_DEFAULT = SessionConfiguration().max_iterations


def child(parent: Document, *, session_id: str, place: Path, now: str) -> Document:
    """A record that begins again with the request and the configuration of another."""
    stored = lifecycle_of(parent).get("config")
    config = SessionConfig.from_json({**stored, "max_iterations": max_iterations_of(parent)}) if stored else None
    if config and config.execution_mode.worktree:
        branch = f"{config.execution_mode.worktree[:80]}-{session_id[:8]}"
        config = replace(config, execution_mode=ExecutionMode(branch))
    record = first_record(
        session_id=session_id,
        feature_request=parent["feature_request"],
        configuration=from_document(parent).configuration,
        config=config,
        place=place,
        parent=parent["session_id"],
        now=now,
    )
    return {**record, **{name: parent[name] for name in ("prd_reference", "current_phase") if name in parent}}
