"""The tools of the server: each asks the Board on behalf of a `Caller`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import anyio
from pydantic import BaseModel

from ...errors import CallboardError
from ...values import Decided, EventBody, Run, StepEnded, StepStarted
from .caller import Caller
from .messages import Answer, Asked, Card, Cards, Route, Routed, Wanted

Tell: TypeAlias = Callable[[str], Awaitable[None]]
"""Tells the client what is being done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardTool:
    """A tool: what it takes and gives, and what it does. `shown` is what a person would read."""

    name: str
    description: str
    takes: type[BaseModel]
    gives: type[BaseModel]
    work: Callable[[Caller, Any, Tell], Awaitable[BaseModel]]
    shown: Callable[[Any], str]
    reads_only: bool = True


async def ask(caller: Caller, asked: Asked, tell: Tell) -> Answer:
    """Ask the Board, and tell what goes on; a client that gives up stops the run.

    Raises:
        CallboardError: the query can't be asked, or no answer came of it.
    """
    board, user = caller.board, caller.user
    with anyio.CancelScope(shield=True):  # so that a run which began can be stopped
        run_id = await board.start(
            asked.query,
            user=user,
            session=asked.session,
            agents=asked.agents,
            memory=asked.memory,
            budget_usd=asked.budget_usd,
        )
    try:
        async for event in board.events(run_id, user=user):
            if said := _said(event.body):
                await tell(said)
        run = await board.get(run_id, user=user)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await board.cancel(run_id, user=user)
        raise
    if run.status != "done":
        raise CallboardError(_unanswered(run))
    return Answer.of(run)


async def route(caller: Caller, asked: Routed, tell: Tell) -> Route:
    """Decide who would be called, and call nobody.

    Raises:
        CallboardError: the query can't be asked.
    """
    decision = await caller.board.route(
        asked.query,
        user=caller.user,
        session=asked.session,
        agents=asked.agents,
    )
    return Route.of(decision)


async def list_agents(caller: Caller, wanted: Wanted, tell: Tell) -> Cards:
    """Return the agents that the caller may ask."""
    text = wanted.containing.casefold()
    found = [
        one.agent
        for one in await asyncio.to_thread(caller.board.agents)
        if one.live and (text in one.agent.name or text in one.agent.description.casefold())
    ]
    return Cards(agents=tuple(Card.of(agent) for agent in found[: wanted.limit]), total=len(found))


TOOLS = (
    BoardTool(
        name="ask",
        description=(
            "Ask a team of agents: the right ones are called for the question, and one answer is "
            "made of theirs. Ask everything at once, a question may need several of them."
        ),
        takes=Asked,
        gives=Answer,
        work=ask,
        shown=lambda answer: answer.answer,
        reads_only=False,  # agents may act
    ),
    BoardTool(
        name="route",
        description="Tell which agents would be called for a question and why; calls none.",
        takes=Routed,
        gives=Route,
        work=route,
        shown=lambda routed: f"{', '.join(routed.agents) or 'nobody'}: {routed.reason}",
    ),
    BoardTool(
        name="list_agents",
        description="List the agents of the team: what each can do, and queries that it answers.",
        takes=Wanted,
        gives=Cards,
        work=list_agents,
        shown=lambda cards: "\n".join(f"{one.name}: {one.description}" for one in cards.agents),
    ),
)


def _said(body: EventBody) -> str:
    """Return what a client is told of an event, or nothing."""
    match body:
        case Decided(decision=decision):
            return f"calling {', '.join(decision.agents) or 'nobody'}: {decision.reason}"
        case StepStarted(step=step) if step.parent_id is None and step.agent is None:
            return step.name
        case StepEnded(step=step) if step.name == "act" and step.status in ("done", "failed"):
            return f"{step.agent} {'answered' if step.status == 'done' else 'failed'}"
        case _:
            return ""


def _unanswered(run: Run) -> str:
    return f"{run.error or f'The run is {run.status}.'} (run {run.id})"
