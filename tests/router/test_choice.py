from __future__ import annotations

from dataclasses import replace

import pytest

from callboard.agents.registry import Registered, Snapshot
from callboard.agents.spec import Agent
from callboard.config import RouterSettings
from callboard.errors import UnknownName
from callboard.router.choice import choose, combine, pin, shortlist
from callboard.router.guard import Verdict, judge_scope
from callboard.router.reasoning.judge import Judgement
from callboard.router.retrieval.retriever import AgentScore, PartScores, Retrieval

IN = Verdict(in_scope=True, score=0.9, threshold=0.5)


def part(text: str, in_scope: float = 0.9, **shares: float) -> PartScores:
    scores = tuple(
        AgentScore(
            agent=name, probability=share, kind="example", nearest=f"like {name}", cosine=0.7
        )
        for name, share in sorted(shares.items(), key=lambda item: -item[1])
    )
    return PartScores(text=text, in_scope=in_scope, scores=scores)


def found(*parts: PartScores) -> Retrieval:
    return Retrieval(parts=parts, least=0.15, registry_version=1)


def test_a_sure_agent_is_called_alone() -> None:
    decision = choose(found(part("q", billing=0.95, dates=0.05)), IN, RouterSettings())
    assert decision.agents == ("billing",)
    assert decision.method == "retrieval"
    assert decision.confidence == 0.95
    assert [c.chosen for c in decision.candidates] == [True, False]
    assert "like billing" in decision.reason


def test_every_candidate_says_why() -> None:
    decision = choose(found(part("q", billing=0.95, dates=0.05)), IN, RouterSettings())
    assert all(candidate.reason for candidate in decision.candidates)


def test_each_part_gets_its_agent_and_is_told_its_part() -> None:
    retrieval = found(part("charged twice", billing=0.9), part("90 days", dates=0.8))
    decision = choose(retrieval, IN, RouterSettings())
    assert decision.agents == ("billing", "dates")
    assert decision.part_for("dates") == "90 days"
    assert decision.part_for("billing") == "charged twice"


def test_a_part_that_fits_nobody_is_kept_and_shown() -> None:
    retrieval = found(
        part("a", billing=0.9), part("b", dates=0.8), part("c", in_scope=0.1, dates=0.9)
    )
    decision = choose(retrieval, IN, RouterSettings())
    assert decision.parts[2].agents == ()
    assert "no agent fits" in decision.reason


def test_the_cap_holds_over_all_parts() -> None:
    retrieval = found(part("a", one=0.9), part("b", two=0.8), part("c", three=0.7))
    decision = choose(retrieval, IN, RouterSettings(max_agents=2))
    assert decision.agents == ("one", "two")


def test_what_is_out_of_scope_calls_nobody() -> None:
    retrieval = found(part("weather", in_scope=0.2, billing=0.6, dates=0.4))
    verdict = judge_scope(retrieval, 0.5)
    decision = choose(retrieval, verdict, RouterSettings())
    assert not decision.in_scope
    assert decision.agents == ()
    assert "0.20" in decision.reason
    assert "0.50" in decision.reason


def test_the_model_and_the_scores_decide_together() -> None:
    retrieval = found(part("q", billing=0.5, dates=0.4, units=0.1))
    word = Judgement(agents=("dates",), reason="Dates.")
    judged = combine(word, retrieval, IN, RouterSettings())
    assert judged.agents == ("dates", "billing")
    assert judged.method == "reasoning"
    assert judged.reason == "Dates."
    assert "the model chose it" in next(c for c in judged.candidates if c.chosen).reason
    assert "the model left it" in judged.candidates[1].reason


def test_a_word_whose_reason_disagrees_counts_half_and_says_so() -> None:
    retrieval = found(part("q", billing=0.55, dates=0.3, units=0.15))
    word = Judgement(agents=("dates",), reason="Dates.")
    assert combine(word, retrieval, IN, RouterSettings()).agents[0] == "dates"
    judged = combine(replace(word, consistent=False), retrieval, IN, RouterSettings())
    assert judged.agents[0] == "billing"
    assert "counts half" in judged.reason


