"""Vectors of texts that are asked for again, kept in the cache folder.

Those of texts that are shipped with Callboard are the same in every project; those of a set that is
trained on are asked for at every training. They are encoded once per machine and encoder.
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
    file = _file(encoder, texts, folder)
    vectors = _kept(file, (len(texts), encoder.dim))
    if vectors is None:
        vectors = await encoder.aencode(texts)
        _keep(file, vectors)
    return vectors


def encode_kept(encoder: Encoder, texts: Sequence[str], folder: Path) -> Vectors:
    """Return the same where nothing else waits. Blocks."""
    file = _file(encoder, texts, folder)
    vectors = _kept(file, (len(texts), encoder.dim))
    if vectors is None:
        vectors = encoder.encode(texts)
        _keep(file, vectors)
    return vectors


def _file(encoder: Encoder, texts: Sequence[str], folder: Path) -> Path:
    key = hashlib.sha256("\n".join((encoder.name, *texts)).encode()).hexdigest()
    return folder / "vectors" / f"{key}.npy"


def _kept(file: Path, shape: tuple[int, int]) -> Vectors | None:
    """Return what is kept in a file; None: it is absent or damaged."""
    try:
        vectors: Vectors = np.load(file, allow_pickle=False)
    except (OSError, ValueError):
        return None
    return vectors if vectors.shape == shape else None


def _keep(file: Path, vectors: Vectors) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, suffix=".npy")
        with os.fdopen(handle, "wb") as target:
            np.save(target, vectors, allow_pickle=False)
        Path(name).replace(file)
    except OSError:
        return
