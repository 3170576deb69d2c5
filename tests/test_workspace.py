"""Templates are found, workspaces made from them, and agents told where they are."""

import os
import resource
import shutil
import stat
from pathlib import Path

import pytest

from mas import guides, trees, workspace
from mas.errors import ExistsError, MasError, NotFoundError, RefusedError
from mas.paths import Root, SessionPaths, shipped
from mas.team import apply_config
from mas.workspace import build, find_template, lay_out, list_templates

ID = "0f0f0f0f-0000-4000-8000-000000000000"
TEAM = '[[unit]]\nname = "one"\n[[unit.agent]]\nid = "10"\n[[unit.agent]]\nid = "11"\n'


@pytest.fixture
def target(tmp_path: Path) -> SessionPaths:
    directory = tmp_path / "a session"
    directory.mkdir(mode=0o700)
    return SessionPaths(directory)


def make_template(root: Root, name: str, team: str = 'name = "mine"\n' + TEAM) -> Path:
    path = root.path / "templates" / name
    (path / "unit/11").mkdir(parents=True)
    (path / "unit/11/AGENTS.md").write_text("eleven")
    (path / "workflows").mkdir()
    (path / "workflows/10-11_both.md").write_text("how we work")
    if team:
        (path / "team.toml").write_text(team)
    return path


def make_units(root: Root, *ids: str) -> None:
    for agent_id in ids:
        (root.path / "unit" / agent_id).mkdir(parents=True)
    (root.path / "workflows").mkdir()


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- finding ---


def test_the_default_where_nothing_is_chosen(root: Root) -> None:
    template = find_template(None, root)
    assert (template.name, template.path) == ("default", shipped("templates") / "default")
    assert template.size > 10_000


def test_what_is_chosen_comes_in_its_order(root: Root) -> None:
    make_units(root, "00", "10")
    assert find_template("squad", root, "pair").name == "squad"
    assert find_template(None, root, "pair").name == "pair"
    assert find_template(None, root).path == root.path
    shutil.rmtree(root.path / "unit")
    assert find_template(None, root).name == "default"


def test_the_projects_templates_come_before_the_shipped_ones(root: Root) -> None:
    make_template(root, "solo")
    template = find_template("solo", root)
    assert template.path == root.path / "templates/solo"
    assert template.team.ids == ("10", "11")


def test_the_roots_own_units_make_a_team(root: Root) -> None:
    make_units(root, "00", "10", "12", "shared", "1", "abc")
    template = find_template(None, root)
    assert template.name == "project"
    assert [(agent.id, agent.name) for agent in template.team.agents] == [
        ("00", "Meta Manager"),
        ("10", "Design Manager"),
        ("12", "UX Designer"),
    ]


def test_an_agents_directory_that_is_a_link_is_refused_not_left_out(root: Root) -> None:
    make_units(root, "10")
    (root.path / "unit/11").symlink_to("10")
    with pytest.raises(RefusedError, match=r"unit/11' is a symbolic link"):
        find_template(None, root)


def test_a_team_file_in_the_root_comes_before_the_names(root: Root) -> None:
    make_units(root, "10", "11")
    (root.path / "team.toml").write_text('name = "named"\n' + TEAM.replace('"11"', '"11"\nname = "Second"'))
    assert find_template(None, root).team.agent("11").name == "Second"


def test_the_root_may_be_reached_by_a_link(root: Root, tmp_path: Path) -> None:
    make_units(root, "00")
    (tmp_path / "link").symlink_to(root.path)
    assert find_template(None, Root(tmp_path / "link")).team.ids == ("00",)


def test_a_template_without_a_team_file_gets_its_team_from_its_names(root: Root) -> None:
    make_template(root, "plain", team="")
    assert find_template("plain", root).team.ids == ("11",)


@pytest.mark.parametrize("name", ["missing", "../templates/solo", "/etc", "SOLO", "", ".", "solo/", "solo\n", "a" * 65])
def test_what_is_no_template_is_not_found(root: Root, name: str) -> None:
    make_template(root, "SOLO")
    with pytest.raises(NotFoundError, match="no template") as caught:
        find_template(name or "..", root)
    there = f"; others are named below '{root.path}/templates'" if name != "missing" else ""
    assert caught.value.hint == f"there are: default, pair, solo, squad{there}"


