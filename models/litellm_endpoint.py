"""An endpoint behind LiteLLM: the only module that imports it."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import Any

from .chat import ChatReply, ChatRequest, TokenLogprobs
from .failures import CallFailed, Target, broken_off, unreadable
from .litellm_errors import describe
from .wire import logprobs, parameters, reply, usage

HTTP_TIMEOUT_S = 86_400.0
"""LiteLLM makes one HTTP client per timeout, so it always gets this one; deadlines are ours."""


class LiteLLMEndpoint:
    """One model behind LiteLLM, as a `ChatModel` whose every failure is a `CallFailed`."""

    def __init__(self, target: Target, model: str) -> None:
        self._target = target
        self._model = model

    async def complete(self, request: ChatRequest) -> ChatReply:
        """Ask without streaming."""
        try:
            response = await load_litellm().acompletion(**self._arguments(request))
            choice = response.choices[0]
            text, calls = choice.message.content or "", choice.message.tool_calls
            told = usage(response)
            return reply(self._model, text, calls, choice.finish_reason, told, logprobs(choice))
        except Exception as error:  # noqa: BLE001 - LiteLLM raises anything, IndexError included
            failed = describe(error, self._target)
        raise failed

    async def stream(self, request: ChatRequest) -> AsyncIterator[str | ChatReply]:
        """Ask, and yield the text as it comes."""
        arguments = self._arguments(request)
        # Without this option endpoints tell no usage at the end of a stream.
        arguments |= {"stream": True, "stream_options": {"include_usage": True}}
        pieces: list[str] = []
        tokens: list[TokenLogprobs] = []
        calls_tools = False
        try:
            response = await load_litellm().acompletion(**arguments)
            try:
                async for chunk in response:
                    if not chunk.choices:
                        continue
                    delta = chunk.choices[0].delta
                    calls_tools |= bool(delta.tool_calls)
                    tokens += logprobs(chunk.choices[0])
                    if delta.content:
                        pieces.append(delta.content)
                        yield delta.content
            finally:
                await response.aclose()
            whole = self._streamed(response, "".join(pieces), calls_tools)
            whole = replace(whole, logprobs=tuple(tokens))
        except CallFailed as error:
            failed = error
        except Exception as error:  # noqa: BLE001 - as above
            failed = describe(error, self._target)
        else:
            yield whole
            return
        raise failed

    def _arguments(self, request: ChatRequest) -> dict[str, Any]:
        target = self._target
        arguments = {
            "model": self._model,
            "timeout": HTTP_TIMEOUT_S,
            "num_retries": 0,
            "max_retries": 0,
            # Some models take no temperature or stop; what must not be lost is in the settings.
            "drop_params": True,
            # Offered tools are never on an MCP server of LiteLLM's; looking needs its extra `mcp`.
            "_skip_mcp_handler": True,
            **parameters(request, target.settings),
        }
        if target.api_base is not None:
            arguments["api_base"] = target.api_base
        if target.api_key is not None:
            arguments["api_key"] = target.api_key
        return arguments

    def _streamed(self, response: Any, text: str, calls_tools: bool) -> ChatReply:
        """Return what was streamed as one reply.

        LiteLLM ends every stream with a finish reason and a usage, and makes them up where the
        endpoint sent none; `received_finish_reason` and the raw chunks are what it sent.
        """
        if response.received_finish_reason is None:
            raise broken_off(self._target) if text else unreadable(self._target, "no events")
        told = next((u for chunk in reversed(response.chunks) if (u := usage(chunk))), None)
        calls = None
        if calls_tools:
            whole = load_litellm().stream_chunk_builder(response.chunks)
            calls = whole.choices[0].message.tool_calls
        return reply(self._model, text, calls, response.received_finish_reason, told)


@lru_cache(maxsize=1)
def load_litellm() -> Any:
    """Import LiteLLM, offline and quiet: no price map, no headers file, no .env, no banners."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    os.environ["LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS"] = "True"
    os.environ["LITELLM_DISABLE_BUG_REPORT_LINK"] = "true"
    os.environ["LITELLM_MODE"] = "PRODUCTION"
    os.environ.setdefault("LITELLM_LOG", "CRITICAL")
    import litellm

    litellm.suppress_debug_info = True
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # What both load at their first calls would hold up the event loop for half a second.
    importlib.import_module("openai.resources.chat")
    prompt = [{"role": "user", "content": "x"}]
    litellm.completion(model="openai/none", messages=prompt, mock_response="x")
    list(litellm.completion(model="openai/none", messages=prompt, mock_response="x", stream=True))
    return litellm


async def close_clients(loop: asyncio.AbstractEventLoop) -> None:
    """Close the HTTP clients that LiteLLM keeps for `loop`, process-wide, for up to an hour.

    Only the last gateway on a loop does so, because gateways share them.
    """
    cache = load_litellm().in_memory_llm_clients_cache
    suffix = f"-{id(loop)}"
    for key in [key for key in cache.cache_dict if key.endswith(suffix)]:
        client = cache.cache_dict.pop(key)
        cache.ttl_dict.pop(key, None)
        close = getattr(client, "aclose", None) or getattr(client, "close", None)
        if close is not None:
            with suppress(OSError, RuntimeError):
                await close()
