"""Agent profiles: what is built in, what files may say, which one is chosen and what it runs."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas import profiles
from mas.agents import SURE, Signs, asks, classify, ready
from mas.definitions import Profile
from mas.errors import MasError, MissingProgramError, NotFoundError, RefusedError, UsageError
from mas.paths import Root
from mas.profiles import argv, choose, from_dict, load
from mas.team import Agent

ID = "0f0f0f0f-0000-4000-8000-000000000000"
AGENT = Agent("11", "UI Designer", model="sonnet")
DANGEROUS = (
    "skip-permissions",
    "yolo",
    "bypass",
    "full-auto",
    "yes-always",
    "never",
    "dangerously",
    "--auto",
    "approval",
)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's file of profiles."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "config/mas").mkdir(parents=True)
    return tmp_path / "config/mas/profiles.toml"


@pytest.fixture
def project(root: Root) -> Path:
    """The project's file of profiles."""
    root.path.mkdir()
    return root.path / "profiles.toml"


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A directory for programs, alone on PATH."""
    directory = tmp_path / "programs"
    directory.mkdir()
    return directory


def install(directory: Path, *names: str) -> dict[str, str]:
    for name in names:
        (directory / name).write_text("#!/bin/sh\n")
        (directory / name).chmod(0o755)
    return {"PATH": str(directory)}


def words(profile: Profile, agent: Agent = AGENT, *, resume: bool = False) -> list[str]:
    return list(argv(profile, agent, "design", ID, resume=resume))


# --- what is built in ---


def test_the_built_in_profiles(root: Root) -> None:
    assert list(load(root, {})) == ["claude", "codex", "gemini", "aider", "opencode", "shell"]


def test_no_built_in_profile_switches_off_permission_checks(root: Root) -> None:
    for profile in load(root, {}).values():
        for word in (*profile.command, *profile.resume, *profile.env):
            assert not any(danger in word for danger in DANGEROUS)


@pytest.mark.parametrize(
    ("name", "started", "resumed"),
    [
        ("claude", "claude --model sonnet", "claude --continue --model sonnet"),
        ("codex", "codex", "codex resume --last"),
        ("gemini", "gemini", "gemini --resume latest"),
        ("aider", "aider --model sonnet", "aider --restore-chat-history --model sonnet"),
        ("opencode", "opencode", "opencode --continue"),
        ("shell", "/bin/sh", "/bin/sh"),
    ],
)
def test_what_a_built_in_profile_runs(root: Root, name: str, started: str, resumed: str) -> None:
    profile = load(root, {})[name]
    assert " ".join(words(profile)) == started
    assert " ".join(words(profile, resume=True)) == resumed


def test_a_model_that_is_the_programs_own_reaches_it(root: Root) -> None:
    assert words(load(root, {})["codex"], Agent("11", "A", model="gpt-5.1")) == ["codex", "--model", "gpt-5.1"]


def test_the_shell_is_the_users(root: Root) -> None:
    assert load(root, {"SHELL": "/bin/bash"})["shell"].command == ("/bin/bash",)
    for shell in ("", "bash", "/nowhere/fish"):
        assert load(root, {"SHELL": shell})["shell"].command == ("/bin/sh",)


def screen_of(text: str) -> str:
    """A screen in which the marks of claude and codex stand as @ and ^."""
    return text.replace("@", "\u276f").replace("^", "\u203a")


ASKING = {
    "in a box": ("claude", "│ Do you want to proceed? │\n│ @ 1. Yes          │\n│   2. No  │\n╰───╯\n\n\n"),
    "without": ("claude", "Proceed?\n @ 1. Yes\n   2. No, and say\n      why\n\n Esc to cancel\n"),
    "the last is chosen": ("claude", "Proceed?\n   1. Yes\n   2. Yes, and\n      always\n > 3. No\n"),
    "codex": ("codex", "$ make\n\n^ 1. Yes, proceed (y)\n  2. No (esc)\n\n  Press enter to confirm\n"),
    "gemini": ("gemini", "│ ● 1. Allow once │\n│   2. Allow always │\n│ 3. No (esc) │\n╰──╯\n Waiting for user\n"),
    "aider": ("aider", "Run it? (Y)es/(N)o [Yes]: \n\n"),
    "opencode": ("opencode", "  ┃  △ Permission required\n  ┃    # make\n\n  Allow once   Reject\n"),
}


@pytest.mark.parametrize(("name", "screen"), ASKING.values(), ids=ASKING)
def test_the_patterns_of_built_in_profiles_find_a_question(root: Root, name: str, screen: str) -> None:
    assert asks(screen_of(screen), load(root, {})[name])


NOT_ASKING = {
    "a list that was told": ("claude", "● 1. Created the file\n  2. Ran the tests\n\n@ \n"),
    "an answer that begins with a number": ("claude", "● 1. Created the file\n\n───\n> \n"),
    "what a person wrote": ("claude", "> 3. do it\n\n● Doing it.\n\n───\n@ \n───\n"),
    "a list that a person wrote": ("claude", "@ 1. do it\n  2. test it\n\n● Doing it.\n\n───\n@ \n"),
    "a line that a person types": ("claude", "● Which?\n\n───\n> 3. do it\n───\n  ? for shortcuts\n"),
    "a menu further up": ("codex", "^ 1. Yes\n  2. No\n" + "output\n" * 20),
    "a list in codex": ("codex", "^ 1. do it\n  2. test it\n\n• Done.\n\n^ Ask for anything\n"),
    "a told list in gemini": ("gemini", "✦ 1. Created the file\n  2. Ran the tests\n\n│ > Type your message │\n"),
    "what was answered": ("aider", "Run it? (Y)es/(N)o [Yes]: y\n\n> \n"),
    "what somebody says": ("opencode", "  ┃  The answer was: Permission required by the server\n"),
    "what was said before": ("opencode", "Permission required\n" + "output\n" * 25),
}


@pytest.mark.parametrize(("name", "screen"), NOT_ASKING.values(), ids=NOT_ASKING)
def test_an_ordinary_screen_is_no_question(root: Root, name: str, screen: str) -> None:
    assert not asks(screen_of(screen), load(root, {})[name])


STATES = {
    "claude works": ("claude", "@ do it\n\n✻ Thinking…\n\n───\n@ \n───\n  esc to interrupt\n", "running"),
    "an older claude works": (
        "claude",
        "✻ Thinking… (4s · esc to interrupt)\n\n───\n> \n───\n  ? for shortcuts\n",
        "running",
    ),
    "claude is done": ("claude", "@ what does esc to interrupt do?\n" + "● It…\n" * 12 + "───\n@ \n───\n", "idle"),
    "codex works": (
        "codex",
        "• Working (0s • esc to interrupt)\n\n\n^ Ask\n\n  model · /tmp\n  ? for shortcuts\n",
        "running",
    ),
    "codex is done": ("codex", "• Done.\n\n^ Ask\n\n  model · /tmp\n  ? for shortcuts\n", "idle"),
    "gemini works": (
        "gemini",
        " ⠹ Thinking... (esc to cancel, 52s)\n >   Type your message or @path\n dir\n",
        "running",
    ),
    "gemini is done": ("gemini", "✦ Done.\n >   Type your message or @path\n dir\n", "idle"),
    "aider works": ("aider", "> do it\n\n █░        Waiting for a-model\n", "running"),
    "aider is done": ("aider", "Tokens: 585 sent, 11 received.\narchitect> \n\n", "idle"),
    "opencode works": ("opencode", "  ⬝⬝■■  esc interrupt\n", "running"),
}


@pytest.mark.parametrize(("name", "screen", "state"), STATES.values(), ids=STATES)
def test_what_a_program_shows_while_it_works_and_when_it_is_done(
    root: Root, name: str, screen: str, state: str
) -> None:
    """By its screen alone: it stands still between two looks, and nobody sees how its terminal is set."""
    shown = screen_of(screen)
    assert classify(Signs(there=True, screen=shown, before=shown), load(root, {})[name]).state == state


@pytest.mark.parametrize(
    ("name", "screen", "wanted"),
    [
        ("codex", "  >_ Codex\n\n^ Ask Codex to do anything\n\n  ? for shortcuts\n\n", False),
        ("codex", "  >_ Codex\n\n^ Ask Codex to do anything\n\n  model · /tmp\n  ? for shortcuts\n\n", True),
        ("codex", "^ Ask Codex to do anything\n\n  ← for agents · ? for shortcuts\n", True),
        ("aider", "Aider v0.86.2\nModel: a-model\n", False),
        ("aider", "Aider v0.86.2\nModel: a-model\n───\n> \n\n", True),
    ],
)
def test_a_program_reads_once_it_shows_that(root: Root, name: str, screen: str, wanted: bool) -> None:  # noqa: FBT001
    assert ready(Signs(there=True, screen=screen_of(screen), rests=SURE, keys=True), load(root, {})[name]) is wanted


# --- files ---


def test_a_users_own_profile(root: Root, config: Path) -> None:
    config.write_text(
        "[profile.mine]\n"
        "command = \"my-agent --say 'two words' --model={model}\"\n"
        'resume = ["my-agent", "--again"]\n'
        'env = { MY_MODE = "quiet" }\n'
        'models = { opus = "large", sonnet = "" }\n'
        'kind = "agent"\n'
        "ready = '^> $'\n"
        "waiting = 'y/n'\n"
        "busy = 'working'\n"
        "idle = 'done'\n"
        "menus = 'arrows'\n"
        "enter_delay = 1\n"
    )
    profile = load(root, {})["mine"]
    assert words(profile) == ["my-agent", "--say", "two words"]
    assert words(profile, Agent("00", "A", model="opus")) == ["my-agent", "--say", "two words", "--model=large"]
    assert words(profile, resume=True) == ["my-agent", "--again"]
    assert (profile.env, profile.enter_delay, profile.ready) == ({"MY_MODE": "quiet"}, 1.0, "^> $")
    assert (profile.busy, profile.menus) == ("working", "arrows")
    assert profile.source == f"'{config}'"


def test_the_project_comes_after_the_user_and_replaces_whole_profiles(root: Root, config: Path, project: Path) -> None:
    config.write_text('[profile.a]\ncommand = "user-a"\nidle = "x"\n[profile.b]\ncommand = "user-b"\n')
    project.write_text('[profile.a]\ncommand = "project-a"\n[profile.claude]\ncommand = "other"\n')
    found = load(root, {})
    assert (found["a"].command, found["a"].idle) == (("project-a",), "")
    assert found["b"].command == ("user-b",)
    assert found["claude"].command == ("other",)


def test_a_path_is_meant_from_the_file_that_names_it(
    root: Root, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    project.write_text(
        '[profile.a]\ncommand = ["tools/../bin/agent", "./x"]\nresume = "./agent"\n'
        '[profile.b]\ncommand = "~/bin/agent"\n'
    )
    found = load(root, {})
    assert found["a"].command == (str(root.path / "bin/agent"), "./x")
    assert found["a"].resume == (str(root.path / "agent"),)
    assert found["b"].command == ("/home/somebody/bin/agent",)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[profile.x", "is not TOML"),
        ("x = " + "[" * 5000, "is not TOML"),
        ("[profiles.x]\ncommand = 'x'", "unknown key 'profiles'"),
        ("profile = 5", "profile is 5"),
        ("[profile.X]\ncommand = 'x'", "not a name for a profile: 'X'"),
        ("[profile.'../x']\ncommand = 'x'", r"not a name for a profile"),
        ("[profile]\nx = 'claude'", r"profile\.x is 'claude', expected a table"),
        ("[profile.x]", r"profile\.x\.command is None, expected a command line"),
        (
            "[profile.x]\ncommand = 'x'\ncolour = 'red'",
            r"profile\.x\.colour is 'red', expected one of the keys busy, command,",
        ),
    ],
)
def test_a_wrong_file_names_itself_and_the_key(root: Root, project: Path, text: str, complaint: str) -> None:
    project.write_text(text)
    with pytest.raises(RefusedError, match=rf"profiles\.toml'.*{complaint}") as caught:
        load(root, {})
    assert caught.value.hint
    assert "\n" not in caught.value.message


def test_a_file_that_is_no_text_is_refused(root: Root, project: Path) -> None:
    project.write_bytes(b"\xff")
    with pytest.raises(RefusedError, match="is not TOML"):
        load(root, {})


def test_a_pipe_in_place_of_the_file_is_refused_without_waiting(root: Root, project: Path) -> None:
    os.mkfifo(project)
    with pytest.raises(MasError, match="a named pipe"):
        load(root, {})


def test_a_linked_file_is_read(root: Root, config: Path, tmp_path: Path) -> None:
    (tmp_path / "dotfiles").write_text("[profile.x]\ncommand = 'x'\n")
    config.symlink_to(tmp_path / "dotfiles")
    assert "x" in load(root, {})


# --- being kept with a session ---


def test_a_profile_survives_being_stored(root: Root, config: Path) -> None:
    config.write_text("[profile.x]\ncommand = 'x {model}'\nenv = { A = 'b' }\nenter_delay = 0.5\n")
    for profile in load(root, {}).values():
        assert from_dict(json.loads(json.dumps(profile.to_dict()))) == profile


@pytest.mark.parametrize("change", [{"command": []}, {"command": None}, {"kind": 5}, {"extra": 1}, {"env": {"": "x"}}])
def test_a_stored_profile_that_is_none_is_refused(root: Root, change: dict[str, object]) -> None:
    with pytest.raises(RefusedError):
        from_dict(load(root, {})["claude"].to_dict() | change)


# --- choosing ---


def test_claude_where_it_is_on_path(root: Root, programs: Path) -> None:
    choice = choose(None, None, load(root, {}), install(programs, "claude", "codex"))
    assert choice.profile.name == "claude"
    assert "found on PATH" in choice.reason


def test_shells_where_no_agent_is_installed(root: Root, programs: Path) -> None:
    choice = choose(None, None, load(root, {}), install(programs))
    assert (choice.profile.name, choice.profile.kind) == ("shell", "shell")
    assert choice.reason == "no agent program found on PATH, the team comes up as shells"


def test_a_profile_by_name(root: Root, programs: Path) -> None:
    choice = choose("codex", None, load(root, {}), install(programs, "claude", "codex"))
    assert choice.profile.name == "codex"
    assert choice.reason == "codex, chosen by name"


def test_the_projects_setting_gives_way_to_a_name(root: Root, programs: Path) -> None:
    environ = install(programs, "claude", "codex", "aider")
    assert choose(None, None, load(root, {}), environ, "aider").reason == "aider, the project's setting"
    assert choose("codex", None, load(root, {}), environ, "aider").profile.name == "codex"


def test_the_reason_says_which_file_defines_the_program(root: Root, project: Path, programs: Path) -> None:
    project.write_text("[profile.claude]\ncommand = 'claude --dangerously-skip-permissions'\n")
    found = load(root, {})
    for name in ("claude", None):
        assert str(project) in choose(name, None, found, install(programs, "claude")).reason


def test_a_command_line_is_split_and_run_by_no_shell(root: Root, programs: Path) -> None:
    environ = install(programs, "my-agent")
    choice = choose(None, "my-agent --title 'a; b' $HOME {agent_id}", load(root, {}), environ)
    assert words(choice.profile) == ["my-agent", "--title", "a; b", "$HOME", "11"]


def test_a_command_line_with_a_full_path(root: Root, programs: Path) -> None:
    install(programs, "my agent")
    choice = choose(None, f"'{programs}/my agent' -x", load(root, {}), {"PATH": ""})
    assert choice.profile.command == (f"{programs}/my agent", "-x")


@pytest.mark.parametrize(
    ("name", "command", "error", "message"),
    [
        ("claude", "claude", UsageError, "both an agent profile and a command"),
        (None, "", UsageError, "the command line is empty"),
        (None, "  ", UsageError, "the command line is empty"),
        (None, "''", UsageError, "the command line is empty"),
        (None, "it's", UsageError, "No closing quotation"),
        (None, "./agent", RefusedError, "has no full path"),
        (None, "missing-agent --x", MissingProgramError, "'missing-agent' is not there, or not on PATH"),
        (None, "/missing/agent", MissingProgramError, "'/missing/agent' is not there"),
        ("codex", None, MissingProgramError, "'codex' is not there, or not on PATH"),
        ("clod", None, NotFoundError, "no agent profile 'clod'"),
    ],
)
def test_what_cannot_be_run_is_refused(
    root: Root, programs: Path, name: str | None, command: str | None, error: type[MasError], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        choose(name, command, load(root, {}), install(programs))
    assert caught.value.hint


def test_a_file_that_is_not_executable_is_no_program(programs: Path) -> None:
    (programs / "claude").touch(mode=0o644)
    assert not profiles.is_program("claude", {"PATH": str(programs)})


def test_a_program_is_looked_for_where_path_says_and_nowhere_else(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(programs, "here")
    (programs / "directory").mkdir()
    monkeypatch.chdir(programs)
    for path in ("", "/nowhere"):
        assert not profiles.is_program("here", {"PATH": path})
    assert profiles.is_program("here", {"PATH": f"/nowhere:{programs}"})
    assert profiles.is_program("sh", {})
    assert not profiles.is_program("directory", {"PATH": str(programs)})
    assert not profiles.is_program(str(programs), {})


# --- argument lists ---


def test_every_placeholder_is_filled_once_and_as_it_is() -> None:
    profile = Profile("x", ("x", "{agent_id}:{agent_name}:{unit}:{session_id}:{model}", "{{unit}}", "{}", "{prompt}"))
    agent = Agent("11", "{unit} $(x) 'y'", model="m")
    assert words(profile, agent) == ["x", f"11:{{unit}} $(x) 'y':design:{ID}:m", "{design}", "{}", "{prompt}"]


@given(text=st.text(st.sampled_from("{}agent_idmoel%s0 "), max_size=30))
def test_text_in_braces_that_is_no_placeholder_stays(text: str) -> None:
    if not any(f"{{{name}}}" in text for name in profiles.PLACEHOLDERS):
        assert words(Profile("x", ("x", text))) == ["x", text]


@pytest.mark.parametrize(
    ("command", "left"),
    [
        (("x", "--model", "{model}", "y"), ["x", "y"]),
        (("x", "-m", "{model}"), ["x"]),
        (("x", "--model={model}", "y"), ["x", "y"]),
        (("x", "-v", "--model={model}"), ["x", "-v"]),
        (("x", "say", "{model}"), ["x", "say"]),
        (("x", "a{model}b"), ["x", "ab"]),
        (("-x", "{model}"), ["-x"]),
        (("x", "--model", "{model}", "--other", "{model}"), ["x"]),
    ],
)
def test_a_placeholder_without_a_value_goes_with_its_option(command: tuple[str, ...], left: list[str]) -> None:
    assert words(Profile("x", command, models={"sonnet": ""})) == left


def test_a_name_that_looks_like_an_option_is_refused() -> None:
    agent = Agent("11", "--dangerously-skip-permissions")
    with pytest.raises(RefusedError, match="would be taken for an option of claude"):
        words(Profile("x", ("claude", "{agent_name}")), agent)
    assert words(Profile("x", ("claude", "--name={agent_name}")), agent)[1] == f"--name={agent.name}"
