"""One life of a team where everything around it is against it: the path, the tmux server, the terminal."""

import os
import shlex
from pathlib import Path
from typing import Any

from bashes import PROGRAM, give_readers, run
from commandline import ok
from roots import tmux
from teams import start_server

from mas.paths import Root

ID = "deadbeef-0000-4000-8000-000000000000"
ROOT = """it's "a" #(touch canary) $HOME $(touch canary) #{pane_id} %H;&|~*?[x] \\n -- ü 日本"""
CONF = """
set -g base-index 1
set -g pane-base-index 1
set -g synchronize-panes on
set -g default-command 'touch canary; exec cat'
set -g remain-on-exit on
set -g renumber-windows on
set -g allow-rename on
"""
FOREIGN = "mas-deadbeef1"
"""Somebody's own session; ours is called by the beginning of that name."""

AGENTS = ("10", "11", "12", "13")
TEXT = "#(touch canary) $(touch canary) `touch canary`; x"


def test_a_team_lives_and_ends_in_a_hostile_place(tmp_path: Path, tmux_socket: Path) -> None:
    place = tmp_path / ROOT
    reader = give_readers(Root(place))
    start_server(tmux_socket, CONF)
    tmux(tmux_socket, "new-session", "-d", "-s", FOREIGN, "cat")
    pid, pane = tmux(tmux_socket, "display-message", "-p", "-t", f"={FOREIGN}:", "#{pid},0 #{pane_id}")[0].split()
    env = {"TMUX": f"{tmux_socket},{pid}", "TMUX_PANE": pane}
    at: dict[str, Any] = {"root": place, "env": env, "cwd": tmp_path}

    assert ok("start", "--isolated", "--template", "squad", *reader, "--id", ID, "-q", **at).out == f"{ID}\n"
    shown = ok("show", "dead", "--json", **at).json
    home = f"{place}/sessions/{ID}"
    assert (shown["status"], shown["tmuxSession"], shown["workingDir"]) == ("active", "mas-deadbeef", home)
    team = {one["agentId"]: (one["status"], one["workingDir"]) for one in shown["agents"]}
    assert team == {one: ("running", f"{home}/unit/{one}") for one in AGENTS}
    assert [line.split("\t")[0] for line in ok("list", **at).lines] == [ID, "-"]

    sent = ok("send", "--session", ID, "11", TEXT, "--json", **at).json
    assert sent["fates"]["11"]["outcome"] == "submitted"
    screens = {one: ok("capture", ID, one, **at).out for one in AGENTS}
    assert [one for one, screen in screens.items() if TEXT in screen] == ["11"]

    inside = {**os.environ, **env, "MAS_ROOT": str(place)}
    script = f'eval "$({shlex.quote(str(PROGRAM))} env dead)" && cd "$UNIT_DIR/10" && {shlex.quote(str(PROGRAM))} stop'
    assert run(["bash", "--norc", "-c", script], env=inside, cwd=tmp_path).code == 0
    assert ok("list", "--status", "stopped", "-q", **at).lines == [ID]
    assert ok("resume", "-q", **at).lines == [ID]
    assert ok("doctor", **at).code == 0
    assert ok("rm", "--force", "-q", "mas-deadbeef", **at).lines == [ID]
    assert ok("doctor", **at).code == 0

    assert not (place / "sessions" / ID).exists()
    assert tmux(tmux_socket, "list-sessions", "-F", "#{session_name}") == ["bystander", FOREIGN]
    assert tmux(tmux_socket, "list-panes", "-t", f"={FOREIGN}:", "-F", "#{pane_dead}") == ["0"]
    assert [*tmp_path.rglob("canary")] == [*Path.cwd().glob("canary")] == []
