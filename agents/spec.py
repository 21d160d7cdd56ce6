"""What an agent is: a specification made of JSON, and nothing that runs.

An agent answers in one of three ways. A `function` agent is a Python function, named as
`module:qualname`. A `documents` agent quotes files. Every other agent is a `model` agent: a model
with instructions, and with tools if it has any. Whatever is wrong with a specification is an
`InvalidInput` that names the agent, the field, the value and the fix.
"""

from __future__ import annotations

import re
import reprlib
import unicodedata
from decimal import Decimal
from typing import Annotated, Any, Literal, NoReturn, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    field_validator,
    model_validator,
)

from ..errors import InvalidInput, nearest
from ..mcp_settings import NAME as SERVER
from ..model_settings import ModelChoice, ModelSettings

AgentKind: TypeAlias = Literal["function", "documents", "model"]

DEFAULT_MODEL = "main"
SLUG = re.compile(r"[a-z][a-z0-9_-]{1,63}")
OUT_OF_SCOPE = "oos"
"""What a model that routes says where no agent fits: no agent may be called so."""
MIN_DESCRIPTION, MAX_DESCRIPTION = 10, 4000
MAX_EXAMPLES, MAX_EXAMPLE = 1000, 1000
MAX_INSTRUCTIONS = 20_000
MAX_REFERENCES = 1000
MCP = "mcp:"
"""What the reference to tools of a server begins with."""

_UNUSED: dict[AgentKind, tuple[str, ...]] = {
    "function": ("documents", "model", "endpoint", "tools", "instructions"),
    "documents": ("tools",),
    "model": (),
}
"""Fields that an agent of a kind would ignore; setting one is a contradiction."""


def _printable(text: str, allowed: str = "") -> str:
    for char in text:
        if unicodedata.category(char) in ("Cc", "Cs") and char not in allowed:
            raise ValueError(f"the control character {char!r} is not allowed; remove it")
    return text


def _line(text: str) -> str:
    """Return `text` on one line: line breaks of a YAML block are spaces, not content."""
    return _printable(" ".join(text.split()))


def _description(text: str) -> str:
    text = _line(text)
    if not MIN_DESCRIPTION <= len(text) <= MAX_DESCRIPTION:
        raise ValueError(
            f"has {len(text)} characters; say in {MIN_DESCRIPTION} to {MAX_DESCRIPTION} "
            "what the agent can do, the router chooses by it"
        )
    return text


def _example(text: str) -> str:
    text = _line(text)
    if not 1 <= len(text) <= MAX_EXAMPLE:
        raise ValueError(f"has {len(text)} characters; write a query of 1 to {MAX_EXAMPLE}")
    return text


def _instructions(text: str) -> str:
    if len(text) > MAX_INSTRUCTIONS:
        raise ValueError(f"has {len(text)} characters; at most {MAX_INSTRUCTIONS} are allowed")
    return _printable(text, allowed="\n\r\t")


def _reference(text: str) -> str:
    module, colon, qualname = _printable(text.strip()).partition(":")
    if not (module and colon and qualname) or ":" in qualname:
        raise ValueError("write it as 'module:name', for example 'shop.orders:find_order'")
    return text.strip()


def _tool(text: str) -> str:
    text = _printable(text.strip())
    if not text.startswith(MCP):
        return _reference(text)
    server, slash, tool = text.removeprefix(MCP).partition("/")
    if not SERVER.fullmatch(server) or bool(slash) != bool(tool):
        raise ValueError(
            "write it as 'mcp:SERVER/tool', or 'mcp:SERVER' for all of its tools, where "
            "[mcp.SERVER] stands in the settings"
        )
    return text


def _name(text: str) -> str:
    """Return the path or tag `text`; refuse an empty one."""
    if not _printable(text).strip():
        raise ValueError("is empty; remove it")
    return text.strip()


_Reference: TypeAlias = Annotated[str, AfterValidator(_reference)]
_ToolReference: TypeAlias = Annotated[str, AfterValidator(_tool), Field(max_length=4096)]
_Name: TypeAlias = Annotated[str, AfterValidator(_name), Field(max_length=4096)]


