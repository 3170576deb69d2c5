"""Teams from the command line: started, seen, stopped, brought back, removed."""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from commandline import AGENT, PROGRAM, fingerprint, mas, move, ok, record, start
from teams import tmux

from mas.paths import Root

ID = "0f0f0f0f-0000-4000-8000-000000000000"
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"

Wait = Callable[..., None]


@pytest.fixture
def place(root: Root, tmux_socket: Path) -> Path:
    del tmux_socket
    return root.path


def test_a_start_says_what_a_person_needs_next(place: Path) -> None:
    done = ok("start", "--isolated", "--label", "checkout", *AGENT, root=place)
    found = re.fullmatch(
        f"Session ID: ({UUID})\n"
        "Session: (mas-[0-9a-f]{8})\n"
        "Workspace: (.+)\n"
        r"Team: default, 13 agents \(meta 1, design 4, development 4, business 4\)"
        "\n"
        "Agents: as the given command line says\n"
        "Attach: mas attach checkout\n",
        done.out,
    )
    assert found
    assert found[2] == f"mas-{found[1][:8]}"
    assert found[3] == f"{place}/sessions/{found[1]}"
    assert done.err == ""
    assert [agent.name for agent in sorted(Path(found[3], "unit").iterdir())][:2] == ["00", "10"]


def test_what_a_start_says_to_type_next_works(place: Path) -> None:
    """Also where the root was named, and where no ``mas`` is on PATH."""
    there = place.parent / "an other root"
    options = ("--isolated", "--template", "solo", *AGENT, "--root", there)
    done = ok("start", *options, root=place, env={"MAS_CALLED_AS": "./scripts/mas"})
    program, *words = shlex.split(done.lines[-1].removeprefix("Attach: "))
    assert program == "./scripts/mas"
    assert "this is no terminal, so nothing can be shown on it" in mas(*words, root=place).err


def test_a_start_tells_programs_the_same(place: Path) -> None:
    told = ok("start", "--isolated", "--json", "--template", "pair", "--request", "Build it", *AGENT, root=place).json
    assert (told["status"], told["lifecycle"], told["mode"], told["sessionMode"]) == (
        "active",
        "initializing",
        "isolated",
        "isolated",
    )
    assert (told["template"], told["agents"], told["unitDir"]) == ("pair", ["10", "11"], f"{told['workingDir']}/unit")
    assert ok("session", "get", told["sessionId"], "--json", root=place).json["feature_request"] == "Build it"


@pytest.mark.parametrize(
    ("given", "inherited", "expected"),
    [
        (["--id", ID], {"MAS_SESSION_ID": ID.replace("0f", "1f")}, True),
        ([], {"MAS_SESSION_ID": ID}, True),
        ([], {"MAS_SESSION_ID": ID, "MAS_AGENT_ID": "00"}, False),
    ],
    ids=["the option", "the environment", "inside a pane"],
)
def test_the_id_to_create_may_be_given(
    place: Path, given: list[str], inherited: dict[str, str], *, expected: bool
) -> None:
    done = ok("start", "--isolated", "-q", "--template", "solo", *AGENT, *given, root=place, env=inherited)
    assert (done.out.strip() == ID) is expected


def test_an_id_that_exists_is_drawn_anew_from_the_environment_and_refused_as_an_option(place: Path) -> None:
    record(place, session_id=ID)
    assert (
        ok("start", "--isolated", "-q", "--template", "solo", *AGENT, root=place, env={"MAS_SESSION_ID": ID}).out != ID
    )
    done = mas("start", "--isolated", "--id", ID, *AGENT, root=place)
    assert (done.code, done.err) == (
        1,
        f"mas: session {ID} exists; `mas resume {ID}` brings it back, `mas rm {ID}` removes it\n",
    )


