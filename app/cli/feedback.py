"""`callboard feedback`: whether the right agents were called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .terminal import AsJson, User, emit, names, open_board, show, tell

if TYPE_CHECKING:
    from ...values import Feedback

commands = typer.Typer(
    help="Say whether the right agents were called, and take it back.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@commands.command(context_settings={"ignore_unknown_options": True})  # -1 is no option
def give(
    ctx: typer.Context,
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="The id of the run.")],
    score: Annotated[
        float,
        typer.Argument(
            metavar="SCORE", help="1: they should answer such a query; -1: they should not."
        ),
    ],
    agents: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Of whom it is said; else of all that the run called."),
    ] = None,
    comment: Annotated[str, typer.Option(metavar="TEXT", help="Why, in your words.")] = "",
    user: User = "local",
    as_json: AsJson = False,
) -> None:
    """Say whether the agents of a run were the right ones.

    What you said of the same agents and run before counts no more.
    """
    meant = None if agents is None else names(agents)
    with open_board(ctx) as board:
        given = board.feedback_sync(run_id, score, agents=meant, comment=comment, user=user)
    _show(given, as_json, f"Noted: {given.score:+g} for {', '.join(given.agents)}.")


@commands.command()
def undo(
    ctx: typer.Context,
    feedback_id: Annotated[str, typer.Argument(metavar="ID", help="The id of the feedback.")],
    user: User = "local",
    as_json: AsJson = False,
) -> None:
    """Let a feedback count no more; it stays on record."""
    with open_board(ctx) as board:
        undone = board.undo_feedback_sync(feedback_id, user=user)
    _show(undone, as_json, f"Undone: {undone.score:+g} for {', '.join(undone.agents)}.")


@commands.command("list")
def list_(
    ctx: typer.Context,
    run_id: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="That on one run alone.")
    ] = None,
    undone: Annotated[
        bool, typer.Option("--undone", help="Also that which counts no more.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 20,
    user: User = "local",
    as_json: AsJson = False,
) -> None:
    """List the newest feedback."""
    with open_board(ctx) as board:
        given = board.list_feedback_sync(run_id, undone=undone, limit=limit, user=user)
    if as_json:
        from ..views import feedback_json

        emit({"feedback": [feedback_json(one) for one in given]})
    elif not given:
        tell("There is none.")
    else:
        from .tables import draw_feedback

        show(draw_feedback(given))


def _show(feedback: Feedback, as_json: bool, said: str) -> None:
    if as_json:
        from ..views import feedback_json

        emit(feedback_json(feedback))
    else:
        tell(f"{said}  feedback {feedback.id}")
