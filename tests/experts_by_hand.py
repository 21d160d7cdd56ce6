"""Experts made by hand: each reads one query as if it were another text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from callboard.search.encoder import Encoder, Vectors
from callboard.search.experts.expert import Card, LinearExpert, Pilots, Score
from callboard.search.experts.pilots import Gate


def leading(
    encoder: Encoder, query: str, to: str, *, name: str = "lead", **card: Any
) -> LinearExpert:
    """Return an expert for `query` alone: it reads it as the text `to`."""
    asked, target = encoder.encode([query, to])
    return expert_of(encoder, asked, target, name=name, **card)


def expert_of(
    encoder: Encoder, asked: Vectors, target: Vectors, *, name: str = "lead", **card: Any
) -> LinearExpert:
    """Return an expert whose gate opens to one vector, which it turns to another."""
    told: dict[str, Any] = {
        "name": name,
        "kind": "linear",
        "encoder": encoder.name,
        "dim": encoder.dim,
        "data": "by hand",
        "made_at": datetime(2026, 1, 15, 12, 0, tzinfo=UTC),
        "pairs": 1,
        "synthetic": False,
        "score": Score(queries=10, base=0.5, expert=0.6, low=0.05, high=0.15),
        **card,
    }
    nobody = np.zeros((0, encoder.dim), np.float32)
    gate = Gate(known=asked[None], border=0.75, width=0.1)
    return LinearExpert(
        card=Card(**told),
        pilots=Pilots(won=asked[None], lost=nobody, gate=gate),
        change=np.outer(asked, target - asked).astype(np.float32),
    )
