"""Fans work out to threads of this process, which share one worker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing

from ...values import JSON
from .work import Flow, Work


def fan_out_here(
    work: Work, items: Iterable[JSON | None], threads: int
) -> Iterator[tuple[int, JSON]]:
    """Do the work in `threads` threads; see `fan_out`."""
    flow = Flow(items, threads)
    under_way: dict[Future[JSON], int] = {}
    pool = ThreadPoolExecutor(threads, thread_name_prefix="callboard-fan-out")
    # The worker is closed first, so that nobody waits for what is given up.
    with pool, closing(work.make(work.settings)) as worker:
        while True:
            for number, item in flow.ready():
                under_way[pool.submit(worker, item)] = number
            if not under_way:
                return
            ended, _ = wait(under_way, return_when=FIRST_COMPLETED)
            for future in ended:
                number = under_way.pop(future)
                flow.done(number)
                yield number, future.result()
