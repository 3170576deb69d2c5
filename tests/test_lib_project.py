"""Projects from bash: their settings, in both forms a .masrc may have, read and never run."""

import json
import re
from pathlib import Path

import pytest
from bashes import STRICT, Bash

from mas.paths import Root
from mas.settings import load_settings

NAMES = ("PROJECT_ROOT", "PROJECT_NAME", "PROJECT_SESSION_NAME", "PROJECT_VERSION", "PROJECT_CREATED_AT")
DIRECTORIES = ("PROJECT_UNIT_DIR", "PROJECT_WORKFLOWS_DIR")


@pytest.fixture(params=["", STRICT], ids=["plain", "strict"])
def sh(request: pytest.FixtureRequest, root: Root) -> Bash:
    return Bash(request.param, root.path, "project.sh")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    place = tmp_path / "it's a $(project)"
    (place / "deep" / "er").mkdir(parents=True)
    (place / ".masrc").write_text("PROJECT_NAME='a name'\n")
    return place


def settings(sh: Bash, place: Path) -> dict[str, str]:
    script = f'load_project_config "$1"; for name in {" ".join(NAMES)}; do printf "%s=%s\\0" $name "${{!name}}"; done'
    code, out = sh(script, str(place)).answer
    assert code == 0
    return dict(pair.split("=", 1) for pair in out.split("\0") if pair)


def test_the_project_around_is_found(sh: Bash, project: Path, tmp_path: Path) -> None:
    for cwd in (project, project / "deep", project / "deep" / "er"):
        assert sh("find_project_root", cwd=cwd).answer == (0, f"{project}\n")
    assert sh('find_project_root "$1/deep/er"', str(project)).answer == (0, f"{project}\n")
    assert sh("find_project_root deep/er", cwd=project).answer == (0, f"{project}\n")
    assert sh("find_project_root", cwd=tmp_path).answer == (1, "")
    assert sh("detect_mode", cwd=project).answer == (0, "project\n")
    assert sh("detect_mode", cwd=tmp_path).answer == (1, "legacy\n")
    assert str(project) in sh("show_current_mode", cwd=project).answer[1]
    assert sh("show_current_mode", cwd=tmp_path).answer[0] == 0


def test_a_project_has_a_masrc(sh: Bash, project: Path, tmp_path: Path) -> None:
    assert sh('is_project_initialized "$1"', str(project)).answer == (0, "")
    assert sh('is_project_initialized "$1"', str(tmp_path)).answer == (1, "")
    assert sh("is_project_initialized", cwd=project).answer == (0, "")


FORMS = {
    "assignments": "# mine\nPROJECT_NAME='a \"name\"'\nPROJECT_SESSION_NAME=mas-x\nPROJECT_VERSION=2\n"
    "PROJECT_CREATED_AT=2026\n",
    "json": json.dumps(
        {"version": "2", "project_name": 'a "name"', "session_name": "mas-x", "created_at": "2026", "n": 1}, indent=2
    ),
    "older json": '{"n":{"version":"2"},"projectName" : "a \\"name\\"" ,\n"sessionName":"mas\\u002dx",'
    '"createdAt":"2026"}',
}


@pytest.mark.parametrize("form", FORMS)
def test_settings_are_read_in_every_form(sh: Bash, project: Path, form: str) -> None:
    (project / ".masrc").write_text(FORMS[form])
    values = (str(project), 'a "name"', "mas-x", "2", "2026")
    assert settings(sh, project) == dict(zip(NAMES, values, strict=True))


def test_what_is_not_set_has_a_default(sh: Bash, project: Path) -> None:
    for text in ("", "{}", "garbage\n", '{"project_name": 3, "session_name"', '{"version": "open'):
        (project / ".masrc").write_text(text)
        found = settings(sh, project)
        assert (found["PROJECT_NAME"], found["PROJECT_SESSION_NAME"]) == (project.name, "mas-tmux")
    script = 'load_project_config "$1"; printenv PROJECT_UNIT_DIR PROJECT_WORKFLOWS_DIR'
    assert sh(script, str(project)).answer == (0, f"{project}/unit\n{project}/workflows\n")


@pytest.mark.parametrize(
    "text", ["PROJECT_NAME=$(touch canary)\ntouch canary\n", '{"project_name": "$(touch canary)"}']
)
def test_settings_are_not_run(sh: Bash, project: Path, text: str) -> None:
    (project / ".masrc").write_text(text)
    assert sh('load_project_config; printf %s "$PROJECT_NAME"; ls', cwd=project).out.startswith("$(touch canary)")
    assert not list(project.glob("canary"))


def test_without_a_project_there_are_no_settings(sh: Bash, tmp_path: Path) -> None:
    code, out = sh("load_project_config", cwd=tmp_path).answer
    assert (code, "[ERROR]" in out) == (1, True)
    assert sh("show_project_info", cwd=tmp_path).answer[0] == 1


def test_settings_are_shown_and_stay_unset(sh: Bash, project: Path) -> None:
    lines = sh('show_project_info "$1"; printf %s "${PROJECT_NAME-none}"', str(project)).answer[1].splitlines()
    assert lines[:2] == ["Project: a name", f"Root: {project}"]
    assert lines[-1] == "none"


def test_what_is_saved_is_read_by_bash_and_by_mas(sh: Bash, tmp_path: Path) -> None:
    place = tmp_path / "my project"
    place.mkdir()
    assert sh('save_project_config "$1"', str(place)).answer == (0, "")
    found = load_settings(Root(place))
    assert (found.project_name, found.session_name) == ("my project", "mas-my-project")
    assert settings(sh, place)["PROJECT_SESSION_NAME"] == "mas-my-project"
    with (place / ".masrc").open("a") as file:
        file.write("MAS_SESSION_MODE=isolated\n")
    assert sh('save_project_config "$1" "it\'s new" mas-y', str(place)).answer == (0, "")
    again = load_settings(Root(place))
    assert (again.project_name, again.session_name, again.mode) == ("it's new", "mas-y", "isolated")
    assert [path.name for path in place.iterdir()] == [".masrc"]


def test_settings_in_json_are_left_to_their_writer(sh: Bash, project: Path) -> None:
    (project / ".masrc").write_text("{}")
    assert sh('save_project_config "$1" x', str(project)).answer[0] == 1
    assert (project / ".masrc").read_text() == "{}"


def test_what_a_project_lacks_is_named(sh: Bash, project: Path) -> None:
    code, out = sh('validate_project "$1"', str(project)).answer
    assert (code, re.findall(r"Missing: .*/(\w+)", out)) == (1, ["unit", "workflows"])
    for name in ("unit", "workflows"):
        (project / name).mkdir()
    assert sh('validate_project "$1"', str(project)).answer == (0, "")


@pytest.mark.parametrize(
    ("name", "clean"),
    [("my project", "my-project"), (" a.b/ ", "a-b"), ("--x--", "x"), ("", ""), ("---", ""), ("é", "")],
)
def test_a_project_name_is_made_fit(sh: Bash, name: str, clean: str) -> None:
    assert sh('sanitize_project_name "$1"', name, env={"LC_ALL": "C.UTF-8"}).answer == (0, f"{clean}\n")
