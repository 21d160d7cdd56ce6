from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest

from callboard.agents.functions import (
    Function,
    Signature,
    ask_function,
    portable,
    reference,
    resolve,
    signature,
)
from callboard.errors import InvalidInput, TimedOut
from callboard.values import AgentResult, AgentTask, Exchange, Memo

if TYPE_CHECKING:
    from callboard.values import Scope

Ask = Callable[..., Any]
WHO: ContextVar[str] = ContextVar("WHO", default="nobody")


@pytest.fixture
def ask(threads: ThreadPoolExecutor, task: AgentTask) -> Ask:
    async def call(function: Function, timeout_s: float = 5.0, **fields: Any) -> AgentResult:
        asked = AgentTask(run_id="r", agent="helper", scope=task.scope, query="hello", **fields)
        return await ask_function(function, asked, threads=threads, timeout_s=timeout_s)

    return call


def plain(query: str) -> str:
    return query.upper()


class Greeter:
    def __call__(self, query: str) -> str:
        return f"called with {query}"

    def greet(self, query: str) -> str:
        return f"method with {query}"

    async def later(self, query: str) -> str:
        return f"later with {query}"


# Names


def test_a_function_is_found_again_by_its_reference() -> None:
    ref = reference(functools.reduce)
    assert resolve(ref) is functools.reduce
    assert resolve("callboard.values:Scope") is not None
    assert resolve("os.path:join").__name__ == "join"


def test_nameless_and_inner_functions_exist_in_one_process_only() -> None:
    def inner(query: str) -> str:
        return query

    assert not portable(reference(inner))
    assert not portable(reference(lambda query: query))
    assert not portable(reference(functools.partial(plain)))
    assert not portable("__main__:plain")
    assert portable("shop.orders:find_order")


