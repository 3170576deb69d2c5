"""Messages from bash: who is meant, what reaches whom, in a session of ours and in any other."""

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from bashes import PROGRAM, STRICT, Bash, Done, give_readers, run
from roots import mas_of
from teams import tmux

from mas.messages import Message
from mas.paths import Root
from mas.planning import StartOptions

Wait = Callable[..., None]

ALL = "00 10 11 12 13 20 21 22 23 30 31 32 33"
ID = "1234abcd-0000-4000-8000-000000000001"
NAME = "mas-1234abcd"
each_mode = pytest.mark.parametrize("begin", ["", STRICT], ids=["plain", "strict"])


@pytest.fixture
def sh(root: Root, tmux_socket: Path, monkeypatch: pytest.MonkeyPatch) -> Bash:
    assert os.environ["MAS_TMUX_SOCKET"] == str(tmux_socket)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(root.path.parent / "config"))
    return Bash(STRICT, root.path, "message.sh")


@dataclass
class Team:
    """A team of agents that read, as a script sees it."""

    root: Root
    socket: Path
    begin: str = STRICT
    before: int = 0

    def __call__(self, script: str, *words: str, **others: str) -> Done:
        """Run a script for which the team's session is the one that is meant."""
        env = {"SESSION_NAME": NAME, "MAS_TMUX_SOCKET": str(self.socket), **others}
        return Bash(self.begin, self.root.path, "message.sh")(script, *words, env=env)

    def sent(self) -> Sequence[Message]:
        """The messages that were recorded since the test began."""
        return [*mas_of(self.root).messages(ID).values()][self.before :]

    def screens(self) -> dict[str, str]:
        """What is shown in the pane of each agent."""
        return screens(self.socket, NAME)


@pytest.fixture(scope="module")
def started(shared_root: Root, shared_socket: Path) -> Team:
    """A whole team for all tests that only write to it."""
    words = ["start", "--isolated", "--root", str(shared_root.path), "--id", ID, *give_readers(shared_root)]
    done = run([str(PROGRAM), *words])
    assert done.code == 0, done.err
    return Team(shared_root, shared_socket)


@pytest.fixture
def ours(started: Team, monkeypatch: pytest.MonkeyPatch) -> Team:
    monkeypatch.setenv("MAS_TMUX_SOCKET", str(started.socket))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(started.root.path.parent / "config"))
    return Team(started.root, started.socket, before=len(mas_of(started.root).messages(ID)))


def of_its_own(sh: Bash, root: Root, socket: Path, template: str) -> Team:
    """A team of another template, with which a test may do what it wants."""
    _, profile = give_readers(root)
    mas = mas_of(root)
    mas.start(mas.plan(StartOptions(template=template, agent=profile, session_id=ID)))
    return Team(root, socket, sh.begin)


@pytest.fixture
def raw(sh: Bash, tmux_socket: Path) -> str:
    """A session that a script built, with ``cat`` in each pane."""
    tmux(tmux_socket, "start-server", ";", "set-option", "-g", "default-command", "exec cat", ";", *NEW)
    assert sh("create_mas_windows mas-raw").answer == (0, "")
    return "mas-raw"


NEW = ("new-session", "-d", "-x", "80", "-y", "24", "-s", "mas-raw", "-n", "meta")


def plain(done: Done) -> tuple[int, list[str]]:
    """The answer without colours, by lines."""
    code, out = done.answer
    return code, re.sub(r"\033\[[0-9;]*m", "", out).splitlines()


def screens(socket: Path, session: str) -> dict[str, str]:
    """What is shown in the pane of each agent of the default team."""
    format_ = "#{window_name} #{pane_id}"
    panes = [line.split() for line in tmux(socket, "list-panes", "-s", "-t", f"={session}:", "-F", format_).split("\n")]
    shown = [tmux(socket, "capture-pane", "-p", "-J", "-t", pane).strip() for _, pane in panes]
    return dict(zip(ALL.split(), shown, strict=True))


# --- who is meant ---

