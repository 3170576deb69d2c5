"""The description of the API: what each route may answer, with examples; OpenAPI as ``/openapi.json`` gives it."""

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from mas.api import examples
from mas.api.answered import Problem
from mas.api.rules import OPEN

Responses = dict[int | str, dict[str, Any]]

_SCHEME = "token"
_REASONS: Mapping[int, tuple[str, str]] = {
    400: ("the request is wrong in itself", "bad_request"),
    401: ("no token, or a wrong one", "unauthorized"),
    403: ("another Host or Origin than ours", "forbidden"),
    404: ("there is no such thing", "not_found"),
    408: ("the body did not come in time", "timeout"),
    409: ("what there is does not allow it", "refused"),
    413: ("the body is too long", "too_large"),
    415: ("the body is no JSON", "unsupported_media_type"),
    416: ("there is nothing in that range", "range"),
    503: ("busy, no room, or tmux gave no answer; Retry-After where that helps", "busy"),
}
_EVERYWHERE = (400, 403, 503)
_WITH_BODY = (408, 413, 415)
_ABOUT = """Teams of terminal agents over HTTP. Every route but `GET /health` needs the bearer token that `mas token`
prints. A session is named by its id, a unique beginning of it, its label or its tmux name."""


def answers(model: type[BaseModel], *errors: int, status: int = 200, body: bool = False) -> Responses:
    """What a route may answer: a model, and errors besides those that any route may have."""
    good = {
        "model": model,
        "description": (model.__doc__ or "").partition("\n")[0],
        "content": {"application/json": {"example": examples.ANSWERS[model.__name__]}},
    }
    return {status: good, **problems(*errors, body=body)}


def problems(*errors: int, body: bool = False) -> Responses:
    """The errors a route may answer with."""
    known = {*_EVERYWHERE, *errors, *(_WITH_BODY if body else ())}
    return {status: _problem(status) for status in sorted(known)}


def _problem(status: int) -> dict[str, Any]:
    reason, code = _REASONS[status]
    example = {**examples.ANSWERS["Problem"], "error": reason, "code": code, "details": {}}
    found: dict[str, Any] = {
        "model": Problem,
        "description": reason,
        "content": {"application/json": {"example": example}},
    }
    if status == 503:
        found["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}
    return found


def describe(app: FastAPI) -> dict[str, Any]:
    """The description as OpenAPI 3.1."""
    found = get_openapi(title=app.title, version=app.version, description=_ABOUT, routes=app.routes)
    schemas = found["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    found["components"]["securitySchemes"] = {_SCHEME: {"type": "http", "scheme": "bearer"}}
    for path, operation in _operations(found):
        operation["responses"].pop("422", None)
        if path != OPEN:
            operation["security"] = [{_SCHEME: []}]
            operation["responses"]["401"] = _unauthorized()
    return found


def _unauthorized() -> dict[str, Any]:
    content = {**_problem(401)["content"]["application/json"], "schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        "description": _REASONS[401][0],
        "content": {"application/json": content},
        "headers": {"WWW-Authenticate": {"schema": {"type": "string"}}},
    }


def _operations(found: Mapping[str, Any]) -> Iterable[tuple[str, dict[str, Any]]]:
    for path, methods in found["paths"].items():
        for operation in methods.values():
            yield path, operation
