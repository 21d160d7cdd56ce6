"""Checkpoints of a training: after every epoch, so that one that was broken off goes on from there.

Weights and the optimiser's moments are safetensors, the rest JSON. A training that was resumed
gives the same policy as one that was not broken off.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ...errors import ConfigurationError
from .ppo import Progress, Trainer

_STATE = "checkpoint.json"


def save_checkpoint(folder: Path, trainer: Trainer) -> None:
    """Write where the training is; a crash leaves the checkpoint before."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"network.{name}": one for name, one in trainer.network.state_dict().items()}
    moments = trainer.optimiser.state_dict()["state"]
    for number, values in moments.items():
        tensors |= {f"optimiser.{number}.{name}": one for name, one in values.items()}
    state = {
        "settings": asdict(trainer.settings),
        "epoch": trainer.epoch,
        "random": trainer.random.getstate(),
        "costs": list(trainer.normaliser.seen),
        "task_rewards": list(trainer.alignment.tasks),
        "cost_rewards": list(trainer.alignment.costs),
        "history": [asdict(one) for one in trainer.history],
    }
    weights = folder / f"epoch-{trainer.epoch}.safetensors"
    save_file({name: one.contiguous() for name, one in tensors.items()}, weights)
    state["weights"] = weights.name
    beside = folder / f"{_STATE}.part"
    beside.write_text(json.dumps(state), encoding="utf-8")
    beside.replace(folder / _STATE)
    for old in folder.glob("epoch-*.safetensors"):
        if old != weights:
            old.unlink()


def load_checkpoint(folder: Path, trainer: Trainer) -> bool:
    """Bring a new trainer to where the training was; False if there is no checkpoint.

    Raises:
        ConfigurationError: the checkpoint is damaged, or of a training with other settings.
    """
    file = folder / _STATE
    if not file.is_file():
        return False
    try:
        state: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        tensors = load_file(folder / state["weights"])
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ConfigurationError(
            f"The checkpoint in {str(folder)!r} is damaged: {error}. Train without --resume."
        ) from error
    kept, now = ({**one, "epochs": None} for one in (state["settings"], asdict(trainer.settings)))
    if kept != now:
        raise ConfigurationError(
            f"The checkpoint in {str(folder)!r} is of a training with {kept}, not {now}. Name "
            "another folder, or train without --resume."
        )
    _restore(trainer, state, tensors)
    return True


def _restore(trainer: Trainer, state: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
    network = {
        name.removeprefix("network."): one
        for name, one in tensors.items()
        if name.startswith("network.")
    }
    trainer.network.load_state_dict(network)
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for name, one in tensors.items():
        if name.startswith("optimiser."):
            _, number, field = name.split(".", 2)
            moments.setdefault(int(number), {})[field] = one
    groups = trainer.optimiser.state_dict()["param_groups"]
    trainer.optimiser.load_state_dict({"state": moments, "param_groups": groups})
    version, numbers, gauss = state["random"]
    trainer.random.setstate((version, tuple(numbers), gauss))
    trainer.epoch = state["epoch"]
    trainer.normaliser.seen.extend(state["costs"])
    trainer.alignment.tasks.extend(state["task_rewards"])
    trainer.alignment.costs.extend(state["cost_rewards"])
    trainer.history = [
        Progress(**{**one, "shares": tuple(one["shares"])}) for one in state["history"]
    ]
