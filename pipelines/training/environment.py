"""What a budget policy is trained in: queries, and what comes of choosing tiers for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from ...values import ModuleState, Tier, TierPolicy

Choose: TypeAlias = Callable[[ModuleState], Tier]


def choosing(policy: TierPolicy) -> Choose:
    """Return what a policy chooses, as a plain function."""
    return lambda state: policy.choose(state).tier


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What came of one query: the reward of the task, 0..1, and what the modules cost."""

    reward: float
    cost_usd: float


class Environment(Protocol):
    """Queries that memory is made for. Every module's embeddings are `(dim,)`."""

    @property
    def encoder(self) -> str:
        """The name of the encoder of the embeddings."""

    @property
    def dim(self) -> int:
        """The length of an embedding."""

    def __len__(self) -> int:
        """Return the number of queries."""

    def play(self, query: int, choose: Choose) -> Played:
        """Make memory for a query; `choose` is asked once by each module that runs, in any thread.

        A later state may depend on the tiers before it. The same query and tiers give the same.
        Where nothing was remembered for the query, no module runs.
        """
