"""What a query asks of a large memory: its words with their weights, and the writers it names."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..search.lexical import K1, B, rareness
from ..search.words import words
from ..store.stacked import StackState, Weights
from .columns import name_words
from .modules.words import content_words
from .tail import Newest

if TYPE_CHECKING:
    from ..store.look import Look

_MOST_WORDS = 32
"""Words of a query that are looked for, those that weigh most."""
_MOST_LOOKED_AT, _SHARE_LOOKED_AT = 5_000, 0.01
"""Chunks that are looked at because of a word, the rarest first: so many, or this share of all."""


class Asked:
    """A query, as it is weighed in a memory of `n` chunks."""

    def __init__(self, query: str, look: Look, state: StackState, newest: Sequence[Newest]) -> None:
        asked = Counter(words(" ".join(content_words(query))))
        names = tuple(dict.fromkeys(name_words(query)))
        stacked = look.holders(tuple(asked), names)
        self.n = state.chunks + len(newest)
        total = state.words + sum(one.words.total() for one in newest)
        holders = {
            word: count + sum(word in one.words for one in newest)
            for word, count in zip(asked, stacked, strict=False)
        }
        weighed = {
            word: times * rareness(self.n, min(holders[word], self.n))
            for word, times in asked.items()
            if holders[word]
        }
        heaviest = sorted(weighed, key=lambda word: -weighed[word])[:_MOST_WORDS]
        self._holders = {word: holders[word] for word in heaviest}
        self.weights = Weights(
            words={word: weighed[word] for word in heaviest},
            flat=K1 * (1 - B),
            slope=K1 * B * self.n / max(total, 1),
        )
        by_name = dict(zip(names, stacked[len(asked) :], strict=True))
        self.names = frozenset(
            name
            for name, count in by_name.items()
            if count or any(name in one.names for one in newest)
        )
        """Words of the query that are of the name of a writer."""
        self.named = sum(by_name.values())
        """How many chunks are of those writers, about."""

    @property
    def rare_words(self) -> tuple[str, ...]:
        """The words that stand in so few chunks that all of these can be looked at."""
        room, rare = max(_MOST_LOOKED_AT, round(_SHARE_LOOKED_AT * self.n)), []
        for word, holders in sorted(self._holders.items(), key=lambda one: one[1]):
            room -= holders
            if room < 0:
                break
            rare.append(word)
        return tuple(rare)

    def spread(self) -> tuple[float, float]:
        """Return the mean of the BM25 scores of all chunks and their deviation, estimated.

        Words are taken to stand once in a chunk of usual length, and apart from each other. On
        chunks made of LoCoMo the deviation is 3 to 5 % less than it is.
        """
        mean = variance = 0.0
        for word, weight in self.weights.words.items():
            share = min(self._holders[word] / self.n, 1.0)
            score = weight / (1 + K1)
            mean += share * score
            variance += share * (1 - share) * score**2
        return mean, math.sqrt(variance)
