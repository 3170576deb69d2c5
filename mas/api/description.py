"""The description of the API: what each route may answer, with examples; OpenAPI as ``/openapi.json`` gives it."""

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from starlette.routing import compile_path

from mas.api import examples
from mas.api.answered import Problem
from mas.api.rules import OPEN

Responses = dict[int | str, dict[str, Any]]

_SCHEME = "token"
_JSON = "application/json"
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
    good = {"model": model, "description": (model.__doc__ or "").partition("\n")[0]}
    return {status: good, **problems(*errors, body=body)}


def problems(*errors: int, body: bool = False) -> Responses:
    """The errors a route may answer with."""
    known = {*_EVERYWHERE, *errors, *(_WITH_BODY if body else ())}
    return {status: _problem(status) for status in sorted(known)}


def _problem(status: int) -> dict[str, Any]:
    headers = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}} if status == 503 else {}
    return {"model": Problem, "description": _REASONS[status][0], "headers": headers}


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
        for status, response in operation["responses"].items():
            _show(int(status), response)
    return found


def _unauthorized() -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{Problem.__name__}"}
    return {
        "description": _REASONS[401][0],
        "content": {_JSON: {"schema": schema}},
        "headers": {"WWW-Authenticate": {"schema": {"type": "string"}}},
    }


def _show(status: int, response: Mapping[str, Any]) -> None:
    """Put an example where the answer is one of ours."""
    content = response.get("content", {}).get(_JSON)
    if content is None:
        return
    example = examples.ANSWERS[content["schema"]["$ref"].rpartition("/")[2]]
    if status in _REASONS:
        reason, code = _REASONS[status]
        example = {**example, "error": reason, "code": code, "details": {}}
    content["example"] = example


def _operations(found: Mapping[str, Any]) -> Iterable[tuple[str, dict[str, Any]]]:
    for path, methods in found["paths"].items():
        for operation in methods.values():
            yield path, operation


def methods_of(described: Mapping[str, Any], path: str) -> str:
    """The methods that a path has, as the header ``Allow`` lists them."""
    fitting = [methods for pattern, methods in described["paths"].items() if compile_path(pattern)[0].fullmatch(path)]
    return ", ".join(sorted({method.upper() for methods in fitting for method in methods}))
