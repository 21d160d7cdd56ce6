"""`demo`, `ask` and `route`: a query goes in, an answer or a decision comes out."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .terminal import (
    AsJson,
    User,
    dollars,
    emit,
    err,
    names,
    open_board,
    out,
    read_query,
    show,
    tell,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...board import Board
    from ...values import EventBody, Run

DEMO = "What is 15% of 240, and which weekday is 90 days after 2026-01-15?"
"""Needs two of the bundled agents."""

Query = Annotated[str, typer.Argument(help="The question; - reads it from standard input.")]
Session = Annotated[
    str | None, typer.Option(metavar="NAME", help="The conversation that the query belongs to.")
]
Pins = Annotated[str | None, typer.Option(metavar="A,B", help="Call these agents and no others.")]
Exclude = Annotated[str | None, typer.Option(metavar="A,B", help="Never call these agents.")]
Memory = Annotated[
    Literal["auto", "low", "mid", "high"], typer.Option(help="What recall may cost.")
]
MemoryMoney = Annotated[
    Decimal | None,
    typer.Option(
        parser=dollars, metavar="USD", help="The most that the models of recall may cost."
    ),
]
Budget = Annotated[
    Decimal | None,
    typer.Option(parser=dollars, metavar="USD", help="The most that the whole turn may cost."),
]


def demo(
    ctx: typer.Context,
    query: Annotated[str, typer.Argument(help="A question for the bundled agents.")] = DEMO,
    as_json: AsJson = False,
) -> None:
    """Run the main job on the bundled agents.

    Shows the answer, the decision, every step and what it took.
    """
    with open_board(ctx, bundled_agents=True) as board:
        _fetch_weights(board)
        with err().status("Asking the board; the first time it takes a moment more"):
            run = _turn(board, read_query(query), live=False)
    if as_json:
        _print_json(run)
    else:
        from .drawing import draw_run

        show(draw_run(run))
    _end(run)


def ask(
    ctx: typer.Context,
    query: Query,
    user: User = "local",
    session: Session = None,
    agents: Pins = None,
    exclude: Exclude = None,
    memory: Memory = "auto",
    memory_budget_usd: MemoryMoney = None,
    budget_usd: Budget = None,
    as_json: AsJson = False,
) -> None:
    """Answer a query.

    The answer goes to stdout; who gave it and what it cost to stderr.
    """
    question = read_query(query)
    live = not as_json and sys.stdout.isatty() and sys.stderr.isatty()
    with open_board(ctx) as board:
        run = _turn(
            board,
            question,
            live=live,
            user=user,
            session=session,
            agents=names(agents) or None,
            exclude=names(exclude),
            memory=memory,
            memory_budget_usd=memory_budget_usd,
            budget_usd=budget_usd,
        )
    if as_json:
        _print_json(run)
    else:
        from ..views import plain
        from .drawing import decision_line

        if not live and run.answer is not None:
            typer.echo(plain(run.answer))
        tell(decision_line(run))
    _end(run)


def route(
    ctx: typer.Context,
    query: Query,
    user: User = "local",
    session: Session = None,
    agents: Pins = None,
    exclude: Exclude = None,
    as_json: AsJson = False,
) -> None:
    """Decide who would be called, and call nobody."""
    question = read_query(query)
    with open_board(ctx) as board:
        decision = board.route_sync(
            question,
            user=user,
            session=session,
            agents=names(agents) or None,
            exclude=names(exclude),
        )
    if as_json:
        from ..views import decision_json

        emit(decision_json(decision))
    else:
        from .drawing import draw_decision

        show(draw_decision(decision))


def _turn(board: Board, query: str, *, live: bool, user: str = "local", **asking: Any) -> Run:
    from .streaming import LiveTurn, follow

    run_id = board.start_sync(query, user=user, **asking)
    watcher: AbstractContextManager[Callable[[EventBody], None]] = (
        LiveTurn(out(), err()) if live else nullcontext(lambda body: None)
    )
    with watcher as watch:
        return follow(board, run_id, user, watch)


def _fetch_weights(board: Board) -> None:
    """Fetch the embedded model's weights; without them only its own agents fall silent."""
    from ...errors import CallboardError
    from .models import missing_weights, pull_weights

    try:
        for name in missing_weights(board.settings):
            pull_weights(board.settings, name)
    except CallboardError as error:
        tell(f"The embedded model is not available: {error}")


def _print_json(run: Run) -> None:
    from ..views import run_json

    emit(run_json(run))


def _end(run: Run) -> None:
    if run.status != "done":
        reason = run.error or f"the run {run.id} is {run.status}"
        typer.secho(f"Error: {' '.join(reason.split())}", fg=typer.colors.RED, err=True)
        raise typer.Exit(1)
