"""Every verb in both modes, called from where people call them: a plain shell, a team's own pane, a tmux of their own.

Beside the session under test another one of the other mode is up, so that a verb which takes the wrong one is noticed.
No name is given where none is needed: in a pane of the session, and where ``.mas_session`` speaks of it.
"""

import json
import os
import re
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import projects
import pytest
import roots
from commandline import AGENT, PROGRAM, ok

from mas.cli import verbs
from mas.paths import Root

Wait = Callable[..., None]

SCRIPT = r"""
call() { # <name> <exit code> <word>...
    name=$1 code=$2
    shift 2
    mas "$@" >"$OUT/$name" 2>"$OUT/$name.err" </dev/null
    ended=$?
    [ $ended = "$code" ] || echo "$name ended with $ended, not $code: $(cat "$OUT/$name.err")" >>"$OUT/wrong"
}
call version 0 version
call completion 0 completion bash
call templates 0 templates list -q
call init 0 init --json
call start 0 start -q --command 'cat -' $WORKSPACE
ID=${ID:-$(cat "$OUT/start")}
ME=${ME-$ID}
call list 0 list --json
call ls 0 ls -q
call show 0 show $ME --json
call status 0 status $ME
call agents 0 agents $ME --json
call capture 0 capture $ME --agent 00
call env 0 env $ME
call path 0 path $ME
call logs 1 logs $ME 00
call attach 1 attach $ME
call send 0 send ${ME:+--session $ME} 00 hello
call messages 0 messages $ME --json
call deliver 0 deliver $ME
call restart 0 restart-agent $ME 00 -q
call planning 0 session transition -q $ID planning
call record 0 record -q $ID command_executed --data '{"command": "make"}'
call progress 0 progress $ME --json
call events 0 events $ME --json
call pause 0 pause $ME -q
call unpause 0 unpause $ME -q
call wait 0 wait $ME -q --until active
call checkpoint 0 checkpoint save $ME -q
call retry 0 retry $ME -q
CHILD=$(cat "$OUT/retry")
call child 0 session transition -q "$CHILD" planning
call complete 0 complete -q "$CHILD"
call rm 0 rm -q "$CHILD"
call again 0 retry $ME -q
CHILD=$(cat "$OUT/again")
call fail 0 fail -q "$CHILD"
call clean 0 clean --dry-run -q
call adopt 0 adopt mas-old --isolated -q
OLD=$(cat "$OUT/adopt")
call ended 0 stop --force -q "$OLD"
call resume 0 resume -q "$OLD"
call remove 0 rm --force -q "$OLD"
call doctor 0 doctor --json
call migrate 0 migrate --dry-run --json
call serve 1 serve --status
call token 0 token
call stop 0 stop --force -q $ME
"""


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
    called = set(re.findall(r"^call \w+ \d (\S+)", SCRIPT, re.MULTILINE))
    assert called == {*verbs.ALL, *verbs.ALIASES}


@pytest.fixture
def project(root: Root, tmux_socket: Path) -> Path:
    """A project with a team of one, on a server that runs something else, and a team of an earlier program."""
    root.path.mkdir()
    ok("init", "--template", "solo", "--name", "shop", cwd=root.path)
    roots.tmux(tmux_socket, "-f", os.devnull, "new-session", "-d", "-s", "mine", "cat")
    projects.old_team(tmux_socket, "mas-old", window="main", panes=1)
    return root.path


def begin(project: Path, mode: str) -> str:
    """Start a session and return its id."""
    return ok("start", f"--{mode}", "-q", *AGENT, cwd=project).out.strip()


def script(out: Path, project: Path, variables: dict[str, str]) -> str:
    program = " ".join(map(shlex.quote, PROGRAM))
    given = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
    begun = f'OUT={shlex.quote(str(out))}\nmas() {{ {program} "$@"; }}\ncd {shlex.quote(str(project))}\n{given}'
    return begun + SCRIPT


@pytest.mark.parametrize("place", ["outside", "ours", "foreign"])
@pytest.mark.parametrize("mode", ["legacy", "isolated"])
def test_every_verb_works_in_both_modes_from_everywhere(
    project: Path, tmux_socket: Path, tmp_path: Path, wait_until: Wait, mode: str, place: str
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
    (tmp_path / "script").write_text(script(out, project, variables))
    if place == "outside":
        subprocess.run(["sh", tmp_path / "script"], check=True, timeout=200)
    else:
        roots.tmux(tmux_socket, "new-window", "-d", "-t", f"={session}:", "sh", str(tmp_path / "script"))
        wait_until((out / "stop").exists, timeout=200)
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
