"""A LoRA: small matrices beside the frozen ones of a transformer, W x + (alpha / rank) B A x.

Source: Hu et al., arXiv 2106.09685; rank and alpha are those of RouterRetriever, arXiv 2409.02685.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import ConfigurationError
from .expert import Tensors

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers import PreTrainedModel

_NAME = "expert"
"""What peft calls the one LoRA that is in a transformer."""
_EVERY = "all-linear"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Adapter:
    """The matrices of a LoRA by name: A is `(rank, n_in)`, B `(n_out, rank)`.

    `targets` are the layers beside which they stand, with commas between.
    """

    rank: int
    alpha: int
    targets: str
    tensors: Tensors

    @classmethod
    def of(cls, settings: Mapping[str, float | int | str], tensors: Tensors) -> Adapter:
        """Return the LoRA that the settings on an expert's card tell of.

        Raises:
            KeyError, ValueError: something is missing, or they do not fit together.
        """
        adapter = cls(
            rank=int(settings["rank"]),
            alpha=int(settings["alpha"]),
            targets=str(settings["targets"]),
            tensors=tensors,
        )
        adapter._check()
        return adapter

    @property
    def settings(self) -> dict[str, float | int | str]:
        """What stands on the card of its expert."""
        return {"rank": self.rank, "alpha": self.alpha, "targets": self.targets}

    def _check(self) -> None:
        pairs = {name for name in self.tensors if ".lora_A." in name}
        whole = pairs | {name.replace(".lora_A.", ".lora_B.") for name in pairs}
        if not pairs or whole != set(self.tensors):
            raise ValueError("its matrices do not come in pairs of A and B")
        for name, one in self.tensors.items():
            inner = one.shape[0 if name in pairs else -1] if one.ndim == 2 else None
            if inner != self.rank:
                raise ValueError(f"{name!r} is not of rank {self.rank}")


def usual_targets(model: SentenceTransformer) -> str:
    """Return where LoRA usually stands: at query and value, or everywhere in unknown models."""
    from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as USUAL

    return ",".join(USUAL.get(_inner(model).config.model_type, [_EVERY]))


def put_new(model: SentenceTransformer, *, rank: int, alpha: int, targets: str) -> None:
    """Put a LoRA in that changes nothing yet, and let nothing else learn.

    Raises:
        ValueError: the transformer has no such layers.
    """
    from peft import LoraConfig

    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        target_modules=_EVERY if targets == _EVERY else targets.split(","),
    )
    # Not get_peft_model, which does the same and calls what transformers has given up.
    _inner(model).add_adapter(config, _NAME)


def exchange(model: SentenceTransformer, held: Adapter | None, adapter: Adapter) -> None:
    """Put a LoRA in, in the place of the one that is in; of the same form only numbers are copied.

    Raises:
        ConfigurationError: it does not fit the transformer, which is of no use any more.
    """
    import torch

    try:
        if held is None or held.settings != adapter.settings:
            if held is not None:
                _inner(model).delete_adapter(_NAME)
            put_new(model, rank=adapter.rank, alpha=adapter.alpha, targets=adapter.targets)
        inside = _state(model)
        shapes = {name: tuple(one.shape) for name, one in inside.items()}
        if shapes != {name: one.shape for name, one in adapter.tensors.items()}:
            raise ValueError("its matrices stand beside other layers")
        for name, one in inside.items():
            one.copy_(torch.from_numpy(adapter.tensors[name]))
    except ValueError as error:
        raise ConfigurationError(
            f"An expert of kind 'lora' does not fit its base encoder: {error}. "
            "Make one with 'callboard train expert'."
        ) from error


def taken(model: SentenceTransformer, *, rank: int, alpha: int, targets: str) -> Adapter:
    """Return the LoRA that is in a transformer; it stays in."""
    tensors = {name: one.detach().cpu().numpy().copy() for name, one in _state(model).items()}
    return Adapter(rank=rank, alpha=alpha, targets=targets, tensors=tensors)


def _state(model: SentenceTransformer) -> dict[str, torch.Tensor]:
    """Return the matrices that are in a transformer: what is written into them is in it."""
    from peft import get_peft_model_state_dict

    found: dict[str, torch.Tensor] = get_peft_model_state_dict(_inner(model), adapter_name=_NAME)
    return found


def _inner(model: SentenceTransformer) -> PreTrainedModel:
    inner = model.transformers_model
    if inner is None:
        raise ConfigurationError(
            "This encoder is no transformer; experts of kind 'lora' need one. "
            "Train experts of kind 'linear', or set encoder = 'minilm'."
        )
    return inner