@pytest.mark.parametrize(
    ("ref", "said"),
    [
        ("no_such_module_here:f", "can't be imported"),
        ("json:lods", "did you mean 'loads'"),
        ("json:JSONDecoder.nothing", "there is no 'nothing'"),
        ("shop:outer.<locals>.inner", "Move it to the top of a module"),
    ],
)
def test_a_reference_that_leads_nowhere_says_why(ref: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        resolve(ref)


def test_a_module_that_fails_on_import_is_an_error_in_words(
    module: Callable[[str, str], None],
) -> None:
    module("broken_module", "raise ValueError('no licence')")
    module("script_module", "raise SystemExit(2)")
    with pytest.raises(InvalidInput, match="ValueError: no licence"):
        resolve("broken_module:f")
    with pytest.raises(InvalidInput, match="SystemExit: 2"):
        resolve("script_module:f")


# Signatures


def test_the_first_parameter_takes_the_wish_or_the_whole_task() -> None:
    def bare(anything): ...  # type: ignore[no-untyped-def]
    def whole(task: AgentTask) -> str: ...

    assert signature(plain) == Signature(first="wish")
    assert signature(bare) == Signature(first="wish")
    assert signature(whole) == Signature(first="task")


def test_further_parameters_are_given_by_type_even_if_imported_for_type_checkers_only() -> None:
    def wants(
        query: str,
        memo: Memo,
        *,
        where: Scope,
        before: tuple[Exchange, ...] = (),
        maybe: Memo | None = None,
        other: int = 3,
    ) -> str: ...

    assert signature(wants).rest == (
        ("memo", "memo"),
        ("where", "scope"),
        ("before", "history"),
        ("maybe", "memo"),
    )


def yields(query: str) -> Iterator[str]:
    yield query


async def yields_later(query: str) -> AsyncIterator[str]:
    yield query


def takes_nothing() -> str: ...
def takes_a_number(number: int) -> str: ...
def wants_more(query: str, price: float) -> str: ...
def takes_any(*queries: str) -> str: ...
def takes_unknown(query: Nowhere) -> str: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (takes_nothing, "takes no query"),
        (takes_any, "takes no query"),
        (takes_a_number, "annotated int"),
        (takes_unknown, "annotated Nowhere"),
        (wants_more, "'price'"),
        (yields, "yields"),
        (yields_later, "yields"),
        (Greeter, "is not a function"),
        ("text", "is not a function"),
    ],
)
def test_a_function_that_can_not_be_asked_is_refused(function: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        signature(function)


# Calls


async def test_functions_methods_objects_and_partials_answer(ask: Ask) -> None:
    def after(prefix: str, query: str) -> str:
        return f"{prefix} {query}"

    assert (await ask(plain)).text == "HELLO"
    assert (await ask(Greeter())).text == "called with hello"
    assert (await ask(Greeter().greet)).text == "method with hello"
    assert (await ask(Greeter().later)).text == "later with hello"
    assert (await ask(functools.partial(after, "oh"))).text == "oh hello"


async def test_an_async_function_runs_on_the_loop_and_a_sync_one_in_a_thread(ask: Ask) -> None:
    async def here(query: str) -> str:
        return threading.current_thread().name

    def there(query: str) -> str:
        return threading.current_thread().name

    assert (await ask(here)).text == threading.current_thread().name
    assert (await ask(there)).text != threading.current_thread().name


async def test_a_sync_function_that_returns_an_awaitable_is_awaited(ask: Ask) -> None:
    async def later() -> str:
        return "awaited"

    assert (await ask(lambda query: later())).text == "awaited"


async def test_the_part_meant_for_the_agent_is_what_it_is_asked(ask: Ask) -> None:
    assert (await ask(plain, part="only this")).text == "ONLY THIS"


async def test_memo_scope_and_history_are_handed_over(ask: Ask) -> None:
    def tell(query: str, memo: Memo, scope: Scope, history: tuple[Exchange, ...]) -> str:
        return f"{memo.text} {scope.user} {history[0].answer}"

    result = await ask(
        tell, memo=Memo(text="noted"), history=(Exchange(run_id="r", query="q", answer="earlier"),)
    )
    assert result.text == "noted local earlier"


async def test_context_variables_reach_the_thread(ask: Ask) -> None:
    WHO.set("ada")
    assert (await ask(lambda query: WHO.get())).text == "ada"


async def test_a_slow_async_function_times_out(ask: Ask) -> None:
    async def slow(query: str) -> str:
        await asyncio.sleep(60)
        return "never"

    with pytest.raises(TimedOut, match=r"'helper' took longer than 0.01 s"):
        await ask(slow, timeout_s=0.01)


async def test_a_slow_sync_function_is_abandoned_and_the_error_says_so(ask: Ask) -> None:
    release = threading.Event()
    with pytest.raises(TimedOut, match="left to end by itself"):
        await ask(lambda query: release.wait(30), timeout_s=0.05)
    release.set()


async def test_a_function_that_found_no_free_thread_never_began(task: AgentTask) -> None:
    release, ran = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as one:
        one.submit(release.wait, 30)
        with pytest.raises(TimedOut, match="never began"):
            await ask_function(lambda query: ran.set(), task, threads=one, timeout_s=0.05)
        release.set()
    assert not ran.is_set()


async def test_an_error_of_the_function_is_passed_on_a_timeout_of_its_own_too(ask: Ask) -> None:
    def fails(query: str) -> str:
        raise TimeoutError("the printer is slow")

    with pytest.raises(TimeoutError, match="the printer is slow"):
        await ask(fails)
    with pytest.raises(ZeroDivisionError):
        await ask(lambda query: str(1 / 0))


async def test_an_exhausted_iterator_or_an_exit_does_not_hang_or_stop_the_loop(ask: Ask) -> None:
    def leaves(query: str) -> str:
        raise SystemExit(3)

    async def leaves_later(query: str) -> str:
        raise SystemExit(4)

    with pytest.raises(RuntimeError, match="StopIteration"):
        await ask(lambda query: next(iter(())))
    with pytest.raises(RuntimeError, match="SystemExit: 3"):
        await ask(leaves)
    with pytest.raises(RuntimeError, match="SystemExit: 4"):
        await ask(leaves_later)
