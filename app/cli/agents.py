"""`callboard agents`: who is on the board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import InvalidInput, UnknownName
from .terminal import AsJson, emit, names, open_board, show, tell

if TYPE_CHECKING:
    from ...agents.registry import Registered
    from ...board import Board

commands = typer.Typer(
    help="List, add, remove and show agents.", no_args_is_help=True, rich_markup_mode=None
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the agent.")]


@commands.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List all agents: those that are routed to, and those that are disabled or detached."""
    with open_board(ctx) as board:
        agents = board.agents()
    if as_json:
        from ..views import agent_json

        emit({"agents": [agent_json(agent) for agent in agents]})
    elif not agents:
        tell("There are none. 'callboard init' writes an example, 'callboard agents add' adds it.")
    else:
        from .tables import draw_agents

        show(draw_agents(agents))


@commands.command()
def add(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="A YAML file.")
    ],
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace agents of the same name that differ.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Register the agents of a file, all or none; the next query sees them."""
    from ...agents.catalogue import read_agents

    agents = read_agents(file)
    with open_board(ctx) as board:
        board.register_all(agents, replace=replace)
    if as_json:
        emit({"added": [agent.name for agent in agents]})
    else:
        tell(f"Added: {', '.join(agent.name for agent in agents)}")


@commands.command()
def check(
    ctx: typer.Context,
    suggest: Annotated[
        bool,
        typer.Option("--suggest", help="Have [router] model suggest descriptions and examples."),
    ] = False,
    save: Annotated[
        bool, typer.Option("--save", help="Save what is suggested, after showing it.")
    ] = False,
    only: Annotated[
        str | None, typer.Option("--agents", metavar="A,B", help="Suggest for these alone.")
    ] = None,
    budget: Annotated[
        str | None, typer.Option(metavar="USD", help="What the suggestions may cost together.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check whether agents can be told apart: by their own examples and by everyday queries.

    No model is asked without --suggest, and nothing is changed without --save.
    """
    if (save or only or budget) and not suggest:
        raise InvalidInput("--save, --agents and --budget say how to --suggest. Add --suggest.")
    meant = None if only is None else names(only)
    with open_board(ctx) as board:
        checkup = board.check_agents_sync()
        found = board.suggest_sync(meant, budget_usd=budget) if suggest else ()
        agents = {one.agent.name: one.agent for one in board.agents()}
        better = [
            type(agent).model_validate(
                {
                    **agent.model_dump(),
                    "description": one.description,
                    "examples": (*agent.examples, *one.examples),
                }
            )
            for one in found
            for agent in [agents[one.agent]]
        ]
        if as_json:
            from ..views import checkup_json, suggestion_json

            suggestions = [suggestion_json(one) for one in found]
            emit({**checkup_json(checkup), "suggestions": suggestions, "saved": save})
        else:
            from .checkup import draw_checkup, draw_suggestion

            show(draw_checkup(checkup))
            for one in found:
                show(draw_suggestion(agents[one.agent], one))
        if save:
            board.register_all(better, replace=True)
            tell(f"Saved: {', '.join(agent.name for agent in better) or 'nothing'}")
        elif found:
            tell("Nothing was saved. Add --save to take over what is suggested.")


@commands.command()
def remove(ctx: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Take an agent off the board; the next query no longer sees it."""
    with open_board(ctx) as board:
        board.unregister(name)
    if as_json:
        emit({"removed": [name]})
    else:
        tell(f"Removed: {name}")


@commands.command("show")
def show_(ctx: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Show all that is known of an agent."""
    with open_board(ctx) as board:
        agent = _find(board, name)
    if as_json:
        from ..views import agent_json

        emit(agent_json(agent))
    else:
        from .tables import draw_agent

        show(draw_agent(agent))


def _find(board: Board, name: str) -> Registered:
    for agent in board.agents():
        if agent.agent.name == name:
            return agent
    from ...errors import nearest

    hint = nearest(name, [agent.agent.name for agent in board.agents()])
    raise UnknownName(f"There is no agent {name!r}{hint} See 'callboard agents list'.")
