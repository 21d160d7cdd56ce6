"""Functions as agents: naming one, finding it again, and calling it.

A function is stored as `module:qualname`. One of a script (`__main__`), inside another function or
without a name can only be called in the process that defined it. The first parameter takes the
user's wish; what else a function wants to know it asks for by type.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable
from concurrent.futures import Executor as ThreadPool
from contextvars import copy_context
from dataclasses import dataclass
from importlib import import_module
from types import NoneType, SimpleNamespace, UnionType
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from ..errors import InvalidInput, TimedOut, nearest
from ..values import AgentResult, AgentTask, Exchange, Memo, Scope
from .answers import to_result

Function: TypeAlias = Callable[..., Any]
_Given: TypeAlias = Literal["wish", "task", "memo", "scope", "history"]

_BY_TYPE: dict[Any, _Given] = {
    AgentTask: "task",
    Memo: "memo",
    Scope: "scope",
    tuple[Exchange, ...]: "history",
}
_OUR_NAMES = {"AgentTask": AgentTask, "Memo": Memo, "Scope": Scope, "Exchange": Exchange}
_TEXT = (str, Any, object, inspect.Parameter.empty)
_WANTED = "AgentTask, Memo, Scope or tuple[Exchange, ...]"


# Names -----------------------------------------------------------------------------------------


def reference(function: Function) -> str:
    """Return `module:qualname` of `function`; angle brackets stand where it has no name."""
    module = getattr(function, "__module__", None) or type(function).__module__
    qualname = getattr(function, "__qualname__", None) or f"<{type(function).__qualname__}>"
    return f"{module}:{qualname}"


def portable(ref: str) -> bool:
    """Say whether another process could find the function `ref` by importing it."""
    return "<" not in ref and not ref.startswith("__main__:")


def resolve(ref: str) -> Any:
    """Import and return what `module:qualname` names.

    Raises:
        InvalidInput: the module can't be imported or has no such name.
    """
    module_name, _, qualname = ref.partition(":")
    if "<" in ref:
        raise InvalidInput(
            f"{ref!r} can't be imported: it was defined inside a function or has no name. "
            "Move it to the top of a module."
        )
    try:
        found: Any = import_module(module_name)
    except (Exception, SystemExit) as error:  # the module of a user may do anything
        raise InvalidInput(
            f"{ref!r}: the module {module_name!r} can't be imported "
            f"({type(error).__name__}: {error}). Install it, or mend the name."
        ) from error
    for name in qualname.split("."):
        if not hasattr(found, name):
            raise InvalidInput(f"{ref!r}: there is no {name!r} there{nearest(name, dir(found))}")
        found = getattr(found, name)
    return found


# Signatures ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What a function wants to be given: `first`, and the rest by parameter name."""

    first: _Given
    rest: tuple[tuple[str, _Given], ...] = ()


def signature(function: Function) -> Signature:
    """Read what `function` wants to be given.

    Raises:
        InvalidInput: it can't be called with a wish, or wants something that is not offered.
    """
    who = f"The function {reference(function)!r}"
    if isinstance(function, type) or not callable(function):
        raise InvalidInput(f"{who} is not a function. Name a function or a callable object.")
    called = _called(function)
    if inspect.isgeneratorfunction(called) or inspect.isasyncgenfunction(called):
        raise InvalidInput(f"{who} yields. Return the whole answer.")
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{who} has no readable signature. Wrap it in a function.") from error
    if not parameters or parameters[0].kind in (
        inspect.Parameter.KEYWORD_ONLY,
        inspect.Parameter.VAR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    ):
        raise InvalidInput(f"{who} takes no query. Give it a first parameter of type str.")
    first, *others = parameters
    names = getattr(inspect.unwrap(called), "__globals__", {})
    hint = _hint(first, names)
    if hint not in _TEXT and hint is not AgentTask:
        raise InvalidInput(
            f"{who}: its first parameter {first.name!r} is annotated {_shown(hint)}. "
            "It is given the query: annotate it str or AgentTask."
        )
    rest = (_rest(parameter, names, who) for parameter in others)
    return Signature(
        first="task" if hint is AgentTask else "wish", rest=tuple(r for r in rest if r is not None)
    )


