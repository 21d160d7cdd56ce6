"""Files of what was learned: safetensors, with a card in the metadata. Nothing in them is run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigurationError

Vector: TypeAlias = NDArray[np.float32]
"""The embedding of one text, `(dim,)`."""
Tensors: TypeAlias = dict[str, NDArray[np.float32]]


def save_learned(file: Path, tensors: Mapping[str, NDArray[Any]], card: Mapping[str, Any]) -> None:
    """Write tensors and card; the file appears whole or not at all."""
    from safetensors.numpy import save_file

    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(".part")
    rows = {name: np.ascontiguousarray(one, np.float32) for name, one in tensors.items()}
    save_file(rows, beside, metadata={"card": json.dumps(card, sort_keys=True)})
    beside.replace(file)


def load_learned(file: Path, *kinds: str, what: str, fix: str) -> tuple[Tensors, dict[str, Any]]:
    """Return tensors and card of a file of one of these kinds.

    `what` it is called in messages, `fix` the sentence that says how to come by one.

    Raises:
        ConfigurationError: the file is missing, damaged, or holds something else.
    """
    from safetensors import SafetensorError, safe_open

    if not file.is_file():
        raise ConfigurationError(f"There is no {what} {str(file)!r}. {fix}")
    try:
        with safe_open(file, framework="np") as opened:
            card = json.loads((opened.metadata() or {})["card"])
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise ConfigurationError(
            f"The {what} {str(file)!r} is damaged, or no {what} of Callboard's: {error}. {fix}"
        ) from error
    if card.get("kind") not in kinds:
        raise ConfigurationError(
            f"The {what} {str(file)!r} is of kind {card.get('kind')!r}; it has to be "
            f"{' or '.join(kinds)}. {fix}"
        )
    return tensors, card
