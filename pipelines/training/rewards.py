"""The reward of a choice of tiers: how well the task was done, and how little it cost.

Source: BudgetMem, arXiv 2602.06025, section 3.4 and its released code: `r = (s_c / s_t) * r_task +
weight * r_cost`, where s_t and s_c are the standard deviations of both rewards. That is the paper's
`r_task + weight * (s_t / s_c) * r_cost` up to a factor, which normalised advantages do not see.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

COST_WINDOW = 2_000
SCALE_WINDOW = 20_000
_LEAST_SCALE = 1e-5


class CostNormaliser:
    """Turns costs into rewards in 0..1, 1 is cheap, by the costs seen last.

    Costs are spread over orders of magnitude, so their square roots are compared; what lies
    outside the 5th and 95th percentile of the window counts as the one that is nearer.
    """

    def __init__(self, window: int = COST_WINDOW) -> None:
        self.seen: deque[float] = deque(maxlen=window)

    def __call__(self, costs_usd: Sequence[float]) -> Floats:
        """Return the reward of each cost, `(n,)`; they are part of the window already."""
        self.seen.extend(costs_usd)
        roots = np.sqrt(np.asarray(costs_usd, np.float64))
        low, high = np.percentile(np.sqrt(np.fromiter(self.seen, np.float64)), (5, 95))
        if high <= low:
            low, high = (0.0, 1.0) if high == 0 else (0.9 * high, high)
        rewards: Floats = 1 - np.clip((roots - low) / (high - low), 0, 1)
        return rewards


class ScaleAlignment:
    """Brings both rewards to one scale; without it the one that varies more decides alone."""

    def __init__(self, *, aligned: bool = True, window: int = SCALE_WINDOW) -> None:
        self._aligned = aligned
        self.tasks: deque[float] = deque(maxlen=window)
        self.costs: deque[float] = deque(maxlen=window)

    def __call__(self, task: Floats, cost: Floats, weight: float) -> Floats:
        """Return the reward of each query, `(n,)`, at this weight of cost."""
        self.tasks.extend(task.tolist())
        self.costs.extend(cost.tolist())
        factor = 1.0
        if self._aligned:
            spread_t, spread_c = (
                max(float(np.std(np.fromiter(one, np.float64))), _LEAST_SCALE)
                for one in (self.tasks, self.costs)
            )
            factor = spread_c / spread_t
        rewards: Floats = factor * task + weight * cost
        return rewards
