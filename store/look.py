"""A look into the stack of one memory: candidates for a query, found by PostgreSQL.

Words are found by numbers that hold tenant and user, so that the index of a word leads to chunks of
that memory alone. Vectors are found by HNSW, which goes on where a filter left too little, or
compared one by one where that takes less. Every statement names tenant and user, and what it finds
is of the scope's session and for its agent.

Source: BM25 as in `search/lexical.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    Float,
    Integer,
    Select,
    String,
    Table,
    and_,
    any_,
    case,
    cast,
    func,
    literal,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY

from ..values import Scope
from .stack_tables import stacked, stacked_terms
from .stacked import Looked, Weights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

AROUND = 2
"""Chunks before one, and after it, that stand around it."""

_ENCODING = ("utf-8", "surrogatepass")
_ONE_OF_THE_INDEX = 5
"""So many chunks are compared one by one in the time that one entry of HNSW takes."""


class Look:
    """Finds in one memory, within one transaction: first `weigh`. See `Stacks.looking`."""

    def __init__(
        self,
        connection: Connection,
        scope: Scope,
        encoder: str,
        vector: NDArray[np.float32],
        read: NDArray[np.float32] | None,
    ) -> None:
        self._connection = connection
        self._scope = scope
        self._owned = stack_of(stacked, scope)
        self._meant = _meant(scope)
        dim = len(vector)
        self._readable = and_(
            stacked.c.encoder == encoder,
            # As the index says it, or it would not be used.
            func.vector_dims(stacked.c.embedding) == literal_column(str(dim)),
        )
        self._cosines = {"cosine": 1 - _distance(vector)}
        if read is not None:
            self._cosines["meaning"] = 1 - _distance(read)
        self._distance = _distance(vector if read is None else read)
        self._words: ColumnElement[float] = literal(0.0, Float())
        self._columns: list[ColumnElement[Any]] = []

    def holders(self, words: Sequence[str], names: Sequence[str]) -> list[int]:
        """Return in how many chunks each word stands, then how many have a writer of each name."""
        terms = numbered(self._scope, words=words, names=names)
        query = select(stacked_terms.c.term, stacked_terms.c.holders).where(
            stack_of(stacked_terms, self._scope), stacked_terms.c.term == _any(terms)
        )
        found = dict(self._connection.execute(query).all())
        return [found.get(term, 0) for term in terms]

    def weigh(self, weights: Weights, names: Sequence[str]) -> None:
        """Say what the words of the query weigh, and the names of writers that are in it."""
        self._words = self._bm25(weights)
        columns: dict[str, ColumnElement[Any]] = {
            "meant": self._meant,
            "named": _overlaps(numbered(self._scope, names=names)),
            "words": self._words,
            **{name: case((self._readable, one)) for name, one in self._cosines.items()},
        }
        self._columns = [
            (columns[name] if name in columns else stacked.c[name]).label(name)
            for name in (field.name for field in fields(Looked))
            if name in columns or name in stacked.c
        ]

    def near(
        self,
        limit: int,
        *,
        among: int | None,
        names: Sequence[str] = (),
        days: tuple[int, int] | None = None,
    ) -> Looked:
        """Return the chunks nearest in meaning: by writers of these names, of these days.

        `among` says how many there are at most, about; None: few. Many are found by the index.
        """
        near = self._select(self._meant, self._readable).limit(limit)
        if names:
            near = near.where(_overlaps(numbered(self._scope, names=names)))
        few = 0 if among is None else self._few(limit, among)
        if days is not None:
            near = near.where(stacked.c.day.between(*days))
            among = among and min(among, self._of_days(days, few + 1))
        if among is not None and among > few:
            found = self._looked(near.order_by(self._distance))
            if len(found.id) == limit:
                return found
        return self._looked(near.order_by(self._distance + 0))  # no index knows this sum

    def said(self, limit: int, words: Sequence[str]) -> Looked:
        """Return the chunks that hold one of `words`, the best by all words of the query first."""
        said = self._select(self._meant, _overlaps(numbered(self._scope, words=words)))
        return self._looked(said.order_by(self._words.desc()).limit(limit))

    def read(self, ids: Sequence[str]) -> Looked:
        """Return chunks of this memory, whether they are of the scope or not."""
        return self._looked(self._select(stacked.c.id == _any(ids)))

    def around(self, places: Sequence[tuple[str, int]]) -> list[tuple[list[str], list[str]]]:
        """Return for each thread and number the ids before it and after it, the nearest first."""
        threads, numbers = zip(*places, strict=True) if places else ((), ())
        place = (
            func.unnest(
                literal(list(threads), ARRAY(String)), literal(list(numbers), ARRAY(BigInteger))
            )
            .table_valued("thread", "sequence", with_ordinality="place")
            .render_derived()
        )
        beside = (
            select(stacked.c.id)
            .where(self._owned, stacked.c.thread == place.c.thread)
            .limit(AROUND)
        )
        before = beside.where(stacked.c.sequence < place.c.sequence).order_by(
            stacked.c.sequence.desc()
        )
        after = beside.where(stacked.c.sequence > place.c.sequence).order_by(stacked.c.sequence)
        query = (
            select(
                func.array(before.correlate(place).scalar_subquery()),
                func.array(after.correlate(place).scalar_subquery()),
            )
            .select_from(place)
            .order_by(place.c.place)
        )
        return [(list(one), list(other)) for one, other in self._connection.execute(query)]

    def _select(self, *which: ColumnElement[bool]) -> Select[Any]:
        return select(*self._columns).where(self._owned, *which)

    def _looked(self, query: Select[Any]) -> Looked:
        rows = query.subquery()
        # Arrays come over in a tenth of the time that rows take.
        row = self._connection.execute(select(*(func.array_agg(one) for one in rows.c))).one()
        return Looked() if row[0] is None else Looked(**dict(zip(rows.c.keys(), row, strict=True)))

    def _few(self, limit: int, among: int) -> int:
        """Return of how many chunks it takes less to compare all than to find `limit` by HNSW.

        For each one that fits, HNSW compares as many as there are in it for each one that fits.
        """
        return int((_ONE_OF_THE_INDEX * limit * max(self._size, among)) ** 0.5)

    @cached_property
    def _size(self) -> float:
        """How many chunks of all memories there are, as the planner knows it."""
        size: ColumnElement[float] = literal_column(
            "(SELECT reltuples FROM pg_class WHERE oid = 'stacked'::regclass)"
        )
        return float(self._connection.execute(select(size)).scalar() or 0)

    def _of_days(self, days: tuple[int, int], most: int) -> int:
        some = select(stacked.c.id).where(self._owned, stacked.c.day.between(*days)).limit(most)
        counted = select(func.count()).select_from(some.subquery())
        return int(self._connection.execute(counted).scalar() or 0)

    def _bm25(self, weights: Weights) -> ColumnElement[float]:
        held_back = weights.flat + weights.slope * stacked.c.words
        terms = numbered(self._scope, words=tuple(weights.words))
        total: ColumnElement[float] = literal(0.0, Float())
        for term, weight in zip(terms, weights.words.values(), strict=True):
            count = func.cardinality(func.array_positions(stacked.c.terms, term), type_=Float())
            total = total + weight * count / (count + held_back)
        return total


def stack_of(rows: Table[Any], scope: Scope) -> ColumnElement[bool]:
    """Hold for the rows of the tenant and user."""
    return and_(rows.c.tenant == scope.tenant, rows.c.user_id == scope.user)


def numbered(scope: Scope, *, words: Sequence[str] = (), names: Sequence[str] = ()) -> list[int]:
    """Return the numbers of words and of names in this memory, in their order.

    Two words have the same one once in four thousand million: then both are found by either.
    """
    owner = blake2b(f"{scope.tenant}\0{scope.user}\0".encode(*_ENCODING), digest_size=4)
    kinds = (("word", words), ("name", names))
    return [_number(owner, f"{kind} {one}") for kind, some in kinds for one in some]


def _number(owner: blake2b, term: str) -> int:
    digest = owner.copy()
    digest.update(term.encode(*_ENCODING))
    return int.from_bytes(digest.digest(), "big", signed=True)


def _distance(vector: NDArray[np.float32]) -> ColumnElement[float]:
    dim = len(vector)
    compared = cast(stacked.c.embedding, HALFVEC(dim))
    return compared.op("<=>", return_type=Float())(literal(vector, HALFVEC(dim)))


def _meant(scope: Scope) -> ColumnElement[bool]:
    agent = stacked.c.agent
    meant = agent.is_(None) if scope.agent is None else agent == scope.agent
    return meant if scope.session is None else and_(meant, stacked.c.session == scope.session)


def _overlaps(terms: Sequence[int]) -> ColumnElement[bool]:
    return stacked.c.terms.op("&&", return_type=Boolean())(literal(list(terms), ARRAY(Integer)))


def _any(values: Sequence[Any]) -> ColumnElement[Any]:
    """Return what a column equals if it is one of these: one parameter however many they are."""
    kind = Integer if values and isinstance(values[0], int) else String
    return any_(literal(list(values), ARRAY(kind)))
