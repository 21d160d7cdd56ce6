"""A run that the function of an agent begins: it draws on the money of the run that called it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whose money a run draws on: that of the outermost run; `limit_usd` None: it has no limit."""

    run_id: str
    limit_usd: Decimal | None


_account: ContextVar[Account | None] = ContextVar("callboard_account", default=None)


def account() -> Account | None:
    """Return the account of the run whose agent is at work here; None: no agent is."""
    return _account.get()


@contextmanager
def drawing_on(account: Account) -> Iterator[None]:
    """Let runs that are begun in this block, or in threads that know its context, draw on it."""
    token = _account.set(account)
    try:
        yield
    finally:
        _account.reset(token)
