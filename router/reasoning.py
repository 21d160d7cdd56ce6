"""The reasoning router: a model judges a shortlist, with a reason first and then the agents.

Source: TCAR (arXiv 2601.04544). What the model writes is read tolerantly, JSON or tags; ids that
do not exist or repeat are dropped; `oos` means that no agent fits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

from ..agents.spec import Agent
from ..errors import BadModelOutput
from ..models.chat import ChatRequest, Message
from ..models.journal import Journal
from ..values import Exchange

OUT_OF_SCOPE = "oos"
MAX_TOKENS = 300
MAX_EXAMPLES = 3
MAX_ANSWER_CHARS = 400
"""An earlier answer is context; its beginning says what it was about."""

_TAGGED_ID = re.compile(r"<id>(.*?)</id>", re.IGNORECASE | re.DOTALL)
_TAGGED_REASON = re.compile(r"<reason>(.*?)</reason>", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the model judged: `agents` is empty where it found that none fits."""

    agents: tuple[str, ...]
    reason: str
    cost_usd: Decimal | None = Decimal(0)


async def judge(
    model: str,
    query: str,
    shortlist: Sequence[Agent],
    journal: Journal,
    *,
    max_agents: int,
    history: Sequence[Exchange] = (),
) -> Judgement:
    """Ask `model` which agents of `shortlist` should answer `query`.

    Raises:
        BadModelOutput: the reply names no agent of the shortlist and not `oos` either.
        CallboardError: the call failed.
    """
    request = build_request(query, shortlist, max_agents=max_agents, history=history)
    reply = await journal.ask(model, request, key="judge")
    judgement = parse(reply.text, [agent.name for agent in shortlist], max_agents=max_agents)
    return replace(judgement, cost_usd=reply.usage.cost_usd)


def build_request(
    query: str, shortlist: Sequence[Agent], *, max_agents: int, history: Sequence[Exchange] = ()
) -> ChatRequest:
    """Return the request; rules stand in the system message, all else is data in the user's."""
    prompt = _prompt()
    names = [agent.name for agent in shortlist]
    agents = "\n".join(_describe(agent, prompt) for agent in shortlist)
    past = "\n".join(
        prompt["exchange"].format(
            query=_quote(exchange.query),
            answer=_quote(exchange.answer[:MAX_ANSWER_CHARS]),
            agents=", ".join(exchange.agents),
        )
        for exchange in history
    )
    user = prompt["user"].format(
        agents=agents, history=past or prompt["no_history"], query=_quote(query)
    )
    return ChatRequest(
        messages=(
            Message(role="system", content=prompt["system"].format(max_agents=max_agents)),
            Message(role="user", content=user),
        ),
        max_tokens=MAX_TOKENS,
        json_schema=_schema(names, max_agents),
    )


def parse(text: str, names: Sequence[str], *, max_agents: int) -> Judgement:
    """Read a reply: JSON or TCAR's tags, in any case, with anything around it.

    Raises:
        BadModelOutput: no listed agent and no `oos` is named where ids should stand.
    """
    written, reason = _read(text)
    known = {name.casefold(): name for name in names}
    ids = [str(entry).strip().casefold() for entry in written]
    agents = tuple(dict.fromkeys(known[entry] for entry in ids if entry in known))
    if not agents and OUT_OF_SCOPE not in ids:
        raise BadModelOutput(
            f"The reasoning router named no agent of its list and not {OUT_OF_SCOPE!r}: "
            f"{text[:200]!r}. A more capable model may be needed for [router] model."
        )
    return Judgement(agents=agents[:max_agents], reason=" ".join(reason.split()))


def _read(text: str) -> tuple[list[Any], str]:
    start, end = text.find("{"), text.rfind("}")
    if 0 <= start < end:
        try:
            data = json.loads(text[start : end + 1])
        except json.JSONDecodeError:
            data = None
        if isinstance(data, dict):
            found = data.get("agents", data.get("ids", data.get("id", [])))
            return found if isinstance(found, list) else [found], str(data.get("reason", ""))
    reason = _TAGGED_REASON.search(text)
    return _TAGGED_ID.findall(text), reason.group(1) if reason else ""


def _describe(agent: Agent, prompt: Mapping[str, str]) -> str:
    examples = "; ".join(agent.examples[:MAX_EXAMPLES])
    return prompt["agent"].format(
        id=agent.name,
        description=_quote(agent.description),
        examples=prompt["examples"].format(examples=_quote(examples)) if examples else "",
    )


def _quote(text: str) -> str:
    """Keep data from closing the tag that it stands in."""
    return text.replace("<", "&lt;").replace(">", "&gt;")


def _schema(names: Sequence[str], max_agents: int) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "reason": {"type": "string", "maxLength": 400},
            "agents": {
                "type": "array",
                "items": {"type": "string", "enum": [*names, OUT_OF_SCOPE]},
                "minItems": 1,
                "maxItems": max_agents,
            },
        },
        "required": ["reason", "agents"],
        "additionalProperties": False,
    }


@lru_cache(maxsize=1)
def _prompt() -> dict[str, str]:
    text = files(__package__).joinpath("prompts/route.yaml").read_text(encoding="utf-8")
    data: dict[str, str] = yaml.safe_load(text)
    return data
