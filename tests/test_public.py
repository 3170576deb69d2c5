"""What programs import from ``mas``."""

import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import mas


@pytest.mark.parametrize("name", [name for name in mas.__all__ if name != "__version__"])
def test_each_public_name_is_there_and_says_what_it_is(name: str) -> None:
    value = getattr(mas, name)
    assert name in dir(mas)
    assert name in ("SessionEvent", "SessionState") or inspect.getdoc(value)


def test_the_table_of_homes_and_the_public_names_are_one() -> None:
    assert sorted([*mas._HOMES, "__version__"]) == sorted(mas.__all__)


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        mas.nothing  # noqa: B018


def test_importing_the_package_loads_none_of_it() -> None:
    program = "import sys, mas; print([name for name in sys.modules if name.startswith('mas.')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == "[]\n"


# --- the guide ---

GUIDE = Path(__file__).parent.parent / "docs" / "python.md"
INTERNAL = {"change", "create", "draft", "finish_worktree", "observe", "retry"}
"""Methods that other modules of mas build on."""


def spelled(function: Callable[..., object]) -> str:
    """The arguments of a call as the guide writes them."""
    words: list[str] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in words:
            words.append("*")
        default = parameter.default
        plain = default is None or isinstance(default, bool | int | str | tuple)
        value = "" if default is parameter.empty else f"={default!r}" if plain else "=…"
        words += [] if name == "self" else [name + value]
    return ", ".join(words)


def test_the_guide_says_every_method_with_its_arguments_and_defaults() -> None:
    rows = dict(re.findall(r"^\| `(\w+)\((.*?)\)` \|", GUIDE.read_text("utf-8"), re.MULTILINE))
    methods = {name: one for name, one in inspect.getmembers(mas.SessionManager, inspect.isfunction) if name[0] != "_"}
    assert set(methods) - INTERNAL <= set(rows)
    for name, arguments in rows.items():
        assert spelled(methods.get(name) or getattr(mas, name)) == arguments, name
