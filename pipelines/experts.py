"""The experts of all tenants: checked before they are kept, and read again when they changed."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from ..agents.spec import SLUG
from ..codec import from_json, to_json
from ..errors import CallboardError, InvalidInput, UnknownName, nearest
from ..search.encoder import Encoder
from ..search.experts.expert import Card, Expert
from ..search.experts.files import dump_expert, parse_expert
from ..search.experts.lineup import CORPORA, NOBODY, Corpus, Lineup, Serving
from ..search.experts.reader import QueryReader
from ..search.experts.roster import BASE, ExpertChoice, Method
from ..store.engine import Store
from ..store.experts import ExpertRow
from ..values import Scope

_log = logging.getLogger(__name__)

LOOK_S = 0.5
"""How often it is looked at most whether another process changed the experts of a tenant."""
MOST = 64
"""Tenants whose experts are kept; those not asked for longest are read again."""
MAX_BYTES = 200_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredExpert:
    """An expert of a tenant. `reason` says why it reads nothing here; empty: it does."""

    card: Card
    serves: tuple[Corpus, ...]
    created_at: datetime
    user: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Known:
    """The experts of a tenant as they were at `looked_at`, by the monotonic clock."""

    looked_at: float
    seq: int
    serving: Mapping[str, Serving]
    lineup: Lineup


class ExpertDesk:
    """Adds, removes and lists experts, and gives the lineup of now. Used on one event loop.

    `encoder` gives the base, which is loaded when there is a first expert. `method` chooses among
    experts; None: none of them reads. `reader` reads for those of kind `lora`.
    """

    def __init__(
        self,
        store: Store,
        encoder: Callable[[], Awaitable[Encoder]],
        method: Method | None,
        reader: QueryReader,
    ) -> None:
        self._store = store
        self._encoder = encoder
        self._method = method
        self._reader = reader
        self._nothing = _Known(-math.inf, 0, {}, Lineup((), method))
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._looking = asyncio.Lock()

    async def lineup(self, scope: Scope) -> Lineup:
        """Return the experts of the tenant: what this process changed at once, else `LOOK_S` old.

        One that can't be used here reads nothing, and the log says why.
        """
        if self._method is None:
            return NOBODY
        known = self._known.get(scope.tenant, self._nothing)
        if time.monotonic() - known.looked_at < LOOK_S:
            return known.lineup
        async with self._looking:
            known = self._known.get(scope.tenant, self._nothing)
            if time.monotonic() - known.looked_at >= LOOK_S:
                known = await self._look(scope, known)
                self._known[scope.tenant] = known
                self._known.move_to_end(scope.tenant)
                while len(self._known) > MOST:
                    self._known.popitem(last=False)
        return known.lineup

    async def add(
        self,
        scope: Scope,
        given: Expert | Path | str,
        *,
        serves: Collection[Corpus],
        replace: bool,
    ) -> RegisteredExpert:
        """Keep an expert, or the one in a file; the next query is read by it, in every process.

        Raises:
            InvalidInput: the file can't be read, it is called as no expert may be, what it is to
                serve is unknown, or another expert has its name and `replace` is False.
            ConfigurationError: it is damaged, or was made for another encoder.
        """
        unknown = [one for one in serves if one not in CORPORA]
        if unknown:
            raise InvalidInput(
                f"An expert can't serve {unknown[0]!r}{nearest(unknown[0], CORPORA)} "
                f"All that it may serve: {', '.join(CORPORA)}."
            )
        encoder = await self._encoder()
        data, called = await asyncio.to_thread(_bytes_of, given)
        expert = await asyncio.to_thread(self._parsed, data, called, encoder)
        async with self._looking:
            row = await self._store.call(
                self._store.experts.put,
                scope,
                expert.card.name,
                data,
                serves=[one for one in CORPORA if one in serves],
                card=to_json(expert.card),
                replace=replace,
            )
            self._known[scope.tenant] = self._stale(scope)
        return _told(row, encoder.name)

    async def list(self, scope: Scope) -> tuple[RegisteredExpert, ...]:
        """Return the experts by name."""
        rows = await self._store.call(self._store.experts.list, scope)
        name = (await self._encoder()).name if rows else ""
        return tuple(_told(row, name) for row in rows)

    async def get(self, scope: Scope, name: str) -> RegisteredExpert:
        """Return one expert.

        Raises:
            UnknownName: there is none of this name.
        """
        experts = await self.list(scope)
        for one in experts:
            if one.card.name == name:
                return one
        raise _unknown(name, experts)

    async def remove(self, scope: Scope, name: str) -> None:
        """Remove an expert; the next query is read without it.

        Raises:
            UnknownName: there is none of this name.
        """
        async with self._looking:
            gone = await self._store.call(self._store.experts.remove, scope, name)
            self._known[scope.tenant] = self._stale(scope)
        if not gone:
            raise _unknown(name, await self.list(scope))

    async def choose(self, scope: Scope, query: str, corpus: Corpus) -> ExpertChoice:
        """Return what would be chosen for a query.

        Raises:
            InvalidInput: no expert serves such a thing.
        """
        if corpus not in CORPORA:
            raise InvalidInput(
                f"Experts do not serve {corpus!r}{nearest(corpus, CORPORA)} "
                f"They may serve: {', '.join(CORPORA)}."
            )
        lineup = await self.lineup(scope)
        if not lineup.concerns((corpus,)):
            off = "experts are off in [retrieval] of the settings"
            why = off if self._method is None else f"no expert serves {corpus}"
            return ExpertChoice(reason=f"The base reads: {why}.")
        (vector,) = await (await self._encoder()).aencode([query])
        return lineup.choose((corpus,), vector)[corpus]

    async def _look(self, scope: Scope, known: _Known) -> _Known:
        now = time.monotonic()  # what changes while it is read is seen by the next look
        seq = await self._store.call(self._store.experts.seq, scope)
        if seq == known.seq:
            return _Known(now, seq, known.serving, known.lineup)
        seq, rows, files = await self._store.call(self._store.experts.since, scope, known.seq)
        serving: dict[str, Serving] = {}
        for row in rows:
            if row.name not in files:
                one = known.serving.get(row.name)
            else:
                one = await self._serving(row, files[row.name])
            if one is not None:
                serving[row.name] = one
        return _Known(now, seq, serving, Lineup(tuple(serving.values()), self._method))

    async def _serving(self, row: ExpertRow, data: bytes) -> Serving | None:
        encoder = await self._encoder()
        try:
            expert = await asyncio.to_thread(self._parsed, data, row.name, encoder)
        except CallboardError as error:
            _log.warning("An expert reads nothing: %s", error)
            return None
        return Serving(expert=expert, serves=tuple(one for one in CORPORA if one in row.serves))

    def _parsed(self, data: bytes, called: str, encoder: Encoder) -> Expert:
        expert = parse_expert(data, encoder=encoder.name, name=called, reader=self._reader)
        _check(expert.card, called, encoder)
        return expert

    def _stale(self, scope: Scope) -> _Known:
        """Return what is known of the tenant, to be looked at again at once."""
        known = self._known.get(scope.tenant, self._nothing)
        return replace(known, looked_at=-math.inf)


def _unknown(name: str, experts: Iterable[RegisteredExpert]) -> UnknownName:
    hint = nearest(name, [one.card.name for one in experts])
    return UnknownName(f"There is no expert {name!r}{hint} See 'callboard experts list'.")


def _bytes_of(given: Expert | Path | str) -> tuple[bytes, str]:
    """Return an expert as bytes, and what they are called in messages.

    Raises:
        InvalidInput: there is no such file, it can't be read, or is too large to be an expert.
    """
    if not isinstance(given, Path | str):
        return dump_expert(given), given.card.name
    file = Path(given)
    try:
        if file.stat().st_size > MAX_BYTES:
            raise InvalidInput(
                f"The expert {str(file)!r} has more than {MAX_BYTES:,} bytes: it is no expert. "
                "Name a file that 'callboard train expert' made."
            )
        return file.read_bytes(), str(file)
    except OSError as error:
        raise InvalidInput(f"The expert {str(file)!r} can't be read: {error}.") from error


def _check(card: Card, called: str, encoder: Encoder) -> None:
    """Check that an expert may be used, and fits to the encoder.

    Raises:
        InvalidInput: it is called as no expert may be, does not beat the base, or reads vectors of
            another length.
    """
    if card.name == BASE:
        raise InvalidInput(
            f"An expert can't be called {BASE!r}: that is the encoder which reads where no expert "
            "does. Make it with another name."
        )
    if not SLUG.fullmatch(card.name):
        raise InvalidInput(
            f"An expert can't be called {card.name!r}. Make it with a name of 2 to 64 small "
            "letters, digits, '-' or '_' that begins with a letter."
        )
    if card.score.gain <= 0:
        raise InvalidInput(
            f"The expert {card.name!r} does not beat the base on queries that were held out: "
            f"nDCG@10 {100 * card.score.expert:.1f} beside {100 * card.score.base:.1f}. "
            "Train it with more queries, or do without it."
        )
    if card.dim != encoder.dim:
        raise InvalidInput(
            f"The expert {called!r} reads vectors of {card.dim} numbers, and those of the encoder "
            f"{encoder.name!r} have {encoder.dim}. Make it anew."
        )


def _told(row: ExpertRow, encoder: str) -> RegisteredExpert:
    card = from_json(Card, row.card)
    other = f"made for the encoder {card.encoder!r}, and that of the settings is {encoder!r}"
    return RegisteredExpert(
        card=card,
        serves=tuple(one for one in CORPORA if one in row.serves),
        created_at=row.created_at,
        user=row.user,
        reason="" if card.encoder == encoder else other,
    )