@pytest.mark.parametrize(
    ("team", "complaint"),
    [
        ("name = ", "is not TOML"),
        ("x = " + "[" * 5000, "is not TOML"),
        ('name = "x"\n', r"unit is None, expected a list of tables"),
        ('name = "x"\ncolour = "red"\n' + TEAM, r"key is 'colour'"),
        ('name = "x"\n' + TEAM.replace('"11"', '"../x"'), r"agent\.id is '\.\./x'"),
        ('name = "x"\n' + TEAM.replace("[[unit]]", "[[unit]]\naliases = 5"), r"unit one: aliases is 5"),
        ('name = "x"\n' + TEAM.replace('"11"', '"10"'), r"agent id is '10', expected used once"),
    ],
)
def test_a_wrong_team_file_is_named(root: Root, team: str, complaint: str) -> None:
    make_template(root, "mine", team)
    with pytest.raises(RefusedError, match=rf"templates/mine/team\.toml'.*{complaint}") as refused:
        find_template("mine", root)
    assert refused.value.hint


def test_a_team_file_that_is_no_text_is_refused(root: Root) -> None:
    (make_template(root, "mine") / "team.toml").write_bytes(b"\xff")
    with pytest.raises(RefusedError, match="is not TOML"):
        find_template("mine", root)


def test_a_team_file_that_is_a_pipe_or_a_link_is_refused(root: Root) -> None:
    path = make_template(root, "mine", team="") / "team.toml"
    os.mkfifo(path)
    with pytest.raises(RefusedError, match="a named pipe"):
        find_template("mine", root)
    path.unlink()
    path.symlink_to("/etc/passwd")
    with pytest.raises(RefusedError, match="a symbolic link"):
        find_template("mine", root)


def test_neither_team_nor_agents_is_refused(root: Root) -> None:
    make_template(root, "mine", team="")
    (root.path / "templates/mine/unit/11").rename(root.path / "templates/mine/unit/eleven")
    with pytest.raises(RefusedError, match=r"neither team\.toml nor an agent's directory"):
        find_template("mine", root)


def test_a_hostile_template_is_refused_when_it_is_found(root: Root) -> None:
    path = make_template(root, "mine")
    (path / "unit/11/loop").symlink_to("..")
    with pytest.raises(RefusedError, match=r"unit/11/loop' is a symbolic link"):
        find_template("mine", root)


@pytest.mark.parametrize("place", ["unit", "unit/11", "workflows"])
def test_a_link_in_place_of_a_directory_is_refused(root: Root, tmp_path: Path, place: str) -> None:
    path = make_template(root, "mine")
    (path / place).rename(tmp_path / "elsewhere")
    (path / place).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RefusedError, match=rf"{place}' is a symbolic link"):
        find_template("mine", root)


def test_a_linked_template_is_refused(root: Root, tmp_path: Path) -> None:
    make_template(root, "mine").rename(tmp_path / "elsewhere")
    (root.path / "templates/mine").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotFoundError, match="not a directory"):
        find_template("mine", root)


def test_what_no_agent_of_the_team_gets_is_not_looked_at(root: Root) -> None:
    path = make_template(root, "mine")
    (path / "unit/99").mkdir()
    (path / "unit/99/pipe").symlink_to("/dev/zero")
    (path / "unit/README").symlink_to("/etc/passwd")
    os.mkfifo(path / "pipe")
    assert find_template("mine", root).tree.entries == 5


def test_a_template_with_a_guide_too_large_is_refused(root: Root) -> None:
    (make_template(root, "mine") / "workflows/10_x.md").write_bytes(b"x" * (trees.MIB + 1))
    with pytest.raises(RefusedError, match=r"the guide '10_x\.md'"):
        find_template("mine", root)


def test_a_directory_that_may_not_be_listed_says_why(root: Root) -> None:
    root.path.mkdir()
    (root.path / "templates").symlink_to("templates")
    (root.path / "unit").symlink_to("unit")
    with pytest.raises(MasError, match="symbolic link"):
        find_template(None, root)


# --- listing ---


def test_templates_are_listed_in_the_order_they_are_found(root: Root) -> None:
    make_template(root, "zebra")
    make_template(root, "solo")
    make_template(root, "broken", "x = ")
    (root.path / "templates/system/agents").mkdir(parents=True)
    (root.path / "templates/index.json").touch()
    make_units(root, "00")
    listed = {one.name: one for one in list_templates(root)}
    assert list(listed) == ["broken", "solo", "zebra", "project", "default", "pair", "squad"]
    assert listed["broken"].team is None
    assert "is not TOML" in listed["broken"].problem
    solo, pair = listed["solo"].team, listed["pair"].team
    assert solo
    assert pair
    assert (len(solo.agents), len(pair.agents)) == (2, 2)


