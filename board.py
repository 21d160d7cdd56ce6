"""`Board`: the object that users hold. It puts the rooms together and owns their life."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypedDict, TypeVar, Unpack

from .config import Settings, load_settings
from .errors import InvalidInput
from .pipelines.board_changes import BoardChanges
from .pipelines.board_experts import BoardExperts
from .pipelines.board_keys import BoardKeys
from .pipelines.board_memory import BoardMemory
from .pipelines.board_models import BoardModels
from .pipelines.board_records import BoardRecords
from .pipelines.board_sessions import BoardSessions
from .pipelines.board_users import BoardUsers
from .pipelines.house import House, Replaying
from .pipelines.order import Money, Order, amount_of, make_order
from .records import Rehearsal
from .values import (
    EVERYONE,
    Checkup,
    Decision,
    Event,
    Exchange,
    Feedback,
    MemoryBudget,
    RoutingMetrics,
    Run,
    Scope,
    Suggestion,
)

if TYPE_CHECKING:
    from .agents.registry import Registered
    from .agents.spec import Agent
    from .agents.tools import Approver
    from .models.chat import ChatModel
    from .pipelines.runlog import Observer

F = TypeVar("F", bound=Callable[..., Any])


class Asking(TypedDict, total=False):
    """What may be said with a query.

    user, session: whose query it is, and the conversation that it belongs to.
    agents: calls these and no others; exclude: never calls these.
    memory: the budget of recall, one tier for all modules or one per module.
    memory_budget_usd: what the models of recall may cost together, within `budget_usd`.
    budget_usd: what all calls of this turn may cost together.
    history: the conversation before, oldest first, in place of what the session holds; the last
        three exchanges are told.
    """

    user: str
    session: str | None
    agents: Sequence[str] | None
    exclude: Collection[str]
    memory: MemoryBudget
    memory_budget_usd: Money | None
    budget_usd: Money | None
    history: Sequence[Exchange] | None


class Board:
    """A team of agents, and the way to ask them.

    Use it as a context manager (`with` or `async with`), or call `close()`. Nothing is opened
    before it is needed. Methods come in two forms: async, for any event loop, and `*_sync`.

    `models` puts a `ChatModel` in the place of a configured model (a `ScriptedModel` in tests);
    `approver` is asked before a tool that needs approval is run; `recover` says whether this Board
    is a worker for others too: finishes turns that a dead process left behind, and carries those
    that another one has no room for. It must know the functions of their
    agents. `observers` are told of every run.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        models: Mapping[str, ChatModel] | None = None,
        approver: Approver | None = None,
        recover: bool = True,
        observers: Sequence[Observer] = (),
    ) -> None:
        self.settings = settings or Settings()
        self._models = dict(models or {})
        self._approver = approver
        self._recover = recover
        self._observers = tuple(observers)
        self._tenant = Scope()
        self._allowed: tuple[str, ...] | None = None
        self._whole = self
        self._opening = threading.Lock()
        self._open_house: House | None = None
        self._closed = False

    @classmethod
    def from_config(
        cls,
        path: Path | str | None = None,
        *,
        models: Mapping[str, ChatModel] | None = None,
        approver: Approver | None = None,
        recover: bool = True,
        **settings: Any,
    ) -> Self:
        """Return a Board by callboard.toml and the environment, or the embedded defaults.

        `settings` win over both: `Board.from_config(database_url="sqlite:///other.db")`.

        Raises:
            ConfigurationError: a key or value is wrong.
        """
        loaded = load_settings(Path(path) if path else None, **settings)
        return cls(loaded, models=models, approver=approver, recover=recover)

    def scoped(self, tenant: str, *, agents: Collection[str] | None = None) -> Self:
        """Return this Board as `tenant` sees it, and with those `agents` alone (None: all).

        Tenants share the settings, the models and the database, and see nothing of each other:
        each has its own agents, users, runs, memory and spending. It lives as long as this Board.

        Raises:
            InvalidInput: the name of the tenant is empty.
        """
        if not tenant.strip():
            raise InvalidInput("The name of the tenant is empty. Name one, such as 'acme'.")
        view = copy(self)
        view._tenant = Scope(tenant=tenant)
        view._allowed = None if agents is None else tuple(sorted(set(agents)))
        return view

    # Agents ------------------------------------------------------------------------------------

    def register(self, agent: Agent, *, replace: bool = False) -> Registered:
        """Register an agent; the next query sees it, in every process on the same database.

        The same specification again changes nothing.

        Raises:
            InvalidInput: the name is taken by another specification (and not `replace`), or
                something that the agent names does not exist; nothing was changed.
        """
        return self._house.registry.register(self._tenant, agent, replace=replace)

    def register_all(
        self, agents: Iterable[Agent], *, replace: bool = False
    ) -> tuple[Registered, ...]:
        """Register many agents at once, all or none of them; quicker than one by one.

        Raises:
            InvalidInput: one of them is refused, as by `register`, or two have the same name;
                nothing was changed.
        """
        return self._house.registry.register_all(self._tenant, agents, replace=replace)

    def agent(
        self, *, description: str, name: str | None = None, replace: bool = False, **fields: Any
    ) -> Callable[[F], F]:
        """Register the decorated function, sync or async, as an agent.

        Its first argument is the wish of the user; `fields` are those of `Agent`.
        """
        from .agents.functions import reference
        from .agents.spec import Agent

        def register(function: F) -> F:
            spec = Agent(
                name=name or function.__name__,
                description=description,
                function=reference(function),
                **fields,
            )
            self._house.registry.register(self._tenant, spec, function=function, replace=replace)
            return function

        return register

    async def check_agents(self) -> Checkup:
        """Tell how well the agents can be told apart, by their own examples and everyday queries.

        No model is asked.
        """
        house = self._house
        return await house.loop.wait_async(house.check_agents(self._tenant))

    def check_agents_sync(self) -> Checkup:
        """`check_agents`, for code that is not async."""
        house = self._house
        return house.loop.wait(house.check_agents(self._tenant))

    async def suggest(
        self, agents: Sequence[str] | None = None, *, budget_usd: Money | None = None
    ) -> tuple[Suggestion, ...]:
        """Have the router's model suggest descriptions and example queries; nothing is saved.

        Without names, for the agents that lose examples to others or attract those of others.

        Raises:
            UnknownName: one of the agents can't be called.
            CallboardError: a call failed, or its answer can't be used.
        """
        house, limit = self._house, amount_of(budget_usd)
        return await house.loop.wait_async(house.suggest(self._tenant, agents, limit))

    def suggest_sync(
        self, agents: Sequence[str] | None = None, *, budget_usd: Money | None = None
    ) -> tuple[Suggestion, ...]:
        """`suggest`, for code that is not async."""
        house, limit = self._house, amount_of(budget_usd)
        return house.loop.wait(house.suggest(self._tenant, agents, limit))

    async def rehearse(self, agent: Agent) -> Rehearsal:
        """Tell whose queries an agent would take if it were registered; nothing is changed.

        Raises:
            InvalidInput: something that the agent names does not exist.
        """
        house = self._house
        return await house.loop.wait_async(house.rehearse(self._tenant, agent))

    def rehearse_sync(self, agent: Agent) -> Rehearsal:
        """`rehearse`, for code that is not async."""
        house = self._house
        return house.loop.wait(house.rehearse(self._tenant, agent))

    async def categories(self) -> dict[str, str]:
        """Return the category of every agent: its first tag, or that of agents that are like it."""
        house = self._house
        return await house.loop.wait_async(house.categories(self._tenant))

    def categories_sync(self) -> dict[str, str]:
        """`categories`, for code that is not async."""
        house = self._house
        return house.loop.wait(house.categories(self._tenant))

    def unregister(self, name: str) -> None:
        """Remove an agent; the next query no longer sees it.

        Raises:
            UnknownName: there is none of this name.
        """
        self._house.registry.unregister(self._tenant, name)

    def agents(self) -> tuple[Registered, ...]:
        """Return all agents that may be used, also those that are detached or disabled."""
        return self._house.registry.snapshot(self._tenant).only(self._allowed).agents

    # Asking ------------------------------------------------------------------------------------

    async def run(self, query: str, **asking: Unpack[Asking]) -> Run:
        """Ask, and return the whole run when it has ended; `Asking` says what may be added.

        Models are asked for whole answers; `stream` and `start` let them be read as they come.
        More turns than there is room for ([limits] turns_at_once) wait for others to end.

        Raises:
            InvalidInput: the query is empty, too long, or not text.
            Busy: as many wait as may ([limits] queue); nothing was stored.
        """
        house, scope, order = self._house, self._scope(**asking), self._order(query, **asking)
        return await house.loop.wait_async(house.run(scope, order))

    def run_sync(self, query: str, **asking: Unpack[Asking]) -> Run:
        """`run`, for code that is not async."""
        house, scope, order = self._house, self._scope(**asking), self._order(query, **asking)
        return house.loop.wait(house.run(scope, order))

    async def prepare(self, *, learn: bool = True, answer: bool = True) -> None:
        """Get ready for queries: load encoder and libraries, index agents, learn their examples.

        Not needed: what is missing is done with the first query, and learning goes on beside the
        queries. After this, nothing has to be waited for; without `learn`, which takes longest,
        the first queries are routed by what is known before; without `answer` it is only for
        `route`.
        """
        house = self._house
        await house.loop.wait_async(house.prepare(self._tenant, learn=learn, answer=answer))

    def prepare_sync(self, *, learn: bool = True, answer: bool = True) -> None:
        """`prepare`, for code that is not async."""
        house = self._house
        house.loop.wait(house.prepare(self._tenant, learn=learn, answer=answer))

    async def route(self, query: str, **asking: Unpack[Asking]) -> Decision:
        """Decide who would be called, and call nobody. Raises as `run` does."""
        house, scope, order = self._house, self._scope(**asking), self._order(query, **asking)
        return await house.loop.wait_async(house.route(scope, order))

    def route_sync(self, query: str, **asking: Unpack[Asking]) -> Decision:
        """`route`, for code that is not async."""
        house, scope, order = self._house, self._scope(**asking), self._order(query, **asking)
        return house.loop.wait(house.route(scope, order))

    async def stream(self, query: str, **asking: Unpack[Asking]) -> AsyncIterator[Event]:
        """Ask, and yield the run's events as they come; the last is `Done`."""
        run_id = await self.start(query, **asking)
        async for event in self.events(run_id, user=asking.get("user", "local")):
            yield event

    async def routing_metrics(self, *, user: str = "local", limit: int = 1000) -> RoutingMetrics:
        """Tell what the user's last runs say about the routing."""
        house, scope = self._house, self._scope(user=user)
        return await house.loop.wait_async(house.routing_metrics(scope, limit))

    def routing_metrics_sync(self, *, user: str = "local", limit: int = 1000) -> RoutingMetrics:
        """`routing_metrics`, for code that is not async."""
        house, scope = self._house, self._scope(user=user)
        return house.loop.wait(house.routing_metrics(scope, limit))

    # Runs --------------------------------------------------------------------------------------

    async def start(self, query: str, **asking: Unpack[Asking]) -> str:
        """Begin a run and return its id. It goes on whoever listens. Raises as `run` does."""
        house, scope, order = self._house, self._scope(**asking), self._order(query, **asking)
        return await house.loop.wait_async(house.start(scope, order))

    def start_sync(self, query: str, **asking: Unpack[Asking]) -> str:
        """`start`, for code that is not async."""
        house, scope, order = self._house, self._scope(**asking), self._order(query, **asking)
        return house.loop.wait(house.start(scope, order))

    def events(self, run_id: str, *, after: int = 0, user: str = "local") -> AsyncIterator[Event]:
        """Yield a run's events after number `after`, as they come, up to `Done`."""
        house = self._house
        return house.loop.iterate_async(house.events(self._scope(user=user), run_id, after))

    def events_sync(self, run_id: str, *, after: int = 0, user: str = "local") -> Iterator[Event]:
        """`events`, for code that is not async."""
        house = self._house
        return house.loop.iterate(house.events(self._scope(user=user), run_id, after))

    async def replay(self, run_id: str, **asking: Unpack[Asking]) -> str:
        """Begin a run with the query of another and return its id: to see what else would come.

        It has no session, knows the conversation as it was then, and is not remembered; what may be
        added is said as for `run`, and else the router and the settings decide anew.

        Raises:
            UnknownName: the user has no such run, or a pinned agent does not exist.
        """
        house, scope = self._house, self._scope(**asking)
        making = self._replaying(run_id, **asking)
        return await house.loop.wait_async(house.replay(scope, run_id, making))

    def replay_sync(self, run_id: str, **asking: Unpack[Asking]) -> str:
        """`replay`, for code that is not async."""
        house, scope = self._house, self._scope(**asking)
        making = self._replaying(run_id, **asking)
        return house.loop.wait(house.replay(scope, run_id, making))

    async def cancel(self, run_id: str, *, user: str = "local") -> bool:
        """Stop a run; False if it had ended. What it had paid for stays in its record.

        Raises:
            UnknownName: the user has no such run.
        """
        house = self._house
        return await house.loop.wait_async(house.cancel(self._scope(user=user), run_id))

    def cancel_sync(self, run_id: str, *, user: str = "local") -> bool:
        """`cancel`, for code that is not async."""
        house = self._house
        return house.loop.wait(house.cancel(self._scope(user=user), run_id))

    async def get(self, run_id: str, *, user: str = "local") -> Run:
        """Return a run as it is stored now.

        Raises:
            UnknownName: the user has no such run.
        """
        house = self._house
        return await house.loop.wait_async(house.get(self._scope(user=user), run_id))

    def get_sync(self, run_id: str, *, user: str = "local") -> Run:
        """`get`, for code that is not async."""
        house = self._house
        return house.loop.wait(house.get(self._scope(user=user), run_id))

    async def list(
        self,
        *,
        limit: int = 50,
        before: str | None = None,
        user: str = "local",
        session: str | None = None,
    ) -> tuple[Run, ...]:
        """Return the last runs, newest first, without what their steps gave.

        `before` is the id of the last run of the page before.
        """
        house, scope = self._house, self._scope(user=user, session=session)
        return await house.loop.wait_async(house.list(scope, limit, before))

    def list_sync(
        self,
        *,
        limit: int = 50,
        before: str | None = None,
        user: str = "local",
        session: str | None = None,
    ) -> tuple[Run, ...]:
        """`list`, for code that is not async."""
        house, scope = self._house, self._scope(user=user, session=session)
        return house.loop.wait(house.list(scope, limit, before))

    # Feedback ----------------------------------------------------------------------------------

    async def feedback(
        self,
        run_id: str,
        score: float,
        *,
        agents: Sequence[str] | None = None,
        comment: str = "",
        user: str = "local",
    ) -> Feedback:
        """Say whether agents should answer queries like that of a run: 1 yes, to -1 no.

        Without `agents` it is said of all that the run called; others may be named that should
        have been called. What the same user said of them and this run before counts no more.

        Raises:
            InvalidInput: the score is not in -1..1, or no agent was called and none is named.
            UnknownName: the user has no such run, or there is no such agent.
        """
        house, scope = self._house, self._scope(user=user)
        given = house.feedback.give(scope, run_id, score, agents=agents, comment=comment)
        return await house.loop.wait_async(given)

    def feedback_sync(
        self,
        run_id: str,
        score: float,
        *,
        agents: Sequence[str] | None = None,
        comment: str = "",
        user: str = "local",
    ) -> Feedback:
        """`feedback`, for code that is not async."""
        house, scope = self._house, self._scope(user=user)
        given = house.feedback.give(scope, run_id, score, agents=agents, comment=comment)
        return house.loop.wait(given)

    async def undo_feedback(self, feedback_id: str, *, user: str = "local") -> Feedback:
        """Let a feedback count no more; it stays on record, and may be undone twice.

        Raises:
            UnknownName: the user gave no such feedback.
        """
        house = self._house
        return await house.loop.wait_async(house.feedback.undo(self._scope(user=user), feedback_id))

    def undo_feedback_sync(self, feedback_id: str, *, user: str = "local") -> Feedback:
        """`undo_feedback`, for code that is not async."""
        house = self._house
        return house.loop.wait(house.feedback.undo(self._scope(user=user), feedback_id))

    async def list_feedback(
        self,
        run_id: str | None = None,
        *,
        undone: bool = False,
        limit: int = 50,
        user: str = "local",
    ) -> tuple[Feedback, ...]:
        """Return the last feedback of a user, on one run or all, newest first.

        With `undone`, also that which counts no more.

        Raises:
            UnknownName: the user has no such run.
        """
        house, scope = self._house, self._scope(user=user)
        found = house.feedback.list(scope, run_id, undone=undone, limit=limit)
        return await house.loop.wait_async(found)

    def list_feedback_sync(
        self,
        run_id: str | None = None,
        *,
        undone: bool = False,
        limit: int = 50,
        user: str = "local",
    ) -> tuple[Feedback, ...]:
        """`list_feedback`, for code that is not async."""
        house, scope = self._house, self._scope(user=user)
        return house.loop.wait(house.feedback.list(scope, run_id, undone=undone, limit=limit))

    # Memory ------------------------------------------------------------------------------------

    @property
    def memory(self) -> BoardMemory:
        """What is remembered: to add to it, search it, change and forget it."""
        return BoardMemory(lambda: self._house, self._tenant)

    @property
    def experts(self) -> BoardExperts:
        """Who reads queries anew: to add, list and remove, and to see which would read one."""
        return BoardExperts(lambda: self._house, self._tenant)

    # Looking back -------------------------------------------------------------------------------

    @property
    def records(self) -> BoardRecords:
        """What all runs tell: lists by a filter, figures of turns and agents, and the money."""
        return BoardRecords(lambda: self._house, self._tenant)

    @property
    def sessions(self) -> BoardSessions:
        """The conversations of users: to list them, name them and delete them."""
        return BoardSessions(lambda: self._house, self._tenant)

    @property
    def keys(self) -> BoardKeys:
        """The keys of the HTTP API: who may use it, as whom, and for what."""
        return BoardKeys(lambda: self._house, self._tenant)

    @property
    def changes(self) -> BoardChanges:
        """The audit log: who asked for what change, and what became of it."""
        return BoardChanges(lambda: self._house, self._tenant)

    @property
    def users(self) -> BoardUsers:
        """What is kept of a user: to hand it over, and to forget it."""
        return BoardUsers(lambda: self._house, self._tenant)

    @property
    def models(self) -> BoardModels:
        """The models: whether they answer, and the deployments that serve them."""
        return BoardModels(lambda: self._house, self._tenant)

    # Upkeep ------------------------------------------------------------------------------------

    def resume_sync(self) -> tuple[Run, ...]:
        """Finish the runs that dead processes left behind, and return them."""
        house = self._house
        return house.loop.wait(house.resume())

    # Life --------------------------------------------------------------------------------------

    async def drain(self, timeout_s: float = 30.0) -> int:
        """Get ready to close: take no more runs and wait for those that go on, so long at most.

        What has not ended by then is let go, for other workers on the same database to go on with
        at once, as with all that waits. Returns how many runs were let go. `close` it then.
        """
        house = self._draining
        return 0 if house is None else await house.loop.wait_async(house.drain(timeout_s))

    def drain_sync(self, timeout_s: float = 30.0) -> int:
        """`drain`, for code that is not async."""
        house = self._draining
        return 0 if house is None else house.loop.wait(house.drain(timeout_s))

    def close(self) -> None:
        """Stop working and close the database. Runs that go on can be resumed. May be repeated.

        What `scoped` gave is closed with it, and closes nothing itself.
        """
        if self._whole is not self:
            return
        with self._opening:
            house, self._open_house, self._closed = self._open_house, None, True
        if house is not None:
            house.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.close)

    @property
    def _draining(self) -> House | None:
        """What is drained: nothing before something is open, and nothing by what `scoped` gave."""
        return self._open_house if self._whole is self else None

    @property
    def _house(self) -> House:
        if self._whole is not self:
            return self._whole._house
        with self._opening:
            if self._closed:
                raise InvalidInput("The Board is closed. Make a new one.")
            if self._open_house is None:
                self._open_house = House(
                    self.settings,
                    models=self._models,
                    approver=self._approver,
                    recover=self._recover,
                    observers=self._observers,
                )
            return self._open_house

    def _replaying(self, run_id: str, **asking: Unpack[Asking]) -> Replaying:
        def making(query: str, history: Sequence[Exchange]) -> Order:
            told = asking.get("history")
            again: Asking = {**asking, "history": history if told is None else told}
            return replace(self._order(query, **again), replays=run_id)

        return making

    def _order(self, query: str, **asking: Unpack[Asking]) -> Order:
        limits, budget_usd = self.settings.limits, asking.get("budget_usd")
        return make_order(
            query,
            query_chars=limits.query_chars,
            agents=asking.get("agents"),
            exclude=asking.get("exclude", ()),
            allowed=self._allowed,
            memory=asking.get("memory", self.settings.memory.budget),
            memory_budget_usd=asking.get("memory_budget_usd"),
            budget_usd=limits.budget_usd if budget_usd is None else budget_usd,
            history=asking.get("history"),
        )

    def _scope(self, **asking: Unpack[Asking]) -> Scope:
        user = asking.get("user", "local")
        if user == EVERYONE:
            raise InvalidInput(f"The name {EVERYONE!r} stands for all users. Name one of them.")
        return replace(self._tenant, user=user, session=asking.get("session"))
