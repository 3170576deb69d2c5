"""tmux from bash: exact names, text that arrives as it is, and a server that inherits nothing."""

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from bashes import LIB, STRICT, Bash, run
from teams import environment, sessions, tmux

from mas.paths import Root

Wait = Callable[..., None]


@pytest.fixture(params=["", STRICT], ids=["plain", "strict"])
def sh(request: pytest.FixtureRequest, root: Root, tmux_socket: Path) -> Bash:
    assert os.environ["MAS_TMUX_SOCKET"] == str(tmux_socket)
    return Bash(request.param, root.path, "tmux.sh")


@pytest.fixture
def raw(tmux_socket: Path) -> str:
    """A session with one window, ``meta``, in which ``cat`` shows what it is sent."""
    tmux(tmux_socket, "new-session", "-d", "-x", "200", "-y", "50", "-s", "mas-raw", "-n", "meta", "cat")
    return "mas-raw"


def shown(socket: Path, target: str = "=mas-raw:=meta") -> str:
    return tmux(socket, "capture-pane", "-p", "-J", "-t", target).rstrip()


COLOURS = {"info": 34, "success": 32, "error": 31, "warning": 33}


@pytest.mark.parametrize("kind", COLOURS)
def test_telling(sh: Bash, kind: str) -> None:
    line = f"\033[1;{COLOURS[kind]}m[{kind.upper()}]\033[0m"
    assert sh(f'print_{kind} "$1" ignored', r"a\nb %s -e $HOME").answer == (0, f"{line} a\\nb %s -e $HOME\n")
    assert sh(f"print_{kind}").answer == (0, f"{line} \n")


def test_a_session_is_made_once(sh: Bash, tmux_socket: Path) -> None:
    assert sh("create_session mas-one").answer == (0, "")
    assert tmux(
        tmux_socket, "list-windows", "-t", "=mas-one:", "-F", "#{window_name} #{window_width}x#{window_height}"
    ) == ("meta 80x24")
    code, out = sh("create_session mas-one").answer
    assert (code, "[WARNING]" in out, out.count("\n")) == (1, True, 1)
    assert sh("create_session mas-two lead").answer == (0, "")
    assert tmux(tmux_socket, "list-windows", "-t", "=mas-two:", "-F", "#{window_name}") == "lead"


@pytest.mark.parametrize("name", ["", "a.b", "a:b", "$a", "$0"])
def test_a_name_that_tmux_would_change_is_refused(sh: Bash, tmux_socket: Path, name: str) -> None:
    code, out = sh('create_session "$1"', name).answer
    assert (code, "[ERROR]" in out) == (1, True)
    assert sessions(tmux_socket) == []


ON_A_SESSION = [
    ["send_to_pane", "", "0", "0", "typed"],
    ["send_keys_to_pane", "", "0", "0", "typed"],
    ["get_pane_info", "", "0"],
    ["create_window", "", "oops"],
    ["split_window_to_4panes", "", "0"],
    ["create_mas_windows", ""],
    ["session_exists", ""],
    ["kill_session", ""],
    ["attach_session", ""],
    ["stop_agent", "", "0", "0"],
    ["stop_all_agents", ""],
    ["send_to_agent", "", "00", "typed"],
    ["get_session_status", ""],
    ["show_session_stats", ""],
    ["start_agent", "", "0", "0", "00"],
]


@pytest.mark.parametrize("name", ["", "$0"])
@pytest.mark.parametrize("words", ON_A_SESSION, ids=lambda words: words[0])
def test_what_tmux_would_take_for_some_session_is_none(
    sh: Bash, tmux_socket: Path, words: list[str], name: str
) -> None:
    """Nothing at all is the session it likes best, and what begins with ``$`` an id."""
    tmux(tmux_socket, "new-session", "-d", "-s", "somebodys", "-n", "meta", "cat")
    panes = ("list-panes", "-a", "-F", "#{session_name} #{window_name} #{pane_id} #{pane_pid}")
    before = tmux(tmux_socket, *panes)
    assert replace(sh, file="message.sh")('"$@"', words[0], name, *words[2:]).code == 1
    assert tmux(tmux_socket, *panes) == before
    assert shown(tmux_socket, "=somebodys:") == ""


