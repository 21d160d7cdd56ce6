"""`callboard batch`: millions of queries from a file, on this machine or on a Ray cluster."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from decimal import Decimal
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ...values import JSON
from .ask import Exclude, Pins
from .places import Address, On, Workers, place_of
from .terminal import AsJson, User, dollars, emit, err, names, open_board, tell

if TYPE_CHECKING:
    from ...config import Settings
    from ...pipelines.batch.batch import Batch, Standing
    from ...pipelines.fanning import Place, Work

ROUTED = 64
"""Rows that are given out together where they are routed only; one takes milliseconds."""

TOLD_EVERY_S = 10.0
"""How often progress is told where stderr is no terminal."""


def batch(
    ctx: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help='JSON lines: {"query": ...}, and id, user, session, agents, exclude, memory or '
            "budget_usd where they differ.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(metavar="FILE", help="Where the answers go, a line each. Run again: goes on."),
    ],
    on: On = "local",
    address: Address = None,
    workers: Workers = None,
    at_once: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Queries under way at a time, in each process; with --route more than one help "
            "only where a model is asked.  [default: 16, or 1 with --route]",
        ),
    ] = None,
    route: Annotated[
        bool, typer.Option("--route", help="Decide who would be called, and call nobody.")
    ] = False,
    user: User = "local",
    agents: Pins = None,
    exclude: Exclude = None,
    memory: Annotated[
        Literal["auto", "low", "mid", "high"] | None,
        typer.Option(help="What recall may cost.  [default: as in the settings]"),
    ] = None,
    budget_usd: Annotated[
        Decimal | None,
        typer.Option(parser=dollars, metavar="USD", help="The most that one query may cost."),
    ] = None,
    total_usd: Annotated[
        Decimal | None,
        typer.Option(
            parser=dollars, metavar="USD", help="Ask no more when all together have cost this."
        ),
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Ask again what ended with an error.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Answer the queries of a file, a line for each.

    Run it again to go on where it was cut off: only what is missing is asked. Queries of one
    session are asked one after the other. Ends with status 1 if some failed or are left.
    """
    from ...pipelines.batch.batch import Batch, run_batch

    at_once = at_once or (1 if route else 16)
    # In two threads: while the last queries of an item go on, the next has begun.
    place = place_of(on, address, workers, threads=2)
    usual: dict[str, JSON] = {
        "user": user,
        "agents": names(agents) or None,
        "exclude": names(exclude),
        "memory": memory,
        "budget_usd": budget_usd,
    }
    # Ray tells of its nodes on stdout, where the result stands alone.
    with redirect_stdout(sys.stderr), _prepared(ctx, place, route, at_once) as (settings, work):
        order = Batch(
            file=file,
            out=out,
            work=work,
            place=place,
            route=route,
            size=ROUTED if route else max(1, at_once // 2),
            usual=usual,
            retry_failed=retry_failed,
            total_usd=total_usd,
            allow_unpriced=settings.limits.allow_unpriced,
        )
        with _ctrl_c() as stop, _progress() as show:
            standing = run_batch(order, show, stop)
    if as_json:
        emit({**_json(standing), "out": str(out)})
    else:
        typer.echo(f"{_line(standing)}: {out}")
    if standing.left:
        tell(_why(standing, order, stop))
    if standing.left or standing.failed:
        raise typer.Exit(1)


@contextmanager
def _prepared(
    ctx: typer.Context, place: Place, route: bool, at_once: int
) -> Iterator[tuple[Settings, Work]]:
    """Open the database once, so that its tables are there, and say what the workers do."""
    from ...pipelines.fanning import Work
    from ..batch import DATABASE_URL, board_worker, for_cluster, for_here, holds_password

    with open_board(ctx) as board:
        settings, agents = board.settings, board.agents()
    if place.on == "local":
        given = for_here(settings, route=route, at_once=at_once)
        yield settings, Work(make=board_worker, settings=given)
        return
    from ...pipelines.fanning.cluster import connected, machines

    if holds_password(settings):
        os.environ.setdefault(DATABASE_URL, settings.database_url)  # a cluster of ours inherits it
    with connected(place):
        given = for_cluster(settings, agents, machines=machines(), route=route, at_once=at_once)
        if "agents" in given:
            tell("The workers get the agents from here: they see neither sessions nor feedback.")
        yield settings, Work(make=board_worker, settings=given)


@contextmanager
def _ctrl_c() -> Iterator[Event]:
    """Yield what the first Ctrl-C sets; a second one ends at once."""
    stop = Event()
    usual = signal.getsignal(signal.SIGINT)

    def handle(*_: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        tell("Stopping when what is under way has ended; Ctrl-C again gives that up.")

    signal.signal(signal.SIGINT, handle)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, usual)


@contextmanager
def _progress() -> Iterator[Callable[[Standing], None]]:
    """Yield what shows how far the batch is: a line that changes, or one now and then."""
    console = err()
    if console.is_terminal:
        with console.status("Beginning") as status:
            yield lambda standing: status.update(_line(standing))
        return
    last = time.monotonic()

    def show(standing: Standing) -> None:
        nonlocal last
        if time.monotonic() - last >= TOLD_EVERY_S:
            last = time.monotonic()
            tell(_line(standing))

    yield show


def _line(standing: Standing) -> str:
    from ..views import sum_text

    cost = sum_text(standing.spent_usd, known=not standing.unpriced)
    return (
        f"{standing.done:,} of {standing.total:,} done, {standing.failed:,} failed, {cost}, "
        f"{standing.rows_per_s:.1f} a second"
    )


def _json(standing: Standing) -> dict[str, JSON]:
    from ..views import number

    return {
        "total": standing.total,
        "done": standing.done,
        "failed": standing.failed,
        "left": standing.left,
        "asked": standing.asked,
        "cost_usd": number(standing.cost_usd),
        "known_cost_usd": number(standing.spent_usd),
        "seconds": round(standing.seconds, 3),
        "rows_per_s": round(standing.rows_per_s, 2),
    }


def _why(standing: Standing, order: Batch, stop: Event) -> str:
    left = f"{standing.left:,} are left."
    if stop.is_set():
        return f"{left} Run the same again to go on."
    if standing.unpriced and not order.allow_unpriced:
        return (
            f"{left} What {standing.unpriced:,} rows cost is not known, so that --total-usd "
            "can't be kept. Set prices in callboard.toml, or [limits] allow_unpriced."
        )
    return f"{left} --total-usd is spent, or does not cover one more. Allow more to go on."
