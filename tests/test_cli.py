"""The command line as a whole: help, options of every verb, and what it says to a wrong call."""

import fcntl
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from commandline import PROGRAM, fingerprint, mas, ok, record

from mas import __version__
from mas.cli import verbs
from mas.cli.calls import split_common
from mas.errors import UsageError
from mas.paths import Root

ID = "0f0f0f0f-0000-4000-8000-000000000000"


@pytest.mark.parametrize("words", [(), ("help",), ("--help",), ("-h",)])
def test_the_overview_names_every_verb_on_a_page(words: tuple[str, ...]) -> None:
    done = ok(*words)
    assert [verb for verb in verbs.ALL if f"  {verb} " not in done.out] == []
    assert max(map(len, done.lines)) <= 80
    assert done.err == ""


@pytest.mark.parametrize("verb", [*verbs.ALL, *verbs.ALIASES])
def test_every_verb_explains_itself(verb: str) -> None:
    done = ok(verb, "--help")
    assert done.out.startswith(f"Usage: mas {verb}")
    assert max(map(len, done.lines)) <= 80


def test_help_of_a_verb_can_be_asked_for_by_either_word() -> None:
    assert ok("help", "stop").out == ok("stop", "-f", "-h").out
    assert "statistics.total_tasks" in ok("session", "update", "--help").out


def test_verbs_are_in_one_group_each() -> None:
    every = [verb for group in verbs.GROUPS.values() for verb in group]
    assert len(every) == len(set(every) - set(verbs.ALIASES))


def test_the_overview_loads_no_verb_and_no_typer() -> None:
    program = "import sys; from mas.cli import main; main(['help']); print(*sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    loaded = set(done.stderr.split())
    assert loaded & {"typer", "rich", "libtmux", "filelock", "mas.app", "mas.manager", "mas.cli.start"} == set()


@pytest.mark.parametrize("words", [("version",), ("--version",), ("-V",), ("--root", "/x", "version")])
def test_version(words: tuple[str, ...]) -> None:
    assert ok(*words).out == f"mas version {__version__}\n"
    assert ok("version", "--json").json == {"name": "mas", "version": __version__}


def test_the_options_of_every_verb_may_stand_anywhere(root: Root) -> None:
    made = record(root.path)
    for words in (
        ("--root", root.path, "list", "-q"),
        (f"--root={root.path}", "list", "-q"),
        ("list", "-q", "--root", root.path),
        ("list", f"--root={root.path}", "-q"),
        ("session", "--root", root.path, "list", "-q"),
    ):
        assert ok(*words).out == f"{made}\n"


def test_what_stands_behind_two_dashes_is_no_option() -> None:
    assert split_common(["a", "--root", "x", "--", "--root", "y"]) == ({"--root": "x"}, ["a", "--", "--root", "y"])


@pytest.mark.parametrize("words", [["--root"], ["--root="], ["list", "--repo"]])
def test_an_option_of_every_verb_needs_a_value(words: list[str]) -> None:
    with pytest.raises(UsageError, match="needs a value"):
        split_common(words)


