"""The guard tells whether a query is in scope at all.

The score comes from retrieval alone, so a query that no agent fits costs no model call. Source:
guarded query routing, arXiv 2505.14524.
"""

from __future__ import annotations

from dataclasses import dataclass

from .retrieval.retriever import Retrieval

UNSURE_WIDTH = 0.3
"""Within this distance of the threshold the score alone should not be trusted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a query is in scope: its score in 0..1, held against the threshold."""

    in_scope: bool
    score: float
    threshold: float
    sure: bool = True
    """Whether the scores of all parts of the query are far from the threshold."""


def judge_scope(retrieval: Retrieval, threshold: float) -> Verdict:
    """Let a query in if one of its parts reaches the threshold."""
    scores = [part.in_scope for part in retrieval.parts]
    best = max(scores, default=0.0)
    return Verdict(
        in_scope=any(part.fits(threshold) for part in retrieval.parts),
        score=best,
        threshold=threshold,
        sure=all(abs(score - threshold) >= UNSURE_WIDTH for score in scores),
    )
