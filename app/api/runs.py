"""`/v1/runs`: turns that go on whoever listens, and the record of those that were."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from fastapi.responses import JSONResponse, Response

from ...board import Board
from ...codec import to_json
from ...records import RunFilter
from ...values import Method, RunStatus
from ..export import summary_json
from ..views import feedback_json, run_json
from .access import Asker
from .bodies import AskingBody, Below, Body, Everyone, Limit, Question, aware, whose
from .streams import EventStream, event

router = APIRouter(prefix="/v1/runs", tags=["runs"])


@router.post("", status_code=202)
async def start(body: Question, caller: Asker) -> Response:
    """Begin a turn. From now on it is stored, and will be finished, whoever listens."""
    run_id = await caller.board.start(body.query, **body.asking(caller))
    told = {"id": run_id, "events": f"/v1/runs/{run_id}/events"}
    headers = {"location": f"/v1/runs/{run_id}", "x-callboard-run": run_id}
    return JSONResponse(told, status_code=202, headers=headers)


@router.get("")
async def runs(
    caller: Asker,
    user: Below = None,
    all_users: Everyone = False,
    limit: Limit = 50,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    session: str | None = None,
    agent: str | None = None,
    model: str | None = None,
    method: Method | None = None,
    status: RunStatus | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    text: str = "",
) -> dict[str, Any]:
    """List runs, the newest first, without their steps."""
    chosen = RunFilter(
        since=aware(since),
        until=aware(until),
        session=session,
        agent=agent,
        model=model,
        method=method,
        status=status,
        text=text,
    )
    page = await caller.board.records.runs(
        chosen, limit=limit, offset=offset, user=whose(caller, user, all_users)
    )
    return {"runs": [summary_json(run) for run in page.runs], "total": page.total}


@router.get("/{run_id}")
async def run(
    run_id: str, caller: Asker, user: Below = None, all_users: Everyone = False
) -> dict[str, Any]:
    """Show a run as it is stored now: the decision, every step and every cost."""
    found = await caller.board.records.run(run_id, user=whose(caller, user, all_users))
    return run_json(found)


@router.get("/{run_id}/events", response_model=None)
async def events(
    run_id: str,
    caller: Asker,
    user: Below = None,
    after: Annotated[int, Query(ge=0, description="Events after this number.")] = 0,
    last_event_id: Annotated[int | None, Header(ge=0)] = None,
) -> Response:
    """Tell what happens in a run, as it happens, as server-sent events up to `Done`.

    The events are numbered: a client that lost the connection goes on after the last one.
    """
    own = caller.user(user)
    await caller.board.records.events(run_id, user=own)  # unknown runs are told before a stream
    return EventStream(_events(caller.board, run_id, own, last_event_id or after), {})


@router.post("/{run_id}/cancel")
async def cancel(run_id: str, caller: Asker, user: Below = None) -> dict[str, Any]:
    """Stop a run. What it had paid for stays in its record."""
    stopped = await caller.board.cancel(run_id, user=caller.user(user))
    return {"id": run_id, "cancelled": stopped}


@router.post("/{run_id}/replay", status_code=202)
async def replay(run_id: str, body: AskingBody, caller: Asker) -> dict[str, Any]:
    """Ask the query of a run again, to see what another choice gives; nothing is remembered."""
    return {"id": await caller.board.replay(run_id, **body.asking(caller))}


class FeedbackBody(Body):
    """Whether agents should answer queries like that of a run."""

    score: float
    agents: list[str] | None = None
    comment: str = ""
    user: str | None = None


@router.post("/{run_id}/feedback", status_code=201)
async def give_feedback(run_id: str, body: FeedbackBody, caller: Asker) -> dict[str, Any]:
    """Say whether agents should answer queries like that of a run: 1 yes, to -1 no."""
    given = await caller.board.feedback(
        run_id, body.score, agents=body.agents, comment=body.comment, user=caller.user(body.user)
    )
    return feedback_json(given)


async def _events(board: Board, run_id: str, user: str, after: int) -> AsyncIterator[bytes]:
    async for one in board.events(run_id, after=after, user=user):
        yield event(to_json(one.body), name=type(one.body).__name__, id_=one.seq)
