"""A project is made once; what is there already stays as it is."""

import json
import stat
import subprocess
from pathlib import Path

import pytest
import roots
from commandline import fingerprint

from mas import project, settings
from mas.errors import MasError, NotFoundError, RefusedError, UsageError
from mas.paths import Root, resolve_root

ALL = (".masrc", "workflows", "unit", "team.toml", "sessions")
KEPT = (".masrc", "unit", "workflows", "sessions")


def test_a_project_has_all_that_a_team_needs(root: Root) -> None:
    made = project.init(root, template="pair")
    assert (made.made, made.kept, made.session_name) == (ALL, (), "mas-a-root")
    assert {path.name for path in root.path.iterdir()} == set(ALL)
    assert (root.path / "unit" / "11" / "WORKFLOW_INSTRUCTIONS.md").is_file()
    assert [stat.S_IMODE((root.path / name).stat().st_mode) for name in (".masrc", "sessions")] == [0o644, 0o755]
    assert resolve_root(None, {}, root.path / "unit" / "11") == root


def test_the_directories_names_become_the_projects(root: Root) -> None:
    project.init(root)
    found = settings.load_settings(root)
    assert (found.project_name, found.session_name, found.mode) == ("a root", "mas-a-root", "")
    script = '. ./.masrc && printf \'%s|%s\' "$PROJECT_NAME" "$PROJECT_SESSION_NAME"'
    done = subprocess.run(["sh", "-euc", script], cwd=root.path, capture_output=True, text=True, check=True, timeout=10)
    assert done.stdout == "a root|mas-a-root"


@pytest.mark.parametrize(
    ("name", "session"),
    [("My Shop!", "mas-My-Shop"), ("-a.b-", "mas-a-b"), ("日本", "mas-tmux"), ("x" * 90, f"mas-{'x' * 90}")],
)
def test_a_name_may_be_given(root: Root, name: str, session: str) -> None:
    assert project.init(root, name).session_name == session
    assert settings.load_settings(root).project_name == name


def test_a_directory_with_an_odd_name_is_a_project_all_the_same(tmp_path: Path) -> None:
    for odd in ("two\nlines", "caf\udce9"):
        place = Root(tmp_path / odd)
        project.init(place, template="solo")
        assert settings.load_settings(place).project_name.isprintable()


@pytest.mark.parametrize("name", ["", " ", "two\nlines"])
def test_what_is_no_name_is_refused(root: Root, name: str) -> None:
    with pytest.raises(UsageError, match="the name of a project cannot be"):
        project.init(root, name)
    assert not root.path.exists()


def test_called_again_it_changes_nothing(root: Root) -> None:
    project.init(root, template="pair")
    before = fingerprint(root.path)
    for name, template in ((None, None), ("a root", "squad")):
        made = project.init(root, name, template)
        assert (made.made, made.kept) == ((), KEPT)
    assert fingerprint(root.path) == before


def test_what_is_missing_is_made_and_the_rest_left_alone(root: Root) -> None:
    (root.path / "unit" / "10").mkdir(parents=True)
    (root.path / "unit" / "10" / "mine").write_text("mine")
    (root.path / "unit" / "10" / "link").symlink_to("/")
    (root.path / "sessions").mkdir()
    made = project.init(root)
    assert (made.made, made.kept) == ((".masrc", "workflows"), ("unit", "sessions"))
    assert [path.name for path in sorted((root.path / "unit").rglob("*"))] == ["10", "link", "mine"]
    assert (root.path / "workflows" / "00_meta_manager.md").is_file()


@pytest.mark.parametrize(
    ("text", "name", "session"),
    [
        ('PROJECT_NAME="shop"\nWORKSPACE_ROOT="/x"\n', "shop", "mas-shop"),
        ('PROJECT_NAME=""\n', "", "mas-tmux"),
        (json.dumps({"version": "2.0.0", "project_name": "shop", "session_name": "mas-it"}), "shop", "mas-it"),
    ],
)
def test_either_old_form_is_understood_and_kept(root: Root, text: str, name: str, session: str) -> None:
    root.path.mkdir()
    (root.path / ".masrc").write_text(text)
    made = project.init(root, template="solo")
    assert (made.kept, made.session_name) == ((".masrc",), session)
    assert (root.path / ".masrc").read_text() == text
    with pytest.raises(RefusedError, match=f"is called '{name}'"):
        project.init(root, "another")


def test_the_projects_own_template_is_taken(root: Root) -> None:
    roots.make_template(root)
    (root.path / ".masrc").write_text("MAS_TEMPLATE=duo\n")
    project.init(root)
    assert (root.path / "workflows" / "10_guide.md").is_file()


def test_a_template_that_is_not_there_is_refused_first(root: Root) -> None:
    with pytest.raises(NotFoundError, match="no template 'nothing'"):
        project.init(root, template="nothing")
    assert not root.path.exists()


def test_a_broken_masrc_is_refused_and_left(root: Root) -> None:
    root.path.mkdir()
    (root.path / ".masrc").write_text("MAS_SESSION_MODE=odd\n")
    with pytest.raises(RefusedError, match="MAS_SESSION_MODE is 'odd'"):
        project.init(root)
    assert [path.name for path in root.path.iterdir()] == [".masrc"]


def test_a_place_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MasError, match=r"file. is not a directory"):
        project.init(Root(tmp_path / "file" / "project"), template="solo")


def test_a_masrc_that_leads_nowhere_is_left(root: Root) -> None:
    root.path.mkdir()
    (root.path / ".masrc").symlink_to("nowhere")
    made = project.init(root, template="solo")
    assert made.kept == (".masrc",)
    assert (root.path / ".masrc").is_symlink()
