"""The experts of one tenant at one instant: who reads queries for what, and reading with them.

A search keeps to one lineup, whoever comes or goes meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from ...models.journal import Journal
from ...values import Scope
from ..encoder import Vectors
from .expert import Expert
from .roster import ExpertChoice, Method, Roster

_log = logging.getLogger(__name__)

Corpus: TypeAlias = Literal["memory", "knowledge", "documents", "agents"]
"""What queries are compared with: what users said, what all users of a tenant share, the documents
of agents, and the agents themselves."""

CORPORA: tuple[Corpus, ...] = get_args(Corpus)
DEFAULT_CORPORA: tuple[Corpus, ...] = ("memory", "knowledge", "documents")

Choices: TypeAlias = dict[Corpus, ExpertChoice]
"""What was chosen for each of them: the output of a step `expert`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """An expert, and what it may be chosen for; for an agent that names it, it need be nothing."""

    expert: Expert
    serves: tuple[Corpus, ...]


class Lineup:
    """Chooses among experts and reads with them; may be used from any thread. Never changes.

    `method` chooses; None: experts are off, and the base reads everything.
    """

    def __init__(self, serving: Sequence[Serving], method: Method | None) -> None:
        self._off = method is None
        chosen_by: Method = method or "gate"
        self._all = Roster([one.expert for one in serving], chosen_by)
        self._rosters = {
            corpus: Roster([one.expert for one in serving if corpus in one.serves], chosen_by)
            for corpus in CORPORA
        }

    def concerns(self, corpora: tuple[Corpus, ...], own: str | None = None) -> bool:
        """Return whether there is anything to choose: an expert that serves, or an agent's own."""
        if self._off:
            return False
        return own is not None or any(len(self._rosters[corpus]) for corpus in corpora)

    def choose(
        self, corpora: tuple[Corpus, ...], vector: Vectors, *, own: str | None = None
    ) -> Choices:
        """Choose for a query by its base embedding `(dim,)`; what no expert serves is left out.

        `own` is the expert that an agent names for itself: no other reads, and without it the base.
        """
        if not self.concerns(corpora, own):
            return {}
        if own is not None:
            return dict.fromkeys(corpora, self._all.named(own) or _missing(own))
        return {
            corpus: self._rosters[corpus].choose(vector)
            for corpus in corpora
            if len(self._rosters[corpus])
        }

    def read(
        self, choices: Choices, texts: Sequence[str], vectors: Vectors
    ) -> dict[Corpus, Vectors]:
        """Return texts `(n, dim)` as those chosen read them; what the base reads is left out.

        Blocks: see `Expert.adapt`.
        """
        read: dict[str, Vectors] = {}
        for one in choices.values():
            if one.expert is not None and one.expert not in read:
                rows = zip(texts, vectors, strict=True)
                read[one.expert] = np.stack([self._all.read(one, *row) for row in rows])
        return {corpus: read[one.expert] for corpus, one in choices.items() if one.expert}


Lineups: TypeAlias = Callable[[Scope], Awaitable[Lineup]]
"""Gives the lineup of a scope's tenant as it is now."""

NOBODY = Lineup((), None)


async def nobody(_: Scope) -> Lineup:
    """Return a lineup without experts."""
    return NOBODY


async def read_texts(
    lineup: Lineup,
    corpora: tuple[Corpus, ...],
    texts: Sequence[str],
    vectors: Vectors,
    journal: Journal | None,
    *,
    own: str | None = None,
) -> dict[Corpus, Vectors]:
    """Return texts `(n, dim)` as experts read them, by what they are compared with.

    The first one is the query, by which experts are chosen: a step `expert` of `journal`, if there
    is one and anything to choose. What the base reads is left out, and what an expert fails to
    read: the base does, and the log tells why.
    """
    if not lineup.concerns(corpora, own):
        return {}

    async def work(_: Journal) -> Choices:
        return lineup.choose(corpora, vectors[0], own=own)

    choices = (
        await journal.once("expert", "expert", work, returns=Choices)
        if journal is not None
        else lineup.choose(corpora, vectors[0], own=own)
    )
    try:
        return await asyncio.to_thread(lineup.read, choices, texts, vectors)
    except Exception as error:  # noqa: BLE001 - an expert that fails never fails a search
        _log.warning("An expert failed, and the base read in its place: %s", error)
        return {}


async def read_query(
    lineup: Lineup,
    corpora: tuple[Corpus, ...],
    query: str,
    vector: Vectors,
    journal: Journal | None,
    *,
    own: str | None = None,
) -> Mapping[Corpus, Vectors]:
    """Return a query's vectors `(dim,)` as `read_texts` does those of several."""
    read = await read_texts(lineup, corpora, [query], vector[None], journal, own=own)
    return {corpus: rows[0] for corpus, rows in read.items()}


def _missing(own: str) -> ExpertChoice:
    return ExpertChoice(
        reason=f"The agent's own expert {own!r} is not registered here: the base reads."
    )
