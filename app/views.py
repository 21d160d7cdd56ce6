"""What the app shows of a saved run: as JSON, as a tree of steps, as text of money and time.

Every view is a function of the record alone, so that a run of last week looks as it did live, and
the terminal, the HTTP API and the pages say the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ..values import (
    JSON,
    MEMORY_MODULES,
    Checkup,
    Decision,
    Feedback,
    Remembered,
    RoutingMetrics,
    Run,
    Step,
    Suggestion,
    Usage,
    known_cost,
    total_cost,
)

if TYPE_CHECKING:
    from ..agents.registry import Registered
    from ..models.check import ModelCheck
    from ..pipelines.experts import RegisteredExpert
    from ..records import ApiKey, Audit, Change
    from ..search.experts.expert import Card, Score
    from ..search.experts.roster import ExpertChoice

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

AUDIT_MEANING = (
    "Billed hidden reasoning against what earlier calls of the same model, agent and length of "
    "prompt needed for as long an answer. A signal, not a proof: harder questions need more "
    "reasoning too, 1 honest call in 100 lies above P99 and 1 honest interval in 40 above 1, and "
    "who billed too much from the first day on looks as usual."
)


def run_json(run: Run) -> dict[str, JSON]:
    """Return a run as one JSON object; money as numbers in US dollars, null when unknown."""
    return {
        "id": run.id,
        "status": run.status,
        "query": run.query,
        "answer": run.answer,
        "error": run.error,
        "user": run.scope.user,
        "session": run.scope.session,
        "created_at": run.created_at.isoformat(),
        "decision": decision_json(run.decision) if run.decision else None,
        "memory": memory_json(run),
        "experts": [asdict(view) for view in expert_views(run)],
        "steps": [step_json(step) for step in run.steps],
        "cost_usd": number(run.cost_usd),
        "known_cost_usd": number(run.known_cost_usd),
        "latency_s": run.latency_s,
    }


def checkup_json(checkup: Checkup) -> dict[str, JSON]:
    """Return what a check of the agents found as one JSON object."""
    return {
        "agents": [asdict(one) for one in checkup.agents],
        "confusions": [asdict(one) for one in checkup.confusions],
        "alike": [
            {"agents": [one, other], "cosine": cosine} for one, other, cosine in checkup.alike
        ],
    }


def metrics_json(metrics: RoutingMetrics) -> dict[str, JSON]:
    """Return the routing metrics of stored runs as one JSON object."""
    return {
        **asdict(metrics),
        "persistence": {str(length): one for length, one in metrics.persistence.items()},
        "hit_rates": {str(pool): one for pool, one in metrics.hit_rates.items()},
    }


def suggestion_json(suggestion: Suggestion) -> dict[str, JSON]:
    """Return a suggestion as one JSON object."""
    return {**asdict(suggestion), "examples": list(suggestion.examples)}


def decision_json(decision: Decision) -> dict[str, JSON]:
    """Return a decision as one JSON object."""
    return {
        "agents": list(decision.agents),
        "method": decision.method,
        "reason": decision.reason,
        "confidence": decision.confidence,
        "in_scope": decision.in_scope,
        "candidates": [
            {
                "agent": candidate.agent,
                "score": candidate.score,
                "chosen": candidate.chosen,
                "reason": candidate.reason,
            }
            for candidate in decision.candidates
        ],
        "parts": [{"text": part.text, "agents": list(part.agents)} for part in decision.parts],
        "left_out": list(decision.left_out),
        "tiers": dict(decision.tiers),
        "guard_score": decision.guard_score,
        "guard_threshold": decision.guard_threshold,
        "budget_usd": number(decision.budget_usd),
        "latency_s": decision.latency_s,
        "cost_usd": number(decision.cost_usd),
    }


def step_json(step: Step) -> dict[str, JSON]:
    """Return a step as one JSON object."""
    return {
        "id": step.id,
        "parent_id": step.parent_id,
        "name": step.name,
        "agent": step.agent,
        "model": step.model,
        "attempt": step.attempt,
        "status": step.status,
        "started_at": step.started_at.isoformat(),
        "latency_s": step.latency_s,
        "usage": usage_json(step.usage),
        "error": step.error,
    }


def usage_json(usage: Usage) -> dict[str, JSON]:
    """Return tokens and cost as one JSON object; null is unknown."""
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cost_usd": number(usage.cost_usd),
    }


def model_check_json(check: ModelCheck) -> dict[str, JSON]:
    """Return how a model did when it was called, as one JSON object."""
    return {
        "name": check.name,
        "model": check.model,
        "ok": check.ok,
        "latency_s": check.latency_s,
        "usage": usage_json(check.usage),
        "error": check.error,
    }


def audit_json(audit: Audit) -> dict[str, JSON]:
    """Return the audit of billed reasoning as one JSON object; null: too little to tell."""
    return {
        "since": audit.since.isoformat(),
        "meaning": AUDIT_MEANING,
        "rows": [{**asdict(row), "times": row.times} for row in audit.rows],
    }


def agent_json(registered: Registered) -> dict[str, JSON]:
    """Return a registered agent as one JSON object: its specification, version and state."""
    return {
        **registered.agent.model_dump(mode="json"),
        "kind": registered.agent.kind,
        "version": registered.version,
        "state": registered.state,
        "reason": registered.reason,
    }


def feedback_json(feedback: Feedback) -> dict[str, JSON]:
    """Return what a user said of agents as one JSON object."""
    return {
        "id": feedback.id,
        "run_id": feedback.run_id,
        "user": feedback.user,
        "query": feedback.query,
        "agents": list(feedback.agents),
        "standing": list(feedback.standing),
        "score": feedback.score,
        "comment": feedback.comment,
        "created_at": feedback.created_at.isoformat(),
    }


def memory_json(run: Run) -> dict[str, JSON] | None:
    """Return what was chosen for each memory module, why, and what it cost; null: none ran."""
    modules = module_views(run)
    if not modules:
        return None
    memo = memo_of(run)
    return {
        "modules": [
            {
                "module": one.module,
                "asked": one.asked,
                "tier": one.tier,
                "reason": one.reason,
                "latency_s": one.latency_s,
                "usage": usage_json(together(one.usages)),
            }
            for one in modules
        ],
        "memo_tokens": memo.get("tokens"),
        "chunk_ids": memo.get("chunk_ids", []),
    }


def expert_json(one: RegisteredExpert) -> dict[str, JSON]:
    """Return what is known of an expert as one JSON object."""
    return {
        **card_json(one.card),
        "serves": list(one.serves),
        "created_at": one.created_at.isoformat(),
        "user": one.user,
        "reason": one.reason,
    }


def card_json(card: Card) -> dict[str, JSON]:
    """Return the card of an expert as one JSON object."""
    return {
        **asdict(card),
        "made_at": card.made_at.isoformat(),
        "score": {**asdict(card.score), "gain": card.score.gain},
    }


def choice_json(choice: ExpertChoice) -> dict[str, JSON]:
    """Return which expert was chosen as one JSON object; `expert` null is the base."""
    return {"expert": choice.expert, "reason": choice.reason, "scores": dict(choice.scores)}


def remembered_json(one: Remembered) -> dict[str, JSON]:
    """Return a piece of memory as one JSON object; null is not known, or does not apply."""
    instants = ("created_at", "valid_from", "expires_at")
    return {
        name: value.isoformat() if name in instants and value is not None else value
        for name, value in asdict(one).items()
    }


def key_json(key: ApiKey) -> dict[str, JSON]:
    """Return a key as one JSON object, without its secret; null is no limit, or never."""
    return {
        "id": key.id,
        "tenant": key.scope.tenant,
        "user": key.scope.user,
        "name": key.name,
        "roles": list(key.roles),
        "agents": None if key.agents is None else list(key.agents),
        "per_minute": key.per_minute,
        "at_once": key.at_once,
        **{
            name: None if at is None else at.isoformat()
            for name, at in (
                ("created_at", key.created_at),
                ("expires_at", key.expires_at),
                ("revoked_at", key.revoked_at),
                ("last_used_at", key.last_used_at),
            )
        },
    }


def change_json(change: Change) -> dict[str, JSON]:
    """Return an entry of the audit log as one JSON object."""
    return {
        "id": change.id,
        "created_at": change.created_at.isoformat(),
        "tenant": change.scope.tenant,
        "user": change.scope.user,
        "key": change.key_id,
        "action": change.action,
        "object": change.object,
        "detail": change.detail,
        "outcome": change.outcome,
        "error": change.error,
    }


def number(money: Decimal | None) -> float | None:
    """Return US dollars as a JSON number, or None when unknown."""
    return None if money is None else float(money)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A step with the steps below it, and what they used together."""

    step: Step
    children: tuple[Node, ...]

    def usages(self) -> Iterator[Usage]:
        """Yield the usage of this step and of all below it."""
        yield self.step.usage
        for child in self.children:
            yield from child.usages()