WRONG = [
    (("strat",), 2, "mas: unknown verb 'strat'; did you mean `mas start`?"),
    (("xyzzy",), 2, "mas: unknown verb 'xyzzy'; `mas help` shows them all"),
    (("help", "strat"), 2, "mas: unknown verb 'strat'; did you mean `mas start`?"),
    (("--frobnicate",), 2, "mas: unknown option '--frobnicate'; `mas help` shows what there is"),
    (("--root", "a", "--repo", "b", "list"), 2, "mas: --root and --repo were both given; give the one that is meant"),
    (("--root", "/dev/null", "list"), 1, "mas: the root '/dev/null' is no directory; --root names the directory that"),
    (("list", "--limit", "x"), 2, "mas: invalid value for '--limit': 'x' is not a valid int"),
    (("list", "--limit", "0"), 2, "mas: --limit is 0, expected a whole number of at least 1"),
    (("list", "--limit=-1"), 2, "mas: --limit is -1, expected a whole number of at least 1"),
    (("list", "--status", "odd"), 2, "mas: unknown status 'odd'; one of: active, stopped, error, all"),
    (("list", "odd"), 2, "mas: got unexpected extra argument(s) (odd); `mas list --help` shows how"),
    (("env", "--format", "xml"), 2, "mas: invalid value for '--format': 'xml' is not one of"),
    (("show", "nothing"), 1, "mas: no session 'nothing'; `mas list --all` shows what there is"),
    (("show", "../../etc"), 1, "mas: no session '../../etc'; `mas list --all` shows what there is"),
    (("show", "\x1b[31mred"), 1, "mas: no session '\\x1b[31mred'; `mas list --all` shows what there is"),
    (("rm",), 2, "mas: `mas rm` was not told which session; name it: `mas rm ID`"),
    (("stop", "--all", "x"), 2, "mas: --all and ids were both given; give one of them"),
    (("attach", "-w", "a", "-a", "b"), 2, "mas: --window and --agent were both given; an agent is in one window only"),
    (("session",), 2, "mas: missing command; `mas session --help` shows how"),
    (("session", "creat"), 2, "mas: no such command 'creat'; did you mean 'create'?\n"),
    (
        ("session", "create", "--id", "../x"),
        1,
        "mas: not a session id: '../x', expected a lower-case UUID; leave the id out and one is drawn, or",
    ),
    (("session", "create", "--id", ID.replace("-4", "-1", 1)), 1, f"mas: '{ID.replace('-4', '-1', 1)}' is no UUID of"),
    (("session", "create", "--id", ID.upper()), 1, f"mas: not a session id: '{ID.upper()}', expected"),
    (("session", "create", "--max-iterations", "0"), 1, "mas: max_iterations is 0, expected a whole"),
    (("session", "update", ID), 2, "mas: changes are needed, as KEY=VALUE or with --data; `mas session update --help`"),
    (("session", "update", ID, "novalue"), 2, "mas: 'novalue' is no KEY=VALUE; for example: statistics.total_tasks=7"),
    (("session", "update", ID, "--data", "{"), 1, "mas: --data is no JSON: "),
    (("session", "update", ID, "--data", "[1]"), 1, "mas: --data is [1], expected a JSON object"),
    (("record", "x", "exploded"), 1, "mas: unknown event 'exploded'; one of: started, "),
    (("record", "x", "command_executed", "--data", '{"a":1,"a":2}'), 1, "mas: --data is no JSON: a key is given twice"),
    (("wait", "x"), 2, "mas: missing option '--until'; `mas wait --help` shows how"),
    (("wait", "x", "--until", "late"), 2, "mas: --until is 'late'; one of: active, stopped, terminal, overdue"),
    (
        ("wait", "x", "--until", "active", "--timeout", "soon"),
        2,
        "mas: --timeout is 'soon'; a number with s, m, h, d or w",
    ),
    (("clean", "--older-than", "-1d"), 2, "mas: --older-than is '-1d'; a number with s, m, h, d or w, for example 7d"),
    (("templates", "show", "nix"), 1, "mas: no template 'nix'; there are: default, "),
    (("completion", "tcsh"), 2, "mas: invalid value for 'shell': 'tcsh' is not one of"),
    (("start", "--isolated", "--legacy"), 2, "mas: --isolated and --legacy were both given; give one of them"),
    (("start", "--isolated", "--id", "1"), 1, "mas: not a session id: '1', expected a lower-case UUID"),
    (("start", "--isolated", "--template", "nix"), 1, "mas: no template 'nix'; there are: default, "),
    (("start", "--isolated", "--template", "../x"), 1, "mas: no template '../x'; there are: default, "),
    (("start", "--isolated", "--template", ""), 2, "mas: --template is empty; name one, or leave it out and the"),
    (("start", "--isolated", "--agent", ""), 2, "mas: --agent is empty; name one, or leave it out and the default"),
    (("start", "--isolated", "--agent", "nix"), 1, "mas: no agent profile 'nix'; there are: claude, "),
    (
        ("start", "--isolated", "--command", "no-such-program"),
        1,
        "mas: the agent program 'no-such-program' is not there",
    ),
    (("start", "--isolated", "--command", "'"), 2, 'mas: the command line "\'" cannot be read: No closing quotation'),
    (
        ("start", "--isolated", "--config", "no-such-file"),
        1,
        "mas: no configuration 'no-such-file'; --config needs a JSON",
    ),
    (("start", "--isolated", "--config", "-"), 1, "mas: the configuration on stdin is no JSON: "),
    (("start", "--isolated", "--config", "."), 1, "mas: the configuration '.' cannot be read: IsADirectoryError"),
    (
        ("start", "--isolated", "--label", "0f0f0f0f"),
        2,
        "mas: --label is '0f0f0f0f', which may be the beginning of an id; ids are made of 0-9, a-f and -, so another",
    ),
    (("start", "--isolated", "--label", "a\x1b[31m"), 2, "mas: --label is 'a\\x1b[31m', expected one printable line"),
    (
        ("start", "--isolated", "--label", "mas-x"),
        2,
        "mas: --label is 'mas-x', which may be the name of a tmux session",
    ),
    (("start", "--isolated", "--attach"), 1, "mas: this is no terminal, so --attach cannot work; leave it out"),
    (("start", "--repo", "."), 1, "mas: mas start needs a team, and --repo names a place that keeps records only"),
    (("capture",), 1, "mas: no session is active; `mas start --isolated` starts one"),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with one record, for calls that leave it as it is."""
    path = tmp_path_factory.mktemp("roots") / "a root"
    record(path, session_id=ID)
    return path


@pytest.mark.parametrize(
    ("words", "code", "said"), WRONG, ids=[" ".join(words).strip() or "-" for words, _, _ in WRONG]
)
def test_a_wrong_call_gets_one_line_and_touches_nothing(
    place: Path, tmux_socket: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    before = fingerprint(place)
    done = mas(*words, root=place, cwd=place)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith(said)
    assert re.fullmatch(r"mas: [\x20-\x7e…]{1,400}\n", done.err)
    assert fingerprint(place) == before
    assert not tmux_socket.exists()


def test_a_program_that_asked_for_json_gets_the_error_as_json_too(root: Root) -> None:
    first, second = (record(root.path, session_id=f"abcd000{digit}-0000-4000-8000-000000000000") for digit in "12")
    done = mas("show", "abcd", "--json", root=root.path)
    assert done.code == 1
    assert done.json == {
        "error": f"'abcd' fits 2 sessions: {first[:8]}, {second[:8]}",
        "code": "ambiguous",
        "details": {"candidates": [first[:8], second[:8]]},
        "hint": "name one of them",
    }
    assert done.err == f"mas: {done.json['error']}; name one of them\n"
    assert json.loads(mas("stop", "--json", root=root.path).out)["code"] == "usage"


def test_an_ambiguous_name_among_others_removes_nothing(root: Root) -> None:
    first, second = (record(root.path, session_id=f"abcd000{digit}-0000-4000-8000-000000000000") for digit in "12")
    before = fingerprint(root.path)
    done = mas("rm", first, "abcd", second, root=root.path)
    assert done.code == 1
    assert done.err == "mas: 'abcd' fits 2 sessions: abcd0001, abcd0002; name one of them\n"
    assert fingerprint(root.path) == before


def test_a_working_directory_that_is_gone_is_said(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    done = mas("list", program=("sh", "-c", f'cd "{gone}" && rmdir "{gone}" && exec "$0" "$@"', *PROGRAM))
    assert (done.code, done.err) == (1, "mas: the working directory is gone; cd somewhere else\n")


def test_a_pipe_without_a_writer_is_an_empty_configuration(place: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = mas("start", "--isolated", "--config", "pipe", root=place, cwd=tmp_path)
    assert (done.code, done.err.startswith("mas: the configuration 'pipe' is no JSON: ")) == (1, True)


def test_a_configuration_of_something_else_is_refused(place: Path) -> None:
    done = mas("start", "--isolated", "--config", "-", root=place, stdin='{"colour": "red"}')
    said = "mas: the configuration on stdin says nothing of a team; it may have agents, metaManager, units\n"
    assert (done.code, done.err) == (1, said)


def test_a_configuration_without_end_is_not_read_to_its_end(place: Path, tmp_path: Path) -> None:
    """What lies behind the limit is never asked for, so a device that never ends is refused like a file too long."""
    (tmp_path / "long.json").write_text("{}" + " " * 1024 * 1024)
    done = mas("start", "--isolated", "--config", "long.json", root=place, cwd=tmp_path)
    assert (done.code, done.out) == (1, "")
    assert done.err == ("mas: the configuration 'long.json' is longer than 1 MiB; give long texts to agents as files\n")


def test_the_doctor_says_that_it_could_not_ask_tmux(root: Root) -> None:
    record(root.path)
    for words in (("doctor",), ("doctor", "--fix")):
        unasked, verdict = ok(*words, root=root.path).err.splitlines()
        assert unasked.startswith("mas: tmux gave no answer, so nothing is said of teams: ")
        assert verdict == "all is well"


@pytest.mark.usefixtures("tmux_socket")
def test_what_is_left_alone_is_not_counted_as_mended(tmp_path: Path) -> None:
    (tmp_path / "sessions" / "notes").mkdir(parents=True)
    ok("doctor", "--fix", root=tmp_path)
    done = ok("doctor", "--fix", root=tmp_path)
    assert done.out == "notes\tforeign_directory\tthis directory holds no session; it is left alone\t\n"
    assert done.err == "nothing that needs mending\n"


@pytest.mark.usefixtures("tmux_socket")
def test_the_doctor_says_what_it_could_not_look_at(root: Root) -> None:
    made = record(root.path)
    with root.session(made).log.open("ab") as log:
        log.write(b"torn")
    with root.lock(made).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = ok("doctor", root=root.path)
    assert done.out.startswith(f"{made}\tbusy\tnot looked at: process {os.getpid()} (")
    assert done.err == "nothing that needs mending; 1 not looked at, call it again\n"
    assert ok("doctor", "--fix", root=root.path).err == "1 found and mended\n"