TARGETS = {
    "00": "00",
    "33": "33",
    "01": "01",
    "agent-12": "12",
    "meta": "00",
    "design": "10 11 12 13",
    "development": "20 21 22 23",
    "business": "30 31 32 33",
    "window0": "00",
    "window2": "20 21 22 23",
    "meta-manager": "00",
    "unit1": "10 11 12 13",
    "dev": "20 21 22 23",
    "3": "30 31 32 33",
    "managers": "00 10 20 30",
    "workers": "11 12 13 21 22 23 31 32 33",
    "all": ALL,
    "10, 11 ,design,nobody,10": "10 11 10 11 12 13 10",
    " 20 ": "20",
    **dict.fromkeys(["", "40", "14", "99", "DESIGN", "*", "agent-", "agent-1", "000", "-n", ",", "window9"], ""),
}


@each_mode
def test_targets(begin: str, root: Root) -> None:
    done = Bash(begin, root.path)('IFS=,; for target in "$@"; do expand_target "$target"; done', *TARGETS)
    assert done.answer == (0, "".join(f"{expanded}\n" for expanded in TARGETS.values()))


def test_targets_are_in_small_letters_whatever_the_shell_thinks_of_that(root: Root) -> None:
    bash = Bash("shopt -s nocasematch", root.path)
    words = ("DESIGN", "All", "managerS", "Agent-12", "Dev", "agent-12", "dev")
    done = bash('for target in "$@"; do expand_target "$target"; done; get_unit_manager DEV', *words)
    assert done.answer == (0, "\n\n\n\n\n12\n20 21 22 23\n\n")


@each_mode
def test_managers_of_units(begin: str, root: Root) -> None:
    managers = {"meta": "00", "design": "10", "dev": "20", "business": "30", "x": "", "": ""}
    done = Bash(begin, root.path)('for unit in "$@"; do get_unit_manager "$unit"; done', *managers)
    assert done.answer == (0, "".join(f"{manager}\n" for manager in managers.values()))


# --- in a session of mas ---


def test_a_message_reaches_its_agent_and_is_recorded(ours: Team, wait_until: Wait) -> None:
    text = "it's $(date) #(date);"
    assert ours('send_to_agent "$SESSION_NAME" 12 "$1" true; send_to_agent "$SESSION_NAME" 11 typed', text).answer == (
        0,
        "",
    )
    wait_until(lambda: ours.screens()["12"].count(text) == 2)
    wait_until(lambda: ours.screens()["11"].count("typed") == 1)
    assert [(one.target, one.execute) for one in ours.sent()] == [("12", True), ("11", False)]


ROUTES = {
    "design hello 1": (["[SUCCESS] Message sent to 4/4 agents"], "10 11 12 13"),
    "managers hello true": (["[SUCCESS] Message sent to 4/4 agents"], "00 10 20 30"),
    "agent-33 hello true": (["[SUCCESS] Message sent to 1/1 agents"], "33"),
    "'10, dev,xx' hello true": (["[SUCCESS] Message sent to 5/5 agents"], "10 20 21 22 23"),
    "'10,01' hello": (["[ERROR] Invalid agent ID: 01", "[SUCCESS] Message sent to 1/2 agents"], "10"),
    "design hello 1 11": (["[INFO] Skipping sender: 11", "[SUCCESS] Message sent to 3/4 agents"], "10 12 13"),
}


@each_mode
def test_messages_are_routed(ours: Team, begin: str) -> None:
    ours.begin = begin
    done = ours("\n".join(f"route_message {words}" for words in ROUTES))
    assert plain(done) == (0, [line for lines, _ in ROUTES.values() for line in lines])
    assert [list(one.to) for one in ours.sent()] == [who.split() for _, who in ROUTES.values()]
    assert all({*one.to} == {*one.fates} for one in ours.sent())


def test_a_sender_is_recorded_and_left_out(ours: Team) -> None:
    code, lines = plain(ours("broadcast_message hello true 10; route_message 10 hello true 10"))
    skipped = "[INFO] Skipping sender: 10"
    said = [skipped, "[SUCCESS] Message sent to 12/13 agents", skipped, "[SUCCESS] Message sent to 0/1 agents"]
    assert (code, lines) == (0, said)
    assert [(one.sender, len(one.to)) for one in ours.sent()] == [("10", 12)]


