"""Settings: argument > `CALLBOARD_*` > `callboard.toml` > default.

Nested settings are named with two underscores in the environment: `CALLBOARD_ROUTER__MAX_AGENTS=2`.
An unknown key is an error that names the key and the nearest known one. Secrets are never stored
here: a model names the environment variable that holds its key.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args
from urllib.parse import urlsplit

from platformdirs import user_cache_dir
from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from .errors import ConfigurationError, nearest
from .mcp_settings import NAME, McpSettings
from .model_settings import EMBEDDED_MODEL, ModelSettings, Section
from .values import Strategy

CONFIG_FILE = "callboard.toml"
PREFIX = "CALLBOARD_"
_SQLITE = "sqlite:///"
Policy: TypeAlias = Literal["auto", "retrieval", "reasoning"]
"""When a model is asked: if retrieval is not sure, never, or always."""
Reading: TypeAlias = Literal["reason", "likelihood", "both"]
"""How a model is read: by the reason and ids that it writes, by how likely it finds each id, or by
what it writes with the likelihoods beside it."""


class RouterSettings(Section):
    """How agents are chosen."""

    policy: Policy = "auto"
    model: str = "main"
    reading: Reading = "reason"
    """How the reasoning model is read; for likelihoods its `logprobs` must be true."""
    max_agents: int = Field(default=3, ge=1, le=10)
    min_probability: float = Field(default=0.15, gt=0, lt=1)
    """An agent is called from this probability on that it should answer."""
    coverage: float | None = Field(default=None, gt=0, lt=1)
    """How often the right agent should be among those called; learned from example queries."""
    sure: float = Field(default=0.6, ge=0, le=1)
    """If the best agent is less probable than this, a model is asked (policy `auto`)."""
    trust: float = Field(default=0.8, ge=0, le=10)
    """What the model's word adds to the relevance of an agent, which is in log-odds: 0.8 was
    measured with 1.5 billion parameters; with 3 the word of a capable model all but decides."""
    shortlist: int = Field(default=5, ge=2, le=10)
    guard_threshold: float | None = Field(default=None, ge=0, le=1)
    """Below this score a query is out of scope; None: the measured default."""
    out_of_scope: tuple[str, ...] = ()
    """Queries that no agent should answer."""
    blocked_topics: tuple[str, ...] = ()
    """Topics that no agent should speak about, in a few words each."""
    fallback_agent: str | None = None
    """Answers what is out of scope; None: the board says what it can do."""


class MemorySettings(Section):
    """What is remembered and how much of it the agents are told."""

    enabled: bool = True
    chunk_tokens: int = Field(default=256, ge=32, le=2048)
    top_k: int = Field(default=40, ge=1, le=96)
    """Chunks that the memo is made of, at most."""
    memo_tokens: int = Field(default=512, ge=32)
    in_process_chunks: int = Field(default=20_000, ge=0)
    """A memory of more chunks is searched by PostgreSQL, where it has pgvector."""
    budget: Literal["auto", "low", "mid", "high"] = "auto"
    policy: str = "mid"
    """Chooses the tiers where the budget is `auto`: a tier for all modules, `learned` (the policy
    that is shipped), or the file of one that `callboard train budget` made."""
    strategy: Strategy = "implementation"
    """What sets the tiers apart: rules, encoder, model; the same model thinking more; or models
    of three sizes."""
    model: str = "main"
    """Works at the high tier, or at all of them where `strategy` is `reasoning`."""
    small: str | None = None
    medium: str | None = None
    large: str | None = None
    """The models of the tiers where `strategy` is `capacity`; None: `model`."""
    ner: str | None = None
    """A spaCy pipeline that finds names at the mid tier, such as `en_core_web_sm`; None: rules."""


class RetrievalSettings(Section):
    """How what is remembered and written is searched, and put in order."""

    experts: Literal["gate", "nearest", "mean", "off"] = "gate"
    """Chooses the expert that reads a query: what each learned of its queries, their nearest one,
    or the mean of them; or none reads."""
    reranker: str | None = None
    """A cross-encoder that reads the best candidates again: its folder, or its name on the hub if
    it was downloaded; None: none does."""
    rerank: int = Field(default=16, ge=2, le=64)
    """So many of the best candidates it reads."""


class RefinerSettings(Section):
    """How several answers become one; `model` None: they are set side by side."""

    model: str | None = "main"


class LimitSettings(Section):
    """Limits of one turn, and what turns may cost together. Days are those of UTC."""

    budget_usd: Decimal | None = Field(default=None, ge=0)
    session_usd: Decimal | None = Field(default=None, ge=0)
    user_daily_usd: Decimal | None = Field(default=None, ge=0)
    daily_usd: Decimal | None = Field(default=None, ge=0)
    allow_unpriced: bool = False
    """Let a model without a known price be called under a money limit."""
    turn_timeout_s: float = Field(default=300.0, gt=0)
    query_chars: int = Field(default=100_000, ge=1)
    threads: int = Field(default=16, ge=1, le=256)
    """Threads for functions that are not async."""
    lease_s: float = Field(default=30.0, gt=0)
    """A run whose process shows no sign of life for this long is taken over by another. A process
    waits as long for a database that is out of reach, and 30 s at least."""
    turns_at_once: int = Field(default=64, ge=1)
    """Turns that one process carries at once; more wait for whichever process has room first."""
    queue: int = Field(default=1000, ge=0)
    """Turns that may wait, in all processes together; beyond, a query is refused."""


class AddressSettings(Section):
    """Where the endpoints of registered agents may be; models of the settings may be anywhere."""

    check: bool = False
    """Refuse what is not allowed below; a Board in Python trusts the code that holds it."""
    public: bool = True
    """Allow https to every public address; false: only what `allow` names."""
    allow: tuple[str, ...] = ()
    """Hosts that may also be private and asked over http (`gpu.lan:8000`, `*.example.com`), and
    networks that names may lead into (`10.0.0.0/8`)."""
    keys: dict[str, str] = Field(default_factory=dict)
    """Environment variables that endpoints may name as `api_key_env`, and the host that each key
    is for."""


class RetentionSettings(Section):
    """After how many days things are deleted; None: never. What is still running stays.

    `callboard db prune` does it, and a Board that recovers about once a day.
    """

    runs_days: int | None = Field(default=None, ge=1)
    """Runs with their steps, events and feedback, and the titles of sessions without runs."""
    feedback_days: int | None = Field(default=None, ge=1)
    """Feedback; it never outlives its run."""
    memory_days: int | None = Field(default=None, ge=1)
    """What is remembered of users; knowledge for all stays."""
    ledger_days: int | None = Field(default=None, ge=32)
    """What each call cost: at least the month, for its budget. What each day cost is kept."""
    agent_versions_days: int | None = Field(default=None, ge=1)
    """Earlier versions of agents."""


class TelemetrySettings(Section):
    """What is told to a collector of traces, and the form of the log."""

    otlp_endpoint: str | None = None
    """Where spans go by OTLP over HTTP: `http://127.0.0.1:4318/v1/traces`; None: nowhere."""
    headers_env: str | None = None
    """The environment variable that holds headers for it: `name=value,name=value`."""
    content: bool = False
    """Send queries and answers too."""
    service: str = "callboard"
    logs: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "warning"


class UiSettings(Section):
    """The app of `callboard ui`."""

    operators: tuple[str, ...] = ()
    """With a login: who may see all users' runs and change agents, by the name that the provider
    gives (their email). Without one, whoever is at this machine may."""
    allow_functions: bool = False
    """Let operators register Python functions by their import path: code that this server runs."""
    monthly_budget_usd: Decimal | None = Field(default=None, gt=0)
    """What a month may cost: the costs page draws a bar and a forecast; it stops nothing."""


class ServiceSettings(Section):
    """The HTTP API of `callboard serve`."""

    body_bytes: int = Field(default=2_000_000, ge=1024)
    """The longest body of a request; documents for memory may be longer."""
    header_bytes: int = Field(default=16_384, ge=1024)
    """All headers of a request together."""
    drain_s: float = Field(default=30.0, ge=0)
    """When it is told to stop, turns that go on get so long; another resumes what is left."""
    allow_functions: bool = False
    """Let keys with the role `agents` register functions, tools and documents: code and files of
    this server."""


class Settings(BaseSettings):
    """All settings of a Board. `load_settings` reads them; tests and embedders may build them."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    database_url: str = Field(default="sqlite:///callboard.db", repr=False)
    encoder: str = "minilm"
    """`minilm` (installed with Callboard), or the name of a sentence-transformers model."""
    cache_dir: Path = Path(user_cache_dir("callboard"))
    """Where weights and exported encoders are kept."""
    bundled_agents: bool = False
    """Offer the agents of the demo too; on by default only where there is no callboard.toml."""
    models: dict[str, ModelSettings] = Field(default_factory=dict)
    """Models by name. `main` is the embedded one until it is set."""
    mcp: dict[str, McpSettings] = Field(default_factory=dict)
    """Servers whose tools agents may use, by name."""
    router: RouterSettings = RouterSettings()
    memory: MemorySettings = MemorySettings()
    retrieval: RetrievalSettings = RetrievalSettings()
    refiner: RefinerSettings = RefinerSettings()
    limits: LimitSettings = LimitSettings()
    endpoints: AddressSettings = AddressSettings()
    retention: RetentionSettings = RetentionSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    ui: UiSettings = UiSettings()
    service: ServiceSettings = ServiceSettings()

    @field_validator("models", mode="after")
    @classmethod
    def _main_is_always_there(cls, models: dict[str, ModelSettings]) -> dict[str, ModelSettings]:
        adapted = {
            f"{name}:{adapter}": model.adapted(adapter)
            for name, model in models.items()
            for adapter in model.adapters
        }
        return {"main": EMBEDDED_MODEL, **adapted, **models}

    @field_validator("mcp", mode="after")
    @classmethod
    def _servers_have_plain_names(cls, mcp: dict[str, McpSettings]) -> dict[str, McpSettings]:
        strange = next((name for name in mcp if not NAME.fullmatch(name)), None)
        if strange is not None:
            raise ValueError(
                f"a server is called {strange!r}; use at most 32 small letters, digits, '-' or "
                "'_', and begin with a letter."
            )
        return mcp

    @model_validator(mode="after")
    def _named_models_exist(self) -> Settings:
        wrong = [*self._unknown_models()] or [*self._wrong_chains()]
        if wrong:
            raise ValueError("\n".join(wrong))  # `explain_all` tells them one by one
        for name, model in self.models.items():
            if model.ladder:
                self.models[name] = model.standing_on([self.models[r] for r in model.ladder])
        return self

    def _unknown_models(self) -> Iterator[str]:
        for key, name in (
            ("router.model", self.router.model),
            ("refiner.model", self.refiner.model),
            ("memory.model", self.memory.model),
            ("memory.small", self.memory.small),
            ("memory.medium", self.memory.medium),
            ("memory.large", self.memory.large),
            *((f"models.{name}.fallback", one.fallback) for name, one in self.models.items()),
            *(
                (f"models.{name}.ladder", r)
                for name, one in self.models.items()
                for r in one.ladder
            ),
        ):
            if name is not None and name not in self.models:
                yield (
                    f"{key} names the model {name!r}, which is not configured. "
                    f"Add [models.{name}], or name one of: {', '.join(sorted(self.models))}."
                )

    def _wrong_chains(self) -> Iterator[str]:
        for name, model in self.models.items():
            yield from self._wrong_fallbacks(name)
            for rung in model.ladder:
                if self.models[rung].ladder:
                    yield (
                        f"models.{name}.ladder names {rung!r}, which is a ladder itself; name its "
                        f"rungs instead: {', '.join(self.models[rung].ladder)}."
                    )

    def secrets(self) -> tuple[str, ...]:
        """Return what must not be shown: keys that the environment holds, and passwords."""
        served = [one for model in self.models.values() for one in model.served().values()]
        names = {
            *(one.api_key_env for one in served),
            *self.endpoints.keys,
            self.telemetry.headers_env,
        }
        values = [os.environ.get(name or "", "") for name in names]
        values.append(urlsplit(self.database_url).password or "")
        values += [secret for server in self.mcp.values() for secret in server.secrets()]
        return tuple(dict.fromkeys(value for value in values if value))

    def serving_others(self) -> Settings:
        """Return the settings of a service: endpoints are checked unless `check` says otherwise."""
        if "check" in self.endpoints.model_fields_set:
            return self
        checked = self.endpoints.model_copy(update={"check": True})
        return self.model_copy(update={"endpoints": checked})

    def _wrong_fallbacks(self, name: str) -> Iterator[str]:
        chain = [name]
        while (after := self.models[chain[-1]].fallback) is not None:
            if self.models[after].ladder:
                yield (
                    f"models.{chain[-1]}.fallback names the ladder {after!r}; name one of its "
                    f"rungs instead: {', '.join(self.models[after].ladder)}."
                )
                return
            if after in chain:
                yield (
                    f"the fallbacks {' -> '.join([*chain, after])} go round in a circle; "
                    f"remove one of them."
                )
                return
            chain.append(after)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the file after the environment."""
        return (init_settings, env_settings, *cls._file_sources(settings_cls))

    @classmethod
    def _file_sources(
        cls, settings_cls: type[BaseSettings]
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return ()


def load_settings(path: Path | None = None, **arguments: Any) -> Settings:
    """Read the settings; `arguments` win over the environment, and that over the file.

    `path` None means `CALLBOARD_CONFIG`, or else `callboard.toml` in the current folder if there
    is one. Without any file the embedded defaults hold: SQLite, MiniLM, the embedded model, and
    the agents of the demo.

    Raises:
        ConfigurationError: the file can't be read, or a key or value in it is wrong.
    """
    settings, problems = read_settings(path, **arguments)
    if settings is None:
        raise problems[0]
    return settings


def read_settings(
    path: Path | None = None, **arguments: Any
) -> tuple[Settings | None, tuple[ConfigurationError, ...]]:
    """Read the settings as `load_settings` does; None: they are wrong, in all these ways."""
    try:
        file = _config_file(path)
        data: dict[str, Any] = {"bundled_agents": True} if file is None else _read_toml(file)
    except ConfigurationError as error:
        return None, (error,)
    problems = [*_wrong_variables()]

    class FromFile(Settings):
        @classmethod
        def _file_sources(
            cls, settings_cls: type[BaseSettings]
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (InitSettingsSource(settings_cls, init_kwargs=data),)

    try:
        loaded = FromFile(**arguments)
    except ValidationError as error:
        where = str(file) if file else "the settings"
        for message in explain_all(error, Settings):
            problem = ConfigurationError(f"{where}: {message}")
            problem.__cause__ = error
            problems.append(problem)
    if problems:
        return None, tuple(problems)
    return Settings.model_construct(**dict(loaded)), ()


def sqlite_file(url: str) -> Path | None:
    """Return the file of a SQLite database; None: it is in memory, or another database."""
    name = url.removeprefix(_SQLITE) if url.startswith(_SQLITE) else ""
    return Path(name) if name and name != ":memory:" else None


def is_in_memory(url: str) -> bool:
    """Tell whether a database is gone when its process ends."""
    return url == "sqlite://" or (url.startswith(_SQLITE) and sqlite_file(url) is None)


def _config_file(path: Path | None) -> Path | None:
    named = path or (Path(env) if (env := os.environ.get(f"{PREFIX}CONFIG")) else None)
    if named is not None:
        if not named.is_file():
            raise ConfigurationError(
                f"There is no settings file {str(named)!r}. Write one with 'callboard init'."
            )
        return named
    default = Path(CONFIG_FILE)
    return default if default.is_file() else None


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{str(file)!r} can't be read: {error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{str(file)!r} is not valid TOML: {error}.") from error
    url = data.get("database_url")
    named = sqlite_file(url) if isinstance(url, str) else None
    if named is not None:
        # A relative SQLite file stands beside the settings file, wherever the caller is.
        data["database_url"] = f"{_SQLITE}{(file.resolve().parent / named).as_posix()}"
    return data


def _wrong_variables() -> Iterator[ConfigurationError]:
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields} | {f"{PREFIX}CONFIG"}
    for name in os.environ:
        if name.startswith(PREFIX) and name.split("__")[0].upper() not in known:
            yield ConfigurationError(
                f"The environment variable {name!r} is not a setting{nearest(name, known)}"
            )


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """Say in words what is wrong with the first value that `model` refused."""
    return next(explain_all(error, model))


def explain_all(error: ValidationError, model: type[BaseModel]) -> Iterator[str]:
    """Say in words what is wrong with each value that `model` refused."""
    for one in error.errors(include_input=False, include_url=False):
        path = [str(step) for step in one["loc"]]
        if one["type"] == "extra_forbidden":
            fields = _fields_at(model, path[:-1])
            yield f"{'.'.join(path)!r} is not a known key{nearest(path[-1], fields)}"
            continue
        for message in one["msg"].removeprefix("Value error, ").splitlines():
            yield f"{'.'.join(path)!r}: {message}" if path else message


def _fields_at(model: type[BaseModel], path: list[str]) -> list[str]:
    for step in path:
        field = model.model_fields.get(step)
        if field is None:
            continue
        inner = [field.annotation, *get_args(field.annotation)]
        nested = [kind for kind in inner if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if nested:
            model = nested[0]
    return list(model.model_fields)