def test_names_are_exact(sh: Bash, tmux_socket: Path) -> None:
    tmux(tmux_socket, "new-session", "-d", "-s", "mas-abcdef", "-n", "designers", "cat")
    assert sh("session_exists mas-abcd").answer == (1, "")
    assert sh("session_exists mas-abcdef").answer == (0, "")
    assert sh("session_exists 'mas-*'").answer == (1, "")
    assert sh("session_exists ''").answer == (1, "")
    code, out = sh("kill_session mas-abcd").answer
    assert (code, "[WARNING]" in out) == (1, True)
    assert sh("send_to_pane mas-abcdef design 0 x").code == 1
    assert sh("create_window mas-abcd x").code == 1
    assert sh("attach_session mas-abcd").answer[0] == 1
    assert shown(tmux_socket, "=mas-abcdef:") == ""
    assert sh("kill_session mas-abcdef").answer == (0, "")
    assert sh("session_exists mas-abcdef").answer == (1, "")


def test_without_a_server_there_is_nothing(sh: Bash) -> None:
    assert sh("list_sessions").answer == (0, "")
    assert sh("session_exists mas-x").answer == (1, "")
    assert sh("kill_session mas-x").code == 1
    assert sh("send_to_pane mas-x meta 0 hello").code == 1


def test_sessions_are_listed_by_their_prefix(sh: Bash, tmux_socket: Path) -> None:
    for name in ("mas-a", "other", "mas-b", "xmas-c"):
        tmux(tmux_socket, "new-session", "-d", "-s", name, "cat")
    assert [line.split(":")[0] for line in sh("list_sessions").answer[1].splitlines()] == ["mas-a", "mas-b"]
    lines = sh("TMUX_SESSION_PREFIX=other; list_sessions").out
    assert re.match(r"other: 1 windows \(created ", lines)


@pytest.mark.parametrize(
    ("name", "clean"), [("a b.c:d/é", "a-b-c-d--"), ("", ""), ("A-z_09", "A-z_09"), ("$(x)", "--x-"), ("-n", "-n")]
)
def test_a_name_is_made_fit(sh: Bash, name: str, clean: str) -> None:
    assert sh('sanitize_session_name "$1"', name, env={"LC_ALL": "C.UTF-8"}).answer == (0, f"{clean}\n")


CONFIGURATIONS = ["", "set -g base-index 1; set -g pane-base-index 1; set -g renumber-windows on; set -g status off"]


@pytest.mark.parametrize("conf", CONFIGURATIONS)
def test_the_windows_of_a_team(sh: Bash, tmux_socket: Path, conf: str) -> None:
    begin_with(tmux_socket, conf)
    assert sh("create_session mas-team && create_mas_windows mas-team").answer == (0, "")
    shape = "#{window_name} #{window_panes} #{window_active}"
    listed = tmux(tmux_socket, "list-windows", "-t", "=mas-team:", "-F", shape)
    assert listed.split("\n") == ["meta 1 0", "design 4 0", "development 4 0", "business 4 1"]
    place = "#{pane_left},#{pane_top},#{pane_width},#{pane_height}"
    panes = tmux(tmux_socket, "list-panes", "-t", "=mas-team:=design", "-F", place)
    assert len(panes.split()) == 4
    if not conf:
        assert panes.split() == ["0,0,39,11", "40,0,40,11", "0,12,39,12", "40,12,40,12"]
    before = tmux(tmux_socket, "list-panes", "-s", "-t", "=mas-team:", "-F", "#{pane_id}")
    assert sh("create_mas_windows mas-team").answer == (0, "")
    assert tmux(tmux_socket, "list-panes", "-s", "-t", "=mas-team:", "-F", "#{pane_id}") == before


def begin_with(socket: Path, conf: str) -> None:
    file = socket.with_name("tmux.conf")
    file.write_text(conf.replace("; ", "\n"))
    subprocess.run(["tmux", "-S", socket, "-f", file, "new-session", "-d", "-s", "bystander", "cat"], check=True)


@pytest.mark.parametrize("conf", CONFIGURATIONS)
def test_panes_are_counted_from_0(sh: Bash, tmux_socket: Path, conf: str) -> None:
    begin_with(tmux_socket, conf)
    sh("create_session mas-team && create_mas_windows mas-team")
    assert sh("get_pane_info mas-team design").answer == (0, "".join(f"{at} sh\n" for at in range(4)))
    assert sh("get_pane_info mas-team design 3").answer == (0, "3 sh\n")
    assert sh("get_pane_info mas-team design 4").answer == (1, "")
    assert sh("get_pane_info mas-team nowhere").code == 1


