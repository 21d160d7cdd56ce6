"""`callboard memory`: what is remembered, to look at, to mend and to forget."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .terminal import AsJson, emit, open_board, read_query, show, tell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...values import Remembered

commands = typer.Typer(
    help="Look at what is remembered, mend it and forget it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Whom = Annotated[str, typer.Option(metavar="NAME", help="Whose memory.")]
Everyone = Annotated[
    bool, typer.Option("--everyone", help="The knowledge of the board, recalled for all users.")
]
Session = Annotated[
    str | None, typer.Option(metavar="NAME", help="That of one conversation alone.")
]
Agent = Annotated[
    str | None, typer.Option(metavar="NAME", help="What is for one agent, and told to no other.")
]
Piece = Annotated[str, typer.Argument(metavar="ID", help="The id, as `memory list` shows it.")]

PAGE = 200
"""Pieces that an export reads at a time."""


@commands.command("list")
def list_(
    ctx: typer.Context,
    text: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Only what holds this text.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 20,
    before: Annotated[
        str | None, typer.Option(metavar="ID", help="The last id of the page before.")
    ] = None,
    user: Whom = "local",
    everyone: Everyone = False,
    session: Session = None,
    agent: Agent = None,
    as_json: AsJson = False,
) -> None:
    """List what is remembered, the newest first."""
    whose = _whose(user, everyone, session, agent)
    with open_board(ctx) as board:
        found = board.memory.list_sync(limit=limit, before=before, text=text, **whose)
    _show(found, as_json)


@commands.command()
def search(
    ctx: typer.Context,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="A question, or `-` for stdin.")],
    limit: Annotated[int, typer.Option(min=1, help="How many, the nearest first.")] = 10,
    user: Whom = "local",
    everyone: Everyone = False,
    session: Session = None,
    agent: Agent = None,
    as_json: AsJson = False,
) -> None:
    """Find what has most to do with a question, as it is recalled for it."""
    asked, whose = read_query(query), _whose(user, everyone, session, agent)
    with open_board(ctx) as board:
        found = board.memory.search_sync(asked, limit=limit, **whose)
    _show(found, as_json)


@commands.command("show")
def show_(
    ctx: typer.Context,
    id_: Piece,
    user: Whom = "local",
    everyone: Everyone = False,
    as_json: AsJson = False,
) -> None:
    """Show one piece: what it says, and where it came from."""
    with open_board(ctx) as board:
        found = board.memory.get_sync(id_, **_whose(user, everyone))
    if as_json:
        from ..views import remembered_json

        emit(remembered_json(found))
    else:
        from .tables import draw_remembered

        show(draw_remembered(found))


@commands.command()
def add(
    ctx: typer.Context,
    text: Annotated[
        str | None,
        typer.Argument(metavar="[TEXT]", help="What to remember, or `-` for stdin."),
    ] = None,
    documents: Annotated[
        list[Path] | None,
        typer.Option(
            "--file",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Markdown, text, HTML or PDF; may be given again.",
        ),
    ] = None,
    expires: Annotated[
        datetime | None,
        typer.Option(metavar="DATE", help="The text is not recalled from then on (local time)."),
    ] = None,
    user: Whom = "local",
    everyone: Everyone = False,
    session: Session = None,
    agent: Agent = None,
    as_json: AsJson = False,
) -> None:
    """Remember a text, or the passages of files."""
    if (text is None) == (not documents):
        raise typer.BadParameter("Give a text, or files with --file.")
    whose = _whose(user, everyone, session, agent)
    ids: list[str] = []
    with open_board(ctx) as board:
        if text is not None:
            until = None if expires is None else expires.astimezone()
            ids += board.memory.add_sync(read_query(text), expires_at=until, **whose)
        for document in documents or ():
            ids += board.memory.add_document_sync(document, **whose)
    if as_json:
        emit({"added": list(ids)})
    elif len(ids) == 1:
        tell(f"Remembered as {ids[0]}.")
    else:
        tell(f"Remembered {len(ids)} passages.")


@commands.command()
def edit(
    ctx: typer.Context,
    id_: Piece,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What it says from now on.")],
    user: Whom = "local",
    everyone: Everyone = False,
    as_json: AsJson = False,
) -> None:
    """Put another text in the place of a piece; `memory history` keeps the old one."""
    with open_board(ctx) as board:
        new = board.memory.update_sync(id_, read_query(text), **_whose(user, everyone))
    if as_json:
        emit({"id": new, "replaced": id_})
    else:
        tell(f"Remembered as {new}.")


@commands.command()
def history(
    ctx: typer.Context,
    id_: Piece,
    user: Whom = "local",
    everyone: Everyone = False,
    as_json: AsJson = False,
) -> None:
    """Show all versions of a piece, the oldest first."""
    with open_board(ctx) as board:
        found = board.memory.history_sync(id_, **_whose(user, everyone))
    _show(found, as_json)


@commands.command()
def forget(
    ctx: typer.Context,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="The ids, as `memory list` shows.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All of the user, or of the session or agent named.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before --all.")] = False,
    user: Whom = "local",
    everyone: Everyone = False,
    session: Session = None,
    agent: Agent = None,
    as_json: AsJson = False,
) -> None:
    """Forget pieces with their earlier versions, for good."""
    if everything == bool(ids):
        raise typer.BadParameter("Name ids, or say --all.")
    whose = _whose(user, everyone, session, agent)
    if everything and not yes:
        parts = (f"{name} {value}" for name, value in whose.items() if value is not None)
        typer.confirm(f"Forget everything of {', '.join(parts)}?", abort=True, err=True)
    with open_board(ctx) as board:
        memory = board.memory
        gone = (
            memory.delete_all_sync(**whose)
            if everything
            else memory.delete_sync(ids or (), **whose)
        )
    if as_json:
        emit({"forgotten": gone})
    else:
        tell(f"Forgotten: {gone}")


@commands.command()
def export(
    ctx: typer.Context,
    user: Whom = "local",
    everyone: Everyone = False,
    session: Session = None,
    agent: Agent = None,
) -> None:
    """Print all that is remembered as one JSON object, the newest first."""
    from ..views import remembered_json

    whose = _whose(user, everyone, session, agent)
    found: list[Remembered] = []
    with open_board(ctx) as board:
        while page := board.memory.list_sync(
            limit=PAGE, before=found[-1].id if found else None, **whose
        ):
            found += page
    emit({"memory": [remembered_json(one) for one in found]})


def _whose(
    user: str, everyone: bool, session: str | None = None, agent: str | None = None
) -> dict[str, Any]:
    from ...values import EVERYONE

    return {"user": EVERYONE if everyone else user, "session": session, "agent": agent}


def _show(found: Sequence[Remembered], as_json: bool) -> None:
    if as_json:
        from ..views import remembered_json

        emit({"memory": [remembered_json(one) for one in found]})
    elif not found:
        tell("There is none.")
    else:
        from .tables import draw_memory

        show(draw_memory(found))