def test_units_write_to_units(ours: Team) -> None:
    code, lines = plain(ours("send_unit_to_unit design dev hello 1; send_unit_to_unit nobody dev hello"))
    assert (code, lines) == (1, ["[SUCCESS] Message sent to 4/4 agents", "[ERROR] Unknown unit: nobody"])
    assert [(one.sender, one.target) for one in ours.sent()] == [("10", "dev")]


def test_an_invalid_target_is_an_error(ours: Team) -> None:
    for_nobody = ["40", "14", "99", "DESIGN", "*", "", "xx,yy"]
    done = ours('for target in "$@"; do route_message "$target" hello || echo "$?"; done', *for_nobody)
    assert re.findall(r"Invalid target: (.*)\n1\n", done.out) == for_nobody
    assert len(done.err.splitlines()) == len(for_nobody) - 2, "what cannot be a target is not asked about"
    assert ours.sent() == []


def test_an_invalid_agent_is_an_error(ours: Team) -> None:
    nobody = ["99", "01", "", "x", "all", "10,11"]
    done = ours('for agent in "$@"; do send_to_agent "$SESSION_NAME" "$agent" hello || echo "$?"; done', *nobody)
    assert re.findall(r"Invalid agent ID: (.*)\n1\n", done.out) == nobody
    assert ours.sent() == []


def test_what_is_refused_is_no_success(ours: Team) -> None:
    done = ours("route_message 12 '' true; route_message 10,12 ''")
    lines = re.sub(r"\033\[[0-9;]*m", "", done.out).splitlines()
    assert (done.code, lines) == (0, ["[ERROR] Message sent to 0/1 agents", "[ERROR] Message sent to 0/2 agents"])
    assert done.err.count("the message is empty") == 2
    assert ours.sent() == []


def test_a_team_that_lacks_who_is_meant(sh: Bash, root: Root, tmux_socket: Path) -> None:
    pair = of_its_own(sh, root, tmux_socket, "pair")
    lacks = [f"[ERROR] Invalid agent ID: {one}" for one in ("12", "13")]
    for words, said, who in (
        ("10,12 x true", [lacks[0], "[SUCCESS] Message sent to 1/2 agents"], ["10"]),
        ("design x true", [*lacks, "[SUCCESS] Message sent to 2/4 agents"], ["10", "11"]),
        ("11 x true 33", ["[SUCCESS] Message sent to 1/1 agents"], ["11"]),
        ("12 x true", [lacks[0], "[ERROR] Message sent to 0/1 agents"], []),
    ):
        pair.before = len(mas_of(root).messages(ID))
        assert plain(pair(f"route_message {words}")) == (0, said)
        assert [one for message in pair.sent() for one in message.to] == who


def test_a_message_to_a_stopped_session_waits(sh: Bash, root: Root, tmux_socket: Path) -> None:
    solo = of_its_own(sh, root, tmux_socket, "solo")
    mas_of(root).stop(ID, grace=0)
    for name in (NAME, ID):
        code, lines = plain(solo("route_message 00 hello", SESSION_NAME=name))
        assert (code, lines) == (0, ["[SUCCESS] Message sent to 1/1 agents"])
    assert [one.fates["00"].outcome for one in solo.sent()] == ["queued"] * 2


def test_a_long_text_arrives_whole(ours: Team) -> None:
    text = "".join(f"{at} it's\n" for at in range(3000))
    script = "printf -v text '%s\\n' {0..2999}; text=${text//$'\\n'/ it\\'s$'\\n'}; send_to_agent $1 13 \"$text\""
    assert ours(script, NAME).answer == (0, "")
    assert ours.sent()[0].text == text


def test_without_a_session_nothing_is_sent(sh: Bash) -> None:
    code, lines = plain(sh("route_message 12 hello"))
    assert (code, lines) == (1, ["[ERROR] No active session found"])
    code, lines = plain(sh("SESSION_NAME=mas-gone; route_message 12 hello"))
    assert (code, lines) == (1, ["[ERROR] Session not found: mas-gone"])
    assert plain(sh("send_to_agent mas-gone 12 hello"))[0] == 1


