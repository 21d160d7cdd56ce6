"""Many texts encoded in pieces are what they are encoded at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from platformdirs import user_cache_dir

from callboard.pipelines.fanning import Place
from callboard.pipelines.fanning.encoding import PIECE, SpreadEncoder
from callboard.search.encoders import load_encoder

CACHE = Path(user_cache_dir("callboard"))


def test_texts_come_back_in_their_order_but_for_rounding() -> None:
    encoder = load_encoder("minilm", CACHE)
    spread = SpreadEncoder(encoder, "minilm", CACHE, Place(workers=2))
    texts = [f"{number} bottles" for number in range(PIECE + 20)]
    made = spread.encode(texts)
    alone = encoder.encode(texts[PIECE - 2 : PIECE + 2])
    assert made.shape == (PIECE + 20, encoder.dim)
    cosines = (made[PIECE - 2 : PIECE + 2] * alone).sum(axis=1)
    assert np.all(cosines > 0.99)
    assert float(made[0] @ made[-1]) < 0.99
