"""The reasoning router: a model judges a shortlist, with a reason first and then the agents.

Source: TCAR (arXiv 2601.04544). What the model writes is read tolerantly, JSON or tags; ids that
do not exist or repeat are dropped; `oos` means that no agent fits. A reason that disagrees with the
ids is asked about once more. A model can also be read by how likely it finds each id.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from ..errors import BadModelOutput, CallboardError
from ..models.journal import Journal
from .consistency import contradiction
from .judgements import REMEMBERED, JudgementKey, Remembered, normalised
from .likelihood import LikelihoodReader, likeliest
from .prompt import (
    MAX_ANSWER_CHARS,
    OUT_OF_SCOPE,
    Case,
    again_request,
    load_prompt,
    reason_request,
    shown_query,
)
from .talk import Talk

Reading: TypeAlias = Literal["reason", "likelihood", "both"]
"""How the model is read: by the reason and ids that it writes, by how likely it finds each id, or
by what it writes with the likelihoods beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the model judged: `agents` is empty where it found that none fits.

    `consistent` False: reason and ids disagree even after the model was asked once more, so the
    word deserves less trust. `weights` is each agent's probability where it was read; what is
    missing to 1 is that no agent fits. `cost_usd` covers all `calls`; a judgement that was
    remembered, or made for another query of the same words, is `cached` and cost nothing.
    """

    agents: tuple[str, ...]
    reason: str
    consistent: bool = True
    weights: Mapping[str, float] | None = None
    cost_usd: Decimal | None = Decimal(0)
    calls: int = 0
    cached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What a model wrote: ids of its list, `oos` among them if it was written, and a reason."""

    ids: tuple[str, ...]
    reason: str

    @property
    def agents(self) -> tuple[str, ...]:
        """The ids without `oos`."""
        return tuple(name for name in self.ids if name != OUT_OF_SCOPE)


class ReasoningRouter:
    """Judges cases by one model, and remembers its judgements. Used on one event loop."""

    def __init__(
        self, model: str, *, reading: Reading = "reason", remembered: int = REMEMBERED
    ) -> None:
        self._model = model
        self._reading: Reading = reading
        self._likelihood = LikelihoodReader(model)
        self._judgements: Remembered[JudgementKey, Judgement] = Remembered(remembered)

    async def judge(self, case: Case, journal: Journal) -> Judgement:
        """Judge which agents of the shortlist should answer.

        Raises:
            BadModelOutput: the reply names no agent of the shortlist and not `oos` either.
            CallboardError: the call failed.
        """
        judgement, known = await self._judgements.get(
            self._key(case), lambda: self._judge(case, Talk(self._model, journal))
        )
        if known:
            return replace(judgement, cost_usd=Decimal(0), calls=0, cached=True)
        return judgement

    async def _judge(self, case: Case, talk: Talk) -> Judgement:
        if self._reading == "likelihood":
            judgement = await self._likely(case, talk)
        else:
            judgement = await _reasoned(case, talk)
        if self._reading == "both":
            judgement = replace(judgement, weights=await self._weights(case, talk))
        return replace(judgement, cost_usd=talk.cost_usd, calls=talk.calls)

    async def _likely(self, case: Case, talk: Talk) -> Judgement:
        shares = await self._likelihood.weigh(case, talk)
        ranked = sorted(shares.items(), key=lambda item: -item[1])
        told = ", ".join(f"{name} {share:.2f}" for name, share in ranked[:3])
        return Judgement(
            agents=likeliest(shares, max_agents=case.max_agents),
            reason=f"The model finds likeliest: {told}.",
            weights=_without_oos(shares),
        )

    async def _weights(self, case: Case, talk: Talk) -> Mapping[str, float] | None:
        """Return the weights beside a judgement that stands without them, so they may fail."""
        try:
            return _without_oos(await self._likelihood.weigh(case, talk))
        except CallboardError:
            return None

    def _key(self, case: Case) -> JudgementKey:
        context = tuple(
            (
                normalised(shown_query(past.query)),
                normalised(past.answer[:MAX_ANSWER_CHARS]),
                past.agents,
            )
            for past in case.history
        )
        return JudgementKey(
            registry_version=case.registry_version,
            query=normalised(shown_query(case.query)),
            context=context,
            shortlist=case.names,
            max_agents=case.max_agents,
            model=self._model,
            prompt_version=load_prompt().version,
            reading=self._reading,
        )


