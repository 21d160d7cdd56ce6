"""`/v1/memory`: what is remembered for the user, and with `shared` for all of the tenant."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from ...pipelines.board_memory import Whose
from ...values import EVERYONE
from ..views import remembered_json
from .access import Asker
from .bodies import Before, Below, Body, Limit, aware
from .problems import Problem

router = APIRouter(prefix="/v1/memory", tags=["memory"])

MAX_DOCUMENT_BYTES = 20_000_000


def _meant(
    caller: Asker,
    user: Below = None,
    session: Annotated[str | None, Query(description="Of this conversation alone.")] = None,
    agent: Annotated[str | None, Query(description="For this agent alone.")] = None,
    shared: Annotated[
        bool, Query(description="What all users share; needs the role 'agents'.")
    ] = False,
) -> Whose:
    if not shared:
        return {"user": caller.user(user), "session": session, "agent": agent}
    if not caller.may("agents"):
        raise Problem(403, "The key does not have the role 'agents', which shared memory needs.")
    return {"user": EVERYONE, "session": session, "agent": agent}


Meant = Annotated[Whose, Depends(_meant)]


class NoteBody(Body):
    """A text to remember, and from when until when it holds."""

    text: str
    valid_from: datetime | None = None
    expires_at: datetime | None = None


class TextBody(Body):
    """A text in the place of another."""

    text: str


@router.post("", status_code=201)
async def add(body: NoteBody, caller: Asker, meant: Meant) -> dict[str, Any]:
    """Remember a text, as the user's words."""
    ids = await caller.board.memory.add(
        body.text,
        valid_from=aware(body.valid_from),
        expires_at=aware(body.expires_at),
        **meant,
    )
    return {"ids": list(ids)}


@router.post("/documents", status_code=201, max_body_size=MAX_DOCUMENT_BYTES)
async def add_document(
    request: Request,
    caller: Asker,
    meant: Meant,
    name: Annotated[str, Query(min_length=1, max_length=300, description="With its ending.")],
) -> dict[str, Any]:
    """Remember a file of Markdown, text, HTML or PDF: the body is the file."""
    ids = await caller.board.memory.add_document((name, await request.body()), **meant)
    return {"ids": list(ids)}


@router.get("")
async def list_(
    caller: Asker,
    meant: Meant,
    limit: Limit = 50,
    before: Before = None,
    text: str | None = None,
) -> dict[str, Any]:
    """List what holds now, the newest first; with `text` only what holds it."""
    found = await caller.board.memory.list(limit=limit, before=before, text=text, **meant)
    return {"memory": [remembered_json(one) for one in found]}


@router.get("/search")
async def search(
    caller: Asker, meant: Meant, query: str, limit: Annotated[int, Query(ge=1, le=96)] = 10
) -> dict[str, Any]:
    """Find what has most to do with a query, as it would be recalled for it."""
    found = await caller.board.memory.search(query, limit=limit, **meant)
    return {"memory": [remembered_json(one) for one in found]}


@router.get("/{id_}")
async def get(id_: str, caller: Asker, meant: Meant) -> dict[str, Any]:
    """Show one piece, also one that was replaced."""
    return remembered_json(await caller.board.memory.get(id_, **meant))


@router.get("/{id_}/history")
async def history(id_: str, caller: Asker, meant: Meant) -> dict[str, Any]:
    """List all versions of a piece, the oldest first."""
    found = await caller.board.memory.history(id_, **meant)
    return {"memory": [remembered_json(one) for one in found]}


@router.put("/{id_}")
async def update(id_: str, body: TextBody, caller: Asker, meant: Meant) -> dict[str, Any]:
    """Put another text in the place of a piece; its history keeps the old one."""
    return {"id": await caller.board.memory.update(id_, body.text, **meant)}


@router.delete("/{id_}")
async def delete(id_: str, caller: Asker, meant: Meant) -> dict[str, Any]:
    """Forget a piece with its earlier versions and vectors."""
    return {"deleted": await caller.board.memory.delete([id_], **meant)}


@router.delete("")
async def delete_all(caller: Asker, meant: Meant) -> dict[str, Any]:
    """Forget everything of the user, or of one session or agent."""
    return {"deleted": await caller.board.memory.delete_all(**meant)}
