"""What the server is, that it lives, and the session that is meant where none is named."""

import os
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from mas.api import answered
from mas.api.description import answers
from mas.api.here import Here, here
from mas.api.replies import Json
from mas.clock import utc_now
from mas.details import gather
from mas.errors import MasError, NotFoundError

router = APIRouter(tags=["server"])


@router.get("/", summary="What this server is", responses=answers(answered.About))
@router.head("/", include_in_schema=False)
async def about(request: Request) -> Json:
    """Name, version, and every route there is."""
    app = request.app
    endpoints = [f"{method.upper()} {path}" for path, methods in app.openapi()["paths"].items() for method in methods]
    return Json(
        {
            "name": app.title,
            "version": app.version,
            "status": "running",
            "timestamp": utc_now(),
            "endpoints": endpoints,
        }
    )


@router.get("/health", summary="That the server answers", responses=answers(answered.Health))
@router.head("/health", include_in_schema=False)
async def health() -> Json:
    """Says ``ok``, to anybody: the one route without a token."""
    return Json({"status": "ok", "timestamp": utc_now()})


@router.get("/status", summary="The session that is meant", responses=answers(answered.Overall, 404))
async def status(request: Request, session: Annotated[str | None, Query(max_length=128)] = None) -> Json:
    """The session of that name, or the only one that is active, with its agents, and the server itself.

    ``status`` is running where all its agents are, partial where some are, stopped where no session is up, error where
    it cannot be said.
    """
    at = here(request)
    found = await at.work.do(lambda: _overall(at, session))
    server = {"running": True, "port": at.config.port, "pid": os.getpid()}
    return Json({**found, "httpServer": server, "timestamp": utc_now()})


def _overall(at: Here, name: str | None) -> dict[str, Any]:
    if name is not None:
        return _one(at, at.resolve(name))
    try:
        return _one(at, at.mas.resolve())
    except NotFoundError:
        return {"status": "stopped", "session": "", "sessionId": "", "agents": []}
    except MasError as error:
        return {"status": "error", "session": "", "sessionId": "", "agents": [], "error": error.message}


def _one(at: Here, session_id: str) -> dict[str, Any]:
    found = gather(at.mas, session_id)
    word = "error" if found.word == "unknown" else found.word
    return {
        "status": word,
        "session": found.view.tmux_name,
        "sessionId": session_id,
        "agents": [agent.to_json() for agent in found.agents],
        **({"error": found.problem} if word == "error" else {}),
    }
