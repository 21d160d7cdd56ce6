"""When the next rung is asked: where it is predicted to gain more than tau, and only there.

That the reply of the cheaper model is poor says nothing by itself: where the dearer one is no
better, asking it is money lost.

Source: Arbitrage, arXiv 2512.05033: the larger model takes a step if its advantage exceeds tau.
There tau is one number and the small model has always written first; here each pair of
neighbouring rungs has its own, and a rung may be passed over unasked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What the next rung has to gain, for each pair of neighbours, in points of quality.

    `margins` is what it has to gain more for the lower one not to be asked at all: how much a
    draft usually changes the prediction.
    """

    taus: tuple[float, ...]
    margins: tuple[float, ...]

    def start(self, gains: Sequence[float]) -> int:
        """Return the first rung that is asked, by what is predicted before any reply."""
        place = 0
        while place < len(gains) and gains[place] > self.taus[place] + self.margins[place]:
            place += 1
        return place

    def climbs(self, place: int, gain: float) -> bool:
        """Tell whether the rung after `place` is asked, by what is predicted with the draft."""
        return gain > self.taus[place]

    def end(self, before: Sequence[float], after: Sequence[float] | None = None) -> int:
        """Return the rung whose reply stands; `after` are the gains with the drafts, if known."""
        place = self.start(before)
        while after is not None and place < len(after) and self.climbs(place, after[place]):
            place += 1
        return place
