"""The command `callboard`: its commands, its global options, and how it ends."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ... import __version__
from ...errors import CallboardError
from . import (
    agents,
    ask,
    batch,
    bench,
    database,
    evaluation,
    experts,
    feedback,
    keys,
    mcp,
    memory,
    models,
    runs,
    serve,
    settings,
    setup,
    train,
    ui,
    users,
)


class Commands(TyperGroup):
    """Ends with one line and status 1 where the user, not the program, has to mend something."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except CallboardError as error:
            message = " ".join(str(error).split())
            typer.secho(f"Error: {message}", fg=typer.colors.RED, err=True)
            raise typer.Exit(1) from error


app = typer.Typer(
    name="callboard",
    cls=Commands,
    help="Call the right agents for every query, and inspect every decision, step and cent.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"callboard {__version__}")
        raise typer.Exit


@app.callback()
def options(
    ctx: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="The settings file; by default ./callboard.toml if there is one."
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Take the options that stand before the command."""
    ctx.obj = config


app.command()(ask.demo)
app.command()(ask.ask)
app.command()(ask.route)
app.command()(batch.batch)
app.command()(ui.ui)
app.command()(serve.serve)
app.command()(mcp.mcp)
app.add_typer(agents.commands, name="agents")
app.add_typer(runs.commands, name="runs")
app.add_typer(feedback.commands, name="feedback")
app.add_typer(memory.commands, name="memory")
app.add_typer(experts.commands, name="experts")
app.add_typer(models.commands, name="models")
app.add_typer(keys.commands, name="keys")
app.add_typer(database.commands, name="db")
app.add_typer(users.commands, name="users")
app.add_typer(settings.commands, name="config")
app.command("eval")(evaluation.evaluate)
app.add_typer(bench.commands, name="bench")
app.add_typer(train.commands, name="train")
app.command()(setup.init)
app.command()(setup.doctor)


def main() -> None:
    """Run the command line on this process's arguments."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that can't show a character gets a question mark, not a traceback.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        app(prog_name="callboard")
    except SystemExit as ending:
        _leave_abandoned_threads(ending)
        raise


def _leave_abandoned_threads(ending: SystemExit) -> None:
    """End the process if an agent that was given up, by timeout or Ctrl-C, is still at work.

    No thread can be stopped from outside, and Python would wait for it, daemon or not.
    """
    if threading.active_count() > 1:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
        os._exit(ending.code if isinstance(ending.code, int) else 0)
