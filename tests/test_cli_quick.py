"""What scripts call in loops, and a start, is answered without typer, and says the same as with it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from commandline import AGENT, environment, mas, ok, record, start

GIVEN = "5b2f3c1e-7a4d-4e0b-9c8f-0123456789ab"

CALLS = [
    ("version",),
    ("version", "--json"),
    ("version", "-q"),
    ("version", "odd"),
    ("path",),
    ("path", "lib"),
    ("path", "templates"),
    ("path", "root"),
    ("path", "team"),
    ("path", "nothing"),
    ("path", ""),
    ("path", "a", "b"),
    ("path", "--", "team"),
    ("env",),
    ("env", "team"),
    ("env", "team", "--format", "json"),
    ("env", "--format", "dotenv", "team"),
    ("env", "--format=json", "team"),
    ("env", "--format"),
    ("env", "--format", "xml"),
    ("env", "bare"),
    ("env", "nothing"),
    ("list",),
    ("ls",),
    ("list", "-q"),
    ("list", "--quiet", "--all"),
    ("list", "-aq"),
    ("list", "-a", "-q"),
    ("list", "--json"),
    ("list", "--names"),
    ("list", "--active", "-q"),
    ("list", "--status", "stopped", "-q"),
    ("list", "--status", "inactive", "-q"),
    ("list", "--status", "odd"),
    ("list", "--limit", "1", "-q"),
    ("list", "--limit", "0"),
    ("list", "--limit", "x"),
    ("list", "--limit"),
    ("list", "odd"),
    ("list", "--help"),
    *(
        ("start", *words.split(" "))
        for words in (
            f"--isolated --dry-run --id {GIVEN} --template pair --command cat",
            f"--isolated --dry-run --id {GIVEN} --agent shell --json --no-attach --log --label mine",
            f"--dry-run --isolated --id {GIVEN} --template=solo",
            f"--isolated --no-team --no-attach --dry-run -q --id {GIVEN} --request a --feature-request b",
            "--isolated --legacy",
            "--isolated --no-team --attach",
            "--isolated --attach",
            "--isolated --label",
            "--isolated --label team",
            f"--isolated --dry-run --id {GIVEN} --label  --command --log",
            "--isolated --template nothing",
            "--isolated --config nowhere",
            "--isolated --config -",
            "--isolated --id odd",
            "--isolated --odd",
            "--isolated odd",
            "--legacy",
            "--help",
        )
    ),
]


@pytest.fixture
def place(tmp_path: Path, tmux_socket: Path) -> Path:
    """A root with a team that is up and a record without one."""
    del tmux_socket
    path = tmp_path / "a root"
    start(path, label="team")
    ok("session", "update", "-q", record(path), "label=bare", root=path)
    return path


EVERY = """
import io, json, sys
from mas.cli import main
told = []
for words in json.load(sys.stdin):
    sys.stdout, sys.stderr = (io.TextIOWrapper(io.BytesIO()) for _ in range(2))
    code = main(words, quick=sys.argv[1] == "quick")
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    told.append([words, code, *(stream.buffer.getvalue().decode() for stream in (sys.stdout, sys.stderr))])
json.dump(told, sys.__stdout__)
"""


def test_both_ways_say_the_same(place: Path) -> None:
    quick, slow = (
        mas(way, root=place, stdin=json.dumps(CALLS), program=(sys.executable, "-P", "-c", EVERY)).json
        for way in ("quick", "slow")
    )
    for one, other in zip(quick, slow, strict=True):
        if one[0] == ["list", "--json"]:
            one[2], other[2] = (told[2].partition('"timestamp"')[0] for told in (one, other))
        assert one == other
    assert sum(code == 0 for _, code, _, _ in quick) > len(CALLS) / 2


@pytest.mark.parametrize("words", ["version", "path team", "path lib", "env team", "list", "list --json", "ls --names"])
def test_nothing_heavy_is_loaded(place: Path, words: str) -> None:
    program = "import sys; from mas.cli import main; main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    argv = [sys.executable, "-c", program, *words.split()]
    done = subprocess.run(argv, env=environment(place), capture_output=True, text=True, check=True, timeout=30)
    heavy = set("typer rich libtmux filelock platformdirs asyncio logging uuid tempfile shutil mas.manager".split())
    assert heavy & set(done.stderr.split()) == set()


def test_nothing_is_written(place: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
    for words in ("version", "path team", "env team", "list --all", "list --json"):
        ok(*words.split(), root=place)
    assert {path: path.stat().st_mtime_ns for path in place.rglob("*")} == before


def test_a_list_in_a_pipe_is_a_line_a_session(place: Path) -> None:
    (team, bare) = (line.split("\t") for line in ok("list", root=place).lines)
    assert [team[1], team[2], team[3], team[6], team[7]] == [
        "active",
        "initializing",
        "1",
        f"{place}/sessions/{team[0]}",
        "team",
    ]
    assert team[5] == f"mas-{team[0][:8]}"
    assert [bare[1], bare[2], bare[3], bare[5], bare[7]] == ["stopped", "initializing", "0", "", "bare"]


def test_what_is_shown_for_ids_that_begin_alike_means_one_of_them(place: Path) -> None:
    other = GIVEN.replace("7a4d", "7b4d")
    start(place, session_id=other)
    done = ok("start", "--isolated", "--template", "solo", *AGENT, "--id", GIVEN, root=place)
    assert done.lines[-1].endswith(f" attach {GIVEN[:11]}")
    assert {GIVEN[:11], other[:11]} < {*ok("list", "--names", root=place).lines}
    assert ok("path", GIVEN[:11], root=place).lines == [f"{place}/sessions/{GIVEN}"]


def test_a_quiet_plan_is_the_id_alone(place: Path) -> None:
    done = ok("start", "--isolated", "--dry-run", "-q", "--id", GIVEN, "--template", "solo", *AGENT, root=place)
    assert (done.out, done.err) == (f"{GIVEN}\n", "")


def test_an_id_is_said_once_of_a_session_that_cannot_be_removed(place: Path) -> None:
    up = ok("list", "--active", "-q", root=place).out.strip()
    assert mas("rm", "team", root=place).err.startswith(f"mas: session {up} is active; ")


def test_the_names_of_a_list_are_those_that_are_understood(place: Path) -> None:
    names = ok("list", "--names", root=place).lines
    assert names[0] == "team"
    for name in names:
        assert ok("path", name, root=place).out.startswith(f"{place}/sessions/")


def test_a_list_tells_when_tmux_cannot(place: Path) -> None:
    """Nothing is concluded, and the last known word is shown as such."""
    done = ok("list", "--json", root=place, env={"PATH": "/nowhere"})
    shown = {session["label"]: session for session in done.json["sessions"]}
    assert (shown["team"]["status"], shown["team"]["stale"]) == ("active", True)
    assert done.err.startswith("mas: tmux gave no answer, so what is shown is the last known: ")


def test_the_variables_of_a_session_are_those_of_its_panes(place: Path) -> None:
    variables = ok("env", "team", "--format", "json", root=place).json
    assert variables["MAS_SESSION_DIR"] == variables["SESSION_DIR"] == ok("path", "team", root=place).out.strip()
    assert variables["UNIT_DIR"] == variables["MAS_UNIT_DIR"] == f"{variables['SESSION_DIR']}/unit"
    assert "MAS_LAUNCH" not in variables
    assert "PATH" not in variables


def test_a_shell_understands_the_variables(tmux_socket: Path, tmp_path: Path) -> None:
    """Whatever the root is called."""
    del tmux_socket
    odd = tmp_path / 'it\'s a $HOME "root" `x` \\ é'
    started = start(odd)
    script = 'eval "$(cat)" && printf "%s\\n" "$MAS_ROOT" "$MAS_SESSION_ID"'
    for form in ("shell", "dotenv"):
        text = ok("env", started, "--format", form, root=odd).out
        done = subprocess.run(["sh", "-c", script], input=text, capture_output=True, text=True, check=True, timeout=10)
        assert done.stdout.splitlines() == [str(odd), started]


def test_a_path_that_is_no_text_comes_out_as_it_is(tmp_path: Path, tmux_socket: Path) -> None:
    del tmux_socket
    odd = tmp_path / "not\udcff text"
    made = record(odd)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "mas", "path", made],
        env=environment(odd),
        capture_output=True,
        check=True,
        timeout=30,
    )
    assert done.stdout == f"{odd}/sessions/{made}\n".encode("utf-8", "surrogateescape")


def test_an_empty_root_has_no_sessions(tmp_path: Path, tmux_socket: Path) -> None:
    del tmux_socket
    done = ok("list", root=tmp_path / "new")
    assert (done.out, done.err) == ("", "")
    assert not (tmp_path / "new").exists()


def test_a_repository_keeps_records_only(repo: Path) -> None:
    made = ok("session", "create", "-q", "--repo", repo).out.strip()
    assert ok("--repo", repo, "list", "-q").lines == [made]
    assert ok("path", made[:8], "--repo", repo).out.strip() == f"{repo}/.flow/maestro/sessions/{made}"
