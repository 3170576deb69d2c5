"""Every shipped template: it parses, its guides are there, and what they tell an agent to type can be typed."""

import json
import re
from pathlib import Path

import pytest

from mas import guides, workspace
from mas.environment import Place, agent_environment, session_environment
from mas.events import from_data
from mas.paths import Root, SessionPaths, shipped
from mas.workspace import Template

NAMES = ("default", "pair", "solo", "squad")

VERBS = set(
    "init start list show status attach send logs capture messages stop resume adopt pause unpause complete fail retry "
    "record progress rm clean env path wait events checkpoint session templates agents doctor migrate serve token "
    "version restart-agent".split()
)

DEFAULT_AGENTS = {
    "00": ("Meta Manager", "opus", "meta"),
    "10": ("Design Manager", "opus", "design"),
    "11": ("UI Designer", "sonnet", "design"),
    "12": ("UX Designer", "sonnet", "design"),
    "13": ("Visual Designer", "sonnet", "design"),
    "20": ("Development Manager", "opus", "development"),
    "21": ("Frontend Developer", "sonnet", "development"),
    "22": ("Backend Developer", "sonnet", "development"),
    "23": ("DevOps", "sonnet", "development"),
    "30": ("Business Manager", "opus", "business"),
    "31": ("Accounting", "sonnet", "business"),
    "32": ("Strategy", "sonnet", "business"),
    "33": ("Analytics", "sonnet", "business"),
}

NAMED_AGENT = re.compile(
    r"\bagents? (\d\d)\b|mas send (\d\d)\b|mas send \d\d (\d\d)\b|--agent (\d\d)\b"
    r"|_DIR/(\d\d)\b|^\| (\d\d) \||\((\d\d)\)",
    re.MULTILINE,
)
COMMAND = re.compile(r"(?:^|`)mas ([a-z-]+)", re.MULTILINE)
VARIABLE = re.compile(r"\$\{?([A-Z][A-Z_]+)")


@pytest.fixture(params=NAMES)
def template(request: pytest.FixtureRequest, root: Root) -> Template:
    return workspace.find_template(request.param, root)


def texts(template: Template) -> dict[str, str]:
    files = (path for path in template.path.rglob("*.md"))
    return {str(path.relative_to(template.path)): path.read_text(encoding="utf-8") for path in files}


def test_these_templates_are_shipped() -> None:
    assert sorted(path.name for path in shipped("templates").iterdir()) == list(NAMES)


def test_the_default_team_is_the_one_callers_know(root: Root) -> None:
    team = workspace.find_template(None, root).team
    agents = {one.id: (one.name, one.model, unit.name) for unit in team.units for one in unit.agents}
    assert agents == DEFAULT_AGENTS
    assert [unit.name for unit in team.units] == ["meta", "design", "development", "business"]
    assert {unit.layout for unit in team.units} == {"tiled"}


@pytest.mark.parametrize(
    ("target", "ids"),
    [
        ("all", tuple(DEFAULT_AGENTS)),
        ("managers", ("00", "10", "20", "30")),
        ("workers", ("11", "12", "13", "21", "22", "23", "31", "32", "33")),
        ("meta-manager", ("00",)),
        ("unit1", ("10", "11", "12", "13")),
        ("window1", ("10", "11", "12", "13")),
        ("dev", ("20", "21", "22", "23")),
        ("unit2", ("20", "21", "22", "23")),
        ("unit3", ("30", "31", "32", "33")),
        ("3", ("30", "31", "32", "33")),
    ],
)
def test_targets_that_callers_use(root: Root, target: str, ids: tuple[str, ...]) -> None:
    assert workspace.find_template("default", root).team.expand(target) == ids


def may(sender: str, receiver: str) -> bool:
    """The rule in words: along the hierarchy, and within a unit."""
    managers = ("10", "20", "30")
    if "00" in (sender, receiver):
        return sender in managers or receiver in managers
    return sender[0] == receiver[0] and sender != receiver


def test_the_default_talk_rules_follow_the_hierarchy(root: Root) -> None:
    team = workspace.find_template("default", root).team
    for sender in team.ids:
        for receiver in team.ids:
            assert team.may_talk(sender, receiver) == may(sender, receiver), (sender, receiver)


@pytest.mark.parametrize(("name", "sizes"), [("solo", [1]), ("pair", [2]), ("squad", [4]), ("default", [1, 4, 4, 4])])
def test_units_have_their_size(root: Root, name: str, sizes: list[int]) -> None:
    template = workspace.find_template(name, root)
    assert [len(unit.agents) for unit in template.team.units] == sizes
    assert template.team.name == name
    assert template.team.description


