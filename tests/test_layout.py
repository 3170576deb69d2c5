"""What holds for every module at once: who imports whom, what a pure module may do, how large things grow."""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1]
MODULES = sorted((HERE / "mas").rglob("*.py"))
TESTS = sorted((HERE / "tests").glob("*.py"))
EDGES = {"cli", "api"}

PURE = {"errors", "lifecycle", "events", "team", "session", "record", "launch", "reconcile"}
WORLDLY_IMPORTS = set(
    "asyncio ctypes fcntl glob io mmap multiprocessing platform pty random secrets select shutil signal socket "
    "subprocess sys tempfile threading time uuid".split()
)
HARMLESS_OS = {"PathLike", "fsdecode", "fsencode", "fspath", "path", "sep"}
WORLDLY_FUNCTIONS = {"open", "print", "input", "exec", "eval", "breakpoint"}
WORLDLY_METHODS = set(
    "open read_text read_bytes write_text write_bytes mkdir rmdir touch unlink rename exists is_file is_dir is_symlink "
    "stat lstat iterdir glob rglob resolve readlink expanduser absolute cwd home chmod symlink_to hardlink_to "
    "now utcnow today".split()
)
HEAVY = {"fastapi", "filelock", "libtmux", "platformdirs", "pydantic", "rich", "starlette", "typer", "uvicorn"}
OTHER_DOORS = {"system", "popen", "fork", "forkpty", "posix_spawn", "posix_spawnp", "startfile"}

LONGEST_MODULE = 330
LONGEST_FUNCTION = 40

each_module = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(HERE)))
each_test = pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def noun(path: Path) -> str:
    """The module's first name below ``mas``: that of its file, or of the folder it is in."""
    return path.relative_to(HERE / "mas").parts[0].removesuffix(".py")


def imported(nodes: Iterator[ast.AST]) -> Iterator[tuple[int, str]]:
    """The line and the top name of each import among the nodes."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, (node.module or "").partition(".")[0]


def calls(tree: ast.AST) -> Iterator[tuple[int, str, bool]]:
    """The line of each call, the last name of what is called, and whether it is called as an attribute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node.lineno, node.func.id, False
            elif isinstance(node.func, ast.Attribute):
                yield node.lineno, node.func.attr, True


def worldly(tree: ast.Module) -> list[tuple[int, str]]:
    """What touches files, processes, the clock or chance."""
    found = [(line, name) for line, name in imported(ast.walk(tree)) if name in WORLDLY_IMPORTS]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
            found += [(node.lineno, node.attr)] if node.attr not in HARMLESS_OS else []
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            found += [(node.lineno, alias.name) for alias in node.names if alias.name not in HARMLESS_OS]
    for line, name, attribute in calls(tree):
        if name in (WORLDLY_METHODS if attribute else WORLDLY_FUNCTIONS):
            found.append((line, name))
    return found


def broad_excepts(tree: ast.Module) -> list[int]:
    """Where any error at all is swallowed. One that undoes something and raises again is none."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and is_broad(node.type) and not raises_again(node):
            found.append(node.lineno)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "suppress":
            found += [node.lineno for argument in node.args if is_broad(argument)]
    return found


def is_broad(kind: ast.expr | None) -> bool:
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(
        kind is None or (isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException")) for kind in kinds
    )


def raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def long_functions(tree: ast.Module) -> list[tuple[str, int]]:
    """Functions with more lines than the limit, their docstrings not counted."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            length = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
            found += [(node.name, length)] if length > LONGEST_FUNCTION else []
    return found


def private_imports(tree: ast.Module) -> list[tuple[int, str]]:
    """Private names taken from another module of ours."""
    own = (
        node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mas")
    )
    return [(node.lineno, alias.name) for node in own for alias in node.names if re.match(r"_[^_]", alias.name)]


def shells(tree: ast.Module) -> list[int]:
    """Where a program is started through a shell, or past the one door to programs."""
    words = (node for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "shell")
    given = [
        node.value.lineno for node in words if not (isinstance(node.value, ast.Constant) and node.value.value is False)
    ]
    return given + [line for line, name, attribute in calls(tree) if attribute and name in OTHER_DOORS]


@each_module
def test_what_is_pure_touches_nothing(path: Path) -> None:
    """The modules that have to be, and every one whose docstring says so."""
    tree = parse(path)
    is_pure = noun(path) in PURE or re.search(r"\bPure[.:]", ast.get_docstring(tree) or "")
    assert not is_pure or worldly(tree) == []


@each_module
def test_errors_are_swallowed_by_name(path: Path) -> None:
    assert noun(path) in {"cli", "observers"} or broad_excepts(parse(path)) == []


@each_module
def test_no_program_is_started_through_a_shell(path: Path) -> None:
    assert shells(parse(path)) == []


