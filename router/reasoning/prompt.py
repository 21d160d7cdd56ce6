"""How the reasoning router asks: the case that is to be judged, and the requests about it.

Rules stand in the system message; agents, conversation and query are data in the user's message,
and can't close the tags that they stand in. The words are a data file, `prompts/route.yaml`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

from ...agents.spec import OUT_OF_SCOPE, Agent
from ...models.chat import ChatRequest, Message
from ...values import Exchange

MAX_TOKENS = 300
MAX_ID_TOKENS = 64
"""The longest id has 64 characters, and tokens of ids hold two or more."""
TOP_LOGPROBS = 20
"""The most alternatives per token that OpenAI and vLLM tell."""
MAX_EXAMPLES = 3
MAX_ANSWER_CHARS = 400
"""An earlier answer is context; its beginning says what it was about."""
MAX_QUERY_CHARS = 4000
"""What is wanted stands at the beginning or the end of a long query, seldom in the middle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is to be judged: a query, and the agents that may answer it.

    `registry_version` is that of the snapshot that `shortlist` was taken from: the same tenant,
    version and names mean the same descriptions.
    """

    tenant: str
    registry_version: int
    query: str
    shortlist: tuple[Agent, ...]
    max_agents: int
    history: tuple[Exchange, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The ids that may be chosen, in the order in which they are shown.

        That is the alphabet's, whatever found them: prompts about the same agents begin alike, and
        the model's word owes nothing to the order of the scores that it is combined with.
        """
        return tuple(sorted(agent.name for agent in self.shortlist))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """The words of the data file.

    `reason`, `id` and `content_free` are said as they stand, `str.format` fills in the others.
    """

    version: int
    system: str
    agent: str
    examples: str
    user: str
    exchange: str
    answered_last: str
    no_history: str
    nobody: str
    reason: str
    id: str
    again: str
    content_free: tuple[str, ...]


@lru_cache(maxsize=1)
def load_prompt() -> Prompt:
    """Return the words that are shipped with Callboard."""
    text = files(__package__).joinpath("prompts/route.yaml").read_text(encoding="utf-8")
    data = yaml.safe_load(text)
    return Prompt(**data | {"content_free": tuple(data["content_free"])})


def reason_request(case: Case) -> ChatRequest:
    """Ask for a reason and then the agents."""
    return ChatRequest(
        messages=_messages(case, load_prompt().reason),
        max_tokens=MAX_TOKENS,
        json_schema=_reason_schema(case.names, case.max_agents),
    )


def again_request(case: Case, said: str, contradiction: str) -> ChatRequest:
    """Ask once more after the answer `said`, whose reason and ids disagree."""
    first = reason_request(case)
    again = load_prompt().again.format(contradiction=contradiction)
    return replace(
        first,
        messages=(
            *first.messages,
            Message(role="assistant", content=said),
            Message(role="user", content=again),
        ),
    )


def id_request(case: Case) -> ChatRequest:
    """Ask for one id alone, and how likely the others were."""
    return ChatRequest(
        messages=_messages(case, load_prompt().id),
        max_tokens=MAX_ID_TOKENS,
        json_schema=_id_schema(case.names),
        top_logprobs=TOP_LOGPROBS,
    )


def content_free_requests(case: Case) -> tuple[ChatRequest, ...]:
    """Ask the same about queries that say nothing."""
    return tuple(
        id_request(replace(case, query=query, history=())) for query in load_prompt().content_free
    )


def shown_query(query: str) -> str:
    """Return what is shown of a query: of a long one the beginning and the end."""
    if len(query) <= MAX_QUERY_CHARS:
        return query
    half = MAX_QUERY_CHARS // 2
    return f"{query[:half]} [...] {query[-half:]}"


def _messages(case: Case, form: str) -> tuple[Message, ...]:
    prompt = load_prompt()
    by_name = {agent.name: agent for agent in case.shortlist}
    user = prompt.user.format(
        agents="".join(_describe(by_name[name], prompt) for name in case.names),
        history=_conversation(case, prompt),
        query=_quote(shown_query(case.query)),
        form=form,
    )
    system = prompt.system.format(max_agents=case.max_agents)
    return Message(role="system", content=system), Message(role="user", content=user)


def _describe(agent: Agent, prompt: Prompt) -> str:
    examples = "; ".join(agent.examples[:MAX_EXAMPLES])
    return prompt.agent.format(
        id=agent.name,
        description=_quote(agent.description),
        examples=prompt.examples.format(examples=_quote(examples)) if examples else "",
    )


def _conversation(case: Case, prompt: Prompt) -> str:
    if not case.history:
        return prompt.no_history
    past = "".join(
        prompt.exchange.format(
            query=_quote(shown_query(exchange.query)),
            answer=_quote(exchange.answer[:MAX_ANSWER_CHARS]),
            agents=_quote(", ".join(exchange.agents)).replace('"', "&quot;"),
        )
        for exchange in case.history
    )
    listed = [name for name in case.history[-1].agents if name in case.names]
    return past + prompt.answered_last.format(agents=", ".join(listed) or prompt.nobody)


def _quote(text: str) -> str:
    """Keep data from closing the tag that it stands in."""
    return text.replace("<", "&lt;").replace(">", "&gt;")


def _reason_schema(names: Sequence[str], max_agents: int) -> dict[str, Any]:
    return _closed(
        {
            "reason": {"type": "string", "maxLength": 400},
            "agents": {
                "type": "array",
                "items": {"type": "string", "enum": [*names, OUT_OF_SCOPE]},
                "minItems": 1,
                "maxItems": max_agents,
            },
        }
    )


def _id_schema(names: Sequence[str]) -> dict[str, Any]:
    return _closed({"agent": {"type": "string", "enum": [*names, OUT_OF_SCOPE]}})


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
