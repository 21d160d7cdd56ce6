"""How much better the dearer of two neighbouring rungs would answer, predicted from outcomes.

Linear in its features, so that a prediction is one product; trained by `callboard train ladder`.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

from ...errors import ConfigurationError
from ..learned import Tensors, Vector, load_learned, save_learned
from .features import CHEAP, Draft, draft_features, query_features

KIND = "ladder-ridge"
_FIX = "Train one with 'callboard train ladder', or leave predictor out."


class Predictor:
    """Predicts E[score of the next rung - score of this one], in points of quality.

    `tensors` are `query` `(pairs, dim + 1)`, and `draft` `(pairs, 2 * dim + CHEAP)` where it was
    trained on drafts too. `card` says how it was trained, and on what.
    """

    def __init__(self, tensors: Tensors, card: dict[str, Any]) -> None:
        self.card = card
        self._tensors = tensors

    @classmethod
    def load(cls, file: Path, *, rungs: Sequence[str], encoder: str | None = None) -> Self:
        """Read the predictor of a ladder with these rungs, whose texts this encoder embeds.

        Raises:
            ConfigurationError: the file is missing or damaged, or was made for something else.
        """
        tensors, card = load_learned(file, KIND, what="predictor", fix=_FIX)
        predictor = cls(tensors, card)
        if not predictor._is_whole():
            raise ConfigurationError(f"The predictor {str(file)!r} is damaged. {_FIX}")
        for what, trained, wanted in (
            ("rungs", tuple(card["rungs"]), tuple(rungs)),
            ("encoder", card["encoder"], encoder or card["encoder"]),
        ):
            if trained != wanted:
                raise ConfigurationError(
                    f"The predictor {str(file)!r} was trained for the {what} {trained!r}, and "
                    f"those of the settings are {wanted!r}. {_FIX}"
                )
        return predictor

    def save(self, file: Path) -> None:
        """Write it."""
        save_learned(file, self._tensors, {**self.card, "kind": KIND})

    @property
    def tau(self) -> float:
        """What the training found that the next rung has to gain."""
        return float(self.card["tau"])

    @property
    def margins(self) -> tuple[float, ...]:
        """How far a draft moves the prediction, for each pair; 0 where it knows no drafts."""
        return tuple(self.card["margins"])

    def worth(self, point_usd: Decimal) -> tuple[float, ...] | None:
        """Return tau of each pair: the difference in price over what a point is worth.

        None where the outcomes that it was trained on told no costs.
        """
        costs = self.card["costs_usd"]
        if costs is None:
            return None
        return tuple((after - before) / float(point_usd) for before, after in pairwise(costs))

    @property
    def reads_drafts(self) -> bool:
        """Whether it was trained on drafts too."""
        return "draft" in self._tensors

    def before(self, query: Vector) -> tuple[float, ...]:
        """Return the gain of each rung over the one below, by the query alone."""
        return tuple(float(one) for one in self._tensors["query"] @ query_features(query))

    def after(self, place: int, query: Vector, draft: Vector, told: Draft) -> float:
        """Return the gain of the rung after `place`, whose draft is known. See `reads_drafts`."""
        return float(self._tensors["draft"][place] @ draft_features(query, draft, told))

    def _is_whole(self) -> bool:
        if not {"rungs", "encoder", "dim", "tau", "margins", "costs_usd"} <= set(self.card):
            return False
        pairs, dim = len(self.card["rungs"]) - 1, int(self.card["dim"])
        shapes = {"query": (pairs, dim + 1), "draft": (pairs, 2 * dim + CHEAP)}
        found = {name: one.shape for name, one in self._tensors.items()}
        return "query" in found and all(shapes.get(name) == shape for name, shape in found.items())
