"""Reading what mas wrote, from bash: the same answers as Python gives, and no process started for them."""

import os
import re
import shutil
import stat
from pathlib import Path

import pytest
from bashes import LIB, STRICT, Bash, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mas.index import Index, encode
from mas.paths import Root, resolve_root
from mas.projections import SHELL_KEYS, encode_shell, parse_shell

ID = "1234abcd-0000-4000-8000-000000000001"
OTHER = "1234abce-0000-4000-8000-000000000002"
NOW = "2026-01-02T03:04:05Z"
CONTRACT = ("SESSION_ID", "TMUX_SESSION", "STATUS", "CREATED_AT", "UNIT_DIR", "WORKFLOWS_DIR", "SESSION_DIR")

HOSTILE = [
    "",
    "plain",
    "two words",
    " led and trailed ",
    "it's",
    "''",
    "'\"'\"'",
    'say "this"',
    "$(touch canary)",
    "`touch canary`",
    "; touch canary;",
    "$HOME",
    "a\nb\nLABEL=other",
    "\n",
    "'\n'",
    "back\\slash\\",
    "tab\there",
    "*",
    "#(touch canary)",
    "#comment",
    "naïve 日本語 \U0001f600",
    "!!",
    "a=b",
    "%s%n",
]


@pytest.fixture(params=["", STRICT], ids=["plain", "strict"])
def sh(request: pytest.FixtureRequest, root: Root) -> Bash:
    return Bash(request.param, root.path, "session.sh")


def values_of(root: Root, session_id: str = ID, **changes: str) -> dict[str, str]:
    place = root.sessions / session_id
    values = dict.fromkeys(SHELL_KEYS, "")
    values |= {"SESSION_ID": session_id, "TMUX_SESSION": f"mas-{session_id[:8]}", "STATUS": "stopped"}
    values |= {"CREATED_AT": NOW, "UNIT_DIR": f"{place}/unit", "WORKFLOWS_DIR": f"{place}/workflows"}
    return values | {"SESSION_DIR": str(place), "MAS_SESSION_MODE": "isolated"} | changes


def write(root: Root, values: dict[str, str]) -> Path:
    """A session's directory with the ``.session`` that mas writes."""
    place = root.sessions / values["SESSION_ID"]
    place.mkdir(parents=True, exist_ok=True)
    (place / ".session").write_bytes(encode_shell(values))
    return place


def index(root: Root, *rows: dict[str, object]) -> None:
    root.index.write_bytes(b"".join(encode(Index.of(rows), NOW)))


def row_of(values: dict[str, str], **changes: object) -> dict[str, object]:
    row = {"sessionId": values["SESSION_ID"], "tmuxSession": values["TMUX_SESSION"], "status": values["STATUS"]}
    return row | {"workingDir": values["SESSION_DIR"], "label": values["LABEL"], "agentCount": 13} | changes


def loaded(sh: Bash, word: str) -> dict[str, str]:
    """What load_session_metadata sets, read back through the environment of a child."""
    names = " ".join(CONTRACT)
    done = sh(f'load_session_metadata "$1"; for name in {names}; do printf "%s=%s\\0" "$name" "${{!name}}"; done', word)
    assert (done.code, done.err) == (0, "")
    return dict(pair.split("=", 1) for pair in done.out.split("\0") if pair)


@pytest.mark.parametrize("value", HOSTILE)
def test_any_value_is_read_as_it_was_written(sh: Bash, root: Root, value: str) -> None:
    values = values_of(root, UNIT_DIR=value, TMUX_SESSION=value, LABEL=value)
    write(root, values)
    assert loaded(sh, ID) == {name: values[name] for name in CONTRACT}
    assert list(root.path.rglob("canary")) == []


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40))
def test_bash_and_python_read_the_same(root: Root, value: str) -> None:
    """Also what nobody would write: the value stands in the file without any quoting."""
    root.sessions.joinpath(ID).mkdir(parents=True, exist_ok=True)
    raw = re.sub(r"[\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", " ", value)
    text = f"SESSION_ID={ID}\nUNIT_DIR={raw}\n"
    (root.sessions / ID / ".session").write_text(text)
    if not re.search(r'"[^"]*\\|\\$', raw):
        assert loaded(Bash("", root.path, "session.sh"), ID)["UNIT_DIR"] == parse_shell(text)["UNIT_DIR"]


