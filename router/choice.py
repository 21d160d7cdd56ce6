"""From scores to a decision: which agents, and the reason for each that was taken or left.

Plain functions of what retrieval found and what the model judged; nothing is asked here.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace

from ..agents.registry import Snapshot
from ..config import RouterSettings
from ..errors import UnknownName, nearest
from ..values import Candidate, Decision, Part
from .guard import Verdict
from .reasoning.judge import Judgement
from .retrieval.retriever import AgentScore, Retrieval
from .selection import probable

COUNTS_HALF = "(This reason and the model's choice disagree, so its word counts half.)"
"""What the reason of such a decision ends with."""
_SURE = 0.8
"""From this probability of its best agent on, retrieval keeps a query that the model turns away."""
SHOWN = 8
"""Candidates kept with a decision, besides those chosen."""


def choose(retrieval: Retrieval, verdict: Verdict, settings: RouterSettings) -> Decision:
    """Decide by retrieval alone."""
    if not verdict.in_scope:
        return _rejected(retrieval, verdict)
    several = len(retrieval.parts) > 1
    parts: list[Part] = []
    held: list[float] = []
    left_out: tuple[str, ...] = ()
    for scored in retrieval.parts:
        fits = scored.fits(verdict.threshold)
        shares = [score.probability for score in scored.scores]
        most = 1 if several else settings.max_agents
        wanted = probable(shares, least=retrieval.least) if fits else ()
        chosen = wanted[:most]
        if not several:
            left_out = tuple(scored.scores[i].agent for i in wanted[most:])
        parts.append(Part(text=scored.text, agents=tuple(scored.scores[i].agent for i in chosen)))
        if chosen:
            held.append(sum(shares[index] for index in chosen))
    agents = _capped(parts, retrieval, settings.max_agents)
    return Decision(
        agents=agents,
        method="retrieval",
        reason=_retrieval_reason(parts, retrieval, agents) + _cut(left_out, retrieval, settings),
        left_out=left_out,
        confidence=round(min(1.0, min(held)), 4),
        in_scope=True,
        candidates=candidates(retrieval, agents),
        parts=tuple(parts) if several else (),
    )


def combine(
    judgement: Judgement, retrieval: Retrieval, verdict: Verdict, settings: RouterSettings
) -> Decision:
    """Let the model's word and the probabilities decide together; neither overrules the other."""
    heard = _heard(retrieval, judgement, verdict.threshold, settings.trust)
    best = max((score.probability for score in best_scores(retrieval).values()), default=0.0)
    # A query that the model finds out of scope stays in only where retrieval is sure of it.
    kept = bool(judgement.agents) or (verdict.in_scope and best >= _SURE)
    scores = [part.in_scope for part in heard.parts]
    decision = choose(
        heard, replace(verdict, in_scope=kept and max(scores) >= verdict.threshold), settings
    )
    return replace(
        decision,
        method="reasoning",
        reason=_judged_reason(judgement),
        confidence=decision.confidence if decision.in_scope else 1.0,
        candidates=candidates(heard, decision.agents, judged=judgement.agents),
        cost_usd=judgement.cost_usd,
    )


def _heard(retrieval: Retrieval, judgement: Judgement, threshold: float, trust: float) -> Retrieval:
    """Return what retrieval found after the model's word: as one more signal beside the others.

    A part whose best agent the model chose is in scope, unless the word counts half.
    """
    lifts = _lifts(judgement, trust if judgement.consistent else trust / 2)
    parts = []
    for part in retrieval.parts:
        odds = {
            score.agent: score.probability * math.exp(lifts.get(score.agent, 0.0))
            for score in part.scores
        }
        total = sum(odds.values())
        scores = sorted(
            (replace(one, probability=round(odds[one.agent] / total, 4)) for one in part.scores),
            key=lambda one: -one.probability,
        )
        chosen = bool(scores) and scores[0].agent in judgement.agents and judgement.consistent
        in_scope = max(part.in_scope, threshold) if chosen else part.in_scope
        parts.append(replace(part, scores=tuple(scores), in_scope=in_scope))
    return replace(retrieval, parts=tuple(parts))


def _lifts(judgement: Judgement, trust: float) -> dict[str, float]:
    """Return what the model's word adds to the relevance of each agent, which is in log-odds.

    Written, it adds `trust` to the agents that were chosen. Where it was read by likelihoods too,
    half of that comes from them: the log of each against an even share.

    Source: the logarithmic opinion pool (Genest and Zidek 1986, Combining Probability
    Distributions: A Critique and an Annotated Bibliography).
    """
    weights = judgement.weights
    if not weights:
        return dict.fromkeys(judgement.agents, trust)
    even = sum(weights.values()) / len(weights)
    return {
        name: trust / 2 * ((name in judgement.agents) + math.log(weight / even))
        for name, weight in weights.items()
    }


def _judged_reason(judgement: Judgement) -> str:
    reason = judgement.reason or "The model gave no reason."
    if judgement.consistent:
        return reason
    return f"{reason} {COUNTS_HALF}"


