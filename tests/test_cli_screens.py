"""What a person sees, on a real terminal of 80 columns."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from commandline import PROGRAM, move, record, start
from teams import tmux
from terminal import Terminal, Wait, open_terminal

from mas import render
from mas.paths import Root


@pytest.fixture
def place(root: Root, tmux_socket: Path) -> Path:
    del tmux_socket
    return root.path


@pytest.fixture
def terminal(place: Path, tmux_socket: Path, wait_until: Wait) -> Iterator[Terminal]:
    """A terminal beside the server with the teams."""
    opened = open_terminal(tmux_socket.parent, place, wait_until)
    yield opened
    opened.close()


def shape(lines: list[str], made: str) -> list[str]:
    """The lines with what differs from run to run replaced."""
    text = "\n".join(lines).replace(made, "ID").replace(made[:8], "12345678")
    return re.sub(r"\b\d+[smh] ago", "1s ago", re.sub(r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "TIME", text)).splitlines()


def test_a_list_does_not_wrap(terminal: Terminal, place: Path) -> None:
    assert "no sessions in" in terminal.run("mas list")[0]
    made = start(place, label="a label that is rather long for a table")
    move(place, made, "planning")
    move(place, made, "generating_tasks")
    record(place)
    shown = terminal.run("mas list")
    assert len(shown) == 5
    assert max(map(len, shown)) <= 80
    assert re.fullmatch(r"SESSION +STATUS +LIFECYCLE +AGENTS +AGE +MODE +TMUX", shown[0])
    assert re.fullmatch(rf"a label[a-z ]+… +active +gen\w+…? +1 +\d+s +isolated +mas-{made[:8]}", shown[1])
    assert shown[3:] == ["", render.cut(f"2 sessions, 1 active · in {place}", 80)]
    assert terminal.run("mas list --limit 1")[-1].startswith("1 of 2 sessions, 1 active · --all shows the others · in ")


def test_what_the_doctor_finds_is_not_cut_and_can_be_copied(terminal: Terminal, place: Path) -> None:
    """What can be mended, what is left to a person and what is told only are counted apart."""
    damaged, redirected = record(place), record(place)
    log = place / "sessions" / damaged / "events.jsonl"
    log.write_bytes(log.read_bytes().replace(b"initializing", b"initialising", 1))
    (place / "sessions" / damaged).chmod(0o755)
    shell = place / "sessions" / redirected / ".session"
    shell.unlink()
    shell.symlink_to("nowhere")
    (place / "sessions" / "notes").mkdir()
    shown = terminal.run("mas doctor")
    assert max(map(len, shown)) <= 80
    assert sorted(shown[1:-1]) == sorted(
        [
            f"{damaged[:8]}  others can read its directory",
            f"{damaged[:8]}  events.jsonl: record 1 at byte 0: checksum differs",
            f"            `mas doctor --fix {damaged[:8]}`",
            f"{redirected[:8]}  .session is no regular file",
            "            mas follows no links; look at it and move it away",
            "notes     this directory holds no session; it is left alone",
        ]
    )
    assert shown[-1] == "3 findings remain, 1 left alone; `mas doctor --fix` mends 1 of them"
    assert terminal.run("mas doctor --fix")[-1] == "2 findings remain, 1 mended, 1 left alone"


def test_a_list_on_a_wide_terminal_shows_everything(place: Path, tmux_socket: Path, wait_until: Wait) -> None:
    made = start(place, label="checkout")
    wide = open_terminal(tmux_socket.parent, place, wait_until, columns=150)
    try:
        row = wide.run("mas list")[1]
    finally:
        wide.close()
    assert re.fullmatch(rf"checkout +active +initializing +1 +\d+s +isolated +mas-{made[:8]}", row)


def test_a_session_on_a_screen(terminal: Terminal, place: Path) -> None:
    made = start(place, template="pair", request="Build " * 20 + "it")
    assert shape(terminal.run(f"mas show {made[:8]}"), made) == [
        "12345678: active, initializing",
        "",
        "  id         ID",
        f"  request    {'Build ' * 11}".rstrip(),
        f"             {'Build ' * 9}it",
        "  work       initializing",
        *wrapped(f"  directory  {place}/sessions/ID", made),
        *wrapped(f"  project    {place.parent}", made),
        "  tmux       mas-12345678, 1 window",
        "  agents     2 of pair, each runs: cat -",
        "  created    TIME (1s ago)",
        "  changed    TIME (1s ago)",
        "",
        "pair",
        "└── pair",
        "    ├── 10  Author    opus  running  cat  unit/10",
        "    └── 11  Reviewer  opus  running  cat  unit/11",
        "",
        "recent",
        "  1  1s ago  created",
        "  2  1s ago  runtime  wanted up, observed up, was_up true",
    ]


def wrapped(line: str, made: str) -> list[str]:
    """A path that is too long is not cut: the terminal breaks it, so that it can be copied as a whole."""
    whole = line.replace("ID", made)
    return [whole[at : at + 80].replace(made, "ID") for at in range(0, len(whole), 80)]


def test_what_a_start_says_is_aligned(terminal: Terminal, place: Path) -> None:
    shown = terminal.run("mas start --isolated --template solo --command 'cat -' --label checkout")
    assert [line.partition(":")[0] for line in shown if ":" in line] == [
        "Session ID",
        "Session",
        "Workspace",
        "Team",
        "Agents",
        "Attach",
    ]
    assert re.fullmatch(r"Session:    mas-[0-9a-f]{8}", shown[1])
    assert shown[-1] == "Attach:     mas attach checkout"
    assert place.is_dir()


def test_colours_tell_words_apart_and_can_be_switched_off(terminal: Terminal, place: Path) -> None:
    start(place)
    assert any("\x1b[32mactive" in line for line in terminal.run("mas list", colours=True))
    assert not any("\x1b" in line for line in terminal.run("NO_COLOR=1 mas list", colours=True))
    assert not any("\x1b" in line for line in terminal.run("TERM=dumb mas list", colours=True))


def test_nothing_that_was_stored_commands_the_terminal(terminal: Terminal, place: Path) -> None:
    """A request and an agent's directory may hold anything."""
    made = record(place, request="before\x1b]0;evil\x07\x1b[2Jafter\u202e")
    for line in (f"mas show {made}", f"mas session get {made}", "mas session list", f"mas list; mas events {made}"):
        assert terminal.run(line)
    assert "before\\x1b]0;evil\\x07\\x1b[2Jafter\\u202e" in "\n".join(terminal.run(f"mas show {made}"))


