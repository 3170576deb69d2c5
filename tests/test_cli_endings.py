"""How a call ends that does not end by itself: signals, closed pipes, full disks, bugs."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from commandline import AGENT, PROGRAM, document, environment, mas, move, ok, record, start

from mas.paths import Root

Wait = Callable[..., None]
SIGNALS = [
    (signal.SIGINT, 130, "mas: interrupted; what was not finished is undone\n"),
    (signal.SIGTERM, 143, "mas: asked to end; what was not finished is undone\n"),
    (signal.SIGHUP, 129, "mas: hung up; what was not finished is undone\n"),
]


def begin(*words: str, root: Path, **others: object) -> subprocess.Popen[bytes]:
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **others}
    return subprocess.Popen([*PROGRAM, *words], env=environment(root), **streams)  # type: ignore[call-overload,no-any-return]


def is_waiting(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process sleeps in the loop that looks at a log."""
    return "nanosleep" in Path(f"/proc/{process.pid}/wchan").read_text()


@pytest.mark.parametrize(("number", "code", "said"), SIGNALS)
def test_a_signal_ends_a_call_with_its_code_and_a_line(
    tmp_path: Path, wait_until: Wait, number: signal.Signals, code: int, said: str
) -> None:
    made = record(tmp_path)
    waiting = begin("wait", made, "--until", "completed", root=tmp_path)
    wait_until(lambda: is_waiting(waiting))
    waiting.send_signal(number)
    out, err = waiting.communicate(timeout=10)
    assert (waiting.returncode, out, err.decode()) == (code, b"", said)


def test_a_call_that_only_reads_says_nothing_of_what_was_not_finished(
    root: Root, tmux_socket: Path, wait_until: Wait
) -> None:
    del tmux_socket
    made = start(root.path)
    reading = begin("messages", made, "--follow", root=root.path)
    wait_until(lambda: is_waiting(reading))
    reading.send_signal(signal.SIGINT)
    assert (reading.communicate(timeout=10)[1], reading.returncode) == (b"mas: interrupted\n", 130)


def test_a_signal_that_was_ignored_stays_ignored(tmp_path: Path, wait_until: Wait) -> None:
    made = record(tmp_path)
    words = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *PROGRAM, "wait", made, "--until", "completed"]
    waiting = subprocess.Popen(words, env=environment(tmp_path), stderr=subprocess.PIPE)
    wait_until(lambda: is_waiting(waiting))
    waiting.send_signal(signal.SIGHUP)
    move(tmp_path, made, "planning")
    ok("complete", "-q", made, root=tmp_path)
    assert waiting.wait(timeout=10) == 0
    assert waiting.stderr
    assert waiting.stderr.read() == f"{made[:8]} is completed\n".encode()
    waiting.stderr.close()


LOADING = """
import os, runpy, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "mas.cli":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
runpy.run_module("mas", run_name="__main__")
"""


def test_an_interrupt_while_the_program_is_loaded_ends_it_without_a_word(tmp_path: Path) -> None:
    words = [sys.executable, "-P", "-c", LOADING]
    done = subprocess.run(words, env=environment(tmp_path), capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, b"", b"")


SWALLOWED = """
import os, signal, sys
from mas import cli
from mas.cli import calls

def begin(*_):
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except SystemExit:
        raise RuntimeError("what an import makes of it") from None

calls.begin = begin
sys.exit(cli.main(["list"]))
"""


def test_an_interruption_that_became_another_error_is_told_as_what_it_was() -> None:
    done = subprocess.run([sys.executable, "-c", SWALLOWED], capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stderr) == (130, SIGNALS[0][2])


def test_a_stop_that_is_ended_says_that_it_can_be_finished(root: Root, tmux_socket: Path, wait_until: Wait) -> None:
    del tmux_socket
    made = start(root.path, command="""sh -c 'trap "" TERM; touch deaf; exec sleep 1000'""")
    wait_until((root.sessions / made / "unit" / "00" / "deaf").exists)
    stopping = begin("stop", made, root=root.path)
    wait_until(lambda: document(root.path, made)["runtime"]["wanted"] == "down")
    stopping.send_signal(signal.SIGTERM)
    _, err = stopping.communicate(timeout=30)
    assert (stopping.returncode, err.decode()) == (143, "mas: asked to end; call `mas stop` again to finish\n")
    assert ok("stop", "-f", made, root=root.path).err == f"{made[:8]} is stopped\n"
    assert ok("doctor", root=root.path).out == ""


PYTHONS_OWN = (b"Fatal Python error", b"Could not ")
"""What Python says of a ^C that comes before it has loaded the first line of mas."""


