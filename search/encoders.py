"""The encoders that there are, by name."""

from __future__ import annotations

from pathlib import Path

from .encoder import Encoder


def load_encoder(name: str, cache_dir: Path) -> Encoder:
    """Return the encoder `name`. Blocks; the first of "minilm" in a cache takes 10 to 20 s.

    Args:
        name: "minilm" (installed with Callboard), or a sentence-transformers model: the path of
            its folder, or its name on the hub if it was downloaded before.
        cache_dir: where the exported encoder is kept.

    Raises:
        ConfigurationError: the model is not on this machine, or damaged, or can't be exported.
    """
    if name == "minilm":
        from .minilm import load_minilm

        return load_minilm(cache_dir)
    from .transformer import SentenceTransformerEncoder

    return SentenceTransformerEncoder(name)
