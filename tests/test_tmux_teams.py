"""Teams on a real server, under configurations, names and faults that a user may have."""

import os
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import teams

from mas import processes, tmux
from mas.errors import ExistsError, MasError, NotFoundError, RefusedError, UnknownStateError
from mas.launch import LaunchPlan, WindowPlan, quote
from mas.listings import Listing
from mas.structs import replace
from mas.tmux import Server

Wait = Callable[..., None]

PANES = "#{window_name}.#{@mas_agent} #{pane_title} #{pane_left},#{pane_top}"
HOSTILE = {
    "indexes from one": "set -g base-index 1\nset -g pane-base-index 1",
    "input goes to all panes": "set -g synchronize-panes on",
    "a default command": "set -g default-command 'exec sleep 1000'",
    "a hook that moves the focus": "set-hook -g after-split-window 'select-pane -t {top-left}'",
    "a hook that opens a window": "set-hook -g after-new-session 'new-window -n stranger'",
    "a hook that splits": "set-hook -g after-new-session 'split-window -h cat'",
    "a hook that splits before": "set-hook -g after-new-session 'split-window -hb cat'",
    "a hook that fails": "set-hook -g after-split-window 'kill-session -t nobody'",
    "a hook that takes its time": "set-hook -g after-new-window 'run-shell \"sleep 0.1\"'",
    "windows are renumbered": "set -g renumber-windows on",
    "windows are renamed": "set -g automatic-rename on\nset -g allow-rename on",
    "the status line is on top": "set -g status-position top\nset -g pane-border-status top",
    "nobody is there": "set -g destroy-unattached on",
    "dead panes stay": "set -g remain-on-exit on",
    "small": "set -g default-size 20x5\nset -g window-size smallest",
    "a line that is wrong": "this is no command",
}


@pytest.fixture
def server(tmux_socket: Path) -> Server:
    return Server(str(tmux_socket))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "a root" / "sessions" / teams.SESSION


def panes_of(plan: LaunchPlan, socket: Path, form: str) -> list[str]:
    return teams.tmux(socket, "list-panes", "-s", "-t", f"={plan.name}:", "-F", form).split("\n")


def agents_of(plan: LaunchPlan, server: Server, wait: Wait) -> dict[str, int]:
    """The pid of each agent, once its wrapper has started it."""
    found = {pane.agent_id: pane.pid for pane in seen_panes(plan, server) if pane.agent_id}
    wait(lambda: all(teams.children(pid) for pid in found.values()), what="the agents")
    return {agent: teams.children(pid)[0] for agent, pid in found.items()}


def seen_panes(plan: LaunchPlan, server: Server) -> tuple[tmux.SeenPane, ...]:
    session = next(one for one in tmux.discover(server).sessions if one.session_id == plan.session_id)
    return tmux.panes(server, session.tmux_id, plan.session_id)


def test_a_team_comes_up_in_order(server: Server, tmux_socket: Path, directory: Path) -> None:
    plan = teams.plan(directory)
    launched = tmux.launch(server, plan)
    left, right, top, bottom = 0, plan.width // 2, 0, plan.height // 2
    corners = [f"{x},{y}" for y in (top, bottom) for x in (left, right)]
    assert panes_of(plan, tmux_socket, PANES) == ["meta.00 Agent 00 0,0"] + [
        f"{window}.{row}{column} Agent {row}{column} {corners[column]}"
        for row, window in ((1, "design"), (2, "development"), (3, "business"))
        for column in range(4)
    ]
    assert list(launched.panes.values()) == panes_of(plan, tmux_socket, "#{pane_id}")
    facts = teams.tmux(tmux_socket, "display-message", "-p", "-t", plan.name, "#{session_id} #{pid} #{start_time}")
    assert facts == f"{launched.tmux_id} {launched.server_pid} {launched.server_started}"
    assert (launched.name, launched.socket) == (plan.name, str(tmux_socket))


def test_whoever_attaches_sees_the_first_agent(server: Server, tmux_socket: Path, directory: Path) -> None:
    plan = teams.plan(directory)
    tmux.launch(server, plan)
    assert teams.tmux(tmux_socket, "display-message", "-p", "-t", f"={plan.name}:", "#{@mas_agent}") == "00"
    active = teams.tmux(
        tmux_socket, "list-panes", "-s", "-t", f"={plan.name}:", "-f", "#{pane_active}", "-F", "#{@mas_agent}"
    )
    assert active.split() == ["00", "10", "20", "30"]


