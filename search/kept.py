"""Vectors of texts that are shipped with Callboard, kept in the cache folder.

They are the same in every project, so they are encoded once per machine and encoder.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .encoder import Encoder, Vectors


async def kept_vectors(encoder: Encoder, texts: Sequence[str], folder: Path) -> Vectors:
    """Return the vectors of `texts`, (n_texts, dim) float32, from `folder` if they are there.

    A folder that can't be written costs time, not the answer.
    """
    key = hashlib.sha256("\n".join((encoder.name, *texts)).encode()).hexdigest()
    file = folder / "vectors" / f"{key}.npy"
    try:
        vectors: Vectors = np.load(file, allow_pickle=False)
        if vectors.shape == (len(texts), encoder.dim):
            return vectors
    except (OSError, ValueError):
        pass  # absent or damaged: made anew
    vectors = await encoder.aencode(texts)
    _keep(file, vectors)
    return vectors


def _keep(file: Path, vectors: Vectors) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, suffix=".npy")
        with os.fdopen(handle, "wb") as target:
            np.save(target, vectors, allow_pickle=False)
        Path(name).replace(file)
    except OSError:
        return
