"""Cross-encoders, tiny ones with weights of chance. Loads torch."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from cross_encoder import make_cross_encoder

from callboard.codec import from_json, to_json
from callboard.errors import ConfigurationError, ModelUnavailable
from callboard.models.journal import Journal, OnText
from callboard.search.reranker import Reranker, load_reranker
from callboard.search.reranking import Candidate, Placed, Reranking
from callboard.values import JSON

T = TypeVar("T")
QUERY = "where do whales sing"
TEXTS = ["bread is baked at dawn", "whales sing for hours", "copper", "glaciers move", "a violin"]


class Record:
    """Keeps what steps gave as JSON, and why they failed."""

    def __init__(self) -> None:
        self.steps: dict[str, JSON] = {}
        self.failed: dict[str, str] = {}

    async def once(
        self,
        key: str,
        name: str,
        work: Callable[[Journal], Awaitable[T]],
        *,
        returns: Any,
        agent: str | None = None,
        repeatable: bool = True,
    ) -> T:
        assert key == name
        if key not in self.steps:
            try:
                self.steps[key] = to_json(await work(self), returns)
            except Exception as error:
                self.failed[key] = str(error)
                raise
        value: T = from_json(returns, self.steps[key])
        return value

    async def ask(
        self, model: Any, request: Any, *, key: str, on_text: OnText | None = None
    ) -> Any:
        raise AssertionError("No model is asked.")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cross_encoder(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def reranker(folder: Path) -> Reranker:
    return load_reranker(str(folder))


@pytest.fixture
def broken(tmp_path: Path) -> Reranker:
    return load_reranker(str(make_cross_encoder(tmp_path / "broken", broken=True)))


def candidates(texts: list[str]) -> list[Candidate]:
    return [
        Candidate(id=f"c{place}", text=text, score=1 - place / 10)
        for place, text in enumerate(texts)
    ]


def test_scores_are_the_logits_of_the_model(reranker: Reranker, folder: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokens = tokenizer([QUERY] * len(TEXTS), TEXTS, padding=True, return_tensors="pt")
    with torch.inference_mode():
        expected = model(**tokens).logits[:, 0].numpy()
    found = reranker.scores(QUERY, TEXTS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert reranker.scores(QUERY, []).shape == (0,)


def test_many_and_long_texts_and_halves_of_surrogate_pairs_are_read(reranker: Reranker) -> None:
    texts = [*(f"text {number}" for number in range(40)), "word " * 10_000, "\ud83d", ""]
    assert np.isfinite(reranker.scores("\ud83d?", texts)).all()


async def test_it_is_used_from_many_threads_and_off_the_event_loop(reranker: Reranker) -> None:
    alone = reranker.scores(QUERY, TEXTS)
    with ThreadPoolExecutor(4) as threads:
        loop = asyncio.get_running_loop()
        work = [loop.run_in_executor(threads, reranker.scores, QUERY, TEXTS) for _ in range(8)]
        for found in await asyncio.gather(*work, reranker.ascores(QUERY, TEXTS)):
            np.testing.assert_allclose(found, alone, atol=1e-5)


async def test_the_best_candidates_are_put_in_the_order_of_the_scores(reranker: Reranker) -> None:
    record = Record()
    places = await Reranking(reranker=reranker, best=4).places(QUERY, candidates(TEXTS), record)
    scores = reranker.scores(QUERY, TEXTS[:4])
    assert list(places) == [f"c{place}" for place in np.argsort(-scores)]
    assert list(places.values()) == [0, 1, 2, 3]
    assert list(places) != ["c0", "c1", "c2", "c3"]
    placed = from_json(tuple[Placed, ...], record.steps["rerank"])
    assert [one.id for one in placed] == list(places)
    assert sorted((one.before for one in placed), reverse=True) == [1.0, 0.9, 0.8, 0.7]
    assert [one.after for one in placed] == sorted((one.after for one in placed), reverse=True)


async def test_a_resumed_turn_keeps_the_order_that_it_had(reranker: Reranker) -> None:
    record, reranking = Record(), Reranking(reranker=reranker, best=5)
    before = await reranking.places(QUERY, candidates(TEXTS), record)
    assert await reranking.places("another", candidates(TEXTS), record) == before


async def test_one_candidate_needs_no_order_and_no_step(reranker: Reranker) -> None:
    record, reranking = Record(), Reranking(reranker=reranker, best=5)
    assert await reranking.places(QUERY, candidates(TEXTS[:1]), record) == {}
    assert await reranking.places(QUERY, [], record) == {}
    assert not record.steps


async def test_a_reranker_that_fails_leaves_the_order_and_the_step_tells(broken: Reranker) -> None:
    with pytest.raises(ModelUnavailable, match="no numbers: it is damaged"):
        broken.scores(QUERY, TEXTS)
    record = Record()
    assert await Reranking(reranker=broken, best=4).places(QUERY, candidates(TEXTS), record) == {}
    assert "no numbers" in record.failed["rerank"]


@pytest.mark.parametrize("name", ["somebody/has-no-such-model", "no-such-model", "./no/folder"])
def test_a_model_that_is_not_here_is_an_error_that_names_the_fix(name: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"{name}.*hf download {name}.*\[retrieval\]"):
        load_reranker(name)


def test_a_damaged_model_is_an_error(tmp_path: Path) -> None:
    folder = make_cross_encoder(tmp_path / "cut")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:200])
    with pytest.raises(ConfigurationError, match="cut' can't be loaded"):
        load_reranker(str(folder))


def test_a_model_of_another_kind_is_not_loaded_with_weights_of_chance(tmp_path: Path) -> None:
    folder = make_cross_encoder(tmp_path / "encoder")
    config = folder / "config.json"
    told = json.loads(config.read_text(encoding="utf-8"))
    config.write_text(json.dumps({**told, "architectures": ["BertModel"]}), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="encoder' is no cross-encoder but a BertModel"):
        load_reranker(str(folder))


def test_a_classifier_of_several_kinds_is_no_reranker(tmp_path: Path) -> None:
    folder = make_cross_encoder(tmp_path / "three", labels=3)
    with pytest.raises(ConfigurationError, match="tells 3 kinds of texts apart"):
        load_reranker(str(folder))
