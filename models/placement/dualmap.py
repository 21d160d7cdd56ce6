"""DualMap: a prompt's beginning has two instances, and goes to the one that answers first.

Source: "DualMap: Enabling Both Cache Affinity and Load Balancing for Distributed LLM Serving"
(arXiv 2602.06502). The beginning is hashed onto two rings. Of the two instances that it finds the
one is taken that knows more of the prompt, until what it still has to read would break the target
for the time to the first token; then the one whose expected time is lower. Beginnings that are hot
are told apart by more of their text, so that they spread over more instances.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Sequence

from .policies import I
from .prompts import BLOCK_TOKENS, Prompt
from .ring import Ring

WINDOW = 1000
"""Prompts from which it is told how hot a beginning is."""
BASE_DEPTH = 2
"""Blocks of the shortest key; hot ones are twice as deep, and again."""
HOT = 2.0
"""A beginning is hot when its share of the prompts is above this over the number of instances."""
SPILL = 0.5
"""Where both are overloaded, another takes over if it would take this share of their time."""


class DualMap:
    """Places prompts among instances with prefix caches, whose contents it estimates.

    `ttft_s` is the target for the time to the first token; `cache_tokens` are those whose
    attention keys an instance keeps.
    """

    def __init__(self, *, ttft_s: float = 5.0, cache_tokens: int = 200_000) -> None:
        self._ttft_s = ttft_s
        self._cache_blocks = max(1, cache_tokens // BLOCK_TOKENS)
        self._rings = Ring(1), Ring(2)
        self._known: dict[str, OrderedDict[int, None]] = {}
        self._seen: deque[tuple[int, ...]] = deque()
        self._counts: Counter[int] = Counter()

    def choose(self, prompt: Prompt, free: Sequence[I]) -> I:
        """Return where the prompt should go."""
        by_name = {one.name: one for one in free}
        for name in by_name:
            if name not in self._known:
                self._known[name] = OrderedDict()
                for ring in self._rings:
                    ring.join(name)
        key = self._key(prompt)
        first = self._rings[0].find(key)
        second = self._rings[1].find(key, other_than=first)
        two = [by_name[name] for name in (first, second) if name in by_name]
        chosen = self._chosen(prompt, two, free)
        self._note(prompt, chosen.name)
        return chosen

    def leave(self, name: str) -> None:
        """Take an instance off the rings; only its own prompts move."""
        self._known.pop(name, None)
        for ring in self._rings:
            ring.leave(name)

    def cached_tokens(self, prompt: Prompt, name: str) -> int:
        """Return how much of the prompt's beginning an instance should know."""
        known, count = self._known.get(name, ()), 0
        for block in prompt.blocks:
            if block not in known:
                break
            count += 1
        return min(count * BLOCK_TOKENS, prompt.tokens)

    def _chosen(self, prompt: Prompt, two: Sequence[I], free: Sequence[I]) -> I:
        if not two:
            return min(free, key=lambda one: self._expected_s(prompt, one))
        warmer = max(
            two, key=lambda one: (self.cached_tokens(prompt, one.name), -one.pending_tokens)
        )
        if warmer.pending_tokens * warmer.read_s <= self._ttft_s:
            return warmer
        sooner = min(two, key=lambda one: self._expected_s(prompt, one))
        expected_s = self._expected_s(prompt, sooner)
        if expected_s <= self._ttft_s:
            return sooner
        best = min(free, key=lambda one: self._expected_s(prompt, one))
        return best if self._expected_s(prompt, best) < SPILL * expected_s else sooner

    def _expected_s(self, prompt: Prompt, one: I) -> float:
        """Return the seconds to the first token: what waits there, and what is new to it."""
        new = prompt.tokens - self.cached_tokens(prompt, one.name)
        return (one.pending_tokens + new) * one.read_s

    def _key(self, prompt: Prompt) -> int:
        """Return the hash of the prompt's beginning, longer where many prompts begin so."""
        blocks, hot = prompt.blocks, HOT / max(1, len(self._known))
        depth = min(BASE_DEPTH, len(blocks))
        while (
            depth < len(blocks)
            and len(self._seen) >= WINDOW // 10
            and self._counts[blocks[depth - 1]] / len(self._seen) > hot
        ):
            depth = min(2 * depth, len(blocks))
        return blocks[depth - 1]

    def _note(self, prompt: Prompt, name: str) -> None:
        known = self._known[name]
        for block in prompt.blocks:
            known[block] = None
            known.move_to_end(block)
        while len(known) > self._cache_blocks:
            known.popitem(last=False)
        marks = tuple(dict.fromkeys(_marks(prompt.blocks)))
        self._seen.append(marks)
        self._counts.update(marks)
        if len(self._seen) > WINDOW:
            self._counts.subtract(gone := self._seen.popleft())
            for block in gone:
                if not self._counts[block]:
                    del self._counts[block]


def _marks(blocks: Sequence[int]) -> list[int]:
    """Return the hashes at the depths that a key may have."""
    depth, found = min(BASE_DEPTH, len(blocks)), []
    while True:
        found.append(blocks[depth - 1])
        if depth == len(blocks):
            return found
        depth = min(2 * depth, len(blocks))
