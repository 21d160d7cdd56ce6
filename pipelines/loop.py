"""One event-loop thread, and the only bridges to it: for sync callers and for other loops."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """Runs coroutines on an event loop of its own, in a thread of its own.

    So it works from plain code, from notebooks and from pages whose own loop is busy.
    """

    def __init__(self, name: str) -> None:
        self._loop = _new_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin `work` on the loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Do `work` on the loop and return its result; Ctrl-C cancels it."""
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("A *_sync method was called on the Board's own loop; await instead.")
        future = self.submit(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    async def wait_async(self, work: Coroutine[Any, Any, T]) -> T:
        """Do `work` on the loop while the caller's loop goes on."""
        return await asyncio.wrap_future(self.submit(work))

    def iterate(self, items: AsyncIterator[T]) -> Iterator[T]:
        """Yield what the loop's iterator yields."""
        try:
            while True:
                try:
                    yield self.wait(_next(items))
                except StopAsyncIteration:
                    return
        finally:
            self.wait(_close(items))

    async def iterate_async(self, items: AsyncIterator[T]) -> AsyncIterator[T]:
        """Yield what the loop's iterator yields, to the caller's loop."""
        try:
            while True:
                try:
                    yield await self.wait_async(_next(items))
                except StopAsyncIteration:
                    return
        finally:
            await self.wait_async(_close(items))

    def stop(self) -> None:
        """End the loop; what still runs on it is cancelled."""
        self.wait(_cancel_all())
        # On its own thread: the caller's may be one in which another loop runs, as in a notebook.
        self.wait(self._loop.shutdown_asyncgens())
        self.wait(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _new_loop() -> asyncio.AbstractEventLoop:
    """Return a loop of uvloop, which takes a third less CPU; it does not run on Windows."""
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop

    return uvloop.new_event_loop()


async def _next(items: AsyncIterator[T]) -> T:
    return await items.__anext__()


async def _close(items: AsyncIterator[Any]) -> None:
    while getattr(items, "ag_running", False):  # a step that was cancelled still unwinds
        await asyncio.sleep(0.001)
    close = getattr(items, "aclose", None)
    if close is not None:
        await close()


async def _cancel_all() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
