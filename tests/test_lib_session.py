"""Sessions from bash, end to end: what changes them is the real program, what they run in is the real tmux."""

import json
import os
import re
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bashes import LIB, PROGRAM, STRICT, Bash, Done, run
from roots import FakeTmux, mas_of
from teams import sessions, tmux

from mas import meaning
from mas.app import Mas
from mas.errors import MasError
from mas.paths import Root
from mas.planning import StartOptions

Wait = Callable[..., None]
Case = tuple[str, Mapping[str, str], Path]
"""What is asked for, with which variables, and where."""

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
ID = "1234abcd-0000-4000-8000-000000000001"
OTHER = "1234abce-0000-4000-8000-000000000002"


each_mode = pytest.mark.parametrize("sh", ["", STRICT], ids=["plain", "strict"], indirect=True)
"""For what bash does by itself; where the program does the work, the stricter mode is enough."""


@pytest.fixture
def sh(request: pytest.FixtureRequest, root: Root, tmux_socket: Path, monkeypatch: pytest.MonkeyPatch) -> Bash:
    assert os.environ["MAS_TMUX_SOCKET"] == str(tmux_socket)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(root.path.parent / "config"))
    return Bash(getattr(request, "param", STRICT), root.path, "session.sh")


def mas(root: Root, *words: str) -> str:
    done = run([str(PROGRAM), *words, "--root", str(root.path)])
    assert done.code == 0, done.err
    return done.out.strip()


def start(root: Root, session_id: str = ID, label: str = "") -> str:
    """A team of one agent, a ``cat``; its tmux name."""
    here = mas_of(root)
    return here.start(
        here.plan(StartOptions(template="solo", command="cat", session_id=session_id, label=label))
    ).tmux_name


def shown(root: Root, session_id: str = ID) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(mas(root, "show", session_id, "--json"))
    return found


def plain(done: Done) -> tuple[int, str]:
    """The answer, without colours."""
    code, out = done.answer
    return code, re.sub(r"\033\[[0-9;]*m", "", out)


# --- names and ids ---


@each_mode
def test_an_id_of_the_older_kind(sh: Bash) -> None:
    assert re.fullmatch(r"mas-[0-9]{8}-[0-9]{6}-[0-9a-f]{8}\n", sh("generate_session_id").answer[1])
    assert sh("generate_session_id 'my run'").answer[1].startswith("my run-2")


@each_mode
def test_a_name_for_a_project(sh: Bash) -> None:
    assert sh("generate_session_name").answer == (0, "mas-tmux\n")
    assert sh("generate_session_name ''").answer == (0, "mas-tmux\n")
    assert sh("generate_session_name 'a b.c'").answer == (0, "mas-a-b-c\n")


@each_mode
def test_ids_are_canonical_and_differ(sh: Bash) -> None:
    ids = sh("for _ in {1..40}; do generate_uuid; done").answer[1].split()
    assert all(UUID.fullmatch(one) for one in ids)
    assert len(set(ids)) == 40


# --- workspaces ---


def test_a_workspace_is_made_registered_and_without_a_team(sh: Bash, root: Root, tmux_socket: Path) -> None:
    code, out = sh("create_session_workspace $1", ID).answer
    place = root.path / "sessions" / ID
    assert (code, out.splitlines()[-1]) == (0, str(place))
    assert min(path.name for path in (place / "unit").iterdir()) == "00"
    assert {path.name for path in place.iterdir()} >= {"unit", "workflows", "logs", ".session"}
    assert shown(root)["status"] == "stopped"
    assert sh("find_session_by_id $1", ID).answer == (0, f"{place}\n")
    assert not tmux_socket.exists()


