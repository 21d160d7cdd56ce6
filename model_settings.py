"""What a model is and where it is served: `[models.NAME]` and its deployments.

A deployment is one endpoint that serves a model. What it does not say itself, the model says for
it; a model that lists none is served by one, at its own `api_base`.
"""

from __future__ import annotations

import os
from decimal import Decimal
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from .errors import ConfigurationError

EMBEDDED = "embedded/"
"""What a model string begins with whose weights run in the process."""

ONLY = "only"
"""The name of the deployment of a model that lists none."""

Placement: TypeAlias = Literal["least_loaded", "round_robin"]
"""Which of several deployments takes a call."""


class Section(BaseModel):
    """A table of callboard.toml; a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PriceSettings(Section):
    """US dollars per million tokens."""

    input_per_million: Decimal = Field(ge=0)
    output_per_million: Decimal = Field(ge=0)


class EndpointSettings(Section):
    """One place that serves a model: its address, its price, what it can do and how much at once.

    Without `price` the bundled price file is asked; if it does not know the model either, its cost
    is unknown. Limits that are None do not hold; tokens are estimated from the prompt's bytes, and
    `max_tokens` is added to them.
    """

    api_base: str | None = None
    api_key_env: str | None = None
    price: PriceSettings | None = None
    context_tokens: int = Field(default=8192, ge=512)
    tools: bool = True
    json_schema: bool = True
    logprobs: bool = False
    """It tells how likely each token was (`logprobs` and `top_logprobs`)."""
    weight: float = Field(default=1.0, gt=0)
    """How much it can do beside the other deployments of the model."""
    requests_in_flight: int | None = Field(default=None, ge=1)
    tokens_in_flight: int | None = Field(default=None, ge=1)
    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)


class DeploymentSettings(EndpointSettings):
    """One deployment: `[[models.main.deployments]]`. What is not set, the model says."""

    name: str = Field(min_length=1, max_length=64)
    model: str | None = Field(default=None, min_length=1)


class ModelSettings(EndpointSettings):
    """One model by a name of ours (`main`, `small`, ...): `[models.main]`.

    `model` is what LiteLLM calls it (`hosted_vllm/...`, `openai/...`), or `embedded/NAME` for the
    weights that `callboard models pull` fetches.
    """

    model: str = Field(min_length=1)
    deployments: tuple[DeploymentSettings, ...] = ()
    adapters: tuple[str, ...] = ()
    """Adapters that its servers offer beside it, as vLLM serves LoRA, by the names they serve
    them under: each is a model of its own, `main:NAME`, on the same deployments."""
    placement: Placement = "least_loaded"
    fallback: str | None = None
    """The model that is asked when all deployments of this one fail or rest."""
    reasoning: bool = True
    """Able to judge: may be asked to route and to merge answers."""
    timeout_s: float = Field(default=60.0, gt=0)
    retries: int = Field(default=2, ge=0, le=10)
    failures: int = Field(default=3, ge=1, le=100)
    """A deployment that fails so often in a row is left alone for `cooldown_s`."""
    cooldown_s: float = Field(default=5.0, gt=0)
    daily_usd: Decimal | None = Field(default=None, ge=0)
    """What all calls of it may cost in a day (UTC)."""

    @model_validator(mode="after")
    def _names_are_distinct(self) -> ModelSettings:
        names = [one.name for one in self.deployments]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two deployments are called {twice!r}; give each a name of its own.")
        return self

    @property
    def embedded(self) -> str | None:
        """The name of the weights of an embedded model; None for an endpoint."""
        return self.model.removeprefix(EMBEDDED) if self.model.startswith(EMBEDDED) else None

    @property
    def api_key(self) -> SecretStr | None:
        """The key that the environment holds now, masked in repr.

        Raises:
            ConfigurationError: `api_key_env` names a variable that is not set.
        """
        if self.api_key_env is None:
            return None
        value = os.environ.get(self.api_key_env)
        if not value:
            raise ConfigurationError(
                f"The environment variable {self.api_key_env!r} that holds the key of model "
                f"{self.model!r} is not set. Set it, or remove api_key_env if no key is needed."
            )
        return SecretStr(value)

    def served(self) -> dict[str, ModelSettings]:
        """Return the settings that hold at each deployment, by its name."""
        if not self.deployments:
            return {ONLY: self}
        return {one.name: self.at(one) for one in self.deployments}

    def at(self, deployment: DeploymentSettings) -> ModelSettings:
        """Return the settings that hold at a deployment."""
        own = {name: getattr(deployment, name) for name in deployment.model_fields_set - {"name"}}
        return self.model_copy(update={**own, "deployments": (), "adapters": ()})

    def adapted(self, adapter: str) -> ModelSettings:
        """Return the settings of an adapter of this model."""
        deployments = tuple(
            one.model_copy(update={"model": _beside(one.model, adapter)}) if one.model else one
            for one in self.deployments
        )
        model = _beside(self.model, adapter)
        return self.model_copy(update={"model": model, "deployments": deployments, "adapters": ()})


ModelChoice: TypeAlias = str | ModelSettings
"""A model by the name that the settings give it, or one that they don't name by its own."""


def model_name(model: ModelChoice) -> str:
    """Return what a model is called in steps, in the ledger and in messages."""
    return model if isinstance(model, str) else model.model


def _beside(model: str, adapter: str) -> str:
    """Return the model string of what the same provider serves under another name."""
    provider, slash, _ = model.partition("/")
    return f"{provider}{slash}{adapter}" if slash else adapter


EMBEDDED_MODEL = ModelSettings(
    model="embedded/smollm2-135m",
    price=PriceSettings(input_per_million=Decimal(0), output_per_million=Decimal(0)),
    context_tokens=4096,
    tools=False,
    json_schema=True,
    reasoning=False,
    timeout_s=120.0,
)