def test_a_window_is_named_by_name_index_or_alias(sh: Bash, tmux_socket: Path, wait_until: Wait) -> None:
    sh("create_session mas-team && create_mas_windows mas-team && create_window mas-team extra 9")
    for at, word in enumerate(["design", "1", "unit1", "window1"]):
        assert sh('send_keys_to_pane mas-team "$1" 1 "$2"', word, f"#{at}").answer == (0, "")
    wait_until(lambda: "#0#1#2#3" in shown(tmux_socket, "=mas-team:=design.1"))
    assert sh("send_keys_to_pane mas-team dev 0 here").answer == (0, "")
    wait_until(lambda: "here" in shown(tmux_socket, "=mas-team:=development.0"))
    assert sh("send_keys_to_pane mas-team 9 0 there").answer == (0, "")
    wait_until(lambda: "there" in shown(tmux_socket, "=mas-team:=extra"))


def test_of_two_windows_with_one_name_neither_is_meant(sh: Bash, raw: str, tmux_socket: Path) -> None:
    tmux(tmux_socket, "new-window", "-t", f"={raw}:", "-n", "meta", "cat")
    done = sh("send_to_pane mas-raw meta 0 hello")
    assert (done.code, done.out, done.err) == (1, "", "mas: session mas-raw has no pane 'meta.0'\n")


def test_windows_that_differ_in_capitals_are_two(raw: str, sh: Bash, tmux_socket: Path) -> None:
    tmux(tmux_socket, "new-window", "-t", f"={raw}:", "-n", "META", "cat")
    assert sh("shopt -s nocasematch; get_pane_info mas-raw meta").code == 0
    assert sh("shopt -s nocasematch; get_pane_info mas-raw Meta").code == 1


def test_a_window_can_be_given_an_index(sh: Bash, raw: str, tmux_socket: Path) -> None:
    assert sh("create_window mas-raw seven 7").answer == (0, "")
    assert tmux(tmux_socket, "display-message", "-p", "-t", f"={raw}:7", "#{window_name}") == "seven"
    assert sh("create_window mas-raw again 7").code == 1


CANARIES = [
    "Enter",
    "C-c",
    "Space",
    "-t leading dash",
    "--",
    "trailing semicolon;",
    ";",
    r"\;",
    "#(touch canary)",
    "#{pane_id}",
    "$(touch canary)",
    "`touch canary`",
    "it's \"quoted\" 'twice'",
    "  led by spaces",
    "back\\slash \\n",
    "naïve 日本語",
    "{ } [ ] * ? ~ ! & | < > %",
    "%0",
]


@pytest.mark.parametrize("text", CANARIES)
@pytest.mark.usefixtures("raw")
def test_text_arrives_as_it_is(sh: Bash, tmux_socket: Path, tmp_path: Path, text: str, wait_until: Wait) -> None:
    assert sh('send_to_pane mas-raw meta 0 "$1"', text, cwd=tmp_path).answer == (0, "")
    wait_until(lambda: shown(tmux_socket) == f"{text}\n{text}", what=lambda: shown(tmux_socket))
    assert not list(tmp_path.glob("canary"))


@pytest.mark.usefixtures("raw")
def test_enter_follows_only_where_it_is_asked_for(sh: Bash, tmux_socket: Path, wait_until: Wait) -> None:
    assert sh("send_keys_to_pane mas-raw meta 0 'hello '").answer == (0, "")
    assert sh("send_to_pane mas-raw meta 0 world").answer == (0, "")
    wait_until(lambda: shown(tmux_socket) == "hello world\nhello world", what=lambda: shown(tmux_socket))
    assert sh("send_to_pane mas-raw meta 0 ''").answer == (0, "")
    assert tmux(tmux_socket, "list-buffers") == ""


def received(socket: Path, tmp_path: Path) -> Path:
    """A file that gets what is typed into the window ``raw``, which asks for bracketed paste."""
    target = tmp_path / "received"
    reader = f"stty raw -echo; printf '\\033[?2004h'; echo ready; cat >'{target}'"
    tmux(socket, "new-window", "-t", "=mas-raw:", "-n", "raw", "sh", "-c", reader)
    return target


@pytest.mark.usefixtures("raw")
def test_control_characters_cannot_end_a_paste(sh: Bash, tmux_socket: Path, tmp_path: Path, wait_until: Wait) -> None:
    target = received(tmux_socket, tmp_path)
    wait_until(lambda: "ready" in shown(tmux_socket, "=mas-raw:=raw"))
    assert sh("send_keys_to_pane mas-raw raw 0 $'a\\tb\\e[201~rm\\x03\\x7f\\r\\nc\\rd'").answer == (0, "")
    wait_until(lambda: target.read_bytes().endswith(b"\033[201~"), what=lambda: repr(target.read_bytes()))
    assert target.read_bytes() == b"\033[200~a\tb[201~rm\rc\rd\033[201~"


