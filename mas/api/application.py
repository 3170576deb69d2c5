"""The application: the routes behind the door, every error in one body, what lives as long as the server."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

import mas as package
from mas.api import presence
from mas.api.access import AccessLog, Logged
from mas.api.config import ServeConfig
from mas.api.description import describe, methods_of
from mas.api.door import Door
from mas.api.feed import Feeds
from mas.api.here import Here
from mas.api.keys import Keys
from mas.api.refusals import HttpError, bad_request, body_of, headers_of, status_of
from mas.api.replies import Json
from mas.api.routes import messages, meta, records, runs, sessions
from mas.api.rules import rules_of
from mas.api.watch import watching
from mas.api.work import Work
from mas.app import Mas
from mas.clock import utc_now
from mas.errors import MasError

NAME = "MAS API Server"

_BUG = "a bug in mas; the server's log says more"


class Api(FastAPI):
    """The routes; what they serve is put behind them by ``build``."""

    def openapi(self) -> dict[str, Any]:
        """The description; it is the same for every server, and takes a while to make."""
        return _description()


@cache
def _description() -> dict[str, Any]:
    return describe(bare())


def bare() -> Api:
    """The application without anything to serve: enough to be described."""
    api = Api(title=NAME, version=package.__version__, docs_url=None, redoc_url=None, redirect_slashes=False)
    for module in (meta, runs, sessions, records, messages):
        api.router.routes.extend(module.router.routes)  # one table: a router within a router is slow to look through
    api.add_exception_handler(MasError, _refused)
    api.add_exception_handler(RequestValidationError, _invalid)
    api.add_exception_handler(HTTPException, _unroutable)
    api.add_exception_handler(Exception, _failed)
    return api


def build(mas: Mas, config: ServeConfig) -> Api:
    """The application for a root, at the address where it is about to be served."""
    api = bare()
    work = Work(config.limits)
    here = Here(mas, config, work, Feeds(mas, work), Keys(mas.root))
    with presence.opened(mas.root):
        log = AccessLog(presence.directory(mas.root))
    api.state.here = here
    api.state.log = log
    api.add_middleware(Door, rules=rules_of(config))
    api.add_middleware(Logged, log=log)
    api.router.lifespan_context = _life
    return api


@asynccontextmanager
async def _life(api: FastAPI) -> AsyncIterator[None]:
    here: Here = api.state.here
    await here.work.do(here.keys.prune)
    await here.work.do(api.openapi)
    async with watching(here.mas, here.work, here.config.limits.look_time):
        yield
    here.feeds.close()
    here.work.close()
    here.mas.manager.close()
    api.state.log.close()


async def _refused(request: Request, error: Exception) -> Json:
    del request
    assert isinstance(error, MasError)  # noqa: S101  as it was registered
    return answer_of(error)


def answer_of(error: MasError) -> Json:
    """The answer that an error is."""
    return Json(body_of(error, utc_now()), status_of(error), headers_of(error))


async def _invalid(request: Request, error: Exception) -> Json:
    """A body or query that is not what the description says: where, and why; not what it was."""
    del request
    assert isinstance(error, RequestValidationError)  # noqa: S101
    details = [{"field": _path(one["loc"]), "message": one["msg"]} for one in error.errors()]
    return answer_of(bad_request("Validation error", details=details, hint="GET /openapi.json says what is expected"))


def _path(place: Sequence[object]) -> str:
    return ".".join(str(part)[:64] for part in place[:16])


async def _unroutable(request: Request, error: Exception) -> Json:
    """No such path, or no such method there."""
    assert isinstance(error, HTTPException)  # noqa: S101
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "bad_request")
    allowed = {"Allow": methods_of(request.app.openapi(), request.url.path)} if error.status_code == 405 else {}
    hint = "GET / lists what there is"
    return answer_of(HttpError(error.status_code, code, str(error.detail), hint=hint, headers=allowed))


async def _failed(request: Request, error: Exception) -> Json:
    """A bug: the client learns no more than that; the error goes on to the server's log."""
    del request, error
    return answer_of(HttpError(500, "bug", _BUG))
