from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from callboard.search.encoder import Vectors
from callboard.search.kept import kept_vectors


class Counting:
    """An encoder that counts how often it is asked."""

    name, dim = "counting", 2

    def __init__(self) -> None:
        self.asked = 0

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.asked += 1
        return np.array([[len(text), 1] for text in texts], np.float32)

    async def aencode(self, texts: Sequence[str]) -> Vectors:
        return self.encode(texts)

    def count_tokens(self, text: str) -> int:
        return len(text)

    def count_many(self, texts: Sequence[str]) -> list[int]:
        return [len(text) for text in texts]


async def test_texts_are_encoded_once_per_encoder_and_content(tmp_path: Path) -> None:
    encoder = Counting()
    first = await kept_vectors(encoder, ["a", "bcd"], tmp_path)
    again = await kept_vectors(encoder, ["a", "bcd"], tmp_path)
    assert np.array_equal(first, again)
    assert encoder.asked == 1
    await kept_vectors(encoder, ["a", "bce"], tmp_path)
    assert encoder.asked == 2


async def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    encoder = Counting()
    await kept_vectors(encoder, ["a"], tmp_path)
    for file in (tmp_path / "vectors").iterdir():
        file.write_bytes(b"broken")
    assert (await kept_vectors(encoder, ["a"], tmp_path)).tolist() == [[1, 1]]


async def test_a_folder_that_can_not_be_written_costs_no_answer(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    assert (await kept_vectors(Counting(), ["a"], blocked)).shape == (1, 2)
