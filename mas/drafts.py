"""The first record of a session that is not yet stored."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from mas import git
from mas.config import ExecutionMode, SessionConfig
from mas.fields import FIELDS, check_part
from mas.lifecycle import SessionStatus
from mas.paths import absolute
from mas.record import Document, lifecycle_of
from mas.session import SessionConfiguration, SessionStatistics, from_document


def first_record(  # noqa: PLR0913  each is one thing a record begins with
    *,
    session_id: str,
    feature_request: str,
    configuration: SessionConfiguration | None,
    config: SessionConfig | None,
    place: Path,
    parent: str | None,
    now: str,
) -> Document:
    """A record as it begins; git is asked where the project stands. Raises RefusedError for a value it may not have.

    A project that is named relatively lies below ``place``, and without one ``place`` is it.
    """
    if config:
        config = replace(config, project_path=absolute(config.project_path, place))
        place = config.project_path
    settings = configuration or SessionConfiguration(max_iterations=config.max_iterations if config else 3)
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


def child(parent: Document, *, session_id: str, place: Path, now: str) -> Document:
    """A record that begins again with the request and the configuration of another."""
    stored = lifecycle_of(parent).get("config")
    config = SessionConfig.from_json(stored) if stored else None
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
