from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from callboard.errors import (
    BudgetExceeded,
    CallboardError,
    ConfigurationError,
    InvalidInput,
    ModelUnavailable,
)
from callboard.model_settings import ModelSettings, PriceSettings
from callboard.models.chat import ChatReply, ChatRequest, TokenLogprobs, ToolCall
from callboard.models.gateway import Gateway
from callboard.models.ladder import Ladder, Predictor, Reader, Rule
from callboard.models.ladder.features import CHEAP
from callboard.models.prices import PriceBook
from callboard.models.scripted import ScriptedModel
from callboard.models.unrecorded import UnrecordedJournal
from callboard.values import Reservation, Usage

PRICED = ModelSettings(
    model="openai/x",
    retries=0,
    price=PriceSettings(input_per_million=Decimal(1), output_per_million=Decimal(2)),
)


class Hard:
    """An encoder whose only number is 1 where a text says "hard", else 0."""

    name = "hard"

    async def aencode(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
        return np.array([["hard" in text] for text in texts], np.float32)


READER = Reader(
    encoder=Hard(), query_in=lambda text: text, refuses=lambda text, _: text.startswith("Sorry")
)


def knowing(*, draft: float | None = None) -> Predictor:
    """Say 0.8 of a hard query and 0 of others; with `draft` this of one whose draft is hard."""
    tensors = {"query": np.array([[0.8, 0]], np.float32)}
    if draft is not None:
        tensors["draft"] = np.zeros((1, 2 + CHEAP), np.float32)
        tensors["draft"][0, 1] = draft
    return Predictor(tensors, {})


class Meter:
    """Pays for so many calls."""

    def __init__(self, calls: int) -> None:
        self.calls = calls

    async def reserve(self, amount_usd: Decimal | None, *, model: str) -> Reservation:
        if not self.calls:
            raise BudgetExceeded("Nothing is left.")
        self.calls -= 1
        return Reservation(id="r", amount_usd=amount_usd)

    async def settle(self, reservation: Reservation, usage: Usage) -> None: ...

    async def release(self, reservation: Reservation) -> None: ...


class House:
    """A ladder of scripted models, and what each of them was asked."""

    def __init__(
        self,
        folder: Path,
        replies: dict[str, Any],
        predictor: Predictor | None = None,
        *,
        tau: float = 0.1,
        margin: float = 0.0,
        calls: int = 9,
    ) -> None:
        self.models = {name: ScriptedModel(script) for name, script in replies.items()}
        pairs = len(replies) - 1
        rule = Rule(taus=(tau,) * pairs, margins=(margin,) * pairs) if predictor else None
        gateway = Gateway(
            {"main": PRICED, **dict.fromkeys(replies, PRICED)},
            prices=PriceBook(),
            cache_dir=folder,
            replacements=self.models,
        )
        ladders = {"careful": Ladder(tuple(replies), READER, predictor, rule)}
        self.journal = UnrecordedJournal(gateway, Meter(calls), ladders)
        self.told: list[str] = []

    async def ask(self, request: ChatRequest) -> ChatReply:
        return await self.journal.ask("careful", request, key="call", on_text=self.told.append)

    @property
    def asked(self) -> list[int]:
        return [len(model.requests) for model in self.models.values()]


@pytest.fixture
def house(tmp_path: Path) -> Callable[..., House]:
    return lambda replies, *more, **named: House(tmp_path, replies, *more, **named)


async def test_the_cheap_one_answers_where_nothing_says_otherwise(house, request_for) -> None:
    there = house({"small": ["Fine."], "main": []})
    reply = await there.ask(request_for())
    assert reply.text == "Fine."
    assert there.asked == [1, 0]
    assert "".join(there.told) == "Fine."


@pytest.mark.parametrize("failing", ["Sorry, I can't.", ModelUnavailable("down")])
async def test_a_reply_that_is_no_answer_is_followed_by_the_next_rung(
    house, request_for, failing
) -> None:
    there = house({"small": [failing], "main": ["The answer."]})
    reply = await there.ask(request_for())
    assert reply.text == "The answer."
    assert "".join(there.told) == "The answer."
    paid = 2 if isinstance(failing, str) else 1
    assert reply.usage.input_tokens == 10 * paid
    assert reply.usage.cost_usd == paid * Decimal("0.00002")


async def test_a_hard_query_passes_the_cheap_one_over(house, request_for) -> None:
    there = house({"small": ["Fine."], "main": ["Better."]}, knowing())
    assert (await there.ask(request_for("hard"))).text == "Better."
    assert (await there.ask(request_for("easy"))).text == "Fine."
    assert there.asked == [1, 1]


async def test_with_a_margin_the_draft_decides(house, request_for) -> None:
    scripts = {"small": ["Simple.", "A hard draft."], "main": ["Better."]}
    there = house(scripts, knowing(draft=0.5), margin=0.9)
    assert (await there.ask(request_for("hard"))).text == "Simple."
    assert (await there.ask(request_for("hard"))).text == "Better."
    assert there.asked == [2, 1]
    assert there.models["small"].requests[0].top_logprobs == 0


async def test_a_greater_tau_keeps_the_cheap_one(house, request_for) -> None:
    there = house({"small": ["Fine."], "main": []}, knowing(), tau=0.9)
    assert (await there.ask(request_for("hard"))).text == "Fine."


async def test_where_the_money_ends_the_draft_stands(house, request_for) -> None:
    there = house({"small": ["A hard draft."], "main": []}, knowing(draft=0.5), margin=0.9, calls=1)
    assert (await there.ask(request_for("hard"))).text == "A hard draft."
    assert "".join(there.told) == "A hard draft."
    with pytest.raises(BudgetExceeded):
        await there.ask(request_for("hard"))


async def test_where_the_last_fails_a_refusal_is_better_than_nothing(house, request_for) -> None:
    there = house({"small": ["Sorry."], "main": [ModelUnavailable("down")]})
    assert (await there.ask(request_for())).text == "Sorry."


async def test_where_all_fail_the_last_says_why(house, request_for) -> None:
    there = house({"small": [ModelUnavailable("a")], "main": [ModelUnavailable("down")]})
    with pytest.raises(CallboardError, match="down"):
        await there.ask(request_for())


async def test_what_was_streamed_is_not_withdrawn(house, request_for) -> None:
    class Breaking(ScriptedModel):
        async def stream(self, request: ChatRequest):
            yield "Half"
            raise ModelUnavailable("broke off")

    there = house({"small": ["Sorry."], "main": []})
    there.models["main"] = Breaking([])
    there.journal._gateway._replacements["main"] = there.models["main"]
    with pytest.raises(ModelUnavailable, match="broke off"):
        await there.ask(request_for())
    assert there.told == ["Half"]


async def test_a_call_of_a_tool_is_no_draft_and_json_has_to_be_json(house, request_for) -> None:
    calling = ChatReply(
        text="",
        model="s",
        usage=Usage(),
        latency_s=0.0,
        tool_calls=(ToolCall(id="1", name="add", arguments="{}"),),
    )
    there = house({"small": [calling, "{", '{"a": 1}'], "main": ["[]"]})
    assert (await there.ask(request_for())).tool_calls
    schema = {"type": "object"}
    assert (await there.ask(request_for(json_schema=schema))).text == "[]"
    assert (await there.ask(request_for(json_schema=schema))).text == '{"a": 1}'


async def test_how_likely_a_draft_was_is_looked_at(house, request_for) -> None:
    unsure = knowing(draft=0.0)
    unsure._tensors["draft"][0, 2 + 3] = -0.5
    reply = ChatReply(text="Fine.", model="s", usage=Usage(), latency_s=0.0)
    likely = replace(reply, logprobs=(TokenLogprobs(token="Fine.", logprob=-0.1),))
    unlikely = replace(reply, logprobs=(TokenLogprobs(token="Fine.", logprob=-2.0),))
    there = house({"small": [likely, unlikely], "main": ["Better."]}, unsure)
    assert (await there.ask(request_for())).text == "Fine."
    assert (await there.ask(request_for())).text == "Better."


async def test_three_rungs_are_climbed_one_by_one(house, request_for) -> None:
    there = house({"tiny": ["Sorry."], "small": ["Fine."], "main": []})
    assert (await there.ask(request_for())).text == "Fine."
    there = house({"tiny": ["Sorry."], "small": ["Sorry."], "main": ["At last."]})
    assert (await there.ask(request_for())).text == "At last."
    assert there.asked == [1, 1, 1]


def test_the_gateway_knows_what_a_ladder_costs_at_most_and_asks_none(tmp_path: Path) -> None:
    careful = ModelSettings.model_validate({"ladder": ["small", "main"]})
    gateway = Gateway(
        {"small": PRICED, "main": PRICED, "careful": careful},
        prices=PriceBook(),
        cache_dir=tmp_path,
    )
    assert gateway.cost_usd("careful", 1_000_000, 0) == 2
    with pytest.raises(InvalidInput, match=r"is a ladder.*small, main"):
        gateway.pool("careful")


def test_settings_say_which_threshold_holds(tmp_path: Path) -> None:
    file = tmp_path / "p.safetensors"
    card = {
        "rungs": ["small", "main"],
        "encoder": "hard",
        "dim": 1,
        "tau": 0.3,
        "margins": [0.0],
        "costs_usd": None,
    }

    def ladder(costs: list[float] | None = None, **keys: Any) -> Ladder:
        Predictor(knowing()._tensors, {**card, "costs_usd": costs}).save(file)
        settings = {"ladder": ["small", "main"], "predictor": str(file), **keys}
        return Ladder.of("careful", ModelSettings.model_validate(settings), READER)

    def taus(one: Ladder) -> tuple[float, ...]:
        assert one._rule is not None
        return one._rule.taus

    assert taus(ladder()) == (0.3,)
    assert taus(ladder(tau=0.5)) == (0.5,)
    assert taus(ladder([0.001, 0.003], point_usd="0.01")) == pytest.approx((0.2,))
    with pytest.raises(ConfigurationError, match="point_usd needs a predictor that knows"):
        ladder(point_usd="0.01")
