"""Files of learned policies: safetensors, with a card in the metadata. Nothing in them is run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ConfigurationError

Tensors = dict[str, NDArray[np.float32]]


def save_policy(file: Path, tensors: Mapping[str, NDArray[Any]], card: Mapping[str, Any]) -> None:
    """Write tensors and card; the file appears whole or not at all."""
    from safetensors.numpy import save_file

    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(".part")
    rows = {name: np.ascontiguousarray(one, np.float32) for name, one in tensors.items()}
    save_file(rows, beside, metadata={"card": json.dumps(card, sort_keys=True)})
    beside.replace(file)


def load_policy(file: Path, *kinds: str) -> tuple[Tensors, dict[str, Any]]:
    """Return tensors and card of a policy of one of these kinds.

    Raises:
        ConfigurationError: the file is missing, damaged, or holds something else.
    """
    from safetensors import SafetensorError, safe_open

    if not file.is_file():
        raise ConfigurationError(
            f"There is no policy {str(file)!r}. Train one with 'callboard train budget', or leave "
            "[memory] policy out."
        )
    try:
        with safe_open(file, framework="np") as opened:
            card = json.loads((opened.metadata() or {})["card"])
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise ConfigurationError(
            f"The policy {str(file)!r} is damaged, or no policy of Callboard's: {error}. "
            "Train it again with 'callboard train budget'."
        ) from error
    if card.get("kind") not in kinds:
        raise ConfigurationError(
            f"The policy {str(file)!r} is of kind {card.get('kind')!r}; it has to be "
            f"{' or '.join(kinds)}."
        )
    return tensors, card


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
