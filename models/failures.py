"""What it means when a model call fails: which error of ours, and whether it may have cost money.

No message holds a key.
"""

from __future__ import annotations

import email.utils
import re
import time
from dataclasses import dataclass

from ..errors import (
    BadModelOutput,
    CallboardError,
    ConfigurationError,
    InvalidInput,
    ModelUnavailable,
    TimedOut,
)
from ..model_settings import ModelSettings
from ..redaction import redact

WORDS_LIMIT = 300
"""Characters of an endpoint's own words that are repeated in a message."""

_JSON_MESSAGE = re.compile(r'"message":\s*"((?:[^"\\]|\\.)*)"')
_TOO_LONG = re.compile(r"(?i)context.{0,20}(length|window|size)|prompt is too long|too many tokens")
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
        where = f" at {redact(self.api_base)}" if self.api_base else ""
        return f"Model {self.name!r} ({self.settings.model}{where})"

    def scrubbed(self, text: str) -> str:
        """Return `text` without keys, on one line, of a length that suits a message."""
        text = " ".join(redact(text, (self.api_key or "",)).split())
        return text if len(text) <= WORDS_LIMIT else text[:WORDS_LIMIT] + "..."


def quoted(text: str) -> str:
    """Return what an endpoint said, out of the JSON that it said it in."""
    inner = _JSON_MESSAGE.search(text)
    return inner.group(1) if inner else text


def timed_out(target: Target | str, seconds: float | None = None) -> TimedOut:
    """Return the error for a model that did not answer in time."""
    after = f" within {seconds:g} s" if seconds is not None else " in time"
    name = target.name if isinstance(target, Target) else target
    return TimedOut(
        f"Model {name!r} did not answer{after}. Raise timeout_s of [models.{name}], ask for fewer "
        "tokens, or use a faster model."
    )


def refused(target: Target, status: int, words: str, retry_after: str | None) -> CallFailed:
    """Return the failure that an error status means; `retry_after` is the header of this name."""
    said = f"({status}: {words})"
    where = f"[models.{target.name}]"
    unpaid = status not in _MAYBE_PAID
    wait = _seconds(retry_after)
    found: CallboardError
    if 400 <= status < 500 and _TOO_LONG.search(words):
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


def unreachable(target: Target, why: str) -> CallFailed:
    """Return the failure of a connection that was never made."""
    message = (
        f"{target} can't be reached ({target.scrubbed(why)}). Start the server, or correct "
        f"api_base of [models.{target.name}]."
    )
    return CallFailed(ModelUnavailable(message, transient=True), unpaid=True)


def unusable(target: Target, words: str) -> CallFailed:
    """Return the failure of an address that is none."""
    fix = f"Correct api_base of [models.{target.name}]: {words}."
    return CallFailed(ConfigurationError(f"{target} has no usable address. {fix}"), unpaid=True)


def broken_off(target: Target) -> CallFailed:
    """Return the failure of a connection that ended before the reply did."""
    error = ModelUnavailable(
        f"{target} broke off before its reply was whole. Ask again.", transient=True
    )
    return CallFailed(error, unpaid=False)


def failed(target: Target, words: str) -> CallFailed:
    """Return the failure of an endpoint that began to answer and then reported an error."""
    message = f"{target} failed ({words}). Try again later, or look at the server's log."
    return CallFailed(ModelUnavailable(message, transient=True), unpaid=False)


def unreadable(target: Target, words: str) -> CallFailed:
    """Return the failure of an endpoint that sent something else than a completion."""
    message = f"{target} sent something that is no chat completion ({words}). Check its api_base."
    return CallFailed(BadModelOutput(message), unpaid=False)


def _seconds(retry_after: str | None) -> float | None:
    """Return the endpoint's wish in seconds: a number or an HTTP date (RFC 9110, 10.2.3)."""
    if not retry_after:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None
