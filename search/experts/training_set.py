"""What an expert is made of: documents, and queries whose relevant documents are known."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..relevance import Gains

_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_WORDS = (4, 24)
"""A crop has so many words; shorter says too little, and longer is no query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A text, and its title if it has one."""

    text: str
    title: str = ""

    @property
    def whole(self) -> str:
        """What is embedded."""
        known = self.title and not self.text.startswith(self.title)
        return f"{self.title}\n{self.text}" if known else self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSet:
    """Documents, queries, and the gains of each query's documents by their place.

    `synthetic`: the queries were made of the documents.
    """

    name: str
    documents: tuple[Document, ...]
    queries: tuple[str, ...] = ()
    gains: tuple[Gains, ...] = ()
    synthetic: bool = False


def cropped(given: TrainingSet, *, most: int, seed: int = 0) -> TrainingSet:
    """Return a set whose queries are titles and sentences of its documents, at most `most`.

    Each leads to the document that it was taken from. No model is needed. Source: the cropping of
    Contriever, arXiv 2112.09118, at sentences, and titles as queries as for MS MARCO documents.
    """
    draw = np.random.default_rng(seed)
    queries: list[str] = []
    gains: list[Gains] = []
    for place in draw.permutation(len(given.documents)).tolist():
        crops = _crops(given.documents[place])
        if crops:
            queries.append(crops[int(draw.integers(len(crops)))])
            gains.append({place: 1.0})
        if len(queries) == most:
            break
    return replace(given, queries=tuple(queries), gains=tuple(gains), synthetic=True)


def _crops(document: Document) -> Sequence[str]:
    """Return what may be a query: the title, or else sentences; long ones are cut off."""
    parts = [document.title] if document.title.strip() else _SENTENCE.split(document.text)
    words = (part.split()[: _WORDS[1]] for part in parts)
    return [" ".join(some) for some in words if len(some) >= _WORDS[0]]
