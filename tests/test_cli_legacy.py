"""The command line in a project's own directories: what people and scripts of the earlier programs type and read."""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import projects
import pytest
import roots
from commandline import AGENT, Done, environment, fingerprint, mas, ok
from terminal import Terminal

from mas import notes
from mas.paths import Root

Wait = Callable[..., None]
NOTHING_UP = "Session: mas-shop\nStatus: stopped\nHTTP Server: stopped\n"


@pytest.fixture
def shop(root: Root, tmux_socket: Path) -> Path:
    """The directory of a project with a team of two."""
    del tmux_socket
    root.path.mkdir()
    ok("init", "--template", "pair", "--name", "shop", cwd=root.path)
    return root.path


@pytest.fixture
def terminal(tmux_socket: Path, shop: Path, wait_until: Wait) -> Iterator[Terminal]:
    """A terminal in the project."""
    given = {**environment(None, {"TERM": "screen-256color", "NO_COLOR": ""})}
    opened = Terminal(tmux_socket.parent, given, wait_until)
    opened.run(f"cd '{shop}' && echo here")
    yield opened
    opened.close()


def start(shop: Path, *words: str, env: Mapping[str, str] | None = None) -> Done:
    return ok("start", *AGENT, *words, cwd=shop, env=env)


# --- init ---


def test_init_says_what_it_made_and_what_was_there(root: Root) -> None:
    root.path.mkdir()
    done = ok("init", "--template", "pair", cwd=root.path)
    assert done.out == f"Project: {root.path}\nMade: .masrc, workflows, unit, team.toml, sessions\n"
    assert done.err == "`mas start` brings its team up as mas-a-root, `mas start --isolated` one in a workspace\n"
    before = fingerprint(root.path)
    assert ok("init", cwd=root.path).out == f"Project: {root.path}\nKept: .masrc, unit, workflows, sessions\n"
    told = ok("init", "--json", cwd=root.path).json
    kept = [".masrc", "unit", "workflows", "sessions"]
    assert told == {"root": str(root.path), "made": [], "kept": kept, "tmuxSession": "mas-a-root"}
    assert fingerprint(root.path) == before


def test_init_is_about_the_working_directory_unless_another_is_named(shop: Path, tmp_path: Path) -> None:
    (shop / "part").mkdir()
    ok("init", "--template", "solo", cwd=shop / "part")
    assert (shop / "part" / ".masrc").is_file()
    for given in (("--root", tmp_path / "one"), ()):
        env = {} if given else {"MAS_ROOT": str(tmp_path / "two")}
        ok("init", "--template", "solo", *given, cwd=shop, env=env)
    assert [(tmp_path / name / "unit" / "00").is_dir() for name in ("one", "two")] == [True, True]


def test_init_makes_no_project_of_a_place_for_records(shop: Path) -> None:
    done = mas("init", "--repo", ".", cwd=shop)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("mas: mas init needs a team, and --repo names a place that keeps records only")


# --- start ---


@pytest.mark.parametrize("words", [(), ("--legacy",)])
def test_a_start_is_in_the_projects_own_directories(shop: Path, words: tuple[str, ...]) -> None:
    done = start(shop, *words)
    found = re.fullmatch(
        "Session ID: ([0-9a-f-]{36})\nSession: mas-shop\nWorkspace: (.+)\nTeam: pair, 2 agents \\(pair 2\\)\n"
        "Agents: as the given command line says\nAttach: mas attach [0-9a-f]{8}\n",
        done.out,
    )
    assert found
    assert (found[2], done.err) == (str(shop), "")
    assert notes.name_in(shop) == "mas-shop"


def test_a_start_tells_programs_the_same(shop: Path) -> None:
    told = start(shop, "--json", "--label", "till").json
    assert (told["mode"], told["sessionMode"], told["tmuxSession"], told["label"]) == (
        "legacy",
        "legacy",
        "mas-shop",
        "till",
    )
    assert (told["workingDir"], told["unitDir"]) == (str(shop), f"{shop}/unit")


def test_a_team_that_is_up_is_a_warning(shop: Path) -> None:
    session_id = start(shop, "-q").out.strip()
    again = start(shop)
    assert again.out == "[WARNING] Session 'mas-shop' already exists\n"
    assert again.err.startswith("mas: session mas-shop is up, and only one team at a time works in ")
    assert start(shop, "-q").out == f"{session_id}\n"
    assert start(shop, "--json").json["sessionId"] == session_id
    assert start(shop, "--dry-run").out == again.out


