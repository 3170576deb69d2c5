"""The HTTP API: the same sessions as on the command line, over the same ``Mas``. Needs the extra ``mas[api]``.

Importing this package costs nothing: FastAPI is loaded by ``create_app`` and by ``mas.api.server``.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI

    from mas.api.config import ServeConfig
    from mas.app import Mas


def create_app(mas: "Mas", config: "ServeConfig") -> "FastAPI":
    """The application for one root; whoever serves it announces where."""
    from mas.api.application import build  # noqa: PLC0415  heavy

    return build(mas, config)
