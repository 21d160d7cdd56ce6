"""A model agent at work: one conversation with its model, with tools if the model can call them.

Each call of the model and each tool is a step of the run. A tool that was begun before a crash is
not begun again, unless it says that it may be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor as ThreadPool
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ..codec import to_json
from ..errors import BadModelOutput, CallboardError, InvalidInput, StoreError
from ..model_settings import ModelChoice
from ..models.chat import ChatReply, ChatRequest, Message, ToolCall
from ..models.journal import Journal, OnText
from .functions import invoke
from .messages import prompts
from .spec import Agent
from .tools import AgentTool, Approver


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What one answer of a model agent needs: its model, its tools, and who approves them."""

    agent: Agent
    model: ModelChoice
    tools: Mapping[str, AgentTool]
    journal: Journal
    threads: ThreadPool
    approver: Approver | None = None

    async def hold(self, messages: Sequence[Message], on_text: OnText | None = None) -> str:
        """Ask the model until it answers without calling a tool; return its answer.

        `on_text` gets the answer in pieces that make up exactly what is returned. Where tools are
        offered it gets it whole: what a model says before it calls one is not the answer.

        Raises:
            BadModelOutput: the answer is empty, or the model does nothing but call tools.
        """
        rounds = self.agent.limits.tool_rounds if self.tools else 0
        request = ChatRequest(
            messages=tuple(messages),
            max_tokens=self.agent.limits.max_tokens,
            tools=tuple(tool.spec for tool in self.tools.values()) if rounds else (),
        )
        live = Trimmed(on_text) if on_text and not rounds else None
        used = 0
        for number in range(rounds + 1):
            reply = await self.journal.ask(
                self.model, request, key=f"call:{number}", on_text=live.write if live else None
            )
            if not reply.tool_calls or number == rounds:
                break
            results = [
                await self._result(call, used + place)
                for place, call in enumerate(reply.tool_calls)
            ]
            used += len(results)
            request = _continued(request, reply, results, last=number + 1 == rounds)
        text = reply.text.strip()
        if not text:
            raise BadModelOutput(self._empty(reply))
        if on_text and live is None:
            on_text(text)
        return text

    async def _result(self, call: ToolCall, number: int) -> str:
        """Return what the tool gave, or in words why it gave nothing."""
        tool = self.tools.get(call.name)
        if tool is None:
            return f"There is no tool {call.name!r}. The tools are: {', '.join(self.tools)}."
        try:
            arguments = tool.check(call.arguments)
        except InvalidInput as error:
            return str(error)
        try:
            result: str = await self.journal.once(
                f"tool:{number}:{tool.name}",
                f"tool:{tool.name}",
                partial(self._use, tool, arguments),
                returns=str,
                agent=self.agent.name,
                repeatable=tool.idempotent,
            )
        except StoreError:
            raise
        except CallboardError as error:
            return str(error)
        return result

    async def _use(self, tool: AgentTool, arguments: Mapping[str, Any], _: Journal) -> str:
        if tool.approve and not await self._approved(tool, arguments):
            return f"The tool {tool.name!r} was not called: its use was not approved."
        try:
            return await tool.run(
                arguments, threads=self.threads, timeout_s=self.agent.limits.timeout_s
            )
        except Exception as error:  # noqa: BLE001 - whatever a tool raises, the model must be told
            return f"The tool {tool.name!r} failed: {type(error).__name__}: {error}"

    async def _approved(self, tool: AgentTool, arguments: Mapping[str, Any]) -> bool:
        if self.approver is None:
            return False
        shown = to_json(dict(arguments), dict[str, Any])
        return bool(
            await invoke(
                partial(self.approver, tool.name, shown),
                who=f"The approval of the tool {tool.name!r}",
                threads=self.threads,
                timeout_s=self.agent.limits.timeout_s,
            )
        )

    def _empty(self, reply: ChatReply) -> str:
        who = f"Agent {self.agent.name!r}: the model {self.model!r}"
        if reply.tool_calls:
            return (
                f"{who} still called {reply.tool_calls[0].name!r} after "
                f"{self.agent.limits.tool_rounds} rounds of tools. Allow more "
                "(limits.tool_rounds), or use a better model."
            )
        return f"{who} gave an empty answer. Ask again, or use a better model."


class Trimmed:
    """Hands text on without white space around the whole, as `str.strip` would leave it."""

    def __init__(self, on_text: OnText) -> None:
        self._on_text = on_text
        self._begun = False
        self._held = ""

    def write(self, piece: str) -> None:
        """Hand on what is certain to stay; white space waits for what follows it."""
        text = self._held + (piece if self._begun else piece.lstrip())
        kept = text.rstrip()
        self._held = text[len(kept) :]
        if kept:
            self._begun = True
            self._on_text(kept)


def _continued(
    request: ChatRequest, reply: ChatReply, results: Sequence[str], *, last: bool
) -> ChatRequest:
    asked = Message(role="assistant", content=reply.text, tool_calls=reply.tool_calls)
    notes = [*results[:-1], f"{results[-1]}\n{prompts()['last_round']}"] if last else results
    answers = (
        Message(role="tool", content=note, tool_call_id=call.id)
        for call, note in zip(reply.tool_calls, notes, strict=True)
    )
    return replace(request, messages=(*request.messages, asked, *answers))
