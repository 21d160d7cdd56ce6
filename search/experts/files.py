"""Experts as bytes: safetensors with their card; nothing in them is run."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...codec import from_json, to_json
from ...errors import ConfigurationError
from ...models.learned import dump_learned, parse_learned, write_whole
from .adapter import Adapter
from .expert import Card, Expert, LinearExpert, Pilots, Tensors
from .lora import LoraExpert
from .reader import QueryReader, need_peft

_KINDS = ("linear", "lora")
_FIX = "Make one with 'callboard train expert'."
_PILOTS = ("won", "lost", "gate")
_MISFIT = "its numbers do not fit together"


def dump_expert(expert: Expert) -> bytes:
    """Return an expert as bytes."""
    pilots = {f"pilots.{name}": getattr(expert.pilots, name) for name in _PILOTS}
    return dump_learned({**expert.tensors(), **pilots}, to_json(expert.card))


def parse_expert(
    data: bytes, *, encoder: str, name: str, reader: QueryReader | None = None
) -> Expert:
    """Return the expert that `dump_expert` made bytes of. Blocks: reads up to some megabytes.

    Args:
        data: the bytes.
        encoder: the name of the base encoder in use.
        name: what the bytes are called in messages.
        reader: reads queries for experts of kind `lora`, one for all over the same base; None: one
            over MiniLM for this expert alone.

    Raises:
        ConfigurationError: they are damaged, hold something else, or need another base encoder or
            a package that is not installed.
    """
    tensors, told = parse_learned(data, *_KINDS, name=name, what="expert", fix=_FIX)
    try:
        card = from_json(Card, told)
        pilots = Pilots(**{one: tensors.pop(f"pilots.{one}") for one in _PILOTS})
        expert = _expert(card, pilots, tensors, reader)
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


def _expert(card: Card, pilots: Pilots, tensors: Tensors, reader: QueryReader | None) -> Expert:
    """Return the expert of these tensors.

    Raises:
        ConfigurationError: a package that it needs is not installed.
        KeyError, ValueError: they do not fit together.
    """
    wrong = pilots.gate.shape != (card.dim + 1,) or any(
        one.ndim != 2 or one.shape[1] != card.dim for one in (pilots.won, pilots.lost)
    )
    finite = all(np.isfinite(one).all() for one in (*tensors.values(), pilots.gate))
    if wrong or not finite:
        raise ValueError(_MISFIT)
    if card.kind == "lora":
        need_peft()
        adapter = Adapter.of(card.settings, tensors)
        return LoraExpert(card=card, pilots=pilots, adapter=adapter, reader=reader or QueryReader())
    change = tensors["change"]
    if change.shape != (card.dim, card.dim):
        raise ValueError(_MISFIT)
    return LinearExpert(card=card, pilots=pilots, change=change)
