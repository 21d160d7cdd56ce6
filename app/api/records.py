"""`/v1/feedback`, `/v1/sessions`, `/v1/spend`: what was said of agents, and what was spent."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from fastapi import APIRouter, Response

from ..export import spend_json
from ..views import feedback_json, number
from .access import Asker
from .bodies import Below, Body, Everyone, Limit, aware, whose

router = APIRouter(prefix="/v1", tags=["records"])


@router.get("/feedback")
async def feedback(
    caller: Asker,
    user: Below = None,
    run_id: str | None = None,
    undone: bool = False,
    limit: Limit = 50,
) -> dict[str, Any]:
    """List what the user said of agents, the newest first."""
    found = await caller.board.list_feedback(
        run_id, undone=undone, limit=limit, user=caller.user(user)
    )
    return {"feedback": [feedback_json(one) for one in found]}


@router.delete("/feedback/{feedback_id}")
async def undo_feedback(feedback_id: str, caller: Asker, user: Below = None) -> dict[str, Any]:
    """Let a feedback count no more; it stays on record."""
    return feedback_json(await caller.board.undo_feedback(feedback_id, user=caller.user(user)))


@router.get("/sessions")
async def sessions(
    caller: Asker, user: Below = None, text: str = "", limit: Limit = 50
) -> dict[str, Any]:
    """List the user's conversations, the one asked in last first."""
    found = await caller.board.sessions.list(text=text, limit=limit, user=caller.user(user))
    return {
        "sessions": [
            {
                "id": one.id,
                "title": one.title,
                "runs": one.runs,
                "created_at": one.created_at.isoformat(),
                "asked_at": one.asked_at.isoformat(),
            }
            for one in found
        ]
    }


class TitleBody(Body):
    """What a session is called."""

    title: str
    user: str | None = None


@router.patch("/sessions/{session}", status_code=204)
async def rename_session(session: str, body: TitleBody, caller: Asker) -> Response:
    """Call a session something; an empty title lets its first query name it."""
    await caller.board.sessions.rename(session, body.title, user=caller.user(body.user))
    return Response(status_code=204)


@router.delete("/sessions/{session}")
async def delete_session(session: str, caller: Asker, user: Below = None) -> dict[str, Any]:
    """Delete a session with its runs and what is remembered of it."""
    return {"runs": await caller.board.sessions.delete(session, user=caller.user(user))}


@router.get("/spend")
async def spend(
    caller: Asker,
    user: Below = None,
    all_users: Everyone = False,
    since: datetime | None = None,
    until: datetime | None = None,
) -> dict[str, Any]:
    """Tell what was spent by day (UTC), user, step, agent and model; null is unknown."""
    rows = await caller.board.records.spend(
        user=whose(caller, user, all_users), since=aware(since), until=aware(until)
    )
    unknown = sum(row.unknown for row in rows)
    known = sum((row.known_usd for row in rows), start=Decimal(0))
    return {
        "rows": [spend_json(row) for row in rows],
        "known_usd": number(known),
        "cost_usd": None if unknown else number(known),
        "unknown_calls": unknown,
    }
