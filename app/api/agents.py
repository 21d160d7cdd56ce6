"""`/v1/agents` and `/v1/route`: who is on the board, and who would be called."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from ...agents.spec import Agent
from ...board import Board
from ...errors import InvalidInput, UnknownName, nearest
from ...values import JSON
from ..views import agent_json, decision_json
from .access import AgentManager, Asker, Caller
from .bodies import Question

router = APIRouter(prefix="/v1", tags=["agents"])

_OF_THIS_SERVER = ("function", "tools", "documents")


@router.get("/agents")
async def agents(caller: Asker) -> dict[str, Any]:
    """List the agents that the key may call, also those that are detached or disabled."""
    found = await asyncio.to_thread(caller.board.agents)
    return {"agents": [agent_json(one) for one in found]}


@router.get("/agents/{name}")
async def agent(name: str, caller: Asker) -> dict[str, Any]:
    """Show one agent."""
    return await asyncio.to_thread(_shown, caller.board, name)


@router.get("/agents/{name}/versions")
async def versions(name: str, caller: AgentManager) -> dict[str, Any]:
    """Tell what an agent was at each of its versions; a removal has no specification."""
    _check_allowed(caller, name)
    found = await caller.board.records.versions(name)
    return {
        "versions": [
            {"version": one.version, "spec": one.spec, "updated_at": one.updated_at.isoformat()}
            for one in found
        ]
    }


@router.post("/agents", status_code=201)
async def register(
    spec: dict[str, Any],
    caller: AgentManager,
    replace: Annotated[bool, Query(description="Replace one of this name that differs.")] = False,
) -> dict[str, Any]:
    """Register an agent; the next query of any worker sees it."""
    return await asyncio.to_thread(_register, caller, spec, replace)


@router.put("/agents/{name}")
async def replace(name: str, spec: dict[str, Any], caller: AgentManager) -> dict[str, Any]:
    """Register an agent in the place of the one of this name, or as a new one."""
    if spec.get("name", name) != name:
        raise InvalidInput(
            f"The agent is called {spec['name']!r} in the body, and {name!r} in the path."
        )
    return await asyncio.to_thread(_register, caller, {**spec, "name": name}, True)


@router.delete("/agents/{name}", status_code=204)
async def unregister(name: str, caller: AgentManager) -> Response:
    """Remove an agent; the next query no longer sees it."""

    def work() -> None:
        with caller.board.changes.noted("remove agent", name, key=caller.key):
            _shown(caller.board, name)
            caller.board.unregister(name)

    await asyncio.to_thread(work)
    return Response(status_code=204)


@router.post("/route")
async def route(body: Question, caller: Asker) -> dict[str, Any]:
    """Decide who would be called, and call nobody."""
    return decision_json(await caller.board.route(body.query, **body.asking(caller)))


def _register(caller: Caller, spec: dict[str, JSON], replace: bool) -> dict[str, Any]:
    board, agent = caller.board, Agent.model_validate(spec)
    detail = agent.model_dump(mode="json", exclude_defaults=True)
    with board.changes.noted("register agent", agent.name, key=caller.key, detail=detail):
        _check_allowed(caller, agent.name)
        there = {one.agent.name: one.agent for one in board.agents()}.get(agent.name)
        _check_harmless(board, agent, there)
        return agent_json(board.register(agent, replace=replace))


def _check_allowed(caller: Caller, name: str) -> None:
    allowed = caller.key.agents if caller.key else None
    if allowed is not None and name not in allowed:
        raise UnknownName(f"The key may use {', '.join(allowed) or 'no agent'} alone.")


def _check_harmless(board: Board, agent: Agent, there: Agent | None) -> None:
    """See that an agent names no code or file of this server that was not there before.

    Raises:
        InvalidInput: it does.
    """
    if board.settings.service.allow_functions:
        return
    before = there or Agent.model_construct(name=agent.name, description="")
    for field in _OF_THIS_SERVER:
        told = getattr(agent, field)
        if told and told != getattr(before, field):
            raise InvalidInput(
                f"{field!r} names code or files of this server. Set allow_functions = true in "
                "[service] of callboard.toml to allow it here, or register the agent there.",
                field=field,
            )


def _shown(board: Board, name: str) -> dict[str, Any]:
    known = {one.agent.name: one for one in board.agents()}
    if name not in known:
        raise UnknownName(f"There is no agent {name!r}{nearest(name, known)}")
    return agent_json(known[name])
