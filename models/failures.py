"""What it means when a model call fails: which error of ours, and whether it may have cost money.

LiteLLM turns many failures into one status 500, so the cause is looked up in the chain of
exceptions below. No message holds a key, and what LiteLLM raised is not chained to our errors: it
may repeat the key that was sent.
"""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx

from ..errors import (
    BadModelOutput,
    CallboardError,
    ConfigurationError,
    InvalidInput,
    ModelUnavailable,
    TimedOut,
)
from ..model_settings import ModelSettings

WORDS_LIMIT = 300
"""Characters of an endpoint's own words that are repeated in a message."""

_SECRETS = re.compile(r"(?i)\b(bearer\s+)?(sk|pk|gsk|xai|key|hf)[-_][\w-]{6,}|\bbearer\s+\S+")
_USERINFO = re.compile(r"//[^/@\s]+@")
_NO_KEY = re.compile(r"(?i)missing .*(api.?key|credentials)")
_PREFIXES = re.compile(r"^((litellm\.)?\w+(Error|Exception|Timeout)(: | - ))+")
_JSON_MESSAGE = re.compile(r'"message":\s*"((?:[^"\\]|\\.)*)"')
_NOT_A_COMPLETION = "LiteLLM: provider returned"
_MAYBE_PAID = frozenset({408, 502, 504, 524})
"""Statuses of gateways that gave up on a server which may have done the work."""


