"""What commands on the things of a tenant share: whose they are, and that changes are noted."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from .terminal import open_board

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...board import Board

LOCAL = "local"
Tenant = Annotated[str, typer.Option(metavar="NAME", help="The tenant; all see only their own.")]


@contextmanager
def changing(ctx: typer.Context, tenant: str, action: str, object_: str) -> Iterator[Board]:
    """Open the tenant's Board for a change that the audit log tells of."""
    with open_board(ctx) as whole:
        board = whole.scoped(tenant)
        with board.changes.noted(action, object_):
            yield board
