"""`/v1/users`: what is kept of a user, to hand it over or to forget it; for admins."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from .access import Admin

router = APIRouter(prefix="/v1/users", tags=["users"])


@router.get("/{user:path}")
async def export(user: str, caller: Admin) -> Any:
    """Hand over all that is kept of a user, by table."""
    return await caller.board.users.export(user)


@router.delete("/{user:path}")
async def forget(user: str, caller: Admin) -> dict[str, Any]:
    """Forget a user for good: runs, feedback, sessions, memory and keys, and see that all is gone.

    What calls cost and agents that they registered stay, without the user's name.
    """

    def work() -> dict[str, Any]:
        with caller.board.changes.noted("forget user", user, key=caller.key):
            return asdict(caller.board.users.forget_sync(user))

    return await asyncio.to_thread(work)
