from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from callboard.search.encoder import Vectors
from callboard.search.recent import REMEMBERED, RecentEncoder


class Counting:
    """An encoder that notes what it is asked."""

    name, dim = "counting", 1

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        return np.array([[len(text)] for text in texts], np.float32)

    async def aencode(self, texts: Sequence[str]) -> Vectors:
        return self.encode(texts)

    def count_tokens(self, text: str) -> int:
        return len(text)

    def count_many(self, texts: Sequence[str]) -> list[int]:
        return [len(text) for text in texts]


async def test_a_text_is_encoded_once_and_comes_back_in_its_place() -> None:
    inner = Counting()
    encoder = RecentEncoder(inner)
    assert (await encoder.aencode(["a", "bb", "a"])).tolist() == [[1], [2], [1]]
    assert (await encoder.aencode(["ccc", "bb"])).tolist() == [[3], [2]]
    assert inner.asked == ["a", "bb", "ccc"]
    assert (await encoder.aencode([])).shape == (0, 1)


async def test_memory_is_bounded_and_large_batches_pass_it_by() -> None:
    inner = Counting()
    encoder = RecentEncoder(inner)
    await encoder.aencode(["first"])
    for number in range(REMEMBERED):
        await encoder.aencode([f"text {number}"])
    await encoder.aencode(["first"])
    assert inner.asked.count("first") == 2
    many = [f"t{number}" for number in range(REMEMBERED + 1)]
    assert (await encoder.aencode(many)).shape == (REMEMBERED + 1, 1)
