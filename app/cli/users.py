"""`callboard users`: hand over what is kept of a user, and forget it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from .terminal import AsJson, emit, open_board, tell

commands = typer.Typer(
    help="Hand over what is kept of a user, and forget it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(metavar="USER", help="The user's name.")]
Tenant = Annotated[
    str | None, typer.Option(metavar="NAME", help="Whose user; by default the board's own.")
]


@commands.command()
def export(ctx: typer.Context, user: Name, tenant: Tenant = None) -> None:
    """Print all that is kept of a user as one JSON object: rows by table, without embeddings."""
    with open_board(ctx) as board:
        told = board.users.export_sync(user, tenant=tenant)
    emit(told)


@commands.command()
def forget(
    ctx: typer.Context,
    user: Name,
    tenant: Tenant = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete all that is kept of a user, for good, and look whether anything is left.

    Their runs are stopped first. Agents that they registered and what was paid stay, without the
    name. Backups that were made before still hold it.
    """
    if not yes:
        typer.confirm(f"Forget everything of {user}?", abort=True, err=True)
    with open_board(ctx) as board:
        gone = board.users.forget_sync(user, tenant=tenant)
    if as_json:
        emit(asdict(gone))
    elif not gone.deleted and not gone.anonymised:
        tell(f"Nothing was kept of {user}.")
    else:
        for said, rows in (("Deleted", gone.deleted), ("Without the name", gone.anonymised)):
            if rows:
                counts = (f"{table} {count:,}" for table, count in sorted(rows.items()))
                tell(f"{said}: {', '.join(counts)}.")
        tell(f"Nothing of {user} is left.")