async def _reasoned(case: Case, talk: Talk) -> Judgement:
    """Ask for reason and ids, and once more where they disagree."""
    reply = await talk.ask(reason_request(case), key="judge")
    first = parse(reply.text, case.names, max_agents=case.max_agents)
    wrong = _contradiction(first, case)
    if wrong is None:
        return Judgement(agents=first.agents, reason=first.reason)
    try:
        reply = await talk.ask(again_request(case, reply.text, wrong), key="judge again")
        second = parse(reply.text, case.names, max_agents=case.max_agents)
    except CallboardError:
        second = first  # the first word stands, for what it is worth
    if second is not first and _contradiction(second, case) is None:
        return Judgement(agents=second.agents, reason=second.reason)
    return Judgement(agents=first.agents, reason=first.reason, consistent=False)


def _contradiction(word: Word, case: Case) -> str | None:
    return contradiction(word.reason, word.ids, case.names, max_agents=case.max_agents)


def _without_oos(shares: Mapping[str, float]) -> dict[str, float]:
    return {name: share for name, share in shares.items() if name != OUT_OF_SCOPE}


# What was written ------------------------------------------------------------------------------

MAX_READ_CHARS = 20_000
_FIELDS = ("agents", "ids", "id", "agent")
_TAGGED_ID = re.compile(r"<id>(.*?)</id>", re.IGNORECASE | re.DOTALL)
_TAGGED_REASON = re.compile(r"<reason>(.*?)</reason>", re.IGNORECASE | re.DOTALL)


def parse(text: str, names: Sequence[str], *, max_agents: int) -> Word:
    """Read a reply: JSON or TCAR's tags, in any case, with anything around it.

    Raises:
        BadModelOutput: no listed agent and no `oos` is named where ids should stand.
    """
    written, reason = _read(text[-MAX_READ_CHARS:])
    known = {name.casefold(): name for name in (OUT_OF_SCOPE, *names)}
    ids = dict.fromkeys(known[entry] for entry in written if entry in known)
    if not ids:
        raise BadModelOutput(
            f"The reasoning router named no agent of its list and not {OUT_OF_SCOPE!r}: "
            f"{text[:200]!r}. A more capable model may be needed for [router] model."
        )
    agents = [name for name in ids if name != OUT_OF_SCOPE][:max_agents]
    kept = tuple(name for name in ids if name in agents or name == OUT_OF_SCOPE)
    return Word(ids=kept, reason=" ".join(reason.split()))


def _read(text: str) -> tuple[list[str], str]:
    """Return the ids, casefolded, and the reason; of several answers the last one counts."""
    answers = [data for data in _objects(text) if any(name in data for name in _FIELDS)]
    if answers:
        data = answers[-1]
        found = next(data[name] for name in _FIELDS if name in data)
        reason = data.get("reason", "")
        return list(_ids(found)), reason if isinstance(reason, str) else ""
    reasons = _TAGGED_REASON.findall(text)
    return list(_ids(_TAGGED_ID.findall(text))), reasons[-1] if reasons else ""


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects in `text`, those within others left out."""
    decoder = json.JSONDecoder()
    at = text.find("{")
    while at >= 0:
        try:
            data, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            at += 1
        else:
            yield data
        at = text.find("{", at)


def _ids(found: object) -> Iterator[str]:
    """Yield ids written as a list, as one text with commas, or as objects with an id."""
    if isinstance(found, str):
        for entry in found.split(","):
            yield entry.strip(" \t\r\n`'\"").casefold()
    elif isinstance(found, list):
        for entry in found:
            yield from _ids(entry)
    elif isinstance(found, dict):
        yield from _ids(next((found[name] for name in (*_FIELDS, "name") if name in found), ""))
