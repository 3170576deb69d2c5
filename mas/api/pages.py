"""Pages of what may be long: as many items as were asked for, but no more bytes than anybody holds easily. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from mas.api.access import compact

MOST = 1024 * 1024
"""Bytes of JSON of a page, unless its first item alone has more."""


def page(found: Iterable[Mapping[str, Any]], limit: int, most: int = MOST) -> tuple[list[Mapping[str, Any]], bool]:
    """The first of what was found, and whether there is more."""
    fitting: list[Mapping[str, Any]] = []
    size = 0
    for one in found:
        size += len(compact(one))
        if len(fitting) == limit or (fitting and size > most):
            return fitting, True
        fitting.append(one)
    return fitting, False