def test_a_workspace_keeps_its_configuration(sh: Bash, root: Root, tmp_path: Path) -> None:
    config = tmp_path / "a config.json"
    config.write_text(json.dumps({"agents": {"metaManager": {"prompt": "lead"}}, "units": []}))
    assert sh('create_session_workspace "$1" "$2"', ID, str(config)).code == 0
    stored = json.loads((root.path / "sessions" / ID / "config.json").read_text())
    assert stored["agents"]["metaManager"]["prompt"] == "lead"
    assert sh("create_session_workspace $1 /nowhere", OTHER).code == 1
    assert not (root.path / "sessions" / OTHER).exists()


@pytest.mark.parametrize("word", ["", "../x", "x/y", "not-an-id", ID.upper(), "$(touch canary)", "-h", "--help"])
def test_what_is_no_id_makes_no_workspace(sh: Bash, root: Root, word: str, tmp_path: Path) -> None:
    done = sh('create_session_workspace "$1"', word, cwd=tmp_path)
    assert (done.code, done.out) == (1, "")
    assert done.err.count("\n") == 1
    assert list(root.path.rglob("events.jsonl")) == []
    assert not list(tmp_path.rglob("canary"))


def test_a_workspace_is_made_once(sh: Bash, root: Root) -> None:
    assert sh("create_session_workspace $1", ID).code == 0
    before = (root.path / "sessions" / ID / "events.jsonl").read_bytes()
    done = sh("create_session_workspace $1", ID)
    assert (done.code, done.out) == (1, "")
    assert ID in done.err
    assert (root.path / "sessions" / ID / "events.jsonl").read_bytes() == before


def test_many_make_workspaces_at_once(root: Root, tmux_socket: Path) -> None:
    """Of those that want the same id one wins; all others are there, in an index that is whole."""
    del tmux_socket
    sh = Bash(STRICT, root.path, "session.sh")
    ids = [f"aaaaaaa{at}-0000-4000-8000-000000000001" for at in range(6)] + [ID, ID]
    with ThreadPoolExecutor(8) as pool:
        codes = [done.code for done in pool.map(lambda one: sh("create_session_workspace $1", one), ids)]
    assert sorted(codes) == [0] * 7 + [1]
    rows = json.loads(root.index.read_text())["sessions"]
    assert sorted(row["sessionId"] for row in rows) == sorted(set(ids))


def test_a_checkout_has_its_own_program(root: Root, tmux_socket: Path) -> None:
    del tmux_socket
    sh = replace(Bash(STRICT, root.path, "session.sh"), env={"MAS_BIN": ""})
    assert sh("create_session_workspace $1", ID).code == 0


def make_template(root: Root) -> None:
    for agent in ("00", "10", "33"):
        (root.path / "unit" / agent).mkdir(parents=True)
        (root.path / "unit" / agent / "it's own.md").write_text(agent)
    (root.path / "workflows").mkdir()
    (root.path / "workflows" / "00_lead.md").write_text("lead")


@each_mode
def test_a_directory_made_by_hand_gets_units(sh: Bash, root: Root, tmp_path: Path) -> None:
    make_template(root)
    place = tmp_path / "by hand"
    (place / "workflows").mkdir(parents=True)
    assert sh('initialize_session_units "$1"', str(place)).answer == (0, "")
    assert (place / "unit" / "33" / "it's own.md").read_text() == "33"
    assert (place / "workflows" / "00_lead.md").read_text() == "lead"
    assert sh('initialize_session_units "$1"', str(tmp_path / "none")).code == 1
    assert sh("initialize_session_units ''").code == 1


