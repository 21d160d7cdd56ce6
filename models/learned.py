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


def dump_learned(tensors: Mapping[str, NDArray[Any]], card: Mapping[str, Any]) -> bytes:
    """Return tensors and card as the bytes of a file."""
    from safetensors.numpy import save

    rows = {name: np.ascontiguousarray(one, np.float32) for name, one in tensors.items()}
    return save(rows, metadata={"card": json.dumps(card, sort_keys=True)})


def parse_learned(
    data: bytes, *kinds: str, name: str, what: str, fix: str
) -> tuple[Tensors, dict[str, Any]]:
    """Return tensors and card of bytes of one of these kinds.

    `name` and `what` they are called in messages, `fix` the sentence that says how to come by some.

    Raises:
        ConfigurationError: they are damaged, or hold something else.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors = load(data)
        head = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        card = json.loads(head["__metadata__"]["card"])
    except (SafetensorError, KeyError, ValueError) as error:
        raise ConfigurationError(
            f"The {what} {name!r} is damaged, or no {what} of Callboard's: {error}. {fix}"
        ) from error
    if card.get("kind") not in kinds:
        raise ConfigurationError(
            f"The {what} {name!r} is of kind {card.get('kind')!r}; it has to be "
            f"{' or '.join(kinds)}. {fix}"
        )
    return tensors, card


def save_learned(file: Path, tensors: Mapping[str, NDArray[Any]], card: Mapping[str, Any]) -> None:
    """Write tensors and card; the file appears whole or not at all."""
    write_whole(file, dump_learned(tensors, card))


def write_whole(file: Path, data: bytes) -> None:
    """Write a file that appears whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(".part")
    beside.write_bytes(data)
    beside.replace(file)


def load_learned(file: Path, *kinds: str, what: str, fix: str) -> tuple[Tensors, dict[str, Any]]:
    """Return tensors and card of a file of one of these kinds.

    `what` it is called in messages, `fix` the sentence that says how to come by one.

    Raises:
        ConfigurationError: the file is missing, damaged, or holds something else.
    """
    if not file.is_file():
        raise ConfigurationError(f"There is no {what} {str(file)!r}. {fix}")
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"The {what} {str(file)!r} can't be read: {error}.") from error
    return parse_learned(data, *kinds, name=str(file), what=what, fix=fix)
