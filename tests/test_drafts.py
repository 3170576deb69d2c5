"""How a record begins, and how one begins again."""

from pathlib import Path
from typing import Any

import pytest
from records import GIT, ID, OTHER_ID, T0, first

from mas import drafts
from mas.config import ExecutionMode, SessionConfig, SessionOptions
from mas.errors import RefusedError
from mas.record import Document
from mas.session import SessionConfiguration


def begin(place: Path, **more: Any) -> Document:
    values: dict[str, Any] = {
        "session_id": ID,
        "feature_request": "Build it",
        "configuration": None,
        "config": None,
        "parent": None,
        "now": T0,
    }
    return drafts.first_record(**{**values, **more}, place=place)


def test_a_record_begins_with_the_defaults(repo: Path) -> None:
    record = begin(repo)
    assert {name: value for name, value in record.items() if name != "git_context"} == {
        name: value for name, value in first().items() if name != "git_context"
    }
    context = record["git_context"]
    assert (context["branch"], context["repo_root"], context["is_worktree"]) == ("main", str(repo), False)
    assert len(context["commit"]) == 40
    assert "worktree_name" not in context


def test_outside_a_repository_the_place_itself_is_the_context(tmp_path: Path) -> None:
    assert begin(tmp_path)["git_context"] == {
        "branch": "",
        "commit": "",
        "repo_root": str(tmp_path),
        "is_worktree": False,
    }


def test_the_configuration_is_kept_with_its_project_made_absolute(repo: Path, tmp_path: Path) -> None:
    config = SessionConfig(Path(repo.name), max_iterations=7, options=SessionOptions(verbose=True))
    record = begin(tmp_path, config=config)
    assert record["git_context"]["repo_root"] == str(repo)
    assert record["configuration"]["max_iterations"] == 7
    stored = SessionConfig.from_json(record["lifecycle"]["config"])
    assert (stored.project_path, stored.options) == (repo, config.options)


@pytest.mark.parametrize(("ours", "theirs", "agreed"), [(3, 7, 7), (7, 3, 7), (7, 7, 7), (3, 3, 3)])
def test_the_bound_is_said_once_and_counts_everywhere(tmp_path: Path, ours: int, theirs: int, agreed: int) -> None:
    given = SessionConfiguration(max_iterations=ours, timeout_minutes=5)
    record = begin(tmp_path, config=SessionConfig(tmp_path, max_iterations=theirs), configuration=given)
    assert record["configuration"]["max_iterations"] == agreed
    assert record["lifecycle"]["config"]["max_iterations"] == agreed
    assert record["configuration"]["timeout_minutes"] == 5


def test_two_bounds_are_a_contradiction(tmp_path: Path) -> None:
    config, given = SessionConfig(tmp_path, max_iterations=2), SessionConfiguration(max_iterations=7)
    with pytest.raises(RefusedError, match="max_iterations is 7 in configuration and 2 in config"):
        begin(tmp_path, config=config, configuration=given)


@pytest.mark.parametrize(
    "wrong", [{"feature_request": "a\0b"}, {"configuration": SessionConfiguration(max_iterations=0)}]
)
def test_what_no_record_may_hold_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(RefusedError):
        begin(tmp_path, **wrong)


def test_a_child_has_its_parents_request_and_configuration_and_nothing_else(tmp_path: Path) -> None:
    config = SessionConfig(tmp_path, {"steps": [1]}).to_json()
    parent = first(
        status="failed",
        completed_at=T0,
        lifecycle={"error": "x", "config": config, "iteration": 2, "completed": 2},
        configuration={"max_iterations": 9, "timeout_minutes": 5, "auto_checkpoint": False},
        prd_reference={"filename": "a", "path": "b"},
        current_phase="implement",
        runtime={"label": "theirs"},
        extra=1,
    )
    child = drafts.child(parent, session_id=OTHER_ID, place=tmp_path, now="later")
    assert (child["session_id"], child["status"], child["created_at"]) == (OTHER_ID, "initializing", "later")
    assert child["lifecycle"] == {"config": {**config, "max_iterations": 9}, "parent_session_id": ID}
    assert child["configuration"] == {**parent["configuration"], "error_recovery_enabled": True}
    assert (child["feature_request"], child["current_phase"]) == ("Build it", "implement")
    assert child["prd_reference"] == {"filename": "a", "path": "b"}
    assert not {"runtime", "extra", "completed_at"} & child.keys()
    assert child["git_context"] != GIT


def test_a_child_of_an_older_record_is_one_too(tmp_path: Path) -> None:
    older = {name: first()[name] for name in ("session_id", "feature_request", "status", "created_at")}
    child = drafts.child(older, session_id=OTHER_ID, place=tmp_path, now=T0)
    assert child["lifecycle"] == {"parent_session_id": ID}


def test_a_childs_worktree_is_on_a_branch_of_its_own(repo: Path) -> None:
    config = SessionConfig(repo, execution_mode=ExecutionMode("feature/" + "x" * 90))
    child = drafts.child(first(lifecycle={"config": config.to_json()}), session_id=OTHER_ID, place=repo, now=T0)
    branch = child["lifecycle"]["config"]["execution_mode"]["worktree"]
    assert branch == "feature/" + "x" * 72 + "-aaaaaaaa"
