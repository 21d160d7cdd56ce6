"""The calls to the model that one judgement takes, and what they cost together."""

from __future__ import annotations

from decimal import Decimal

from ...errors import BudgetExceeded, CallboardError
from ...models.chat import ChatReply, ChatRequest
from ...models.journal import Journal
from ...values import UNKNOWN_USAGE, Usage, total_cost


class Talk:
    """Asks one model through one journal, and counts."""

    def __init__(self, model: str, journal: Journal) -> None:
        self._model = model
        self._journal = journal
        self._usages: list[Usage] = []
        self.failed = False
        """Whether a call failed or was not made for want of money."""

    async def ask(self, request: ChatRequest, *, key: str) -> ChatReply:
        """Ask the model. Raises what the journal raises."""
        try:
            reply = await self._journal.ask(self._model, request, key=key)
        except CallboardError as error:
            self.failed = True
            if not isinstance(error, BudgetExceeded):  # which is raised before a call is made
                self._usages.append(UNKNOWN_USAGE)
            raise
        self._usages.append(reply.usage)
        return reply

    @property
    def calls(self) -> int:
        """How many calls were made."""
        return len(self._usages)

    @property
    def cost_usd(self) -> Decimal | None:
        """What they cost; None if one of them failed, or has no known price."""
        return total_cost(self._usages)