def test_only_the_shipped_ones_are_listed_in_a_new_root(root: Root) -> None:
    assert [one.name for one in list_templates(root)] == ["default", "pair", "solo", "squad"]


# --- building ---


def test_a_workspace_has_a_directory_for_exactly_the_teams_agents(root: Root, target: SessionPaths) -> None:
    make_template(root, "mine")
    (root.path / "templates/mine/unit/99").mkdir()
    template = find_template("mine", root)
    build(template, template.team, target)
    assert sorted(path.name for path in target.unit.iterdir()) == ["10", "11"]
    assert (target.unit / "11/AGENTS.md").read_text() == "eleven"
    assert (target.unit / "10" / guides.COPY).read_text() == "how we work"
    assert sorted(path.name for path in target.directory.iterdir()) == ["logs", "unit", "workflows"]


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_modes_are_the_templates_whatever_the_umask(root: Root, target: SessionPaths, umask: int) -> None:
    path = make_template(root, "mine")
    (path / "workflows").chmod(0o750)
    (path / "unit/11/AGENTS.md").chmod(0o640)
    template = find_template("mine", root)
    before = os.umask(umask)
    try:
        build(template, template.team, target)
    finally:
        os.umask(before)
    assert mode_of(target.workflows) == 0o750
    assert mode_of(target.unit) == mode_of(target.unit / "10") == mode_of(target.unit / "11") == 0o755
    assert mode_of(target.unit / "11/AGENTS.md") == 0o640
    assert mode_of(target.logs) == 0o700


def test_a_team_file_alone_is_a_template(root: Root, target: SessionPaths) -> None:
    (root.path / "templates/bare").mkdir(parents=True)
    (root.path / "templates/bare/team.toml").write_text('name = "bare"\n' + TEAM)
    template = find_template("bare", root)
    build(template, template.team, target)
    assert sorted(str(path.relative_to(target.directory)) for path in target.directory.rglob("*")) == [
        "logs",
        "unit",
        "unit/10",
        "unit/11",
        "workflows",
    ]


def test_a_place_that_is_not_there_is_named(root: Root, tmp_path: Path) -> None:
    (root.path / "templates/bare").mkdir(parents=True)
    (root.path / "templates/bare/team.toml").write_text('name = "bare"\n' + TEAM)
    template = find_template("bare", root)
    with pytest.raises(MasError, match=r"cannot write .*missing/workflows': no such file or directory"):
        build(template, template.team, SessionPaths(tmp_path / "missing"))


def test_a_configured_team_is_built_like_its_template(root: Root, target: SessionPaths) -> None:
    template = find_template("pair", root)
    team = apply_config(template.team, {"metaManager": {"id": "10", "prompt": "Begin", "name": "Anna"}})
    build(template, team, target)
    assert sorted(path.name for path in target.unit.iterdir()) == ["10", "11"]


@pytest.mark.parametrize("name", ["unit", "workflows", "logs"])
def test_what_is_there_already_is_refused_and_left_alone(root: Root, target: SessionPaths, name: str) -> None:
    (target.directory / name).symlink_to("nowhere")
    template = find_template("solo", root)
    with pytest.raises(ExistsError, match=name):
        build(template, template.team, target)
    assert [path.name for path in target.directory.iterdir()] == [name]


def test_a_template_that_changed_meanwhile_leaves_nothing(root: Root, target: SessionPaths) -> None:
    path = make_template(root, "mine")
    template = find_template("mine", root)
    (path / "unit/11/AGENTS.md").unlink()
    with pytest.raises(MasError, match="changed while it was copied"):
        build(template, template.team, target)
    assert list(target.directory.iterdir()) == []


