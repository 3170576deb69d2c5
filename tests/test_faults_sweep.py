"""The sweep with strace: it finds the points, kills there, and is not satisfied with everything."""

import shutil
import subprocess
from itertools import count
from pathlib import Path

import pytest
import tracing

from mas.app import Mas

HERE = Path(__file__).parents[1]


def test_without_strace_it_says_what_to_type(tmp_path: Path) -> None:
    for program in ("sh", "dirname"):
        (tmp_path / program).symlink_to(str(shutil.which(program)))
    done = subprocess.run(
        [HERE / "scripts" / "sweep"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": str(tmp_path)},
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr == "mas: scripts/sweep needs strace; type: apt-get install strace\n"


@pytest.mark.parametrize(
    ("call", "arguments", "wanted"),
    [
        ("openat", '3</r/sessions>, "x", O_WRONLY|O_CREAT|O_EXCL, 0600) = 4</r/sessions/x>', True),
        ("openat", '3</r/sessions>, "x", O_RDONLY) = 4</r/sessions/x>', False),
        ("openat", 'AT_FDCWD, "/usr/x", O_WRONLY|O_CREAT, 0666) = 4</usr/x>', False),
        ("write", '4</r/sessions/x>, "abc", 3) = 3', True),
        ("write", '1<pipe:[7]>, "abc", 3) = 3', False),
        ("vfork", ")                                 = 7", True),
        ("pidfd_send_signal", "5<anon_inode:[pidfd]>, SIGTERM, NULL, 0) = 0", True),
    ],
)
def test_a_point_is_a_call_that_changes_something(call: str, arguments: str, *, wanted: bool) -> None:
    assert tracing.touches(call, arguments, "/r") == wanted


@pytest.mark.slow
@pytest.mark.parametrize("name", tracing.COMMANDS)
def test_the_command_line_killed_at_some_system_calls(
    mas: Mas, tmux_socket: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    del mas
    if not shutil.which("strace"):
        pytest.skip("there is no strace here")
    bench = tracing.Bench(tmp_path / "bench", tmux_socket, count(1))
    bench.directory.mkdir()
    assert tracing.sweep(bench, name, every=20), capsys.readouterr().out
