"""A cross-encoder: it reads a query and a text together, and says how well the text answers.

It sees more than two vectors can tell, and costs a run of a transformer for every text, so that it
reads only the best that a search found.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ConfigurationError, ModelUnavailable
from .encoder import Vectors
from .minilm import readable
from .transformer import folder_of

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

_BATCH = 16
_MAX_CHARS = 16_384
"""More of a text is not even split into tokens; cross-encoders read 512 of them or a few more."""


class Reranker:
    """Scores texts for a query. May be used from any thread; one reads at a time."""

    def __init__(self, name: str, model: CrossEncoder) -> None:
        self.name = name
        self._model = model
        self._lock = Lock()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="callboard-reranker")

    def scores(self, query: str, texts: Sequence[str]) -> Vectors:
        """Return how well each text answers the query, `(n,)` float32: logits, higher is better.

        Blocks: see `ascores`.

        Raises:
            ModelUnavailable: the model failed, or gave something that is no number.
        """
        from torch.nn import Identity

        if not texts:
            return np.zeros(0, np.float32)
        asked = readable(query[:_MAX_CHARS])
        pairs = [(asked, readable(text[:_MAX_CHARS])) for text in texts]
        try:
            with self._lock:
                found = self._model.predict(
                    pairs,
                    batch_size=_BATCH,
                    activation_fn=Identity(),
                    show_progress_bar=False,
                )
        except (ArithmeticError, LookupError, MemoryError, RuntimeError, ValueError) as error:
            raise ModelUnavailable(f"The reranker {self.name!r} failed: {error}") from error
        scores = np.asarray(found, np.float32).reshape(-1)
        if not np.isfinite(scores).all():
            raise ModelUnavailable(
                f"The reranker {self.name!r} gave scores that are no numbers: it is damaged. "
                "Download it again, or set another one as [retrieval] reranker."
            )
        return scores

    async def ascores(self, query: str, texts: Sequence[str]) -> Vectors:
        """Return the same in a worker thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._worker, self.scores, query, texts)


def load_reranker(name: str) -> Reranker:
    """Return a cross-encoder that is on this machine; nothing is downloaded. Blocks for seconds.

    `name` is the path of its folder, or its name on the hub if it was downloaded before.

    Raises:
        ConfigurationError: it is not on this machine, can't be loaded, or is no cross-encoder.
    """
    from safetensors import SafetensorError
    from sentence_transformers import CrossEncoder

    try:
        folder = folder_of(name, "cross-encoder")
        _check(name, folder)
        model = CrossEncoder(str(folder), device="cpu", local_files_only=True)
    except (OSError, ValueError, ImportError, LookupError, RuntimeError, SafetensorError) as error:
        raise ConfigurationError(
            f"The reranker {name!r} can't be loaded from this machine. Download it first "
            f"('hf download {name}'), give the path of its folder, or leave [retrieval] reranker "
            f"out. The reason was: {error}"
        ) from error
    if model.num_labels != 1:
        raise ConfigurationError(
            f"The reranker {name!r} tells {model.num_labels} kinds of texts apart; name a "
            "cross-encoder that gives one score."
        )
    return Reranker(name, model)


def _check(name: str, folder: Path) -> None:
    """Refuse what is no cross-encoder: it would be loaded with weights made by chance."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    kinds = config.get("architectures") or ["nothing"]
    if not kinds[0].endswith(("ForSequenceClassification", "ForCausalLM")):
        raise ConfigurationError(
            f"The model {name!r} is no cross-encoder but a {kinds[0]}. Name one as [retrieval] "
            "reranker, such as 'cross-encoder/ms-marco-MiniLM-L6-v2', or leave it out."
        )
