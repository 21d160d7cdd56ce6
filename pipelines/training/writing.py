"""Has a model write queries for documents that come without any."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from importlib.resources import files

import numpy as np
import yaml

from ...errors import BudgetExceeded, CallboardError
from ...models.chat import ChatRequest, Message
from ...models.journal import Journal
from ...search.experts.training_set import TrainingSet

AT_ONCE = 8
MAX_CHARS = 2000
"""More of a document is not shown."""
MAX_TOKENS = 80
_FEWEST_WORDS = 2


async def written(
    given: TrainingSet,
    model: str,
    journal: Journal,
    *,
    most: int,
    seed: int = 0,
    progress: Callable[[str], None] = lambda told: None,
) -> TrainingSet:
    """Return the set with queries that `model` wrote for `most` of its documents.

    A document for which it wrote nothing of use is left out.

    Raises:
        BudgetExceeded: the money is used up before there is one query.
        CallboardError: no call succeeded.
    """
    order = np.random.default_rng(seed).permutation(len(given.documents))[:most].tolist()
    room = asyncio.Semaphore(AT_ONCE)
    failed: list[CallboardError] = []

    async def write(place: int) -> str:
        async with room:
            if any(isinstance(one, BudgetExceeded) for one in failed):
                return ""
            progress(f"{model} writes a query for document {place}")
            request = _request(given.documents[place].whole)
            try:
                reply = await journal.ask(model, request, key=f"query {place}")
            except CallboardError as error:
                failed.append(error)
                return ""
            return _query(reply.text)

    queries = dict(zip(order, await asyncio.gather(*map(write, order)), strict=True))
    kept = {place: query for place, query in queries.items() if query}
    if failed and not kept:
        raise failed[0]
    return replace(
        given,
        queries=tuple(kept.values()),
        gains=tuple({place: 1.0} for place in kept),
        synthetic=True,
    )


def _query(text: str) -> str:
    """Return the query in a reply; empty: there is none."""
    try:
        found = json.loads(text[text.index("{") : text.rindex("}") + 1])["query"]
    except (ValueError, KeyError, TypeError):
        return ""
    query = " ".join(str(found).split())
    return query if len(query.split()) >= _FEWEST_WORDS else ""


def _request(text: str) -> ChatRequest:
    prompt = _prompt()
    shown = text[:MAX_CHARS].replace("<", "&lt;").replace(">", "&gt;")
    return ChatRequest(
        messages=(
            Message(role="system", content=prompt["system"]),
            Message(role="user", content=prompt["user"].format(text=shown)),
        ),
        max_tokens=MAX_TOKENS,
        json_schema={
            "type": "object",
            "properties": {"query": {"type": "string", "maxLength": 200}},
            "required": ["query"],
            "additionalProperties": False,
        },
    )


@lru_cache(maxsize=1)
def _prompt() -> dict[str, str]:
    text = files(__package__).joinpath("prompts/queries.yaml").read_text(encoding="utf-8")
    data: dict[str, str] = yaml.safe_load(text)
    return data
