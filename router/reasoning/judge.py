"""The reasoning router: a model judges a shortlist, with a reason first and then the agents.

Source: TCAR (arXiv 2601.04544). A reason that disagrees with the ids is asked about once more. A
model can also be read by how likely it finds each id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from ...agents.spec import OUT_OF_SCOPE
from ...config import Reading
from ...errors import CallboardError, ConfigurationError
from ...models.journal import Journal
from .consistency import contradiction
from .likelihood import LikelihoodReader, likeliest
from .prompt import (
    MAX_ANSWER_CHARS,
    Case,
    again_request,
    load_prompt,
    reason_request,
    shown_query,
)
from .remembered import REMEMBERED, JudgementKey, Remembered, normalised
from .talk import Talk
from .word import Word, parse


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


class ReasoningRouter:
    """Judges cases by one model, and remembers its judgements. Used on one event loop.

    `logprobs` is what the model's settings say: whether its endpoint tells log-probabilities.
    The last `remembered` judgements are kept.

    Raises:
        ConfigurationError: `reading` needs log-probabilities, and the endpoint tells none.
    """

    def __init__(
        self,
        model: str,
        *,
        reading: Reading = "reason",
        logprobs: bool = False,
        remembered: int = REMEMBERED,
    ) -> None:
        if reading != "reason" and not logprobs:
            raise ConfigurationError(
                f"[router] reading = {reading!r} needs the log-probabilities of model {model!r}. "
                f"Set logprobs = true in [models.{model}] if its endpoint tells them, or "
                'reading = "reason".'
            )
        self._model = model
        self._reading: Reading = reading
        self._likelihood = LikelihoodReader(model)
        self._judgements: Remembered[JudgementKey, Judgement] = Remembered(remembered)

    def forget(self) -> None:
        """Forget what was judged; it is asked again."""
        self._judgements.forget()

    async def judge(self, case: Case, journal: Journal) -> Judgement:
        """Judge which agents of the shortlist should answer.

        Raises:
            BadModelOutput: the reply names no agent of the shortlist and not `oos` either, or the
                reading needs log-probabilities and the reply has none.
            CallboardError: the call failed.
        """
        talk = Talk(self._model, journal)
        judgement, known = await self._judgements.get(
            self._key(case),
            lambda: self._judge(case, talk),
            # A second call that failed leaves a judgement that is good enough for this query only.
            keep=lambda: not talk.failed,
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
            tenant=case.tenant,
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
