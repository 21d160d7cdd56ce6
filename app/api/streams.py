"""Streams of server-sent events: kept alive while nothing happens, ended when nobody reads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress

from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from starlette.types import Receive, Scope, Send

from ...values import JSON

PING_S = 15.0


class EventStream(EventSourceResponse):
    """A response of events; the iterator is cancelled as soon as the client is gone."""

    def __init__(self, events: AsyncIterator[bytes], headers: dict[str, str]) -> None:
        # Proxies that gather what they pass on would hold the events back.
        told = {"cache-control": "no-cache", "x-accel-buffering": "no", **headers}
        super().__init__(_kept_alive(events), headers=told)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        sending = asyncio.ensure_future(self.stream_response(send))
        gone = asyncio.ensure_future(self.listen_for_disconnect(receive))
        try:
            await asyncio.wait({sending, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            if not sending.done():
                sending.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await sending


def event(data: JSON, *, name: str | None = None, id_: int | None = None) -> bytes:
    """Return one event on the wire."""
    number = None if id_ is None else str(id_)
    return format_sse_event(data_str=json.dumps(data, ensure_ascii=False), event=name, id=number)


async def _kept_alive(events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async with aclosing(events) as items:  # type: ignore[type-var]
        coming = asyncio.ensure_future(anext(items))
        try:
            while True:
                done, _ = await asyncio.wait({coming}, timeout=PING_S)
                if not done:
                    yield KEEPALIVE_COMMENT
                    continue
                try:
                    item = coming.result()
                except StopAsyncIteration:
                    return
                coming = asyncio.ensure_future(anext(items))
                yield item
        finally:
            if not coming.done():
                coming.cancel()
                with suppress(asyncio.CancelledError, StopAsyncIteration):
                    await coming