@pytest.mark.usefixtures("raw")
def test_control_characters_of_two_bytes_cannot_either(
    sh: Bash, tmux_socket: Path, tmp_path: Path, wait_until: Wait
) -> None:
    """Nor those that would only be there once others are left out."""
    target = received(tmux_socket, tmp_path)
    wait_until(lambda: "ready" in shown(tmux_socket, "=mas-raw:=raw"))
    script = (
        r"send_keys_to_pane mas-raw raw 0 $'a\xc2\x9b201~b\xc2\x85c\xc2\xc2\x9b\x9bd\xc2\x01\x9be \xc2\xa0\xc3\x9b'"
    )
    pasted = b"\033[200~a201~bcde \xc2\xa0\xc3\x9b\033[201~"
    for count, locale in enumerate(("C.UTF-8", "C", "xx_YY"), 1):
        said = sh(script, env={"LC_ALL": locale}).err.splitlines()
        assert len(said) == (locale == "xx_YY"), "bash itself says at its start that there is no such locale"
        wait_until(lambda n=count: target.read_bytes().count(b"\033[201~") == n, what=lambda: repr(target.read_bytes()))
        assert target.read_bytes() == pasted * count


@pytest.mark.usefixtures("raw")
def test_a_long_text_arrives_whole(sh: Bash, tmux_socket: Path, tmp_path: Path, wait_until: Wait) -> None:
    target = received(tmux_socket, tmp_path)
    wait_until(lambda: "ready" in shown(tmux_socket, "=mas-raw:=raw"))
    text = "".join(f"line {number} ünï\n" for number in range(20000))
    (tmp_path / "text").write_text(text)
    script = f"IFS= read -r -d '' text <'{tmp_path}/text' || :; send_keys_to_pane mas-raw raw 0 \"$text\""
    assert sh(script).answer == (0, "")
    wait_until(lambda: target.read_bytes().endswith(b"\033[201~"))
    assert target.read_bytes()[6:-6].decode() == text.replace("\n", "\r")


def test_a_pane_that_is_scrolled_gets_it_too(sh: Bash, raw: str, tmux_socket: Path, wait_until: Wait) -> None:
    tmux(tmux_socket, "copy-mode", "-t", f"={raw}:")
    assert sh("send_to_pane mas-raw meta 0 hello").answer == (0, "")
    wait_until(lambda: shown(tmux_socket) == "hello\nhello")


def test_a_dead_pane_is_an_error_and_the_server_lives(sh: Bash, raw: str, tmux_socket: Path, wait_until: Wait) -> None:
    tmux(tmux_socket, "set-option", "-g", "remain-on-exit", "on")
    tmux(tmux_socket, "new-window", "-t", f"={raw}:", "-n", "dead", "true")
    wait_until(lambda: tmux(tmux_socket, "display-message", "-p", "-t", f"={raw}:=dead", "#{pane_dead}") == "1")
    done = sh("send_to_pane mas-raw dead 0 hello")
    assert (done.code, done.out) == (1, "")
    assert tmux(tmux_socket, "list-buffers") == ""


def test_where_agents_are_stamped_a_pane_that_ended_moves_nobody(sh: Bash, tmux_socket: Path, wait_until: Wait) -> None:
    sh("create_session mas-team && create_mas_windows mas-team")
    panes = tmux(tmux_socket, "list-panes", "-t", "=mas-team:=design", "-F", "#{pane_id}").split()
    for at, pane in enumerate(panes):
        tmux(tmux_socket, "set-option", "-p", "-t", pane, "@mas_agent", f"1{at}")
    tmux(tmux_socket, "kill-pane", "-t", panes[1])
    assert sh("get_pane_info mas-team design").answer == (0, "0 sh\n2 sh\n3 sh\n")
    assert sh("send_keys_to_pane mas-team design 1 nobody").code == 1
    assert sh("send_keys_to_pane mas-team design 2 twelve").answer == (0, "")
    wait_until(lambda: "twelve" in shown(tmux_socket, panes[2]))


def test_formats_in_names_are_not_run(sh: Bash, raw: str, tmux_socket: Path, tmp_path: Path) -> None:
    name = "#(touch canary)"
    assert sh('create_window mas-raw "$1"', name, cwd=tmp_path).answer == (0, "")
    assert name in tmux(tmux_socket, "list-windows", "-t", f"={raw}:", "-F", "#{window_name}").split("\n")
    assert sh('create_session "mas-$1" "$1"', "#(touch canary)", cwd=tmp_path).answer == (0, "")
    assert not list(tmp_path.glob("canary"))


