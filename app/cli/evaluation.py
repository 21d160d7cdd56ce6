"""`callboard eval`: how well the board does on the user's own questions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .terminal import AsJson, emit, err, open_board, show


def evaluate(
    ctx: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="YAML: questions with the agents and the text that are expected.",
        ),
    ],
    route_only: Annotated[
        bool, typer.Option("--route-only", help="Check the decisions and call no agent.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure the board on your own questions.

    Reports accuracy, set size, cost and speed, and lists every question that failed.
    """
    from rich.progress import Progress

    from ...pipelines.evaluation import evaluate as ask_all
    from ...pipelines.evaluation import read_questions

    questions = read_questions(file)
    with open_board(ctx) as board, Progress(console=err(), transient=True) as bar:
        task = bar.add_task("Asking", total=len(questions))
        report = ask_all(
            board,
            questions,
            answers=not route_only,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if as_json:
        emit(report.to_json())
    else:
        from .tables import draw_report

        show(draw_report(report.to_json()))
