"""How near a query is to every agent: from its name, description, phrases and example queries.

Everything that is known of an agent is text; every text is embedded once and its vector kept. A
query is compared with all of them in one matrix product, then reduced per agent.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..agents.registry import Snapshot
from ..agents.spec import Agent

Vectors: TypeAlias = NDArray[np.float32]
Embed: TypeAlias = Callable[[Sequence[str]], Awaitable[Vectors]]
"""Texts to (n_texts, dim) float32, normalised; may remember."""

_SENTENCE = re.compile(r"(?<=[.!?;])\s+")
_PIECE = re.compile(r"(?<=[.!?;:])\s+|,\s+(?:and\s+|or\s+)?|\s+and\s+|\s+or\s+")
_NEGATION = re.compile(
    r"\b(?:it|this agent)?\s*(?:does not|doesn't|do not|don't|can not|cannot|can't|is not|never)\b"
    r"(?:\s+(?:know|handle|cover|help with|deal with|answer|give|tell))?",
    re.IGNORECASE,
)
NONE = np.float32(-1.0)
"""The cosine that stands for 'this agent has none of these'."""


@lru_cache(maxsize=1)
def background() -> tuple[str, ...]:
    """Return everyday queries about anything, the measure for what is near to an agent."""
    text = files(__package__).joinpath("data/background.txt").read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


def split_description(description: str) -> tuple[str, str]:
    """Return what a description says that the agent does, and what it says that it does not."""
    sentences = [sentence for sentence in _SENTENCE.split(description) if sentence.strip()]
    does_not = [sentence for sentence in sentences if _NEGATION.search(sentence)]
    does = [sentence for sentence in sentences if sentence not in does_not]
    return (" ".join(does) or description, " ".join(does_not) if does else "")


def phrases(text: str) -> tuple[str, ...]:
    """Return the pieces of a text that can stand for one wish each (2 words or more)."""
    pieces = (_NEGATION.sub("", piece).strip(" .;:,()") for piece in _PIECE.split(text))
    return tuple(dict.fromkeys(piece for piece in pieces if len(piece.split()) > 1))


@dataclass(frozen=True, slots=True)
class Nearness:
    """Cosines of one query with every agent: arrays of shape (n_agents,), float32.

    `example` and `centroid` are NONE for an agent without examples, `not_its` for one that says
    nothing of what it does not do.
    """

    name: Vectors
    whole: Vectors
    phrase: Vectors
    example: Vectors
    centroid: Vectors
    not_its: Vectors


@dataclass(frozen=True, slots=True)
class _Texts:
    """What is known of an agent; `not_its` is what it does not do, by description and examples."""

    name: str
    does: str
    phrases: tuple[str, ...]
    examples: tuple[str, ...]
    not_its: tuple[str, ...]

    @classmethod
    def of(cls, agent: Agent) -> _Texts:
        does, does_not = split_description(agent.description)
        name = agent.name.replace("_", " ").replace("-", " ")
        not_its = (*phrases(does_not), *agent.counterexamples)
        return cls(name, does, phrases(does) or (does,), agent.examples, not_its)

    @property
    def all(self) -> tuple[str, ...]:
        return (self.name, self.does, *self.phrases, *self.examples, *self.not_its)


def texts_of(agents: Sequence[Agent]) -> tuple[str, ...]:
    """Return all texts that are embedded for `agents`, each once."""
    return tuple(dict.fromkeys(text for agent in agents for text in _Texts.of(agent).all))


@dataclass(frozen=True, slots=True)
class _AgentVectors:
    texts: _Texts
    head: Vectors
    """(2, dim): the name, and the whole of what the agent does."""
    phrases: Vectors
    examples: Vectors
    not_its: Vectors
    centroid: Vectors


class AgentIndex:
    """The agents of one registry version, ready to be compared with queries.

    Immutable: another version is another index, which takes over the vectors of the agents that
    have not changed.
    """

    def __init__(self, version: int, agents: dict[str, tuple[Agent, _AgentVectors]]) -> None:
        self.version = version
        self.names = tuple(agents)
        self._agents = agents
        kept = [vectors for _, vectors in agents.values()]
        if not kept:
            return
        self.examples = np.array([len(entry.examples) for entry in kept], np.float32)
        self._heads = np.stack([entry.head for entry in kept])
        self._centroids = np.stack([entry.centroid for entry in kept])
        self._phrases = _Groups([entry.phrases for entry in kept])
        self._examples = _Groups([entry.examples for entry in kept])
        self._not_its = _Groups([entry.not_its for entry in kept])

    @classmethod
    async def build(
        cls, snapshot: Snapshot, embed: Embed, previous: AgentIndex | None = None
    ) -> AgentIndex:
        """Index the live agents of `snapshot`, embedding those that `previous` does not hold."""
        known = previous._agents if previous else {}
        agents = [registered.agent for registered in snapshot.live]
        new = [a for a in agents if a.name not in known or known[a.name][0] != a]
        built = await _embed_agents(new, embed)
        return cls(
            snapshot.version,
            {a.name: (a, built[a.name] if a.name in built else known[a.name][1]) for a in agents},
        )

    def agent(self, name: str) -> Agent:
        """Return the spec that was indexed under `name`."""
        return self._agents[name][0]

    def compare(self, vector: Vectors) -> Nearness:
        """Compare one query vector (dim,) with every agent, in the order of `names`."""
        if not self.names:
            nothing = np.zeros(0, np.float32)
            return Nearness(*[nothing] * len(fields(Nearness)))
        heads = self._heads @ vector
        taught = self.examples > 0
        return Nearness(
            name=heads[:, 0],
            whole=heads[:, 1],
            phrase=self._phrases.nearest(vector),
            example=self._examples.nearest(vector),
            centroid=np.where(taught, self._centroids @ vector, NONE),
            not_its=self._not_its.nearest(vector),
        )

    def outside(self) -> Vectors:
        """Return what agents say that they do not do, (n, dim)."""
        return self._not_its.vectors if self.names else np.zeros((0, 0), np.float32)

    def left_out(self, most: int) -> Iterator[tuple[Vectors, Nearness]]:
        """Yield examples with what they have in common with every agent, themselves left out.

        At most `most` are drawn, evenly over the agents' examples and always the same.
        """
        places = [
            (position, number)
            for position, (_, entry) in enumerate(self._agents.values())
            for number in range(len(entry.examples) if len(entry.examples) > 1 else 0)
        ]
        drawn = np.random.default_rng(0).permutation(len(places))[:most]
        entries = [entry for _, entry in self._agents.values()]
        for place in drawn:
            position, number = places[place]
            entry = entries[position]
            vector = entry.examples[number]
            near = self.compare(vector)
            others = np.delete(entry.examples, number, axis=0)
            rest = others.sum(axis=0)
            near.example[position] = (others @ vector).max()
            near.centroid[position] = rest @ vector / max(float(np.linalg.norm(rest)), 1e-9)
            yield vector, near

    def evidence(self, name: str, vector: Vectors) -> tuple[str, str, float]:
        """Return the kind, the words and the cosine of what is nearest to the query in an agent."""
        entry = self._agents[name][1]
        found = [
            ("example", text, float(cosine))
            for text, cosine in zip(entry.texts.examples, entry.examples @ vector, strict=True)
        ] + [
            ("description", text, float(cosine))
            for text, cosine in zip(entry.texts.phrases, entry.phrases @ vector, strict=True)
        ]
        return max(found, key=lambda item: item[2])


class _Groups:
    """Vectors in groups, one group per agent; some may be empty."""

    def __init__(self, groups: Sequence[Vectors]) -> None:
        lengths = np.array([len(group) for group in groups])
        self.vectors = np.concatenate(groups)
        self._filled = np.flatnonzero(lengths)
        self._starts = (np.cumsum(lengths) - lengths)[self._filled]
        self._total = len(groups)

    def nearest(self, vector: Vectors) -> Vectors:
        """Return each group's best cosine with `vector`, NONE for an empty one."""
        best = np.full(self._total, NONE, np.float32)
        if len(self._filled):
            best[self._filled] = np.maximum.reduceat(self.vectors @ vector, self._starts)
        return best


async def _embed_agents(agents: Sequence[Agent], embed: Embed) -> dict[str, _AgentVectors]:
    if not agents:
        return {}
    texts = [_Texts.of(agent) for agent in agents]
    vectors = await embed([text for entry in texts for text in entry.all])
    built: dict[str, _AgentVectors] = {}
    start = 0
    for agent, entry in zip(agents, texts, strict=True):
        ends = np.cumsum([start, 2, len(entry.phrases), len(entry.examples), len(entry.not_its)])
        head, own, examples, not_its = (vectors[low:high] for low, high in pairwise(ends))
        start = int(ends[-1])
        total = examples.sum(axis=0)
        built[agent.name] = _AgentVectors(
            texts=entry,
            head=head,
            phrases=own,
            examples=examples,
            not_its=not_its,
            centroid=total / max(float(np.linalg.norm(total)), 1e-9),
        )
    return built
