"""Puts agents into categories, for people who look at many of them.

The first tag of an agent is its category. Agents without tags are put together by what they say
of themselves. Source: Composition of Experts (arXiv 2412.01868) routes by category, then to the
experts of the category; here categories explain and do not decide.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from ...search.encoder import Vectors
from ...search.words import words
from .knowledge import Knowledge

_APART = 0.55
"""Agents whose descriptions have at least this cosine distance are of different categories."""
_MANY = 2000
"""With more agents than this, their number of categories is the square root of theirs."""


def categories(known: Mapping[str, Knowledge], tags: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the category of every agent."""
    given = {name: tags[name][0] for name in known if tags.get(name)}
    rest = {name: one for name, one in known.items() if name not in given}
    return given | _clustered(rest)


def _clustered(known: Mapping[str, Knowledge]) -> dict[str, str]:
    names = sorted(known)
    if len(names) < 2:
        return {name: known[name].texts.name for name in names}
    labels = _labels(np.stack([known[name].said for name in names]))
    found: dict[str, str] = {}
    spread = Counter(word for name in names for word in set(words(known[name].texts.name)))
    taken: Counter[str] = Counter()
    for label in dict.fromkeys(labels):
        members = [name for name, own in zip(names, labels, strict=True) if own == label]
        title = _title([known[name].texts.name for name in members], spread)
        taken[title] += 1
        title = title if taken[title] == 1 else f"{title} {taken[title]}"
        found |= dict.fromkeys(members, title)
    return found


def _labels(vectors: Vectors) -> list[int]:
    from sklearn.cluster import (  # type: ignore[import-untyped]
        AgglomerativeClustering,
        MiniBatchKMeans,
    )

    if len(vectors) > _MANY:
        model = MiniBatchKMeans(math.isqrt(len(vectors)), random_state=0, n_init=1)
    else:
        model = AgglomerativeClustering(
            n_clusters=None, distance_threshold=_APART, metric="cosine", linkage="average"
        )
    return [int(label) for label in model.fit_predict(vectors)]


def _title(names: Sequence[str], spread: Mapping[str, int]) -> str:
    """Return the word that most of the names share and few others have; one name alone is it."""
    if len(names) == 1:
        return names[0]
    shared = Counter(word for name in names for word in set(words(name)))
    if not shared:
        return names[0]
    best = max(shared, key=lambda word: (shared[word] ** 2 / spread[word], shared[word], word))
    # As it is written, not its stem.
    written = Counter(part for name in names for part in name.split() if best in words(part))
    return written.most_common(1)[0][0] if written else best
