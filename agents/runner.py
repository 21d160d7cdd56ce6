"""Running one agent on one task: its function, its documents or its model."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from concurrent.futures import Executor as ThreadPool
from dataclasses import replace
from typing import Any

from ..errors import InvalidInput, TimedOut
from ..model_settings import ModelChoice
from ..models.chat import Message
from ..models.gateway import Gateway
from ..models.journal import Journal, OnText
from ..search.encoder import Encoder, Vectors
from ..search.experts.lineup import Lineups, nobody, read_query
from ..search.reranking import Reranking
from ..store.vectors import Vectors as StoredVectors
from ..values import AgentResult, AgentTask, Memo
from .conversation import Conversation
from .documents import DocumentLibrary, cited, quoted
from .functions import ask_function
from .mcp.servers import ToolServers
from .messages import messages
from .passages import Passage
from .registry import Registered
from .spec import DEFAULT_MODEL, Agent
from .tools import Approver, find_tools


class AgentRunner:
    """Runs agents; one for all of them.

    `threads` is where functions and tools run that are not async, and bounds how many do at once.
    `approver` is asked before a tool with `approve=True` is called; without one such tools are
    refused. `vectors` keeps the vectors of documents between processes. `servers` are those whose
    tools agents may use; the caller closes them. `experts` gives those that may read queries of
    documents, and `reranking` puts passages of documents in order.
    """

    def __init__(
        self,
        *,
        gateway: Gateway,
        encoder: Encoder,
        threads: ThreadPool,
        approver: Approver | None = None,
        vectors: StoredVectors | None = None,
        servers: ToolServers | None = None,
        experts: Lineups = nobody,
        reranking: Reranking | None = None,
    ) -> None:
        self._gateway = gateway
        self._threads = threads
        self._approver = approver
        self._servers = servers or ToolServers({})
        self._experts = experts
        self._encoder = encoder
        self._library = DocumentLibrary(encoder, vectors=vectors, reranking=reranking)

    async def run(
        self,
        registered: Registered,
        task: AgentTask,
        journal: Journal,
        *,
        on_text: OnText | None = None,
    ) -> AgentResult:
        """Return what the agent answers to `task`; calls and tools are steps of `journal`.

        `on_text` gets the answer in pieces while it is written, or whole where it is not written
        piece by piece; together they are exactly the text of the result. Silence is not handed on.

        Raises:
            TimedOut: it took longer than `limits.timeout_s`; a thread that it began runs on.
            InvalidInput: the agent is detached, or a function returned something unusable.
            BadModelOutput: the model gave an empty answer, or nothing but calls of tools.
            CallboardError: whatever the journal, the gateway or the function raises.
        """
        if registered.state == "detached":
            raise InvalidInput(registered.reason)
        match registered.agent.kind:
            case "function":
                return await self._function(registered, task, on_text)
            case "documents":
                work = self._documents(registered, task, journal, on_text)
            case "model":
                work = self._model(registered.agent, task, journal, on_text)
        return await _within(registered.agent, work)

    async def _function(
        self, registered: Registered, task: AgentTask, on_text: OnText | None
    ) -> AgentResult:
        agent = registered.agent
        if registered.function is None:
            raise InvalidInput(f"Agent {agent.name!r} came without its function. Register it anew.")
        result = await ask_function(
            registered.function, task, threads=self._threads, timeout_s=agent.limits.timeout_s
        )
        return _told(result, on_text)

    async def _documents(
        self, registered: Registered, task: AgentTask, journal: Journal, on_text: OnText | None
    ) -> AgentResult:
        agent = registered.agent
        read = await self._read(agent, task, journal)
        found = await self._library.find(registered, task.scope, task.wish, journal, read=read)
        model = agent.asked
        if model is None or not found:
            return _told(quoted(agent.name, found), on_text)
        passages = [one.passage for one in found]
        conversation = await self._conversation(agent, model, journal)
        text = await conversation.hold(self._messages(agent, model, task, passages), on_text)
        return cited(agent.name, text, found)

    async def _read(self, agent: Agent, task: AgentTask, journal: Journal) -> Vectors | None:
        """Return the wish as an expert reads it; None: none does."""
        lineup = await self._experts(task.scope)
        (vector,) = await self._encoder.aencode([task.wish])
        read = await read_query(
            lineup, ("documents",), task.wish, vector, journal, own=agent.expert
        )
        return read.get("documents")

    async def _model(
        self, agent: Agent, task: AgentTask, journal: Journal, on_text: OnText | None
    ) -> AgentResult:
        model = agent.asked or DEFAULT_MODEL
        if not self._gateway.settings(model).reasoning:
            # A model this small repeats what it is given to read, so it is given the wish alone.
            task = replace(task, memo=Memo(), history=())
        conversation = await self._conversation(agent, model, journal)
        text = await conversation.hold(self._messages(agent, model, task), on_text)
        return AgentResult(agent=agent.name, text=text)

    async def _conversation(
        self, agent: Agent, model: ModelChoice, journal: Journal
    ) -> Conversation:
        offered = agent.tools if self._gateway.settings(model).tools else ()
        functions = find_tools(offered)
        # Half of the agent's time: the other is for what it can say without a server that is down.
        served = await self._servers.tools(
            offered, wait_s=agent.limits.timeout_s / 2, taken=functions
        )
        return Conversation(
            agent=agent,
            model=model,
            tools={**functions, **served},
            journal=journal,
            threads=self._threads,
            approver=self._approver,
        )

    def _messages(
        self, agent: Agent, model: ModelChoice, task: AgentTask, passages: Sequence[Passage] = ()
    ) -> tuple[Message, ...]:
        context_tokens = self._gateway.settings(model).context_tokens
        return messages(agent, task, context_tokens=context_tokens, passages=passages)


async def _within(agent: Agent, work: Coroutine[Any, Any, AgentResult]) -> AgentResult:
    timeout_s = agent.limits.timeout_s
    try:
        async with asyncio.timeout(timeout_s) as clock:
            return await work
    except TimeoutError as error:
        if not clock.expired():
            raise
        raise TimedOut(
            f"Agent {agent.name!r} took longer than {timeout_s:g} s. A tool that runs in a thread "
            "is left to end by itself. Allow the agent more time (limits.timeout_s)."
        ) from error


def _told(result: AgentResult, on_text: OnText | None) -> AgentResult:
    if on_text and result.answered:
        on_text(result.text)
    return result
