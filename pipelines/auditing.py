"""What the audit of billed reasoning is made of: the calls of all runs, as they are stored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from ..codec import from_json
from ..models.audit import AuditedCall, audit
from ..models.chat import ChatReply
from ..records import Audit
from ..store.summaries import Summaries
from ..values import Scope
from .journal import step_of_turn

WINDOW = timedelta(days=7)
"""The time whose calls are audited, where the caller says nothing else."""


def audit_reasoning(
    summaries: Summaries,
    scope: Scope,
    *,
    everyone: bool,
    since: datetime | None,
    count_tokens: Callable[[str], int],
) -> Audit:
    """Audit the calls from `since` on; blocks, for `count_tokens` reads every answer.

    What was answered from memory was not billed, and does not count.
    """
    replies = (
        (row, from_json(ChatReply, row.output)) for row in summaries.calls(scope, everyone=everyone)
    )
    calls = (_audited(row, reply, count_tokens) for row, reply in replies if not reply.cached)
    return audit(calls, since or datetime.now(UTC) - WINDOW)


def _audited(row: Any, reply: ChatReply, count_tokens: Callable[[str], int]) -> AuditedCall:
    said = [reply.text, *(f"{call.name} {call.arguments}" for call in reply.tool_calls)]
    return AuditedCall(
        model=reply.model,
        domain=row.agent or step_of_turn(row.key),
        at=row.started_at,
        run_id=row.run_id,
        prompt_tokens=reply.usage.input_tokens or 0,
        visible_tokens=max(1, count_tokens("\n".join(said))),
        reasoning_tokens=reply.usage.reasoning_tokens,
    )
