"""Experts as bytes: safetensors with their card; nothing in them is run."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...codec import from_json, to_json
from ...errors import ConfigurationError
from ...models.learned import dump_learned, parse_learned, write_whole
from .expert import Card, Expert, LinearExpert, Pilots, Tensors

_KINDS = ("linear", "lora")
_FIX = "Make one with 'callboard train expert'."
_PILOTS = ("won", "lost", "gate")


def dump_expert(expert: Expert) -> bytes:
    """Return an expert as bytes."""
    pilots = {f"pilots.{name}": getattr(expert.pilots, name) for name in _PILOTS}
    return dump_learned({**expert.tensors(), **pilots}, to_json(expert.card))


def parse_expert(data: bytes, *, encoder: str, name: str) -> Expert:
    """Return the expert that `dump_expert` made bytes of. Blocks: reads up to some megabytes.

    Args:
        data: the bytes.
        encoder: the name of the base encoder in use.
        name: what the bytes are called in messages.

    Raises:
        ConfigurationError: they are damaged, hold something else, or need another base encoder.
    """
    tensors, told = parse_learned(data, *_KINDS, name=name, what="expert", fix=_FIX)
    try:
        card = from_json(Card, told)
        pilots = Pilots(**{one: tensors.pop(f"pilots.{one}") for one in _PILOTS})
        expert = _expert(card, pilots, tensors)
    except (KeyError, ValueError) as error:
        raise ConfigurationError(f"The expert {name!r} is damaged: {error}. {_FIX}") from error
    if card.encoder != encoder:
        raise ConfigurationError(
            f"The expert {name!r} was made for the encoder {card.encoder!r}, and that of the "
            f"settings is {encoder!r}. {_FIX}"
        )
    return expert


def save_expert(expert: Expert, file: Path) -> None:
    """Write an expert; the file appears whole or not at all."""
    write_whole(file, dump_expert(expert))


def _expert(card: Card, pilots: Pilots, tensors: Tensors) -> Expert:
    """Return the expert of these tensors.

    Raises:
        KeyError, ValueError: they do not fit together.
    """
    wrong = pilots.gate.shape != (card.dim + 1,) or any(
        one.ndim != 2 or one.shape[1] != card.dim for one in (pilots.won, pilots.lost)
    )
    finite = all(np.isfinite(one).all() for one in (*tensors.values(), pilots.gate))
    change = tensors["change"]
    if wrong or not finite or change.shape != (card.dim, card.dim):
        raise ValueError("its numbers do not fit together")
    return LinearExpert(card=card, pilots=pilots, change=change)