def test_only_the_seven_known_values_are_set_and_exported(sh: Bash, root: Root) -> None:
    place = write(root, values_of(root))
    with (place / ".session").open("a") as file:
        file.write("PATH=/nowhere\nMAS_ROOT=/nowhere\nexport LD_PRELOAD=x\necho hello\nfoo() { :; }\nIFS=x\n")
    script = 'before=$(compgen -e); load_session_metadata $1; comm -13 <(echo "$before" | sort) <(compgen -e | sort)'
    assert sh(script, ID).answer == (0, "".join(f"{name}\n" for name in sorted(CONTRACT)))


def test_a_directory_is_as_good_as_an_id(sh: Bash, root: Root) -> None:
    place = write(root, values_of(root))
    assert loaded(sh, str(place)) == loaded(sh, f"{place}/") == loaded(sh, ID)
    done = sh('load_session_metadata "./$1"; echo "$SESSION_ID"', ID, cwd=root.sessions)
    assert done.answer == (0, f"{ID}\n")


@pytest.mark.parametrize("word", ["", ID, "../x", "a/b", "$(touch canary)", "-x", "*"])
def test_metadata_that_is_not_there_is_an_error_on_stdout(sh: Bash, root: Root, word: str) -> None:
    root.sessions.mkdir(parents=True)
    code, out = sh('load_session_metadata "$1"', word).answer
    assert (code, "[ERROR]" in out, word in out, out.count("\n")) == (1, True, True, 1)


def lose(place: Path) -> None:
    (place / ".session").unlink()


def link(place: Path) -> None:
    (place / ".session").rename(place / "elsewhere")
    (place / ".session").symlink_to("elsewhere")


def pipe(place: Path) -> None:
    lose(place)
    os.mkfifo(place / ".session")


def directory(place: Path) -> None:
    lose(place)
    (place / ".session").mkdir()


def another(place: Path) -> None:
    text = (place / ".session").read_text()
    (place / ".session").write_text(text.replace(ID, OTHER))


def cut(place: Path) -> None:
    (place / ".session").write_text(f"SESSION_ID='{ID}\n")


@pytest.mark.parametrize("damage", [lose, link, pipe, directory, another, cut])
def test_what_is_no_session_of_that_id_is_not_read(sh: Bash, root: Root, damage) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    damage(write(root, values_of(root)))
    assert sh("load_session_metadata $1", ID).answer[0] == 1
    assert sh("get_session_unit_dir $1", ID).code == 1


def test_a_session_is_found_by_its_id(sh: Bash, root: Root) -> None:
    place = write(root, values_of(root))
    assert sh("find_session_by_id $1", ID).answer == (0, f"{root.path}/sessions/{ID}\n")
    for word in (OTHER, ID[:8], "", f"{ID}/", str(place), "..", f"../sessions/{ID}"):
        assert sh('find_session_by_id "$1"', word).answer == (1, "")
    lose(place)
    assert sh("find_session_by_id $1", ID).answer == (1, "")


def test_places_of_a_session_are_told_by_any_of_its_names(sh: Bash, root: Root) -> None:
    values = values_of(root, LABEL="my work")
    place = write(root, values)
    index(root, row_of(values_of(root, OTHER)), row_of(values))
    write(root, values_of(root, OTHER))
    for word in (ID, ID[:8], f"mas-{ID[:8]}", "my work", str(place)):
        for name, path in (("workspace", place), ("unit_dir", place / "unit"), ("workflows_dir", place / "workflows")):
            assert sh(f'get_session_{name} "$1"', word).answer == (0, f"{path}\n")
        assert loaded(sh, word) == {name: values[name] for name in CONTRACT}


