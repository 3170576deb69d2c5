"""What holds for every file of the library: it is a guest in the shell that sources it."""

import os
import re
import shutil
from pathlib import Path

import pytest
from bashes import LIB, STRICT, run

MODULES = ("state", "tmux", "http", "active", "workspace", "session", "agent", "message", "agent_init", "project")
FILES = sorted(path.name for path in LIB.glob("*.sh"))
QUIET = [name for name in FILES if "agent_init" not in name]

TMUX = set(
    "create_session session_exists kill_session list_sessions create_window split_window_to_4panes send_to_pane "
    "send_keys_to_pane get_pane_info attach_session sanitize_session_name create_mas_windows print_info print_success "
    "print_error print_warning".split()
)
HTTP = TMUX | {"start_http_server", "stop_http_server", "check_http_server"}
ACTIVE = TMUX | {"find_active_session"}
WORKSPACE = TMUX | set(
    "create_session_workspace initialize_session_units create_session_metadata load_session_metadata "
    "update_sessions_index find_session_by_id stop_isolated_session get_session_workspace get_session_unit_dir "
    "get_session_workflows_dir".split()
)
SESSION = (
    HTTP
    | ACTIVE
    | WORKSPACE
    | set(
        "generate_session_id generate_session_name save_session_info load_session_info get_session_status "
        "show_session_details cleanup_session cleanup_old_sessions start_session_from_config show_session_stats "
        "generate_uuid".split()
    )
)
AGENT = SESSION | set(
    "init_agent_directory get_agent_responsibilities start_agent start_all_agents stop_agent stop_all_agents "
    "get_agent_status get_all_agent_status get_agent_window_pane get_agent_model is_manager".split()
)
MESSAGE = AGENT | set(
    "route_message expand_target send_to_agent broadcast_message send_unit_to_unit get_unit_manager format_message "
    "create_prompt_message send_batch_messages send_messages_from_file log_message show_message_history "
    "initialize_agents_from_config".split()
)
PROJECT = SESSION | set(
    "find_project_root is_project_initialized load_project_config save_project_config show_project_info "
    "validate_project detect_mode show_current_mode sanitize_project_name".split()
)
OFFERED = {
    "state": set(),
    "tmux": TMUX,
    "http": HTTP,
    "active": ACTIVE,
    "workspace": WORKSPACE,
    "session": SESSION,
    "agent": AGENT,
    "message": MESSAGE,
    "agent_init": set(),
    "project": PROJECT,
}
"""The functions that scripts may call, by the file that has them."""

GLOBALS = {"LIB_DIR", "AGENT_NAMES", "AGENT_MODELS", "UNIT_NAMES"}
"""The variables that agent.sh is known for."""

MARK = "--- sourced ---"
SNAPSHOT = r"""
snapshot() {
    printf '%s\n' "options $-" "IFS ${IFS@Q}" "PWD $PWD" "PATH $PATH" "LC_ALL ${LC_ALL-}" "LANG ${LANG-}" "words $*"
    set -o; shopt; trap; alias; hash 2>&1; umask
    compgen -A function | sed 's/^/function /' || :
    compgen -v | sed 's/^/variable /' || :
}
"""
"""What of a shell must not change."""


def module(name: str) -> str:
    return name.removeprefix("mas-").removesuffix(".sh")


def changes(script: str, *, begin: str = "") -> set[str]:
    """The lines in which the shell is different after a script, besides what is plainly the library's own."""
    text = f"{SNAPSHOT}\n{begin}\nsnapshot\necho '{MARK}'\n{script}\nsnapshot\necho '{MARK}'"
    done = run(["bash", "--norc", "-c", text, "bash", "a", "b c"])
    assert (done.code, done.err) == (0, "")
    before, after, _ = (set(part.splitlines()) for part in done.out.split(MARK))
    return {
        line for line in before ^ after if not re.match(r"(function|variable) __mas_|variable (_|BASH\w+)$|$", line)
    }


def offered(name: str) -> set[str]:
    """What sourcing a file adds that is not marked as its own."""
    variables = {"agent": GLOBALS, "message": GLOBALS, "project": {"PROJECT_LIB_LOADED", "PROJECT_LIB_VERSION"}}.get(
        module(name), set()
    )
    return {f"function {one}" for one in OFFERED[module(name)]} | {f"variable {one}" for one in variables}


SHELLS = [
    "",
    STRICT,
    "set -Eeuo pipefail; trap 'echo failed' ERR; trap 'echo bye' EXIT",
    "set -f; IFS=,; shopt -s nullglob failglob nocasematch extglob dotglob; LC_ALL=C",
    "set -o posix",
    "shopt -s expand_aliases; alias cp='cp -i' mv='mv -i' rm='rm -i' tmux=false timeout=false mas=false",
]


@pytest.mark.parametrize("name", QUIET)
@pytest.mark.parametrize("begin", SHELLS)
def test_sourcing_adds_functions_and_changes_nothing(name: str, begin: str) -> None:
    assert changes(f"source '{LIB}/{name}'", begin=begin) == offered(name)