class CallFailed(Exception):
    """One attempt failed; `error` is what the caller of the gateway gets to see.

    `unpaid`: it surely cost nothing. `retry_after_s`: how long the endpoint asks to wait.
    `elsewhere`: another endpoint may do better; None: unless the request itself was refused.
    `busy`: it says nothing against the endpoint's health, which has too much to do or is not set
    up as it should be.
    """

    def __init__(
        self,
        error: CallboardError,
        *,
        unpaid: bool,
        retry_after_s: float | None = None,
        elsewhere: bool | None = None,
        busy: bool = False,
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.unpaid = unpaid
        self.retry_after_s = retry_after_s
        self.elsewhere = not isinstance(error, InvalidInput) if elsewhere is None else elsewhere
        self.busy = busy or isinstance(error, ConfigurationError)

    @property
    def transient(self) -> bool:
        """Whether another attempt may succeed."""
        return isinstance(self.error, ModelUnavailable) and self.error.transient


@dataclass(frozen=True, slots=True)
class Target:
    """The model that was called, in the words of messages."""

    name: str
    settings: ModelSettings
    api_base: str | None
    api_key: str | None

    def __str__(self) -> str:
        where = f" at {_USERINFO.sub('//***@', self.api_base)}" if self.api_base else ""
        return f"Model {self.name!r} ({self.settings.model}{where})"

    def scrubbed(self, text: str) -> str:
        """Return `text` without keys, on one line, of a length that suits a message."""
        if self.api_key:
            text = text.replace(self.api_key, "***")
        text = _USERINFO.sub("//***@", _SECRETS.sub("***", text))
        text = " ".join(text.split())
        return text if len(text) <= WORDS_LIMIT else text[:WORDS_LIMIT] + "..."


def describe(error: Exception, target: Target) -> CallFailed:
    """Return what `error`, raised by LiteLLM, means to the caller."""
    root = _root(error)
    status = _received_status(root)
    words = target.scrubbed(_words(error))
    if status is not None and status >= 400:
        return _refused(status, words, error, target)
    if isinstance(root, httpx.TimeoutException) or type(error).__name__ == "Timeout":
        return CallFailed(timed_out(target), unpaid=isinstance(root, httpx.ConnectTimeout))
    if isinstance(root, httpx.InvalidURL) or type(root) is httpx.RequestError:
        fix = f"Correct api_base of [models.{target.name}]: {words}."
        return CallFailed(ConfigurationError(f"{target} has no usable address. {fix}"), unpaid=True)
    if isinstance(root, httpx.TransportError):
        return _disconnected(root, target)
    return _never_sent(words, error, target) or _answered_badly(root, words, error, target)


def timed_out(target: Target | str, seconds: float | None = None) -> TimedOut:
    """Return the error for a model that did not answer in time."""
    after = f" within {seconds:g} s" if seconds is not None else " in time"
    name = target.name if isinstance(target, Target) else target
    return TimedOut(
        f"Model {name!r} did not answer{after}. Raise timeout_s of [models.{name}], ask for fewer "
        "tokens, or use a faster model."
    )


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
    inner = _JSON_MESSAGE.search(text)
    return inner.group(1) if inner else text


def _refused(status: int, words: str, error: Exception, target: Target) -> CallFailed:
    """Map an error status that the endpoint sent."""
    said = f"({status}: {words})"
    where = f"[models.{target.name}]"
    unpaid = status not in _MAYBE_PAID
    wait = _retry_after_s(error)
    found: CallboardError
    if type(error).__name__ == "ContextWindowExceededError":
        found = InvalidInput(
            f"{target} can't take so long a request {said}. Send less text, or use a model with "
            "a larger context."
        )
    elif status in (401, 403):
        key = target.settings.api_key_env
        fix = f"Check the key in {key!r}." if key else f"Set api_key_env in {where}."
        found = ModelUnavailable(f"{target} refused the key {said}. {fix}")
    elif status == 402:
        found = ModelUnavailable(f"{target} asks for payment {said}. Top up the account.")
    elif status == 404:
        found = ModelUnavailable(
            f"{target} does not exist there {said}. Check model and api_base of {where}."
        )
    elif status in (408, 504, 524):
        found = timed_out(target)
    elif status == 429:
        again = f"in {wait:g} s" if wait is not None else "later"
        found = ModelUnavailable(
            f"{target} is over its rate limit {said}. Try again {again}, or use another model.",
            transient=True,
        )
    elif status >= 500:
        found = ModelUnavailable(
            f"{target} failed {said}. Try again later, or look at the server's log.",
            transient=True,
        )
    else:
        found = InvalidInput(
            f"{target} refused the request {said}. Change the request, or the tools and "
            f"json_schema settings of {where}."
        )
    return CallFailed(found, unpaid=unpaid, retry_after_s=wait, busy=status == 429)


def _disconnected(root: httpx.TransportError, target: Target) -> CallFailed:
    """Map a connection that was not made, or broke."""
    # A connection that is reset after the request was sent is a ConnectError here too.
    cause = {kind.__name__ for kind in type(root.__cause__).__mro__}
    reset = "ClientOSError" in cause and "ClientConnectorError" not in cause
    if isinstance(root, (httpx.ConnectError, httpx.ProxyError)) and not reset:
        why = target.scrubbed(str(getattr(root.__cause__, "os_error", root)))
        message = (
            f"{target} can't be reached ({why}). Start the server, or correct api_base of "
            f"[models.{target.name}]."
        )
        return CallFailed(ModelUnavailable(message, transient=True), unpaid=True)
    return broken_off(target)


def broken_off(target: Target) -> CallFailed:
    """Return the failure of a connection that ended before the reply did."""
    error = ModelUnavailable(
        f"{target} broke off before its reply was whole. Ask again.", transient=True
    )
    return CallFailed(error, unpaid=False)


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
    message = f"{target} failed ({words}). Try again later, or look at the server's log."
    return CallFailed(ModelUnavailable(message, transient=True), unpaid=False)


def unreadable(target: Target, words: str) -> CallFailed:
    """Return the failure of an endpoint that sent something else than a completion."""
    message = f"{target} sent something that is no chat completion ({words}). Check its api_base."
    return CallFailed(BadModelOutput(message), unpaid=False)


def _retry_after_s(error: Exception) -> float | None:
    """Return the endpoint's wish in seconds: a number or an HTTP date (RFC 9110, 10.2.3)."""
    headers = getattr(error, "litellm_response_headers", None)
    value = headers.get("retry-after") if headers is not None else None
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
