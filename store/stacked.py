"""What is told of the chunks of a large memory, and what its stack tells: see `stacks.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .chunks import Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class StackedRow:
    """A chunk as it is stacked.

    `thread` names the chunks that it stands among; `length` is the logarithm of its tokens; `words`
    are stems, `names` the words of its writer's name; `vector` is float32 little-endian, made by
    `encoder`.
    """

    id: str
    session: str | None
    thread: str
    sequence: int
    agent: str | None
    day: int
    length: float
    asks: bool
    trust: float
    words: Sequence[str]
    names: Sequence[str]
    encoder: str | None
    vector: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StackState:
    """How far a memory is stacked, and how far it has come (`mark`)."""

    sequence: int
    erasures: int
    chunks: int
    words: int
    mark: Mark

    @property
    def behind(self) -> int:
        """How many numbers of chunks are not stacked; the chunks of some may be gone."""
        return self.mark.sequence - self.sequence


NOT_STACKED = StackState(
    sequence=0, erasures=0, chunks=0, words=0, mark=Mark(sequence=0, erasures=0)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What each word of a query weighs, and how a chunk of n words is held back: flat + slope n."""

    words: Mapping[str, float]
    flat: float
    slope: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """Chunks, by columns of one length.

    `words` are BM25 scores, `cosine` None where this encoder made no vector; `meaning` is the same
    with the query as an expert reads it, and has no rows where none does. `named`: the writer
    has one of the names asked for. `meant`: it is of the scope; what is not stands around what is.
    """

    id: Sequence[str] = ()
    thread: Sequence[str] = ()
    sequence: Sequence[int] = ()
    day: Sequence[int] = ()
    length: Sequence[float] = ()
    asks: Sequence[bool] = ()
    trust: Sequence[float] = ()
    meant: Sequence[bool] = ()
    named: Sequence[bool] = ()
    words: Sequence[float] = ()
    cosine: Sequence[float | None] = ()
    meaning: Sequence[float | None] = ()
