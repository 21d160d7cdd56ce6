"""A service with one agent, and clients with keys of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_service import WEATHER, Service, serving
from pipeline_boards import ABLE

from callboard import ScriptedModel, Settings


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder: Path = tmp_path_factory.mktemp("service")
    return Settings(
        database_url=f"sqlite:///{folder / 'service.db'}",
        models={"main": ABLE},
        refiner={"model": None},
    )


@pytest.fixture(scope="module")
def served(settings: Settings) -> Iterator[Service]:
    """Return a service with an agent of the tenant acme."""
    with serving(
        settings, models={"main": ScriptedModel(lambda request: "It rains in Oslo.")}
    ) as one:
        with one.client(one.key("root", roles=["admin"])) as client:
            assert client.post("/v1/agents", json=WEATHER).status_code == 201
        yield one


@pytest.fixture
def client(served: Service) -> Iterator[httpx.Client]:
    """Return a client with a key of ann, who may ask."""
    with served.client(served.key("ann")) as client:
        yield client


@pytest.fixture
def client_of(served: Service) -> Iterator[Callable[..., httpx.Client]]:
    """Return what makes clients with new keys."""
    clients: list[httpx.Client] = []

    def make(user: str = "ann", **granting: Any) -> httpx.Client:
        clients.append(served.client(served.key(user, **granting)))
        return clients[-1]

    yield make
    for one in clients:
        one.close()
