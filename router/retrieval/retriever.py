"""The retrieval router: scores every agent for a query, and for each of its parts.

Milliseconds on a CPU and no model asked. The result is plain data: what the decision, the
inspector and a replay need.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from ...agents.snapshot import Snapshot
from ...config import RouterSettings
from ...search.encoder import Encoder, Reading, Vectors
from ...store.feedback import Vote
from ...values import Checkup, Exchange
from .index import Match
from .knowledge import Embedding
from .parts import is_wish, split_wishes
from .query import QueryViews, texts_in_context, views_of
from .scoring import GUARD_THRESHOLD, WEIGHTS, Weights, in_scope_score, margin, probabilities
from .team import Team
from .votes import Lean, Votes

Ballots: TypeAlias = Callable[[int], Awaitable[Sequence[Vote]]]
"""The votes that came or were undone after a number, in the order of their changes."""

Reread: TypeAlias = Callable[[Sequence[str], Vectors], Awaitable[Vectors | None]]
"""Gives texts `(n, dim)`, the query first, as an expert reads them; None: none does."""

DIGITS = 4
"""To which probabilities are rounded."""
KEPT = 10
"""Agents kept per part, the most probable first."""
_IN_THREAD = 2000
"""From this many agents on a query is scored in a thread: a millisecond or more."""
_FOLLOWING = 2.0
"""Added to the relevance of the agents that answered last, where a query alone fits nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentScore:
    """What speaks for one agent: `nearest` is the text of it that is nearest, at this `cosine`.

    `lean` tells what users said of it for queries like this one, if they did.
    """

    agent: str
    probability: float
    kind: str
    nearest: str
    cosine: float
    lean: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartScores:
    """The scores for one part of a query; `in_scope` in 0..1, 0 where a `refused` topic is met."""

    text: str
    in_scope: float
    scores: tuple[AgentScore, ...]
    refused: str = ""

    def fits(self, threshold: float) -> bool:
        """Tell whether the part is some agent's business."""
        return bool(self.scores) and not self.refused and self.in_scope >= threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieval:
    """The scores for a query: one entry, or one for each of its parts.

    Agents are called from the probability `least` on. `coverage` is what that promises: how often
    the right agent is among them; None: nothing.
    """

    parts: tuple[PartScores, ...]
    least: float
    coverage: float | None = None
    registry_version: int


