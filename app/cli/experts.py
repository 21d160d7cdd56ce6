"""`callboard experts`: who reads queries anew, and for what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .tenants import Tenant, changing
from .terminal import AsJson, emit, known_names, open_board, show, tell

commands = typer.Typer(
    help="Add, list and remove experts, which read queries of one domain.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the expert.")]


@commands.command()
def add(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="The expert.")
    ],
    serves: Annotated[
        str,
        typer.Option(
            metavar="A,B",
            help="What it may be chosen for: memory (of users), knowledge (for all users), "
            "documents (of agents), agents (who is called). Empty: only for agents that name it.",
        ),
    ] = "memory,knowledge,documents",
    replace: Annotated[
        bool, typer.Option("--replace", help="Put it in the place of another of its name.")
    ] = False,
    tenant: Tenant = "local",
    as_json: AsJson = False,
) -> None:
    """Add the expert of a file; every process sees it within a second."""
    from ...search.experts.lineup import CORPORA

    meant = known_names(serves, CORPORA, "collection")
    with changing(ctx, tenant, "add expert", file.name) as board:
        added = board.experts.add_sync(file, serves=meant, replace=replace)  # type: ignore[arg-type]
    if as_json:
        from ..views import expert_json

        emit(expert_json(added))
    else:
        tell(f"Added: {added.card.name}, for {', '.join(added.serves) or 'agents that name it'}")


@commands.command("list")
def list_(ctx: typer.Context, tenant: Tenant = "local", as_json: AsJson = False) -> None:
    """List the experts of a tenant, with what each adds to the encoder."""
    with open_board(ctx) as board:
        experts = board.scoped(tenant).experts.list_sync()
    if as_json:
        from ..views import expert_json

        emit({"experts": [expert_json(one) for one in experts]})
    elif not experts:
        tell("There are none. 'callboard train expert' makes one, 'callboard experts add' adds it.")
    else:
        from .expert_tables import draw_experts

        show(draw_experts(experts))


@commands.command("show")
def show_(
    ctx: typer.Context, name: Name, tenant: Tenant = "local", as_json: AsJson = False
) -> None:
    """Show what is known of an expert: what it was made of, and how good it is."""
    with open_board(ctx) as board:
        expert = board.scoped(tenant).experts.get_sync(name)
    if as_json:
        from ..views import expert_json

        emit(expert_json(expert))
    else:
        from .expert_tables import draw_expert

        show(draw_expert(expert))


@commands.command()
def remove(
    ctx: typer.Context, name: Name, tenant: Tenant = "local", as_json: AsJson = False
) -> None:
    """Remove an expert; queries are read without it within a second."""
    with changing(ctx, tenant, "remove expert", name) as board:
        board.experts.remove_sync(name)
    if as_json:
        emit({"removed": [name]})
    else:
        tell(f"Removed: {name}")


@commands.command()
def choose(
    ctx: typer.Context,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What is asked.")],
    corpus: Annotated[
        str,
        typer.Option("--for", metavar="A,B", help="memory, knowledge, documents or agents."),
    ] = "memory,knowledge,documents,agents",
    tenant: Tenant = "local",
    as_json: AsJson = False,
) -> None:
    """Tell which expert would read a query, and why; nothing is searched."""
    from ...search.experts.lineup import CORPORA
    from ..views import choice_json

    meant = known_names(corpus, CORPORA, "collection")
    with open_board(ctx) as board:
        experts = board.scoped(tenant).experts
        choices = {one: experts.choose_sync(query, one) for one in meant}  # type: ignore[arg-type]
    if as_json:
        emit({one: choice_json(choice) for one, choice in choices.items()})
    else:
        from .expert_tables import draw_choices

        show(draw_choices(choices))
