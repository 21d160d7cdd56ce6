"""A sheet of candidates: what was found of them, laid out as chunks of a shelf are."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, fields
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

from ..store.stacked import Looked
from .ranking import Floats, Layout, Numbers


@dataclass(frozen=True, slots=True)
class Sheet:
    """Candidates and those around them, `(n,)` each, in the order of `layout`.

    `places` are thread and number of each. `cosine` is that with the query as the base reads it,
    `meaning` as whoever ranks does; NaN where there is no vector.
    """

    ids: Sequence[str]
    places: Sequence[tuple[str, int]]
    layout: Layout
    words: Floats
    cosine: Floats
    meaning: Floats
    named: NDArray[np.bool_]
    meant: NDArray[np.bool_]


def lay_out(parts: Sequence[Looked], beside: Container[tuple[str, str]] = ()) -> Sheet:
    """Return all chunks of the parts, each once; `beside` are the ids of those that are neighbours.

    Two that are not are told apart as those of two sessions are.
    """
    columns = {
        field.name: list(chain.from_iterable(getattr(part, field.name) for part in parts))
        for field in fields(Looked)
    }
    ids, threads = columns["id"], columns["thread"]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(threads))}
    session = np.array([numbers[name] for name in threads], np.int64)
    _, first = np.unique(np.array(ids, np.str_), return_index=True)
    sequence = np.array(columns["sequence"], np.int64)
    order = first[np.lexsort((sequence[first], session[first]))]
    ids = [ids[place] for place in order]
    begins = np.flatnonzero(np.diff(session[order], prepend=-1))
    gaps = [pair not in beside for pair in pairwise(ids)]
    return Sheet(
        ids=ids,
        places=[(threads[place], columns["sequence"][place]) for place in order],
        layout=Layout(
            starts=begins,
            session=np.repeat(np.arange(len(begins)), np.diff(begins, append=len(ids))),
            stretch=np.cumsum([0, *gaps])[: len(ids)],
            length=_floats(columns["length"], order),
            asks=_floats(columns["asks"], order),
            trust=_floats(columns["trust"], order),
            days=np.array(columns["day"], np.int64)[order],
        ),
        words=_floats(columns["words"], order),
        cosine=_floats(columns["cosine"], order),
        meaning=_floats(columns["meaning"] or columns["cosine"], order),
        named=np.array(columns["named"], np.bool_)[order],
        meant=np.array(columns["meant"], np.bool_)[order],
    )


def _floats(column: Sequence[float | None], order: Numbers) -> Floats:
    return np.array(column, np.float64)[order]
