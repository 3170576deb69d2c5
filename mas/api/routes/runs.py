"""Starting teams."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request

from mas import views
from mas.api import answered
from mas.api.asked import RunRequest
from mas.api.description import answers
from mas.api.here import Here, here
from mas.api.keys import Entry, digest
from mas.api.refusals import as_input
from mas.api.replies import Json
from mas.clock import utc_now
from mas.errors import UnknownStateError
from mas.planning import StartOptions, StartPlan
from mas.record import runtime_of
from mas.runtime import wanted_up

router = APIRouter(tags=["sessions"])

Key = Annotated[
    str | None,
    Header(alias="Idempotency-Key", description="a retry under the same key never makes a second team; kept 24 h"),
]
_REPLAYED = {"Idempotency-Replayed": "true"}


@router.post(
    "/runs",
    summary="Start a team",
    status_code=201,
    responses=answers(answered.Run, 409, status=201, body=True),
)
async def start(request: Request, body: RunRequest, key: Key = None) -> Json:
    """Make a session and bring its team up; the answer comes when all its agents are there.

    In legacy mode, the default, the team works in the root's own directories, one at a time.
    """
    at = here(request)
    if key is None:
        return Json(await at.work.build(lambda: _started(at, _plan(at, body))), 201)
    async with at.keys.holding(key):
        answer, replayed = await at.work.build(lambda: _once(at, key, body))
    return Json(answer, 201, _REPLAYED if replayed else None)


def _once(at: Here, key: str, body: RunRequest) -> tuple[Mapping[str, Any], bool]:
    """The answer to a request under a key, and whether it, or its session, was there before."""
    asked = digest(body.model_dump(mode="json"))
    known = at.keys.find(key, asked)
    if known and known.answer:
        return known.answer, True
    answer = _taken_up(at, known) if known else None
    if answer is None:
        plan = _plan(at, body)
        at.keys.begin(key, asked, plan.session_id, _launch(at, plan.session_id) if plan.renews else "")
        try:
            answer, known = _started(at, plan), None
        except BaseException:
            at.keys.forget(key)
            raise
    at.keys.finish(key, asked, answer)
    return answer, known is not None


def _taken_up(at: Here, known: Entry) -> dict[str, Any] | None:
    """The session of a request that was cut off, its team brought up; None where nothing was made of it.

    Raises UnknownStateError where nobody can tell whether the team is up.
    """
    session_id = known.session_id
    if not at.mas.storage.has(session_id) or (known.before and _launch(at, session_id) == known.before):
        return None
    document = at.mas.storage.read(session_id).document
    if wanted_up(document):
        observed = at.mas.observe(document)
        if observed == "unknown":
            msg = f"tmux does not tell whether the team of session {session_id} is up"
            raise UnknownStateError(msg, hint="ask again under the same key")
        if observed == "down":
            at.mas.resume(session_id)
    return _answer(at, session_id)


def _launch(at: Here, session_id: str) -> str:
    """Which launch of its team the record of a session names."""
    return str(runtime_of(at.mas.storage.read(session_id).document).get("nonce", ""))


def _plan(at: Here, body: RunRequest) -> StartPlan:
    options = StartOptions(
        mode=body.session_mode,
        session_id=body.session_id,
        template=body.template,
        config=body.team_config(),
        agent=body.profile,
        label=body.label,
        request=body.request,
    )
    with as_input():
        return at.mas.plan(options)


def _started(at: Here, plan: StartPlan) -> dict[str, Any]:
    started = at.mas.start(plan)
    return _answer(at, started.session.session_id, reason=started.reason)


def _answer(at: Here, session_id: str, **more: object) -> dict[str, Any]:
    row = at.mas.row(session_id) or {"sessionId": session_id}
    view = views.of_row(row, views.Live(row.get("tmuxSession", ""), session_id, attached=False))
    paths = at.mas.root.session(session_id)
    return {
        **view.to_json(),
        "status": "started",
        "sessionDir": str(paths.directory),
        "unitDir": f"{view.working_dir}/unit",
        "workflowsDir": f"{view.working_dir}/workflows",
        "configPath": str(paths.config),
        "timestamp": utc_now(),
        **more,
    }
