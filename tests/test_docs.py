"""What the guides show is what happens: their commands and programs run here, and what they print is compared.

In a ``console`` block a line that begins with ``$`` runs in one bash for the whole page; the lines below it, if any,
are what it prints, with ``…`` for anything. ``# exit 1`` behind a command is the exit code it ends with. A ``python``
block runs after the ones above it on the page. A ``text`` block is a screen: what the commands show on a terminal.
"""

import ast
import importlib.util
import itertools
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import get_type_hints

import pytest
from terminal import Terminal, Wait

from mas import engines, environment, mailbox, notes, originals, projections, settings
from mas.api import access, presence
from mas.cli import verbs
from mas.paths import Root, SessionPaths

REPOSITORY = Path(__file__).parent.parent
PAGES = sorted([REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")])
FENCED = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXIT = re.compile(r"\s+# exit ([0-9]+)$")
MARK = "--- shown by the test ---"


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of one language on a page."""
    return [body for kind, body in FENCED.findall(page.read_text("utf-8")) if kind == language]


def commands(block: str) -> list[tuple[str, int, list[str]]]:
    """The commands of a console block: each with its exit code and the lines it is to print."""
    found: list[tuple[str, int, list[str]]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            code = EXIT.search(line)
            found.append((EXIT.sub("", line[2:]), int(code[1]) if code else 0, []))
        elif line.startswith("> ") and found and not found[-1][2]:
            command, code_wanted, _ = found.pop()
            found.append((f"{command}\n{line[2:]}", code_wanted, []))
        else:
            found[-1][2].append(line)
    return found


def with_blocks(language: str) -> list[Path]:
    return [page for page in PAGES if page.exists() and blocks(page, language)]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmux_socket: Path) -> Path:
    """A git repository to work in, with a home of its own and ``mas`` on PATH, as a reader has them."""
    home = tmp_path / "home"
    work = tmp_path / "project"
    for directory in (home, work):
        directory.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("CONFIG", "DATA", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("MAS_TMUX_SOCKET", str(tmux_socket))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "A Reader")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "reader@example.invalid")
    monkeypatch.setenv("GIT_COMMITTER_NAME", "A Reader")
    monkeypatch.setenv("GIT_COMMITTER_EMAIL", "reader@example.invalid")
    subprocess.run("git init -q -b main && git commit -q --allow-empty -m Begin", shell=True, cwd=work, check=True)  # noqa: S602
    return work


def run_in_bash(lines: list[str], place: Path) -> str:
    """What one bash prints that runs these commands one after another, with a mark and the exit code after each."""
    script = "".join(f"{line}\nprintf '\\n%s %s\\n' '{MARK}' $?\n" for line in lines)
    done = subprocess.run(
        ["bash", "--norc"], input=script, cwd=place, capture_output=True, text=True, check=False, timeout=120
    )
    return done.stdout + f"\n{done.stderr}"


def pattern(lines: list[str]) -> re.Pattern[str]:
    """Matches the lines, ``…`` standing for anything within a line and, alone, for any lines."""
    text = re.escape("\n".join(line.rstrip() for line in lines))
    return re.compile(text.replace("…", ".*?"), re.DOTALL)


@pytest.mark.parametrize("page", with_blocks("console"), ids=lambda page: page.name)
def test_the_commands_of_a_guide_do_what_it_shows(page: Path, place: Path) -> None:
    wanted = [command for block in blocks(page, "console") for command in commands(block)]
    printed = run_in_bash([f"{{ {command}\n}} 2>&1" for command, _, _ in wanted], place)
    parts = printed.split(MARK)
    assert len(parts) == len(wanted) + 1, printed
    for (command, code, lines), before, after in zip(wanted, parts, parts[1:], strict=False):
        output = before.partition("\n")[2] if before is not parts[0] else before
        assert after.split()[0] == str(code), f"$ {command}\n{output}"
        shown = "\n".join(line.rstrip() for line in output.strip().splitlines())
        assert not lines or pattern(lines).fullmatch(shown), f"$ {command}\n{output}"


@pytest.fixture
def wide(place: Path, tmux_socket: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """A terminal in a project, with a ``claude`` on PATH that says nothing."""
    (place / ".masrc").touch()
    claude = place.parent / "claude"
    claude.write_text("#!/bin/sh\nexec cat\n")
    claude.chmod(0o755)
    monkeypatch.setenv("PATH", f"{place.parent}:{os.environ['PATH']}")
    opened = Terminal(tmux_socket.parent, os.environ | {"TERM": "screen-256color"}, wait_until, columns=200)
    opened.run(f"cd {shlex.quote(str(place))}; :")
    yield opened
    opened.close()


def alike(text: str, place: Path) -> str:
    """A screen without what differs from run to run: ids, ages, the place, the width of columns."""
    ids = re.sub(r"\b[0-9a-f]{8}((-[0-9a-f]{4}){3}-[0-9a-f]{12})?\b", "ID", text.replace(str(place), "/home/me/shop"))
    return re.sub(r" +", " ", re.sub(r"\b\d+s\b", "1s", ids))


@pytest.mark.parametrize("page", with_blocks("text"), ids=lambda page: page.name)
def test_the_screens_of_a_page_are_those_of_a_terminal(page: Path, place: Path, wide: Terminal) -> None:
    for command, _, lines in (command for block in blocks(page, "text") for command in commands(block)):
        shown = "\n".join(wide.run(command))
        assert alike(shown, place) == alike("\n".join(lines), place)


@pytest.mark.parametrize("page", with_blocks("python"), ids=lambda page: page.name)
def test_the_programs_of_a_guide_run(page: Path, place: Path) -> None:
    program = "\n".join(blocks(page, "python"))
    done = subprocess.run(
        [sys.executable, "-"], input=program, cwd=place, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr


def drawing() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draw", REPOSITORY / "docs" / "draw.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_diagrams_are_drawn_from_the_tables_as_they_are() -> None:
    draw = drawing()
    page = draw.PAGE.read_text("utf-8")
    assert draw.drawn(page) == page, "docs/draw.py has to be run again"


def test_links_between_the_pages_lead_somewhere() -> None:
    for page in [*PAGES, *(REPOSITORY / "docs" / "decisions").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name} points to {target}"


# --- variables: the page of them, and the source ---

VARIABLE = r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+"
KEYS_OF_FILES = {"CREATED_AT", "PROJECT_DIR", "SESSION_ID", "STARTED_AT", "TMUX_SESSION"}
NO_VARIABLES = {"AGENT_MODELS", "AGENT_NAMES", "SC_CLK_TCK", "SOCKET_VARIABLE", "UNIT_NAMES"}
OF_BASH = {"BASH_SOURCE", "BASH_VERSION", "COMP_CWORD", "COMP_WORDS", "OSTYPE", "PWD", "RANDOM"}
READ_BY_PLATFORMDIRS = {"XDG_CONFIG_HOME"}


def named_in_python(source: str) -> set[str]:
    """The variables a module names: texts that look like one, and whatever is asked of ``environ``."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Constant(value=str(text)):
                found |= {text} if re.fullmatch(VARIABLE, text) else set(re.findall(r"\bMAS_[A-Z_]*[A-Z]\b", text))
            case ast.Call(func=ast.Attribute(value=asked, attr="get"), args=[ast.Constant(value=str(name)), *_]) | (
                ast.Subscript(value=asked, slice=ast.Constant(value=str(name)))
            ) if ast.unparse(asked).endswith("environ"):
                found.add(name)
    return found


def named_in_bash(source: str) -> set[str]:
    """The variables a script reads or exports; those of its own are in lower case."""
    exported = " ".join(re.findall(r"\bexport (.*)", source))
    return set(
        re.findall(r"\$\{?[!#]?([A-Z][A-Z0-9_]*[A-Z])\b", source) + re.findall(r"\b([A-Z][A-Z0-9_]+)=", exported)
    )


def test_the_page_of_variables_names_exactly_those_that_are_used() -> None:
    python = [named_in_python(path.read_text("utf-8")) for path in (REPOSITORY / "mas").rglob("*.py")]
    bash = [named_in_bash(path.read_text("utf-8")) for path in (REPOSITORY / "lib").glob("*.sh")]
    used = set().union(*python, *bash, READ_BY_PLATFORMDIRS) - KEYS_OF_FILES - NO_VARIABLES - OF_BASH
    page = (REPOSITORY / "docs" / "environment.md").read_text("utf-8")
    told = set(re.findall(r"`([A-Z][A-Z0-9_]*[A-Z])(?:=\w+)?`", page))
    assert {name for name in told ^ used if not name.startswith("GIT_")} == set()


# --- files: the page of them, and the source ---


def files_by_name() -> set[str]:
    """What mas calls the files and directories below a root."""
    root, session = Root(Path("root")), SessionPaths(Path("session"))
    places = [getattr(one, name) for one in (root, session) for name, kind in vars(type(one)).items() if is_path(kind)]
    others = {originals.PLACE, originals.LIST, originals.INDEX, engines.DIFFERENCES, environment.PROGRAMS}
    parts = {notes.FILE, settings.FILE, presence.DIRECTORY, presence.LOG, presence.KEYS, access.NAME}
    return {place.name for place in places} | others | parts | {mailbox.LOG, mailbox.OPEN, mailbox.TEXTS}


def is_path(kind: object) -> bool:
    return isinstance(kind, property) and get_type_hints(kind.fget)["return"] is Path


def test_the_page_of_files_names_each_of_them_and_what_is_in_them() -> None:
    page = (REPOSITORY / "docs" / "formats.md").read_text("utf-8")
    every_setting = settings.Settings(*["x"] * len(settings.Settings.__match_args__)).to_text()
    keys = {*projections.SHELL_KEYS, *re.findall("^[A-Z_]+", every_setting, re.MULTILINE)}
    assert {name for name in files_by_name() | keys if not re.search(rf"(?<![\w.]){re.escape(name)}\b", page)} == set()


# --- modules: the table of them, and the package ---


def rows_of_modules() -> list[list[str]]:
    """The modules of each row of the table, from the highest layer down."""
    table = re.findall(r"^\| [^|]+ \| (`[^|]+) \|", (REPOSITORY / "ARCHITECTURE.md").read_text("utf-8"), re.MULTILINE)
    return [re.findall(r"`(\w+)/?`", row) for row in table]


def test_the_table_of_modules_names_each_of_them_once() -> None:
    package = REPOSITORY / "mas"
    modules = {path.stem for path in package.glob("*.py")} | {
        path.parent.name for path in package.glob("*/__init__.py")
    }
    named = Counter(name for row in rows_of_modules() for name in row)
    assert named == Counter(modules - {"__init__", "__main__"})


def test_the_table_of_modules_has_the_order_that_the_linter_holds() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    height = {name: place for place, layer in enumerate(layers) for name in re.findall(r"\w+", layer)}
    rows = [[height[name] for name in row] for row in rows_of_modules()]
    assert [(above, below) for above, below in itertools.pairwise(rows) if max(above) > min(below)] == []


def test_the_first_page_leads_to_every_guide() -> None:
    page = PAGES[0].read_text("utf-8")
    guides = [f"docs/{path.name}" for path in (REPOSITORY / "docs").glob("*.md")]
    assert [guide for guide in guides if f"]({guide})" not in page] == []


def test_the_table_of_decisions_is_made_of_their_titles() -> None:
    place = REPOSITORY / "docs" / "decisions"
    titles = {path.name: path.read_text("utf-8").partition("\n")[0] for path in place.glob("0*.md")}
    rows = re.findall(r"^\| \[(\d+)\]\(([^)]+)\) \| (.+) \|$", (place / "README.md").read_text("utf-8"), re.MULTILINE)
    assert {name: f"# {number}: {title}" for number, name, title in rows} == titles


def test_every_verb_has_its_place_in_a_guide_and_in_the_changes() -> None:
    pages = " ".join(page.read_text("utf-8") for page in PAGES)
    changes = (REPOSITORY / "CHANGELOG.md").read_text("utf-8")
    assert [verb for verb in verbs.ALL if not re.search(rf"\bmas {verb}\b", pages)] == []
    assert [verb for verb in verbs.ALL if not re.search(rf"`(mas )?{verb}\b", changes)] == []
