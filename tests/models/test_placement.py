"""Placement among instances that keep the beginnings of prompts."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

import pytest
from openai_server import Reply

from callboard.benchmarks.placement import POLICIES, TARGET_S, simulate, tools
from callboard.model_settings import DeploymentSettings, ModelSettings
from callboard.models.chat import ChatRequest, Message, ToolSpec
from callboard.models.gateway import Gateway
from callboard.models.placement.dualmap import DualMap
from callboard.models.placement.policies import Affinity, LeastLoaded
from callboard.models.placement.prompts import BLOCK_BYTES, Prompt
from callboard.models.placement.ring import Ring
from callboard.models.prices import PriceBook

READ_S = 0.001


@dataclass
class Instance:
    """An instance in the state that a test says."""

    name: str
    pending_tokens: int = 0
    weight: float = 1.0
    read_s: float = READ_S

    @property
    def tokens(self) -> int:
        return self.pending_tokens


def fleet(count: int) -> list[Instance]:
    return [Instance(f"gpu-{number}") for number in range(count)]


def prompt(*blocks: int) -> Prompt:
    return Prompt(blocks, 128 * len(blocks))


def request(system: str, query: str, tools: tuple[ToolSpec, ...] = ()) -> ChatRequest:
    messages = (Message(role="system", content=system), Message(role="user", content=query))
    return ChatRequest(messages=messages, tools=tools)


def test_prompts_that_begin_alike_have_blocks_in_common():
    system = "You know the shop. " * 100
    first, second = (Prompt.of(request(system, text)) for text in ("Hello", "Good bye " * 100))
    alike = len(system.encode()) // BLOCK_BYTES
    assert first.blocks[:alike] == second.blocks[:alike]
    assert len(second.blocks) > len(first.blocks) >= alike
    other = Prompt.of(request("X" + system, "Hello"))
    assert not set(other.blocks) & set(first.blocks)
    tool = ToolSpec(name="find", description="Finds.", parameters={"type": "object"})
    assert not set(Prompt.of(request(system, "Hello", (tool,))).blocks) & set(first.blocks)


def test_a_short_prompt_is_one_block():
    assert len(Prompt.of(request("Be brief.", "Hi")).blocks) == 1


def test_who_joins_or_leaves_the_ring_moves_only_its_own_arcs():
    ring, keys = Ring(1), [random.Random(0).getrandbits(64) + n for n in range(2000)]
    keys = [key % 2**64 for key in keys]
    for number in range(8):
        ring.join(f"gpu-{number}")
    before = {key: ring.find(key) for key in keys}
    shares = Counter(before.values())
    assert min(shares.values()) > 0.4 * len(keys) / 8
    ring.join("new")
    after = {key: ring.find(key) for key in keys}
    assert {after[key] for key in keys if after[key] != before[key]} == {"new"}
    ring.leave("new")
    assert {key: ring.find(key) for key in keys} == before
    ring.leave("gpu-3")
    moved = {before[key] for key in keys if ring.find(key) != before[key]}
    assert moved == {"gpu-3"}


def test_the_warmer_of_two_takes_it_until_the_target_would_break():
    policy, instances = DualMap(ttft_s=1.0), fleet(8)
    long = prompt(*range(1, 11))
    warm = policy.choose(long, instances)
    assert policy.cached_tokens(long, warm.name) == 1280
    warm.pending_tokens = 900  # 0.9 s of reading
    assert policy.choose(long, instances) is warm
    warm.pending_tokens = 5000
    cool = policy.choose(long, instances)
    assert cool is not warm
    # Even so only one other is considered, and it knows the prompt from now on.
    assert policy.choose(long, instances) is cool
    warm.pending_tokens = 0
    assert policy.choose(long, instances) in (warm, cool)


def test_a_beginning_is_at_two_instances_only():
    policy, instances = DualMap(), fleet(16)
    draw, seen = random.Random(1), set()
    for number in range(60):
        one = policy.choose(prompt(1, 2, 1000 + number), instances)
        one.pending_tokens = draw.choice([0, 100_000])
        seen.add(one.name)
        for other in instances:
            if other.name not in seen:
                other.pending_tokens = 100_000  # no spilling to who has as much to do
    assert len(seen) <= 2


def test_hot_beginnings_are_told_apart_by_more_of_their_text():
    policy, instances = DualMap(), fleet(16)
    used = Counter()
    for number in range(900):
        family = number % 40
        one = policy.choose(prompt(1, 2, 100 + family, 200 + family, number + 5000), instances)
        used[one.name] += 1
    assert len(used) > 6  # all begin with the same two blocks


def test_an_overloaded_pair_spills_to_who_is_idle():
    policy, instances = DualMap(ttft_s=1.0), fleet(8)
    long = prompt(*range(1, 6))
    first = policy.choose(long, instances)
    for one in instances:
        one.pending_tokens = 50_000
    idle = next(one for one in instances if one is not first)
    idle.pending_tokens = 0
    assert policy.choose(long, instances) is idle


def test_what_was_least_used_is_forgotten():
    policy = DualMap(cache_tokens=128 * 4)
    (only,) = instances = fleet(1)
    policy.choose(prompt(1, 2, 3), instances)
    policy.choose(prompt(4, 5, 6), instances)
    assert policy.cached_tokens(prompt(4, 5, 6), only.name) == 3 * 128
    assert policy.cached_tokens(prompt(1, 2, 3), only.name) == 0


@pytest.mark.parametrize("policy", [DualMap(), Affinity()])
def test_who_is_gone_or_busy_is_not_chosen(policy):
    instances = fleet(4)
    for number in range(50):
        policy.choose(prompt(number, number + 100), instances)
    policy.leave("gpu-0")
    assert all(
        policy.choose(prompt(number, number + 100), instances[1:]).name != "gpu-0"
        for number in range(50)
    )
    assert policy.choose(prompt(1, 101), instances[2:3]) is instances[2]


def test_dualmap_serves_more_than_the_others_within_the_target():
    prompts = tools(random.Random(7), 1500)
    p90 = {}
    for name, policy in POLICIES.items():
        times, hits = simulate(prompts, 8, policy(), 20.0)
        p90[name] = times[int(0.9 * len(times))]
        assert 0 < hits < 1
    assert p90["dualmap"] < TARGET_S < p90["least_loaded"]
    assert p90["dualmap"] < p90["affinity"] < p90["round_robin"]


def test_load_decides_where_nothing_is_known():
    instances = fleet(2)
    instances[0].pending_tokens = 10
    assert LeastLoaded().choose(prompt(1), instances) is instances[1]


@pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning")
async def test_the_gateway_sends_what_begins_alike_to_one_deployment(serve, tmp_path, meter):
    servers = [serve(Reply(text="Fine.")) for _ in range(4)]
    model = ModelSettings(
        model="hosted_vllm/tiny",
        placement="dualmap",
        deployments=tuple(
            DeploymentSettings(name=f"gpu-{number}", api_base=server.url)
            for number, server in enumerate(servers)
        ),
    )
    gateway = Gateway({"main": model}, prices=PriceBook(), cache_dir=tmp_path)
    took: dict[str, set[str]] = {}
    for number in range(24):
        system = f"Agent {number % 3} knows the shop. " * 50
        reply = await gateway.ask("main", request(system, f"Query {number}"), meter=meter)
        took.setdefault(system, set()).add(reply.deployment)
    await gateway.close()
    assert all(len(names) == 1 for names in took.values())
    for one in gateway.pool("main").deployments:
        assert (one.pending_tokens, one.tokens) == (0, 0)
        assert one.read_s > 0
