"""Experts as bytes: safetensors with their card; nothing in them is run."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...codec import from_json, to_json
from ...errors import ConfigurationError
from ...models.learned import dump_learned, parse_learned, write_whole
from ..encoder import Vectors
from .adapter import Adapter
from .expert import Card, Expert, LinearExpert, Pilots, Tensors
from .lora import LoraExpert
from .pilots import Gate
from .reader import QueryReader, need_peft

_KINDS = ("linear", "lora")
_FIX = "Make one with 'callboard train expert'."
_PILOTS = ("pilots.won", "pilots.lost", "gate.known", "gate.border")


def dump_expert(expert: Expert) -> bytes:
    """Return an expert as bytes."""
    pilots, gate = expert.pilots, expert.pilots.gate
    border = np.array([gate.border, gate.width], np.float32)
    told = dict(zip(_PILOTS, (pilots.won, pilots.lost, gate.known, border), strict=True))
    return dump_learned({**expert.tensors(), **told}, to_json(expert.card))


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
        pilots = _pilots(card, *(tensors.pop(one) for one in _PILOTS))
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


def _pilots(card: Card, won: Vectors, lost: Vectors, known: Vectors, border: Vectors) -> Pilots:
    """Return the pilots of these tensors.

    Raises:
        ValueError: they do not fit together.
    """
    for one in (won, lost, known):
        if one.ndim != 2 or one.shape[1] != card.dim or not np.isfinite(one).all():
            raise ValueError("its pilots do not fit")
    at, width = (float(one) for one in border)
    return Pilots(won=won, lost=lost, gate=Gate(known=known, border=at, width=width))


def _expert(card: Card, pilots: Pilots, tensors: Tensors, reader: QueryReader | None) -> Expert:
    """Return the expert of these tensors.

    Raises:
        ConfigurationError: a package that it needs is not installed.
        KeyError, ValueError: they do not fit together.
    """
    if not all(np.isfinite(one).all() for one in tensors.values()):
        raise ValueError("its numbers are not finite")
    if card.kind == "lora":
        need_peft()
        adapter = Adapter.of(card.settings, tensors)
        return LoraExpert(card=card, pilots=pilots, adapter=adapter, reader=reader or QueryReader())
    change = tensors["change"]
    if change.shape != (card.dim, card.dim):
        raise ValueError("its change does not fit")
    return LinearExpert(card=card, pilots=pilots, change=change)
