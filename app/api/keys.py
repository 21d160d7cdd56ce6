"""`/v1/keys` and `/v1/changes`: who may use the API, and who changed what; for admins."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter
from pydantic import Field

from ...records import NewKey, Role
from ..views import change_json, key_json
from .access import Admin
from .bodies import Before, Body, Limit, aware

router = APIRouter(prefix="/v1", tags=["keys"])


class KeyBody(Body):
    """Whose key is made, and what it allows."""

    user: str
    name: str = ""
    roles: tuple[Role, ...] = ("ask",)
    agents: list[str] | None = None
    expires_at: datetime | None = None
    per_minute: int | None = Field(default=None, ge=1, le=1_000_000)
    at_once: int | None = Field(default=None, ge=1, le=100_000)


class RotationBody(Body):
    """How long the old key stays good."""

    overlap_s: float = Field(default=0, ge=0, le=30 * 86_400, allow_inf_nan=False)


@router.get("/keys")
async def keys(caller: Admin) -> dict[str, Any]:
    """List the keys of the tenant, also those that are no longer good."""
    return {"keys": [key_json(key) for key in await caller.board.keys.list()]}


@router.post("/keys", status_code=201)
async def create_key(body: KeyBody, caller: Admin) -> dict[str, Any]:
    """Make a key of the tenant. Its secret is told this once."""

    def work() -> NewKey:
        with caller.board.changes.noted("create key", body.user, key=caller.key):
            return caller.board.keys.create_sync(
                body.user,
                body.name,
                roles=body.roles,
                agents=body.agents,
                expires_at=aware(body.expires_at),
                per_minute=body.per_minute,
                at_once=body.at_once,
            )

    return _new_json(await asyncio.to_thread(work))


@router.post("/keys/{key_id}/rotate", status_code=201)
async def rotate_key(key_id: str, body: RotationBody, caller: Admin) -> dict[str, Any]:
    """Make a key that allows the same, and end the old one."""

    def work() -> NewKey:
        with caller.board.changes.noted("rotate key", key_id, key=caller.key):
            overlap = timedelta(seconds=body.overlap_s)
            return caller.board.keys.rotate_sync(key_id, overlap=overlap)

    return _new_json(await asyncio.to_thread(work))


@router.delete("/keys/{key_id}")
async def revoke_key(key_id: str, caller: Admin) -> dict[str, Any]:
    """End a key; the next request with it is refused."""

    def work() -> dict[str, Any]:
        with caller.board.changes.noted("revoke key", key_id, key=caller.key):
            return key_json(caller.board.keys.revoke_sync(key_id))

    return await asyncio.to_thread(work)


@router.get("/changes")
async def changes(caller: Admin, limit: Limit = 50, before: Before = None) -> dict[str, Any]:
    """Tell who asked for what change, and what became of it, the newest first."""
    found = await caller.board.changes.list(limit=limit, before=before)
    return {"changes": [change_json(one) for one in found]}


def _new_json(made: NewKey) -> dict[str, Any]:
    return {**key_json(made.key), "secret": made.secret}
