"""`/health` and `/ready`: whether the process lives, and whether it can work."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request

from ... import __version__
from ...errors import CallboardError
from .problems import Problem

router = APIRouter(tags=["health"])


@router.get("/health")
async def health() -> dict[str, Any]:
    """Tell that the process lives."""
    return {"status": "ok", "version": __version__}


@router.get("/ready")
async def ready(request: Request) -> dict[str, Any]:
    """Tell whether requests can be answered: the database does, and no end is near."""
    if request.app.state.closing:
        raise Problem(503, "The worker is about to stop.", retry=True)
    try:
        await asyncio.to_thread(request.app.state.board.agents)
    except CallboardError as error:
        raise Problem(503, "The database does not answer.", retry=True) from error
    return {"status": "ready"}
