"""OpenAI's chat format, which LiteLLM speaks: our requests in it, and its replies as ours."""

from __future__ import annotations

from typing import Any

from ..model_settings import ModelSettings
from ..values import UNKNOWN_USAGE, Usage
from .chat import ChatReply, ChatRequest, Message, TokenLogprobs, ToolCall, ToolSpec

LEAST_LOGPROB = -1000.0
"""Below this a token is impossible; some servers send -Infinity, which is no JSON number."""


def parameters(request: ChatRequest, settings: ModelSettings) -> dict[str, Any]:
    """Return `request` as parameters of a chat completion, as far as the model offers them."""
    sent: dict[str, Any] = {
        "messages": [_message(message) for message in request.messages],
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
    }
    if request.stop:
        sent["stop"] = list(request.stop)
    if request.tools and settings.tools:
        sent["tools"] = [_tool(tool) for tool in request.tools]
    if request.json_schema is not None and settings.json_schema:
        # OpenAI takes a strict schema only if it forbids other properties.
        schema = dict(request.json_schema)
        strict = schema.get("additionalProperties") is False
        form = {"name": "answer", "schema": schema, "strict": strict}
        sent["response_format"] = {"type": "json_schema", "json_schema": form}
    if request.top_logprobs is not None and settings.logprobs:
        sent |= {"logprobs": True, "top_logprobs": request.top_logprobs}
    return sent


def reply(
    model: str,
    text: str,
    calls: Any,
    finish_reason: str | None,
    told: Usage | None,
    logprobs: tuple[TokenLogprobs, ...] = (),
) -> ChatReply:
    """Return what came back; `calls` are LiteLLM's tool calls, `told` what the endpoint counted."""
    return ChatReply(
        text=text,
        model=model,
        usage=told or UNKNOWN_USAGE,
        latency_s=0.0,
        tool_calls=tuple(
            ToolCall(id=call.id, name=call.function.name or "", arguments=call.function.arguments)
            for call in calls or ()
        ),
        finish_reason=finish_reason,
        logprobs=logprobs,
    )


def usage(response: Any) -> Usage | None:
    """Return the tokens that the endpoint told, not yet priced, or None if it told none.

    LiteLLM fills in zeros where nothing was told; no prompt has zero tokens.
    """
    told = getattr(response, "usage", None)
    if told is None or not told.prompt_tokens:
        return None
    details = getattr(told, "completion_tokens_details", None)
    return Usage(
        input_tokens=told.prompt_tokens,
        output_tokens=told.completion_tokens,
        cost_usd=None,
        reasoning_tokens=getattr(details, "reasoning_tokens", None),
    )


def logprobs(choice: Any) -> tuple[TokenLogprobs, ...]:
    """Return the log-probabilities of a choice, whole or streamed; none where none were told."""
    told = getattr(choice, "logprobs", None)
    return tuple(
        TokenLogprobs(
            token=entry.token,
            logprob=max(entry.logprob, LEAST_LOGPROB),
            alternatives=tuple(
                (other.token, max(other.logprob, LEAST_LOGPROB)) for other in entry.top_logprobs
            ),
        )
        for entry in getattr(told, "content", None) or ()
    )


def _message(message: Message) -> dict[str, Any]:
    data: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        data["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        data["tool_call_id"] = message.tool_call_id
    return data


def _tool(tool: ToolSpec) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": dict(tool.parameters),
        },
    }
