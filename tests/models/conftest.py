"""What the tests of models share: a meter that remembers, real servers, and gateways to them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer

from callboard.errors import BudgetExceeded
from callboard.model_settings import ModelSettings, PriceSettings
from callboard.models.chat import ChatModel, ChatRequest, Message
from callboard.models.gateway import Gateway
from callboard.models.prices import PriceBook
from callboard.values import Reservation, Usage

PRICE = PriceSettings(input_per_million=Decimal(1), output_per_million=Decimal(2))


class RecordingMeter:
    """A meter without a database: remembers what was booked, and refuses beyond `limit_usd`."""

    def __init__(self, limit_usd: Decimal | None = None) -> None:
        self._limit_usd = limit_usd
        self.reserved: list[Decimal | None] = []
        self.models: list[str] = []
        self.settled: list[Usage] = []
        self.released = 0
        self._open: set[str] = set()

    async def reserve(self, amount_usd: Decimal | None, *, model: str) -> Reservation:
        if self._limit_usd is not None and (amount_usd is None or amount_usd > self._limit_usd):
            raise BudgetExceeded(
                f"Model {model!r} may cost {amount_usd}, {self._limit_usd} is left."
            )
        self.reserved.append(amount_usd)
        self.models.append(model)
        reservation = Reservation(id=f"r{len(self.reserved)}", amount_usd=amount_usd)
        self._open.add(reservation.id)
        return reservation

    async def settle(self, reservation: Reservation, usage: Usage) -> None:
        self._open.remove(reservation.id)
        self.settled.append(usage)

    async def release(self, reservation: Reservation) -> None:
        self._open.remove(reservation.id)
        self.released += 1

    @property
    def open(self) -> int:
        """Reservations that were not ended."""
        return len(self._open)


@pytest.fixture
def meter() -> RecordingMeter:
    return RecordingMeter()


@pytest.fixture
def tight_meter() -> RecordingMeter:
    """A meter with less money than any call may cost."""
    return RecordingMeter(Decimal("0.00001"))


@pytest.fixture
def serve() -> Iterator[Callable[..., OpenAIServer]]:
    """Start a scripted server: `serve("text", Reply(status=500))`."""
    with ExitStack() as stack:
        yield lambda *script: stack.enter_context(OpenAIServer(*script))


@pytest.fixture(params=[False, True], ids=["litellm", "direct"])
async def connect(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[Callable[..., Gateway]]:
    """Make a gateway whose model `main` is at a server; settings may be given.

    It asks through LiteLLM, and in a second run of the test without it.
    """
    gateways = []

    def make(
        server: OpenAIServer | None = None,
        *,
        replacements: dict[str, ChatModel] | None = None,
        **settings: Any,
    ) -> Gateway:
        where = {"api_base": server.url} if server else {}
        values = {"model": "hosted_vllm/tiny", "retries": 0, "price": PRICE, **where, **settings}
        values = {"direct": request.param and "api_base" in values, **values}
        gateway = Gateway(
            {"main": ModelSettings(**values)},
            prices=PriceBook(),
            cache_dir=tmp_path,
            replacements=replacements,
        )
        gateways.append(gateway)
        return gateway

    yield make
    for gateway in gateways:
        await gateway.close()


def ask_for(text: str = "Hello", **fields: Any) -> ChatRequest:
    """Return a request with one user message."""
    messages = (Message(role="system", content="Be brief."), Message(role="user", content=text))
    return ChatRequest(messages=messages, **{"max_tokens": 20, **fields})


@pytest.fixture
def request_for() -> Callable[..., ChatRequest]:
    return ask_for
