"""Every verb in both modes, called from where people call them: a plain shell, a team's own pane, a session of theirs
beside ours, a tmux server of theirs.

Beside the session under test another one of the other mode is up, so that a verb which takes the wrong one is noticed.
No name is given where none is needed: in a pane of the session, and where ``.mas_session`` speaks of it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import projects
import pytest
import roots
from bashes import READER
from commandline import AGENT, mas, ok
from conftest import own_tmux

from mas.cli import verbs
from mas.paths import Root

Wait = Callable[..., None]

CALLS = """
version 0 version
completion 0 completion bash
templates 0 templates list -q
init 0 init --json
start 0 start -q --agent reader $WORKSPACE
list 0 list --json
ls 0 ls -q
show 0 show $ME --json
status 0 status $ME
agents 0 agents $ME --json
capture 0 capture $ME --agent 00
env 0 env $ME
path 0 path $ME
logs 1 logs $ME 00
attach 1 attach $ME
send 0 send --session $ID 00 hello
messages 0 messages $ME --json
deliver 0 deliver $ME
restart 0 restart-agent $ME 00 -q
planning 0 session transition -q $ID planning
record 0 record -q $ID command_executed --data {"command":"make"}
progress 0 progress $ME --json
events 0 events $ME --json
pause 0 pause $ME -q
unpause 0 unpause $ME -q
wait 0 wait $ME -q --until active
checkpoint 0 checkpoint save $ME -q
retry 0 retry $ME -q
child 0 session transition -q $retry planning
complete 0 complete -q $retry
rm 0 rm -q $retry
again 0 retry $ME -q
fail 0 fail -q $again
clean 0 clean --dry-run -q
adopt 0 adopt mas-old --isolated -q
ended 0 stop --force -q $adopt
resume 0 resume -q $adopt
remove 0 rm --force -q $adopt
doctor 0 doctor --json
migrate 0 migrate --dry-run --json
serve 1 serve --status
token 0 token
stop 0 stop --force -q $ME
"""
"""A line a call: its name, its exit code, its words; ``$name`` is what the call of that name printed."""

SCRIPT = """
import os, sys
sys.path.insert(0, os.environ["TESTS"])
import test_cli_matrix
test_cli_matrix.call_all(sys.argv[1])
"""


def call_all(out: str) -> None:
    """Make the calls one after another, in this process and place, and keep what each said in a directory."""
    known = {name: os.environ.get(name, "") for name in ("ID", "ME", "WORKSPACE")}
    for line in CALLS.split("\n")[1:-1]:
        name, code, *words = line.split()
        given = [part for word in words for part in (known[word[1:]].split() if word.startswith("$") else [word])]
        done = mas(*given)
        known[name] = done.out.strip()
        if name == "start":
            known |= {"ID": known["ID"] or known[name]}
            known |= {"ME": known["ME"] if "ME" in os.environ else known["ID"]}
        Path(out, name).write_text(done.out)
        if done.code != int(code):
            with Path(out, "wrong").open("a") as wrong:
                wrong.write(f"{name} ended with {done.code}, not {code}: {done.err}")
        Path(out, f"{name}.err").write_text(done.err)  # the last: then all of this call is there


@dataclass(frozen=True)
class Called:
    """What the calls of one place and mode said."""

    out: Path
    mine: str

    def __getitem__(self, name: str) -> str:
        return (self.out / name).read_text()

    def json(self, name: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(self[name])
        return found


def test_no_verb_is_left_out() -> None:
    called = {line.split()[2] for line in CALLS.strip().splitlines()}
    assert called == {*verbs.ALL, *verbs.ALIASES}


@pytest.fixture
def project(root: Root, tmux_socket: Path) -> Path:
    """A project with a team of one, on a server that runs something else, and a team of an earlier program."""
    root.path.mkdir()
    ok("init", "--template", "solo", "--name", "shop", cwd=root.path)
    profile = f"[profile.reader]\ncommand = '''{READER}'''\nready = '^>'\n"
    (root.path / "profiles.toml").write_text(profile)
    roots.tmux(tmux_socket, "-f", os.devnull, "new-session", "-d", "-s", "mine", "cat")
    projects.old_team(tmux_socket, "mas-old", window="main", panes=1)
    return root.path


def begin(project: Path, mode: str) -> str:
    """Start a session and return its id."""
    return ok("start", f"--{mode}", "-q", *AGENT, cwd=project).out.strip()


def argv(out: Path, variables: Mapping[str, str]) -> list[str]:
    """The process that makes the calls, with these variables besides those of the place it is started in."""
    given = {"TESTS": str(Path(__file__).parent), **variables}
    return ["env", *(f"{name}={value}" for name, value in given.items()), sys.executable, "-P", "-c", SCRIPT, str(out)]


@pytest.fixture
def servers(tmux_socket: Path) -> Iterator[Mapping[str, Path]]:
    """The tmux server of each place: that of the teams, but for one, which holds nothing of ours."""
    with own_tmux() as theirs:
        roots.tmux(theirs, "-f", os.devnull, "new-session", "-d", "-s", "mine", "cat")
        yield {"ours": tmux_socket, "foreign": tmux_socket, "elsewhere": theirs}


@pytest.mark.parametrize("place", ["outside", "ours", "foreign", "elsewhere"])
@pytest.mark.parametrize("mode", ["legacy", "isolated"])
def test_every_verb_works_in_both_modes_from_everywhere(
    project: Path, servers: Mapping[str, Path], tmp_path: Path, wait_until: Wait, mode: str, place: str
) -> None:
    other = begin(project, "isolated" if mode == "legacy" else "legacy")
    variables = {"WORKSPACE": "--template solo" if mode == "isolated" else ""}
    if mode == "isolated" and place != "ours":
        variables["MAS_SESSION_MODE"] = "isolated"
    elif mode == "legacy":
        variables["ME"] = ""
    session, mine = "mine", ""
    if place == "ours":
        mine = begin(project, mode)
        session = "mas-shop" if mode == "legacy" else f"mas-{mine[:8]}"
        variables |= {"ID": mine, "ME": ""}
    out = tmp_path / "out"
    out.mkdir()
    if place == "outside":
        subprocess.run(argv(out, variables), cwd=project, check=True, timeout=60)
    else:
        words = ("-t", f"={session}:", "-c", str(project), *argv(out, variables))
        roots.tmux(servers[place], "new-window", "-d", *words)
        wait_until((out / "stop.err").exists, timeout=60)
    called = Called(out, mine or (out / "start").read_text().strip())
    wait_until(lambda: status(project, called.mine) == "stopped", timeout=30)
    assert not (out / "wrong").exists(), called["wrong"]
    check(called, project, mode, other)
    assert status(project, other) == "active"


def status(project: Path, session_id: str) -> str:
    return str(ok("show", session_id, "--json", cwd=project).json["status"])


def check(called: Called, project: Path, mode: str, other: str) -> None:
    """What was said is about the session under test, and says its mode."""
    mine, place = called.mine, project if mode == "legacy" else project / "sessions" / called.mine
    assert called["path"] == f"{place}\n"
    assert f"export MAS_SESSION_ID={mine}\n" in called["env"]
    assert f"export MAS_SESSION_MODE={mode}\n" in called["env"]
    assert called.json("show")["sessionId"] == mine
    assert called.json("agents")["sessionId"] == mine
    assert called.json("progress")["sessionId"] == mine
    listed = called.json("list")["sessions"]
    assert isinstance(listed, list)
    modes = {one["sessionId"]: one["mode"] for one in listed}
    assert (modes[mine], modes[other]) == (mode, "isolated" if mode == "legacy" else "legacy")
    assert "mas-old" in {one["tmuxSession"] for one in listed}
    if mode == "legacy":
        assert called["status"] == "Session: mas-shop\nStatus: running\nHTTP Server: stopped\n"
    else:
        assert called["status"].startswith(f"{mine[:8]}: active")
    for name in ("pause", "unpause", "wait", "stop"):
        assert called[name] == f"{mine}\n", name
    assert "attach-session" in called["attach.err"]
    assert "hello" in called["messages"]