def test_every_agent_has_a_directory_with_its_guide_and_nobody_else_has_one(template: Template) -> None:
    assert sorted(path.name for path in (template.path / "unit").iterdir()) == sorted(template.team.ids)
    for agent in template.team.agents:
        directory = template.path / "unit" / agent.id
        assert (directory / "CLAUDE.md").read_text(encoding="utf-8") == "@AGENTS.md\n"
        assert (directory / "README.md").read_text(encoding="utf-8").startswith(f"# {agent.id}: {agent.name}\n")
        guide = (directory / "AGENTS.md").read_text(encoding="utf-8")
        assert guide.startswith(f"# {agent.name} (agent {agent.id})\n")
        assert guide.count("## Done means") == 1


def test_every_agent_gets_a_guide_of_its_workflow(template: Template, tmp_path: Path) -> None:
    workspace.build(template, template.team, SessionPaths(tmp_path))
    for agent in template.team.agents:
        text = (tmp_path / "unit" / agent.id / guides.COPY).read_text(encoding="utf-8")
        assert text.startswith("# How work flows")
        common = tmp_path / "unit" / agent.id / guides.COMMON_COPY
        assert common.exists() == (agent.role == "worker" and len(template.team.agents) > 2)
        assert common.exists() == (guides.COMMON_COPY in (common.parent / "README.md").read_text(encoding="utf-8"))


def test_every_workflow_guide_is_somebodys(template: Template) -> None:
    names = [path.name for path in (template.path / "workflows").iterdir()]
    used = {name for agent in template.team.agents for name, _ in guides.guides_of(agent, names)}
    assert used == set(names)


def test_guides_name_only_agents_of_their_team(template: Template) -> None:
    for place, text in texts(template).items():
        named = {agent_id for found in NAMED_AGENT.finditer(text) for agent_id in found.groups() if agent_id}
        assert named <= set(template.team.ids), place


def test_tables_call_agents_by_their_names(template: Template) -> None:
    rows = re.compile(r"^\| (\d\d) \| ([^|]+) \|", re.MULTILINE)
    for place, text in texts(template).items():
        if place.endswith("AGENTS.md"):
            for agent_id, name in rows.findall(text):
                assert name == template.team.agent(agent_id).name, place


def test_guides_let_everybody_write_to_whom_they_may(template: Template) -> None:
    for agent in template.team.agents:
        text = texts(template)[f"unit/{agent.id}/AGENTS.md"]
        listed = re.findall(r"^\| (\d\d) \|", text, re.MULTILINE)
        assert listed == [other for other in template.team.ids if template.team.may_talk(agent.id, other)]
        for sender, receiver in re.findall(r"^mas send (\d\d) (\d\d) \"[^\"]+\"$", text, re.MULTILINE):
            assert sender == agent.id
            assert template.team.may_talk(sender, receiver)


def test_commands_in_guides_exist(template: Template) -> None:
    found = {verb for text in texts(template).values() for verb in COMMAND.findall(text)}
    assert found <= VERBS
    assert {"messages", "record", "progress"} <= found


def test_events_in_guides_exist(template: Template) -> None:

    events = re.compile(
        r"^mas record \"\$MAS_SESSION_ID\" (\w+)(?: --number (\d+))?(?: --data '([^']*)')?", re.MULTILINE
    )
    for place, text in texts(template).items():
        for word, number, data in events.findall(text):
            from_data(word, {**json.loads(data or "{}"), **({"number": int(number)} if number else {})})
        assert text.count("mas record") - text.count("`mas record`") == len(events.findall(text)), place


def test_variables_in_guides_are_set(template: Template, root: Root) -> None:
    place = Place("0" * 8 + "-0000-4000-8000-" + "0" * 12, "mas-00000000", root, "isolated")
    agent = template.team.agents[0]
    known = session_environment(place, {}) | agent_environment(place, agent, "unit")
    for name, text in texts(template).items():
        assert set(VARIABLE.findall(text)) <= set(known), name


def test_a_template_is_small_and_plain(template: Template) -> None:
    files = [path for path in template.path.rglob("*") if path.is_file()]
    assert len(files) < 100
    for path in files:
        assert path.stat().st_size < 10_000
        assert not path.stat().st_mode & 0o111
        assert path.suffix in {".md", ".toml"}