def test_a_lock_that_the_caller_holds_is_not_kept_by_the_server(sh: Bash, tmp_path: Path, tmux_socket: Path) -> None:
    lock = tmp_path / "lock"
    script = 'exec 9>"$1" {other}>"$1"; flock 9; create_session mas-one; flock -n 9; echo locked >&9'
    assert sh(script, str(lock)).answer == (0, "")
    assert lock.read_text() == "locked\n"  # the caller's own stayed open
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    pids = [tmux(tmux_socket, "display-message", "-p", "-t", "=mas-one:", name) for name in ("#{pid}", "#{pane_pid}")]
    for pid in pids:
        held = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
        assert str(lock) not in held


def test_the_server_learns_nothing_of_the_callers_session(sh: Bash, tmux_socket: Path) -> None:
    known = ("SESSION_DIR", "UNIT_DIR", "WORKFLOWS_DIR", "SESSION_ID", "TMUX_SESSION", "STATUS", "CREATED_AT")
    env = dict.fromkeys([*known, "MAS_SESSION_ID", "MAS_AGENT_ID"], "first") | {"KEPT": "yes"}
    script = "create_session mas-one; [[ $MAS_SESSION_ID$UNIT_DIR == firstfirst ]]; printenv MAS_SESSION_ID UNIT_DIR"
    assert sh(script, env=env).answer == (0, "first\nfirst\n")
    server = environment(int(tmux(tmux_socket, "display-message", "-p", "#{pid}")))
    assert server["KEPT"] == "yes"
    assert [name for name in server if name.startswith("MAS_") or name in known] == []


def clients(tmp_path: Path, script: str, *programs: str, **env: str) -> list[str]:
    """The command lines of the clients that a script runs, where only these programs are on PATH."""
    for name in programs:
        (tmp_path / name).write_text(f'#!/bin/sh\necho {name} "$@"\n')
        (tmp_path / name).chmod(0o755)
    text = f"source '{LIB}/tmux.sh'\nPATH={tmp_path}\n{script}"
    return run([str(shutil.which("bash")), "--norc", "-c", text], env={**os.environ, **env}).answer[1].splitlines()


@pytest.mark.parametrize(
    ("named", "words"), [("", ""), ("work", " -L work"), ("/a b/work", " -S /a b/work"), ("./work", " -S ./work")]
)
def test_the_server_is_the_one_that_is_named(tmp_path: Path, named: str, words: str) -> None:
    assert clients(tmp_path, "__mas_tmux ls", "tmux", MAS_TMUX_SOCKET=named) == [f"tmux -u{words} ls"]


def test_a_server_that_does_not_answer_is_not_waited_for_without_end(tmp_path: Path) -> None:
    """Where there is a program for that; somebody who attaches stays as long as they like."""
    script = "__mas_tmux ls; (__mas_become_tmux '' attach)"
    found = clients(tmp_path, script, "tmux", "timeout", MAS_TMUX_SOCKET="")
    assert found == ["timeout 10 tmux -u ls", "tmux -u attach"]


@pytest.mark.usefixtures("raw")
def test_attaching_needs_a_session_and_a_window_that_are_there(sh: Bash) -> None:
    code, out = sh("attach_session mas-ra").answer
    assert (code, "[ERROR]" in out) == (1, True)
    assert sh("attach_session mas-raw nowhere").code == 1
    done = sh("attach_session mas-raw meta")
    assert (done.code, "not a terminal" in done.err) == (1, True)


def test_attaching_shows_the_window(raw: str, tmux_socket: Path, root: Root, wait_until: Wait) -> None:
    tmux(tmux_socket, "new-window", "-t", f"={raw}:", "-n", "design", "cat")
    tmux(tmux_socket, "new-window", "-t", f"={raw}:", "-n", "other", "cat")
    script = (
        f"export TERM=screen MAS_ROOT='{root.path}'; unset TMUX; source '{LIB}/tmux.sh'; attach_session {raw} unit1"
    )
    words = ("-d", "-s", "viewer", "-e", f"MAS_TMUX_SOCKET={tmux_socket}", "bash", "-c", script)
    tmux(tmux_socket, "new-session", *words)
    wait_until(lambda: tmux(tmux_socket, "display-message", "-p", "-t", f"={raw}:", "#{session_attached}") == "1")
    assert tmux(tmux_socket, "display-message", "-p", "-t", f"={raw}:", "#{window_name}") == "design"


def test_no_session_changes_the_options_of_the_server(sh: Bash, tmux_socket: Path) -> None:
    begin_with(tmux_socket, "")
    before = tmux(tmux_socket, "show-options", "-g"), tmux(tmux_socket, "show-environment", "-g")
    sh("create_session mas-team && create_mas_windows mas-team")
    assert (tmux(tmux_socket, "show-options", "-g"), tmux(tmux_socket, "show-environment", "-g")) == before