def test_a_start_that_is_ended_at_any_moment_is_whole_or_leaves_nothing(root: Root, tmux_socket: Path) -> None:
    begun = time.monotonic()
    out, _ = begin("start", "--isolated", "-q", *AGENT, root=root.path).communicate(timeout=30)
    whole, undone = time.monotonic() - begun, 0
    ok("rm", "--force", "-q", out.decode().strip(), root=root.path)
    for step in range(6):
        number, code, said = SIGNALS[step % 3]
        starting = begin("start", "--isolated", "-q", *AGENT, root=root.path)
        try:
            starting.wait(timeout=whole * (step + 1) / 6)
        except subprocess.TimeoutExpired:
            starting.send_signal(number)
        out, err = starting.communicate(timeout=30)
        if out:
            ok("rm", "--force", "-q", out.decode().strip(), root=root.path)
        elif starting.returncode != -number and not err.startswith(PYTHONS_OWN):  # else it had not even begun
            undone += 1
            assert (starting.returncode, err.decode()) == (code, said)
        assert [path for path in root.path.glob("sessions/*") if path.name[0] != "."] == []
        assert [*root.path.glob("sessions/.staging/*"), *root.path.glob("sessions/.trash/*")] == []
        assert ok("list", "-aq", root=root.path).out == ""
    assert undone
    assert teams(tmux_socket) == ""
    ok("doctor", "--fix", root=root.path)
    assert ok("doctor", root=root.path).out == ""


def teams(socket: Path) -> str:
    done = subprocess.run(
        ["tmux", "-S", socket, "list-sessions"], capture_output=True, text=True, check=False, timeout=10
    )
    return done.stdout


WRITES = """
import sys, time
from mas import cli
from mas.cli import calls
from mas.errors import RefusedError

def begin(*_):
    sys.stdout.write(sys.argv[2])
    if sys.argv[1] == "fails":
        raise RefusedError("no more")
    sys.stderr.write(sys.argv[1])
    sys.stderr.flush()
    time.sleep(60)

calls.begin = begin
sys.argv[2] *= int(sys.argv[3])
cli.main()
"""


def writing(how: str, *, times: int = 1) -> subprocess.Popen[bytes]:
    """A call that wrote something, and then fails or waits."""
    argv = [sys.executable, "-P", "-c", WRITES, how, "written\n", str(times)]
    return subprocess.Popen(argv, env=environment(None), stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_what_was_written_before_an_error_is_kept() -> None:
    failing = writing("fails")
    assert failing.communicate(timeout=10) == (b"written\n", b"mas: no more\n")
    assert failing.returncode == 1


def test_what_was_written_before_a_signal_is_kept() -> None:
    waiting = writing("waits")
    assert waiting.stderr
    waiting.stderr.read(5)
    waiting.send_signal(signal.SIGINT)
    assert waiting.communicate(timeout=10) == (b"written\n", SIGNALS[0][2].encode())


def test_a_reader_that_reads_nothing_keeps_no_call_from_its_end(wait_until: Wait) -> None:
    stuck = writing("waits", times=100_000)
    wait_until(lambda: "pipe_write" in Path(f"/proc/{stuck.pid}/wchan").read_text())
    stuck.terminate()
    assert stuck.wait(timeout=10) == 143
    stuck.communicate()


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path, wait_until: Wait) -> None:
    made = record(tmp_path)
    following = begin("events", made, "--follow", root=tmp_path)
    assert following.stdout
    assert following.stdout.readline().endswith(b"created\t\n")
    following.stdout.close()
    wait_until(lambda: is_waiting(following))
    move(tmp_path, made, "planning")
    assert following.wait(timeout=10) == 141
    assert following.stderr
    assert following.stderr.read() == b""
    following.stderr.close()


@pytest.mark.parametrize("verb", ["help", "version", "list --help"])
def test_a_closed_pipe_is_no_error(verb: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*PROGRAM, *verb.split()], stdout=writing, stderr=subprocess.PIPE, check=False, timeout=30)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_full_disk_behind_stdout_is_said() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*PROGRAM, "help"], stdout=full, stderr=subprocess.PIPE, check=False, timeout=30)
    assert (done.returncode, done.stderr) == (1, b"mas: No space left on device\n")