@pytest.mark.parametrize(
    "habit",
    [
        "set -e",
        "shopt -s nullglob",
        "trap 'true' INT",
        "IFS=:",
        "cd /",
        "PATH=$PATH:/x",
        "LC_ALL=POSIX",
        "die() { :; }",
    ],
)
def test_a_bad_habit_is_noticed(habit: str) -> None:
    assert changes(habit) != set()


@pytest.mark.parametrize("name", QUIET)
def test_sourcing_twice_is_sourcing_once(name: str) -> None:
    once = f"source '{LIB}/{name}'"
    twice = f"{once}; print_info() {{ echo mine; }}; [[ $? == 0 ]]; {once}; [[ $(type -t print_info) == function ]]"
    assert changes(twice, begin=STRICT) | {"function print_info"} == offered(name) | {"function print_info"}
    assert run(["bash", "--norc", "-c", f"{once}; print_info() {{ echo mine; }}; {once}; print_info"]).out == "mine\n"


@pytest.mark.parametrize("name", QUIET)
def test_sourcing_prints_what_it_loaded_only_where_that_is_asked_for(name: str) -> None:
    source = ["bash", "--norc", "-c", f"set -u; source '{LIB}/{name}'"]
    assert run(source).answer == (0, "")
    loaded = run(source, env={**os.environ, "DEBUG_MODULES": "1"}).out.splitlines()
    assert loaded[-1] == f"Loaded {module(name)}.sh"
    assert all(re.fullmatch(r"Loaded \w+\.sh", line) for line in loaded)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("begin", ["", STRICT])
def test_sourcing_starts_no_process(name: str, begin: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    watch = ["strace", "-f", "-o", str(trace), "-e", "trace=process"]
    done = run(
        [*watch, "bash", "--norc", "-c", f"{begin}\nsource '{LIB}/{name}'"], env={**os.environ, "MAS_BIN": "/bin/true"}
    )
    assert (done.code, done.err) == (0, "")
    assert re.findall(r"\b(execve|clone\d?|v?fork)\(", trace.read_text()) == ["execve"]


@pytest.mark.parametrize("name", FILES)
def test_another_shell_is_refused_and_lives_on(name: str) -> None:
    done = run(["dash", "-c", f". '{LIB}/{name}' || echo refused $?"])
    assert (done.code, done.out, done.err) == (0, "refused 1\n", f"mas: lib/{name} is for bash\n")


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_found_whatever_the_path_to_it_is(name: str, tmp_path: Path) -> None:
    place = tmp_path / 'it\'s a "place" $HOME'
    shutil.copytree(LIB, place)
    ways = [(tmp_path, '"$1"/'), (place, "./"), (place, ""), (tmp_path, '"${1##*/}"/'), (place, '"../${1##*/}"/')]
    for cwd, way in ways:
        script = f"{STRICT}\nsource {way}{name}\ncd /\n[[ $__mas_lib -ef $1 ]] && echo $?"
        words = ["bash", "--norc", "-c", script, "bash", str(place)]
        assert run(words, cwd=cwd, env={**os.environ, "MAS_BIN": "/bin/true"}).answer == (0, "0\n"), way


def definitions(path: Path) -> list[str]:
    return re.findall(r"^([A-Za-z_]\w*)\(\)", path.read_text("utf-8"), re.MULTILINE)


def test_each_function_is_defined_in_one_file() -> None:
    names = [name for file in FILES for name in definitions(LIB / file)]
    assert len(names) == len(set(names))
    scripts = [path for path in (LIB.parent / "scripts").iterdir() if path.is_file()]
    assert {name for path in scripts for name in definitions(path)} & set(names) == set()


def test_what_scripts_may_call_is_what_they_are_promised() -> None:
    for name in MODULES:
        own = {one for one in definitions(LIB / f"{name}.sh") if not one.startswith("__mas_")}
        assert own <= OFFERED[name]


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("mas-")])
def test_the_older_names_hold_nothing_of_their_own(name: str) -> None:
    lines = [line for line in (LIB / name).read_text("utf-8").splitlines() if not line.startswith("#")]
    assert len(lines) == 2
    assert definitions(LIB / name) == []


@pytest.mark.parametrize("name", [name for name in FILES if not name.startswith("mas-")])
def test_a_function_neither_leaves_the_shell_nor_changes_it(name: str) -> None:
    """What would: ``exit``, ``cd``, ``set`` and ``shopt`` outside a subshell, tools that are not everywhere.

    ``local -`` takes the aliases of a script away in bash 4.4.
    """
    code = "\n".join(line for line in (LIB / name).read_text("utf-8").splitlines() if not line.lstrip().startswith("#"))
    words = r"^\s*(?:exit|cd|set [-+]|shopt|trap|eval)\b|\blocal -\s|sed -i"
    tools = r"|\b(?:jq|xxd|uuidgen|mktemp|readlink|realpath)\b"
    found = [line for line in code.splitlines() if re.search(words + tools, line)]
    assert [line for line in found if line.strip() not in IN_A_SUBSHELL] == []


IN_A_SUBSHELL = {"set +efu", "shopt -u failglob", "set +o pipefail"}
"""Of ``__mas_become_tmux``, which replaces a subshell, and of ``__mas_type``, which begins one."""
