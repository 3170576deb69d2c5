"""What programs import from ``mas``."""

import inspect
import subprocess
import sys

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
