"""One encoder for all tests of this folder: its export takes seconds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from callboard.search.minilm import NAME, OnnxEncoder, load_minilm


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder in which the exported encoder is damaged."""
    folder = tmp_path_factory.mktemp("cache")
    (folder / "encoders").mkdir()
    (folder / "encoders" / f"{NAME}.onnx").write_bytes(b"cut off")
    return folder


@pytest.fixture(scope="session")
def two_encoders(cache: Path) -> list[OnnxEncoder]:
    """The encoders of two callers who found the damaged file at once: two processes export it."""
    with ThreadPoolExecutor(2) as callers:
        return list(callers.map(load_minilm, [cache, cache]))


@pytest.fixture(scope="session")
def encoder(two_encoders: list[OnnxEncoder]) -> OnnxEncoder:
    return two_encoders[0]
