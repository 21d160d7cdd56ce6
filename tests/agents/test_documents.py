from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from cross_encoder import make_cross_encoder

from callboard.agents.documents import NEAR, QUOTE_CHARS, DocumentLibrary, excerpt, quoted
from callboard.agents.passages import read_passages, sentences
from callboard.agents.registry import Registered
from callboard.agents.spec import Agent
from callboard.errors import CallboardError, InvalidInput
from callboard.search.encoder import Encoder, Vectors
from callboard.search.reranker import load_reranker
from callboard.search.reranking import Reranking
from callboard.store.engine import Store
from callboard.values import Scope

HERE = Path(__file__).parent
SCOPE = Scope()


def registered(*documents: str, version: int = 1) -> Registered:
    agent = Agent(name="help", description="Help for riders.", documents=documents)
    return Registered(agent=agent, version=version, state="live")


PAGES = registered(f"{HERE}/help/*")


class Counting:
    """An encoder that remembers what it was asked for."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.name, self.dim = encoder.name, encoder.dim
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.encoded += texts
        return self._encoder.encode(texts)

    async def aencode(self, texts: Sequence[str]) -> Vectors:
        self.encoded += texts
        return await self._encoder.aencode(texts)

    def count_tokens(self, text: str) -> int:
        return self._encoder.count_tokens(text)

    def count_many(self, texts: Sequence[str]) -> list[int]:
        return self._encoder.count_many(texts)


async def test_questions_to_the_pages_are_answered_by_the_right_words(encoder: Encoder) -> None:
    questions = yaml.safe_load((HERE / "questions.yaml").read_text(encoding="utf-8"))
    asked = [one for one in questions if "says" in one]
    other = [one for one in questions if "says" not in one]
    library = DocumentLibrary(encoder)

    async def answer(one: dict[str, str]) -> str | None:
        result = quoted("help", await library.find(PAGES, SCOPE, one["ask"]))
        return " ".join(result.text.split()) if result.answered else None

    right = [one for one in asked if one["says"] in (await answer(one) or "")]
    silent = [one for one in other if await answer(one) is None]
    assert len(asked) == len(other) == 24
    assert len(right) >= 22
    assert len(silent) == 24


async def test_a_quotation_stands_in_the_file_word_by_word(encoder: Encoder) -> None:
    found = await DocumentLibrary(encoder).find(PAGES, SCOPE, "How fast must I report an accident?")
    result = quoted("help", found)
    (citation,) = result.citations
    assert citation.source == "insurance.txt"
    assert citation.quote in (HERE / "help" / "insurance.txt").read_text(encoding="utf-8")
    assert len(citation.quote) <= QUOTE_CHARS
    assert "within 48 hours" in citation.quote


def test_an_excerpt_is_the_best_sentence_with_its_better_neighbours() -> None:
    text = "  ".join(f"Sentence {number}. {'x' * 200}." for number in range(6))
    parts = sentences(text)
    scores = np.array([0.0, 0.0, 0.1, 0.9, 0.6, 0.1], dtype=np.float32)
    assert excerpt(text, parts, scores) == text[text.index(parts[3]) : text.index(parts[5])].strip()
    scores[4] = 0.3
    assert excerpt(text, parts, scores) == parts[3]
    assert excerpt("One.", ["One."], np.ones(1, dtype=np.float32)) == "One."


async def test_an_index_is_built_once_for_all_who_ask_at_the_same_time(encoder: Encoder) -> None:
    counting = Counting(encoder)
    library = DocumentLibrary(counting)
    await asyncio.gather(*(library.find(PAGES, SCOPE, "Where can I park?") for _ in range(5)))
    texts = len([text for text in counting.encoded if text != "Where can I park?"])
    assert texts == len(set(counting.encoded)) - 1
    await library.find(PAGES, SCOPE, "Where can I park?")
    assert len([text for text in counting.encoded if text != "Where can I park?"]) == texts


async def test_another_version_of_the_agent_gets_its_own_index(
    encoder: Encoder, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text("The office is in Bern.", encoding="utf-8")
    library = DocumentLibrary(encoder)
    asked = "Where is the office?"
    await library.find(registered(str(page)), SCOPE, asked)
    page.write_text("The office is in Rome.", encoding="utf-8")
    (found, *_) = await library.find(registered(str(page), version=2), SCOPE, asked)
    assert found.quote == "The office is in Rome."


async def test_stored_vectors_are_used_by_the_next_process(encoder: Encoder, store: Store) -> None:
    first, second = Counting(encoder), Counting(encoder)
    asked = "Do I have to wear a helmet?"
    one = await DocumentLibrary(first, vectors=store.vectors).find(PAGES, SCOPE, asked)
    two = await DocumentLibrary(second, vectors=store.vectors).find(PAGES, SCOPE, asked)
    assert len(first.encoded) > len(read_passages(PAGES.agent.documents))
    assert second.encoded == [asked]
    assert [found.passage for found in one] == [found.passage for found in two]


async def test_a_file_that_comes_later_is_found_by_the_next_query(
    encoder: Encoder, tmp_path: Path
) -> None:
    library, page = DocumentLibrary(encoder), tmp_path / "page.md"
    with pytest.raises(InvalidInput, match="There is no document"):
        await library.find(registered(str(page)), SCOPE, "Where is the office?")
    page.write_text("The office is in Bern.", encoding="utf-8")
    assert await library.find(registered(str(page)), SCOPE, "Where is the office?")


class Steps:
    """A journal that remembers the outputs of steps, and which failed."""

    def __init__(self) -> None:
        self.done: dict[str, Any] = {}
        self.failed: list[str] = []

    async def once(
        self, key: str, name: str, work: Callable[[Any], Awaitable[Any]], **_: Any
    ) -> Any:
        try:
            self.done[key] = await work(self)
        except CallboardError:
            self.failed.append(key)
            raise
        return self.done[key]

    async def ask(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("No model is asked.")


@pytest.fixture
def keys(tmp_path: Path) -> Registered:
    """A page of which many passages are near the same question."""
    page = tmp_path / "keys.md"
    places = ["behind the clock", "under the mat", "with the neighbour", "on the hook", "lost"]
    text = "\n\n".join(f"# {x}\n\nThe key of the cellar is {x}." for x in places)
    page.write_text(text, encoding="utf-8")
    return registered(str(page))


ASKED = "Where is the key of the cellar?"


async def test_a_cross_encoder_orders_what_is_near_and_adds_nothing(
    encoder: Encoder, keys: Registered, tmp_path: Path
) -> None:
    reranker = load_reranker(str(make_cross_encoder(tmp_path / "tiny")))
    library = DocumentLibrary(encoder, reranking=Reranking(reranker=reranker, best=16))
    steps = Steps()
    found = await library.find(keys, SCOPE, ASKED, steps)
    assert len(steps.done["rerank"]) == 5
    assert min(one.before for one in steps.done["rerank"]) >= NEAR
    assert [one.id for one in steps.done["rerank"]][:3] == [one.id for one in found]
    scores = reranker.scores(ASKED, [one.passage.searchable for one in found]).tolist()
    assert scores == sorted(scores, reverse=True)
    # Without a reranker, or a journal to tell, the order is that of the search.
    without = await DocumentLibrary(encoder).find(keys, SCOPE, ASKED, Steps())
    assert without == await library.find(keys, SCOPE, ASKED)
    assert without != found
    # What nothing fits is not made to fit.
    steps = Steps()
    assert await library.find(keys, SCOPE, "Who wrote the opera Carmen?", steps) == ()
    assert steps.done == {}


async def test_documents_are_found_where_the_cross_encoder_fails(
    encoder: Encoder, keys: Registered, tmp_path: Path
) -> None:
    broken = load_reranker(str(make_cross_encoder(tmp_path / "broken", broken=True)))
    library = DocumentLibrary(encoder, reranking=Reranking(reranker=broken, best=16))
    steps = Steps()
    found = await library.find(keys, SCOPE, ASKED, steps)
    assert found == await DocumentLibrary(encoder).find(keys, SCOPE, ASKED)
    assert steps.failed == ["rerank"]