def _rest(
    parameter: inspect.Parameter, names: dict[str, Any], who: str
) -> tuple[str, _Given] | None:
    if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
        return None
    hint = _hint(parameter, names)
    given = _BY_TYPE.get(hint) if _hashable(hint) else None
    if given is not None and parameter.kind is not inspect.Parameter.POSITIONAL_ONLY:
        return parameter.name, given
    if parameter.default is inspect.Parameter.empty:
        raise InvalidInput(
            f"{who}: nothing is known to give to its parameter {parameter.name!r}. "
            f"Annotate it {_WANTED}, or give it a default."
        )
    return None


def _called(function: Function) -> Function:
    """Return the plain function that runs when `function` is called."""
    while isinstance(function, functools.partial):
        function = function.func
    if not inspect.isroutine(function):
        function = type(function).__call__
    plain: Function = getattr(function, "__func__", function)
    return plain


def _hint(parameter: inspect.Parameter, names: dict[str, Any]) -> Any:
    """Return the type of `parameter`; its text where that names something unknown.

    Our own names are known even when the module imports them for type checkers only.
    """
    if parameter.annotation is inspect.Parameter.empty:
        return parameter.annotation
    alone = SimpleNamespace(__annotations__={"it": parameter.annotation})
    try:
        hint = get_type_hints(alone, {**_OUR_NAMES, **names})["it"]
    except (NameError, TypeError, AttributeError, SyntaxError):
        return parameter.annotation
    if get_origin(hint) in (Union, UnionType):
        some = [kind for kind in get_args(hint) if kind is not NoneType]
        return some[0] if len(some) == 1 else hint
    return hint


def _hashable(hint: Any) -> bool:
    try:
        hash(hint)
    except TypeError:
        return False
    return True


def _shown(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint)


# Calls -----------------------------------------------------------------------------------------


async def ask_function(
    function: Function, task: AgentTask, *, threads: ThreadPool, timeout_s: float
) -> AgentResult:
    """Return what `function` answers to `task`.

    Raises:
        TimedOut: it took longer than `timeout_s`; the thread of a sync function runs on.
        InvalidInput: it returned something that is neither text nor can be written as JSON.
    """
    wanted = signature(function)
    given: dict[_Given, Any] = {
        "wish": task.wish,
        "task": task,
        "memo": task.memo,
        "scope": task.scope,
        "history": task.history,
    }
    rest = {name: given[what] for name, what in wanted.rest}
    call = functools.partial(function, given[wanted.first], **rest)
    value = await invoke(call, who=f"Agent {task.agent!r}", threads=threads, timeout_s=timeout_s)
    return to_result(task.agent, value)


async def invoke(
    call: Callable[[], Any], *, who: str, threads: ThreadPool, timeout_s: float
) -> Any:
    """Call `call`: an async function here, any other in a thread that knows our context.

    Raises:
        TimedOut: after `timeout_s`. A thread can't be stopped, so it is left to end by itself.
    """
    began = True
    try:
        async with asyncio.timeout(timeout_s) as clock:
            if inspect.iscoroutinefunction(_called(call)):
                return await _awaited(call())
            future = threads.submit(copy_context().run, _contained, call)
            try:
                value = await asyncio.wrap_future(future)
            except asyncio.CancelledError:
                began = not future.cancel()
                raise
            return await _awaited(value) if inspect.isawaitable(value) else value
    except TimeoutError as error:
        if not clock.expired():
            raise
        what = (
            "A thread can't be stopped: if it runs in one, that is left to end by itself. Allow "
            "more time (limits.timeout_s of the agent)."
            if began
            else "It never began, no thread was free. Allow more threads (limits.threads)."
        )
        raise TimedOut(f"{who} took longer than {timeout_s:g} s. {what}") from error


def _contained(call: Callable[[], Any]) -> Any:
    """Call `call`; turn what a future or an event loop can't carry into an ordinary error."""
    try:
        return call()
    except (StopIteration, SystemExit, KeyboardInterrupt) as error:
        raise RuntimeError(f"{type(error).__name__}: {error}") from error


async def _awaited(awaitable: Any) -> Any:
    try:
        return await awaitable
    except SystemExit as error:
        raise RuntimeError(f"SystemExit: {error}") from error
