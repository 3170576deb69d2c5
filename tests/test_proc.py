"""The one door to other programs."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mas import proc
from mas.errors import DamagedError, MissingProgramError, UnknownStateError


def test_a_program_gets_its_words_and_input_as_they_are() -> None:
    program = "import sys; print(sys.argv[1:]); sys.stdout.write(sys.stdin.read()); sys.exit(3)"
    done = proc.run([sys.executable, "-c", program, "$(x) `y` ;", ""], stdin="ä\n".encode())
    assert done.returncode == 3
    assert done.text == "['$(x) `y` ;', '']\nä\n"
    assert done.complaint == ""


def test_it_complains_in_one_line() -> None:
    done = proc.run(["sh", "-c", "printf 'first\\nsecond\\n' >&2"])
    assert done.complaint == "first"


def test_bytes_that_are_no_text_survive() -> None:
    done = proc.run(["printf", r"\377"])
    assert done.text.encode("utf-8", "surrogateescape") == b"\xff"


def test_a_file_can_be_its_input(tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(b"from a file")
    with (tmp_path / "input").open("rb") as file:
        assert proc.run(["cat"], stdin=file).stdout == b"from a file"


def test_one_that_does_not_end_is_an_unknown() -> None:
    with pytest.raises(UnknownStateError, match=r"sleep did not answer within 0\.1 s"):
        proc.run(["sleep", "60"], timeout=0.1)


def test_one_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingProgramError, match="no-such-program is not installed") as caught:
        proc.run(["no-such-program"])
    assert "apt-get install no-such-program" in str(caught.value.hint)
    with pytest.raises(FileNotFoundError):
        proc.run(["true"], cwd=tmp_path / "gone")


def test_a_child_does_not_inherit_the_identity_of_a_session() -> None:
    ours = {"MAS_SESSION_ID": "x", "SESSION_DIR": "x", "UNIT_DIR": "x", "WORKFLOWS_DIR": "x", "SESSION_NAME": "x"}
    assert proc.foreign_environment({**ours, "HOME": "/", "MASK": "1"}) == {"HOME": "/", "MASK": "1"}


def test_becoming_another_program() -> None:
    program = "from mas import proc; proc.become(['sh', '-c', 'echo $WORD; exit 4'], {'WORD': 'other', 'PATH': '/bin'})"
    done = proc.run([sys.executable, "-c", program], env=dict(os.environ))
    assert (done.returncode, done.text) == (4, "other\n")


def test_a_detached_program_is_nobodys_child_and_writes_to_its_log(
    tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    log = tmp_path / "log"
    argv = ["sh", "-c", "echo begun $WORD; ps -o ppid= -o sid= -p $$; exec sleep 60"]
    pid = proc.detach(argv, env={"WORD": "here", "PATH": os.environ["PATH"]}, log=log)
    try:
        wait_until(lambda: log.read_text().count("\n") == 2, what="what it writes")
        first, second = log.read_text().splitlines()
        assert first == "begun here"
        parent, session = map(int, second.split())
        assert parent != os.getpid()
        assert session not in (os.getsid(0), 0)
    finally:
        os.kill(pid, signal.SIGKILL)


def test_what_a_detached_program_writes_goes_through_no_link(tmp_path: Path) -> None:
    """Neither one in place of the log nor one in place of its directory."""
    elsewhere, logs = tmp_path / "elsewhere", tmp_path / "logs"
    elsewhere.mkdir()
    (elsewhere / "session.log").write_text("mine")
    logs.mkdir()
    (logs / "session.log").symlink_to(elsewhere / "session.log")
    (tmp_path / "linked").symlink_to(elsewhere)
    for log in (logs / "session.log", tmp_path / "linked" / "session.log"):
        with pytest.raises(DamagedError, match="is a link, or in one") as refused:
            proc.detach(["echo", "theirs"], env=dict(os.environ), log=log)
        assert str(log) in refused.value.message
        assert refused.value.hint == "mas follows no links here; look at it and move it away"
    assert (elsewhere / "session.log").read_text() == "mine"


FEW = """
import ctypes, os, resource, sys
from pathlib import Path
from mas import proc
for capability in (21, 24):  # to administer the system and to exceed its limits
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
os.setresuid(61234, 0, 0)
resource.setrlimit(resource.RLIMIT_NPROC, (2, 2))
try:
    proc.detach(["touch", sys.argv[1]], env=dict(os.environ), log=Path(os.devnull))
except BaseException as error:
    print(type(error).__name__, error, error.hint, sep="; ")
"""
"""A user who may have two processes: this one, and the one that is to start another."""


def test_where_no_process_can_be_started_that_is_said(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root may take another user's place")
    done = proc.run([sys.executable, "-P", "-c", FEW, tmp_path / "made"], timeout=20)
    hint = "end what is not needed, or raise the limit (ulimit -u); what was done before stands"
    assert done.text == f"CapacityError; cannot start a process in the background; {hint}\n"
    assert done.complaint == ""
    assert not (tmp_path / "made").exists()
