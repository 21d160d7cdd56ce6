"""What all commands share: the Board behind them, the two streams, and the form of a query."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...errors import InvalidInput
from ...values import JSON

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from ...board import Board

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
User = Annotated[str, typer.Option(metavar="NAME", help="Whose runs, history and memory.")]


def open_board(ctx: typer.Context, **overrides: Any) -> Board:
    """Return a Board on the settings that the command line named.

    A command is gone in a moment, so that it takes up no runs of dead processes by the way.

    Raises:
        ConfigurationError: the settings are wrong.
        StoreError: the database can't be used.
    """
    from ...board import Board
    from ...config import load_settings
    from ..logs import log_to_stderr

    settings = load_settings(ctx.obj, **overrides)
    log_to_stderr(settings)
    return Board(settings, recover=False)


def out() -> Console:
    """Return the console for results."""
    from rich.console import Console

    return Console(highlight=False, emoji=False, markup=False, soft_wrap=False)


def err() -> Console:
    """Return the console for progress."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, emoji=False, markup=False)


def show(result: RenderableType) -> None:
    """Draw a result on stdout."""
    out().print(result)


def emit(data: JSON) -> None:
    """Print a result as one JSON object."""
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2))


def tell(message: str) -> None:
    """Print a line of progress on stderr."""
    typer.echo(message, err=True)


def read_query(query: str) -> str:
    """Return the query; `-` stands for what is on standard input.

    Raises:
        InvalidInput: standard input is not UTF-8 text.
    """
    if query != "-":
        return query
    try:
        return sys.stdin.buffer.read().decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"Standard input is not UTF-8 text ({error}). Send text.") from error


def names(text: str | None) -> tuple[str, ...]:
    """Return the names in `a,b`."""
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def known_names(text: str, known: Sequence[str], what: str) -> tuple[str, ...]:
    """Return the names in `a,b`, each of which is one of `known`.

    Raises:
        typer.BadParameter: one is not.
    """
    found = names(text)
    for name in found:
        if name not in known:
            raise typer.BadParameter(f"There is no {what} {name!r}. All: {', '.join(known)}.")
    return found


def numbers(text: str) -> tuple[int, ...]:
    """Return the numbers in `6-7` or `0,2,5`.

    Raises:
        typer.BadParameter: there is something else.
    """
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdigit() or not (last or first).isdigit():
            raise typer.BadParameter(f"{text!r} is not numbers like 6-7 or 0,2,5")
        found += range(int(first), int(last or first) + 1)
    return tuple(dict.fromkeys(found))


def dollars(text: str) -> Decimal:
    """Read an amount of US dollars.

    Raises:
        typer.BadParameter: it is not a number, or below 0.
    """
    try:
        amount = Decimal(text.removeprefix("$"))
    except InvalidOperation as error:
        raise typer.BadParameter(f"{text!r} is not an amount of US dollars, like 0.02") from error
    if not amount.is_finite() or amount < 0:
        raise typer.BadParameter(f"{text!r} is not an amount of 0 or more US dollars")
    return amount