@each_mode
def test_without_a_template_of_its_own_the_shipped_one_is_taken(sh: Bash, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    assert sh('initialize_session_units "$1"', str(tmp_path / "made")).answer == (0, "")
    assert list((tmp_path / "made" / "workflows").iterdir())


def test_a_workspace_that_has_its_units_is_left_alone(sh: Bash, root: Root) -> None:
    make_template(root)
    sh("create_session_workspace $1", ID)
    mine = root.path / "sessions" / ID / "unit" / "00" / "it's own.md"
    mine.write_text("changed")
    assert sh('initialize_session_units "$MAS_ROOT/sessions/$1"', ID).answer == (0, "")
    assert mine.read_text() == "changed"


# --- the files that scripts once wrote themselves ---


@each_mode
def test_metadata_is_what_mas_wrote(sh: Bash, root: Root) -> None:
    place = root.path / "sessions" / ID
    sh("create_session_workspace $1", ID)
    script = 'create_session_metadata "$1" "$MAS_ROOT/sessions/$1" mas-1234abcd active'
    before = (place / ".session").read_bytes()
    assert sh(script, ID).answer == (0, "")
    (place / ".session").unlink()
    assert sh(script, ID).code == 0
    assert (place / ".session").read_bytes() == before
    assert sh('create_session_metadata "$1" "$2" mas-other', ID, str(place)).code == 1
    assert sh("create_session_metadata $1 /x", OTHER).code == 1


def test_the_index_is_what_mas_wrote(sh: Bash, root: Root) -> None:
    sh("create_session_workspace $1", ID)
    assert sh("update_sessions_index add $1 active", ID).answer == (0, "")
    assert sh("update_sessions_index update $1 status stopped", ID).answer == (0, "")
    assert len(json.loads(root.index.read_text())["sessions"]) == 1
    for words in ("add " + OTHER, "update " + ID + " status active", "update " + ID + " status error", "remove " + ID):
        done = sh(f"update_sessions_index {words}")
        assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    for words in ("update " + ID + " tmuxSession x", "", "frobnicate", "add", "add ''", "update", "remove"):
        assert sh(f"update_sessions_index {words}").code == 1
    assert len(json.loads(root.index.read_text())["sessions"]) == 1


def test_a_row_without_a_workspace_can_be_removed(sh: Bash, root: Root) -> None:
    sh("create_session_workspace $1", ID)
    sh('rm -rf "$MAS_ROOT/sessions/$1"', ID)
    assert sh("update_sessions_index remove $1", ID).answer == (0, "")
    assert json.loads(root.index.read_text())["sessions"] == []


def test_the_status_of_a_team_can_be_said(sh: Bash, root: Root, tmux_socket: Path) -> None:
    name = start(root)
    assert sh("update_sessions_index update $1 status active", ID).answer == (0, "")
    assert sh("update_sessions_index update $1 status stopped", ID).answer == (0, "")
    assert shown(root)["status"] == "stopped"
    assert sh("session_exists $1", name).code == 1
    assert name not in sessions(tmux_socket)


# --- a whole life, as scripts of the earlier program wrote it ---

LIFE = """
dir=$(create_session_workspace "$1" | tail -n 1)
initialize_session_units "$dir"
create_session_metadata "$1" "$dir" "mas-${1:0:8}" active
update_sessions_index add "$1" active
load_session_metadata "$1"
create_session "$TMUX_SESSION" meta
create_mas_windows "$TMUX_SESSION"
load_session_metadata "$1"
printf '%s\\n' "$STATUS" "$(get_session_status "$TMUX_SESSION")"
"""


@each_mode
def test_a_session_built_step_by_step_is_one_of_ours(sh: Bash, root: Root, tmux_socket: Path) -> None:
    assert sh(LIFE, ID).answer == (0, "active\nrunning\n")
    agents = shown(root)["agents"]
    assert [agent["status"] for agent in agents] == ["running"] * 13
    windows = tmux(tmux_socket, "list-windows", "-t", "=mas-1234abcd:", "-F", "#{window_name} #{window_panes}")
    assert windows.split("\n") == ["meta 1", "design 4", "development 4", "business 4"]
    code, out = plain(sh("stop_isolated_session $1", ID))
    assert (code, out.split()[0], out.splitlines()[1].split()[0]) == (0, "[INFO]", "[SUCCESS]")
    assert sh("load_session_metadata $1; echo $STATUS", ID).answer == (0, "stopped\n")
    assert (root.path / "sessions" / ID / "unit" / "00").is_dir()


def test_stopping_needs_a_session_and_may_be_repeated(sh: Bash, root: Root) -> None:
    start(root)
    for word in (ID, ID, ID[:8], f"mas-{ID[:8]}"):
        assert sh('stop_isolated_session "$1"', word).code == 0
    for word in ("", OTHER, "-x", "../x"):
        done = sh('stop_isolated_session "$1"', word)
        assert (done.code, "[ERROR]" in done.out) == (1, True)


def test_killing_one_of_ours_is_recorded(sh: Bash, root: Root) -> None:
    name = start(root)
    assert sh("kill_session $1", name).answer == (0, "")
    record = json.loads((root.path / "sessions" / ID / "metadata.json").read_text())
    assert (record["runtime"]["wanted"], record["runtime"]["observed"]) == ("down", "down")


def test_a_session_of_another_root_is_left_to_its_mas(sh: Bash, root: Root, tmp_path: Path) -> None:
    other = Root(tmp_path / "another root")
    name = start(other)
    for script in ('kill_session "$1"', 'cleanup_session "$1"'):
        done = sh(script, name)
        assert (done.code, done.err) == (
            1,
            f"mas: session {name} belongs to {other.path}; to mean it: MAS_ROOT={other.path}\n",
        )
    assert [row["status"] for row in json.loads(mas(other, "list", "--json", "--all"))["sessions"]] == ["active"]
    assert not (root.path / "sessions").exists()


# --- how a session is ---


def test_status_counts_the_agents_that_are_up(sh: Bash, root: Root, tmux_socket: Path, wait_until: Wait) -> None:
    mas(root, "start", "--isolated", "--command", "cat", "--id", ID)
    name = "mas-1234abcd"
    assert sh("get_session_status $1", name).answer == (0, "running\n")
    tmux(tmux_socket, "send-keys", "-t", f"={name}:=design.0", "C-d")
    wait_until(lambda: sh("get_session_status $1", name).out == "partial\n")
    tmux(tmux_socket, "kill-session", "-t", f"={name}:")
    assert sh("get_session_status $1", name).answer == (1, "stopped\n")
    assert sh("get_session_status mas-1234abc").answer == (1, "stopped\n")


def test_a_small_team_is_whole_too(sh: Bash, root: Root) -> None:
    assert sh("get_session_status $1", start(root)).answer == (0, "running\n")


@each_mode
def test_where_tmux_gives_no_answer_the_status_is_unknown(sh: Bash, tmp_path: Path) -> None:
    (tmp_path / "tmux").write_text("#!/bin/sh\nexit 2\n")
    (tmp_path / "tmux").chmod(0o755)
    assert sh("get_session_status x", env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}).answer == (1, "unknown\n")


