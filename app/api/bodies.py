"""What requests say beside a query, in one form for all endpoints."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from ...board import Asking
from .access import Caller
from .problems import Problem

Below = Annotated[
    str | None, Query(alias="user", description="A user below the key's own; null: its own.")
]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many, the newest first.")]
Before = Annotated[str | None, Query(description="The id of the last one of the page before.")]


Everyone = Annotated[bool, Query(description="Of all users; needs the role 'runs'.")]


def whose(caller: Caller, below: str | None, everyone: bool) -> str | None:
    """Return the user whose records are meant; None: all users'."""
    if not everyone:
        return caller.user(below)
    if not caller.may("runs"):
        raise Problem(403, "The key does not have the role 'runs', which all_users needs.")
    return None


def aware(at: datetime | None) -> datetime | None:
    """Return an instant; one without a time zone is UTC."""
    return at if at is None or at.tzinfo else at.replace(tzinfo=UTC)


class Body(BaseModel):
    """The JSON of a request; a field that it does not know is an error."""

    model_config = ConfigDict(extra="forbid")


class AskingBody(Body):
    """What may be said with a query."""

    user: str | None = Field(default=None, description="A user below the key's own.")
    session: str | None = Field(default=None, max_length=200, description="The conversation.")
    agents: list[str] | None = Field(default=None, max_length=100, description="Call these alone.")
    exclude: tuple[str, ...] = Field(default=(), max_length=1000, description="Never call these.")
    memory: Any = Field(
        default=None, description="auto, low, mid, high, or a tier for each module of recall."
    )
    memory_budget_usd: Decimal | None = Field(default=None, ge=0)
    budget_usd: Decimal | None = Field(default=None, ge=0)

    def asking(self, caller: Caller) -> Asking:
        """Return it as the Board takes it, for the user that the caller may speak for."""
        said: Asking = {
            "user": caller.user(self.user),
            "session": self.session,
            "agents": self.agents,
            "exclude": self.exclude,
            "memory_budget_usd": self.memory_budget_usd,
            "budget_usd": self.budget_usd,
        }
        if self.memory is not None:
            said["memory"] = self.memory
        return said


class Question(AskingBody):
    """A query and what is said with it."""

    query: str
