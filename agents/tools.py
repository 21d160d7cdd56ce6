"""Tools: plain typed functions that a model may call while it answers.

The types and the docstring of the function are what the model is told; the arguments that it
writes are validated against them. Whatever goes wrong with a call goes back to the model as text.
A tool that changes something outside says so, and can ask for approval before every call. Tools of
servers, in `agents/mcp`, are called the same way.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor as ThreadPool
from typing import Any, Protocol, overload

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from pydantic_core import ArgsKwargs, PydanticSerializationError

from ..codec import to_json
from ..errors import InvalidInput
from ..models.chat import ToolSpec
from ..values import JSON
from .functions import Function, invoke, reference, resolve
from .spec import MCP

RESULT_CHARS = 8000
"""Longer results are cut: about 2,000 tokens that every further call would carry along."""


class AgentTool(Protocol):
    """What a model may call while it answers: a function, or a tool of a server."""

    @property
    def name(self) -> str:
        """What the model calls it."""

    @property
    def spec(self) -> ToolSpec:
        """What the model is told of it."""

    @property
    def approve(self) -> bool:
        """Whether an approver is asked before each call."""

    @property
    def idempotent(self) -> bool:
        """Whether it may be called again after a crash in the middle of a call."""

    def check(self, arguments: str) -> dict[str, Any]:
        """Return the JSON text `arguments` as what `run` takes.

        Raises:
            InvalidInput: it does not fit; says what does.
        """

    async def run(
        self, arguments: Mapping[str, Any], *, threads: ThreadPool, timeout_s: float
    ) -> str:
        """Call it, and return its result as text for the model."""


class Approver(Protocol):
    """Decides whether a tool may be called; asked for tools with `approve=True` only."""

    def __call__(self, tool: str, arguments: Mapping[str, JSON], /) -> bool | Awaitable[bool]:
        """Return whether `tool` may be called with `arguments`."""


class Tool:
    """A function as a tool; calling it calls the function.

    `side_effects`: it changes something outside. `approve`: an approver is asked before each call.
    `idempotent`: it may be called again with the same arguments after a crash in the middle.

    Raises:
        InvalidInput: a parameter has no type that JSON can carry, or the docstring is missing.
    """

    def __init__(
        self,
        function: Function,
        *,
        side_effects: bool = False,
        approve: bool = False,
        idempotent: bool = False,
    ) -> None:
        functools.update_wrapper(self, function)  # so that `reference` names it like the function
        self.function = function
        self.side_effects = side_effects
        self.approve = approve
        self.idempotent = idempotent
        self.spec, self._arguments = _described(function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function, unchecked."""
        return self.function(*args, **kwargs)

    @property
    def name(self) -> str:
        """What the model calls it."""
        return self.spec.name

    def check(self, arguments: str) -> dict[str, Any]:
        """Return the JSON text `arguments` as the function's keyword arguments.

        Raises:
            InvalidInput: it is no JSON object, or does not fit the function; says what does.
        """
        given = json_object(arguments)
        try:
            checked: dict[str, Any] = self._arguments.validate_python(ArgsKwargs((), given))
        except ValidationError as error:
            expected = json.dumps(self.spec.parameters)
            raise InvalidInput(f"{_problems(error)} Expected: {expected}") from error
        return checked

    async def run(
        self, arguments: Mapping[str, Any], *, threads: ThreadPool, timeout_s: float
    ) -> str:
        """Call the function with checked arguments; return its result as text for the model.

        Raises:
            TimedOut: it took longer; and whatever the function raises.
        """
        value = await invoke(
            functools.partial(self.function, **arguments),
            who=f"The tool {self.name!r}",
            threads=threads,
            timeout_s=timeout_s,
        )
        return result_text(value)


@overload
def tool(function: Function, /) -> Tool: ...
@overload
def tool(
    *, side_effects: bool = False, approve: bool = False, idempotent: bool = False
) -> Callable[[Function], Tool]: ...
def tool(
    function: Function | None = None,
    /,
    *,
    side_effects: bool = False,
    approve: bool = False,
    idempotent: bool = False,
) -> Tool | Callable[[Function], Tool]:
    """Make a tool of a typed function with a docstring: `@tool` or `@tool(side_effects=True)`.

    Raises:
        InvalidInput: a parameter has no type that JSON can carry, or the docstring is missing.
    """
    make = functools.partial(
        Tool, side_effects=side_effects, approve=approve, idempotent=idempotent
    )
    return make if function is None else make(function)


def find_tools(refs: tuple[str, ...]) -> dict[str, Tool]:
    """Return the functions among the tools that `refs` name, by the name that the model uses.

    Raises:
        InvalidInput: one can't be imported or is no tool, or two have the same name.
    """
    found: dict[str, Tool] = {}
    for ref in refs:
        if ref.startswith(MCP):
            continue
        made = resolve(ref)
        if not isinstance(made, Tool):
            raise InvalidInput(f"{ref!r} is not a tool. Decorate the function with @tool.")
        if made.name in found:
            raise InvalidInput(f"Two tools are called {made.name!r}. Rename one: {ref!r}.")
        found[made.name] = made
    return found


def json_object(arguments: str) -> dict[str, Any]:
    """Return the JSON object that a model wrote as the arguments of a call.

    Raises:
        InvalidInput: it is none.
    """
    try:
        given = json.loads(arguments or "{}")
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"The arguments are not valid JSON: {error}.") from error
    if not isinstance(given, dict):
        raise InvalidInput("The arguments are not a JSON object.")
    return given


def result_text(value: Any) -> str:
    """Return what a tool gave as text of at most `RESULT_CHARS` characters and a note."""
    if isinstance(value, str):
        text = value
    elif value is None:
        text = "Done."
    else:
        try:
            text = json.dumps(to_json(value), ensure_ascii=False)
        except (PydanticUserError, PydanticSerializationError):
            text = str(value)
    if len(text) <= RESULT_CHARS:
        return text
    return f"{text[:RESULT_CHARS]}\n[cut: {len(text):,} characters in all]"


def _described(function: Function) -> tuple[ToolSpec, TypeAdapter[Any]]:
    who = f"The tool {reference(function)!r}"
    description = inspect.getdoc(function)
    if not description:
        raise InvalidInput(f"{who} has no docstring. Say in one what it does; the model reads it.")
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            inspect.Parameter.KEYWORD_ONLY,
        ):
            raise InvalidInput(f"{who}: {parameter} can't be given by name. Name each parameter.")
        if parameter.annotation is inspect.Parameter.empty:
            raise InvalidInput(f"{who}: its parameter {parameter.name!r} has no type. Annotate it.")

    def capture(**kwargs: Any) -> dict[str, Any]:
        return kwargs

    # Validates like the function, but hands the arguments back instead of calling it.
    like: Any = functools.wraps(function)(capture)
    try:
        arguments: TypeAdapter[Any] = TypeAdapter(like)
        schema = arguments.json_schema()
    except (PydanticUserError, NameError) as error:
        raise InvalidInput(
            f"{who} can't be described as JSON: {str(error).splitlines()[0]} "
            "Use types that JSON can carry, known at the top of the module."
        ) from error
    name = getattr(function, "__name__", "tool")
    return ToolSpec(name=name, description=description, parameters=schema), arguments


def _problems(error: ValidationError) -> str:
    problems = []
    for one in error.errors(include_input=False, include_url=False):
        where = ".".join(str(step) for step in one["loc"])
        problems.append(f"{where!r}: {one['msg']}.")
    return " ".join(problems)
