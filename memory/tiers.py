"""What the tiers of the five modules are, by the strategy of the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from ..values import ModuleSpec, Tier
from .chunks import CountMany
from .modules import entities, notes, parsed_times, summary, times, topics
from .modules import filter as filtering
from .modules.asking import Asked, AskedBeside, Finding, Model, Price, Question, Thinking
from .modules.base import Module, Reading, Rules, Work
from .modules.entities import Entities
from .modules.filter import Filtered, Judging, Reranked, Sifting
from .modules.summary import Summary, Summing
from .modules.times import Times
from .modules.topics import Topics

if TYPE_CHECKING:
    from ..config import MemorySettings

In = TypeVar("In")
Out = TypeVar("Out")
Found = TypeVar("Found", bound=Finding)

_THINKING: Mapping[Tier, Thinking] = {"low": "direct", "mid": "steps", "high": "plan"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Modules:
    """The five modules, each with its three tiers."""

    filter: Module[Sifting, Filtered]
    entities: Module[Reading, Entities]
    times: Module[Reading, Times]
    topics: Module[Reading, Topics]
    summary: Module[Summing, Summary]


def build_modules(settings: MemorySettings, price: Price, count_many: CountMany) -> Modules:
    """Return the modules as the settings want them."""
    models = _models(settings, price, count_many)
    names = Rules(entities.find_with_context)
    if settings.ner is not None:
        names = Rules(entities.Recogniser(settings.ner))
    judging: Callable[[Model], Work[Sifting, Filtered]] = Judging
    return Modules(
        filter=_module(
            filtering.SPEC,
            filtering.RETURNS,
            Rules(filtering.keep_ranked),
            Reranked(),
            {tier: judging(model) for tier, model in models.items()},
        ),
        entities=_module(
            entities.SPEC,
            entities.RETURNS,
            Rules(entities.find_entities),
            names,
            _beside(_asked(entities.ASKED, models), names),
        ),
        times=_module(
            times.SPEC,
            times.RETURNS,
            Rules(times.find_times),
            Rules(parsed_times.parse_times),
            _beside(_asked(times.ASKED, models), Rules(parsed_times.parse_times)),
        ),
        topics=_module(
            topics.SPEC,
            topics.RETURNS,
            Rules(topics.find_topics),
            Rules(topics.find_relevant_topics),
            _beside(_asked(topics.ASKED, models), Rules(topics.find_relevant_topics)),
        ),
        summary=_module(
            summary.SPEC,
            summary.RETURNS,
            Rules(summary.quote_passages),
            Rules(summary.quote_best_fit),
            _asked(notes.ASKED, models),
        ),
    )


def _models(settings: MemorySettings, price: Price, count_many: CountMany) -> dict[Tier, Model]:
    """Return the model that does each tier that has one."""

    def model(name: str, thinking: Thinking) -> Model:
        return Model(name, thinking, price, count_many)

    match settings.strategy:
        case "implementation":
            return {"high": model(settings.model, "plan")}
        case "reasoning":
            return {tier: model(settings.model, how) for tier, how in _THINKING.items()}
        case "capacity":
            return {
                "low": model(settings.small or settings.model, "plan"),
                "mid": model(settings.medium or settings.model, "plan"),
                "high": model(settings.large or settings.model, "plan"),
            }


def _asked(
    question: Question[In, Any, Out], models: Mapping[Tier, Model]
) -> dict[Tier, Work[In, Out]]:
    return {tier: Asked(question, model) for tier, model in models.items()}


def _beside(
    asked: Mapping[Tier, Work[In, Found]], rules: Work[In, Found]
) -> dict[Tier, Work[In, Found]]:
    return {tier: AskedBeside(one, rules) for tier, one in asked.items()}


def _module(
    spec: ModuleSpec,
    returns: Any,
    low: Rules[In, Out],
    mid: Work[In, Out],
    asked: Mapping[Tier, Work[In, Out]],
) -> Module[In, Out]:
    free: dict[Tier, Work[In, Out]] = {"low": low, "mid": mid}
    return Module(spec=spec, returns=returns, tiers={**free, **asked}, rules=low)