def test_a_dry_run_shows_the_plan_and_touches_nothing(place: Path, tmux_socket: Path) -> None:
    done = ok("start", "--isolated", "--dry-run", "--template", "pair", "--command", "cat 'a b'", root=place)
    assert "Team: pair, 2 agents (pair 2)\n" in done.out
    assert "  11  Reviewer  cat 'a b'\n" in done.out
    assert done.err == "nothing was touched\n"
    told = ok("start", "--isolated", "--dry-run", "--json", "--id", ID, *AGENT, root=place).json
    assert (told["sessionId"], told["tmuxSession"], len(told["agents"])) == (ID, "mas-0f0f0f0f", 13)
    assert not place.exists()
    assert not tmux_socket.exists()


@pytest.mark.parametrize("by", ["file", "stdin"])
def test_a_configuration_adds_names_and_prompts(place: Path, tmp_path: Path, by: str) -> None:
    config = json.dumps({"units": [{"manager": {"id": "10", "name": "Ada", "prompt": "Begin"}}]})
    (tmp_path / "team.json").write_text(config)
    words = ("team.json", "") if by == "file" else ("-", config)
    given = ("--isolated", "-q", "--template", "pair", *AGENT, "--config", words[0])
    made = ok("start", *given, root=place, stdin=words[1], cwd=tmp_path).out.strip()
    assert [agent["name"] for agent in ok("agents", made, "--json", root=place).json["agents"]] == ["Ada", "Reviewer"]


LEGACY = [
    ((), {}, "mas: there is no unit/ in "),
    (("--legacy",), {}, "mas: there is no unit/ in "),
    ((), {"MAS_SESSION_MODE": "legacy"}, "mas: there is no unit/ in "),
    (("--legacy",), {"MAS_SESSION_MODE": "isolated"}, "mas: there is no unit/ in "),
    (
        (),
        {"MAS_SESSION_MODE": "shared"},
        "mas: the session mode is 'shared'; MAS_SESSION_MODE may be isolated or",
    ),
]


@pytest.mark.parametrize(("words", "env", "said"), LEGACY)
def test_a_start_in_legacy_mode_is_refused(place: Path, words: tuple[str, ...], env: dict[str, str], said: str) -> None:
    place.mkdir()
    before = fingerprint(place)
    done = mas("start", *words, *AGENT, root=place, env=env)
    assert (done.code, done.out) == (1 if "shared" not in env.values() else 2, "")
    assert done.err.startswith(said)
    assert "`mas start --isolated`" in done.err or "may be isolated" in done.err
    assert fingerprint(place) == before


@pytest.mark.parametrize("where", ["environment", "project"])
def test_the_mode_may_be_set_once_for_all(place: Path, where: str) -> None:
    place.mkdir()
    if where == "project":
        (place / ".masrc").write_text("MAS_SESSION_MODE=isolated\n")
    env = {"MAS_SESSION_MODE": "isolated"} if where == "environment" else {}
    assert ok("start", "--template", "solo", *AGENT, root=place, env=env).out.startswith("Session ID: ")


def test_a_session_is_shown(place: Path) -> None:
    made = start(place, template="pair", label="checkout", request="Build the\nwhole thing")
    move(place, made, "planning")
    shown = ok("show", "checkout", root=place)
    assert shown.lines[:5] == [
        "checkout: active, planning",
        "",
        f"  id         {made}",
        "  label      checkout",
        "  request    Build the",
    ]
    assert f"  directory  {place}/sessions/{made}" in shown.lines
    assert "  agents     2 of pair, each runs: cat -" in shown.lines
    assert "  pair  11  Reviewer  opus  running  cat  unit/11" in shown.lines
    assert re.search(r"^  \d+  \d+s ago  started$", shown.out, re.MULTILINE)
    assert shown.out == re.sub("\x1b|[\u2500-\u257f]", "", shown.out)
    assert ok("status", made[:4], root=place).lines[0] == shown.lines[0]


