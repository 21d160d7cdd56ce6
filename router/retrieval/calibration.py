"""What a board learns about its own scores, from examples that were held out.

Every example is a query of which is known who should answer. Those that are held out are scored by
an index and by heads that have not seen them, as if users had asked them now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ...search.encoder import Vectors
from .scoring import USUAL_BORDER, probabilities

_CAUTION = 0.02
"""Added to the border: real queries lie a little nearer to examples than these to one another."""
_PRIOR = 30
"""The border without examples, and the usual temperature, count as much as this many examples."""
_OUTSIDE = 0.9
"""Without examples, this share of everyday queries that no agent takes is out of scope."""
_TEMPERATURES = np.geomspace(0.5, 3.0, 26)


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A held-out example of `agent`: who was compared, best first, with what relevance `(n,)`."""

    agent: str
    query: str
    names: tuple[str, ...]
    relevance: Vectors
    margin: float

    @property
    def right(self) -> int | None:
        """The place of its agent in `names`; None if it was not among those compared."""
        return self.names.index(self.agent) if self.agent in self.names else None


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """How to read the scores of one board.

    From the margin `border` on a query is in scope; relevances are divided by `temperature`;
    `held_out` are the probabilities that the right agents of held-out examples had, in order.
    """

    border: float = USUAL_BORDER
    temperature: float = 1.0
    held_out: Vectors = field(default_factory=lambda: np.zeros(0, np.float32))

    def least(self, coverage: float) -> float | None:
        """Return the probability from which agents are called so that the right one is among them.

        It is, with probability `coverage`, for queries like the examples. None: these are too few
        to tell, or too many of them were not even compared with their agent. Source: split
        conformal prediction with the score 1 - p; Sadinle et al., "Least Ambiguous Set-Valued
        Classifiers", JASA 2019 (arXiv 1609.00451).
        """
        n = len(self.held_out)
        lost = int(np.floor((n + 1) * (1 - coverage)))
        return float(self.held_out[lost - 1]) or None if 0 < lost <= n else None


def calibrated(trials: Sequence[Trial], outside: Vectors) -> Calibration:
    """Return what trials tell, and the margins `(n,)` of queries that are out of scope."""
    if not trials:
        return Calibration(border=border_by(outside))
    temperature = _temperature(trials)
    held_out = [
        0.0 if trial.right is None else probabilities(trial.relevance, temperature)[trial.right]
        for trial in trials
    ]
    inside = np.array([trial.margin for trial in trials], np.float32)
    return Calibration(
        border=_border(inside, outside),
        temperature=temperature,
        held_out=np.sort(np.array(held_out, np.float32)),
    )


def border_by(outside: Vectors) -> float:
    """Return the border by the margins `(n,)` of everyday queries alone."""
    return float(np.quantile(outside, _OUTSIDE)) if len(outside) else USUAL_BORDER


def _temperature(trials: Sequence[Trial]) -> float:
    """Return the temperature that makes the right agents likeliest (arXiv 1706.04599)."""
    known = [(trial.relevance, trial.right) for trial in trials if trial.right is not None]
    if not known:
        return 1.0
    losses = [
        -np.mean([np.log(max(probabilities(scores, t)[right], 1e-9)) for scores, right in known])
        for t in _TEMPERATURES
    ]
    share = len(known) / (len(known) + _PRIOR)
    return float(_TEMPERATURES[int(np.argmin(losses))] ** share)


def _border(inside: Vectors, outside: Vectors) -> float:
    """Return the margin from which a query is in scope.

    It maximises the harmonic mean of the shares that are told right on both sides. Source: GQR
    score, arXiv 2505.14524, on margins instead of labels.
    """
    if len(outside) < 2:
        return border_by(outside)
    borders = np.unique(np.concatenate([inside, outside]))
    kept = 1 - np.searchsorted(np.sort(inside), borders) / len(inside)
    refused = np.searchsorted(np.sort(outside), borders) / len(outside)
    score = 2 * kept * refused / np.maximum(kept + refused, 1e-9)
    # The best is often a plateau; its middle is the safest place.
    best = float(np.median(borders[score >= score.max() - 1e-9]))
    share = len(inside) / (len(inside) + _PRIOR)
    return share * (best + _CAUTION) + (1 - share) * border_by(outside)
