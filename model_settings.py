"""What a model is and where it is served: `[models.NAME]` and its deployments.

A deployment is one endpoint that serves a model. What it does not say itself, the model says for
it; a model that lists none is served by one, at its own `api_base`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from .errors import ConfigurationError
from .redaction import redact

EMBEDDED = "embedded/"
"""What a model string begins with whose weights run in the process."""

OPENAI_COMPATIBLE = (
    "openai/",
    "hosted_vllm/",
    "lm_studio/",
    "llamafile/",
    "openai_like/",
    "custom_openai/",
)
"""What a model string begins with whose server speaks OpenAI's chat protocol."""

LADDER = "ladder/"
"""What the model string of a ladder begins with; its rungs follow."""

SECONDS_PER_HOUR = 3600
MILLION = Decimal(1_000_000)

ONLY = "only"
"""The name of the deployment of a model that lists none."""

LADDER_KEYS = ("predictor", "tau", "point_usd")
ABILITIES = ("tools", "json_schema", "logprobs", "reasoning")

Placement: TypeAlias = Literal["least_loaded", "round_robin", "affinity", "dualmap"]
"""Which of several deployments takes a call."""


class Section(BaseModel):
    """A table of callboard.toml; a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PriceSettings(Section):
    """What calls cost, in US dollars: per million tokens, per second of a call, or by the GPU.

    A GPU that is rented by the hour costs `gpu_per_hour` whatever it does; what a token costs
    follows from how many it reads and writes a second when it is busy, which
    `callboard models measure` tells. Where it is idle the true cost of a token is higher.
    """

    input_per_million: Decimal = Field(default=Decimal(0), ge=0)
    output_per_million: Decimal = Field(default=Decimal(0), ge=0)
    per_second: Decimal = Field(default=Decimal(0), ge=0)
    gpu_per_hour: Decimal | None = Field(default=None, ge=0)
    input_tokens_per_second: Decimal | None = Field(default=None, gt=0)
    output_tokens_per_second: Decimal | None = Field(default=None, gt=0)

    @model_validator(mode="before")
    @classmethod
    def _from_the_gpu(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        said = {name for name, value in given.items() if value is not None}
        rates = {"input": "input_tokens_per_second", "output": "output_tokens_per_second"}
        tokens = {"input_per_million", "output_per_million"}
        if "gpu_per_hour" not in said:
            if said & set(rates.values()):
                raise ValueError("tokens per second need gpu_per_hour beside them.")
            if "per_second" not in said and not tokens <= said:
                raise ValueError(
                    "give input_per_million and output_per_million, per_second, or gpu_per_hour "
                    "with input_tokens_per_second and output_tokens_per_second."
                )
            return given
        if not set(rates.values()) <= said:
            raise ValueError(
                "gpu_per_hour needs input_tokens_per_second and output_tokens_per_second; "
                "'callboard models measure' tells them."
            )
        try:
            second = Decimal(str(given["gpu_per_hour"])) / SECONDS_PER_HOUR
            prices = {
                f"{kind}_per_million": second * MILLION / Decimal(str(given[rate]))
                for kind, rate in rates.items()
            }
        except ArithmeticError:
            return given  # no number, or 0: the field says so
        return {**given, **prices}

    @property
    def free(self) -> bool:
        """Whether calls cost nothing, however long they are."""
        return not (self.input_per_million or self.output_per_million or self.per_second)


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
    direct: bool = False
    """Its server speaks OpenAI's chat protocol (vLLM, SGLang, llama.cpp, TGI, Ollama): it is asked
    without LiteLLM, which saves some 5 ms of CPU a call."""
    logprobs: bool = False
    """It tells how likely each token was (`logprobs` and `top_logprobs`)."""
    weight: float = Field(default=1.0, gt=0)
    """How much it can do beside the other deployments of the model."""
    requests_in_flight: int | None = Field(default=None, ge=1)
    tokens_in_flight: int | None = Field(default=None, ge=1)
    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Show the address without a password that it may hold."""
        for name, value in super().__repr_args__():
            yield name, redact(value) if name == "api_base" and value is not None else value


class DeploymentSettings(EndpointSettings):
    """One deployment: `[[models.main.deployments]]`. What is not set, the model says."""

    name: str = Field(min_length=1, max_length=64)
    model: str | None = Field(default=None, min_length=1)

    def adapted(self, adapter: str) -> DeploymentSettings:
        """Return the deployment as it serves an adapter."""
        if self.model is None:
            return self
        return self.model_copy(update={"model": _beside(self.model, adapter)})