def test_nobody_to_talk_to_is_no_error(tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", *PROGRAM, "show", "x"], env=environment(tmp_path), check=False, timeout=30
    )
    assert done.returncode == 1


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error(tmp_path: Path, closed: str) -> None:
    """What is opened next gets the number of a stream that is closed, and must not be talked into."""
    made = record(tmp_path)
    script = f'exec "$@" {closed}'
    argv = ["sh", "-c", script, "sh", *PROGRAM, "pause", made, "--reason", "rest"]
    done = subprocess.run(argv, env=environment(tmp_path), capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == ("" if "2" in closed else f"{made[:8]} is paused\n")
    assert document(tmp_path, made)["lifecycle"]["pause"]["reason"] == "rest"


BROKEN = "import sys; sys.modules['mas.cli.answers'] = None; from mas.cli import main; sys.exit(main())"
"""An installation that lacks a module: what a bug of ours looks like."""


def test_a_bug_leaves_a_report_without_secrets(tmp_path: Path) -> None:
    secret = "s3cr3t" * 20
    env = {"XDG_STATE_HOME": str(tmp_path / "state"), "MY_TOKEN": "in the environment"}
    done = mas("list", "--status", secret, env=env, program=(sys.executable, "-P", "-c", BROKEN))
    assert done.code == 3
    (report,) = (tmp_path / "state" / "mas").iterdir()
    assert done.err == f"mas: a bug in mas (ModuleNotFoundError); please report it with {report}\n"
    assert report.stat().st_mode & 0o777 == 0o600
    text = report.read_text()
    assert "ModuleNotFoundError" in text
    assert "in answer" in text
    assert secret[:20] in text
    assert secret not in text
    assert "in the environment" not in text


def test_a_bug_is_said_even_where_no_report_can_be_written() -> None:
    done = mas("list", program=(sys.executable, "-P", "-c", BROKEN))
    assert done.code == 3
    assert done.err.startswith("mas: a bug in mas (ModuleNotFoundError); its report could not be written to ")
    assert done.err.count("\n") == 1


def test_what_caused_a_bug_is_in_its_report(tmp_path: Path) -> None:
    program = """
import sys
from mas.cli import main
class Odd:
    def __getattr__(self, name):
        try:
            raise KeyError("first")
        except KeyError as error:
            raise ValueError("second") from error
sys.modules["mas.cli.answers"] = Odd()
sys.exit(main())
"""
    done = mas("list", env={"XDG_STATE_HOME": str(tmp_path)}, program=(sys.executable, "-P", "-c", program))
    assert done.code == 3
    text = next((tmp_path / "mas").iterdir()).read_text()
    assert text.index("ValueError") < text.index("which came from:") < text.index("KeyError")


def test_an_interrupt_key_leaves_a_terminal_as_it_was(tmp_path: Path, wait_until: Wait) -> None:
    """On a terminal the call shows that it waits; what it drew is gone when it ends."""
    made = record(tmp_path)
    master, slave = pty.openpty()
    waiting = begin("wait", made, "--until", "completed", root=tmp_path, stderr=slave, stdout=slave, stdin=slave)
    os.close(slave)
    wait_until(lambda: b"waiting until" in os.read(master, 4096))
    waiting.send_signal(signal.SIGINT)
    assert waiting.wait(timeout=10) == 130
    drawn = b""
    while b"undone" not in drawn:
        drawn += os.read(master, 4096)
    os.close(master)
    assert b"\x1b[?25h" in drawn


def test_a_stop_of_an_unknown_id_does_not_keep_the_others_from_it(root: Path, tmux_socket: Path) -> None:
    """All names are resolved before anything is done."""
    del tmux_socket
    place = root.path  # type: ignore[attr-defined]
    made = start(place)
    assert mas("stop", made, "nothing", root=place).code == 1
    assert ok("list", "--active", "-q", root=place).lines == [made]


LIMITED = """
import os, resource, sys
from mas.cli import main
memory = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
used = {"RLIMIT_AS": memory, "RLIMIT_NOFILE": 3, "RLIMIT_FSIZE": 0}[sys.argv[1]]
resource.setrlimit(getattr(resource, sys.argv[1]), (used + int(sys.argv[2]),) * 2)
sys.exit(main(sys.argv[3:]))
"""


@pytest.mark.parametrize(
    ("limit", "more"),
    [
        *(("RLIMIT_AS", room << 20) for room in (0, 2, 6, 12)),
        *(("RLIMIT_NOFILE", room) for room in (0, 1, 2, 4)),
        ("RLIMIT_FSIZE", 0),
    ],
)
def test_a_limit_of_the_process_ends_a_call_in_one_line(tmp_path: Path, limit: str, more: int) -> None:
    """Wherever it is felt: while modules are loaded, while files are read, while the log is written."""
    made = record(tmp_path)
    argv = [sys.executable, "-P", "-c", LIMITED, limit, str(more), "pause", made]
    done = subprocess.run(argv, env=environment(tmp_path), capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == (0 if document(tmp_path, made)["status"] == "paused" else 1), done
    assert done.stderr.startswith("mas: " if done.returncode else made[:8])
    assert done.stderr.count("\n") == 1