def test_an_earlier_programs_team_is_a_warning_too(shop: Path, tmux_socket: Path) -> None:
    projects.old_team(tmux_socket, "mas-shop")
    assert start(shop).out == "[WARNING] Session 'mas-shop' already exists\n"
    assert start(shop, "-q").out == "mas-shop\n"
    assert start(shop, "--json").json["sessionId"] == ""
    assert ok("status", cwd=shop).out == NOTHING_UP.replace("stopped", "running", 1)


def test_a_plan_is_shown_and_nothing_touched(shop: Path) -> None:
    before = fingerprint(shop)
    done = start(shop, "--dry-run")
    assert f"Session: mas-shop\nWorkspace: {shop}\nTeam: pair, 2 agents" in done.out
    assert done.err == "nothing was touched\n"
    assert start(shop, "--dry-run", "--json").json["workingDir"] == str(shop)
    assert fingerprint(shop) == before


def test_an_id_of_the_environment_is_for_workspaces(shop: Path) -> None:
    given = "0f0f0f0f-0000-4000-8000-000000000000"
    assert start(shop, "-q", env={"MAS_SESSION_ID": given}).out.strip() != given
    assert start(shop, "-q", "--isolated", env={"MAS_SESSION_ID": given}).out.strip() == given


@pytest.mark.parametrize(
    ("words", "env", "code", "said"),
    [
        (("--template", "solo"), {}, 2, "mas: a template was asked for, in the root's own directories; "),
        ((), {"MAS_SESSION_MODE": "shared"}, 2, "mas: the session mode is 'shared'; MAS_SESSION_MODE may be isolated "),
        (("--legacy", "--isolated"), {}, 2, "mas: --isolated and --legacy were both given"),
        (("--id", "nonsense"), {}, 1, "mas: not a session id: 'nonsense'"),
    ],
)
def test_what_is_wrong_is_refused(
    shop: Path, words: tuple[str, ...], env: dict[str, str], code: int, said: str
) -> None:
    before = fingerprint(shop)
    done = mas("start", *AGENT, *words, cwd=shop, env=env)
    assert (done.code, done.out, done.err[: len(said)]) == (code, "", said)
    assert fingerprint(shop) == before


@pytest.mark.parametrize(
    ("flag", "variable", "masrc", "mode"),
    [
        ("", "", "", "legacy"),
        ("", "", "isolated", "isolated"),
        ("", "legacy", "isolated", "legacy"),
        ("", "isolated", "legacy", "isolated"),
        ("--legacy", "isolated", "isolated", "legacy"),
        ("--isolated", "legacy", "legacy", "isolated"),
    ],
)
def test_the_mode_is_the_flags_then_the_environments_then_the_projects(
    shop: Path, flag: str, variable: str, masrc: str, mode: str
) -> None:
    with (shop / ".masrc").open("a") as file:
        file.write(f"MAS_SESSION_MODE={masrc}\n")
    env = {"MAS_SESSION_MODE": variable} if variable else {}
    assert start(shop, "--json", *([flag] if flag else []), env=env).json["mode"] == mode


# --- status, stop, attach ---


def test_status_is_three_lines_and_no_failure(shop: Path) -> None:
    assert ok("status", cwd=shop).out == NOTHING_UP
    session_id = start(shop, "-q").out.strip()
    up = NOTHING_UP.replace("stopped", "running", 1)
    for name in ((), ("mas-shop",), (session_id[:8],)):
        assert ok("status", *name, cwd=shop).out == up
    ok("stop", cwd=shop)
    assert ok("status", cwd=shop).out == NOTHING_UP
    assert ok("status", session_id, cwd=shop).out == NOTHING_UP


def test_status_tells_where_an_agent_has_ended(shop: Path, tmux_socket: Path, wait_until: Wait) -> None:
    ok("start", "--command", "sh", "-q", cwd=shop)
    pane = roots.tmux(tmux_socket, "list-panes", "-s", "-t", "=mas-shop", "-F", "#{pane_id}")[0]
    roots.tmux(tmux_socket, "send-keys", "-t", pane, "exit 3", "Enter")
    wait_until(lambda: ok("status", cwd=shop).lines[1] == "Status: partial")


def test_status_can_say_all(shop: Path) -> None:
    """Behind the three lines that scripts read."""
    assert ok("status", "--detail", cwd=shop).out == NOTHING_UP
    start(shop)
    shown = ok("show", cwd=shop).lines
    for words in (("--detail",), ("-d",)):
        told = ok("status", *words, cwd=shop).lines
        assert told[:4] == ["Session: mas-shop", "Status: running", "HTTP Server: stopped", ""]
        assert told[4:8] == shown[:4]
    assert ok("status", "--json", cwd=shop).json["mode"] == "legacy"