@pytest.mark.parametrize("word", ["1234abc", "123", "", "nobody", "mas-1234ab", "../x", "/nowhere", ID[:-1] + "9"])
def test_what_is_not_one_session_is_complained_about(sh: Bash, root: Root, word: str) -> None:
    """Also two with the same beginning, and a beginning that is too short."""
    for session_id in (ID, OTHER):
        write(root, values_of(root, session_id))
    index(root, *(row_of(values_of(root, session_id)) for session_id in (ID, OTHER)))
    done = sh('get_session_workspace "$1"', word)
    assert (done.code, done.out, done.err) == (1, "", f"mas: '{word}' is not one session\n")


def test_a_beginning_of_an_id_has_four_characters_at_least(sh: Bash, root: Root) -> None:
    place = write(root, values_of(root))
    index(root, row_of(values_of(root)))
    assert sh("get_session_workspace 1234").answer == (0, f"{place}\n")
    assert sh("get_session_workspace 123").code == 1


def test_a_label_and_a_tmux_name_may_be_shorter_than_that(sh: Bash, root: Root) -> None:
    labelled, named = values_of(root, LABEL="web"), values_of(root, OTHER, TMUX_SESSION="x")
    for values in (labelled, named):
        write(root, values)
    index(root, row_of(labelled), row_of(named))
    assert sh("get_session_workspace web").answer == (0, f"{root.sessions / ID}\n")
    assert sh("get_session_workspace x").answer == (0, f"{root.sessions / OTHER}\n")
    assert loaded(sh, "web") == {name: labelled[name] for name in CONTRACT}


@pytest.mark.parametrize("label", ['"', 'a"', 'say "this"', "a\\", "naïve", "日本", "\U0001f600", "tab\there", 'x","y'])
def test_a_label_is_found_whatever_it_holds(sh: Bash, root: Root, label: str) -> None:
    labelled, named = values_of(root, LABEL=label), values_of(root, OTHER, TMUX_SESSION=label, STATUS="active")
    for values in (labelled, named):
        write(root, values)
    index(root, row_of(labelled), row_of(named))
    assert loaded(sh, label)["SESSION_ID"] == ID
    assert sh('__mas_labelled "$1" && echo "$__mas_reply"', label).answer == (0, f"{ID}\n")
    assert sh('__mas_find "$1"', '1234abcd-0000-4000-8000-000000000001","tmuxSession":"').code == 1


def test_a_label_comes_before_the_same_tmux_name(sh: Bash, root: Root) -> None:
    labelled, named = values_of(root, LABEL="web"), values_of(root, OTHER, TMUX_SESSION="web")
    for values in (labelled, named):
        write(root, values)
    for rows in (
        (row_of(named, status="active"), row_of(labelled)),
        (row_of(labelled), row_of(named, status="active")),
    ):
        index(root, *rows)
        assert sh("get_session_workspace web").answer == (0, f"{root.sessions / ID}\n")


def test_shared_directories_are_those_of_the_root(sh: Bash, root: Root) -> None:
    legacy = {"MAS_SESSION_MODE": "legacy", "UNIT_DIR": f"{root.path}/unit", "WORKFLOWS_DIR": f"{root.path}/workflows"}
    place = write(root, values_of(root, **legacy))
    assert sh("get_session_unit_dir $1", ID).out == f"{root.path}/unit\n"
    assert sh("get_session_workflows_dir $1", ID).out == f"{root.path}/workflows\n"
    assert sh("get_session_workspace $1", ID).out == f"{place}\n"


def test_a_workspace_that_was_moved_is_told_where_it_is(sh: Bash, root: Root) -> None:
    values = values_of(root)
    write(root, values | {"UNIT_DIR": "/elsewhere/unit"})
    assert sh("get_session_unit_dir $1", ID).out == f"{values['UNIT_DIR']}\n"