@each_mode
def test_details_and_numbers_of_a_session(sh: Bash, root: Root) -> None:
    name = start(root)
    details = dict(line.split(": ", 1) for line in sh("show_session_details $1", name).answer[1].splitlines())
    assert (details["Session"], details["Status"], details["Session ID"]) == (name, "running", ID)
    assert details["Workspace"] == str(root.path / "sessions" / ID)
    code, out = sh("show_session_stats $1", name).answer
    assert code == 0
    assert re.fullmatch(rf"Session: {name}\nCreated: [0-9 :-]+\nWindows: 1\nTotal panes: 1\nAttached clients: 0\n", out)
    assert sh("show_session_stats mas-x").answer == (1, "")
    assert sh("show_session_details mas-x").answer == (0, "Session: mas-x\nStatus: stopped\n")


# --- .mas_session ---


@each_mode
def test_what_is_noted_of_a_session_is_read_back(sh: Bash, tmp_path: Path) -> None:
    place = tmp_path / "it's a $project"
    place.mkdir()
    code, out = plain(sh('save_session_info mas-tmux "$1"', str(place)))
    assert (code, out.startswith("[INFO] "), out.count("\n")) == (0, True, 1)
    names = [line.split("=")[0] for line in (place / ".mas_session").read_text().splitlines()]
    assert names == ["SESSION_NAME", "STARTED_AT", "PID", "PROJECT_DIR", "UNIT_DIR", "WORKFLOWS_DIR"]
    script = 'load_session_info "$1"; printf "%s\\n" "$SESSION_NAME" "$PROJECT_DIR" "$UNIT_DIR"'
    wanted = f"mas-tmux\n{place}\n{sh.root}/unit\n"
    assert sh(script, str(place)).answer == (0, wanted)
    sourced = sh('source "$1/.mas_session"; printf "%s\\n" "$SESSION_NAME" "$PROJECT_DIR" "$UNIT_DIR"', str(place))
    assert sourced.answer == (0, wanted)
    assert [path.name for path in place.iterdir()] == [".mas_session"]