def test_status_of_a_session_with_a_workspace_is_what_show_says(shop: Path) -> None:
    start(shop, "--isolated", "--label", "own")
    for words in ((), ("own",)):
        assert ok("status", *words, cwd=shop).lines[0] == "own: active, initializing"


def test_without_a_session_status_fails_where_workspaces_are_the_rule(shop: Path) -> None:
    done = mas("status", cwd=shop, env={"MAS_SESSION_MODE": "isolated"})
    assert (done.code, done.out) == (1, "")
    assert mas("status", "nothing", cwd=shop).code == 1


def test_status_of_a_record_is_what_show_says(shop: Path) -> None:
    made = ok("session", "create", "-q", cwd=shop).out.strip()
    assert "initializing" in ok("status", made, cwd=shop).lines[0]


def test_status_says_that_tmux_gave_no_answer(shop: Path, tmp_path: Path) -> None:
    fake = roots.FakeTmux(tmp_path / "programs")
    session_id = start(shop, "-q").out.strip()
    fake.instead("echo 'the server is not well' >&2; exit 1")
    env = {"PATH": f"{fake.directory}:{os.environ['PATH']}"}
    assert ok("status", session_id, cwd=shop, env=env).lines[1] == "Status: unknown"
    (shop / notes.FILE).unlink()
    assert mas("status", cwd=shop, env=env).code == 1


def test_status_tells_of_the_server(shop: Path) -> None:
    ok("serve", "--background", "--uds", "api.sock", cwd=shop)
    try:
        assert ok("status", cwd=shop).out == NOTHING_UP.replace("HTTP Server: stopped", "HTTP Server: running")
    finally:
        ok("serve", "--stop", cwd=shop)
    assert ok("status", cwd=shop).out == NOTHING_UP


def test_a_stop_is_no_failure_where_nothing_is_up(shop: Path) -> None:
    done = ok("stop", cwd=shop)
    assert (done.out, done.err) == ("", "no session is up\n")
    assert ok("stop", "-q", cwd=shop).err == ""
    assert mas("stop", cwd=shop, env={"MAS_SESSION_MODE": "isolated"}).code == 1
    assert mas("stop", cwd=shop, env={"MAS_SESSION_ID": "gone"}).code == 1


def test_a_stop_asks_nobody_where_nobody_is(shop: Path) -> None:
    start(shop)
    assert ok("stop", cwd=shop, stdin="n\n").err.endswith(" is stopped\n")
    assert not (shop / notes.FILE).exists()


def test_a_stop_asks_on_a_terminal(shop: Path, terminal: Terminal) -> None:
    session_id = start(shop, "-q").out.strip()
    for answer in ("n", "", "what"):
        terminal.type("clear; mas stop")
        terminal.wait(lambda: terminal.screen()[-1:] == ["stop mas-shop? [y/N]"])
        terminal.type(answer)
        terminal.wait(lambda: "nothing was stopped" in terminal.screen())
    assert ok("list", "--active", "-q", cwd=shop).lines == [session_id]
    terminal.type("clear; mas stop")
    terminal.wait(lambda: terminal.screen()[-1:] == ["stop mas-shop? [y/N]"])
    terminal.type("Y")
    terminal.wait(lambda: f"{session_id[:8]} is stopped" in terminal.screen())


def test_a_forced_stop_asks_nobody_nor_does_one_of_a_workspace(shop: Path, terminal: Terminal) -> None:
    session_id = start(shop, "-q").out.strip()
    assert terminal.run("mas stop -f") == [f"{session_id[:8]} is stopped"]
    own = start(shop, "--isolated", "-q").out.strip()
    assert terminal.run("mas stop") == [f"{own[:8]} is stopped"]


def test_an_earlier_programs_team_is_shown_and_stopped_by_the_note(shop: Path, tmux_socket: Path) -> None:
    projects.old_team(tmux_socket, "mas-old")
    projects.old_team(tmux_socket, "mas-other")
    notes.leave(shop, "mas-old", shop)
    assert ok("status", cwd=shop).out == "Session: mas-old\nStatus: running\nHTTP Server: stopped\n"
    assert "attach-session -t =mas-old" in mas("attach", cwd=shop).err
    assert ok("stop", cwd=shop).err == "mas-old has ended; nobody had registered it\n"
    assert not (shop / notes.FILE).exists()
    assert roots.tmux(tmux_socket, "list-sessions", "-F", "#{session_name}") == ["mas-other"]
    assert ok("stop", cwd=shop).err == "no session is up\n"


