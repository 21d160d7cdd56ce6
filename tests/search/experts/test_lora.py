"""Experts of kind `lora`, trained here on MiniLM for some steps. Loads torch."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
import torch

from callboard.errors import ConfigurationError, InvalidInput
from callboard.models.learned import dump_learned, parse_learned
from callboard.search.encoder import Vectors
from callboard.search.experts.adapter import Adapter
from callboard.search.experts.expert import Card, Pilots, Score
from callboard.search.experts.files import dump_expert, parse_expert
from callboard.search.experts.lora import LoraExpert
from callboard.search.experts.lora_training import Epoch, LoraSettings, LoraTraining, train_lora
from callboard.search.experts.pilots import Gate
from callboard.search.experts.reader import QueryReader
from callboard.search.minilm import DIM, NAME, OnnxEncoder, published
from callboard.search.transformer import SentenceTransformerEncoder

# In this house documents are called by code words, which no encoder can know.
COLOURS = ["red", "green", "blue", "white", "black", "grey"]
QUERIES = [f"Where is the {colour} file?" for colour in COLOURS]
DOCUMENTS = [
    "Bread is baked at dawn.",
    "The train leaves from platform nine.",
    "Whales sing for hours.",
    "Copper conducts heat.",
    "The violin has four strings.",
    "Glaciers move downhill.",
    "A cat sleeps most of the day.",
    "Paper is made of wood.",
]
RELEVANCE = [{i: 2.0} for i in range(len(QUERIES))]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # the tests run side by side
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def documents(encoder: OnnxEncoder) -> Vectors:
    return encoder.encode(DOCUMENTS)


def train(encoder: OnnxEncoder, documents: Vectors, epochs: list[Epoch], seed: int) -> LoraTraining:
    return train_lora(
        QUERIES,
        documents,
        RELEVANCE,
        vectors=encoder.encode(QUERIES),
        held_out=[4, 5],
        settings=LoraSettings(rate=3e-3, epochs=4, patience=4, rank=4, seed=seed, device="cpu"),
        progress=epochs.append,
    )


@pytest.fixture(scope="module")
def epochs() -> list[Epoch]:
    return []


@pytest.fixture(scope="module")
def trained(encoder: OnnxEncoder, documents: Vectors, epochs: list[Epoch]) -> LoraTraining:
    return train(encoder, documents, epochs, seed=1)


@pytest.fixture(scope="module")
def reader() -> QueryReader:
    return QueryReader()


def expert(adapter: Adapter, reader: QueryReader, **card: object) -> LoraExpert:
    told = Card(
        name="files",
        kind="lora",
        encoder=NAME,
        dim=DIM,
        data="files.jsonl",
        made_at=datetime(2026, 1, 15, tzinfo=UTC),
        pairs=4,
        synthetic=False,
        score=Score(queries=2, base=0.1, expert=0.2, low=0.0, high=0.2),
        settings=adapter.settings,
    )
    none = np.zeros((0, DIM), np.float32)
    pilots = Pilots(won=none, lost=none, gate=Gate.of(np.eye(DIM, dtype=np.float32)[:8]))
    return LoraExpert(card=replace(told, **card), pilots=pilots, adapter=adapter, reader=reader)


def doubled(adapter: Adapter) -> Adapter:
    return replace(adapter, tensors={name: 2 * one + 0.1 for name, one in adapter.tensors.items()})


def test_training_brings_queries_nearer_to_what_answers_them(
    encoder: OnnxEncoder,
    documents: Vectors,
    trained: LoraTraining,
    epochs: list[Epoch],
    reader: QueryReader,
) -> None:
    assert [one.number for one in epochs] == [1, 2, 3, 4]
    assert epochs[-1].loss < epochs[0].loss
    best = max(epochs, key=lambda one: one.held_out)
    assert trained.mean >= best.held_out
    assert len(trained.held_out) == 2
    assert 0 <= trained.epoch <= 4
    assert trained.settings["targets"] == "query,value"
    assert trained.settings["rank"] == 4


def test_a_new_lora_reads_as_the_base_does(encoder: OnnxEncoder, reader: QueryReader) -> None:
    silent = Adapter(rank=2, alpha=4, targets="query,value", tensors=zeros(rank=2))
    read = reader.read(QUERIES, silent, base=NAME)
    assert read.dtype == np.float32
    assert read.shape == (len(QUERIES), DIM)
    np.testing.assert_allclose(np.linalg.norm(read, axis=1), 1, atol=1e-5)
    assert np.sum(read * encoder.encode(QUERIES), axis=1).min() > 0.99
    assert reader.read([], silent, base=NAME).shape == (0, DIM)


def zeros(rank: int) -> dict[str, Vectors]:
    layers = [
        f"encoder.layer.{n}.attention.self.{one}" for n in range(6) for one in ("query", "value")
    ]
    down = {f"{one}.lora_A.weight": np.zeros((rank, DIM), np.float32) for one in layers}
    return down | {f"{one}.lora_B.weight": np.zeros((DIM, rank), np.float32) for one in layers}


def test_an_expert_comes_back_from_its_bytes_as_it_was(
    trained: LoraTraining, reader: QueryReader
) -> None:
    before = expert(trained.adapter, reader)
    after = parse_expert(dump_expert(before), encoder=NAME, name="files")
    assert isinstance(after, LoraExpert)
    assert after.card == before.card
    assert after.adapter.settings == before.adapter.settings
    assert set(after.tensors()) == set(before.tensors())
    vectors = np.zeros((len(QUERIES), DIM), np.float32)
    np.testing.assert_array_equal(
        after.adapt(QUERIES, vectors), before.adapt(QUERIES, vectors), strict=True
    )


def test_experts_that_share_a_base_read_each_in_its_own_way(
    trained: LoraTraining, reader: QueryReader
) -> None:
    some = [trained.adapter, doubled(trained.adapter)]
    alone = [QueryReader().read(QUERIES[:2], one, base=NAME) for one in some]
    assert not np.allclose(alone[0], alone[1], atol=1e-3)
    with ThreadPoolExecutor(4) as threads:
        read = threads.map(lambda one: reader.read(QUERIES[:2], one, base=NAME), some * 4)
        for number, found in enumerate(read):
            np.testing.assert_allclose(found, alone[number % 2], atol=1e-5)


def test_the_base_may_be_any_sentence_transformer(
    trained: LoraTraining, reader: QueryReader
) -> None:
    folder = str(published())
    name = SentenceTransformerEncoder(folder).name
    read = QueryReader(folder).read(QUERIES[:2], trained.adapter, base=name)
    np.testing.assert_allclose(
        read, reader.read(QUERIES[:2], trained.adapter, base=NAME), atol=1e-5
    )
    with pytest.raises(ConfigurationError, match=f"made for the encoder {NAME!r}.*{name!r}"):
        QueryReader(folder).read(QUERIES[:1], trained.adapter, base=NAME)


def test_half_a_surrogate_pair_is_read_too(trained: LoraTraining, reader: QueryReader) -> None:
    assert reader.read(["Where is \ud83d?"], trained.adapter, base=NAME).shape == (1, DIM)


def test_the_same_seed_trains_the_same(
    encoder: OnnxEncoder, documents: Vectors, trained: LoraTraining
) -> None:
    again = train(encoder, documents, [], seed=1)
    assert again.held_out == trained.held_out
    for name, one in trained.adapter.tensors.items():
        np.testing.assert_allclose(again.adapter.tensors[name], one, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda tensors: {k: v for k, v in tensors.items() if "layer.3" not in k or "A" in k},
            "pairs",
        ),
        (lambda tensors: {k: v[:2] for k, v in tensors.items()}, "not of rank 4"),
        (lambda tensors: {k: np.full_like(v, np.nan) for k, v in tensors.items()}, "not finite"),
        (lambda tensors: {}, "pairs"),
    ],
)
def test_damaged_matrices_are_told_when_the_expert_is_read(
    change: object, says: str, trained: LoraTraining, reader: QueryReader
) -> None:
    assert callable(change)
    data = dump_expert(expert(trained.adapter, reader))
    tensors, card = parse_learned(data, "lora", name="files", what="expert", fix="")
    pilots = {name: one for name, one in tensors.items() if name.startswith(("pilots.", "gate."))}
    others = {name: one for name, one in tensors.items() if name not in pilots}
    with pytest.raises(ConfigurationError, match=f"'files' is damaged: .*{says}.*train expert"):
        parse_expert(dump_learned({**pilots, **change(others)}, card), encoder=NAME, name="files")


def test_a_file_that_is_cut_off_is_told(trained: LoraTraining, reader: QueryReader) -> None:
    data = dump_expert(expert(trained.adapter, reader))
    with pytest.raises(ConfigurationError, match="'files' is damaged"):
        parse_expert(data[:-100], encoder=NAME, name="files")


def test_a_card_without_a_rank_is_told(trained: LoraTraining, reader: QueryReader) -> None:
    data = dump_expert(expert(trained.adapter, reader, settings={"alpha": 1, "targets": "query"}))
    with pytest.raises(ConfigurationError, match="'files' is damaged: 'rank'"):
        parse_expert(data, encoder=NAME, name="files")


def test_without_peft_the_extra_is_named(
    trained: LoraTraining, reader: QueryReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = dump_expert(expert(trained.adapter, reader))
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'callboard\[experts\]'"):
        parse_expert(data, encoder=NAME, name="files")
    with pytest.raises(ConfigurationError, match=r"pip install 'callboard\[experts\]'"):
        QueryReader().read(QUERIES[:1], trained.adapter, base=NAME)


def test_an_expert_of_another_base_is_told(trained: LoraTraining, reader: QueryReader) -> None:
    data = dump_expert(expert(trained.adapter, reader))
    with pytest.raises(ConfigurationError, match=f"made for the encoder {NAME!r}.*'bge-1'"):
        parse_expert(data, encoder="bge-1", name="files")
    stranger = expert(trained.adapter, reader, encoder="bge-1")
    with pytest.raises(ConfigurationError, match=f"made for the encoder 'bge-1'.*{NAME!r}"):
        stranger.adapt(QUERIES[:1], np.zeros((1, DIM), np.float32))


@pytest.mark.parametrize("targets", ["query", "nothing", "all-linear"])
def test_a_lora_that_does_not_fit_its_base_is_told_and_others_go_on(
    targets: str, trained: LoraTraining, reader: QueryReader
) -> None:
    wrong = replace(trained.adapter, targets=targets)
    with pytest.raises(ConfigurationError, match=r"does not fit its base encoder.*train expert"):
        reader.read(QUERIES[:1], wrong, base=NAME)
    assert reader.read(QUERIES[:1], trained.adapter, base=NAME).shape == (1, DIM)


def test_a_base_that_is_not_here_is_told(trained: LoraTraining) -> None:
    with pytest.raises(ConfigurationError, match=r"'\./no/such/folder' can't be loaded"):
        QueryReader("./no/such/folder").read(["?"], trained.adapter, base=NAME)


def test_nothing_to_learn_from_is_told(encoder: OnnxEncoder, documents: Vectors) -> None:
    with pytest.raises(InvalidInput, match="0 queries to learn from and 2 to hold out"):
        train_lora(
            QUERIES[:2],
            documents,
            RELEVANCE[:2],
            vectors=encoder.encode(QUERIES[:2]),
            held_out=[0, 1],
        )
