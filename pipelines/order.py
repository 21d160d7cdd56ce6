"""What a caller asks a Board for, checked before anything is stored."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

from ..errors import InvalidInput
from ..router.budget import tiers_for
from ..router.router import Question
from ..store.engine import Store
from ..values import Exchange, MemoryBudget, Scope
from .nesting import Account, account

Money: TypeAlias = Decimal | float | str
"""US dollars as people write them."""
HISTORY = 3
"""Earlier exchanges that router and agents are told, the last ones."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A query and what the caller pins, forbids and grants; stored, so that a run can resume.

    `allowed` are the only agents that the caller may use; None: all.
    `history` is the conversation as the caller tells it, oldest first; None: that of the session.
    `replays` is the run that is asked again: nothing of it, or of this one, is remembered for it.
    `account` is whose money it draws on, where an agent of another run asks.
    Without `streamed` models answer whole, which costs half the CPU, and a failure in mid-answer
    can be mended by another try.
    """

    query: str
    agents: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    allowed: tuple[str, ...] | None = None
    memory: MemoryBudget = "auto"
    memory_budget_usd: Decimal | None = None
    budget_usd: Decimal | None = None
    history: tuple[Exchange, ...] | None = None
    replays: str | None = None
    account: Account | None = None
    streamed: bool = True

    async def question(self, store: Store, scope: Scope) -> Question:
        """Return the question for the router, with what the session holds if nobody told more."""
        history = self.history or ()
        if self.history is None and scope.session is not None:
            history = await store.call(store.runs.exchanges, scope, limit=HISTORY)
        return Question(
            query=self.query,
            agents=self.agents,
            exclude=self.exclude,
            allowed=self.allowed,
            history=history,
            budget_usd=self.budget_usd,
            tiers=tiers_for(self.memory),
        )


def make_order(
    query: str,
    *,
    query_chars: int,
    agents: Sequence[str] | None = None,
    exclude: Collection[str] = (),
    allowed: tuple[str, ...] | None = None,
    memory: MemoryBudget = "auto",
    memory_budget_usd: Decimal | float | str | None = None,
    budget_usd: Decimal | float | str | None = None,
    history: Sequence[Exchange] | None = None,
) -> Order:
    """Return the order, or say what is wrong with it.

    Raises:
        InvalidInput: the query is empty, too long or no text; a tier or an amount makes no sense;
            the history is no list of exchanges, or a text in it is too long or no text.
    """
    if not isinstance(query, str) or not query.strip():
        raise InvalidInput("The query is empty. Ask something.")
    _check_text("The query", query, query_chars)
    if isinstance(agents, str) or isinstance(exclude, str):
        raise InvalidInput("agents and exclude are lists of names, such as ['billing'].")
    if agents is not None and not agents:
        raise InvalidInput(
            "agents=[] pins no agent. Name one, or leave it out to let the router choose."
        )
    tiers_for(memory)
    return Order(
        query=query,
        agents=None if agents is None else tuple(agents),
        exclude=tuple(exclude),
        allowed=allowed,
        memory=memory,
        memory_budget_usd=amount_of(memory_budget_usd, "memory_budget_usd"),
        budget_usd=amount_of(budget_usd),
        history=None if history is None else _told(history, query_chars),
        account=account(),
    )


def _check_text(what: str, text: str, most: int) -> None:
    if len(text) > most:
        raise InvalidInput(
            f"{what} has {len(text):,} characters; {most:,} are allowed. "
            "Shorten it, or raise [limits] query_chars."
        )
    if found := _CONTROL.search(text):
        raise InvalidInput(
            f"{what} holds the control character {found.group()!r} at position "
            f"{found.start()}. Remove it."
        )


def _told(history: Sequence[Exchange], most: int) -> tuple[Exchange, ...]:
    """Return the last exchanges; those before are not told to anybody, and not kept."""
    for exchange in history:
        if not isinstance(exchange, Exchange):
            raise InvalidInput(
                f"history holds {reprlib.repr(exchange)}; it is a list of "
                "Exchange(query=..., answer=...), the oldest first."
            )
    last = tuple(history)[-HISTORY:]
    for exchange in last:
        for what, text in (("A query", exchange.query), ("An answer", exchange.answer)):
            if not isinstance(text, str):
                raise InvalidInput(f"{what} in the history is {reprlib.repr(text)}, and no text.")
            _check_text(f"{what} in the history", text, most)
    return last


def amount_of(budget_usd: Money | None, name: str = "budget_usd") -> Decimal | None:
    """Return a budget in US dollars as people write it; None is no budget.

    Raises:
        InvalidInput: it is no amount, or negative.
    """
    if budget_usd is None:
        return None
    try:
        amount = Decimal(str(budget_usd))
    except InvalidOperation as error:
        raise InvalidInput(f"{name}={budget_usd!r} is not an amount of US dollars.") from error
    if not amount.is_finite() or amount < 0:
        raise InvalidInput(f"{name}={budget_usd!r} must be 0 or more.")
    return amount
