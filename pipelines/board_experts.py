"""`board.experts`: who reads queries anew, for what, and which of them would read one."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from ..search.experts.expert import Expert
from ..search.experts.lineup import DEFAULT_CORPORA, Corpus
from ..search.experts.roster import ExpertChoice
from ..search.experts.training_set import TrainingSet
from ..values import Scope
from .experts import RegisteredExpert
from .order import Money, amount_of

if TYPE_CHECKING:
    from .house import House


class BoardExperts:
    """The experts of a tenant. Methods come in two forms: async, for any event loop, and `*_sync`.

    What is changed here is seen by the next query, and within a second in every process on the same
    database.
    """

    def __init__(self, house: Callable[[], House], tenant: Scope) -> None:
        self._house = house
        self._tenant = tenant

    async def add(
        self,
        expert: Expert | Path | str,
        *,
        serves: Collection[Corpus] = DEFAULT_CORPORA,
        replace: bool = False,
    ) -> RegisteredExpert:
        """Add an expert, or the one in a file. The same one again changes nothing.

        `serves` says what it may be chosen for: "memory", what users said; "knowledge", what all
        users share; "documents", those of agents; "agents", the choice of agents. One that serves
        nothing reads for the agents that name it.

        Raises:
            InvalidInput: the file can't be read, it is called as no expert may be, what it is to
                serve is unknown, or another expert has its name (and not `replace`).
            ConfigurationError: it is damaged, or was made for another encoder.
        """
        house = self._house()
        adding = house.experts.add(self._tenant, expert, serves=serves, replace=replace)
        return await house.loop.wait_async(adding)

    def add_sync(
        self,
        expert: Expert | Path | str,
        *,
        serves: Collection[Corpus] = DEFAULT_CORPORA,
        replace: bool = False,
    ) -> RegisteredExpert:
        """`add`, for code that is not async."""
        house = self._house()
        adding = house.experts.add(self._tenant, expert, serves=serves, replace=replace)
        return house.loop.wait(adding)

    async def list(self) -> tuple[RegisteredExpert, ...]:
        """Return all experts by name, also those that read nothing here."""
        house = self._house()
        return await house.loop.wait_async(house.experts.list(self._tenant))

    def list_sync(self) -> tuple[RegisteredExpert, ...]:
        """`list`, for code that is not async."""
        house = self._house()
        return house.loop.wait(house.experts.list(self._tenant))

    async def get(self, name: str) -> RegisteredExpert:
        """Return one expert.

        Raises:
            UnknownName: there is none of this name.
        """
        house = self._house()
        return await house.loop.wait_async(house.experts.get(self._tenant, name))

    def get_sync(self, name: str) -> RegisteredExpert:
        """`get`, for code that is not async."""
        house = self._house()
        return house.loop.wait(house.experts.get(self._tenant, name))

    async def remove(self, name: str) -> None:
        """Remove an expert; what it read is read by others, or by the base.

        Raises:
            UnknownName: there is none of this name.
        """
        house = self._house()
        await house.loop.wait_async(house.experts.remove(self._tenant, name))

    def remove_sync(self, name: str) -> None:
        """`remove`, for code that is not async."""
        house = self._house()
        house.loop.wait(house.experts.remove(self._tenant, name))

    async def choose(self, query: str, corpus: Corpus = "memory") -> ExpertChoice:
        """Return which expert would read a query for `corpus`, and why; nothing is searched.

        Raises:
            InvalidInput: no expert may serve such a thing.
        """
        house = self._house()
        return await house.loop.wait_async(house.experts.choose(self._tenant, query, corpus))

    def choose_sync(self, query: str, corpus: Corpus = "memory") -> ExpertChoice:
        """`choose`, for code that is not async."""
        house = self._house()
        return house.loop.wait(house.experts.choose(self._tenant, query, corpus))

    async def write_queries(
        self,
        given: TrainingSet,
        model: str = "main",
        *,
        most: int = 500,
        budget_usd: Money | None = None,
    ) -> TrainingSet:
        """Have a model write queries for `most` of the documents of a set without queries.

        An expert can be trained of what is returned. Documents for which the model wrote nothing
        of use are left out, and once the money is used up the rest are.

        Raises:
            UnknownName: there is no such model.
            CallboardError: nothing was written.
        """
        house = self._house()
        writing = house.write_queries(self._tenant, given, model, most, amount_of(budget_usd))
        return await house.loop.wait_async(writing)

    def write_queries_sync(
        self,
        given: TrainingSet,
        model: str = "main",
        *,
        most: int = 500,
        budget_usd: Money | None = None,
    ) -> TrainingSet:
        """`write_queries`, for code that is not async."""
        house = self._house()
        writing = house.write_queries(self._tenant, given, model, most, amount_of(budget_usd))
        return house.loop.wait(writing)
