"""`callboard runs`: what was asked, and how each answer came about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .terminal import AsJson, User, emit, open_board, show, tell

if TYPE_CHECKING:
    from ...values import Run

commands = typer.Typer(
    help="Look at past runs, and take up those that were cut off.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@commands.command("list")
def list_(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 20,
    user: User = "local",
    as_json: AsJson = False,
) -> None:
    """List the newest runs."""
    with open_board(ctx) as board:
        runs = board.list_sync(limit=limit, user=user)
    _show_all(runs, as_json)


@commands.command("show")
def show_(
    ctx: typer.Context,
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="The id of the run.")],
    user: User = "local",
    as_json: AsJson = False,
) -> None:
    """Show one run: the decision, every step and every cost."""
    with open_board(ctx) as board:
        run = board.get_sync(run_id, user=user)
    if as_json:
        from ..views import run_json

        emit(run_json(run))
    else:
        from .drawing import draw_run

        show(draw_run(run))


@commands.command()
def metrics(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="Of how many runs, the newest first.")] = 1000,
    user: User = "local",
    as_json: AsJson = False,
) -> None:
    """Tell what the last runs say about the routing: set sizes, reasoning, steadiness."""
    with open_board(ctx) as board:
        found = board.routing_metrics_sync(user=user, limit=limit)
    if as_json:
        from ..views import metrics_json

        emit(metrics_json(found))
    elif not found.runs:
        tell("There are no runs yet. 'callboard ask' makes one.")
    else:
        from .tables import draw_metrics

        show(draw_metrics(found))


@commands.command()
def resume(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Finish the runs that a killed process left behind."""
    with open_board(ctx) as board:
        runs = board.resume_sync()
    _show_all(runs, as_json)


def _show_all(runs: tuple[Run, ...], as_json: bool) -> None:
    if as_json:
        from ..views import run_json

        emit({"runs": [run_json(run) for run in runs]})
    elif not runs:
        tell("There are none.")
    else:
        from .drawing import draw_runs

        show(draw_runs(runs))
