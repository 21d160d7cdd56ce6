"""The turn: one query's way through the house, as one LangGraph graph.

    retrieve -> guard -> decide -> recall -> act (agents side by side) -> refine -> answer

Each word is a node here, the name of a step in the database, of an event in the stream, and of a
row in the inspector. What the nodes do stands in the rooms; what they share stands in `Turn`.
"""

from __future__ import annotations

import logging
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Send

from ..agents.refining.refiner import Refined, Refiner
from ..agents.registry import Snapshot
from ..agents.runner import AgentRunner
from ..errors import StoreError
from ..memory.archive import Archive
from ..memory.recall import RECALLED, Read, Recall
from ..models.journal import Journal
from ..models.ladder import Ladder
from ..router.guard import Verdict
from ..router.retrieval.retriever import Retrieval
from ..router.router import Question, Router
from ..search.encoder import Encoder, Vectors
from ..search.experts.lineup import Lineups, read_query
from ..values import (
    AgentResult,
    AgentTask,
    Decided,
    Decision,
    Draft,
    Memo,
    MemoryBudget,
    Scope,
    TierPolicy,
)
from .answering import Answer, AnswerStream, Outcome, compose
from .execution import LocalExecutor
from .nesting import Account, drawing_on
from .routers import Routers
from .runlog import RunLog

_log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What every turn of a Board uses."""

    routers: Routers
    encoder: Encoder
    archive: Archive | None
    recall: Recall | None
    policy: TierPolicy
    runner: AgentRunner
    refiner: Refiner
    ladders: Mapping[str, Ladder]
    experts: Lineups


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What the nodes of one turn share.

    `replays` is the run that is asked again, if one is; `streamed`: someone may be reading along.
    """

    run_id: str
    scope: Scope
    question: Question
    memory: MemoryBudget
    memory_limit_usd: Decimal | None
    replays: str | None
    streamed: bool
    account: Account
    snapshot: Snapshot
    services: Services
    router: Router
    journal: Journal
    log: RunLog
    stream: AnswerStream
    started: float


class TurnState(TypedDict, total=False):
    """What flows along the edges."""

    retrieval: Retrieval
    verdict: Verdict
    decision: Decision
    memo: Memo
    agent: str
    outcomes: Annotated[list[Outcome], operator.add]
    refined: Refined | None
    answer: Answer


async def retrieve(state: TurnState, runtime: Runtime[Turn]) -> TurnState:
    """Score the agents."""
    turn = runtime.context

    async def work(journal: Journal) -> Retrieval:
        return await turn.router.retrieve(turn.question, turn.snapshot, journal)

    return {"retrieval": await turn.journal.once("retrieve", "retrieve", work, returns=Retrieval)}


async def guard(state: TurnState, runtime: Runtime[Turn]) -> TurnState:
    """Tell whether the query is in scope."""
    turn = runtime.context

    async def work(_: Journal) -> Verdict:
        return turn.router.guard(state["retrieval"])

    return {"verdict": await turn.journal.once("guard", "guard", work, returns=Verdict)}


async def decide(state: TurnState, runtime: Runtime[Turn]) -> TurnState:
    """Choose the agents."""
    turn = runtime.context

    async def work(journal: Journal) -> Decision:
        decision = await turn.router.decide(
            turn.question,
            turn.snapshot,
            state["retrieval"],
            state["verdict"],
            journal,
            started=turn.started,
        )
        turn.log.add(event=Decided(decision=decision), decision=decision)
        return decision

    return {"decision": await turn.journal.once("decide", "decide", work, returns=Decision)}


async def recall(state: TurnState, runtime: Runtime[Turn]) -> TurnState:
    """Make the memo. Memory that fails is a failed step; the agents do without a memo."""
    turn = runtime.context
    memory = turn.services.recall
    if memory is None:
        return {"memo": Memo()}

    async def work(journal: Journal) -> Memo:
        vector, read = await _read(turn, journal)
        return await memory.memo(
            turn.scope,
            turn.question.query,
            vector,
            read=read,
            budget=turn.memory,
            policy=turn.services.policy,
            journal=journal,
            history=turn.question.history,
            limit_usd=turn.memory_limit_usd,
            without=(turn.replays,) if turn.replays else (),
        )

    try:
        return {"memo": await turn.journal.once("recall", "recall", work, returns=Memo)}
    except StoreError:
        raise
    except Exception:  # noqa: BLE001 - the failed step tells
        return {"memo": Memo()}


async def _read(turn: Turn, journal: Journal, own: str | None = None) -> tuple[Vectors, Read]:
    """Return the query's vector for recall, and what experts make of it."""
    query, lineup = turn.question.query, await turn.services.experts(turn.scope)
    (vector,) = await turn.services.encoder.aencode([query])
    return vector, await read_query(lineup, RECALLED, query, vector, journal, own=own)