class ModelSettings(EndpointSettings):
    """One model by a name of ours (`main`, `small`, ...): `[models.main]`.

    `model` is what LiteLLM calls it (`hosted_vllm/...`, `openai/...`), or `embedded/NAME` for the
    weights that `callboard models pull` fetches. In its place a `ladder` names models of the
    settings, from the cheapest to the dearest: the next is asked where it pays.
    """

    model: str = Field(min_length=1)
    ladder: tuple[str, ...] = ()
    predictor: Path | None = None
    """`ladder`: what `callboard train ladder` made; None: the next rung is asked where the one
    before gave no answer."""
    tau: float | None = Field(default=None, allow_inf_nan=False)
    """`ladder`: points of quality that the next rung has to gain; None: what training found."""
    point_usd: Decimal | None = Field(default=None, gt=0)
    """`ladder`: what a point of quality of one answer is worth; tau follows from the prices."""
    deployments: tuple[DeploymentSettings, ...] = ()
    adapters: tuple[str, ...] = ()
    """Adapters that its servers offer beside it, as vLLM serves LoRA, by the names they serve
    them under: each is a model of its own, `main:NAME`, on the same deployments."""
    placement: Placement = "least_loaded"
    ttft_s: float = Field(default=5.0, gt=0)
    """`dualmap`: the seconds within which the first token should come."""
    cache_tokens: int = Field(default=200_000, ge=1024)
    """`dualmap`: tokens of prompts whose attention keys each deployment keeps."""
    fallback: str | None = None
    """The model that is asked when all deployments of this one fail or rest."""
    reasoning: bool = True
    """Able to judge: may be asked to route and to merge answers."""
    timeout_s: float = Field(default=60.0, gt=0)
    retries: int = Field(default=2, ge=0, le=10)
    failures: int = Field(default=3, ge=1, le=100)
    """A deployment that fails so often in a row is left alone for `cooldown_s`."""
    cooldown_s: float = Field(default=5.0, gt=0)
    cache_s: float = Field(default=0.0, ge=0)
    """The answer to exactly the same request is given again for so long; 0: never."""
    cache_scope: Literal["user", "tenant"] = "user"
    """Among whose requests."""
    daily_usd: Decimal | None = Field(default=None, ge=0)
    """What all calls of it may cost in a day (UTC)."""

    @model_validator(mode="before")
    @classmethod
    def _a_ladder_is_its_rungs(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        own = {"ladder", *LADDER_KEYS}
        if "model" in given and not given.get("ladder"):  # a model, written out with all its keys
            given = {key: one for key, one in given.items() if one is not None and key != "ladder"}
        if "ladder" not in given:
            stray = next((key for key in LADDER_KEYS if key in given), None)
            if stray is not None:
                raise ValueError(f"{stray} belongs to a ladder; add ladder = [...], or remove it.")
            return given
        other = next((key for key in given if key not in own), None)
        if other is not None:
            raise ValueError(
                f"a ladder is served by its rungs; set {other} at the models that it names, and "
                "remove it here."
            )
        if not isinstance(given["ladder"], list | tuple):
            return {**given, "model": LADDER}  # the field says what is wrong
        rungs = [str(one) for one in given["ladder"]]
        if len(rungs) < 2 or len(set(rungs)) < len(rungs):
            raise ValueError(
                f"the ladder {rungs} needs two models or more, each of them once, from the "
                "cheapest to the dearest."
            )
        return {**given, "model": f"{LADDER}{','.join(rungs)}"}

    @model_validator(mode="after")
    def _a_threshold_needs_a_predictor(self) -> ModelSettings:
        for name in ("tau", "point_usd"):
            if getattr(self, name) is not None and self.predictor is None:
                raise ValueError(
                    f"{name} is compared with what a predictor says; add predictor = 'FILE', which "
                    f"'callboard train ladder' makes, or remove {name}."
                )
        if self.tau is not None and self.point_usd is not None:
            raise ValueError("tau and point_usd are both set; remove one of them.")
        return self

    @model_validator(mode="after")
    def _names_are_distinct(self) -> ModelSettings:
        names = [one.name for one in self.deployments]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two deployments are called {twice!r}; give each a name of its own.")
        return self

    @model_validator(mode="after")
    def _direct_ones_need_no_translation(self) -> ModelSettings:
        for one in self.served().values():
            if one.direct and (one.api_base is None or not one.model.startswith(OPENAI_COMPATIBLE)):
                raise ValueError(
                    "direct = true is for servers that speak OpenAI's protocol: set api_base, and "
                    f"begin the model with one of {', '.join(OPENAI_COMPATIBLE)}."
                )
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
        """Return the settings that hold at each deployment, by its name; a ladder has none."""
        if self.ladder:
            return {}
        if not self.deployments:
            return {ONLY: self}
        return {one.name: self.at(one) for one in self.deployments}

    def at(self, deployment: DeploymentSettings) -> ModelSettings:
        """Return the settings that hold at a deployment."""
        own = {name: getattr(deployment, name) for name in deployment.model_fields_set - {"name"}}
        return self.model_copy(update={**own, "deployments": (), "adapters": ()})

    def adapted(self, adapter: str) -> ModelSettings:
        """Return the settings of an adapter of this model."""
        deployments = tuple(one.adapted(adapter) for one in self.deployments)
        model = _beside(self.model, adapter)
        return self.model_copy(update={"model": model, "deployments": deployments, "adapters": ()})

    def standing_on(self, rungs: Sequence[ModelSettings]) -> ModelSettings:
        """Return the settings of this ladder: it can do what all of its rungs can."""
        return self.model_copy(
            update={
                "context_tokens": min(one.context_tokens for one in rungs),
                **{name: all(getattr(one, name) for one in rungs) for name in ABILITIES},
            }
        )


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