@each_module
def test_heavy_libraries_are_imported_where_they_are_used(path: Path) -> None:
    found = [name for _, name in imported(iter(parse(path).body)) if name in HEAVY]
    assert noun(path) in EDGES or found == []


@each_module
def test_private_names_stay_at_home(path: Path) -> None:
    assert private_imports(parse(path)) == []


@each_module
def test_modules_and_functions_stay_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE
    assert long_functions(parse(path)) == []


def test_files_of_the_library_stay_small() -> None:
    files = {path.name: len(path.read_text("utf-8").splitlines()) for path in (HERE / "lib").glob("*.sh")}
    assert {name: lines for name, lines in files.items() if lines > LONGEST_MODULE} == {}


@each_test
def test_tests_replace_nothing(path: Path) -> None:
    """The real tmux, git, files and processes, or none."""
    tree = parse(path)
    assert [name for _, name, attribute in calls(tree) if attribute and name in ("setattr", "setitem", "patch")] == []
    assert [name for name in re.findall(r"\w+", ast.unparse(tree)) if name in ("Magic" + "Mock", "mock" + "er")] == []


@each_test
def test_tests_wait_for_something(path: Path) -> None:
    """Nobody sleeps and hopes; ``wait_until`` in conftest.py is where the sleeping is done."""
    sleeps = [line for line, name, _ in calls(parse(path)) if name == "sleep"]
    assert path.name == "conftest.py" or sleeps == []


def source_files() -> Iterator[Path]:
    for folder in ("mas", "lib", "scripts", ".ci", "templates", "benchmarks"):
        yield from (path for path in sorted((HERE / folder).rglob("*")) if path.is_file() and path.suffix != ".pyc")


def test_no_source_needs_an_issue_tracker_to_be_understood() -> None:
    pattern = re.compile(rb"(?<![\w&#{])#[0-9]{1,5}\b")  # a shell writes ${#1}
    assert [path for path in source_files() if pattern.search(path.read_bytes())] == []


@pytest.mark.parametrize(
    ("check", "code"),
    [
        (worldly, "import time"),
        (worldly, "def f():\n    from os import environ"),
        (worldly, "import os\nos.environ['X']"),
        (worldly, "import os\nos.path.exists('x')"),
        (worldly, "open('x')"),
        (worldly, "Path('x').read_text()"),
        (worldly, "datetime.now()"),
        (broad_excepts, "try:\n    f()\nexcept Exception:\n    pass"),
        (broad_excepts, "try:\n    f()\nexcept:\n    g()"),
        (broad_excepts, "try:\n    f()\nexcept (OSError, BaseException):\n    raise ValueError"),
        (broad_excepts, "with suppress(Exception):\n    f()"),
        (shells, "run(['x'], shell=True)"),
        (shells, "os.system('x')"),
        (private_imports, "from mas.team import _table"),
        (long_functions, "def f():\n" + "    g()\n" * (LONGEST_FUNCTION + 1)),
    ],
)
def test_a_rule_that_is_broken_is_noticed(check, code: str) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    assert len(check(ast.parse(code))) == 1


def test_an_error_that_is_raised_again_is_not_swallowed() -> None:
    assert broad_excepts(ast.parse("try:\n    f()\nexcept BaseException:\n    undo()\n    raise")) == []


def lint_imports(directory: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    words = ("--no-cache", "--config", HERE / "pyproject.toml")
    return subprocess.run([program, *words], cwd=directory, capture_output=True, text=True, check=False, timeout=60)


def test_the_import_contracts_hold() -> None:
    done = lint_imports(HERE)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("contract", "additions"),
    [
        ("imports point down", {"errors": "import mas.team"}),
        ("imports point down", {"stray": ""}),
        ("nothing goes in circles", {"record": "import mas.session", "session": "import mas.record"}),
        ("one door to other programs", {"files": "import subprocess"}),
        ("one door to tmux", {"files": "import libtmux"}),
        ("the command line stays at the edge", {"files": "import typer"}),
        ("HTTP stays at the edge", {"files": "import fastapi"}),
    ],
)
def test_a_broken_contract_is_noticed(tmp_path: Path, contract: str, additions: dict[str, str]) -> None:
    shutil.copytree(HERE / "mas", tmp_path / "mas", ignore=shutil.ignore_patterns("__pycache__"))
    for name, line in additions.items():
        with (tmp_path / "mas" / f"{name}.py").open("a", encoding="utf-8") as module:
            module.write(f"\n{line}\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 1
    assert f"{contract} BROKEN" in done.stdout


def test_every_module_has_its_tests() -> None:
    """In ``test_<module>.py``, or several files that begin so."""
    tests = [path.stem.removeprefix("test_") + "_" for path in TESTS]
    modules = {noun(path) for path in MODULES} - {"__init__", "__main__"}
    assert {module for module in modules if not any(test.startswith(f"{module}_") for test in tests)} == set()
