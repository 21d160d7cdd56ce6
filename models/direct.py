"""An endpoint that speaks OpenAI's chat protocol itself, asked without LiteLLM.

LiteLLM translates between the protocols of a hundred providers, which takes some 5 ms of CPU a
call and twice that for a stream. vLLM, SGLang, llama.cpp, TGI and Ollama need no translation: for a
model that says `direct = true` the request goes out as it is, in a fifth of a millisecond.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from pydantic import ValidationError

from .addresses import AddressRefused, AddressRule
from .chat import ChatReply, ChatRequest, TokenLogprobs
from .completion import Call, Choice, Completion
from .failures import (
    CallFailed,
    Target,
    broken_off,
    failed,
    quoted,
    refused,
    unreachable,
    unreadable,
    unusable,
)
from .wire import logprobs, parameters, reply, usage

DRAIN_S = 1.0
EVENT_BYTES = 1 << 20
"""The longest line of a stream that is read."""


def new_session(rule: AddressRule | None = None) -> aiohttp.ClientSession:
    """Return a client for one event loop: it keeps connections, and has no limits of its own.

    With a `rule` it connects to nothing else; addresses that stand in a URL are not looked up and
    must have been checked before.
    """
    resolver = CheckedResolver(rule) if rule else None
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, resolver=resolver, use_dns_cache=rule is None),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        read_bufsize=EVENT_BYTES,
    )


class CheckedResolver(AbstractResolver):
    """Finds the addresses of hosts, and hands only those to the connection that a rule allows."""

    def __init__(self, rule: AddressRule) -> None:
        self._rule = rule

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses. Raises as `AddressRule.addresses` does."""
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in await self._rule.addresses(host, port)
        ]

    async def close(self) -> None:
        """Hold nothing."""


class DirectEndpoint:
    """One model at a server, as a `ChatModel` whose every failure is a `CallFailed`."""

    def __init__(self, target: Target, session: aiohttp.ClientSession) -> None:
        self._target = target
        self._session = session
        self._model = target.settings.model.partition("/")[2]
        self._url = f"{(target.api_base or '').rstrip('/')}/chat/completions"
        self._headers = {"Authorization": f"Bearer {target.api_key}"} if target.api_key else {}

    async def complete(self, request: ChatRequest) -> ChatReply:
        """Ask without streaming."""
        async with self._asking(request, {}) as response:
            whole = self._read(await response.read())
        choice = self._choice(whole)
        said = choice.message
        return reply(
            self._target.settings.model,
            said.content or "",
            said.tool_calls,
            choice.finish_reason,
            usage(whole),
            logprobs(choice),
        )

    async def stream(self, request: ChatRequest) -> AsyncIterator[str | ChatReply]:
        """Ask, and yield the text as it comes."""
        pieces: list[str] = []
        tokens: list[TokenLogprobs] = []
        calls: dict[int, Call] = {}
        finish, told = None, None
        # Without the option servers tell no usage at the end of a stream.
        more = {"stream": True, "stream_options": {"include_usage": True}}
        async with self._asking(request, more) as response:
            async for line in response.content:
                data = line.removeprefix(b"data:").strip()
                if data == b"[DONE]":
                    await _drain(response)
                    break
                if not line.startswith(b"data:"):
                    continue  # comments, names of events, and the empty lines between
                event = self._read(data)
                told = usage(event) or told
                if not event.choices:
                    continue
                choice = event.choices[0]
                finish = choice.finish_reason or finish
                tokens += logprobs(choice)
                for call in choice.delta.tool_calls or ():
                    _add(calls, call)
                if choice.delta.content:
                    pieces.append(choice.delta.content)
                    yield choice.delta.content
        text = "".join(pieces)
        if finish is None:
            raise (
                broken_off(self._target) if text or calls else unreadable(self._target, "no events")
            )
        whole = list(calls.values())
        yield reply(self._target.settings.model, text, whole, finish, told, tuple(tokens))

    @asynccontextmanager
    async def _asking(
        self, request: ChatRequest, more: dict[str, Any]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send the request, and say in our errors what the HTTP client raises."""
        target = self._target
        body = {"model": self._model, **parameters(request, target.settings), **more}
        error: CallFailed
        try:
            async with self._session.post(
                self._url, json=body, headers=self._headers, allow_redirects=False
            ) as response:
                if response.status != 200:
                    words = target.scrubbed(quoted(await response.text(errors="replace")))
                    wait = response.headers.get("Retry-After")
                    raise refused(target, response.status, words, wait)
                yield response
                return
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as found:
            error = unusable(target, target.scrubbed(str(found)))
        except aiohttp.ClientConnectorError as found:
            refusal = isinstance(found.os_error, AddressRefused)
            error = (unusable if refusal else unreachable)(target, str(found.os_error))
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError):
            error = broken_off(target)
        except (aiohttp.ClientError, ValueError) as found:
            error = unreadable(target, target.scrubbed(str(found)))
        # Not chained to what was raised, which may hold the key.
        raise error

    def _read(self, data: bytes) -> Completion:
        try:
            found = Completion.model_validate_json(data)
        except ValidationError:
            said = data.decode(errors="replace")
            raise unreadable(self._target, self._target.scrubbed(said) or "nothing") from None
        if found.problem:
            raise failed(self._target, self._target.scrubbed(found.problem))
        return found

    def _choice(self, whole: Completion) -> Choice:
        if not whole.choices:
            raise unreadable(self._target, "no choices")
        return whole.choices[0]


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Read what follows the end, which is nothing, or the connection could not be used again."""
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_S):
            await response.read()


def _add(calls: dict[int, Call], piece: Call) -> None:
    """Join a piece of a streamed call to those that came before it."""
    call = calls.setdefault(piece.index, Call(index=piece.index))
    function = call.function
    calls[piece.index] = Call(
        index=piece.index,
        id=call.id or piece.id,
        function=function.model_copy(
            update={
                "name": function.name or piece.function.name,
                "arguments": (function.arguments or "") + (piece.function.arguments or ""),
            }
        ),
    )
