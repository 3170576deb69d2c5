"""What is installed elsewhere: the wheel, its metadata, and the pinned packages a checkout is set up with."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from importlib import metadata
from pathlib import Path

import pytest
from conftest import XDG_HOMES
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import mas

HERE = Path(__file__).parents[1]
PROJECT = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    target = tmp_path_factory.mktemp("wheel")
    argv = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(target)]
    subprocess.run(argv, check=True, capture_output=True, timeout=60, cwd=HERE)
    return next(target.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory the wheel is installed in, away from the checkout."""
    target = tmp_path_factory.mktemp("site packages")
    argv = [sys.executable, "-I", "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--target"]
    subprocess.run([*argv, target, wheel], check=True, capture_output=True, timeout=60)
    return target


def python(code: str, *, path: Path) -> str:
    """What a program prints that finds ``path`` before everything else, and is not measured itself."""
    argv = [sys.executable, "-c", code]
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    env["PYTHONPATH"] = str(path)
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60, env=env, cwd="/").stdout


# --- the version and the wheel ---


def test_the_version_is_written_once() -> None:
    assert metadata.version("mas") == mas.__version__
    assert mas.__version__ not in (HERE / "pyproject.toml").read_text(encoding="utf-8")


def test_asking_for_the_version_loads_nothing_slow() -> None:
    code = "import sys; import mas; mas.__version__; print(*sys.modules)"
    loaded = set(python(code, path=HERE).split())
    assert loaded & {"importlib.metadata", "typer", "rich", "libtmux", "pathlib", "re", "json"} == set()


def test_the_wheel_holds_the_package_and_what_travels_with_it(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "mas/py.typed" in names
    assert "mas/errors.py" in names
    assert [name for name in names if "__pycache__" in name or name.startswith(("tests/", "scripts/"))] == []


@pytest.mark.parametrize("folder", ["templates", "lib"])
def test_the_wheel_holds_every_shipped_file(wheel: Path, folder: str) -> None:
    shipped = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith(f"mas/_shipped/{folder}/")}
    here = {path for path in (HERE / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert shipped == {f"mas/_shipped/{path.relative_to(HERE)}" for path in here} != set()


@pytest.mark.parametrize("folder", ["templates", "lib"])
def test_shipped_files_are_found_installed_and_in_a_checkout(installed: Path, folder: str) -> None:
    code = f"from mas import paths; print(paths.shipped({folder!r}))"
    assert python(code, path=installed) == f"{installed}/mas/_shipped/{folder}\n"
    assert python(code, path=HERE) == f"{HERE}/{folder}\n"


def test_the_library_is_sourced_from_where_it_is_installed(installed: Path) -> None:
    source = 'set -euo pipefail; source "$("$1" path lib)/session.sh"'
    script = f'{source}; generate_uuid; __mas_program; readlink -f -- "$__mas_reply"; __mas_run version'
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    env["PYTHONPATH"] = str(installed)
    argv = ["bash", "--norc", "-c", script, "bash", str(installed / "bin" / "mas")]
    done = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60, env=env, cwd="/")
    unique, program, version = done.stdout.splitlines()
    assert (len(unique), program, version) == (36, f"{installed}/bin/mas", f"mas version {mas.__version__}")
    assert done.stderr == ""


LIFE = """
set -euo pipefail
id=$("$1" start --isolated --template solo --command 'cat -' -q)
source "$("$1" path lib)/session.sh"
[[ $(find_session_by_id "$id") == "$("$1" path "$id")" ]]
[[ $("$1" agents "$id" -q) == 00 ]]
"$1" stop -q "$id" && "$1" rm -q "$id" && "$1" doctor
"""


def live(program: Path, place: Path, **env: str) -> None:
    """Start a team, look at it by the library, and end it; by an installed program that knows no checkout."""
    around = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    around |= {"MAS_ROOT": str(place), **env}
    argv = ["bash", "--norc", "-c", LIFE, "bash", str(program)]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60, env=around, cwd="/")
    assert (done.returncode, done.stderr) == (0, "all is well\n"), done