def test_the_model_brings_in_what_the_guard_finds_out_of_scope() -> None:
    retrieval = found(part("weather", in_scope=0.2, billing=0.5, dates=0.4))
    verdict = judge_scope(retrieval, 0.5)
    word = Judgement(agents=("dates",), reason="Dates.")
    assert combine(word, retrieval, verdict, RouterSettings()).agents[0] == "dates"
    doubtful = combine(replace(word, consistent=False), retrieval, verdict, RouterSettings())
    assert (doubtful.in_scope, doubtful.agents) == (False, ())


def test_what_the_model_finds_likely_counts_beside_what_it_wrote() -> None:
    retrieval = found(part("q", billing=0.45, dates=0.4, units=0.15))
    word = Judgement(agents=(), reason="", weights={"billing": 0.1, "dates": 0.9})
    judged = combine(replace(word, agents=("dates",)), retrieval, IN, RouterSettings())
    assert judged.agents[0] == "dates"


def test_likelihoods_speak_for_an_agent_and_against_another() -> None:
    retrieval = found(part("q", billing=0.4, dates=0.4, units=0.2))

    def judged(**weights: float) -> dict[str, float]:
        word = Judgement(agents=(), reason="", weights=weights)
        decision = combine(word, retrieval, IN, RouterSettings(guard_threshold=0))
        return {one.agent: one.score for one in decision.candidates}

    even = judged(billing=0.2, dates=0.2)
    assert even == {"billing": 0.4, "dates": 0.4, "units": 0.2}
    leaning = judged(billing=0.02, dates=0.38)
    assert leaning["dates"] > 0.4 > leaning["billing"]


def test_the_model_does_not_overrule_sure_retrieval() -> None:
    retrieval = found(part("q", billing=0.97, dates=0.03))
    word = Judgement(agents=("dates",), reason="Dates.")
    assert combine(word, retrieval, IN, RouterSettings()).agents == ("billing",)
    nobody = Judgement(agents=(), reason="Nobody.")
    assert combine(nobody, retrieval, IN, RouterSettings()).agents == ("billing",)


def test_the_model_can_find_a_query_out_of_scope_where_retrieval_is_unsure() -> None:
    retrieval = found(part("q", billing=0.5, dates=0.5))
    judged = combine(Judgement(agents=(), reason="Nobody."), retrieval, IN, RouterSettings())
    assert not judged.in_scope
    assert judged.agents == ()
    assert judged.reason == "Nobody."


def test_the_shortlist_is_the_best_over_all_parts() -> None:
    retrieval = found(part("a", one=0.9, two=0.1), part("b", two=0.8, three=0.2))
    assert shortlist(retrieval, 2) == ("one", "two")


def test_pinning_takes_what_the_caller_names_and_only_what_exists() -> None:
    agent = Agent(name="billing", description="Invoices and charges.")
    snapshot = Snapshot(version=1, agents=(Registered(agent=agent, version=1, state="live"),))
    retrieval = found(part("q", dates=0.9))
    decision = pin(["billing"], snapshot, retrieval)
    assert decision.agents == ("billing",)
    assert decision.method == "pinned"
    with pytest.raises(UnknownName, match="did you mean 'billing'"):
        pin(["biling"], snapshot, retrieval)


def test_an_unsure_part_makes_the_verdict_unsure() -> None:
    sure = judge_scope(found(part("a", in_scope=0.95, one=0.9)), 0.5)
    unsure = judge_scope(
        found(part("a", in_scope=0.95, one=0.9), part("b", in_scope=0.4, two=0.9)), 0.5
    )
    assert sure.sure
    assert not unsure.sure
    assert unsure.in_scope


def test_an_agent_that_the_model_adds_is_told_its_part() -> None:
    retrieval = found(part("a", one=0.95), part("b", in_scope=0.4, two=0.9))
    retrieved = choose(retrieval, judge_scope(retrieval, 0.5), RouterSettings())
    assert retrieved.agents == ("one",)
    word = Judgement(agents=("one", "two"), reason="Both.")
    judged = combine(word, retrieval, judge_scope(retrieval, 0.5), RouterSettings())
    assert set(judged.agents) == {"one", "two"}
    assert judged.part_for("two") == "b"
