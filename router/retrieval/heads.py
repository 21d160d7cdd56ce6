"""Heads: linear classifiers that learn from example queries which agent a query is for.

One reads meaning (multinomial logistic regression on embeddings), one reads words (a linear
support vector machine on tf-idf of words and of pieces of words). What an agent says of itself is
learned from too, the less the more examples there are. Trained in seconds, off the event loop.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...search.encoder import Vectors
from .knowledge import Knowledge

MAX_AGENTS = 1000
"""More agents are not told apart by heads: training would take minutes."""
MAX_EXAMPLES = 200
"""Of one agent that are learned from; the first ones."""
_WORD = r"\w+"
_NAME, _DOCUMENT, _PHRASE, _EXAMPLE = 5.0, 5.0, 0.5, 1.5
"""Weights of the texts in training."""
_FADING = 5
"""With this many examples, what an agent says of itself weighs half."""
_MANY = 500
"""With more texts than this, pieces that stand in one of them alone are left out."""


class Heads:
    """Trained heads of the agents in `learned`. Immutable."""

    def __init__(
        self,
        learned: Mapping[str, Knowledge],
        meaning: _MeaningHead,
        words: Sequence[_WordHead],
        usual: Vectors,
    ) -> None:
        self.learned = learned
        self.places = {name: place for place, name in enumerate(learned)}
        self._meaning = meaning
        self._words = words
        self._usual = usual

    @classmethod
    def train(cls, agents: Mapping[str, Knowledge], everyday: Sequence[str]) -> Heads:
        """Learn from `agents`, two at least; `everyday` are queries about anything. Blocks."""
        from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
        from sklearn.svm import LinearSVC  # type: ignore[import-untyped]

        n = len(agents)
        texts, vectors, labels, weights = _lessons(agents)
        # A little looser than the default: nothing is gained by the last digits of a weight.
        meaning = LogisticRegression(C=3, tol=3e-4, max_iter=1000)
        meaning.fit(vectors, labels, sample_weight=weights)
        readers = _word_readers(2 if len(texts) > _MANY else 1)
        features = _stacked([reader.fit_transform(texts) for reader in readers])
        words = LinearSVC(C=0.3, tol=1e-3, max_iter=10_000, random_state=0)
        words.fit(features, labels, sample_weight=weights)
        seen = _MeaningHead(_per_agent(meaning.coef_, n), _per_agent(meaning.intercept_, n))
        spelled = _word_heads(readers, _per_agent(words.coef_, n))
        usual = np.mean([_scores(spelled, text) for text in everyday], axis=0)
        return cls(agents, seen, spelled, usual)

    def meaning(self, vector: Vectors) -> Vectors:
        """Return each agent's score for a query's vector `(dim,)`, `(n_agents,)`."""
        scores: Vectors = self._meaning.weights @ vector + self._meaning.intercepts
        return scores

    def words(self, text: str) -> Vectors:
        """Return each agent's score for the words of a query, `(n_agents,)`; 0 is usual."""
        return _scores(self._words, text) - self._usual


@dataclass(frozen=True, slots=True)
class _MeaningHead:
    """A linear model: `weights` is `(n_agents, dim)`.

    `intercepts` `(n_agents,)` are higher for agents of more examples: these are asked more often.
    """

    weights: Vectors
    intercepts: Vectors


@dataclass(frozen=True, slots=True)
class _WordHead:
    """The part of a linear model that reads one kind of pieces of text, without sklearn's detours.

    `rows` is `(n_pieces, n_agents)`: the models' weights times the pieces' idf.
    """

    pieces: Callable[[str], list[str]]
    vocabulary: Mapping[str, int]
    idf: Vectors
    rows: Vectors

    def scores(self, text: str) -> Vectors:
        counts = Counter(self.pieces(text))
        known = [
            (self.vocabulary[piece], n) for piece, n in counts.items() if piece in self.vocabulary
        ]
        if not known:
            return np.zeros(self.rows.shape[1], np.float32)
        places = np.array([place for place, _ in known])
        tfidf = np.array([1 + math.log(n) for _, n in known], np.float32) * self.idf[places]
        found: Vectors = (tfidf / np.linalg.norm(tfidf)) @ self.rows[places]
        return found


def _scores(words: Sequence[_WordHead], text: str) -> Vectors:
    total: Vectors = sum((head.scores(text) for head in words), start=np.zeros((), np.float32))
    return total


def _lessons(
    agents: Mapping[str, Knowledge],
) -> tuple[list[str], Vectors, list[int], list[float]]:
    texts: list[str] = []
    vectors: list[Vectors] = []
    labels: list[int] = []
    weights: list[float] = []
    for label, one in enumerate(agents.values()):
        examples = one.examples[:MAX_EXAMPLES]
        says = 1 / (1 + len(examples) / _FADING)
        known = [one.texts.name, one.texts.document, *one.texts.phrases]
        texts += [*known, *one.texts.examples[:MAX_EXAMPLES]]
        vectors += [one.name[None], one.document[None], one.phrases, examples]
        labels += [label] * (len(known) + len(examples))
        own = [_NAME, _DOCUMENT, *[_PHRASE] * len(one.texts.phrases)]
        weights += [*[weight * says for weight in own], *[_EXAMPLE] * len(examples)]
    return texts, np.concatenate(vectors), labels, weights


def _word_readers(least: int) -> tuple[Any, Any]:
    from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]

    common = {"sublinear_tf": True, "min_df": least, "max_features": 20_000, "dtype": np.float32}
    return (
        TfidfVectorizer(ngram_range=(1, 2), token_pattern=_WORD, **common),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4), **common),
    )


def _stacked(features: Sequence[Any]) -> Any:
    from scipy import sparse  # type: ignore[import-untyped]

    return sparse.hstack(features).tocsr()


def _word_heads(readers: Sequence[Any], weights: Vectors) -> list[_WordHead]:
    heads: list[_WordHead] = []
    start = 0
    for reader in readers:
        end = start + len(reader.vocabulary_)
        rows = np.ascontiguousarray(weights[:, start:end].T, np.float32)
        idf = np.asarray(reader.idf_, np.float32)
        heads.append(_WordHead(reader.build_analyzer(), reader.vocabulary_, idf, rows))
        start = end
    return heads


def _per_agent(weights: Vectors, n: int) -> Vectors:
    """Return one entry per agent; for two agents sklearn makes one, which is the second's."""
    rows = np.asarray(weights, np.float32)
    return np.concatenate([-rows, rows]) if n == 2 and len(rows) == 1 else rows
