"""What calls cost: prices, the cost of a call, and an upper bound before it is made.

Prices are ours: a model's settings, or the dated file beside this module. LiteLLM is never asked,
because it reports an unknown price as 0 here and there and remembers prices process-wide.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import yaml

from ..model_settings import MILLION, ModelSettings, PriceSettings
from .chat import ChatRequest

FREE = PriceSettings(input_per_million=Decimal(0), output_per_million=Decimal(0))

_REQUEST_TOKENS = 64
"""Covers what chat templates add once: role tags, and the system message some add on their own."""
_MESSAGE_TOKENS = 16
BYTES_PER_TOKEN = 4
_TOOLS_TOKENS = 512
"""Covers the instructions that chat templates write around offered tools."""


def read_prices(file: Path) -> tuple[dict[str, PriceSettings], str]:
    """Return the prices of a dated file by name, and its date."""
    data = yaml.safe_load(file.read_text(encoding="utf-8"))
    prices = {
        name: PriceSettings(input_per_million=Decimal(read), output_per_million=Decimal(written))
        for name, (read, written) in data["usd_per_million_tokens"].items()
    }
    return prices, str(data["date"])


class PriceBook:
    """Prices by LiteLLM's model string, in US dollars per million tokens."""

    def __init__(self, prices: Mapping[str, PriceSettings] | None = None, date: str = "") -> None:
        self._prices = dict(prices or {})
        self.date = date

    @classmethod
    def bundled(cls) -> PriceBook:
        """Return the prices that are shipped with Callboard."""
        prices, date = read_prices(Path(__file__).with_name("prices.yaml"))
        return cls(prices, date=date)

    def price(self, settings: ModelSettings) -> PriceSettings | None:
        """Return what the model costs, or None where that is not known.

        A vendor's list price holds at the vendor's endpoint only: with an `api_base` of its own
        a model has the price in its settings or none.
        """
        if settings.price is not None:
            return settings.price
        if settings.embedded is not None:
            return FREE
        if settings.api_base is not None:
            return None
        model = settings.model
        if "/" in model:
            return self._prices.get(model)
        return next(
            (p for name, p in self._prices.items() if name.partition("/")[2] == model), None
        )


def cost(
    price: PriceSettings | None,
    input_tokens: int | None,
    output_tokens: int | None,
    seconds: float | None = None,
) -> Decimal | None:
    """Return US dollars; None if the price or what it counts is unknown and it is not free.

    Cached input counts at the full price, so where a vendor gives a discount on it the cost is
    an upper bound.
    """
    if price is None:
        return None
    total = Decimal(0)
    for each, count in (
        (price.input_per_million / MILLION, input_tokens),
        (price.output_per_million / MILLION, output_tokens),
        (price.per_second, seconds),
    ):
        if not each:
            continue
        if count is None:
            return None
        total += each * (Decimal(count) if isinstance(count, int) else Decimal(str(count)))
    return total


def input_bound(request: ChatRequest) -> int:
    """Return a number of tokens that the prompt does not exceed.

    A byte-level tokenizer makes at most one token of each UTF-8 byte, so bytes are a bound that
    needs no tokenizer. Real prompts have about a quarter as many tokens.
    """
    total = _REQUEST_TOKENS
    for message in request.messages:
        total += _MESSAGE_TOKENS + _bytes(message.content)
        for call in message.tool_calls:
            total += _MESSAGE_TOKENS + _bytes(call.name) + _bytes(call.arguments)
    if request.tools:
        total += _TOOLS_TOKENS
    for tool in request.tools:
        total += _MESSAGE_TOKENS + _bytes(tool.name) + _bytes(tool.description)
        total += _bytes(json.dumps(tool.parameters))
    if request.json_schema is not None:
        total += _TOOLS_TOKENS + _bytes(json.dumps(request.json_schema))
    return total


def expected_tokens(prompt_bound: int, max_tokens: int) -> int:
    """Return about how many tokens a call takes, of a prompt that has `prompt_bound` at most."""
    return prompt_bound // BYTES_PER_TOKEN + max_tokens


def _bytes(text: str) -> int:
    # "surrogatepass": text that no endpoint would take must not fail while it is being counted.
    return len(text.encode("utf-8", "surrogatepass"))
