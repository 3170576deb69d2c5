"""A project's settings: both forms are read, neither is run."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas.errors import MasError, RefusedError, UsageError
from mas.paths import Root
from mas.settings import Settings, load_settings, session_mode


@pytest.fixture
def masrc(root: Root) -> Path:
    root.path.mkdir()
    return root.path / ".masrc"


def test_no_file_means_no_settings(root: Root) -> None:
    assert load_settings(root) == Settings()


def test_the_form_for_shells(root: Root, masrc: Path) -> None:
    masrc.write_text(
        "# MAS project\n"
        'PROJECT_NAME="my project"\n'
        "export PROJECT_SESSION_NAME=mas-my  # a remark\n"
        "  MAS_SESSION_MODE=isolated\r\n"
        "MAS_TEMPLATE=first\nMAS_TEMPLATE='squad'\n"
        "MAS_AGENT=\n"
        'WORKSPACE_ROOT="/somewhere"\n'
        "if true; then echo hello; fi\n"
    )
    assert load_settings(root) == Settings("my project", "mas-my", "isolated", "squad", "")


def test_the_form_in_json(root: Root, masrc: Path) -> None:
    masrc.write_text(
        json.dumps(
            {
                "version": "2.0.0",
                "project_name": "mine",
                "session_name": "mas-mine",
                "created_at": "2025-12-01T10:00:00+09:00",
                "mas_version": "2.1.0",
                "session_mode": "legacy",
                "template": "pair",
                "agent": "codex",
            }
        )
    )
    assert load_settings(root) == Settings("mine", "mas-mine", "legacy", "pair", "codex")


def test_nothing_in_the_file_is_run(root: Root, masrc: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    masrc.write_text(
        f"PROJECT_NAME=$(touch '{canary}')\nMAS_AGENT=`touch '{canary}'`\nMAS_TEMPLATE=\"$HOME\"\ntouch '{canary}'\n"
    )
    assert load_settings(root) == Settings()
    assert not canary.exists()


def test_what_a_shell_takes_literally_is_taken_literally(root: Root, masrc: Path) -> None:
    masrc.write_text("PROJECT_NAME='costs $5 `more`'  \n")
    assert load_settings(root).project_name == "costs $5 `more`"
    masrc.write_text(r"""PROJECT_NAME="say \"hi\" 'x' \n \\"\ #1""" + "\n")
    assert load_settings(root).project_name == r"""say "hi" 'x' \n \ #1"""


@given(text=st.text(st.sampled_from("ab '\"$`\\#=;{}é"), max_size=12))
def test_a_value_is_read_as_a_shell_reads_it_or_not_at_all(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    root = Root(tmp_path_factory.mktemp("root"))
    (root.path / ".masrc").write_text(f"PROJECT_NAME={text}\n", encoding="utf-8")
    found = load_settings(root).project_name
    words = ["/bin/sh", "-c", '. "$1"; printf %s "$PROJECT_NAME"', "sh", str(root.path / ".masrc")]
    done = subprocess.run(words, capture_output=True, check=False, timeout=10, env={"PATH": "/nowhere"})
    assert found in {"", done.stdout.decode(errors="replace")}


@pytest.mark.parametrize(
    "line", ["MAS_AGENT=claude run", "MAS_AGENT='open", "MAS-AGENT=x", "MAS_AGENT=x;y", "MAS_AGENT = x"]
)
def test_a_line_that_is_no_assignment_sets_nothing(root: Root, masrc: Path, line: str) -> None:
    masrc.write_text(line + "\n")
    assert load_settings(root) == Settings()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("MAS_SESSION_MODE=both", r"MAS_SESSION_MODE is 'both', expected isolated or legacy"),
        ("MAS_TEMPLATE=../x", r"MAS_TEMPLATE is '\.\./x'"),
        ("MAS_AGENT=--yolo", r"MAS_AGENT is '--yolo'"),
        ("PROJECT_NAME='a\tb'", r"PROJECT_NAME is 'a\\tb', expected one printable line"),
        ('{"project_name": 5}', r"project_name is 5"),
        ('{"project_name": 0}', r"project_name is 0"),
        ('{"project_name": ', r"is not JSON"),
        ('{"a":' * 100_000, r"is not JSON"),
    ],
)
def test_a_wrong_value_names_the_file(root: Root, masrc: Path, text: str, complaint: str) -> None:
    masrc.write_text(text)
    with pytest.raises(RefusedError, match=rf"\.masrc'.*{complaint}") as caught:
        load_settings(root)
    assert caught.value.hint


def test_a_file_that_is_none_is_refused_without_waiting(root: Root, masrc: Path) -> None:
    os.mkfifo(masrc)
    with pytest.raises(MasError, match="a named pipe"):
        load_settings(root)


def test_a_linked_file_is_read(root: Root, masrc: Path, tmp_path: Path) -> None:
    (tmp_path / "dotfiles").write_text("MAS_AGENT=codex\n")
    masrc.symlink_to(tmp_path / "dotfiles")
    assert load_settings(root).agent == "codex"


def test_bytes_that_are_no_text_do_no_harm(root: Root, masrc: Path) -> None:
    masrc.write_bytes(b"\xef\xbb\xbfMAS_AGENT=codex\n\xff\xfe\n")
    assert load_settings(root).agent == "codex"


difficult = st.text(st.sampled_from("ab '\"$`\\#={}é日"), max_size=20)


@given(name=difficult)
def test_written_settings_read_back_here_and_in_a_shell(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    root = Root(tmp_path_factory.mktemp("root"))
    settings = Settings(project_name=name, mode="isolated", template="squad")
    (root.path / ".masrc").write_text(settings.to_text(), encoding="utf-8")
    assert load_settings(root) == settings
    script = '. "$1" && printf %s "$PROJECT_NAME"'
    words = ["sh", "-c", script, "sh", str(root.path / ".masrc")]
    assert subprocess.run(words, capture_output=True, check=True, timeout=10).stdout.decode() == name


def test_the_mode_comes_from_flag_environment_project_default() -> None:
    project = Settings(mode="isolated")
    assert session_mode("legacy", {"MAS_SESSION_MODE": "isolated"}, project) == "legacy"
    assert session_mode(None, {"MAS_SESSION_MODE": "legacy"}, project) == "legacy"
    assert session_mode(None, {"MAS_SESSION_MODE": ""}, project) == "isolated"
    assert session_mode(None, {}, Settings()) == "legacy"


def test_any_other_mode_is_refused() -> None:
    with pytest.raises(UsageError, match="the session mode is 'ISOLATED'"):
        session_mode(None, {"MAS_SESSION_MODE": "ISOLATED"}, Settings())
