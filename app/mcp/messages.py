"""What the tools take and give, as JSON: the schemas that a client is told of."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ...agents.spec import Agent
from ...values import Decision, Run
from ..views import number

EXAMPLES = 3
"""Example queries that are told of each agent."""

_COST = "US dollars; null: unknown, which is not 0."


class _Message(BaseModel):
    """An object with these keys and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Routed(_Message):
    """What `route` takes."""

    query: str = Field(description="The question, in whole sentences.")
    session: str | None = Field(
        default=None,
        description="A name of your choice for the conversation that the query belongs to; what "
        "was said in it before is known.",
    )
    agents: tuple[str, ...] | None = Field(
        default=None,
        description="Call these agents and no others (list_agents names them). Leave it out to "
        "have the right ones chosen.",
    )


class Asked(Routed):
    """What `ask` takes."""

    memory: Literal["auto", "low", "mid", "high"] = Field(
        default="auto", description="What remembering may cost."
    )
    budget_usd: float | None = Field(
        default=None, ge=0, description="The most that the answer may cost, in US dollars."
    )


class Wanted(_Message):
    """What `list_agents` takes."""

    containing: str = Field(
        default="", description="Only agents with this text in their name or description."
    )
    limit: int = Field(default=100, ge=1, le=1000, description="The most agents to return.")


class Answer(_Message):
    """What `ask` gives."""

    answer: str
    run_id: str = Field(description="The record of how the answer came about.")
    agents: tuple[str, ...] = Field(description="Who answered; nobody: no agent fits.")
    reason: str = Field(description="Why they were called.")
    cost_usd: float | None = Field(description=_COST)
    known_cost_usd: float = Field(description="The part of the cost that is known.")

    @classmethod
    def of(cls, run: Run) -> Answer:
        """Return the answer of a run that is done."""
        decision = run.decision
        return cls(
            answer=run.answer or "",
            run_id=run.id,
            agents=decision.agents if decision else (),
            reason=decision.reason if decision else "",
            cost_usd=number(run.cost_usd),
            known_cost_usd=float(run.known_cost_usd),
        )


class Scored(_Message):
    """An agent that was looked at."""

    agent: str
    score: float = Field(description="The probability, 0 to 1, that it should answer.")
    chosen: bool
    reason: str


class Route(_Message):
    """What `route` gives."""

    agents: tuple[str, ...] = Field(description="Who would be called; nobody: no agent fits.")
    reason: str
    method: str = Field(description="retrieval, reasoning, fallback or pinned.")
    confidence: float
    in_scope: bool
    candidates: tuple[Scored, ...]
    cost_usd: float | None = Field(description=_COST)

    @classmethod
    def of(cls, decision: Decision) -> Route:
        """Return a decision."""
        return cls(
            agents=decision.agents,
            reason=decision.reason,
            method=decision.method,
            confidence=decision.confidence,
            in_scope=decision.in_scope,
            candidates=tuple(
                Scored(agent=one.agent, score=one.score, chosen=one.chosen, reason=one.reason)
                for one in decision.candidates
            ),
            cost_usd=number(decision.cost_usd),
        )


class Card(_Message):
    """One agent."""

    name: str
    description: str
    examples: tuple[str, ...] = Field(description="Some queries that it answers.")

    @classmethod
    def of(cls, agent: Agent) -> Card:
        """Return what is told of an agent."""
        return cls(
            name=agent.name, description=agent.description, examples=agent.examples[:EXAMPLES]
        )


class Cards(_Message):
    """What `list_agents` gives."""

    agents: tuple[Card, ...]
    total: int = Field(description="How many there are, also beyond the limit.")
