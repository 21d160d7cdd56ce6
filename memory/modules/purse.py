"""What one recall may still spend: counted from the replies of the models that it asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, TypeVar

from ...errors import BudgetExceeded
from ...model_settings import ModelChoice
from ...models.chat import ChatReply, ChatRequest
from ...models.journal import Journal, OnText

T = TypeVar("T")


class Purse:
    """The money of one recall. `limit_usd` None: no limit but that of the turn."""

    def __init__(self, limit_usd: Decimal | None) -> None:
        self._limit_usd = limit_usd
        self._spent_usd: Decimal | None = Decimal(0)

    @property
    def left_usd(self) -> Decimal | None:
        """What is left; nothing once a call of unknown cost was made under a limit."""
        if self._limit_usd is None:
            return None
        if self._spent_usd is None:
            return Decimal(0)
        return max(self._limit_usd - self._spent_usd, Decimal(0))

    def counted(self, journal: Journal) -> Journal:
        """Return the journal, with its calls paid from here."""
        return _Counted(journal, self)

    def check(self) -> None:
        """See that something is left.

        Raises:
            BudgetExceeded: the limit of this recall is reached.
        """
        if self._limit_usd is not None and not self.left_usd:
            raise BudgetExceeded(
                f"The memory budget of {self._limit_usd} US dollars is used up. Raise "
                "memory_budget_usd, or leave it out."
            )

    def pay(self, cost_usd: Decimal | None) -> None:
        """Count what a call cost; None is unknown."""
        known = cost_usd is not None and self._spent_usd is not None
        self._spent_usd = self._spent_usd + cost_usd if known else None  # type: ignore[operator]


class _Counted:
    def __init__(self, journal: Journal, purse: Purse) -> None:
        self._journal = journal
        self._purse = purse

    async def once(
        self,
        key: str,
        name: str,
        work: Callable[[Journal], Awaitable[T]],
        *,
        returns: Any,
        agent: str | None = None,
        repeatable: bool = True,
    ) -> T:
        async def counted(journal: Journal) -> T:
            return await work(self._purse.counted(journal))

        return await self._journal.once(
            key,
            name,
            counted,
            returns=returns,
            agent=agent,
            repeatable=repeatable,
        )

    async def ask(
        self, model: ModelChoice, request: ChatRequest, *, key: str, on_text: OnText | None = None
    ) -> ChatReply:
        self._purse.check()
        reply = await self._journal.ask(model, request, key=key, on_text=on_text)
        self._purse.pay(reply.usage.cost_usd)
        return reply