async def _memo_for(turn: Turn, name: str, memo: Memo) -> Memo:
    """Return the memo for one agent: with what is remembered for it alone, if there is any."""
    memory = turn.services.recall
    if memory is None or not await memory.has_own(turn.scope, name):
        return memo

    async def work(journal: Journal) -> Memo:
        own = turn.snapshot.by_name[name].agent.expert
        vector, read = await _read(turn, journal, own)
        return await memory.own_memo(turn.scope, turn.question.query, vector, name, memo, read=read)

    try:
        return await turn.journal.once(f"recall:{name}", "recall", work, returns=Memo, agent=name)
    except StoreError:
        raise
    except Exception:  # noqa: BLE001 - the failed step tells
        return memo


async def act(state: TurnState, runtime: Runtime[Turn]) -> TurnState:
    """Run one agent; this node runs once per agent, side by side."""
    turn, name, decision = runtime.context, state["agent"], state["decision"]
    registered = turn.snapshot.by_name[name]
    task = AgentTask(
        run_id=turn.run_id,
        agent=name,
        scope=turn.scope,
        query=turn.question.query,
        part=decision.part_for(name),
        memo=await _memo_for(turn, name, state["memo"]),
        history=turn.question.history,
    )
    alone = len(decision.agents) == 1

    def on_text(text: str) -> None:
        if alone:
            turn.stream.write(text)
        else:
            turn.log.add(event=Draft(agent=name, text=text))

    async def work(journal: Journal) -> AgentResult:
        # What the agent asks the Board is paid by this run.
        executor = LocalExecutor(
            turn.services.runner, registered, journal, on_text if turn.streamed else None
        )
        with drawing_on(turn.account):
            return await executor.run(task)

    try:
        result = await turn.journal.once(
            f"act:{name}",
            "act",
            work,
            returns=AgentResult,
            agent=name,
            repeatable=registered.agent.kind != "function" or registered.agent.idempotent,
        )
    except StoreError:
        raise
    except Exception as error:  # noqa: BLE001 - here a failing agent becomes a failed step
        return {"outcomes": [Outcome(agent=name, error=str(error) or type(error).__name__)]}
    return {"outcomes": [Outcome(agent=name, result=result)]}


async def refine(state: TurnState, runtime: Runtime[Turn]) -> TurnState:
    """Make one text of two or more answers."""
    turn = runtime.context
    order = {name: place for place, name in enumerate(state["decision"].agents)}
    outcomes = sorted(state["outcomes"], key=lambda outcome: order[outcome.agent])
    results = [o.result for o in outcomes if o.result is not None and o.result.answered]
    if len(results) < 2:
        return {"refined": None}

    async def work(journal: Journal) -> Refined:
        decision = state["decision"]
        parts = {name: decision.part_for(name) for name in decision.agents}
        wishes = {name: part for name, part in parts.items() if part is not None}
        return await turn.services.refiner.refine(
            turn.question.query, results, journal, wishes=wishes
        )

    try:
        return {"refined": await turn.journal.once("refine", "refine", work, returns=Refined)}
    except StoreError:
        raise
    except Exception:  # noqa: BLE001 - the failed step tells; the answers stand side by side
        return {"refined": None}


async def answer(state: TurnState, runtime: Runtime[Turn]) -> TurnState:
    """Say the answer, and remember it."""
    turn = runtime.context
    composed = compose(
        state["decision"],
        state.get("outcomes", []),
        state.get("refined"),
        turn.snapshot.only(turn.question.allowed),
    )

    async def work(_: Journal) -> Answer:
        turn.stream.finish(composed.text)
        if composed.answered:
            await _remember(turn, composed.text, state["decision"].agents)
        return composed

    return {"answer": await turn.journal.once("answer", "answer", work, returns=Answer)}


async def _remember(turn: Turn, text: str, agents: Sequence[str]) -> None:
    archive = turn.services.archive
    if archive is None or turn.replays:
        return
    try:
        await archive.write(turn.scope, turn.run_id, turn.question.query, text, agents)
    except StoreError:
        raise
    except Exception:  # noqa: BLE001 - the log tells
        _log.exception("The turn %s could not be remembered", turn.run_id)


def _after_decide(state: TurnState) -> str:
    return "recall" if state["decision"].agents else "answer"


def _fan_out(state: TurnState) -> list[Send]:
    shared = {"decision": state["decision"], "memo": state["memo"]}
    return [Send("act", {**shared, "agent": name}) for name in state["decision"].agents]


def build_graph() -> CompiledStateGraph[TurnState, Turn, TurnState, TurnState]:
    """Return the graph of a turn; it holds no state and serves all turns of a process.

    It runs without a checkpointer: the journal is what makes a turn durable.
    """
    graph = StateGraph(TurnState, context_schema=Turn)
    for node in (retrieve, guard, decide, recall, act, refine, answer):
        graph.add_node(node.__name__, node)
    graph.add_edge(START, "retrieve")
    graph.add_edge("retrieve", "guard")
    graph.add_edge("guard", "decide")
    graph.add_conditional_edges("decide", _after_decide, ["recall", "answer"])
    graph.add_conditional_edges("recall", _fan_out, ["act"])
    graph.add_edge("act", "refine")
    graph.add_edge("refine", "answer")
    graph.add_edge("answer", END)
    return graph.compile()
