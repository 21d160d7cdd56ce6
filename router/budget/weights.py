"""The files of trained policies, and the embeddings that such a policy is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ConfigurationError
from ...models.learned import Tensors, load_learned


def load_policy(file: Path, *kinds: str) -> tuple[Tensors, dict[str, Any]]:
    """Return tensors and card of a policy of one of these kinds.

    Raises:
        ConfigurationError: the file is missing, damaged, or holds something else.
    """
    fix = "Train one with 'callboard train budget', or leave [memory] policy out."
    return load_learned(file, *kinds, what="policy", fix=fix)


def fitting(vector: Any, dim: int, policy: str) -> NDArray[np.float32]:
    """Return an embedding as an array `(dim,)`.

    Raises:
        ConfigurationError: it has another length.
    """
    found = np.asarray(vector, np.float32)
    if found.shape != (dim,):
        raise ConfigurationError(
            f"The {policy} policy was trained on embeddings of length {dim}, and was given "
            f"{found.size} numbers. Train it again with the encoder of the settings."
        )
    return found