class RetrievalRouter:
    """Scores agents for queries. Used on one event loop.

    `embedding` embeds the texts of agents, and remembers; `encoder` reads queries; `ballots` gives
    feedback; what is the same for all boards is kept in `cache_dir`.
    """

    def __init__(
        self,
        encoder: Encoder,
        embedding: Embedding,
        ballots: Ballots,
        settings: RouterSettings,
        cache_dir: Path,
        weights: Weights = WEIGHTS,
    ) -> None:
        self._encoder = encoder
        self._embedding = embedding
        self._ballots = ballots
        self._settings = settings
        self._cache_dir = cache_dir
        self._weights = weights
        self._gathering = asyncio.Lock()
        self._scoring = asyncio.Lock()
        self._team: Team | None = None
        self._votes = Votes()
        self._heard = 0

    async def retrieve(
        self,
        query: str,
        snapshot: Snapshot,
        *,
        history: Sequence[Exchange] = (),
        exclude: Collection[str] = (),
        only: Collection[str] | None = None,
        reread: Reread | None = None,
    ) -> Retrieval:
        """Score the agents of `snapshot` for `query`.

        Those in `exclude` are left out, and all that are not in `only`, as if they did not exist.
        What is in scope is judged by the base; `reread` may let an expert say how near agents are.
        """
        team = await self._gathered(snapshot)
        pieces = split_wishes(query)
        pieces = pieces if len(pieces) > 1 else pieces[:0]
        texts = texts_in_context(query, history)
        readings, _ = await asyncio.gather(self._encoder.aread([*texts, *pieces]), self._hear())
        read = await _reread(reread, [*texts, *pieces], readings)
        whole = views_of(texts, readings[: len(texts)], read[: len(texts)])
        parts = [
            views_of([text], [reading], [own])
            for text, reading, own in zip(
                pieces, readings[len(texts) :], read[len(texts) :], strict=True
            )
        ]
        last = history[-1].agents if history else ()

        def score() -> tuple[PartScores, list[PartScores]]:
            scorer = _Scorer(team, self._votes, snapshot, exclude, only)
            alone, *split = scorer.score([whole.alone, *parts])
            return scorer.in_context(whole, alone, last), split

        large = len(snapshot.live) > _IN_THREAD
        # One after the other: many at once would hold up the event loop for all their time.
        async with self._scoring:
            scored, split = await asyncio.to_thread(score) if large else score()
            await asyncio.sleep(0)  # Everybody else's turn, before the next one is scored.
        coverage = self._settings.coverage
        least = None if coverage is None else team.calibration.least(coverage)
        if least is not None:
            # As probabilities are told rounded, one that reaches it exactly must not fall below it.
            least = math.floor(least * 10**DIGITS) / 10**DIGITS
        return Retrieval(
            parts=_choose(scored, split, GUARD_THRESHOLD),
            least=self._settings.min_probability if least is None else least,
            coverage=None if least is None else coverage,
            registry_version=snapshot.version,
        )

    async def settle(self, snapshot: Snapshot) -> None:
        """Index the agents, and wait until all is learned that can be learned from them."""
        team = await self._gathered(snapshot)
        await team.settle()

    async def check_up(self, snapshot: Snapshot) -> Checkup:
        """Return how well the agents can be told apart."""
        team = await self._gathered(snapshot)
        return await team.check_up()

    async def categories(self, snapshot: Snapshot) -> dict[str, str]:
        """Return the category of every agent."""
        team = await self._gathered(snapshot)
        return await team.categories()

    def forget(self) -> None:
        """Forget the feedback that was heard; the next query hears what there is."""
        self._votes, self._heard = Votes(), 0

    async def close(self) -> None:
        """Stop learning."""
        if self._team is not None:
            await self._team.close()

    async def _gathered(self, snapshot: Snapshot) -> Team:
        async with self._gathering:
            if self._team is None:
                self._team = await Team.gather(
                    self._encoder,
                    self._embedding,
                    self._settings,
                    self._cache_dir,
                    self._weights,
                )
        await self._team.follow(snapshot)
        return self._team

    async def _hear(self) -> None:
        counted = self._votes
        votes = await self._ballots(self._heard)
        if not votes:
            return
        vectors = await self._embedding([vote.query for vote in votes])
        # Another query may have heard all this and more meanwhile: what was undone stays undone. Or
        # all was forgotten, and is heard from the beginning.
        if votes[-1].seq > self._heard and counted is self._votes:
            self._votes.take(votes, vectors)
            self._heard = votes[-1].seq