def test_an_earlier_programs_team_is_asked_about_on_a_terminal(tmux_socket: Path, terminal: Terminal) -> None:
    projects.old_team(tmux_socket, "mas-old")
    terminal.type("clear; mas stop mas-old")
    terminal.wait(lambda: terminal.screen()[-1:] == ["stop mas-old? [y/N]"])
    terminal.type("yes")
    terminal.wait(lambda: "mas-old has ended; nobody had registered it" in terminal.screen())


def test_an_attach_without_a_session_or_a_terminal_fails(shop: Path) -> None:
    assert mas("attach", cwd=shop).code == 1
    start(shop)
    done = mas("attach", "-w", "pair", cwd=shop)
    assert (done.code, done.out) == (1, "")
    assert "this is no terminal" in done.err


def clients(socket: Path) -> list[str]:
    return roots.tmux(socket, "list-clients", "-F", "#{session_name}")


def test_a_start_goes_to_the_teams_terminal_as_it_always_did(
    shop: Path, tmux_socket: Path, terminal: Terminal, wait_until: Wait
) -> None:
    terminal.type("mas start --command 'cat -'")
    wait_until(lambda: clients(tmux_socket) == ["mas-shop"], timeout=30)
    ok("stop", cwd=shop)
    shown = terminal.run("mas start --no-attach --command 'cat -'")
    assert any(line.startswith("Session:") for line in shown)
    assert clients(tmux_socket) == []


# --- adopt ---


def test_adopt_says_what_it_took_in(shop: Path, tmux_socket: Path) -> None:
    projects.old_team(tmux_socket, "mas-shop", window="pair")
    done = ok("adopt", cwd=shop)
    session_id = ok("list", "-q", cwd=shop).out.strip()
    assert done.out == (
        f"Session ID: {session_id}\nSession: mas-shop\nWorkspace: {shop}\n"
        "Team: pair, 2 agents (pair 2)\nRecognised: 10, 11\n"
    )
    assert done.err == ""
    assert ok("status", cwd=shop).out == NOTHING_UP.replace("stopped", "running", 1)


def test_adopt_into_a_workspace_says_when_it_takes_effect(shop: Path, tmux_socket: Path) -> None:
    projects.old_team(tmux_socket, "mas-shop", window="other", panes=1)
    done = ok("adopt", "mas-shop", "--isolated", "-q", cwd=shop)
    short = done.out[:8]
    assert done.err == (
        "whose panes are in other cannot be told; a stop and a resume put that right\n"
        "the agents that run keep their old directories and environment; they come up in the workspace after "
        f"`mas stop {short}` and `mas resume {short}`\n"
    )
    ok("stop", short, cwd=shop)
    assert ok("resume", short, "--json", cwd=shop).json["tmuxSession"] == f"mas-{short}"


def test_adopt_tells_programs_the_same(shop: Path, tmux_socket: Path) -> None:
    projects.old_team(tmux_socket, "mas-old", window="pair")
    told = ok("adopt", "mas-old", "--json", cwd=shop).json
    assert (told["mode"], told["agents"], told["unknownWindows"]) == ("legacy", ["10", "11"], [])
    again = mas("adopt", "mas-old", "--json", cwd=shop)
    assert (again.code, json.loads(again.out)["code"]) == (1, "refused")
    assert mas("adopt", "mas-ol", cwd=shop).code == 1
    assert mas("adopt", "mas-old", "--repo", ".", cwd=shop).code == 1


# --- both modes together ---


def test_both_kinds_are_listed_with_their_mode(shop: Path, tmux_socket: Path, terminal: Terminal) -> None:
    projects.old_team(tmux_socket, "mas-old")
    shared = start(shop, "-q").out.strip()
    own = start(shop, "-q", "--isolated").out.strip()
    modes = {line.split("\t")[0]: line.split("\t")[-1] for line in ok("list", cwd=shop).lines}
    assert modes == {shared: "legacy", own: "isolated", "-": "legacy"}
    shown = " ".join(terminal.run("mas list"))
    assert shown.count(" legacy ") == 2
    assert shown.count(" isolated ") == 1


def test_modes_are_switched_back_and_forth(shop: Path) -> None:
    shared = start(shop, "-q").out.strip()
    ok("stop", cwd=shop)
    isolated = {"MAS_SESSION_MODE": "isolated"}
    own = start(shop, "-q", env=isolated).out.strip()
    ok("stop", own, cwd=shop)
    assert start(shop, "-q").out.strip() == shared
    assert ok("resume", own, "-q", cwd=shop).out.strip() == own
    assert sorted(ok("list", "--active", "-q", cwd=shop).lines) == sorted([shared, own])
    assert ok("doctor", cwd=shop).err == "all is well\n"
