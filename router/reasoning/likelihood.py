"""A model read by how likely it finds each agent, not by what it writes.

A small model often knows better than it writes: penalties and the schema choose one token, the
log-probabilities show what else it had in mind. They are calibrated by queries without content,
which tell what the model prefers whatever it is asked. Whole ids are scored, not letters that stand
for them, because a small model knows what the words mean.

Source: Zhao et al. 2021, Calibrate Before Use (arXiv 2102.09690), section 5.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence

from ...agents.spec import OUT_OF_SCOPE
from ...errors import BadModelOutput
from ...models.chat import ChatReply, TokenLogprobs
from .prompt import Case, content_free_requests, id_request, load_prompt
from .remembered import Remembered
from .talk import Talk

FLOOR = 0.001
"""The least share of an id: servers tell only the 20 likeliest tokens, so none is impossible."""
EVEN = 0.5
"""How much of an even distribution is mixed into what content-free queries show. A choice of ours:
with so little told about unlikely ids, dividing by their shares alone would let noise decide."""
RIVAL = 0.5
"""An agent is chosen beside the likeliest one if it is at least this much as likely."""

_VALUE = re.compile(r'"agent"\s*:\s*"')


class LikelihoodReader:
    """Asks `model` for one id, and remembers what it prefers whatever it is asked."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._priors: Remembered[tuple[object, ...], tuple[dict[str, float], ...]] = Remembered()

    async def weigh(self, case: Case, talk: Talk) -> dict[str, float]:
        """Return how likely each agent of the shortlist and `oos` is, calibrated; they add up to 1.

        Raises:
            BadModelOutput: the model told no log-probabilities, or answered something else.
            CallboardError: a call failed.
        """
        shares = read(await talk.ask(id_request(case), key="likelihood"), case.names)

        async def ask_content_free() -> tuple[dict[str, float], ...]:
            # One after the other: they begin alike, and a server reads that beginning once.
            return tuple(
                [
                    read(await talk.ask(request, key=f"content-free {number}"), case.names)
                    for number, request in enumerate(content_free_requests(case), start=1)
                ]
            )

        version = load_prompt().version
        key = (case.tenant, case.registry_version, case.names, case.max_agents, version)
        priors, _ = await self._priors.get(key, ask_content_free)
        return calibrated(shares, priors)


def read(reply: ChatReply, names: Sequence[str]) -> dict[str, float]:
    """Return how likely each of `names` and `oos` was as the answer; the shares add up to 1.

    At each token where ids part, the probability of every alternative goes to the ids that go on
    with it, in equal shares; those that share what was really written part at the next token.
    Probabilities are counted over ids alone: a server tells them before its schema forbids others.

    Raises:
        BadModelOutput: the reply has no log-probabilities, or no id where one should stand.
    """
    shares = dict.fromkeys((*names, OUT_OF_SCOPE), 0.0)
    # What is still to be written of each id; the quote tells it from one that goes on.
    rest = {name: f'{name}"' for name in shares}
    held = 1.0
    for lead, token in _value_tokens(reply):
        written = token.token[len(lead) :]
        parted = [
            (text, [name for name in rest if _meet(rest[name], text)], probability)
            for text, probability in _alternatives(token, lead)
        ]
        total = sum(probability for _, ids, probability in parted if ids)
        if not total:
            break
        left, held, going_on = held, 0.0, {}
        for text, ids, probability in parted:
            mass = left * probability / total
            if text == written:
                held, going_on = mass, {name: rest[name][len(text) :] for name in ids}
                continue
            for name in ids:
                shares[name] += mass / len(ids)
        rest = going_on
        if len(rest) < 2:
            break
    if len(rest) == len(shares):
        raise BadModelOutput(
            f"Model {reply.model!r} should have answered with the id of an agent, as JSON, but "
            f"said {reply.text[:200]!r}. A more capable model may be needed for [router] model."
        )
    for name in rest:
        shares[name] += held / len(rest)
    return _scaled({name: max(share, FLOOR) for name, share in shares.items()})


def calibrated(
    shares: Mapping[str, float], priors: Sequence[Mapping[str, float]]
) -> dict[str, float]:
    """Return `shares` divided by the mean of `priors`, what content-free queries gave.

    Only the agents are calibrated among themselves: for a query that says nothing `oos` is right,
    so its share there is no prejudice, and its share of this query stays as it is.

    Source: Zhao et al. 2021 (arXiv 2102.09690), section 5: W = diag(p_cf)^-1, b = 0.
    """
    among = _agents(shares)
    known = [_agents(prior) for prior in priors]
    weights = {}
    for name, share in among.items():
        mean = sum(prior[name] for prior in known) / len(known)
        weights[name] = share / ((1 - EVEN) * mean + EVEN / len(among))
    in_scope = 1 - shares[OUT_OF_SCOPE]
    fitted = {name: weight * in_scope for name, weight in _scaled(weights).items()}
    return fitted | {OUT_OF_SCOPE: shares[OUT_OF_SCOPE]}


def likeliest(shares: Mapping[str, float], *, max_agents: int) -> tuple[str, ...]:
    """Return the agents that a model read so would choose: none where `oos` is the likeliest."""
    best = max(shares.values())
    ranked = sorted(shares, key=lambda name: -shares[name])
    if ranked[0] == OUT_OF_SCOPE:
        return ()
    near = [name for name in ranked if shares[name] >= RIVAL * best and name != OUT_OF_SCOPE]
    return tuple(near[:max_agents])


def _value_tokens(reply: ChatReply) -> Iterator[tuple[str, TokenLogprobs]]:
    """Yield the tokens of the id, each with what of it stands before the id begins."""
    if not reply.logprobs:
        raise BadModelOutput(
            f"Model {reply.model!r} told no log-probabilities. Set logprobs = true for it if its "
            "endpoint offers them, or let it be read by the reason that it writes."
        )
    # Not the reply's text, which may lack a first space or hold no special tokens.
    value = _VALUE.search("".join(token.token for token in reply.logprobs))
    at = 0
    for token in reply.logprobs if value else ():
        begin, at = at, at + len(token.token)
        if value and at > value.end():
            yield token.token[: max(0, value.end() - begin)], token


def _alternatives(token: TokenLogprobs, lead: str) -> Iterator[tuple[str, float]]:
    """Yield what might have stood for `token` after `lead`, with its probability."""
    told = dict(((token.token, token.logprob), *token.alternatives))
    for text, logprob in told.items():
        bare, opening = text.lstrip() if lead else text, lead.lstrip()
        if bare.startswith(opening) and bare != opening:
            yield bare[len(opening) :], math.exp(logprob)


def _meet(rest: str, text: str) -> bool:
    return rest.startswith(text) or text.startswith(rest)


def _agents(shares: Mapping[str, float]) -> dict[str, float]:
    """Return the shares of the agents among themselves."""
    return _scaled({name: share for name, share in shares.items() if name != OUT_OF_SCOPE})


def _scaled(shares: Mapping[str, float]) -> dict[str, float]:
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items()}
