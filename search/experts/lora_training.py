"""Training of a LoRA that reads queries, against documents that the frozen base has embedded.

Only the query side learns. A batch of queries is compared with all documents drawn for any of
them: relevant ones in proportion to their gain, and hard negatives, which the base finds
near though they are not relevant. Source: RouterRetriever, arXiv 2409.02685, section 4.1 (rank 8,
alpha 32, learning rate 1e-4, temperature 0.05).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ...errors import InvalidInput
from ..encoder import Vectors
from ..hits import top
from ..minilm import readable
from ..relevance import ndcg_at
from .adapter import Adapter, put_new, taken, usual_targets
from .reader import load_base

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

Relevance: TypeAlias = Sequence[Mapping[int, float]]
"""For each query its relevant documents by index, with what each gains, above 0."""

_POSITIVES = 4
"""Relevant documents of a query that are drawn at once, at most."""
_MINED = 50
"""Hard negatives are drawn among so many documents that the base finds nearest."""
_CUT = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraSettings:
    """How to train; `negatives` are hard ones per query, `patience` epochs without a better one.

    `device` None is a GPU where torch finds one.
    """

    rank: int = 8
    alpha: int = 32
    rate: float = 1e-4
    temperature: float = 0.05
    batch: int = 32
    negatives: int = 8
    epochs: int = 60
    patience: int = 8
    seed: int = 0
    device: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """What an epoch came to: its mean loss, and nDCG@10 of the queries held out."""

    number: int
    loss: float
    held_out: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraTraining:
    """The LoRA of the best epoch; 0 is before the first, when it changes nothing.

    `held_out` is nDCG@10 of each query held out, in their order; since the epoch was chosen by it,
    it flatters. `settings` are for the expert's card.
    """

    adapter: Adapter
    epoch: int
    held_out: tuple[float, ...]
    settings: dict[str, float | int | str]

    @property
    def mean(self) -> float:
        """The mean of `held_out`."""
        return float(np.mean(self.held_out))


def train_lora(
    texts: Sequence[str],
    documents: Vectors,
    relevance: Relevance,
    *,
    held_out: Sequence[int],
    vectors: Vectors,
    encoder: str = "minilm",
    settings: LoraSettings | None = None,
    progress: Callable[[Epoch], None] | None = None,
) -> LoraTraining:
    """Train a LoRA for queries like these. Blocks: seconds to minutes.

    Args:
        texts: the queries.
        documents: what the base made of the documents, `(n_docs, dim)`, L2-normalised.
        relevance: for each query its relevant documents.
        held_out: which of the queries it does not learn from; they say when to stop.
        vectors: what the base made of the queries, `(n, dim)`; hard negatives are mined with them.
        encoder: the base, as `encoder` in the settings names it.
        settings: how to train.
        progress: is told of each epoch.

    Raises:
        ConfigurationError: peft is missing, or the base can't be loaded.
        InvalidInput: nothing is left to learn from, or to hold out.
    """
    import torch

    how = settings or LoraSettings()
    aside = set(held_out)
    learned = [i for i, gains in enumerate(relevance) if gains and i not in aside]
    if not learned or not held_out:
        raise InvalidInput(
            f"{len(learned)} queries to learn from and {len(held_out)} to hold out are not enough "
            "to train an expert. Give more queries with documents that answer them."
        )
    _, model = load_base(encoder)
    model.to(how.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    with torch.random.fork_rng():
        torch.manual_seed(how.seed)
        course = _Course(model, [readable(text) for text in texts], documents, relevance, how)
        best = course.now(0, held_out)
        for number in range(1, how.epochs + 1):
            loss = course.epoch(learned, vectors)
            found = course.now(number, held_out)
            if progress is not None:
                progress(Epoch(number=number, loss=loss, held_out=found.mean))
            if found.mean > best.mean:
                best = found
            if number - best.epoch >= how.patience:
                break
    return best


class _Course:
    """The transformer while it learns."""

    def __init__(
        self,
        model: SentenceTransformer,
        texts: Sequence[str],
        documents: Vectors,
        relevance: Relevance,
        how: LoraSettings,
    ) -> None:
        import torch

        self._model = model
        self._texts = texts
        self._documents = documents
        self._relevance = relevance
        self._how = how
        self._rng = np.random.default_rng(how.seed)
        self._frozen = torch.from_numpy(documents).to(model.device)
        self._targets = usual_targets(model)
        put_new(model, rank=how.rank, alpha=how.alpha, targets=self._targets)
        learning = [one for one in model.parameters() if one.requires_grad]
        self._optimizer = torch.optim.AdamW(learning, lr=how.rate, weight_decay=0.0)

    def epoch(self, learned: Sequence[int], vectors: Vectors) -> float:
        """Learn once from every query; return the mean loss."""
        self._model.train()
        losses: list[float] = []
        order = self._rng.permutation(learned)
        for start in range(0, len(order), self._how.batch):
            loss = self._loss(order[start : start + self._how.batch].tolist(), vectors)
            self._optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
            losses.append(loss.item())
        return float(np.mean(losses))

    def now(self, epoch: int, held_out: Sequence[int]) -> LoraTraining:
        """Return what has been learned by now, and how good it is."""
        how = self._how
        read = self._model.encode(
            [self._texts[i] for i in held_out],
            batch_size=how.batch,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        rows = zip(np.asarray(read) @ self._documents.T, held_out, strict=True)
        adapter = taken(self._model, rank=how.rank, alpha=how.alpha, targets=self._targets)
        learned_with = {
            "rate": how.rate,
            "temperature": how.temperature,
            "batch": how.batch,
            "negatives": how.negatives,
            "seed": how.seed,
            "epoch": epoch,
        }
        return LoraTraining(
            adapter=adapter,
            epoch=epoch,
            held_out=tuple(ndcg_at(top(scores, _CUT), self._relevance[i]) for scores, i in rows),
            settings={**adapter.settings, **learned_with},
        )

    def _loss(self, queries: Sequence[int], vectors: Vectors) -> torch.Tensor:
        """Return the cross-entropy of what each query wants among all documents drawn."""
        import torch
        from torch.nn.functional import log_softmax, normalize

        documents, wanted = self._drawn(queries, vectors)
        # `encode` puts the model's own prompt in front.
        prompt = self._model.prompts.get(self._model.default_prompt_name or "") or ""
        features = self._model.tokenizer(
            [prompt + self._texts[i] for i in queries],
            padding=True,
            truncation=True,
            max_length=self._model.max_seq_length,
            return_tensors="pt",
        ).to(self._model.device)
        read = normalize(self._model(dict(features))["sentence_embedding"], dim=-1)
        logits = read @ self._frozen[documents].T / self._how.temperature
        targets = torch.from_numpy(wanted).to(self._model.device)
        return -(targets * log_softmax(logits, dim=-1)).sum(dim=-1).mean()

    def _drawn(self, queries: Sequence[int], vectors: Vectors) -> tuple[list[int], Vectors]:
        """Draw documents for queries; return them, and the shares that each query has of them."""
        drawn: dict[int, None] = {}
        for i in queries:
            gains = self._relevance[i]
            some = min(_POSITIVES, len(gains))
            share = np.array(list(gains.values()), np.float64)
            near = self._rng.choice(list(gains), some, replace=False, p=share / share.sum())
            hard = self._mined(vectors[i], gains)
            far = self._rng.choice(hard, min(self._how.negatives, len(hard)), replace=False)
            drawn |= dict.fromkeys((*near.tolist(), *far.tolist()))
        documents = list(drawn)
        wanted = np.array(
            [[self._relevance[i].get(one, 0.0) for one in documents] for i in queries], np.float32
        )
        return documents, wanted / wanted.sum(axis=1, keepdims=True)

    def _mined(self, vector: Vectors, gains: Mapping[int, float]) -> list[int]:
        """Return the documents that the base finds nearest, but for the relevant ones."""
        near = np.argsort(-(self._documents @ vector))[: _MINED + len(gains)]
        return [one for one in near.tolist() if one not in gains][:_MINED]