def pin(names: Sequence[str], snapshot: Snapshot, retrieval: Retrieval) -> Decision:
    """Take the agents that the caller named.

    Raises:
        UnknownName: one of them does not exist or can't be called now.
    """
    check_names(names, snapshot)
    agents = tuple(dict.fromkeys(names))
    return Decision(
        agents=agents,
        method="pinned",
        reason=f"The caller named {', '.join(agents)}.",
        confidence=1.0,
        in_scope=True,
        candidates=candidates(retrieval, agents, pinned=True),
    )


def check_names(names: Sequence[str], snapshot: Snapshot) -> None:
    """See that agents of these names can be called.

    Raises:
        UnknownName: one of them does not exist, or is detached or disabled.
    """
    for name in names:
        one = snapshot.by_name.get(name)
        if one is None or not one.live:
            live = [registered.agent.name for registered in snapshot.live]
            raise UnknownName(
                f"No agent {name!r} can be called{nearest(name, live)} "
                "'callboard agents list' shows all."
            )


def shortlist(retrieval: Retrieval, length: int) -> tuple[str, ...]:
    """Return the most probable agents over all parts, the best first."""
    best = best_scores(retrieval)
    return tuple(sorted(best, key=lambda name: -best[name].probability)[:length])


def best_scores(retrieval: Retrieval) -> dict[str, AgentScore]:
    """Return each agent's score in the part that it fits best."""
    best: dict[str, AgentScore] = {}
    for part in retrieval.parts:
        for score in part.scores:
            if score.agent not in best or score.probability > best[score.agent].probability:
                best[score.agent] = score
    return best


def candidates(
    retrieval: Retrieval,
    chosen: Collection[str],
    *,
    judged: Collection[str] | None = None,
    pinned: bool = False,
) -> tuple[Candidate, ...]:
    """Return the agents that were looked at, the most probable first, each with its reason."""
    best = best_scores(retrieval)
    order = sorted(best, key=lambda name: -best[name].probability)
    shown = [name for rank, name in enumerate(order) if rank < SHOWN or name in chosen]
    missing = [name for name in chosen if name not in best]
    found = [
        Candidate(
            agent=name,
            score=best[name].probability,
            chosen=name in chosen,
            reason=_evidence(best[name], judged, pinned and name in chosen),
        )
        for name in shown
    ]
    return (
        *found,
        *(
            Candidate(agent=name, score=0.0, chosen=True, reason="named by the caller")
            for name in missing
        ),
    )


def _cut(left_out: Sequence[str], retrieval: Retrieval, settings: RouterSettings) -> str:
    """Tell what the cap, or too few examples, did to the promised coverage."""
    if settings.coverage is not None and retrieval.coverage is None:
        return (
            f" The coverage of {settings.coverage:g} can't be promised: "
            "the agents have too few example queries that find them."
        )
    if not left_out:
        return ""
    return f" At most {settings.max_agents} are called, so {', '.join(left_out)} stayed out."


def _rejected(retrieval: Retrieval, verdict: Verdict) -> Decision:
    if not any(part.scores for part in retrieval.parts):
        reason = "No agent is registered that could be called."
    elif topics := [part.refused for part in retrieval.parts if part.refused]:
        reason = f"Out of scope: the query is about {topics[0]!r}, which this board refuses."
    else:
        reason = (
            f"Out of scope: the query fits no agent well enough "
            f"(score {verdict.score:.2f}, threshold {verdict.threshold:.2f})."
        )
    return Decision(
        agents=(),
        method="retrieval",
        reason=reason,
        confidence=round(1 - verdict.score, 4),
        in_scope=False,
        candidates=candidates(retrieval, ()),
    )


def _capped(parts: Sequence[Part], retrieval: Retrieval, most: int) -> tuple[str, ...]:
    names = list(dict.fromkeys(name for part in parts for name in part.agents))
    best = best_scores(retrieval)
    kept = set(sorted(names, key=lambda name: -best[name].probability)[:most])
    return tuple(name for name in names if name in kept)


def _retrieval_reason(parts: Sequence[Part], retrieval: Retrieval, agents: Collection[str]) -> str:
    sentences = []
    for part, scored in zip(parts, retrieval.parts, strict=True):
        subject = f"for {part.text!r}: " if len(parts) > 1 else ""
        called = [score for score in scored.scores if score.agent in part.agents]
        kept = [score for score in called if score.agent in agents]
        if kept:
            named = "; ".join(f"{score.agent}, {_likeness(score)}" for score in kept)
            sentences.append(f"{subject}{named}")
        elif called:
            sentences.append(f"{subject}left out, since no more agents may be called")
        else:
            sentences.append(f"{subject}no agent fits")
    return " ".join(f"{text[0].upper()}{text[1:]}." for text in sentences)


def _likeness(score: AgentScore) -> str:
    return f"near to its {score.kind} {score.nearest!r} ({score.cosine:.2f})"


def _evidence(score: AgentScore, judged: Collection[str] | None, pinned: bool) -> str:
    said = ""
    if pinned:
        said = "named by the caller; "
    elif judged is not None:
        said = "the model chose it; " if score.agent in judged else "the model left it; "
    lean = f"; {score.lean}" if score.lean else ""
    return f"{said}{_likeness(score)}{lean}"