def test_the_session_that_is_meant_is_found(ours: Team, tmux_socket: Path) -> None:
    assert plain(ours("unset SESSION_NAME; route_message 12 hello"))[0] == 0
    assert len(ours.sent()) == 1
    for name in ("mas-one", "mas-two"):
        tmux(tmux_socket, "new-session", "-d", "-s", name, "cat")
    done = ours("unset SESSION_NAME; route_message 12 hello", MAS_ROOT="/nowhere", MAS_TMUX_SOCKET=str(tmux_socket))
    assert (done.code, "not clear which session is meant" in done.out, "mas-one mas-two" in done.err) == (1, True, True)


# --- in a session that a script built ---


def test_a_text_is_typed(sh: Bash, raw: str, tmux_socket: Path, wait_until: Wait) -> None:
    text = "it's $(date) #(date); Enter"
    assert sh('send_to_agent "$1" 12 "$2" 1', raw, text).answer == (0, "")
    wait_until(lambda: screens(tmux_socket, raw)["12"] == f"{text}\n{text}")
    assert sh('send_to_agent "$1" 11 "$2" yes', raw, text).answer == (0, "")
    wait_until(lambda: screens(tmux_socket, raw)["11"] == text)
    done = plain(sh('SESSION_NAME=$1; route_message "managers,13" hello true 20', raw))
    assert done == (0, ["[INFO] Skipping sender: 20", "[SUCCESS] Message sent to 4/5 agents"])
    wait_until(
        lambda: [one for one, text in screens(tmux_socket, raw).items() if "hello" in text] == "00 10 13 30".split()
    )


@pytest.mark.usefixtures("raw")
def test_who_is_not_there_does_not_get_it(sh: Bash, tmux_socket: Path) -> None:
    tmux(tmux_socket, "kill-window", "-t", "=mas-raw:=design")
    done = sh("SESSION_NAME=mas-raw; route_message 10,20 hello")
    assert (done.code, "sent to 1/2" in done.out) == (0, True)
    assert sh("send_to_agent mas-raw 10 hello").code == 1
    script = 'SESSION_NAME=mas-raw; for one in "$@"; do route_message "$one" x || echo "$?"; done'
    assert re.findall(r"Invalid target: (.*)\n1\n", sh(script, "nobody", "14", "").out) == ["nobody", "14", ""]
    assert plain(sh("send_to_agent mas-raw 01 x")) == (1, ["[ERROR] Invalid agent ID: 01"])


def test_nothing_is_typed_where_an_agent_ended(sh: Bash, raw: str, tmux_socket: Path) -> None:
    """What is left of its pane is a shell, which would run it."""
    tmux(tmux_socket, "set-option", "-p", "-t", f"={raw}:=design.2", "@mas_exit", "3")
    done = sh('send_to_agent "$1" 12 hello true', raw)
    assert (done.code, done.out, done.err) == (1, "", f"mas: agent 12 of session {raw} has ended\n")
    assert screens(tmux_socket, raw)["12"] == ""


# --- in a session of another root ---


def test_another_roots_team_is_left_alone(sh: Bash, root: Root, tmux_socket: Path) -> None:
    pair = of_its_own(sh, root, tmux_socket, "pair")
    before = tmux(tmux_socket, "list-panes", "-a", "-F", "#{pane_id} #{pane_pid}")
    said = f"mas: session {NAME} belongs to {root.path}; to mean it: MAS_ROOT={root.path}\n"
    for words in (
        "route_message 11 hello true",
        'send_to_agent "$SESSION_NAME" 11 hello',
        'kill_session "$SESSION_NAME"',
    ):
        done = pair(words, MAS_ROOT=str(root.path.parent / "other"))
        assert (done.code, done.out, done.err) == (1, "", said)
    assert tmux(tmux_socket, "list-panes", "-a", "-F", "#{pane_id} #{pane_pid}") == before
    assert "hello" not in tmux(tmux_socket, "capture-pane", "-p", "-t", f"={NAME}:.1")
    assert pair.sent() == []


# --- many messages ---


def test_several_messages_go_one_after_another(ours: Team) -> None:
    script = 'send_batch_messages; send_batch_messages "$1" 12; send_batch_messages "$1" 12 one "two words" -n'
    code, lines = plain(ours(script, NAME, BATCH_MESSAGE_DELAY="0"))
    assert (code, lines) == (0, ["[SUCCESS] Message sent to 1/1 agents"] * 3)
    assert [(one.text, one.execute) for one in ours.sent()] == [("one", False), ("two words", False), ("-n", False)]