@each_mode
def test_a_note_is_not_run(sh: Bash, tmp_path: Path) -> None:
    (tmp_path / ".mas_session").write_text("SESSION_NAME=$(touch canary)\nPATH=/nowhere\ntouch canary\n")
    done = sh('load_session_info "$1"; echo "$SESSION_NAME"; ls', str(tmp_path), cwd=tmp_path)
    assert done.out.splitlines()[0] == "$(touch canary)"
    assert not list(tmp_path.glob("canary"))


@each_mode
def test_without_a_note_nothing_is_loaded(sh: Bash, tmp_path: Path) -> None:
    assert sh('load_session_info "$1"', str(tmp_path)).answer == (1, "")
    assert sh("load_session_info", cwd=tmp_path).answer == (1, "")
    (tmp_path / ".mas_session").mkdir()
    done = sh("save_session_info x", cwd=tmp_path)
    assert (done.code, done.out, done.err) == (1, "", f"mas: {tmp_path}/.mas_session is a directory\n")


# --- which session ---


@each_mode
def test_none_is_found_where_none_is(sh: Bash) -> None:
    assert sh("find_active_session").answer == (1, "")


def test_the_only_one_is_found(sh: Bash, root: Root, tmp_path: Path) -> None:
    name = start(root)
    start(Root(tmp_path / "another root"), OTHER)
    assert sh("find_active_session").answer == (0, f"{name}\n")
    mas(root, "stop", ID)
    assert sh("find_active_session").answer == (1, "")


def test_an_older_programs_session_is_found_too(sh: Bash, tmux_socket: Path) -> None:
    tmux(tmux_socket, "new-session", "-d", "-s", "mas-tmux", "cat")
    tmux(tmux_socket, "new-session", "-d", "-s", "editor", "cat")
    assert sh("find_active_session").answer == (0, "mas-tmux\n")


def test_of_several_none_is_guessed(sh: Bash, root: Root) -> None:
    one, two = start(root), start(root, OTHER)
    done = sh("find_active_session")
    assert (done.code, done.out) == (1, "")
    assert done.err in {f"mas: 2 sessions are active, name one of them: {a} {b}\n" for a, b in ((one, two), (two, one))}


def test_one_that_is_asked_for_is_found_by_its_exact_names(sh: Bash, root: Root) -> None:
    one, _ = start(root), start(root, OTHER)
    for words in (one, ID, ID[:8], f"--session {one}", f"--session={ID}"):
        assert sh(f"find_active_session {words}").answer == (0, f"{one}\n")
    for words in ("mas-1234", "1234", "nobody", f"--session {one}x", "123", "''"):
        assert sh(f"find_active_session {words}").code == 1


