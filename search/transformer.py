"""Any sentence-transformers model by name, served by torch on the CPU."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from ..errors import ConfigurationError
from .batcher import BATCH_TEXTS, Batcher
from .encoder import Reading, Vectors

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer


class SentenceTransformerEncoder:
    """A sentence-transformers model that is on this machine; nothing is downloaded.

    Raises:
        ConfigurationError: there is no such model on this machine, or it can't be loaded.
    """

    def __init__(self, model: str) -> None:
        self._model = load_transformer(model)
        dim = self._model.get_embedding_dimension()
        if dim is None:
            raise ConfigurationError(
                f"The encoder {model!r} does not say how long its vectors are. "
                "Name a model that makes one vector per text."
            )
        self.dim = dim
        self.name = name_of(model, self._model)
        self._encoding = Batcher[Vectors](self._rows)
        self._reading = Batcher(self.read)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return `(len(texts), dim)` float32, L2-normalised. Blocks: see `aencode`."""
        if not texts:
            return np.empty((0, self.dim), dtype=np.float32)
        vectors = self._model.encode(
            list(texts),
            batch_size=BATCH_TEXTS,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        return np.asarray(vectors, dtype=np.float32)

    async def aencode(self, texts: Sequence[str]) -> Vectors:
        """Return the same in a worker thread, together with what others ask for just now."""
        found = await self._encoding.encode(texts)
        return np.asarray(found, np.float32).reshape(-1, self.dim)

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """Return what was read of every text. Blocks: see `aread`."""
        if not texts:
            return []
        found = self._model.encode(
            list(texts),
            batch_size=BATCH_TEXTS,
            normalize_embeddings=True,
            output_value=None,
            show_progress_bar=False,
        )
        return [_reading(cast("dict[str, torch.Tensor]", features)) for features in found]

    async def aread(self, texts: Sequence[str]) -> list[Reading]:
        """Return the same in a worker thread, together with what others ask for just now."""
        return await self._reading.encode(texts)

    def _rows(self, texts: Sequence[str]) -> list[Vectors]:
        return list(self.encode(texts))

    def count_tokens(self, text: str) -> int:
        """Return how many tokens the whole text has, without the marks at its ends."""
        return len(self._model.tokenizer.encode(text, add_special_tokens=False, verbose=False))

    def count_many(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of every text."""
        return [self.count_tokens(text) for text in texts]


def _reading(features: Mapping[str, torch.Tensor]) -> Reading:
    from torch.nn.functional import normalize

    inner = features["attention_mask"].bool().nonzero()[1:-1, 0]
    states = features["token_embeddings"][inner]
    return Reading(
        vector=normalize(features["sentence_embedding"], dim=-1).numpy().astype(np.float32),
        tokens=normalize(states, dim=-1).numpy().astype(np.float32),
        ids=features["input_ids"][inner].numpy().astype(np.int64),
    )


def load_transformer(model: str) -> SentenceTransformer:
    """Return the model from this machine. Blocks.

    Raises:
        ConfigurationError: there is no such model on this machine, or it can't be loaded.
    """
    from sentence_transformers import SentenceTransformer

    try:
        folder = folder_of(model)
        return SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    except (OSError, ValueError, ImportError, KeyError, RuntimeError) as error:
        raise ConfigurationError(
            f"The encoder {model!r} can't be loaded from this machine. Download it first "
            f"('hf download {model}'), give the path of its folder, or set "
            f"encoder = 'minilm'. The reason was: {error}"
        ) from error


def name_of(model: str, loaded: SentenceTransformer) -> str:
    """Return the identity of a model's weights: its name and the start of their hash."""
    return f"{Path(model).name}-{_hash(loaded.parameters())}"


def folder_of(model: str, owner: str = "sentence-transformers") -> Path:
    """Return where a model lies, without asking the hub; `owner` is that of a name without one.

    Given a name that is not in the cache, sentence-transformers asks the hub all the same.

    Raises:
        OSError, ValueError: it is not on this machine.
    """
    from huggingface_hub import snapshot_download

    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    full = model if "/" in model else f"{owner}/{model}"
    return Path(snapshot_download(full, local_files_only=True))


def _hash(parameters: Iterable[torch.Tensor]) -> str:
    import torch

    digest = sha256()
    for tensor in parameters:
        digest.update(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:12]