def step_tree(run: Run) -> tuple[Node, ...]:
    """Return the run's steps as trees, in the order in which they started.

    A step whose parent is not in the record stands at the top: nothing is hidden.
    """
    known = {step.id for step in run.steps}
    below: dict[str | None, list[Step]] = {}
    for step in sorted(run.steps, key=lambda step: step.started_at):
        below.setdefault(step.parent_id if step.parent_id in known else None, []).append(step)

    def node(step: Step) -> Node:
        return Node(step=step, children=tuple(node(child) for child in below.get(step.id, ())))

    return tuple(node(step) for step in below.get(None, ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleView:
    """One memory module of a run: the tier that was chosen, the one it was done at, and why."""

    module: str
    asked: str
    tier: str
    reason: str
    latency_s: float | None
    usages: tuple[Usage, ...]


def module_views(run: Run) -> tuple[ModuleView, ...]:
    """Return the memory modules that ran, in their order; none where the outputs are not read."""
    found = {
        node.step.name: ModuleView(
            module=node.step.name,
            asked=output["asked"] or output["tier"],
            tier=output["tier"],
            reason=output["reason"],
            latency_s=node.step.latency_s,
            usages=tuple(node.usages()),
        )
        for top in step_tree(run)
        for node in top.children
        if isinstance(output := node.step.output, dict) and {"tier", "asked"} <= output.keys()
    }
    return tuple(found[name] for name in MEMORY_MODULES if name in found)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertView:
    """Which expert read the query, at which step and for what; `expert` None: the base."""

    step: str
    agent: str | None
    corpus: str
    expert: str | None
    reason: str
    scores: dict[str, float]

    @property
    def told(self) -> str:
        """At which step, and what the query was compared with: `recall, memory`."""
        where = f"{self.step} {self.agent}" if self.agent else self.step
        return f"{where}, {self.corpus}"


def expert_views(run: Run) -> tuple[ExpertView, ...]:
    """Return which experts read the query; none where there was none, or outputs are not read."""
    names = {step.id: step.name for step in run.steps}
    return tuple(
        ExpertView(
            step=names.get(step.parent_id or "", step.name),
            agent=step.agent,
            corpus=corpus,
            expert=choice["expert"],
            reason=choice["reason"],
            scores=choice["scores"],
        )
        for step in sorted(run.steps, key=lambda step: step.started_at)
        if step.name == "expert" and isinstance(step.output, dict)
        for corpus, choice in step.output.items()
    )


def score_text(score: Score) -> str:
    """Return how good an expert is: `nDCG@10 0.41, +0.08 (0.05 to 0.11) over the base`."""
    return (
        f"nDCG@10 {score.expert:.3f}, {score.gain:+.3f} ({score.low:+.3f} to {score.high:+.3f}) "
        f"over the base, on {score.queries:,} queries"
    )


def memo_of(run: Run) -> dict[str, Any]:
    """Return the memo that all agents were given, as it was recorded."""
    outputs = (step.output for step in run.steps if step.name == "recall" and step.agent is None)
    return next((output for output in outputs if isinstance(output, dict)), {})


def tiers_text(run: Run) -> str:
    """Return at which tiers the memory modules of a run worked: `mid`, or module by module."""
    tiers: dict[str, str] = memo_of(run).get("tiers") or {}
    kinds = tuple(dict.fromkeys(tiers.values()))
    if not kinds:
        return "not needed"
    if len(kinds) == 1:
        return kinds[0]
    return ", ".join(f"{module} {tier}" for module, tier in tiers.items())


def retrieval_of(run: Run) -> dict[str, Any]:
    """Return what the retrieval router found, as it was recorded; nothing where it is not read."""
    return _output_of(run, "retrieve")


def refined_of(run: Run) -> dict[str, Any]:
    """Return how one answer was made of several, as it was recorded; nothing if it was not."""
    return _output_of(run, "refine")


def answers_of(run: Run) -> dict[str, dict[str, Any]]:
    """Return what each agent answered, as it was recorded, by agent."""
    return {
        step.agent: step.output
        for step in run.steps
        if step.name == "act" and step.agent and isinstance(step.output, dict)
    }


def _output_of(run: Run, name: str) -> dict[str, Any]:
    outputs = (step.output for step in run.steps if step.name == name)
    return next((output for output in outputs if isinstance(output, dict)), {})


def run_cost_text(run: Run) -> str:
    """Return a run's cost in words; what is known and what is not are kept apart."""
    return cost_text(tuple(step.usage for step in run.steps))


def cost_text(usages: tuple[Usage, ...]) -> str:
    """Return what the usages cost: `$0.0012`, `$0.0012 (+ unknown)`, `unknown` or `$0`."""
    return sum_text(known_cost(usages), known=total_cost(usages) is not None)


def sum_text(known_usd: Decimal, *, known: bool) -> str:
    """Return a sum in words; where not all of it is `known`, it says so."""
    if known:
        return money_text(known_usd)
    return f"{money_text(known_usd)} (+ unknown)" if known_usd else "unknown"


def money_text(money: Decimal | None) -> str:
    """Return US dollars with three digits that matter: `$12.50`, `$0.0012`, `$0`, `unknown`."""
    if money is None:
        return "unknown"
    if not money:
        return "$0"
    digits = max(2, 2 - money.adjusted())
    whole, _, cents = f"{money:.{digits}f}".partition(".")
    return f"${whole}.{cents.rstrip('0').ljust(2, '0')}"


def time_text(latency_s: float | None) -> str:
    """Return a duration: `12 ms`, `1.3 s`, `95 s`; a dash while it is not known."""
    if latency_s is None:
        return "-"
    if 0 < latency_s < 0.0005:
        return "<1 ms"
    if latency_s < 0.9995:
        return f"{latency_s * 1000:.0f} ms"
    return f"{latency_s:.1f} s" if latency_s < 10 else f"{latency_s:.0f} s"


def tokens_text(usages: tuple[Usage, ...]) -> str:
    """Return the tokens in and out, `310 > 42`; `?` for unknown, nothing where none were used."""
    read = _sum([usage.input_tokens for usage in usages])
    written = _sum([usage.output_tokens for usage in usages])
    if read == written == 0:
        return ""
    return f"{'?' if read is None else read} > {'?' if written is None else written}"


def together(usages: tuple[Usage, ...]) -> Usage:
    """Return what calls used together; what is not known of one is not known of all."""
    return Usage(
        input_tokens=_sum([usage.input_tokens for usage in usages]),
        output_tokens=_sum([usage.output_tokens for usage in usages]),
        cost_usd=total_cost(usages),
    )


def _sum(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def plain(text: str) -> str:
    """Return `text` without control characters: no agent's words may steer a terminal."""
    return _CONTROL.sub("", text.replace("\r\n", "\n"))
