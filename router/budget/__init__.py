"""The memory budget: which tier each memory module of a turn may run at.

A `TierPolicy` is asked before each module, because what a module is worth depends on what the ones
before it found. What the caller asked for comes first; what is left open is the policy's, and a
limit of money holds for both.
"""

from __future__ import annotations

from .bandit import BanditPolicy as BanditPolicy
from .caller import CallerPolicy as CallerPolicy
from .caller import tiers_for as tiers_for
from .capped import CappedPolicy as CappedPolicy
from .files import load_any_policy as load_any_policy
from .fixed import DEFAULT_TIER as DEFAULT_TIER
from .fixed import FixedPolicy as FixedPolicy
from .fixed import RandomPolicy as RandomPolicy
from .learned import LearnedPolicy as LearnedPolicy
