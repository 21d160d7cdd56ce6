"""What calls may cost: limits of runs and sessions, and daily ones of users, agents and models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, TypeAlias

Bound: TypeAlias = Literal["run", "account", "session", "user", "agent", "model", "day"]


_WORDS: Mapping[Bound, tuple[str, str]] = {
    "run": ("the run's", "budget_usd"),
    "account": ("the money of the run that called this one's agent,", "budget_usd"),
    "session": ("the session's", "[limits] session_usd"),
    "user": ("the user's daily", "[limits] user_daily_usd"),
    "agent": ("the agent's daily", "limits.daily_usd of the agent"),
    "model": ("the model's daily", "daily_usd of the model"),
    "day": ("the day's", "[limits] daily_usd"),
}
"""Whose money each limit is, and what sets it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One limit: on what, and how much."""

    on: Bound
    amount_usd: Decimal

    @property
    def of(self) -> str:
        """Whose money it is, in words."""
        return _WORDS[self.on][0]

    @property
    def fix(self) -> str:
        """What to do when it is used up."""
        wait = "" if self.on in ("run", "session") else ", wait until tomorrow (UTC)"
        return f"Raise {_WORDS[self.on][1]}{wait}, or use a cheaper model or a shorter query."


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """All limits that hold for a call, in US dollars; None: no limit. Days are those of UTC.

    `account_usd` is that of the run on whose money a run draws that an agent began.
    `allow_unpriced`: a model without a known price may be called under a limit.
    """

    run_usd: Decimal | None = None
    account_usd: Decimal | None = None
    session_usd: Decimal | None = None
    user_daily_usd: Decimal | None = None
    agent_daily_usd: Decimal | None = None
    daily_usd: Decimal | None = None
    model_daily_usd: Mapping[str, Decimal] = field(default_factory=dict)
    allow_unpriced: bool = False

    def limits(self, *, session: str | None, agent: str | None, model: str) -> Iterator[Limit]:
        """Yield the limits that hold for a call of `model`, the narrowest first."""
        amounts: dict[Bound, Decimal | None] = {
            "run": self.run_usd,
            "account": self.account_usd,
            "session": self.session_usd if session is not None else None,
            "agent": self.agent_daily_usd if agent is not None else None,
            "user": self.user_daily_usd,
            "model": self.model_daily_usd.get(model),
            "day": self.daily_usd,
        }
        for on, amount in amounts.items():
            if amount is not None:
                yield Limit(on=on, amount_usd=amount)