def test_a_terminal_goes_to_a_session_and_comes_back(terminal: Terminal, place: Path, tmux_socket: Path) -> None:
    start(place, template="pair")
    terminal.type("mas attach -a 11")
    terminal.wait(lambda: tmux(tmux_socket, "list-clients"))
    assert tmux(tmux_socket, "display-message", "-p", "#{@mas_agent}") == "11"
    tmux(tmux_socket, "detach-client", "-s", f"={names(tmux_socket)[0]}")
    terminal.wait(lambda: "".join(terminal.screen()[-1:]).startswith("ready>"))


def names(socket: Path) -> list[str]:
    return tmux(socket, "list-sessions", "-F", "#{session_name}").splitlines()


def test_inside_tmux_the_terminal_switches(place: Path, tmux_socket: Path, tmp_path: Path, wait_until: Wait) -> None:
    """From a session of the same server, which gets no second tmux inside its own."""
    first, second = start(place), start(place)
    outer = open_terminal(tmp_path, place, wait_until)
    try:
        outer.type(f"mas attach {first[:8]}")
        outer.wait(lambda: tmux(tmux_socket, "list-clients"))
        pane = tmux(tmux_socket, "new-window", "-P", "-F", "#{pane_id}", "-t", f"=mas-{first[:8]}:", "sh")
        tmux(tmux_socket, "send-keys", "-t", pane, f"{shlex.join(PROGRAM)} attach {second[:8]}", "Enter")
        outer.wait(lambda: tmux(tmux_socket, "list-clients", "-F", "#{session_name}") == f"mas-{second[:8]}")
    finally:
        outer.close()


def test_a_start_may_go_there_at_once(terminal: Terminal, place: Path, tmux_socket: Path) -> None:
    terminal.type("mas start --isolated --template solo --command 'cat -' --attach")
    terminal.wait(lambda: tmux_socket.exists() and "mas-" in clients(tmux_socket))
    assert place.is_dir()


def clients(socket: Path) -> str:
    words = ["tmux", "-S", str(socket), "list-clients", "-F", "#{session_name}"]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=10).stdout


def test_what_takes_long_shows_that_it_goes_on(terminal: Terminal, place: Path) -> None:
    made = record(place)
    terminal.type(f"mas wait {made} --until completed")
    terminal.wait(lambda: any("waiting until" in line for line in terminal.screen()))
    terminal.press("C-c")
    terminal.wait(lambda: "".join(terminal.screen()[-1:]).startswith("ready>"))
    assert not any("waiting until" in line for line in terminal.screen()[1:] if "ready" not in line)
    assert any(line == "mas: interrupted; what was not finished is undone" for line in terminal.screen())


def test_help_fits_the_terminal(terminal: Terminal) -> None:
    for line in ("mas", "mas start --help", "mas session --help"):
        assert max(render.width_of(shown) for shown in terminal.run(line)) <= 80


@pytest.mark.parametrize("verb", ["agents", "progress", "templates show pair", "templates list", "session list"])
def test_other_tables_fit_the_terminal(terminal: Terminal, place: Path, verb: str) -> None:
    made = start(place, template="pair", request="Build the whole thing " * 5)
    shown = terminal.run(f"mas {verb} {made[:8] if verb in ('agents', 'progress') else ''}")
    assert max(len(line) for line in shown) <= 80
    assert len(shown) > 1
