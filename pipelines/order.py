"""What a caller asks a Board for, checked before anything is stored."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from ..errors import InvalidInput
from ..router.budget import tiers_for
from ..values import MemoryBudget

HISTORY = 3
"""Earlier exchanges of the session that router and agents are told."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A query and what the caller pins, forbids and grants; stored, so that a run can resume."""

    query: str
    agents: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    memory: MemoryBudget = "auto"
    budget_usd: Decimal | None = None


def make_order(
    query: str,
    *,
    query_chars: int,
    agents: Sequence[str] | None = None,
    exclude: Collection[str] = (),
    memory: MemoryBudget = "auto",
    budget_usd: Decimal | float | str | None = None,
) -> Order:
    """Return the order, or say what is wrong with it.

    Raises:
        InvalidInput: the query is empty, too long or no text; a tier or an amount makes no sense.
    """
    if not isinstance(query, str) or not query.strip():
        raise InvalidInput("The query is empty. Ask something.")
    if len(query) > query_chars:
        raise InvalidInput(
            f"The query has {len(query):,} characters; {query_chars:,} are allowed. "
            "Shorten it, or raise [limits] query_chars."
        )
    if found := _CONTROL.search(query):
        raise InvalidInput(
            f"The query holds the control character {found.group()!r} at position "
            f"{found.start()}. Remove it."
        )
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
        memory=memory,
        budget_usd=_amount(budget_usd),
    )


def _amount(budget_usd: Decimal | float | str | None) -> Decimal | None:
    if budget_usd is None:
        return None
    try:
        amount = Decimal(str(budget_usd))
    except InvalidOperation as error:
        raise InvalidInput(f"budget_usd={budget_usd!r} is not an amount of US dollars.") from error
    if not amount.is_finite() or amount < 0:
        raise InvalidInput(f"budget_usd={budget_usd!r} must be 0 or more.")
    return amount
