import os
from pathlib import Path

import pytest

from mas.environment import Place, agent_environment, search_path, session_environment
from mas.paths import Root
from mas.proc import foreign_environment
from mas.structs import replace
from mas.workspace import find_template

ID = "0f0f0f0f-0000-4000-8000-000000000000"


@pytest.fixture
def place(root: Root) -> Place:
    return Place(ID, "mas-0f0f0f0f", root, "isolated")


def test_an_isolated_session_has_everything_in_its_own_directory(root: Root, place: Place) -> None:
    directory = str(root.sessions / ID)
    assert session_environment(place, {"PATH": "/bin", "HOME": "/x"}) == {
        "MAS_ROOT": str(root.path),
        "MAS_PROJECT_DIR": str(root.path),
        "MAS_PROJECT_ROOT": str(root.path),
        "MAS_WORKSPACE_ROOT": str(root.path),
        "MAS_SESSION_ID": ID,
        "MAS_SESSION_NAME": "mas-0f0f0f0f",
        "MAS_SESSION_DIR": directory,
        "MAS_SESSION_MODE": "isolated",
        "SESSION_NAME": "mas-0f0f0f0f",
        "SESSION_DIR": directory,
        "UNIT_DIR": f"{directory}/unit",
        "WORKFLOWS_DIR": f"{directory}/workflows",
        "MAS_UNIT_DIR": f"{directory}/unit",
        "MAS_WORKFLOWS_DIR": f"{directory}/workflows",
    }


def test_a_legacy_session_works_in_the_roots_directories(root: Root) -> None:
    place = Place(ID, "mas-tmux", root, "legacy")
    variables = session_environment(place, {})
    assert variables["UNIT_DIR"] == variables["MAS_UNIT_DIR"] == str(root.path / "unit")
    assert variables["WORKFLOWS_DIR"] == str(root.path / "workflows")
    assert variables["SESSION_DIR"] == str(root.sessions / ID)
    assert place.agent_directory("11") == root.path / "unit/11"


def test_another_tmux_server_and_the_program_are_told(root: Root) -> None:
    place = Place(ID, "mas-0f0f0f0f", root, "isolated", "/run/x", Path("/opt/mas/bin/mas"))
    place = replace(place, project="/home/me/shop")
    variables = session_environment(place, {"PATH": "/usr/bin:/opt/mas/bin:/bin"})
    assert variables["MAS_PROJECT_DIR"] == "/home/me/shop"
    assert variables["MAS_TMUX_SOCKET"] == "/run/x"
    assert variables["PATH"] == f"{place.paths.directory}/bin:/usr/bin:/opt/mas/bin:/bin"
    assert session_environment(place, {})["PATH"] == f"{place.paths.directory}/bin:{os.defpath}"


def test_an_agent_is_told_who_and_where_it_is(root: Root, place: Place) -> None:
    agent = find_template(None, root).team.agent("11")
    assert agent_environment(place, agent, "design") == {
        "MAS_AGENT_ID": "11",
        "MAS_AGENT_NAME": "UI Designer",
        "MAS_AGENT_DIR": str(root.sessions / ID / "unit/11"),
        "MAS_UNIT_TYPE": "design",
        "MAS_AGENT_MODEL": "sonnet",
    }


def test_no_variable_of_a_session_reaches_what_it_starts(place: Place) -> None:
    variables = session_environment(place, {})
    assert foreign_environment({**variables, "HOME": "/home/x"}) == {"HOME": "/home/x"}


def test_in_a_directory_that_cannot_stand_in_a_path_the_programs_own_is_asked_last(tmp_path: Path) -> None:
    """A colon parts the directories of a PATH. What else is with the program comes before nothing of the user's."""
    program, offered = tmp_path / "programs" / "mas", tmp_path / "offered"
    program.parent.mkdir()
    program.touch()
    offered.symlink_to(program)
    assert search_path(Path("/a:b"), "/bin", offered) == f"/bin:{program.parent}"
    assert search_path(Path("/a:b"), f"{program.parent}:/bin", program) == f"{program.parent}:/bin"
    assert search_path(Path("/a:b"), "", program) == str(program.parent)
    assert search_path(Path("/a:b"), "/bin", Path("/c:d/mas")) == "/bin"


def test_a_directory_stands_once_in_a_path() -> None:
    assert search_path(Path("/a b"), "/bin::/a b", Path("/c/mas")) == "/a b:/bin:"
