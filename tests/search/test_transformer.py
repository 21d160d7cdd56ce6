"""The one test module here that loads torch."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from callboard.errors import ConfigurationError
from callboard.search.encoder import Encoder
from callboard.search.encoders import load_encoder
from callboard.search.minilm import PACKAGE, OnnxEncoder

TEXTS = [
    "Why was I charged twice?",
    "refund",
    "What is 15% of 240, and which weekday is 90 days after 2026-01-15?",
    "The quick brown fox jumps over the lazy dog. " * 60,
    "Grüße aus Köln — 你好",
    "",
]


@pytest.fixture(scope="module")
def transformer(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """The published model as sentence-transformers serves it."""
    spec = importlib.util.find_spec(PACKAGE)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    folder = Path(spec.submodule_search_locations[0], "model")
    return load_encoder(str(folder), tmp_path_factory.mktemp("cache"))


def test_the_exported_encoder_agrees_with_the_published_one(
    encoder: OnnxEncoder, transformer: Encoder
) -> None:
    cosines = np.sum(encoder.encode(TEXTS) * transformer.encode(TEXTS), axis=1)
    # 8-bit weights: 0.9989 on the mean, 0.993 at least, over 1,000 short queries.
    assert cosines.min() > 0.99


def test_both_encoders_keep_the_same_promises(encoder: OnnxEncoder, transformer: Encoder) -> None:
    vectors = transformer.encode(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), transformer.dim) == (len(TEXTS), 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert transformer.encode([]).shape == (0, 384)
    assert transformer.count_many(TEXTS) == encoder.count_many(TEXTS)
    assert transformer.name.startswith("model-")
    assert transformer.name != encoder.name


async def test_it_encodes_off_the_event_loop_too(transformer: Encoder) -> None:
    np.testing.assert_allclose(
        await transformer.aencode(TEXTS), transformer.encode(TEXTS), atol=1e-5
    )


@pytest.mark.parametrize("name", ["somebody/has-no-such-model", "./no/such/folder"])
def test_a_model_that_is_not_here_is_an_error_that_names_the_fix(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=rf"{name}.*download.*minilm"):
        load_encoder(name, tmp_path)