def test_a_session_is_shown_to_programs(tmux_socket: Path, repo: Path) -> None:
    del tmux_socket
    root = repo
    made = start(root, template="pair")
    told = ok("show", made, "--json", root=root).json
    assert (told["sessionId"], told["status"], told["lifecycle"]) == (made, "active", "initializing")
    assert told["gitContext"]["branch"] == "main"
    assert told["gitContext"]["repoRoot"] == str(repo)
    assert told["windows"] == [{"index": 0, "name": "pair", "paneCount": 2, "active": True}]
    assert [(one["agentId"], one["status"], one["window"], one["pane"]) for one in told["agents"]] == [
        ("10", "running", "pair", 0),
        ("11", "running", "pair", 1),
    ]
    assert [event["type"] for event in told["events"]] == ["created", "runtime"]
    agents = ok("agents", made, "--json", root=root).json
    assert agents == {"sessionId": made, "agents": told["agents"]}
    assert ok("agents", made, "-q", root=root).lines == ["10", "11"]
    assert ok("agents", made, root=root).lines[0].split("\t") == [
        "pair",
        "10",
        "Author",
        "opus",
        "running",
        "cat",
        "unit/10",
    ]


def test_an_agent_that_ended_is_told_with_its_code(place: Path, wait_until: Wait) -> None:
    made = ok("start", "--isolated", "-q", "--template", "solo", "--command", "sh -c 'exit 3'", root=place).out.strip()

    def agent() -> dict[str, object]:
        return dict(ok("agents", made, "--json", root=place).json["agents"][0])

    wait_until(lambda: agent()["status"] == "stopped")
    assert agent()["exitCode"] == 3
    assert "exited(3)" in ok("agents", made, root=place).out


def test_nothing_is_said_of_agents_where_tmux_says_nothing(place: Path) -> None:
    made, silent = start(place), {"PATH": "/nowhere"}
    done = ok("agents", made, root=place, env=silent)
    assert done.out.split("\t")[4] == "unknown"
    assert done.err.startswith("mas: tmux cannot be asked: ")
    told = ok("agents", made, "--json", root=place, env=silent).json
    assert done.err == f"mas: {told['problem']}; {told['remedy']}\n"
    assert mas("agents", made, "--explain", root=place, env=silent).err == done.err


def test_a_record_without_a_team_has_no_agents(place: Path) -> None:
    made = record(place)
    assert ok("agents", made, "--json", root=place).json == {"sessionId": made, "agents": []}
    assert mas("agents", made, root=place).err == f"mas: session {made} has no agents; it is only a record\n"
    assert "  directory" in ok("show", made, root=place).out


def test_a_workspace_that_is_missing_is_an_error_with_a_remedy(place: Path) -> None:
    made = start(place)
    ok("stop", "-f", made, root=place)
    (place / "sessions" / made).rename(place / "elsewhere")
    assert ok("list", "-a", root=place).lines[0].split("\t")[1] == "error"
    shown = ok("show", made, root=place)
    assert shown.lines[0].startswith(f"{made[:8]}: error, ")
    assert shown.lines[2] == f"  problem    its workspace is missing: {place}/sessions/{made}"
    assert shown.lines[3] == f"  remedy     bring it back, or forget it: `mas rm {made[:8]}`"
    (place / "elsewhere").rename(place / "sessions" / made)
    assert ok("list", "-a", root=place).lines[0].split("\t")[1] == "stopped"


def test_a_screen_is_captured(place: Path, wait_until: Wait) -> None:
    echo = "sh -c 'seq 100; printf \"\\033[31mred\\033[0m \\033]0;title\\007end\\n\"; exec cat'"
    made = ok("start", "--isolated", "-q", "--template", "pair", "--command", echo, root=place).out.strip()
    wait_until(lambda: "red end" in ok("capture", made, "11", root=place).out)
    shown = ok("capture", made, "11", root=place).out
    assert "\x1b" not in shown
    for words in (("11",), ("-a", "11"), (made[:8], "agent-11"), (made, "--agent", "11")):
        assert ok("capture", *words, root=place).out == shown
    assert mas("capture", made, "11", "-a", "11", root=place).code == 2
    assert ok("capture", made, "-a", "agent-11", "--lines", "3", root=place).lines == ["99", "100", "red end"]
    assert mas("capture", made, root=place).err == (
        f"mas: mas-{made[:8]} has 2 agents; say which: mas capture {made} AGENT, of 10, 11\n"
    )
    assert mas("capture", made, "-a", "99", root=place).err == f"mas: no agent '99' in mas-{made[:8]}; it has: 10, 11\n"
    ok("stop", "-f", made, root=place)
    assert mas("capture", made, root=place).err == (
        f"mas: session {made} is not up; `mas resume {made[:8]}` brings it back\n"
    )