@dataclass(frozen=True, slots=True)
class _Scorer:
    """Scores texts of one query."""

    team: Team
    votes: Votes
    snapshot: Snapshot
    exclude: Collection[str]
    only: Collection[str] | None

    def in_context(self, query: QueryViews, alone: PartScores, last: Sequence[str]) -> PartScores:
        """Score a query in the light of the conversation; those who answered last may go on.

        `alone` is how the query was scored without it.
        """
        if len(query.views) == 1 or alone.refused:
            return alone
        if alone.in_scope >= GUARD_THRESHOLD:
            (scored,) = self.score([query])
            return replace(scored, in_scope=max(scored.in_scope, alone.in_scope))
        # It may go on with what was asked before, and be in scope together with that.
        scored, joined = self.score([query, query.joined], last)
        return replace(scored, in_scope=max(scored.in_scope, joined.in_scope))

    def score(
        self, queries: Sequence[QueryViews], following: Collection[str] = ()
    ) -> list[PartScores]:
        """Score queries at once; `following` are favoured because they answered last."""
        if all(view.read is None for query in queries for view in query.views):
            return self._score(queries, following)
        # An expert says how near agents are; whether the query is anybody's business the base does,
        # for which the guard is calibrated.
        return [
            replace(read, in_scope=base.in_scope, refused=base.refused)
            for read, base in zip(
                self._score(queries, following),
                self._score([query.as_base for query in queries], following),
                strict=True,
            )
        ]

    def _score(self, queries: Sequence[QueryViews], following: Collection[str]) -> list[PartScores]:
        vectors = np.array([query.vector for query in queries])
        leans = [self.votes.leans(vector) for vector in vectors]
        matches = self.team.compare(
            queries,
            exclude=self.exclude,
            only=self.only,
            also=[(*some, *following) for some in leans],
        )
        outside = self.team.outside_nearness(vectors)
        return [
            self._scored(query, some, own, following, near)
            for query, some, own, near in zip(queries, matches, leans, outside, strict=True)
        ]

    def _scored(
        self,
        query: QueryViews,
        matches: Sequence[Match],
        leans: Mapping[str, Lean],
        following: Collection[str],
        outside: float,
    ) -> PartScores:
        text, calibration = query.views[0].text, self.team.calibration
        known = self.snapshot.by_name
        matches = [one for one in matches if one.agent in known and known[one.agent].live]
        if not matches:
            return PartScores(text=text, in_scope=0.0, scores=())
        relevance = np.array(
            [
                match.relevance
                + (leans[match.agent].change if match.agent in leans else 0.0)
                + _FOLLOWING * (match.agent in following)
                for match in matches
            ],
            np.float32,
        )
        shares = probabilities(relevance, calibration.temperature)
        order = np.argsort(-shares, kind="stable")[:KEPT].tolist()
        scores = tuple(
            _told(matches[place], float(shares[place]), leans.get(matches[place].agent))
            for place in order
        )
        near = margin(float(relevance.max()), outside)
        refused = self.team.refusal(query.vector, max(score.cosine for score in scores))
        return PartScores(
            text=text,
            in_scope=0.0 if refused else round(in_scope_score(near, calibration.border), 4),
            scores=scores,
            refused=refused,
        )


async def _reread(
    reread: Reread | None, texts: Sequence[str], readings: Sequence[Reading]
) -> Sequence[Vectors | None]:
    read = reread and await reread(texts, np.stack([one.vector for one in readings]))
    return [None] * len(texts) if read is None else list(read)


def _told(match: Match, share: float, lean: Lean | None) -> AgentScore:
    evidence = match.evidence
    return AgentScore(
        agent=match.agent,
        probability=round(share, DIGITS),
        kind=evidence.kind,
        nearest=evidence.text,
        cosine=round(evidence.cosine, 3),
        lean=_said(lean),
    )


def _said(lean: Lean | None) -> str:
    if lean is None:
        return ""
    said = "recommended" if lean.change > 0 else "advised against"
    users = "1 user" if lean.users == 1 else f"{lean.users} users"
    return f"{said} by {users} for queries like this ({lean.change:+.1f})"


def _choose(
    whole: PartScores, pieces: Sequence[PartScores], threshold: float
) -> tuple[PartScores, ...]:
    """Return the scores to decide by: those of the parts if they are different agents' business.

    A part that fits nobody is kept beside one that does, so that it is told and not lost. Where no
    two agents are concerned the query stands as one; if it fits no agent as a whole but a part
    of it does, that part speaks for it.
    """
    parts = _join(pieces, threshold)
    fitting = [part for part in parts if part.fits(threshold)]
    if fitting and len(parts) > 1:
        return tuple(parts)
    if whole.in_scope < threshold and not whole.refused and fitting:
        best = max(fitting, key=lambda part: part.in_scope)
        return (replace(best, text=whole.text),)
    return (whole,)


def _join(pieces: Sequence[PartScores], threshold: float) -> list[PartScores]:
    """Join neighbours that call the same agent, and context with the part that it belongs to.

    Context is a piece that fits no agent and asks for nothing ("I bought a jacket.").
    """
    joined: list[PartScores] = []
    context = ""
    for piece in pieces:
        fits = piece.fits(threshold)
        if not fits and not piece.refused and not is_wish(piece.text):
            context = f"{context} {piece.text}".strip()
            continue
        last = joined[-1] if joined else None
        text = f"{context} {piece.text}".strip()
        context = ""
        if last and fits and last.scores[0].agent == piece.scores[0].agent:
            surer = max(last, piece, key=lambda part: part.in_scope)
            joined[-1] = replace(surer, text=f"{last.text} {text}")
        else:
            joined.append(replace(piece, text=text))
    if context and joined:
        joined[-1] = replace(joined[-1], text=f"{joined[-1].text} {context}")
    return joined