@each_mode
def test_the_environment_names_it(sh: Bash, root: Root) -> None:
    one, two = start(root), start(root, OTHER)
    assert sh("find_active_session", env={"MAS_SESSION_NAME": one}).answer == (0, f"{one}\n")
    assert sh("find_active_session", env={"MAS_SESSION_ID": OTHER}).answer == (0, f"{two}\n")
    assert sh("find_active_session", env={"MAS_SESSION_NAME": "mas-old", "MAS_SESSION_ID": OTHER}).out == f"{two}\n"
    assert sh(f"find_active_session {two}", env={"MAS_SESSION_NAME": one}).out == f"{two}\n"
    mas(root, "stop", ID)
    assert sh("find_active_session", env={"MAS_SESSION_NAME": one}).answer == (1, "")


def test_the_session_we_are_in_comes_before_the_projects(
    sh: Bash, root: Root, tmux_socket: Path, tmp_path: Path
) -> None:
    one, two = start(root), start(root, OTHER)
    (tmp_path / ".mas_session").write_text(f"SESSION_NAME={two}\n")
    assert sh("find_active_session", cwd=tmp_path).answer == (0, f"{two}\n")
    assert sh('find_active_session "$1"', str(tmp_path)).answer == (0, f"{two}\n")
    pane = tmux(tmux_socket, "display-message", "-p", "-t", f"={one}:", "#{pane_id}")
    inside = {"TMUX": f"{tmux_socket},1,0", "TMUX_PANE": pane}
    assert sh("find_active_session", cwd=tmp_path, env=inside).answer == (0, f"{one}\n")
    foreign = {"TMUX": "/elsewhere/tmux,1,0", "TMUX_PANE": pane}
    assert sh("find_active_session", cwd=tmp_path, env=foreign).answer == (0, f"{two}\n")
    (tmp_path / ".mas_session").write_text("SESSION_NAME=mas-dead\n")
    assert sh("find_active_session", cwd=tmp_path).code == 1


def test_the_one_that_is_attached_comes_before_the_others(
    sh: Bash, root: Root, tmux_socket: Path, wait_until: Wait
) -> None:
    one, _ = start(root), start(root, OTHER)
    attach = f"TMUX= TERM=screen exec tmux -S '{tmux_socket}' attach -t '={one}'"
    tmux(tmux_socket, "new-session", "-d", "-s", "viewer", "sh", "-c", attach)
    wait_until(lambda: tmux(tmux_socket, "display-message", "-p", "-t", f"={one}:", "#{session_attached}") == "1")
    assert sh("find_active_session").answer == (0, f"{one}\n")


def by_bash(root: Root, cases: Sequence[Case]) -> list[str]:
    """What ``find_active_session`` prints in each case."""
    lines = []
    for words, env, cwd in cases:
        set_up = " ".join(f"export {name}={shlex.quote(value)};" for name, value in env.items())
        lines.append(f"(cd {shlex.quote(str(cwd))}; {set_up} find_active_session {words} 2>/dev/null || echo nothing)")
    done = Bash(STRICT, root.path, "session.sh")("\n".join(lines))
    assert (done.code, done.err) == (0, "")
    return done.out.splitlines()


def by_python(root: Root, cases: Sequence[Case]) -> Iterator[str]:
    """What the commands take for the session that is meant."""
    for words, env, cwd in cases:
        mas = Mas(root, {**os.environ, **env}, cwd)
        try:
            found = meaning.Meant(mas.resolve(words)) if words else meaning.meant(mas)
        except MasError:
            yield "nothing"
        else:
            yield found.stray.name if found.stray else (mas.row(found.session_id) or {})["tmuxSession"]


