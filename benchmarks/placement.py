"""Which deployment should take a prompt, where servers keep the beginnings that they have read?

    callboard bench placement [--json]

A simulation of the policies that the gateway uses, the same objects. Instances read prompts one
after the other, `READ_S` a token, and keep the blocks of 128 tokens that they read, the least used
forgotten first. Two loads: `conversation`, whose prompts grow with every turn behind a system
prompt that many share, and `tools`, long instructions of agents by a Zipf law with a short tail of
their own. Arrivals are Poisson in a rate that doubles in bursts. The time to the first token is
what waited before the prompt and what was new of it; `capacity` is the highest rate at which nine
of ten stay within the target. Sizes follow the description of the traces in DualMap (arXiv
2602.06502).
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ..models.load import READ_S
from ..models.placement.dualmap import DualMap
from ..models.placement.policies import Affinity, LeastLoaded, PlacementPolicy, RoundRobin
from ..models.placement.prompts import BLOCK_TOKENS, Prompt
from ..values import JSON
from .metrics import quantile

TARGET_S = 5.0
CACHE_TOKENS = 200_000
REQUESTS = 4000
WITHIN = 0.9
POLICIES: dict[str, Callable[[], PlacementPolicy]] = {
    "round_robin": RoundRobin,
    "least_loaded": LeastLoaded,
    "affinity": Affinity,
    "dualmap": lambda: DualMap(ttft_s=TARGET_S, cache_tokens=CACHE_TOKENS),
}


@dataclass(slots=True)
class Server:
    """An instance that is simulated: it reads prompts in their order, and keeps their blocks."""

    name: str
    weight: float = 1.0
    read_s: float = READ_S
    free_at: float = 0.0
    now: float = 0.0
    kept: OrderedDict[int, None] = field(default_factory=OrderedDict)

    @property
    def pending_tokens(self) -> int:
        """Tokens that it has still to read."""
        return int(max(0.0, self.free_at - self.now) / self.read_s)

    @property
    def tokens(self) -> int:
        """The same: answers are not simulated."""
        return self.pending_tokens

    def read(self, prompt: Prompt) -> tuple[float, int]:
        """Take a prompt; return the time to its first token and how much of it was known."""
        known = 0
        for block in prompt.blocks:
            if block not in self.kept:
                break
            known += BLOCK_TOKENS
        known = min(known, prompt.tokens)
        self.free_at = max(self.free_at, self.now) + (prompt.tokens - known) * self.read_s
        for block in prompt.blocks:
            self.kept[block] = None
            self.kept.move_to_end(block)
        while len(self.kept) > CACHE_TOKENS // BLOCK_TOKENS:
            self.kept.popitem(last=False)
        return self.free_at - self.now, known


def conversation(draw: random.Random, count: int) -> list[Prompt]:
    """Return prompts of sessions that go on: each holds all that was said before."""
    systems = [_blocks(draw, 4) for _ in range(20)]
    sessions: list[tuple[int, ...]] = []
    prompts = []
    for _ in range(count):
        if len(sessions) < 50 or draw.random() < 0.15:
            sessions.append(_zipf(draw, systems))
        place = max(len(sessions) - 1 - int(draw.expovariate(1 / 60)), 0)
        sessions[place] += _blocks(draw, draw.randrange(4, 24))
        blocks = sessions[place]
        prompts.append(Prompt(blocks, len(blocks) * BLOCK_TOKENS))
        if len(blocks) > 250:
            del sessions[place]
    return prompts


def tools(draw: random.Random, count: int) -> list[Prompt]:
    """Return prompts of agents with long instructions, of which a few are asked most."""
    agents = [_blocks(draw, draw.randrange(13, 80)) for _ in range(200)]
    prompts = []
    for _ in range(count):
        blocks = _zipf(draw, agents) + _blocks(draw, draw.randrange(1, 12))
        prompts.append(Prompt(blocks, len(blocks) * BLOCK_TOKENS))
    return prompts


LOADS = {"conversation": conversation, "tools": tools}


def measure_placement(
    *, instances: Sequence[int], requests: int = REQUESTS, told: Callable[[str], None]
) -> Iterator[dict[str, JSON]]:
    """Yield a row per load, number of instances and policy.

    Times and hits are those at the rate that is the capacity of `least_loaded`, which all get.
    """
    for load, make in LOADS.items():
        prompts = make(random.Random(7), requests)
        for count in instances:
            rates = {}
            for name, policy in POLICIES.items():
                told(f"{load}, {count} instances, {name}")
                rates[name] = _capacity(prompts, count, policy)
            for name, policy in POLICIES.items():
                times, hits = simulate(prompts, count, policy(), rates["least_loaded"])
                yield {
                    "load": load,
                    "instances": count,
                    "policy": name,
                    "ttft_p50_s": round(quantile(times, 0.5), 3),
                    "ttft_p90_s": round(quantile(times, 0.9), 3),
                    "hit_rate": round(100 * hits, 1),
                    "capacity": round(rates[name], 2),
                    "capacity_ratio": round(rates[name] / rates["least_loaded"], 2),
                }


def simulate(
    prompts: Sequence[Prompt], count: int, policy: PlacementPolicy, rate: float
) -> tuple[list[float], float]:
    """Return the sorted times to the first token in seconds, and the share of tokens known."""
    draw = random.Random(11)
    servers = [Server(f"gpu-{number}") for number in range(count)]
    now, times, known, asked = 0.0, [], 0, 0
    for number, prompt in enumerate(prompts):
        burst = 1.5 if number // 200 % 2 else 0.75  # the mean rate stays
        now += draw.expovariate(rate * burst)
        for server in servers:
            server.now = now
        took_s, hit = policy.choose(prompt, servers).read(prompt)
        times.append(took_s)
        known, asked = known + hit, asked + prompt.tokens
    return sorted(times), known / asked


def _capacity(
    prompts: Sequence[Prompt], count: int, policy: Callable[[], PlacementPolicy]
) -> float:
    """Return the highest rate, per second, at which nine of ten are within the target."""
    low, high = 0.05 * count, 40.0 * count
    for _ in range(9):
        rate = (low * high) ** 0.5
        times, _ = simulate(prompts, count, policy(), rate)
        if quantile(times, WITHIN) <= TARGET_S:
            low = rate
        else:
            high = rate
    return low


def _blocks(draw: random.Random, count: int) -> tuple[int, ...]:
    return tuple(draw.getrandbits(64) for _ in range(count))


def _zipf(draw: random.Random, items: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    weights = [1 / (place + 1) for place in range(len(items))]
    return draw.choices(items, weights)[0]
