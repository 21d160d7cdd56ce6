"""Many texts encoded side by side: an encoder whose `encode` is fanned out, piece by piece."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...search.encoder import Encoder, Vectors
from ...search.encoders import load_encoder
from ...search.recent import RecentEncoder
from ...values import JSON
from . import fan_out
from .work import Place, Work

PIECE = 512
"""Texts of one item: about a second's work."""


class Reader:
    """Encodes pieces, in any process. A `Worker`; `settings` name the encoder."""

    def __init__(self, settings: JSON) -> None:
        self._encoder = load_encoder(settings["encoder"], Path(settings["cache_dir"]))

    def __call__(self, item: JSON) -> JSON:
        """Return the vectors of texts, float32 in base64."""
        return b64encode(self._encoder.encode(item).astype("<f4").tobytes()).decode()

    def close(self) -> None:
        """Nothing is held."""


class SpreadEncoder(RecentEncoder):
    """An encoder that `encode`s many texts at `place`, and everything else here.

    `encoder` was loaded by `name` from `cache_dir`; where others work they load it the same way.
    """

    def __init__(self, encoder: Encoder, name: str, cache_dir: Path, place: Place) -> None:
        super().__init__(encoder)
        self._work = Work(make=Reader, settings={"encoder": name, "cache_dir": str(cache_dir)})
        self._place = place

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return `(len(texts), dim)` float32, L2-normalised."""
        if len(texts) <= PIECE:
            return super().encode(texts)
        pieces = (list(texts[begin : begin + PIECE]) for begin in range(0, len(texts), PIECE))
        vectors = np.empty((len(texts), self.dim), np.float32)
        for number, made in fan_out(self._work, pieces, self._place):
            rows = np.frombuffer(b64decode(made), "<f4").reshape(-1, self.dim)
            vectors[number * PIECE : number * PIECE + len(rows)] = rows
        return vectors
