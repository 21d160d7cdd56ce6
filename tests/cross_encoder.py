"""A tiny cross-encoder, made on the spot: it has one layer, and its weights are of chance."""

from __future__ import annotations

import string
from pathlib import Path


def make_cross_encoder(folder: Path, *, labels: int = 1, broken: bool = False) -> Path:
    """Write one into `folder` and return that; a `broken` one gives scores that are no numbers."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    letters = string.ascii_lowercase + string.digits
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{x}" for x in letters)]
    folder.mkdir(parents=True)
    vocabulary = {word: number for number, word in enumerate(words)}
    BertTokenizerFast(vocab=vocabulary, model_max_length=128).save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = BertForSequenceClassification(
            BertConfig(
                vocab_size=len(words),
                hidden_size=32,
                num_hidden_layers=1,
                num_attention_heads=2,
                intermediate_size=32,
                max_position_embeddings=128,
                initializer_range=0.5,
                num_labels=labels,
            )
        )
    if broken:
        torch.nn.init.constant_(model.classifier.weight, float("nan"))
    model.save_pretrained(folder)
    return folder
