"""What an exception of LiteLLM means.

LiteLLM turns many failures into one status 500, so the cause is looked up in the chain of
exceptions below. What it raised is not chained to our errors: it may repeat the key that was sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx

from ..errors import ConfigurationError, InvalidInput
from .failures import (
    CallFailed,
    Target,
    broken_off,
    failed,
    quoted,
    refused,
    timed_out,
    unreachable,
    unreadable,
    unusable,
)

_NO_KEY = re.compile(r"(?i)missing .*(api.?key|credentials)")
_PREFIXES = re.compile(r"^((litellm\.)?\w+(Error|Exception|Timeout)(: | - ))+")
_NOT_A_COMPLETION = "LiteLLM: provider returned"


def describe(error: Exception, target: Target) -> CallFailed:
    """Return what `error`, raised by LiteLLM, means to the caller."""
    root = _root(error)
    status = _received_status(root)
    words = target.scrubbed(_words(error))
    if status is not None and status >= 400:
        headers = getattr(error, "litellm_response_headers", None)
        return refused(target, status, words, headers and headers.get("retry-after"))
    if isinstance(root, httpx.TimeoutException) or type(error).__name__ == "Timeout":
        return CallFailed(timed_out(target), unpaid=isinstance(root, httpx.ConnectTimeout))
    if isinstance(root, httpx.InvalidURL) or type(root) is httpx.RequestError:
        return unusable(target, words)
    if isinstance(root, httpx.TransportError):
        return _disconnected(root, target)
    return _never_sent(words, error, target) or _answered_badly(root, words, error, target)


def _root(error: Exception) -> BaseException | None:
    """Return the HTTP client's exception nearest to what LiteLLM raised.

    Not the innermost: the caller may be handling an exception of its own, which ends the chain.
    """
    for link in _chain(error):
        package = type(link).__module__.partition(".")[0]
        if isinstance(link, (httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError)):
            return link
        if package == "openai" and hasattr(link, "status_code"):
            return link
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def _received_status(root: BaseException | None) -> int | None:
    response = getattr(root, "response", None)
    return response.status_code if isinstance(response, httpx.Response) else None


def _words(error: Exception) -> str:
    """Return what the endpoint said, without LiteLLM's prefixes, traceback and JSON."""
    text = re.split(r"Traceback \(most recent call last\)|Original exception:", str(error))[0]
    text = _PREFIXES.sub("", text)
    return quoted(text)


def _disconnected(root: httpx.TransportError, target: Target) -> CallFailed:
    """Map a connection that was not made, or broke."""
    # A connection that is reset after the request was sent is a ConnectError here too.
    cause = {kind.__name__ for kind in type(root.__cause__).__mro__}
    reset = "ClientOSError" in cause and "ClientConnectorError" not in cause
    if isinstance(root, (httpx.ConnectError, httpx.ProxyError)) and not reset:
        return unreachable(target, str(getattr(root.__cause__, "os_error", root)))
    return broken_off(target)


def _never_sent(words: str, error: Exception, target: Target) -> CallFailed | None:
    """Map what LiteLLM refused by itself."""
    where = f"[models.{target.name}]"
    if "LLM Provider NOT provided" in str(error):
        message = (
            f"LiteLLM knows no provider for model {target.settings.model!r}. Begin the model of "
            f"{where} with one, such as 'hosted_vllm/' or 'openai/' with an api_base."
        )
        return CallFailed(ConfigurationError(message), unpaid=True)
    if any(isinstance(link, ImportError) for link in _chain(error)):
        message = f"LiteLLM lacks a package to reach {target}: {words}. Install it."
        return CallFailed(ConfigurationError(message), unpaid=True)
    if _NO_KEY.search(str(error)):
        message = f"{target} needs a key. Set api_key_env in {where}, and that variable."
        return CallFailed(ConfigurationError(message), unpaid=True)
    if type(error).__name__ in ("BadRequestError", "UnsupportedParamsError"):
        message = f"LiteLLM refused the request to {target}: {words}"
        return CallFailed(InvalidInput(message), unpaid=True)
    return None


def _answered_badly(
    root: BaseException | None, words: str, error: Exception, target: Target
) -> CallFailed:
    """Map an answer that is no completion, or that reports a failure half-way."""
    if root is not None or _NOT_A_COMPLETION in str(error):
        return unreadable(target, words or type(error).__name__)
    return failed(target, words)