def test_bash_and_the_program_mean_the_same_session(root: Root, tmux_socket: Path, tmp_path: Path) -> None:
    below = root.path / "below"
    below.mkdir(parents=True)
    tmux(tmux_socket, "new-session", "-d", "-s", "mas-stray", "cat")
    inside = {
        name: {"TMUX": f"{tmux_socket},1,0", "TMUX_PANE": tmux(tmux_socket, "display-message", "-p", "-t", name, "#D")}
        for name in ("mas-stray", start(root, ID, "first"))
    }
    one, two = "mas-1234abcd", "mas-1234abce"
    single: list[Case] = [("", {}, below), ("", inside["mas-stray"], below)]
    assert by_bash(root, single) == [*by_python(root, single)] == [one] * 2
    start(root, OTHER)
    (tmp_path / ".mas_session").write_text("SESSION_NAME=mas-stray\n")
    several: list[tuple[Case, str]] = [
        (("", {}, below), "nothing"),
        (("", inside[one], below), one),
        (("", inside["mas-stray"], below), "nothing"),
        (("", {}, tmp_path), "mas-stray"),
        (("", {"MAS_SESSION_NAME": two}, tmp_path), two),
        (("", {"MAS_SESSION_NAME": "mas-stray"}, below), "mas-stray"),
        (("", {"MAS_SESSION_NAME": ID}, below), "nothing"),
        (("", {"MAS_SESSION_NAME": "first"}, below), "nothing"),
        (("", {"MAS_SESSION_NAME": "gone", "MAS_SESSION_ID": OTHER}, below), two),
        (("", {"MAS_SESSION_NAME": one, "MAS_SESSION_ID": OTHER}, below), one),
        (("", {"MAS_SESSION_ID": ID[:8]}, below), "nothing"),
        (("first", {"MAS_SESSION_NAME": two}, below), one),
        ((ID, {}, below), one),
        ((two, {}, below), two),
        (("1234abce", {}, below), two),
        (("mas-1234abce-0000", {}, below), two),
        (("1234ab", {}, below), "nothing"),
    ]
    cases = [case for case, _ in several]
    assert by_bash(root, cases) == [*by_python(root, cases)] == [wanted for _, wanted in several]
    (root.path / ".mas_session").write_text(f"SESSION_NAME={two}\n")
    assert by_bash(root, [("", {}, below)]) == [*by_python(root, [("", {}, below)])] == [two]


def test_a_session_that_nobody_registered_is_meant_where_none_of_ours_is_up(tmux_socket: Path, root: Root) -> None:
    """The program says what to type to adopt it; a script that built it goes on with it."""
    tmux(tmux_socket, "new-session", "-d", "-s", "mas-stray", "cat")
    assert by_bash(root, [("", {}, tmux_socket.parent)]) == ["mas-stray"]


def test_where_tmux_gives_no_answer_none_is_meant_and_that_is_said(root: Root, fake: FakeTmux) -> None:
    fake.instead("echo 'the server is not well' >&2; exit 1")
    done = Bash(STRICT, root.path, "session.sh")("__mas_active || echo $?; find_active_session || echo $?")
    assert (done.out, done.err.count("cannot be told which session is meant: the server is not well")) == ("2\n1\n", 2)


# --- ending ---


def test_a_session_is_cleaned_up(sh: Bash, root: Root, tmux_socket: Path, tmp_path: Path) -> None:
    name = start(root)
    note = tmp_path / ".mas_session"
    note.write_text("SESSION_NAME=mas-another\n")
    code, out = plain(sh('cleanup_session "$1" "$2"', name, str(tmp_path)))
    assert (code, [line.split()[0] for line in out.splitlines()]) == (0, ["[INFO]", "[SUCCESS]"])
    assert note.exists()
    assert shown(root)["status"] == "stopped"
    note.write_text(f"SESSION_NAME={name}\n")
    assert sh("cleanup_session $1", name, cwd=tmp_path).code == 0
    assert not note.exists()
    assert (root.path / "sessions" / ID).is_dir()
    assert name not in sessions(tmux_socket)


def test_a_session_whose_server_died_is_cleaned_up_too(sh: Bash, root: Root, tmux_socket: Path) -> None:
    name = start(root)
    tmux(tmux_socket, "kill-server")
    assert sh("cleanup_session $1", name).code == 0
    assert sh("load_session_metadata $1; echo $STATUS", ID).out == "stopped\n"


