"""An expert that reads queries with the base transformer and a LoRA of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..encoder import Vectors
from .adapter import Adapter
from .expert import Card, Pilots, Tensors
from .reader import QueryReader


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraExpert:
    """q' = what the base with `adapter` makes of the text; `reader` may be shared by experts."""

    card: Card
    pilots: Pilots
    adapter: Adapter
    reader: QueryReader

    def adapt(self, texts: Sequence[str], vectors: Vectors) -> Vectors:
        """Return the queries as the expert reads them, `(n, dim)` float32, L2-normalised.

        The base's own `vectors` are not needed. Blocks: milliseconds for a query.

        Raises:
            ConfigurationError: peft is missing, the base can't be loaded or is another one, or the
                adapter does not fit it.
        """
        return self.reader.read(texts, self.adapter, base=self.card.encoder)

    def tensors(self) -> Tensors:
        """Return what it is made of, without its pilots."""
        return self.adapter.tensors