class AgentLimits(BaseModel):
    """How much one answer of an agent may take."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    timeout_s: float = Field(default=60.0, gt=0, le=3600, allow_inf_nan=False)
    """For the whole answer, tools and all calls of the model included."""
    max_tokens: int = Field(default=512, ge=1, le=100_000)
    """Of one reply of the model."""
    memo_tokens: int = Field(default=512, ge=0, le=100_000)
    """Of what recall found; the rest is cut off."""
    tool_rounds: int = Field(default=4, ge=0, le=20)
    """How often the model may ask for tools before it has to answer."""
    daily_usd: Decimal | None = Field(default=None, ge=0)
    """What all its answers may cost in a day (UTC)."""


def _default_model(fields: dict[str, Any]) -> str | None:
    answered = any(fields.get(name) for name in ("function", "documents", "endpoint"))
    return None if answered else DEFAULT_MODEL


class Agent(BaseModel):
    """One agent: what it is called, what it can do and how it answers.

    `documents` are paths, globs, or `package:relative/path` for files inside an installed package.
    A documents agent quotes; with a `model` it has the model write the answer from the passages.
    `model` names a configured one; `endpoint` is one of the agent's own, as in [models.NAME].
    `tools` are functions, `module:name`, and tools of the servers of the settings: `mcp:NAME/tool`,
    or `mcp:NAME` for all that a server has.
    `examples` are queries that it answers, `counterexamples` such that look like its own and are
    not: the router learns from both. `expert` reads what is asked of its documents and of what is
    remembered for it alone; None: whichever is chosen. `idempotent` says that the function may be
    run again after a crash in the middle of it.

    Raises:
        InvalidInput: a field is unknown, missing or wrong, or two fields contradict each other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: Annotated[str, AfterValidator(_description)]
    examples: tuple[Annotated[str, AfterValidator(_example)], ...] = Field(
        default=(), max_length=MAX_EXAMPLES
    )
    counterexamples: tuple[Annotated[str, AfterValidator(_example)], ...] = Field(
        default=(), max_length=MAX_EXAMPLES
    )
    instructions: Annotated[str, AfterValidator(_instructions)] = ""
    function: _Reference | None = None
    documents: tuple[_Name, ...] = Field(default=(), max_length=MAX_REFERENCES)
    endpoint: ModelSettings | None = None
    model: _Name | None = Field(default_factory=_default_model)
    tools: tuple[_ToolReference, ...] = Field(default=(), max_length=MAX_REFERENCES)
    expert: _Name | None = None
    tags: tuple[_Name, ...] = Field(default=(), max_length=MAX_REFERENCES)
    limits: AgentLimits = AgentLimits()
    idempotent: bool = False
    enabled: bool = True

    @property
    def kind(self) -> AgentKind:
        """How the agent answers."""
        if self.function is not None:
            return "function"
        return "documents" if self.documents else "model"

    @property
    def asked(self) -> ModelChoice | None:
        """The model that answers, or None: nobody asks one."""
        return self.endpoint or self.model

    @field_validator("name")
    @classmethod
    def _slug(cls, name: str) -> str:
        if not SLUG.fullmatch(name):
            raise ValueError(
                "use 2 to 64 small letters, digits, '-' or '_', and begin with a letter"
                f"{_suggestion(name)}"
            )
        if name == OUT_OF_SCOPE:
            raise ValueError("take another name: a model that routes says this where no agent fits")
        return name

    @model_validator(mode="after")
    def _no_contradiction(self) -> Agent:
        for field in _UNUSED[self.kind]:
            if getattr(self, field):
                raise ValueError(
                    f"{field!r} and {self.kind!r} are both set, but a {self.kind} agent does not "
                    f"use {field!r}; remove one of them"
                )
        if self.endpoint and self.model:
            raise ValueError("'model' and 'endpoint' are both set; remove one of them")
        if self.endpoint and self.endpoint.embedded:
            raise ValueError("an 'endpoint' can't be embedded; set 'model' for a configured one")
        if self.endpoint and self.endpoint.ladder:
            raise ValueError("an 'endpoint' can't be a ladder; set 'model' for a configured one")
        served = self.endpoint.served().values() if self.endpoint else ()
        if any("@" in (one.api_base or "") for one in served):
            raise ValueError(
                "the api_base of the 'endpoint' holds a name or password that all would see; "
                "put the key into an environment variable, and name it as api_key_env"
            )
        if self.kind == "model" and self.asked is None:
            raise ValueError(
                "no 'model', 'endpoint', 'function' or 'documents' is set, so nothing could "
                f"answer; set one, or leave 'model' out for {DEFAULT_MODEL!r}"
            )
        return self

    @model_validator(mode="wrap")
    @classmethod
    def _explained(cls, data: Any, handler: ModelWrapValidatorHandler[Agent]) -> Agent:
        try:
            return handler(data)
        except ValidationError as error:
            _refuse(data, error)


def _suggestion(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9_]+", "-", plain).lstrip("-_0123456789")[:64].rstrip("-_")
    return f", for example {slug!r}" if SLUG.fullmatch(slug) else ""


def _refuse(data: Any, error: ValidationError) -> NoReturn:
    """Raise `InvalidInput` for the first thing that is wrong, unknown keys before all others."""
    name = data.get("name") if isinstance(data, dict) else None
    who = f"Agent {reprlib.repr(name)}" if name is not None else "The agent"
    errors = [
        e for e in error.errors(include_url=False) if e["type"] != "default_factory_not_called"
    ]
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    path = ".".join(str(step) for step in first["loc"])
    if first["type"] == "extra_forbidden":
        known = _nested(first["loc"])
        hint = nearest(str(first["loc"][-1]), known.model_fields)
        message = f"{who}: {path!r} is not a field of an agent{hint}"
        raise InvalidInput(message, field=path) from error
    if first["type"] == "missing":
        raise InvalidInput(f"{who}: {path!r} is missing. Add it.", field=path) from error
    message = first["msg"].removeprefix("Value error, ").rstrip(".").replace("tuple", "list")
    if not path:
        raise InvalidInput(f"{who}: {message}.") from error
    value = reprlib.repr(first["input"])
    raise InvalidInput(f"{who}: {path!r} is {value}: {message}.", field=path) from error


def _nested(path: tuple[int | str, ...]) -> type[BaseModel]:
    """Return the model whose field the last step of a path is."""
    first, *more = path
    if not more:
        return Agent
    nested: dict[str, type[BaseModel]] = {"limits": AgentLimits, "endpoint": ModelSettings}
    return nested.get(str(first), Agent)