def test_the_lines_of_a_file_are_messages(ours: Team, tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("one\n\n# no message\n  two #2\nthree")
    script = 'sleep() { command sleep 0; }; send_messages_from_file "$1" 12 "$2"'
    code, lines = plain(ours(script, str(tmp_path / "a file"), NAME))
    assert (code, lines) == (0, ["[SUCCESS] Message sent to 1/1 agents"] * 3)
    assert [one.text for one in ours.sent()] == ["one", "  two #2", "three"]
    for name in (str(tmp_path / "none"), str(tmp_path), ""):
        assert plain(ours('send_messages_from_file "$1" 12', name))[0] == 1


def test_the_prompts_of_a_configuration_are_given_once(
    sh: Bash, root: Root, tmux_socket: Path, wait_until: Wait, tmp_path: Path
) -> None:
    pair = of_its_own(sh, root, tmux_socket, "pair")
    shapes: list[dict[str, object]] = [
        {
            "agents": {"metaManager": {"id": "10", "prompt": "one"}},
            "units": [{"manager": {"id": "11", "prompt": "two"}}],
        },
        {"metaManager": {"id": "10", "prompt": "one"}, "units": [{"workers": [{"id": "11", "prompt": "two"}]}]},
        {
            "agents": {
                "metaManager": {"id": "10", "prompt": "one"},
                "units": [{"workers": [{"id": "11", "prompt": "3"}]}],
            }
        },
    ]
    for number, shape in enumerate(shapes):
        (tmp_path / f"{number}.json").write_text(json.dumps(shape))
    script = 'for file in "$@"; do initialize_agents_from_config "$file" "$SESSION_NAME"; done'
    code, lines = plain(pair(script, *(f"{tmp_path}/{number}.json" for number in range(3))))
    assert (code, lines) == (0, [f"[SUCCESS] {count} prompts are on their way" for count in (2, 0, 1)])
    wait_until(lambda: all(fate.outcome == "submitted" for one in pair.sent() for fate in one.fates.values()))
    assert [(one.kind, one.target, one.text) for one in pair.sent()] == [
        ("prompt", "10", "one"),
        ("prompt", "11", "two"),
        ("prompt", "11", "3"),
    ]
    assert plain(pair("initialize_agents_from_config /nowhere"))[0] == 1
    tmux(tmux_socket, "new-session", "-d", "-s", "mas-raw", "cat")
    assert plain(pair('initialize_agents_from_config "$1" mas-raw', f"{tmp_path}/0.json"))[0] == 1


# --- texts ---


def test_texts(sh: Bash) -> None:
    assert re.fullmatch(
        r"\[[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}\] FROM: Unit-10 TO: design \| a %s \\n\n",
        sh("format_message 10 design 'a %s \\n'").answer[1],
    )
    assert sh("create_prompt_message 'build %s'").answer == (0, "タスク: build %s\n実行してください。\n")
    wanted = "タスク: build\nコンテキスト: a\\nb\n実行してください。\n"
    assert sh("create_prompt_message build 'a\\nb'").answer == (0, wanted)


def test_a_log_of_ones_own(sh: Bash, tmp_path: Path) -> None:
    log = tmp_path / "a place" / "log"
    env = {"MESSAGE_LOG_FILE": str(log)}
    assert plain(sh("show_message_history", env=env))[1][0].startswith("[WARNING] ")
    for number in range(25):
        assert sh("log_message 12 $1", str(number), env=env).answer == (0, "")
    assert re.fullmatch(r"\[[0-9: -]+\] TO: 12 \| 0\n", log.read_text().splitlines(keepends=True)[0])
    assert [line.split()[-1] for line in sh("show_message_history", env=env).out.splitlines()] == [
        str(number) for number in range(5, 25)
    ]
    assert len(sh("show_message_history 3", env=env).out.splitlines()) == 3
    assert sh("SESSION_DIR=$1 log_message 12 x", str(tmp_path)).answer == (0, "")
    assert (tmp_path / "logs" / "messages.log").exists()
    assert sh("log_message 12 x", env={"XDG_STATE_HOME": str(tmp_path / "state")}).answer == (0, "")
    assert (tmp_path / "state" / "mas" / "messages.log").exists()