def test_one_agent_needs_no_name(place: Path) -> None:
    assert ok("capture", start(place), root=place).out == "\n"


def test_going_to_a_session_needs_a_terminal(place: Path, tmux_socket: Path) -> None:
    made = start(place)
    assert mas("attach", made, root=place).err == (
        "mas: this is no terminal, so nothing can be shown on it; "
        f"on one, type: tmux -u -S {tmux_socket} attach-session -t =mas-{made[:8]}\n"
    )
    assert mas("attach", made, "-w", "nix", root=place).err == "mas: the team has no window 'nix'; it has: main\n"
    assert mas("attach", "nix", root=place).code == 1


def test_a_workspace_may_be_made_without_its_team(place: Path) -> None:
    done = ok("start", "--isolated", "--no-team", "--template", "solo", "--label", "later", *AGENT, root=place)
    assert done.lines[-1] == "Bring up: mas resume later"
    assert ok("list", "--active", "-q", root=place).out == ""
    assert ok("resume", "later", root=place).lines[-1] == "Attach: mas attach later"
    refused = mas("start", "--isolated", "--no-team", "--attach", root=place)
    assert (refused.code, refused.err) == (2, "mas: --no-team and --attach were both given; give one of them\n")


def test_teams_are_stopped_and_brought_back(place: Path) -> None:
    first, second = start(place), start(place, label="second")
    assert ok("stop", "-f", first, "second", root=place).err == f"{first[:8]} is stopped\n{second[:8]} is stopped\n"
    assert ok("stop", "-f", first, root=place).err == f"{first[:8]} was stopped already\n"
    assert ok("list", "--active", "-q", root=place).out == ""
    done = ok("resume", "second", root=place)
    assert done.lines[0] == f"Session ID: {second}"
    assert done.lines[-1] == "Attach: mas attach second"
    assert mas("resume", "second", root=place).err == f"mas: session {second} is up; `mas attach {second}`\n"
    assert ok("resume", first, "--json", root=place).json["status"] == "active"
    assert set(ok("stop", "-f", "--all", "-q", root=place).lines) == {first, second}
    assert ok("list", "--active", "-q", root=place).out == ""
    assert ok("stop", "-f", "--all", root=place).err == "no session is up\n"


def test_stopping_pauses_the_work_and_resuming_takes_that_back(place: Path) -> None:
    made = start(place)
    ok("session", "transition", made, "planning", root=place)
    ok("stop", "-f", made, root=place)
    assert ok("show", made, "--json", root=place).json["lifecycle"] == "paused"
    assert ok("show", made, "--json", root=place).json["reason"] == "stopped"
    ok("resume", made, root=place)
    assert ok("show", made, "--json", root=place).json["lifecycle"] == "planning"
    ok("pause", made, "--reason", "lunch", root=place)
    ok("stop", "-f", made, root=place)
    ok("resume", made, root=place)
    assert "  work       paused, lunch" in ok("show", made, root=place).lines


def test_what_is_down_is_brought_back_unnamed_and_removed_only_by_name(place: Path) -> None:
    session_id = start(place)
    ok("stop", session_id, root=place)
    refused = mas("rm", root=place)
    assert (refused.code, refused.out) == (2, "")
    assert (
        refused.err
        == f"mas: `mas rm` was not told which session; down are: {session_id[:8]}; name it: `mas rm {session_id[:8]}`\n"
    )
    assert ok("resume", "-q", root=place).lines == [session_id]
    assert "no session is down" in mas("resume", root=place).err


