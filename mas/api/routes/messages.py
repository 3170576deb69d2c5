"""Messages to agents, and what became of them."""

import re
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from mas.api import answered
from mas.api.asked import MessageRequest, SessionMessageRequest
from mas.api.description import answers
from mas.api.here import Here, here, no_session
from mas.api.pages import page
from mas.api.refusals import HttpError, as_input, bad_request
from mas.api.replies import Json
from mas.api.routes.sessions import Name
from mas.clock import utc_now
from mas.delivery import SendOptions
from mas.errors import AmbiguousError, NotFoundError
from mas.messages import ACCEPTED, Address, Message, recipients, sanitize
from mas.team import Team
from mas.teamfile import stored_team

router = APIRouter(tags=["messages"])

Channel = Annotated[str, Query(pattern=r"^(all|unit-[0-9]{1,2})$", description="all, or unit-N, from 0")]
Limit = Annotated[int, Query(ge=1, le=1000)]

_AGENT = re.compile(r"(?:agent-)?([0-9]{2})", re.ASCII)


@router.post(
    "/message", summary="Send to the session that is meant", responses=answers(answered.Sent, 404, 409, body=True)
)
async def message(request: Request, body: MessageRequest) -> Json:
    """Send a text to agents of the ``session`` that is named, or of the only one that is active.

    409 where nobody gets it; ``details`` then says why, agent by agent.
    """
    at = here(request)
    return await at.answer(lambda: _sent(at, _meant(at, body.session), body))


def _meant(at: Here, name: str | None) -> str:
    try:
        return at.mas.resolve(name)
    except AmbiguousError:
        raise
    except NotFoundError as error:
        raise no_session(name or "", error) from error


@router.post(
    "/sessions/{session}/messages", summary="Send to its agents", responses=answers(answered.Sent, 404, 409, body=True)
)
async def send(request: Request, session: Name, body: SessionMessageRequest) -> Json:
    """Send a text to an agent, a unit, a group, several, or ``all``; the answer tells each agent's fate."""
    at = here(request)
    return await at.answer(lambda: _sent(at, at.resolve(session), body))


def _sent(at: Here, session_id: str, body: SessionMessageRequest) -> dict[str, Any]:
    team, _ = stored_team(at.mas, session_id)
    address = Address(body.target, body.message, _sender(body.sender, team))
    options = SendOptions(execute=body.execute, queue=body.queue, checked=bool(address.sender), answer=body.answer)
    with as_input():
        sanitize(address.text)
        recipients(team, address, checked=options.checked)
    return _answer(at, session_id, at.mas.send(session_id, address, options))


def _sender(given: str | None, team: Team) -> str:
    """The agent that sends; nobody where the word means none, as earlier clients write it."""
    found = _AGENT.fullmatch(given or "")
    if found and found[1] not in team.ids:
        raise bad_request(f"the team has no agent {found[1]} to send from")
    return found[1] if found else ""


def _answer(at: Here, session_id: str, sent: Message) -> dict[str, Any]:
    answer = sent.to_json()
    accepted = [fate.outcome in ACCEPTED for fate in sent.fates.values()]
    if not any(accepted):
        reasons = "; ".join(dict.fromkeys(fate.reason for fate in sent.fates.values()))
        details = {"messageId": sent.id, "fates": answer["fates"]}
        raise HttpError(409, "not_delivered", f"nobody got the message: {reasons}", details=details)
    row = at.mas.row(session_id) or {}
    status = "acknowledged" if all(accepted) else "partial"
    return {**answer, "status": status, "session": row.get("tmuxSession", ""), "sessionId": session_id}


@router.get("/sessions/{session}/messages", summary="Its messages", responses=answers(answered.Messages, 404, 409))
async def messages(
    request: Request,
    session: Name,
    agent: Annotated[
        str | None, Query(pattern=r"^[0-9]{2}$", description="only what this agent sent or was sent")
    ] = None,
    limit: Limit = 100,
) -> Json:
    """The newest messages of a session, oldest first, each with its fates; a megabyte of them at most."""
    at = here(request)

    def look() -> dict[str, Any]:
        session_id = at.resolve(session)
        found = [one for one in _all(at, session_id) if agent is None or agent in (one.sender, *one.to)]
        newest, more = page((one.to_json() for one in reversed(found)), limit)
        told = {"messages": newest[::-1], "total": len(found), "count": len(newest), "more": more}
        return {"sessionId": session_id, **told, "timestamp": utc_now()}

    return await at.answer(look)


def _all(at: Here, session_id: str) -> Sequence[Message]:
    return [*at.mas.messages(session_id).values()]


@router.get("/messages", summary="Messages, newest first", responses=answers(answered.MessageLog, 404, 409))
async def log(
    request: Request,
    session_id: Annotated[str, Query(alias="sessionId", min_length=1, max_length=128)],
    channel: Channel = "all",
    limit: Limit = 100,
    before: Annotated[str | None, Query(max_length=40, description="only what is older than this time")] = None,
) -> Json:
    """The messages of a session as earlier clients ask for them, a megabyte at most; ``before`` goes on behind them."""
    at = here(request)

    def look() -> dict[str, Any]:
        found = at.resolve(session_id)
        heard = _channel(at, found, channel)
        fitting = (
            one.to_json()
            for one in reversed(_all(at, found))
            if (heard is None or heard & {*one.to}) and (before is None or one.timestamp < before)
        )
        logs, more = page(fitting, limit)
        named = {"sessionId": session_id, "resolvedSessionId": found, "channel": channel}
        return {"logs": logs, "count": len(logs), "more": more, **named, "timestamp": utc_now()}

    return await at.answer(look)


def _channel(at: Here, session_id: str, channel: str) -> set[str] | None:
    """The agents of a channel; None for all."""
    if channel == "all":
        return None
    position = int(channel.removeprefix("unit-"))
    units = stored_team(at.mas, session_id)[0].units
    if position >= len(units):
        raise bad_request(f"the team has no unit {position}")
    return {agent.id for agent in units[position].agents}