def test_each_window_has_its_layout(server: Server, tmux_socket: Path, directory: Path) -> None:
    plan = teams.plan(directory, {"meta": 3, "design": 3, "development": 3})
    layouts = ("even-horizontal", "even-vertical", "main-vertical")
    windows = tuple(replace(window, layout=layout) for window, layout in zip(plan.windows, layouts, strict=True))
    tmux.launch(server, replace(plan, windows=windows))
    form = (
        "#{@mas_agent} #{?pane_at_left,left,} #{?pane_at_right,right,} #{?pane_at_top,top,} #{?pane_at_bottom,bottom,}"
    )
    assert [" ".join(line.split()) for line in panes_of(plan, tmux_socket, form)] == [
        "00 left top bottom", "01 top bottom", "02 right top bottom",
        "10 left right top", "11 left right", "12 left right bottom",
        "20 left top bottom", "21 right top", "22 right bottom",
    ]  # fmt: skip


@pytest.mark.parametrize("conf", HOSTILE.values(), ids=HOSTILE.keys())
def test_it_holds_under_the_users_configuration(
    server: Server, tmux_socket: Path, directory: Path, wait_until: Wait, conf: str
) -> None:
    teams.start_server(tmux_socket, f"set -g exit-empty on\n{conf}")
    plan = teams.plan(directory, {"meta": 2, "design": 4, "development": 3})
    launched = tmux.launch(server, plan)
    seen = seen_panes(plan, server)
    ours = [pane for pane in seen if pane.agent_id]
    found = [(pane.window, pane.agent_id) for pane in ours]
    wanted = [(window.name, pane.agent_id) for window in plan.windows for pane in window.panes]
    assert sorted(found) == sorted(wanted)
    if len(seen) == len(ours):  # where a hook adds panes, it also decides about places
        assert found == wanted
    assert {pane.agent_id: pane.pane_id for pane in ours} == launched.panes
    for agent_id, pid in agents_of(plan, server, wait_until).items():
        assert teams.environment(pid)["MAS_AGENT_ID"] == agent_id
        assert Path(f"/proc/{pid}/cwd").readlink() == directory / "unit" / agent_id
    titles = dict(line.split("|") for line in panes_of(plan, tmux_socket, "#{pane_id}|#{pane_title}"))
    assert {agent_id: titles[pane] for agent_id, pane in launched.panes.items()} == {
        pane.agent_id: pane.title for pane in plan.panes
    }