def test_only_old_sessions_of_this_root_are_ended(
    sh: Bash, root: Root, tmux_socket: Path, tmp_path: Path, wait_until: Wait
) -> None:
    ours, theirs = start(root), start(Root(tmp_path / "another root"), OTHER)
    sh("create_session mas-raw; create_session mine")
    tmux(tmux_socket, "new-session", "-d", "-s", "mas-tmux", "cat")
    assert sh("cleanup_old_sessions").answer == (0, "")
    begun = int(time.time())  # older than no hours at all is every session of an earlier second
    wait_until(lambda: int(time.time()) > begun + 1)
    code, out = plain(sh("cleanup_old_sessions 0"))
    assert (code, sorted(re.findall(r"'([^']+)'", out))) == (0, sorted([ours, "mas-raw"]))
    assert sorted(tmux(tmux_socket, "list-sessions", "-F", "#{session_name}").split()) == sorted(
        ["mas-tmux", "mine", theirs]
    )
    assert shown(root)["status"] == "stopped"
    assert sh("cleanup_old_sessions soon").code == 1


@each_mode
def test_the_windows_of_a_team_from_a_configuration(sh: Bash, tmux_socket: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert sh('start_session_from_config "$1" mas-made', str(tmp_path / "config.json")).answer == (0, "")
    windows = tmux(tmux_socket, "list-windows", "-t", "=mas-made:", "-F", "#{window_name}")
    assert windows.split() == ["meta", "design", "development", "business"]
    code, out = plain(sh("start_session_from_config /nowhere mas-other"))
    assert (code, out) == (1, "[ERROR] Configuration not found: /nowhere\n")


def test_bash_and_the_program_at_once(root: Root, tmux_socket: Path) -> None:
    """One writer: whoever asks, no row and no record is lost."""
    del tmux_socket
    sh = Bash(STRICT, root.path, "session.sh")
    ids = [f"bbbbbbb{at}-0000-4000-8000-000000000001" for at in range(8)]

    def make(at: int) -> None:
        if at % 2:
            assert sh("create_session_workspace $1; update_sessions_index update $1 status stopped", ids[at]).code == 0
        else:
            mas(root, "start", "--isolated", "--template", "solo", "--command", "cat", "--id", ids[at])
            mas(root, "stop", ids[at])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(8)))
    rows = {row["sessionId"]: row["status"] for row in json.loads(root.index.read_text())["sessions"]}
    assert {one: rows[one] for one in ids} == dict.fromkeys(ids, "stopped")
    assert len(rows) == len(ids)


def test_a_script_may_run_under_options_of_any_kind(root: Root, tmux_socket: Path) -> None:
    """Globbing off or strict, another IFS, aliases, functions with the names of programs."""
    begin = """
        shopt -s expand_aliases nullglob failglob dotglob extglob
        alias cp='cp -i' mv='mv -i' rm='rm -i' mkdir=false
        tmux() { echo not me; }; timeout() { echo not me; }; mas() { echo not me; }; od() { echo not me; }
        set -f; IFS=,
    """
    sh = Bash(begin + STRICT, root.path, "session.sh")
    before = sh("set +o; shopt; printf '%q\\n' \"$IFS\"").out
    assert sh(f"{LIFE}\nset -f", ID).answer == (0, "active\nrunning\n")
    life = LIFE.replace("printf", "true")
    assert (
        sh(f"{life} stop_isolated_session $1 >/dev/null; set +o; shopt; printf '%q\\n' \"$IFS\"", OTHER).out == before
    )
    assert sh('cd /; mkdir() { :; }; save_session_info x "$1"', str(tmux_socket.parent)).code == 0
    assert len(sh("generate_uuid").out) == 37
    assert LIB.is_dir()