def test_of_sessions_that_had_the_same_tmux_name_the_active_one_is_meant(sh: Bash, root: Root) -> None:
    old, new = values_of(root, TMUX_SESSION="mas-tmux"), values_of(root, OTHER, TMUX_SESSION="mas-tmux")
    for values in (old, new):
        write(root, values)
    index(root, row_of(old), row_of(new))
    assert sh("get_session_workspace mas-tmux").code == 1
    index(root, row_of(old), row_of(new, status="active"))
    assert sh("get_session_workspace mas-tmux").answer == (0, f"{root.sessions / OTHER}\n")


def test_the_index_is_a_hint_and_the_session_decides(sh: Bash, root: Root) -> None:
    root.sessions.mkdir(parents=True)
    index(root, row_of(values_of(root)))
    assert sh("get_session_workspace mas-1234abcd").code == 1
    root.index.write_text('{"version": "1.0",\n "sessions": [\n {"sessionId": "x"}]}')
    write(root, values_of(root))
    assert sh("get_session_workspace $1", ID).code == 0


READS = {
    "load_session_metadata": 'load_session_metadata "$1"',
    "by directory": 'load_session_metadata "$MAS_ROOT/sessions/$1"',
    "find_session_by_id": 'find_session_by_id "$1"',
    "get_session_workspace": 'get_session_workspace "$1"',
    "get_session_unit_dir": "get_session_unit_dir 1234abcd",
    "get_session_workflows_dir": "get_session_workflows_dir mas-1234abcd",
    "load_session_info": 'load_session_info "$MAS_ROOT"',
    "__mas_root": "unset MAS_ROOT; __mas_root",
}


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize("begin", ["", STRICT])
def test_reading_starts_no_process(begin: str, name: str, root: Root, tmp_path: Path) -> None:
    values = values_of(root)
    write(root, values)
    index(root, row_of(values))
    (root.path / ".mas_session").write_text("SESSION_NAME=mas-tmux\n")
    trace = tmp_path / "trace"
    script = f"PATH=/nowhere\n{begin}\nsource '{LIB}/session.sh'\n{READS[name]}\n:"
    watch = ["strace", "-f", "-o", str(trace), "-e", "trace=process"]
    done = run([*watch, "bash", "--norc", "-c", script, "bash", ID], env={**os.environ, "MAS_ROOT": str(root.path)})
    assert (done.code, done.err) == (0, "")
    assert re.findall(r"\b(execve|clone\d?|v?fork)\(", trace.read_text()) == ["execve"]