def test_a_cold_server_reads_the_users_file_and_keeps_the_session(
    server: Server, directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".tmux.conf").write_text("set -g destroy-unattached on\nset -g base-index 7\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    plan = teams.plan(directory)
    tmux.launch(server, plan)
    assert [pane.window_index for pane in seen_panes(plan, server)][:2] == [7, 8]


NAMES = [
    "a b",
    "q'u\"o`te",
    "#(touch canary)",
    "#{pane_id} #S",
    "$HOME",
    "~",
    "semi;",
    "日本 ü",
    "%H %d",
    "-x",
    "{a}",
    "a\nb",
    "\\",
]


@pytest.mark.parametrize("name", [*NAMES, os.fsdecode(b"\xff\xfe")])
def test_paths_and_titles_mean_what_they_say(
    server: Server, tmux_socket: Path, tmp_path: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = teams.plan(tmp_path / name / name, {"meta": 2})
    window = plan.windows[0]
    title = name.replace("\n", " ")
    plan = replace(plan, windows=(replace(window, panes=tuple(replace(pane, title=title) for pane in window.panes)),))
    launched = tmux.launch(server, plan)
    for agent_id, pid in agents_of(plan, server, wait_until).items():
        assert Path(f"/proc/{pid}/cwd").readlink() == tmp_path / name / name / "unit" / agent_id
    (session,) = tmux.discover(server).sessions
    assert session.root == str(plan.root)
    facts = tmux.pane_facts(server, launched.tmux_id, plan.session_id)
    assert [facts[pane].path for pane in launched.panes.values()] == [str(pane.cwd) for pane in plan.panes]
    if name.isprintable() and "\\" not in name:  # tmux shows a title in escapes where it is not
        assert set(panes_of(plan, tmux_socket, "#{pane_title}")) == {title}
    assert not list(tmp_path.rglob("canary"))
    tmux.end(server, launched.tmux_id, plan.session_id)
    wait_until(lambda: not processes.carriers(plan.marker))


def test_values_of_the_environment_arrive_as_they_are(server: Server, directory: Path, wait_until: Wait) -> None:
    values = {
        f"V{place}": name
        for place, name in enumerate([*NAMES, "", "x" * 40_000, os.fsdecode(b"\xff\n\xfe"), "a=b", " x "])
    }
    plan = teams.plan(directory, {"meta": 1, "design": 2}, env={**values, "SAME": "of all"})
    first = plan.windows[0].panes[0]
    mine = replace(first, env={**first.env, "SAME": "of one", **{f"P{name}": value for name, value in values.items()}})
    plan = replace(plan, windows=(replace(plan.windows[0], panes=(mine,)), plan.windows[1]))
    tmux.launch(server, plan)
    agents = agents_of(plan, server, wait_until)
    for agent_id, pid in agents.items():
        found = teams.environment(pid)
        assert {name: found[name] for name in values} == values
        assert found["SAME"] == ("of one" if agent_id == "00" else "of all")
        assert {name for name in found if name.startswith("PV")} == (
            {f"P{name}" for name in values} if agent_id == "00" else set()
        )


def test_64_agents_with_40_kilobytes_of_environment_each(server: Server, directory: Path) -> None:
    plan = teams.plan(directory, {"meta": 8, "design": 56}, ("sleep", "1000"), env={"LONG": "x" * 40_000})
    panes = tuple(replace(pane, env={**pane.env, "OWN": "y" * 40_000}) for pane in plan.windows[1].panes)
    plan = replace(plan, windows=(plan.windows[0], WindowPlan("design", "tiled", panes)))
    assert len(tmux.launch(server, plan).panes) == 64


def test_the_path_is_the_plans_although_tmux_prefers_the_clients(
    server: Server, directory: Path, wait_until: Wait
) -> None:
    path = f"{os.environ['PATH']}:/of/the/plan"
    plan = teams.plan(directory, {"meta": 2}, env={"PATH": path})
    tmux.launch(server, plan)
    for pid in agents_of(plan, server, wait_until).values():
        assert teams.environment(pid)["PATH"] == path


def test_only_the_agents_carry_the_launch(server: Server, tmux_socket: Path, directory: Path, wait_until: Wait) -> None:
    plan = teams.plan(directory, {"meta": 1, "design": 2})
    tmux.launch(server, plan)
    for pid in agents_of(plan, server, wait_until).values():
        assert teams.environment(pid)["MAS_LAUNCH"] == f"{plan.session_id}:{plan.nonce}"
    words = ("new-window", "-t", f"={plan.name}:", "-P", "-F", "#{pane_pid}", "cat", "-")
    pid = int(teams.tmux(tmux_socket, *words))
    wait_until(lambda: "MAS_SESSION_ID" in teams.environment(pid))  # until then it is still the server's
    found = teams.environment(pid)
    assert found["MAS_SESSION_ID"] == plan.session_id
    assert not {"MAS_LAUNCH", "MAS_AGENT_ID"} & set(found)


def test_nothing_of_the_first_session_stays_with_the_server(
    server: Server, tmux_socket: Path, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MAS_SESSION_ID", "MAS_LAUNCH", "SESSION_DIR", "UNIT_DIR", "WORKFLOWS_DIR", "TMUX_PANE"):
        monkeypatch.setenv(name, "of another session")
    plan = teams.plan(directory, {"meta": 1}, env={"SECRET": "x", "PATH": f"{os.environ['PATH']}:/of/the/plan"})
    tmux.launch(server, plan)
    kept = teams.tmux(tmux_socket, "show-environment", "-g")
    assert "of another session" not in kept
    assert "SECRET" not in kept
    assert "/of/the/plan" not in kept
    assert "MAS_" not in kept


def test_a_taken_name_is_refused_and_its_session_untouched(server: Server, tmux_socket: Path, directory: Path) -> None:
    plan = teams.plan(directory, {"meta": 2})
    first = tmux.launch(server, plan)
    form = "#{pane_id} #{pane_pid} #{@mas_session} #{@mas_root} #{@mas_agent} #{@mas_launch} #{pane_title}"
    before = panes_of(plan, tmux_socket, form)
    other = teams.plan(directory.parent / "other", {"meta": 3}, session_id="b" * 8, nonce="f" * 16)
    with pytest.raises(ExistsError, match=plan.name):
        tmux.launch(server, other)
    assert panes_of(plan, tmux_socket, form) == before
    assert [session.tmux_id for session in tmux.discover(server).sessions] == [first.tmux_id]


def test_a_namesake_that_somebody_made_by_hand_is_left_alone(
    server: Server, tmux_socket: Path, directory: Path
) -> None:
    teams.tmux(tmux_socket, "new-session", "-d", "-s", teams.NAME, "cat")
    with pytest.raises(ExistsError, match=teams.NAME):
        tmux.launch(server, teams.plan(directory, {"meta": 2}))
    (session,) = tmux.discover(server).sessions
    assert (session.name, session.session_id, session.root) == (teams.NAME, "", "")
    assert len(tmux.panes(server, session.tmux_id, "")) == 1


def test_two_roots_share_a_server(server: Server, tmp_path: Path) -> None:
    plans = [
        teams.plan(tmp_path / root / "s", {"meta": 1}, session_id=f"{root}-id", name=f"mas-{root}", nonce=root * 8)
        for root in ("a", "b")
    ]
    launched = [tmux.launch(server, plan) for plan in plans]
    found = {session.session_id: (session.root, session.tmux_id) for session in tmux.discover(server).sessions}
    assert found == {
        plan.session_id: (str(plan.root), done.tmux_id) for plan, done in zip(plans, launched, strict=True)
    }
    tmux.end(server, launched[0].tmux_id, plans[0].session_id)
    assert [session.session_id for session in tmux.discover(server).sessions] == ["b-id"]


def test_names_that_begin_alike_are_never_touched(
    server: Server, tmux_socket: Path, directory: Path, tmp_path: Path
) -> None:
    longer = teams.plan(tmp_path / "longer", {"meta": 2}, session_id="longer", name=f"{teams.NAME}1", nonce="1" * 8)
    tmux.launch(server, longer)
    before = panes_of(longer, tmux_socket, "#{pane_id} #{@mas_session} #{@mas_agent} #{window_id} #{pane_width}")
    plan = teams.plan(directory, {"meta": 1, "design": 2})
    launched = tmux.launch(server, plan)
    tmux.end(server, launched.tmux_id, plan.session_id)
    tmux.undo(server, replace(plan, nonce=longer.nonce))
    tmux.end(server, launched.tmux_id, plan.session_id)
    assert (
        panes_of(longer, tmux_socket, "#{pane_id} #{@mas_session} #{@mas_agent} #{window_id} #{pane_width}") == before
    )


@pytest.mark.parametrize("kept", [True, False], ids=["a server that runs", "a cold server"])
def test_a_failure_in_the_middle_leaves_nothing(
    server: Server, tmux_socket: Path, directory: Path, *, kept: bool
) -> None:
    if kept:
        teams.start_server(tmux_socket)
    plan = replace(teams.plan(directory, {"meta": 1, "design": 4}), width=10, height=4)
    with pytest.raises(MasError, match="no space for new pane"):
        tmux.launch(server, plan)
    assert teams.sessions(tmux_socket) == (["bystander"] if kept else [])


def test_a_hook_that_ends_the_session_is_told(server: Server, tmux_socket: Path, directory: Path) -> None:
    teams.start_server(tmux_socket, "set-hook -g after-split-window 'kill-session'")
    with pytest.raises(MasError, match=teams.NAME):
        tmux.launch(server, teams.plan(directory, {"meta": 2}))
    assert teams.NAME not in teams.sessions(tmux_socket)


def test_a_missing_directory_is_refused_before_anything_is_built(
    server: Server, tmux_socket: Path, directory: Path
) -> None:
    plan = teams.plan(directory, {"meta": 2})
    plan.panes[1].cwd.rmdir()
    with pytest.raises(NotFoundError, match="agent 01"):
        tmux.launch(server, plan)
    assert not tmux_socket.exists()


REAL = shutil.which("tmux")


def test_a_launch_is_one_client_with_nothing_on_its_command_line(
    server: Server, tmux_socket: Path, directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    plan = teams.plan(directory, env={"TOKEN": "the-secret"})
    record = f"for word; do printf '%s\\0' \"$word\"; done >>'{log}'; echo >>'{log}'"
    teams.fake_tmux(tmp_path / "bin", f'{record}; exec {REAL} "$@"', monkeypatch)
    launched = tmux.launch(server, plan)
    calls = log.read_text().splitlines()
    assert [call.split("\0")[-4:-1] for call in calls] == [[";", "source-file", "-"]]
    lines = [
        Path(f"/proc/{pid}/cmdline").read_bytes()
        for pid in [launched.server_pid, *map(int, panes_of(plan, tmux_socket, "#{pane_pid}"))]
    ]
    assert not any(b"the-secret" in line or plan.nonce.encode() in line for line in lines)


def test_twenty_clients_may_start_the_server_at_once(server: Server, tmux_socket: Path, tmp_path: Path) -> None:
    plans = [
        teams.plan(tmp_path / str(n), {"meta": 2}, session_id=f"id-{n}", name=f"mas-{n}", nonce=f"{n:016x}")
        for n in range(20)
    ]
    failures: list[MasError] = []

    def start(plan: LaunchPlan) -> None:
        try:
            tmux.launch(server, plan)
        except MasError as error:
            failures.append(error)

    threads = [threading.Thread(target=start, args=(plan,)) for plan in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(teams.sessions(tmux_socket)) == sorted(plan.name for plan in plans)


def test_a_launch_right_after_the_server_was_killed(server: Server, tmux_socket: Path, directory: Path) -> None:
    plan = teams.plan(directory, {"meta": 1})
    for _ in range(20):
        tmux.launch(server, plan)
        teams.tmux(tmux_socket, "kill-server")


def test_a_server_that_does_not_answer_is_no_failure_and_no_success(
    server: Server, tmux_socket: Path, directory: Path
) -> None:
    teams.start_server(tmux_socket)
    pid = tmux.discover(server).pid
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(UnknownStateError, match="did not answer"):
            tmux.launch(server, teams.plan(directory, {"meta": 1}), timeout=0.5)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert teams.sessions(tmux_socket) == ["bystander"]


@pytest.mark.parametrize(
    "text",
    ["exit 0", "echo garbage", "echo garbage; exit 1", "echo no >&2; exit 1", "exit 139", "printf 'NONCEs$0'"],
)
def test_a_tmux_that_talks_nonsense_has_built_nothing(
    server: Server, directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    plan = teams.plan(directory, {"meta": 1})
    teams.fake_tmux(tmp_path / "bin", text.replace("NONCE", plan.nonce), monkeypatch)
    with pytest.raises(MasError):
        tmux.launch(server, plan)


@pytest.mark.parametrize("words", ["lost server", "server exited unexpectedly"])
def test_a_server_that_went_away_leaves_it_open_what_there_is(
    server: Server, directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    plan = teams.plan(directory, {"meta": 1})
    script = f'case "$*" in *source-file*) echo "{words}" >&2; exit 1;; esac; exec {REAL} "$@"'
    teams.fake_tmux(tmp_path / "bin", script, monkeypatch)
    with pytest.raises(UnknownStateError, match="went away"):
        tmux.launch(server, plan)


def test_an_interrupted_launch_leaves_nothing(
    server: Server, tmux_socket: Path, directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teams.start_server(tmux_socket)
    plan = teams.plan(directory, {"meta": 2})
    slow = f'{REAL} "$@"; case "$*" in *source-file*) kill -INT $PPID;; esac'
    teams.fake_tmux(tmp_path / "bin", slow, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        tmux.launch(server, plan)
    assert teams.sessions(tmux_socket) == ["bystander"]


def test_a_stamp_that_cannot_be_mended_leaves_nothing(
    server: Server, tmux_socket: Path, directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teams.start_server(tmux_socket, HOSTILE["a hook that splits before"])
    plan = teams.plan(directory, {"meta": 2})
    once = f"case \"$*\" in *source-file*) mkdir '{tmp_path}/asked' || exit 1;; esac"
    teams.fake_tmux(tmp_path / "bin", f'{once}; exec {REAL} "$@"', monkeypatch)
    with pytest.raises(MasError, match="could not build"):
        tmux.launch(server, plan)
    assert teams.sessions(tmux_socket) == ["bystander"]


def test_an_open_lock_stays_with_us(server: Server, directory: Path, tmp_path: Path, wait_until: Wait) -> None:
    plan = teams.plan(directory, {"meta": 2})
    with (tmp_path / "the.lock").open("w") as lock:
        os.set_inheritable(lock.fileno(), True)  # noqa: FBT003  the function has no name for it
        launched = tmux.launch(server, plan)
        for pid in (launched.server_pid, *agents_of(plan, server, wait_until).values()):
            held = [file.readlink().name for file in Path(f"/proc/{pid}/fd").iterdir()]
            assert "the.lock" not in held


def test_an_agent_does_not_rename_its_window(
    server: Server, tmux_socket: Path, directory: Path, wait_until: Wait
) -> None:
    teams.start_server(tmux_socket, "set -g automatic-rename on\nset -g allow-rename on")
    plan = teams.plan(directory, {"meta": 1}, ("sh", "-c", r"printf '\033kstolen\033\\'; echo done; exec cat"))
    launched = tmux.launch(server, plan)
    pane = launched.panes["00"]
    wait_until(lambda: "done" in tmux.capture(server, pane, plan.session_id))
    assert panes_of(plan, tmux_socket, "#{window_name}") == ["meta"]


def test_any_text_reaches_tmux_as_it_is(tmux_socket: Path) -> None:
    teams.start_server(tmux_socket)
    single = [chr(code) for code in range(1, 128)]
    values = [
        *single,
        *(a + b for a in single for b in '"\\$~#%{};\n x'),
        *NAMES,
        os.fsdecode(b"\xff"),
        "%if 1",
        "\n  # x\n",
        "}",
    ]
    commands = [b"set-option -t bystander @v%d %s" % (place, quote(value)) for place, value in enumerate(values)]
    listing = Listing(teams.NONCE, tuple(f"@v{place}" for place in range(len(values))))
    commands.append(b"display-message -p -t bystander " + quote(listing.format))
    file = tmux_socket.with_name("script")
    file.write_bytes(b"if-shell -F 1 { " + b" ; ".join(commands) + b" }\n")
    assert listing.rows(teams.tmux(tmux_socket, "source-file", str(file))) == [values]


def test_end_ends_the_session_it_names(server: Server, tmux_socket: Path, directory: Path) -> None:
    teams.start_server(tmux_socket)
    plan = teams.plan(directory, {"meta": 2})
    launched = tmux.launch(server, plan)
    tmux.end(server, launched.tmux_id, plan.session_id)
    assert teams.sessions(tmux_socket) == ["bystander"]
    tmux.end(server, launched.tmux_id, plan.session_id)


def test_end_is_done_where_no_server_runs(server: Server) -> None:
    tmux.end(server, "$0", teams.SESSION)


def test_end_refuses_another_session(server: Server, tmux_socket: Path, directory: Path) -> None:
    plan = teams.plan(directory, {"meta": 1})
    launched = tmux.launch(server, plan)
    with pytest.raises(RefusedError, match="left alone"):
        tmux.end(server, launched.tmux_id, "another")
    assert teams.sessions(tmux_socket) == [plan.name]


@pytest.mark.parametrize("target", ["mas-aaaaaaaa", "=mas-aaaaaaaa:", "$0;", "-a", "", "$", "$٣", "$0\n"])
def test_end_takes_ids_only(server: Server, target: str) -> None:
    with pytest.raises(RefusedError):
        tmux.end(server, target, teams.SESSION)


@pytest.mark.parametrize("name", ["mas-tmux", "a,b}c##d", "ü #,"])
def test_a_session_that_is_not_ours_is_ended_by_its_full_name(server: Server, tmux_socket: Path, name: str) -> None:
    teams.start_server(tmux_socket)
    teams.tmux(tmux_socket, "new-session", "-d", "-s", name, "cat")
    (found,) = (session for session in tmux.discover(server).sessions if session.name != "bystander")
    with pytest.raises(RefusedError):
        tmux.end(server, found.tmux_id, "")
    with pytest.raises(RefusedError):
        tmux.end(server, found.tmux_id, "", name=found.name[:-1])
    assert len(teams.sessions(tmux_socket)) > 1
    tmux.end(server, found.tmux_id, "", name=found.name)
    assert teams.sessions(tmux_socket) == ["bystander"]


def test_undo_ends_this_launch_only(server: Server, tmux_socket: Path, directory: Path) -> None:
    plan = teams.plan(directory, {"meta": 1})
    tmux.launch(server, plan)
    tmux.undo(server, replace(plan, nonce="f" * 16))
    assert teams.sessions(tmux_socket) == [plan.name]
    tmux.undo(server, plan)
    assert teams.sessions(tmux_socket) == []
    tmux.undo(server, plan)
