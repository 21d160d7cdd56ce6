"""The base transformer in torch, which reads queries with one LoRA or another put into it.

It is loaded when a query is first read and serves all experts of kind `lora` over one base. Only
one LoRA is in it at a time, and those that read by turns are put in by turns, so that no memory is
held for experts that are gone.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from ...errors import ConfigurationError
from ..encoder import Vectors
from ..minilm import NAME, published, readable
from ..transformer import load_transformer, name_of
from .adapter import Adapter, exchange

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_BATCH = 32


class QueryReader:
    """Reads queries with the base transformer and a LoRA. May be used from any thread.

    Args:
        encoder: the base, as `encoder` in the settings names it.
    """

    def __init__(self, encoder: str = "minilm") -> None:
        self._encoder = encoder
        self._lock = Lock()
        self._base: SentenceTransformer | None = None
        self._name = ""
        self._held: Adapter | None = None

    def read(self, texts: Sequence[str], adapter: Adapter, *, base: str) -> Vectors:
        """Return the texts as they are read with `adapter`, `(n, dim)` float32, L2-normalised.

        Blocks: the first time as long as the base takes to load. `base` is the name of the encoder
        that the adapter was made for.

        Raises:
            ConfigurationError: peft is missing, the base can't be loaded or is another one, or the
                adapter does not fit it.
        """
        with self._lock:
            model = self._ready(base)
            if self._held is not adapter:
                self._exchange(model, adapter)
            vectors = model.encode(
                [readable(text) for text in texts],
                batch_size=_BATCH,
                normalize_embeddings=True,
                convert_to_numpy=True,
                show_progress_bar=False,
            )
        dim = model.get_embedding_dimension()
        return np.asarray(vectors, dtype=np.float32).reshape(len(texts), dim or -1)

    def _ready(self, base: str) -> SentenceTransformer:
        if self._base is None:
            self._name, self._base = load_base(self._encoder)
        if self._name != base:
            raise ConfigurationError(
                f"This expert was made for the encoder {base!r}, and that of the settings is "
                f"{self._name!r}. Make one with 'callboard train expert'."
            )
        return self._base

    def _exchange(self, model: SentenceTransformer, adapter: Adapter) -> None:
        held, self._held = self._held, None
        try:
            exchange(model, held, adapter)
        except ConfigurationError:
            self._base = None  # the next to read loads a clean one
            raise
        self._held = adapter


def load_base(encoder: str) -> tuple[str, SentenceTransformer]:
    """Return the name of an encoder and its transformer in torch. Blocks.

    Raises:
        ConfigurationError: peft is missing, or the weights are not on this machine.
    """
    need_peft()
    if encoder == "minilm":
        return NAME, load_transformer(str(published()))
    loaded = load_transformer(encoder)
    return name_of(encoder, loaded), loaded


def need_peft() -> None:
    """Raise unless peft is installed.

    Raises:
        ConfigurationError: it is not.
    """
    if importlib.util.find_spec("peft") is None:
        raise ConfigurationError(
            "Experts of kind 'lora' need the package peft. "
            "Install it with: pip install 'callboard[experts]'"
        )
