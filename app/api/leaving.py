"""Clients that go away before their answer is there: what they asked for is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from fastapi import Request

from ...board import Board
from ...errors import CallboardError
from .problems import Problem

T = TypeVar("T")


class Leaving:
    """Stops the runs of clients that went away, beside everything else."""

    def __init__(self) -> None:
        self._stopping: set[asyncio.Task[None]] = set()

    def stop(self, board: Board, run_id: str, user: str) -> None:
        """Stop a run soon; the caller may be cancelled itself."""
        task = asyncio.create_task(_cancel(board, run_id, user))
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    async def close(self) -> None:
        """Wait until all are stopped."""
        await asyncio.gather(*self._stopping)


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Do `work`; cancel it if the client goes away meanwhile.

    Raises:
        Problem: the client has gone; nobody reads it.
    """
    working = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise Problem(499, "The client has gone.")
    finally:
        for task in (working, gone):
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _cancel(board: Board, run_id: str, user: str) -> None:
    with suppress(CallboardError):
        await board.cancel(run_id, user=user)
