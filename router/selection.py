"""How many agents are called: all that are probable enough."""

from __future__ import annotations

from collections.abc import Sequence


def probable(probabilities: Sequence[float], *, least: float) -> tuple[int, ...]:
    """Return the indices of those entries that reach `least`, the largest first; one at least.

    To take an agent is worth its probability to be needed, against the price of one agent more: the
    smallest set that is expected to be worth most is that of all whose probability exceeds the
    price. With a price learned from held-out examples it is a conformal set, see
    `calibration.Calibration.least`.
    """
    order = sorted(range(len(probabilities)), key=lambda index: -probabilities[index])
    return tuple(
        index for rank, index in enumerate(order) if rank == 0 or probabilities[index] >= least
    )
