"""Vectors as the indexes want them, and what is compared with them in one thread."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InvalidInput
from .encoder import Vectors


def fitted(vectors: Vectors, shape: tuple[int, int]) -> Vectors:
    """Return the vectors as float32, row after row.

    Raises:
        InvalidInput: their shape is another, or they hold NaN or infinity.
    """
    rows = np.ascontiguousarray(vectors, dtype=np.float32)
    if rows.shape != shape:
        raise InvalidInput(
            f"Vectors of shape {rows.shape} do not fit: {shape} is needed. "
            "Encode all texts of one index with the same encoder."
        )
    if not np.isfinite(rows).all():
        raise InvalidInput("A vector holds NaN or infinity. Encode its text again.")
    return rows


def products(rows: Vectors, vector: Vectors) -> Vectors:
    """Return the inner product of each of `(n, dim)` with `(dim,)`."""
    found: Vectors = rows @ vector  # on one thread, as long as a board reads: see `one_thread`
    return found


def lone_faiss() -> Any:
    """Return FAISS, told to use the calling thread alone.

    Threads that wait for each other take 50 ms instead of 1 on a busy machine. What is told here
    holds for the calling thread only, so it is told before every use.
    """
    import faiss

    faiss.omp_set_num_threads(1)
    return faiss
