"""Prices and bounds: unknown is not 0, free is 0, and a bound is never exceeded."""

from __future__ import annotations

from decimal import Decimal

import pytest
from pydantic import ValidationError

from callboard.model_settings import ModelSettings, PriceSettings
from callboard.models.chat import ChatRequest, Message, ToolSpec
from callboard.models.prices import FREE, PriceBook, cost, input_bound

PRICE = PriceSettings(input_per_million=Decimal(3), output_per_million=Decimal(15))


def test_cost_is_exact():
    assert cost(PRICE, 1, 1) == Decimal("0.000018")
    assert cost(PRICE, 1_000_000, 0) == Decimal(3)


@pytest.mark.parametrize(("read", "written"), [(None, 1), (1, None), (None, None)])
def test_unknown_tokens_make_the_cost_unknown_unless_it_is_free(read, written):
    assert cost(PRICE, read, written) is None
    assert cost(FREE, read, written) == 0


def test_an_unknown_price_is_none():
    assert cost(None, 10, 10) is None


def test_settings_win_over_the_price_file():
    book = PriceBook({"openai/x": PRICE})
    assert book.price(ModelSettings(model="openai/x")) == PRICE
    assert book.price(ModelSettings(model="openai/x", price=FREE)) == FREE


def test_a_list_price_holds_at_the_vendors_endpoint_only():
    book = PriceBook({"openai/x": PRICE})
    assert book.price(ModelSettings(model="openai/x", api_base="http://127.0.0.1/v1")) is None


def test_a_model_without_its_vendor_is_found():
    book = PriceBook({"openai/x": PRICE})
    assert book.price(ModelSettings(model="x")) == PRICE
    assert book.price(ModelSettings(model="other/x")) is None


def test_the_bundled_prices_are_dated_and_positive():
    book = PriceBook.bundled()
    assert book.date == "2026-11-22"
    price = book.price(ModelSettings(model="openai/gpt-5"))
    assert price == PriceSettings(input_per_million=Decimal("1.25"), output_per_million=Decimal(10))


def test_the_bound_counts_everything_that_is_sent():
    plain = ChatRequest(messages=(Message(role="user", content="hi"),))
    tool = ToolSpec(name="add", description="Adds.", parameters={"type": "object"})
    tooled = ChatRequest(messages=plain.messages, tools=(tool,))
    formed = ChatRequest(messages=plain.messages, json_schema={"type": "object"})
    wide = ChatRequest(messages=(Message(role="user", content="日本語" * 100),))
    assert input_bound(plain) < input_bound(tooled)
    assert input_bound(plain) < input_bound(formed)
    assert input_bound(wide) > 900


def test_text_that_can_not_be_encoded_is_counted():
    assert input_bound(ChatRequest(messages=(Message(role="user", content="\ud800"),))) > 0


def test_an_embedded_model_is_free_unless_a_price_is_set() -> None:
    book = PriceBook.bundled()
    assert book.price(ModelSettings(model="embedded/smollm2-135m")) == FREE
    priced = ModelSettings(
        model="embedded/smollm2-135m",
        price=PriceSettings(input_per_million=Decimal(1), output_per_million=Decimal(1)),
    )
    assert book.price(priced) == priced.price


def test_a_second_has_a_price_too():
    price = PriceSettings(per_second=Decimal("0.001"))
    assert cost(price, None, None, 2.5) == Decimal("0.0025")
    assert cost(price, 10, 10) is None
    assert not price.free


def test_a_gpu_by_the_hour_makes_a_price_per_token():
    price = PriceSettings(
        gpu_per_hour=Decimal(36),  # one cent a second
        input_tokens_per_second=Decimal(10_000),
        output_tokens_per_second=Decimal(500),
    )
    assert (price.input_per_million, price.output_per_million) == (Decimal(1), Decimal(20))
    assert cost(price, 1_000_000, 100_000) == Decimal(3)
    assert PriceSettings.model_validate(price.model_dump()) == price


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "give input_per_million and output_per_million, per_second, or gpu_per_hour"),
        ({"input_per_million": 1}, "give input_per_million and output_per_million"),
        ({"gpu_per_hour": 2}, "callboard models measure"),
        ({"input_tokens_per_second": 2, "per_second": 1}, "need gpu_per_hour"),
        (
            {"gpu_per_hour": 2, "input_tokens_per_second": 0, "output_tokens_per_second": 1},
            "greater than 0",
        ),
        ({"gpu_per_hour": "x", "input_tokens_per_second": 1, "output_tokens_per_second": 1}, "dec"),
    ],
)
def test_a_price_that_says_too_little_is_refused(fields, message):
    with pytest.raises(ValidationError, match=message):
        PriceSettings(**fields)
