"""What a shell offers while one types, asked of real shells by the scripts that they are given."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from commandline import PROGRAM, ok, record, within

from mas.paths import Root
from mas.planning import StartOptions

MANY = 51
"""More sessions than a listing shows without --all."""


@pytest.fixture(scope="module")
def place(shared_root: Root) -> Path:
    """A root with a team that is down, and newer records than a listing shows."""
    root = shared_root.path
    (root / "templates" / "own" / "unit" / "10").mkdir(parents=True)
    (root / "profiles.toml").write_text('[profile.mine]\ncommand = ["cat"]\n')
    mas = within(root)
    mas.start(mas.plan(StartOptions(template="default", command="cat", label="the shop", team=False)))
    for _ in range(MANY):
        record(root)
    return root


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "script.bash"
    path.write_text(ok("completion", "bash").out)
    return path


def offered(script: Path, place: Path, *words: str) -> list[str]:
    """What bash offers for the last of the words."""
    ask = 'mas() { "${program[@]}" "$@"; }; _mas; ((${#COMPREPLY[@]} == 0)) || printf "%s\\n" "${COMPREPLY[@]}"'
    begin = 'source "$1"; program=("${@:2:4}"); COMP_WORDS=(mas "${@:6}"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))'
    argv = ["bash", "--norc", "-c", f"set -u; {begin}; {ask}", "bash", str(script), *PROGRAM, *words]
    env = {**os.environ, "MAS_ROOT": str(place)}
    done = subprocess.run(argv, capture_output=True, check=True, timeout=30, env=env, cwd=place, text=True)
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1]


def test_verbs_and_their_options_are_offered(script: Path, place: Path) -> None:
    assert offered(script, place, "res") == ["restart-agent", "resume"]
    assert offered(script, place, "checkpoint", "re") == ["restore"]
    assert offered(script, place, "start", "--no-") == ["--no-attach", "--no-team"]
    assert offered(script, place, "env", "--format", "j") == ["json"]
    assert offered(script, place, "completion", "bash", "--w") == []


def test_all_sessions_are_offered_also_the_old_ones(script: Path, place: Path) -> None:
    found = offered(script, place, "show", "")
    assert len(found) == MANY + 2
    assert r"the\ shop" in found
    assert offered(script, place, "show", "the") == offered(script, place, "show", r"the\ s") == [r"the\ shop"]


def test_values_of_options_are_offered(script: Path, place: Path) -> None:
    assert {"default", "own", "solo"} <= set(offered(script, place, "start", "--template", ""))
    assert offered(script, place, "start", "--isolated", "--template", "=", "so") == ["solo"]
    assert offered(script, place, "templates", "show", "ow") == ["own"]
    assert offered(script, place, "start", "--agent", "m") == ["mine"]
    assert offered(script, place, "attach", "the shop", "-w", "de") == ["design", "development"]
    assert offered(script, place, "attach", "-w", "design", "the shop", "-a", "3") == ["30", "31", "32", "33"]
    assert offered(script, place, "send", "--session", "the") == [r"the\ shop"]
    assert offered(script, place, "start", "--label", "") == []


def test_where_nothing_can_be_said_nothing_is(script: Path, place: Path, tmp_path: Path) -> None:
    assert offered(script, place, "attach", "nobody", "-a", "") == []
    assert offered(script, tmp_path, "show", "") == []


def test_another_root_is_asked_where_one_is_named(script: Path, place: Path, tmp_path: Path) -> None:
    assert offered(script, tmp_path, "--root", str(place), "show", "the") == [r"the\ shop"]


def test_fish_is_told_of_short_options_with_their_values() -> None:
    lines = ok("completion", "fish").lines
    told = "-x -a '(mas completion fish --words windows 2>/dev/null)'"
    assert {line for line in lines if told in line} == {
        f"complete -c mas -n '__fish_seen_subcommand_from attach' {option} {told}" for option in ("-l window", "-s w")
    }


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_scripts_of_other_shells_are_read_by_them(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    (tmp_path / "script").write_text(ok("completion", shell).out)
    subprocess.run([shell, "-n", tmp_path / "script"], check=True, timeout=10)
