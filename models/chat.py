"""What is said to a model and what it says back, whatever serves it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from ..values import Usage

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A tool that the model wants called; `arguments` is the JSON text that the model wrote."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a chat. Text of agents and of memory never stands in a system message."""

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A tool as it is offered to a model; `parameters` is a JSON schema."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One question to a model; `json_schema` is the form of the answer, where it is offered.

    `top_logprobs` (0..20) asks how likely that many tokens were at each position of the answer;
    only models whose settings say `logprobs` are asked for it.
    """

    messages: tuple[Message, ...]
    max_tokens: int = 512
    temperature: float = 0.0
    tools: tuple[ToolSpec, ...] = ()
    json_schema: Mapping[str, Any] | None = None
    stop: tuple[str, ...] = ()
    timeout_s: float | None = None
    top_logprobs: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLogprobs:
    """One token of an answer: its natural log-probability, and those of tokens it might have been.

    `alternatives` are (text, log-probability), the likeliest first. Servers count them before a
    schema forbids tokens, so the token that was written need not be among them.
    """

    token: str
    logprob: float
    alternatives: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatReply:
    """What a model answered, what it used and how long it took.

    `deployment` is the name of the endpoint that answered; `cached`: it answered the same before,
    and was not asked again. `logprobs` has one entry per token, and
    none where the endpoint told none.
    """

    text: str
    model: str
    usage: Usage
    latency_s: float
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    attempts: int = 1
    logprobs: tuple[TokenLogprobs, ...] = ()
    deployment: str = ""
    cached: bool = False


class ChatModel(Protocol):
    """Something that answers chat requests: an endpoint, or a script in a test."""

    async def complete(self, request: ChatRequest) -> ChatReply:
        """Return the whole reply."""

    def stream(self, request: ChatRequest) -> AsyncIterator[str | ChatReply]:
        """Yield the text piece by piece, and at the end the whole reply."""
