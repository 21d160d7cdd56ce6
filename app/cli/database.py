"""`callboard db`: the tables of the database."""

from __future__ import annotations

import typer

from .terminal import AsJson, emit, tell

commands = typer.Typer(help="Look after the database.", no_args_is_help=True, rich_markup_mode=None)


@commands.callback()
def options() -> None:
    """Look after the database."""


@commands.command()
def upgrade(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Bring the tables up to date. Nothing that is stored is lost."""
    from ...config import load_settings
    from ...store.engine import Store

    store = Store.open(load_settings(ctx.obj).database_url)
    try:
        before, after = store.upgrade()
    finally:
        store.close()
    if as_json:
        emit({"before": before, "after": after})
    elif before == after:
        tell(f"The database is up to date (revision {after}).")
    else:
        tell(f"Upgraded from {before or 'an empty database'} to revision {after}.")