def test_a_write_that_fails_names_the_file_and_leaves_nothing(root: Root, target: SessionPaths) -> None:
    path = make_template(root, "mine")
    (path / "workflows/10-11_both.md").write_bytes(b"x" * 5000)
    template = find_template("mine", root)
    shutil.rmtree(path / "unit")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(MasError, match="file too large"):
            build(template, template.team, target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(target.directory.iterdir()) == []


# --- a project's own directories ---


def test_a_project_is_laid_out_from_a_template_and_used_as_one(root: Root, target: SessionPaths) -> None:
    root.path.mkdir()
    assert lay_out(find_template("squad", root), root) == ("workflows", "unit", "team.toml")
    template = find_template(None, root)
    assert template.name == "project"
    assert template.team == find_template("squad", root).team
    build(template, template.team, target)
    assert (target.unit / "11" / guides.COPY).read_bytes() == (root.path / "unit/11" / guides.COPY).read_bytes()


def test_laying_out_never_overwrites(root: Root) -> None:
    make_units(root, "00")
    (root.path / "unit/00/mine").write_text("kept")
    assert lay_out(find_template("pair", root), root) == ()
    shutil.rmtree(root.path / "workflows")
    assert lay_out(find_template("pair", root), root) == ("workflows",)
    assert [path.name for path in (root.path / "unit").iterdir()] == ["00"]
    (root.path / "team.toml").write_text("mine")
    shutil.rmtree(root.path / "unit")
    assert lay_out(find_template("pair", root), root) == ("unit",)
    assert (root.path / "team.toml").read_text() == "mine"


def test_a_template_without_a_team_file_lays_out_none(root: Root) -> None:
    make_template(root, "plain", team="")
    assert lay_out(find_template("plain", root), root) == ("workflows", "unit")


def test_a_failed_layout_leaves_nothing(root: Root) -> None:
    path = make_template(root, "mine")
    template = find_template("mine", root)
    (path / "team.toml").unlink()
    (path / "team.toml").mkdir()
    (path / "unit/11/AGENTS.md").unlink()
    with pytest.raises(MasError):
        lay_out(template, root)
    assert [path.name for path in root.path.iterdir()] == ["templates"]


# --- what panes are offered ---


def test_panes_find_mas_in_a_directory_that_holds_nothing_else(root: Root, tmp_path: Path) -> None:
    paths = root.session("11111111-2222-4333-8444-555555555555")
    paths.directory.mkdir(parents=True)
    program = tmp_path / "environment" / "bin" / "mas"
    program.parent.mkdir(parents=True)
    program.touch()
    for _ in range(2):
        workspace.offer_program(paths, program)
        assert [*(paths.directory / "bin").iterdir()] == [paths.directory / "bin" / "mas"]
        assert (paths.directory / "bin" / "mas").resolve() == program
    moved = program.rename(tmp_path / "mas")
    workspace.offer_program(paths, moved)
    assert (paths.directory / "bin" / "mas").resolve() == moved
    workspace.offer_program(paths, None)


def test_panes_find_mas_where_its_environment_was_made_again(root: Root, tmp_path: Path) -> None:
    offers = []
    for number in "12":
        offers.append(root.session(f"{number}1111111-2222-4333-8444-555555555555"))
        offers[-1].directory.mkdir(parents=True)
        offers[-1].shell.touch()
        (tmp_path / number).mkdir()
        (tmp_path / number / "mas").write_text(number)
    (tmp_path / "current").symlink_to("1")
    workspace.offer_program(offers[0], tmp_path / "current" / "mas")
    workspace.offer_program(offers[1], offers[0].directory / "bin" / "mas")
    (tmp_path / "current").unlink()
    (tmp_path / "current").symlink_to("2")
    shutil.rmtree(tmp_path / "1")
    shutil.rmtree(offers[0].directory)
    assert (offers[1].directory / "bin" / "mas").read_text() == "2"


def test_what_stands_in_place_of_a_sessions_link_is_offered_as_it_is(root: Root) -> None:
    """An agent may have put its own program there."""
    one, other = (root.session(f"{number}1111111-2222-4333-8444-555555555555") for number in "12")
    for paths in (one, other):
        paths.directory.mkdir(parents=True)
        paths.shell.touch()
    own = one.directory / "bin" / "mas"
    own.parent.mkdir()
    own.write_text("own")
    workspace.offer_program(other, own)
    assert (other.directory / "bin" / "mas").read_text() == "own"


def test_panes_are_offered_nothing_through_a_link(root: Root, tmp_path: Path) -> None:
    paths = root.session("11111111-2222-4333-8444-555555555555")
    paths.directory.mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (paths.directory / "bin").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "mas").touch()
    with pytest.raises(RefusedError, match="bin' is a link") as refused:
        workspace.offer_program(paths, tmp_path / "elsewhere" / "mas")
    assert refused.value.hint == "mas follows no links in a workspace; move it away"
    assert not (tmp_path / "elsewhere" / "mas").is_symlink()
