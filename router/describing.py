"""Suggests descriptions and example queries for agents that are not found well."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from ..agents.spec import Agent
from ..errors import BadModelOutput, InvalidInput
from ..models.chat import ChatRequest, Message
from ..models.journal import Journal
from ..values import Confusion, Suggestion

EXAMPLES = 5
MAX_TOKENS = 700
_SHOWN = 10
"""Examples and confusions that the model is shown, at most."""


class _Suggested(BaseModel):
    reason: str = ""
    description: str
    examples: list[str] = []


async def suggest(
    model: str,
    agent: Agent,
    confusions: Sequence[Confusion],
    agents: Mapping[str, Agent],
    journal: Journal,
) -> Suggestion:
    """Ask `model` how `agent` could be told apart better from those it is confused with.

    Raises:
        BadModelOutput: the reply is not what was asked for.
        CallboardError: the call failed.
    """
    request = _request(agent, [one for one in confusions if one.agent == agent.name], agents)
    reply = await journal.ask(model, request, key=f"describe {agent.name}")
    text = reply.text
    try:
        data = json.loads(text[text.index("{") : text.rindex("}") + 1])
        found = _Suggested.model_validate(data)
        # What the registry would refuse is not suggested.
        better = agent.model_validate(
            {**agent.model_dump(), "description": found.description, "examples": found.examples}
        )
    except (ValueError, ValidationError, InvalidInput) as error:
        raise BadModelOutput(
            f"The model was to describe the agent {agent.name!r} and answered {text[:200]!r}. "
            "A more capable model may be needed for [router] model."
        ) from error
    known = {example.casefold() for example in agent.examples}
    return Suggestion(
        agent=agent.name,
        description=better.description,
        examples=tuple(one for one in better.examples if one.casefold() not in known)[:EXAMPLES],
        reason=found.reason,
    )


def _request(
    agent: Agent, confusions: Sequence[Confusion], agents: Mapping[str, Agent]
) -> ChatRequest:
    prompt = _prompt()
    rivals = dict.fromkeys(one.other for one in confusions)
    user = prompt["user"].format(
        name=agent.name,
        description=_quote(agent.description),
        own=_quote("\n".join(agent.examples[:_SHOWN])) or "(none)",
        confusions="\n".join(f"{_quote(one.query)} -> {one.other}" for one in confusions[:_SHOWN])
        or "(none)",
        others=_quote(
            "\n".join(f"{name}: {agents[name].description}" for name in rivals if name in agents)
        )
        or "(none)",
    )
    return ChatRequest(
        messages=(
            Message(role="system", content=prompt["system"].format(examples=EXAMPLES)),
            Message(role="user", content=user),
        ),
        max_tokens=MAX_TOKENS,
        json_schema=_schema(),
    )


def _quote(text: str) -> str:
    """Keep data from closing the tag that it stands in."""
    return text.replace("<", "&lt;").replace(">", "&gt;")


def _schema() -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "reason": {"type": "string", "maxLength": 400},
            "description": {"type": "string", "maxLength": 1200},
            "examples": {
                "type": "array",
                "items": {"type": "string", "maxLength": 200},
                "maxItems": EXAMPLES,
            },
        },
        "required": ["reason", "description", "examples"],
        "additionalProperties": False,
    }


@lru_cache(maxsize=1)
def _prompt() -> dict[str, str]:
    text = files(__package__).joinpath("prompts/describe.yaml").read_text(encoding="utf-8")
    data: dict[str, str] = yaml.safe_load(text)
    return data
