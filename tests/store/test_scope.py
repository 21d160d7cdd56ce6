from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from callboard.errors import UnknownName
from callboard.records import RunFilter
from callboard.store.allowance import Allowance
from callboard.store.booking import settling
from callboard.store.chunks import ChunkRow, Mark
from callboard.store.engine import Store
from callboard.store.runs import RunEnd
from callboard.values import AnswerDelta, Scope, Step, Usage

NAMES = st.sampled_from(["a", "A", "ab", "b", "", " ", "%", "_", "'", "a b", "\u00e4", "a\u0308"])
SCOPES = st.builds(
    Scope, tenant=NAMES, user=NAMES, session=st.sampled_from([None, "s1", "s2", "%", ""])
)
NUMBERS = count()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder: Path = tmp_path_factory.mktemp("scope")
    store = Store.open(f"sqlite:///{folder}/test.db")
    yield store
    store.close()


def write(store: Store, scope: Scope, name: str) -> None:
    """Leave something in every repository under ids that hold `name`."""
    now = datetime.now(UTC)
    claim = store.runs.create(scope, name, name, options={}, owner="me", lease_s=30)
    store.runs.record(
        claim,
        steps=[
            Step(id=name, run_id=name, key=name, name="act", agent=name, started_at=now),
            Step(
                id=f"{name}/1",
                run_id=name,
                key=f"{name}/1",
                name="call",
                status="done",
                started_at=now,
            ),
        ],
        events=[AnswerDelta(text=name)],
        end=RunEnd(status="done", answer=name),
    )
    chunk = ChunkRow(
        id=name,
        run_id=name,
        session=scope.session,
        writer="user",
        text=name,
        created_at=now,
        tokens=1,
    )
    store.chunks.add(scope, [chunk])
    store.vectors.put(scope, "minilm", {name: b"\x01"})
    meter = store.ledger.meter(scope, name, allowance=Allowance(), agent=name)
    reservation, booking = meter.reserving(Decimal(1), "main")
    store.ledger.book(booking)
    store.ledger.book(settling(scope, reservation, Usage(cost_usd=Decimal(1))))
    store.agents.put(scope, name, {"name": name}, replace=False)
    store.experts.put(scope, name, b"file", serves=["memory"], card={}, replace=False)
    store.feedback.put(scope, name, [name], 1.0)


def sees(store: Store, scope: Scope, name: str) -> set[str]:
    """Name every way in which `scope` can read what was written under `name`."""
    seen = {
        "runs.list": any(run.id == name for run in store.runs.list(scope, limit=10_000)),
        "runs.exchanges": any(
            exchange.answer == name for exchange in store.runs.exchanges(scope, limit=10_000)
        ),
        "chunks.all": any(row.id == name for row in store.chunks.all(scope)),
        "chunks.since": any(row.id == name for row in store.chunks.since(scope, 0)),
        "chunks.get": bool(store.chunks.get(scope, [name])),
        "chunks.delete": bool(store.chunks.delete(scope, [name])),
        "vectors.get": bool(store.vectors.get(scope, "minilm", [name])),
        "ledger.spent": bool(store.ledger.spent(scope, name)),
        "ledger.spend": any(one.agent == name for one in store.ledger.spend(scope)),
        "summaries.page": bool(
            store.summaries.page(
                scope, RunFilter(text=name), everyone=False, limit=1, offset=0
            ).total
        ),
        "summaries.acts": any(
            act.agent == name
            for act in store.summaries.acts(scope, everyone=False, since=None, until=None)
        ),
        "summaries.calls": name
        in [call.run_id for call in store.summaries.calls(scope, everyone=False)],
        "sessions.list": bool(store.sessions.list(scope, text=name)),
        "ledger.entries": bool(store.ledger.entries(scope, name)),
        "agents.all": any(row.name == name for row in store.agents.all(scope)),
        "agents.history": bool(store.agents.history(scope, name)),
        "agents.changes": any(row.name == name for row in store.agents.changes(scope, 0)[1]),
        "experts.list": any(row.name == name for row in store.experts.list(scope)),
        "experts.since": name in store.experts.since(scope, 0)[2],
        "feedback.list": any(one.query == name for one in store.feedback.list(scope, limit=10_000)),
        "feedback.since": any(vote.query == name for vote in store.feedback.since(scope, 0)),
    }
    for way, read in (
        ("runs.get", lambda: store.runs.get(scope, name)),
        ("runs.options", lambda: store.runs.options(scope, name)),
        ("runs.steps", lambda: store.runs.steps(scope, name)),
        ("runs.request_cancel", lambda: store.runs.request_cancel(scope, name)),
        ("events.after", lambda: store.events.after(scope, name, 0)),
        ("agents.get", lambda: store.agents.get(scope, name)),
    ):
        try:
            read()
            seen[way] = True
        except UnknownName:
            seen[way] = False
    return {way for way, seen_this_way in seen.items() if seen_this_way}


AGENTS = {
    *("agents.all", "agents.history", "agents.changes", "agents.get", "feedback.since"),
    *("experts.list", "experts.since"),
}
"""What all users of a tenant share: its agents, its experts, and what the router learns from."""


@settings(max_examples=60, deadline=None)
@given(writer=SCOPES, reader=SCOPES)
def test_what_one_user_wrote_no_other_reads(shared: Store, writer: Scope, reader: Scope) -> None:
    assume((writer.tenant, writer.user) != (reader.tenant, reader.user))
    name = f"n{next(NUMBERS)}"
    write(shared, writer, name)
    expected = AGENTS if writer.tenant == reader.tenant else set()
    assert sees(shared, reader, name) == expected


@settings(max_examples=30, deadline=None)
@given(writer=SCOPES, session=st.sampled_from(["s1", "s2", "%", ""]))
def test_a_session_reads_no_other_session(shared: Store, writer: Scope, session: str) -> None:
    assume(writer.session != session)
    name = f"n{next(NUMBERS)}"
    write(shared, writer, name)
    reader = Scope(tenant=writer.tenant, user=writer.user, session=session)
    assert sees(shared, reader, name) == AGENTS | {"vectors.get"}


@settings(max_examples=20, deadline=None)
@given(writer=SCOPES)
def test_who_wrote_it_reads_it_all(shared: Store, writer: Scope) -> None:
    name = f"n{next(NUMBERS)}"
    write(shared, writer, name)
    ways = sees(shared, writer, name)
    assert len(ways) == (27 if writer.session is not None else 25)


def test_the_same_chunk_id_in_two_memories_is_two_chunks(store: Store, chunk) -> None:
    ann, bob = Scope(user="ann"), Scope(user="bob")
    store.chunks.add(ann, [chunk("c", text="of ann")])
    assert store.chunks.mark(bob) == Mark(sequence=0, erasures=0)
    store.chunks.add(bob, [chunk("c", text="of bob")])
    store.chunks.delete_all(ann)
    assert [row.text for row in store.chunks.all(bob)] == ["of bob"]
