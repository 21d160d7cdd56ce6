"""`callboard config`: the settings, looked at before something is started on them."""

from __future__ import annotations

import typer

from .setup import report
from .terminal import AsJson

commands = typer.Typer(help="Look at the settings.", no_args_is_help=True, rich_markup_mode=None)


@commands.callback()
def options() -> None:
    """Look at the settings."""


@commands.command()
def check(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Tell everything that is wrong with the settings, or dangerous in them.

    No model is called and nothing is changed; `callboard doctor` looks at the installation too.
    """
    from ..settings_check import check_settings

    report(check_settings(ctx.obj), as_json)
