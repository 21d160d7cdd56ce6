"""How many agents are called: the smallest set that holds enough probability."""

from __future__ import annotations

from collections.abc import Sequence


def smallest_set(probabilities: Sequence[float], *, mass: float, most: int) -> tuple[int, ...]:
    """Return the indices of the fewest entries whose sum reaches `mass`, the largest first.

    At most `most` are taken, at least one where there is any. Source: top-p (nucleus) selection
    as in arXiv 1904.09751, over agents in place of tokens.
    """
    order = sorted(range(len(probabilities)), key=lambda index: -probabilities[index])
    chosen: list[int] = []
    held = 0.0
    for index in order[:most]:
        chosen.append(index)
        held += probabilities[index]
        if held >= mass:
            break
    return tuple(chosen)
