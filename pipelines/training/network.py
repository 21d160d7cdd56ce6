"""The network of the budget policy, in torch, as it is trained; `router/budget` runs it in numpy.

Source: BudgetMem, arXiv 2602.06025, section 3.3 and its released code (sizes, initialisation).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

HIDDEN, HEAD = 256, 128
TIERS_OF_A_MODULE = 3


class BudgetNetwork(nn.Module):
    """Actor and critic over the embeddings of a query, of what was found, and of the module.

    `descriptions` `(n_modules, dim)` are where the trainable descriptions start from.
    """

    def __init__(self, descriptions: NDArray[np.float32]) -> None:
        super().__init__()
        dim = descriptions.shape[1]
        self.descriptions = nn.Parameter(torch.from_numpy(descriptions.copy()))
        self.state = _linear(2 * dim, HIDDEN)
        self.description = _linear(dim, HIDDEN)
        self.shared = nn.Sequential(
            _linear(2 * HIDDEN, HIDDEN), nn.ReLU(), _linear(HIDDEN, HIDDEN), nn.ReLU()
        )
        self.actor = nn.Sequential(
            _linear(HIDDEN, HEAD), nn.ReLU(), _linear(HEAD, TIERS_OF_A_MODULE, gain=0.01)
        )
        self.critic = nn.Sequential(_linear(HIDDEN, HEAD), nn.ReLU(), _linear(HEAD, 1, gain=0.01))

    def features(self, states: Tensor, modules: Tensor) -> Tensor:
        """Return `(..., 256)` of states `(..., 2 * dim)` and the numbers of modules `(...)`."""
        both = (self.state(states), self.description(self.descriptions[modules]))
        found: Tensor = self.shared(torch.cat(both, dim=-1))
        return found

    def forward(self, states: Tensor, modules: Tensor) -> tuple[Tensor, Tensor]:
        """Return log-probabilities `(batch, n_modules, 3)` and values `(batch,)`.

        `states` is `(batch, n_modules, 2 * dim)`; the critic reads the first module.
        """
        features = self.features(states, modules)
        logs = torch.log_softmax(self.actor(features), dim=-1)
        values: Tensor = self.critic(features[:, 0]).squeeze(-1)
        return logs, values


def _linear(read: int, written: int, gain: float = math.sqrt(2)) -> nn.Linear:
    layer = nn.Linear(read, written)
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer
