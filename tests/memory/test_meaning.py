"""Recall with the encoder that is installed: by what is meant, not by words alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from platformdirs import user_cache_dir

from callboard.config import MemorySettings
from callboard.memory.archive import Archive
from callboard.memory.embedding import Embedder
from callboard.memory.recall import Recall
from callboard.router.budget import CallerPolicy, FixedPolicy
from callboard.search.encoder import Encoder
from callboard.search.encoders import load_encoder
from callboard.store.engine import Store
from callboard.values import Memo, Scope

from .conftest import Clock, Record

SAID = (
    "My dog is called Rex and he is afraid of thunder.",
    "I moved to Berlin last month.",
    "I was charged twice for order AB-1234.",
    "My flight to Lisbon leaves on Friday at 9 am.",
    "I am allergic to peanuts.",
    "My budget for the new laptop is 1200 euros.",
)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder("minilm", Path(user_cache_dir("callboard")))


@pytest.fixture
async def memory(store: Store, encoder: Encoder) -> Recall:
    embedder = Embedder(store, encoder)
    archive = Archive(store, embedder, MemorySettings(memo_tokens=96), Clock())
    memory = Recall(store, embedder, MemorySettings(memo_tokens=96), Clock())
    for number, text in enumerate(SAID):
        await archive.write(Scope(), f"r{number}", text, "I see.", ["smalltalk"])
    await archive.settle()
    return memory


async def recall(memory: Recall, encoder: Encoder, query: str) -> Memo:
    return await memory.memo(
        Scope(),
        query,
        (await encoder.aencode([query]))[0],
        budget="auto",
        policy=CallerPolicy(FixedPolicy()),
        journal=Record(),
    )


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("What is my pet's name?", SAID[0]),
        ("In which city do I live now?", SAID[1]),
        ("What happened to AB-1234?", SAID[2]),
        ("When does my plane depart?", SAID[3]),
        ("Any food that I should avoid?", SAID[4]),
        ("How much may the notebook cost?", SAID[5]),
    ],
)
async def test_what_was_said_is_found_by_its_meaning(
    memory: Recall, encoder: Encoder, query: str, said: str
) -> None:
    memo = await recall(memory, encoder, query)
    assert said in memo.text
    assert memo.tokens == encoder.count_tokens(memo.text) <= 96


@pytest.mark.parametrize(
    "query", ["What is the capital of Peru?", "Who wrote Hamlet?", "What does HTTP 404 mean?"]
)
async def test_a_query_about_something_else_recalls_nothing(
    memory: Recall, encoder: Encoder, query: str
) -> None:
    assert await recall(memory, encoder, query) == Memo()