def test_one_that_cannot_be_removed_does_not_keep_the_others(place: Path) -> None:
    up, down = start(place), record(place)
    done = mas("rm", up, down, root=place)
    assert done.code == 1
    refused, removed = done.err.splitlines()
    assert refused.startswith(f"mas: session {up} is active")
    assert removed == f"{down[:8]} is removed"
    assert ok("list", "-q", root=place).lines == [up]
    assert ok("rm", "--force", "-q", up, root=place).out == f"{up}\n"
    assert ok("list", "-aq", root=place).out == ""


def test_the_session_one_is_in_is_stopped_last(place: Path) -> None:
    first, second = start(place), start(place)
    env = {"MAS_SESSION_ID": first}
    assert ok("stop", "-f", "-q", first, second, root=place, env=env).lines == [second, first]


def test_variables_from_env_stop_the_team_and_nothing_else(place: Path, tmux_socket: Path) -> None:
    tmux(tmux_socket, "new-session", "-d", "-s", "mine", "cat")
    made, other = start(place), start(place)
    script = f'eval "$(mas env {made})" && mas stop && echo still here && mas list --active -q'
    binary = Path(ok("path", "root", root=place).out.strip()).parent / "bin"
    binary.mkdir()
    (binary / "mas").write_text(f'#!/bin/sh\nexec {shlex.join(PROGRAM)} "$@"\n')
    (binary / "mas").chmod(0o755)
    env = {**os.environ, "PATH": f"{binary}:{os.environ['PATH']}", "MAS_ROOT": str(place)}
    done = subprocess.run(["sh", "-ec", script], env=env, capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.splitlines() == ["still here", other]
    assert "mine" in tmux(tmux_socket, "list-sessions", "-F", "#{session_name}").splitlines()


def test_old_sessions_are_cleaned_away(place: Path) -> None:
    up, down, kept = start(place), start(place), record(place)
    ok("stop", "-f", down, root=place)
    assert ok("clean", root=place).err == "nothing is older than 30d\n"
    assert ok("clean", "--dry-run", "--older-than", "0s", root=place).lines == [f"would remove {down}"]
    assert ok("clean", "--dry-run", "--older-than", "0s", "-q", root=place).lines == [down]
    assert ok("clean", "--dry-run", root=place).err == "nothing would be removed\n"
    told = ok("clean", "--dry-run", "--older-than", "0", "--json", root=place).json
    assert ([one["sessionId"] for one in told["sessions"]], told["dryRun"]) == ([down], True)
    assert sorted(ok("list", "-aq", root=place).lines) == sorted([up, down, kept])
    assert ok("clean", "--older-than", "0s", root=place).err == f"{down[:8]} is removed\n"
    assert sorted(ok("list", "-aq", root=place).lines) == sorted([up, kept])


def test_a_session_that_nobody_registered_is_stopped_only_by_its_full_name(place: Path, tmux_socket: Path) -> None:
    tmux(tmux_socket, "new-session", "-d", "-s", "mas-old", "cat")
    tmux(tmux_socket, "new-session", "-d", "-s", "mas-older", "cat")
    assert {line.split("\t")[5] for line in ok("list", root=place).lines} == {"mas-old", "mas-older"}
    assert mas("stop", "mas-o", root=place).code == 1
    assert mas("stop", "--all", root=place).err == "no session is up\n"
    assert ok("stop", "-f", "mas-old", root=place).err == "mas-old has ended; nobody had registered it\n"
    assert tmux(tmux_socket, "list-sessions", "-F", "#{session_name}") == "mas-older"


def test_templates_are_shown(place: Path) -> None:
    assert ok("templates", "list", "-q", root=place).lines[:4] == ["default", "pair", "solo", "squad"]
    assert ok("templates", "list", root=place).lines[1].split("\t")[:2] == ["pair", "2"]
    listed = ok("templates", "list", "--json", root=place).json
    assert [one["agentCount"] for one in listed["templates"]] == [13, 2, 1, 4]
    shown = ok("templates", "show", "pair", root=place)
    assert shown.lines[0] == "pair: 2 agents"
    assert "  pair  10  Author    opus  manager  writes to 11" in shown.lines
    assert ok("templates", "show", "pair", "--json", root=place).json == listed["templates"][1]


def test_a_template_that_cannot_be_used_says_why(place: Path) -> None:
    (place / "templates" / "odd" / "unit").mkdir(parents=True)
    (place / "templates" / "odd" / "team.toml").write_text("name = 7")
    assert ok("templates", "list", root=place).lines[0].split("\t")[:2] == ["odd", "-"]
    assert "cannot be used: " in ok("templates", "list", root=place).lines[0]
    assert mas("templates", "show", "odd", root=place).err.startswith("mas: template odd: ")


def test_a_healthy_root_needs_no_doctor(place: Path) -> None:
    start(place)
    assert ok("doctor", root=place).err == "all is well\n"
    assert ok("doctor", "--json", root=place).json == {"findings": [], "count": 0, "remaining": 0}


def test_the_doctor_finds_plans_and_mends(place: Path) -> None:
    made = start(place)
    ok("stop", "-f", made, root=place)
    (place / "sessions" / ".sessions.index").unlink()
    (place / "sessions" / made / ".session").unlink()
    before = fingerprint(place)
    found = mas("doctor", root=place)
    assert found.code == 1
    assert found.err.endswith("findings remain; `mas doctor --fix` mends them\n")
    assert {line.split("\t")[0] for line in found.lines} == {"index", made}
    for fix in ((), ("--fix",)):
        planned = mas("doctor", *fix, "--dry-run", root=place)
        assert planned.code == 1
        assert f"{made}\tshell\t.session is not what the record says\twould publish" in planned.lines
    assert fingerprint(place) == before
    mended = ok("doctor", "--fix", root=place)
    assert {line.split("\t")[3] for line in mended.lines} == {"mended"}
    assert mended.err.endswith(" found and mended\n")
    assert ok("doctor", made[:6], root=place).err == "all is well\n"


def test_what_would_lose_something_is_mended_only_when_named(place: Path) -> None:
    made = record(place)
    move(place, made, "planning")
    log = place / "sessions" / made / "events.jsonl"
    log.write_bytes(log.read_bytes()[:-10])
    found = mas("doctor", "--fix", root=place)
    assert found.code == 1
    assert found.lines[0].split("\t")[3] == f"`mas doctor --fix {made[:8]}`"
    assert mas("doctor", made, root=place).err == f"1 finding remains; `mas doctor --fix {made[:8]}` mends it\n"
    assert mas("show", made, root=place).lines[2].startswith("  problem ")
    assert ok("doctor", "--fix", made, root=place).err == "1 found and mended\n"


def test_what_only_a_person_can_mend_is_told_with_what_helps(place: Path) -> None:
    made = ok("start", "--isolated", "--template", "solo", *AGENT, "--no-team", "-q", root=place).lines[0]
    shutil.rmtree(place / "sessions" / made / "unit")
    found = mas("doctor", "--fix", root=place)
    assert found.lines == [f"{made}\tworkspace\tunit is missing\tbring it back, or `mas rm {made[:8]}`"]
    assert found.code == 1


def test_a_row_that_cannot_be_written_is_said_in_one_line_and_found_by_the_doctor(place: Path) -> None:
    record(place)
    lock = place / "sessions" / ".locks" / "index.lock"
    lock.unlink()
    lock.symlink_to("nowhere")
    made = mas("session", "create", "-q", root=place, program=PROGRAM)
    assert made.code == 0
    assert made.err.startswith("mas: what changed is recorded, but .session and the index do not say so: cannot write ")
    assert made.err.count("\n") == 1
    found = mas("doctor", "--fix", root=place)
    assert "index\tredirected\tindex.lock is a link, and no link is followed; move it away\t" in found.lines
    lock.unlink()
    assert ok("doctor", "--fix", root=place).err == "2 found and mended\n"


def test_a_team_without_its_session_is_found_by_its_full_id(place: Path) -> None:
    """The doctor takes an id that no listing knows."""
    assert ok("doctor", ID, root=place).err == "all is well\n"
