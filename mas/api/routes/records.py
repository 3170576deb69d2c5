"""The record of a session: what happens to its work, how far it is, states to go back to."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request
from starlette.responses import Response

from mas import events as vocabulary
from mas import fields, retrying
from mas.api import answered
from mas.api.asked import EventRequest, TransitionRequest, UpdateRequest
from mas.api.description import answers
from mas.api.detail import progress as progress_of
from mas.api.here import Here, here
from mas.api.pages import page
from mas.api.refusals import as_input, bad_request
from mas.api.replies import Json, event_stream
from mas.api.routes.sessions import Name
from mas.clock import utc_now
from mas.details import line_to_json
from mas.lifecycle import parse_status
from mas.session import Session

router = APIRouter(tags=["records"])

Seq = Annotated[int, Path(ge=1, le=2**53 - 1, description="the checkpoint's number", examples=[5])]

_IDLE = 15.0
"""Seconds without a record after which a stream says that it is alive."""
_STREAM = "text/event-stream"
_EVENTS = answers(answered.Events, 404, 409)
_EXAMPLE = 'id: 4\ndata: {"seq":4,"timestamp":"2026-01-07T13:02:58.000001Z","type":"started","data":{}}\n\n'
_EVENTS[200]["content"] = {_STREAM: {"schema": {"type": "string"}, "example": _EXAMPLE}}


async def _changed(at: Here, name: str, change: Callable[[str], Session], status: int = 200) -> Json:
    """Change a record and answer it as it is then."""
    return await at.answer(lambda: dict(change(at.resolve(name)).document), status)


@router.post(
    "/sessions/{session}/transition",
    summary="Move its work to another status",
    responses=answers(answered.Record, 404, 409, body=True),
)
async def transition(request: Request, session: Name, body: TransitionRequest) -> Json:
    """Move the work on; 409 where the table of transitions does not lead there."""
    at = here(request)
    with as_input():
        wanted = parse_status(body.status)
    return await _changed(at, session, lambda session_id: at.mas.manager.transition_state(session_id, wanted))


@router.patch(
    "/sessions/{session}",
    summary="Change fields of its record",
    responses=answers(answered.Record, 404, 409, body=True),
)
async def update(request: Request, session: Name, body: UpdateRequest) -> Json:
    """Change fields; a ``status`` among them goes the way of a transition. An unknown field is refused.

    409 for a label that another session has.
    """
    at, updates = here(request), body.model_extra or {}

    def change(session_id: str) -> Session:
        document = at.mas.storage.read(session_id).document
        with as_input():
            fields.check_updates(document, updates)
            if "status" in updates:
                parse_status(updates["status"])
        return at.mas.manager.update_session(session_id, updates)

    return await _changed(at, session, change)


@router.post(
    "/sessions/{session}/events",
    summary="Report what happened",
    status_code=201,
    responses=answers(answered.Record, 404, 409, status=201, body=True),
)
async def record(request: Request, session: Name, body: EventRequest) -> Json:
    """Record an event, as ``mas record`` does; 409 where it cannot happen now. The answer is the record after it."""
    at = here(request)
    with as_input():
        happened = vocabulary.from_data(body.type, body.data)
    return await _changed(at, session, lambda session_id: at.mas.manager.record_event(session_id, happened), 201)


@router.get("/sessions/{session}/events", summary="What happened, and what happens", responses=_EVENTS)
async def events(
    request: Request,
    session: Name,
    since: Annotated[int, Query(ge=0, le=2**53 - 1, description="only records behind this number")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    last_seen: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
) -> Response:
    """A page of the session's log, of a megabyte at most.

    With ``Accept: text/event-stream`` the whole log, and each record as it comes. A stream that was cut
    off goes on behind ``Last-Event-ID``. ``limit`` means nothing to a stream.
    """
    at = here(request)
    session_id = await at.work.do(lambda: at.resolve(session))
    if _STREAM in request.headers.get("accept", ""):
        begin = _number(last_seen) if last_seen is not None else since
        await at.work.do(lambda: at.mas.storage.read(session_id))
        return event_stream(at.feeds.read(session_id, begin, _IDLE))
    return await at.answer(lambda: _page(at, session_id, since, limit))


def _number(text: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) <= 15:
        return int(text)
    raise bad_request("Last-Event-ID is no number of a record")


def _page(at: Here, session_id: str, since: int, limit: int) -> dict[str, Any]:
    found, more = page(map(line_to_json, at.mas.manager.records(session_id, since)), limit)
    return {
        "sessionId": session_id,
        "events": found,
        "count": len(found),
        "next": found[-1]["seq"] if found else since,
        "more": more,
        "timestamp": utc_now(),
    }


@router.get("/sessions/{session}/progress", summary="How far it is", responses=answers(answered.Progress, 404, 409))
async def progress(request: Request, session: Name) -> Json:
    """Iterations, files, commands and the time without pauses."""
    at = here(request)
    return await at.answer(lambda: progress_of(at, at.resolve(session)))


# --- checkpoints ---


@router.get(
    "/sessions/{session}/checkpoints", summary="Its checkpoints", responses=answers(answered.Checkpoints, 404, 409)
)
async def checkpoints(request: Request, session: Name) -> Json:
    """The checkpoints that can be read, oldest first, and the numbers of those that are damaged."""
    at = here(request)

    def look() -> dict[str, Any]:
        session_id = at.resolve(session)
        files = at.mas.storage.checkpoint_files(session_id)
        found = [one.to_dict() for _, one in files if one]
        damaged = [seq for seq, one in files if one is None]
        return {"sessionId": session_id, "checkpoints": found, "count": len(found), "damaged": damaged}

    return await at.answer(look)


@router.post(
    "/sessions/{session}/checkpoints",
    summary="Keep its record as it is now",
    status_code=201,
    responses=answers(answered.Checkpoint, 404, 409, status=201),
)
async def save(request: Request, session: Name) -> Json:
    """Save a checkpoint; the oldest go where there are many."""
    at = here(request)
    return await at.answer(lambda: at.mas.manager.save_checkpoint(at.resolve(session)).to_dict(), 201)


@router.get(
    "/sessions/{session}/checkpoints/{seq}", summary="One checkpoint", responses=answers(answered.Checkpoint, 404, 409)
)
async def checkpoint(request: Request, session: Name, seq: Seq) -> Json:
    """The record as a checkpoint holds it."""
    at = here(request)
    return await at.answer(lambda: at.mas.storage.checkpoint(at.resolve(session), seq).to_dict())


@router.post(
    "/sessions/{session}/checkpoints/{seq}/restore",
    summary="Begin again from a checkpoint",
    status_code=201,
    responses=answers(answered.Record, 404, 409, status=201),
)
async def restore(request: Request, session: Name, seq: Seq) -> Json:
    """Make a child session that begins where the checkpoint stands; the old one stays. Its team is not started."""
    at = here(request)

    def begin() -> Session:
        session_id = at.resolve(session)
        chosen = at.mas.storage.checkpoint(session_id, seq)
        return retrying.retry(at.mas, session_id, manager=at.mas.manager, checkpoint=chosen)

    return Json(dict((await at.work.build(begin)).document), 201)
