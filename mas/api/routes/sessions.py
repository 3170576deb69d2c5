"""Sessions: what there is, one in full, its terminal, its logs, and bringing its team down, up and away."""

import re
import shlex
from collections.abc import AsyncGenerator, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Query, Request

from mas import attaching, details, files, stopping, tmux
from mas.api import answered, ranges
from mas.api.asked import ConnectRequest, RestoreRequest, StopRequest
from mas.api.description import answers, problems
from mas.api.detail import agents as agents_of
from mas.api.detail import detail, listed, stray
from mas.api.here import Here, here
from mas.api.refusals import as_input
from mas.api.replies import Json, Streamed
from mas.clock import utc_now
from mas.errors import NotFoundError, shorten
from mas.teamfile import stored_team

router = APIRouter(tags=["sessions"])

Name = Annotated[
    str, Path(max_length=128, description="id, its unique beginning, label or tmux name", examples=["4f7c"])
]
Word = Literal["active", "stopped", "error", "all", "inactive", "terminated", "restoring", "running"]

_CHUNK = 256 * 1024
_LOG = re.compile(r"[0-9]{2}", re.ASCII)


@router.get("/sessions", summary="The sessions", responses=answers(answered.Sessions))
async def sessions(
    request: Request,
    status: Annotated[Word, Query(description="words of earlier servers are understood")] = "all",
    mode: Annotated[Literal["isolated", "legacy", "all"], Query()] = "all",
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> Json:
    """Sessions of both modes, live ones first, each from the newest to the oldest, with their state as it is now."""
    at = here(request)
    return await at.answer(lambda: listed(at, status, mode, limit, offset))


@router.get("/sessions/{session}", summary="One session", responses=answers(answered.Detail, 404, 409))
async def one(request: Request, session: Name) -> Json:
    """Everything about a session; also where its workspace is missing, then with status error and the remedy."""
    at = here(request)
    return await at.answer(lambda: detail(at, session))


@router.get("/sessions/{session}/agents", summary="Its agents", responses=answers(answered.Agents, 404, 409))
async def agents(request: Request, session: Name) -> Json:
    """Each agent with its pane and what it runs."""
    at = here(request)
    return await at.answer(lambda: agents_of(at, session))


@router.post(
    "/sessions/{session}/connect",
    summary="How to get to its terminal",
    responses=answers(answered.Connection, 404, 409, body=True),
)
async def connect(request: Request, session: Name, body: ConnectRequest | None = None) -> Json:
    """The command that shows a session that is up; with ``window`` one that shows that window."""
    at, window = here(request), body.window if body else None
    return await at.answer(lambda: _connection(at, session, window))


def _connection(at: Here, name: str, window: str | None) -> dict[str, Any]:
    meant = at.meant(name)
    target = attaching.find(at.mas, meant) if isinstance(meant, str) else meant
    found = details.gather(at.mas, meant) if isinstance(meant, str) else stray(at, meant)
    windows = [one.name for one in found.windows]
    focused = _window(at, target.session_id, windows, window) if window else ""
    return {
        "sessionId": target.session_id,
        "tmuxSession": target.seen.name,
        "attachCommand": _attach_command(target, focused),
        "status": "connected",
        "workingDir": found.view.working_dir,
        "startedAt": found.view.created_at,
        "connectionDetails": {
            "windows": windows,
            "activeAgents": sum(one.status == "running" for one in found.agents),
            "focusedWindow": focused or next((one.name for one in found.windows if one.active), ""),
        },
        "timestamp": utc_now(),
    }


def _window(at: Here, session_id: str, windows: Sequence[str], wanted: str) -> str:
    """The window that a name or an alias means."""
    if wanted in windows:
        return wanted
    with as_input():
        if not session_id:
            msg = f"there is no window {shorten(wanted)}"
            raise NotFoundError(msg)
        return stored_team(at.mas, session_id)[0].window(wanted).name


def _attach_command(target: attaching.Target, window: str) -> str:
    if not window:
        return target.by_hand
    return shlex.join(tmux.attach_argv(target.server, target.seen.tmux_id, window=window))


@router.post(
    "/sessions/{session}/stop", summary="Stop its team", responses=answers(answered.Stopped, 404, 409, body=True)
)
async def stop(request: Request, session: Name, body: StopRequest | None = None) -> Json:
    """End the team and every process of it; the workspace stays. Stopping one that is down succeeds.

    A tmux session that nobody registered is ended where it is named in full.
    """
    at, grace = here(request), 0.0 if body and body.force else None
    meant = await at.work.do(lambda: at.meant(session))
    if not isinstance(meant, str):
        await at.work.build(lambda: stopping.end_stray(at.mas, meant.seen))
        return Json(_stopped("", was_up=True))
    done = await at.work.build(lambda: at.mas.stop(meant, grace=grace))
    return Json(_stopped(meant, was_up=done.was_up, word="stopping" if done.handed_over else "stopped"))


def _stopped(session_id: str, *, was_up: bool, word: str = "stopped") -> dict[str, Any]:
    return {"sessionId": session_id, "status": word, "wasUp": was_up, "timestamp": utc_now()}


@router.post(
    "/sessions/{session}/restore",
    summary="Bring its team up again",
    responses=answers(answered.Restored, 404, 409, body=True),
)
async def restore(request: Request, session: Name, body: RestoreRequest | None = None) -> Json:
    """Bring a stopped team up as it was; 409 for one that is up, unless forced."""
    at, force = here(request), bool(body and body.force)
    session_id = await at.work.do(lambda: at.resolve(session))
    return Json(await at.work.build(lambda: _restored(at, session_id, force=force)))


def _restored(at: Here, session_id: str, *, force: bool) -> dict[str, Any]:
    if force:
        at.mas.stop(session_id)
    started = at.mas.resume(session_id)
    target = attaching.find(at.mas, session_id)
    return {
        "sessionId": session_id,
        "tmuxSession": started.tmux_name,
        "attachCommand": target.by_hand,
        "status": "restored",
        "agentsStarted": len(started.team.ids),
        "timestamp": utc_now(),
    }


@router.delete("/sessions/{session}", summary="Remove it", responses=answers(answered.Deleted, 404, 409))
async def delete(request: Request, session: Name, *, force: Annotated[bool, Query()] = False) -> Json:
    """Remove a session and its workspace; 409 for one that is up, unless forced, which stops it first."""
    at = here(request)
    session_id = await at.work.do(lambda: at.resolve(session))
    await at.work.build(lambda: at.mas.remove(session_id, force=force))
    return Json({"sessionId": session_id, "status": "deleted", "timestamp": utc_now()})


_TEXT = {"content": {"text/plain": {"schema": {"type": "string"}, "example": "$ make test\nok\n"}}}


@router.get(
    "/sessions/{session}/logs/{log}",
    summary="A text log",
    response_class=Streamed,
    responses={
        200: {"description": "the whole log", **_TEXT},
        206: {"description": "the range that was asked for", **_TEXT},
        **problems(404, 409, 416),
    },
)
async def logs(
    request: Request,
    session: Name,
    log: Annotated[
        str, Path(pattern=r"^([0-9]{2}|session)$", description="an agent's id, or session", examples=["10"])
    ],
    wanted: Annotated[str | None, Header(alias="Range", examples=["bytes=-4096"])] = None,
) -> Streamed:
    """What an agent's screen showed, or what the session's own programs said, as plain text; by byte ranges."""
    at = here(request)
    file, size = await at.work.do(lambda: _log(at, session, log))
    part = ranges.parse(wanted, size)
    first, last = part or (0, size - 1)
    headers = {"Accept-Ranges": "bytes", "Content-Length": str(last - first + 1)}
    if part:
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    return Streamed(
        _pieces(at, file, first, last),
        status_code=206 if part else 200,
        headers=headers,
        media_type="text/plain; charset=utf-8",
    )


def _log(at: Here, name: str, log: str) -> tuple[tuple[str, str], int]:
    """Directory and name of a log, and its size now."""
    session_id = at.resolve(name)
    place = at.mas.root.session(session_id).logs
    file = f"agent-{log}.log" if _LOG.fullmatch(log) else f"{log}.log"
    try:
        with files.directory(place) as fd:
            size = files.size_of(fd, file)
    except FileNotFoundError:
        size = None
    if size is None:
        msg = f"session {session_id} has no log {log}"
        raise NotFoundError(msg, hint="an agent's screen is logged where the team says so")
    return (str(place), file), size


async def _pieces(at: Here, file: tuple[str, str], first: int, last: int) -> AsyncGenerator[bytes, None]:
    place, name = file

    def read() -> bytes:
        with files.directory(place) as fd:
            return files.read_part(fd, name, first, min(_CHUNK, last - first + 1))

    while first <= last and (piece := await at.work.do(read)):
        first += len(piece)
        yield piece