@pytest.mark.usefixtures("tmux_socket")
def test_a_team_is_started_by_what_is_installed(installed: Path, tmp_path: Path) -> None:
    live(installed / "bin" / "mas", tmp_path / "a root", PYTHONPATH=str(installed))


@pytest.mark.slow
@pytest.mark.usefixtures("tmux_socket")
def test_pip_makes_a_typed_program_of_a_checkout(tmp_path: Path) -> None:
    """In an environment of its own, with what the package index has: that is what a user types."""
    env = {name: value for name, value in os.environ.items() if name not in ("HOME", *XDG_HOMES)}
    subprocess.run([sys.executable, "-I", "-m", "venv", tmp_path / "env"], check=True, timeout=60)
    python = tmp_path / "env" / "bin" / "python"
    pip = (str(python), "-I", "-m", "pip", "install", "-q", "--disable-pip-version-check", str(HERE))
    subprocess.run(pip, check=True, timeout=300, env=env | {"HOME": str(tmp_path)}, cwd="/")
    live(python.with_name("mas"), tmp_path / "a root")
    (tmp_path / "uses.py").write_text("from mas import SessionManager\nreveal_type(SessionManager().get_session)\n")
    mypy = (sys.executable, "-I", "-m", "mypy", "--python-executable", python, "uses.py")
    done = subprocess.run(mypy, check=True, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert 'Revealed type is "def (session_id: str) -> mas.session.Session"' in done.stdout


def test_the_metadata_names_the_licence_the_python_and_the_command(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    place = f"mas-{mas.__version__}.dist-info"
    facts = Parser().parsestr(archive.read(f"{place}/METADATA").decode())
    assert (facts["Name"], facts["License-Expression"], facts["Requires-Python"]) == ("mas", "MIT", ">=3.11")
    assert f"{place}/licenses/LICENSE" in archive.namelist()
    assert archive.read(f"{place}/entry_points.txt").decode().split("\n")[:2] == [
        "[console_scripts]",
        "mas = mas.__main__:main",
    ]


# --- what is pinned ---


def pins(kind: str) -> dict[str, Requirement]:
    """The requirements of a file, by name."""
    text = (HERE / "requirements" / f"{kind}.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.split(" --hash=")[0] for line in text.splitlines() if not line.lstrip().startswith("#")]
    return {canonicalize_name(pin.name): pin for pin in map(Requirement, filter(None, lines))}


@pytest.mark.parametrize("kind", ["run", "dev"])
def test_every_package_is_pinned_with_the_hashes_of_its_files(kind: str) -> None:
    text = (HERE / "requirements" / f"{kind}.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    pattern = r"[a-z0-9-]+==[^ ]+( ; [^\\]+?)?( +--hash=sha256:[0-9a-f]{64})+"
    assert [line for line in lines if not re.fullmatch(pattern, line)] == []


@pytest.mark.parametrize("kind", ["run", "dev"])
def test_no_place_to_download_from_is_named(kind: str) -> None:
    text = (HERE / "requirements" / f"{kind}.txt").read_text(encoding="utf-8")
    assert re.findall(r"://|index|find-links|trusted", text) == []


def test_the_tests_run_with_what_mas_runs_with() -> None:
    run, dev = pins("run"), pins("dev")
    assert {name: dev.get(name) for name in run} == run


def test_what_is_pinned_is_what_was_asked_for() -> None:
    groups = PROJECT["dependency-groups"]
    for_run = [*PROJECT["project"]["dependencies"], *groups["build"]]
    for_dev = [*for_run, *PROJECT["project"]["optional-dependencies"]["api"], *groups["test"], *groups["lint"]]
    for kind, wanted in (("run", for_run), ("dev", for_dev)):
        pinned = pins(kind)
        for requirement in map(Requirement, wanted):
            (pin,) = pinned[canonicalize_name(requirement.name)].specifier
            assert requirement.specifier.contains(pin.version), f"{kind}: {requirement}"
