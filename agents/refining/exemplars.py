"""How near sentences are in meaning to exemplars of a sort, and to those that only sound alike.

The exemplars are encoded once, when they are first asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from threading import Lock

import numpy as np
import yaml

from ...search.encoder import Encoder, Vectors

_NEAREST = 2
_REMEMBERED = 1024
"""Sentences; some are said in many turns."""
_SORTS = (
    ("injected.yaml", "orders"),
    ("harmless.yaml", "harmless"),
    ("useless.yaml", "useless"),
    ("useless.yaml", "useful"),
)
_BANKS: dict[str, Sequence[Vectors]] = {}
"""By the name of the encoder: encoders of one name make the same vectors."""
_ENCODING = Lock()


@dataclass(frozen=True, slots=True)
class Nearness:
    """The mean cosine to the nearest exemplars, and by how much it exceeds that of the others."""

    cosine: float
    margin: float

    def reaches(self, least: Nearness) -> bool:
        """Return whether both are at least those of `least`."""
        return self.cosine >= least.cosine and self.margin >= least.margin


@dataclass(frozen=True, slots=True)
class Sense:
    """How near a sentence is to orders to the assistant, and to sentences that answer nothing."""

    order: Nearness
    empty: Nearness


class Senses:
    """Tells the sense of sentences and remembers the last. May be used from any thread."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._known: dict[str, Sense] = {}
        self._keeping = Lock()

    def of(self, texts: Iterable[str]) -> Mapping[str, Sense]:
        """Return the sense of each text. Blocks; the first call of all takes about a second."""
        told = dict.fromkeys(texts)
        found = {text: sense for text in told if (sense := self._known.get(text))}
        if new := [text for text in told if text not in found]:
            found |= self._encoded(new)
            self._keep({text: found[text] for text in new})
        return found

    def _keep(self, senses: Mapping[str, Sense]) -> None:
        with self._keeping:
            self._known |= senses
            while len(self._known) > _REMEMBERED:
                del self._known[next(iter(self._known))]

    def _encoded(self, texts: Sequence[str]) -> Mapping[str, Sense]:
        vectors = self._encoder.encode(texts)
        orders, harmless, useless, useful = (vectors @ bank.T for bank in _banks(self._encoder))
        near = zip(_nearness(orders, harmless), _nearness(useless, useful), strict=True)
        return {text: Sense(*both) for text, both in zip(texts, near, strict=True)}


def _banks(encoder: Encoder) -> Sequence[Vectors]:
    """Return the vectors of the exemplars: orders, harmless, useless, useful; made once."""
    with _ENCODING:
        if encoder.name not in _BANKS:
            _BANKS[encoder.name] = [encoder.encode(_exemplars(file)[sort]) for file, sort in _SORTS]
        return _BANKS[encoder.name]


def _nearness(sort: Vectors, others: Vectors) -> list[Nearness]:
    return [Nearness(float(a), float(a - b)) for a, b in zip(_top(sort), _top(others), strict=True)]


def _top(cosines: Vectors) -> Vectors:
    nearest: Vectors = np.sort(cosines, axis=1)[:, -_NEAREST:].mean(axis=1)
    return nearest


@cache
def _exemplars(file: str) -> dict[str, Sequence[str]]:
    text = files(__package__).joinpath(f"prompts/{file}").read_text(encoding="utf-8")
    loaded: dict[str, Sequence[str]] = yaml.safe_load(text)
    return loaded