def test_a_process_would_be_noticed(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    run(["strace", "-f", "-o", str(trace), "-e", "trace=process", "bash", "--norc", "-c", "x=$(echo); :"])
    assert len(re.findall(r"\b(execve|clone\d?|v?fork)\(", trace.read_text())) > 1


# --- the root ---


def root_in_bash(cwd: Path, env: dict[str, str]) -> str:
    around = {name: value for name, value in os.environ.items() if name != "MAS_ROOT"} | env
    script = f"{STRICT}\nsource '{LIB}/state.sh'\n__mas_root\nprintf '%s' \"$__mas_reply\""
    return run(["bash", "--norc", "-c", script], env=around, cwd=cwd).out


VARIABLES = ("MAS_ROOT", "MAS_WORKSPACE_ROOT", "MAS_PROJECT_ROOT", "PROJECT_ROOT")


@pytest.mark.parametrize("name", VARIABLES)
def test_the_root_is_the_one_that_a_variable_names(name: str, tmp_path: Path) -> None:
    env = dict.fromkeys(VARIABLES[VARIABLES.index(name) :], "/elsewhere") | {name: str(tmp_path / "here")}
    assert root_in_bash(tmp_path, env) == str(resolve_root(None, env, tmp_path).path) == str(tmp_path / "here")
    assert root_in_bash(tmp_path, {name: ""}) == str(resolve_root(None, {name: ""}, tmp_path).path)


@pytest.mark.parametrize("marker", [".masrc", "sessions/.sessions.index"])
def test_the_root_is_the_project_around(marker: str, tmp_path: Path) -> None:
    project = tmp_path / "a project"
    deep = project / "one" / "two"
    deep.mkdir(parents=True)
    (project / marker).parent.mkdir(exist_ok=True)
    (project / marker).touch()
    for cwd in (project, deep):
        assert root_in_bash(cwd, {}) == str(resolve_root(None, {}, cwd).path) == str(project)


@pytest.mark.parametrize("data", ["", "/a place/data"])
def test_without_a_project_it_is_the_users_own(data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", data)
    assert root_in_bash(tmp_path, {}) == str(resolve_root(None, {}, tmp_path).path)


# --- the program ---


def program(path: Path) -> Path:
    """A mas that says where it is and how it was called."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('#!/bin/sh\nprintf "%s\\n" "$0" "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.parametrize(
    "place", ["scripts/mas", "../../bin/mas", "../../../../../bin/mas"], ids=["checkout", "target", "environment"]
)
def test_the_program_is_found_beside_the_library(place: str, tmp_path: Path) -> None:
    package = tmp_path / "an env" / "lib" / "python3.11" / "site-packages" / "mas" / "_shipped"
    package.mkdir(parents=True)
    shutil.copytree(LIB, package / "lib")
    mas = program((package / place).resolve())
    script = f'{STRICT}\nsource "$1/state.sh"\n__mas_run stop "a b"'
    around = {name: value for name, value in os.environ.items() if not name.startswith("MAS_")}
    done = run(["bash", "--norc", "-c", script, "bash", str(package / "lib")], env=around)
    said = done.answer[1].splitlines()
    assert said[0] == str(mas)
    assert said[1:] == ["stop", "a b"]


def test_a_way_up_from_behind_a_link_is_kept(tmp_path: Path) -> None:
    """It leads to where the link points, not to where it stands."""
    shutil.copytree(LIB, tmp_path / "real" / "lib")
    mas = program(tmp_path / "real" / "scripts" / "mas")
    (tmp_path / "lib").symlink_to(tmp_path / "real" / "lib")
    bash = f'{STRICT}\nsource "$1/./state.sh"\n__mas_program\nprintf "%s\\n" "$__mas_reply"'
    around = {name: value for name, value in os.environ.items() if not name.startswith("MAS_")}
    said = run(["bash", "--norc", "-c", bash, "bash", str(tmp_path / "lib")], env=around).answer[1]
    assert (said, Path(said.rstrip()).resolve()) == (f"{tmp_path}/lib/../scripts/mas\n", mas)


def test_the_program_is_the_one_that_is_named(sh: Bash, root: Root, tmp_path: Path) -> None:
    mas = program(tmp_path / "my own" / "mas")
    for named in (str(mas), "mas"):
        done = sh("__mas_run stop", env={"MAS_BIN": named, "PATH": f"{mas.parent}:{os.environ['PATH']}"})
        assert done.answer == (0, f"{mas}\nstop\n--root\n{root.path}\n")


@pytest.mark.parametrize("named", ["/nowhere/mas", "no-such-program", "/", "/etc/passwd"])
def test_a_program_that_is_not_there_is_an_error(sh: Bash, named: str) -> None:
    done = sh("__mas_run stop", env={"MAS_BIN": named})
    assert (done.code, done.out) == (127, "")
    assert done.err == "mas: the program mas was not found; set MAS_BIN to where it is\n"


def test_a_root_that_no_variable_names_is_left_to_mas(tmp_path: Path) -> None:
    mas = program(tmp_path / "mas")
    around = {name: value for name, value in os.environ.items() if name not in VARIABLES} | {"MAS_BIN": str(mas)}
    done = run(["bash", "--norc", "-c", f"source '{LIB}/state.sh'; __mas_run list"], env=around)
    assert done.answer == (0, f"{mas}\nlist\n")
