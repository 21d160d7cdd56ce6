"""Looking back through a Board: lists by a filter, figures, money, sessions and asking again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from openai_server import OpenAIServer, Reply
from pipeline_boards import TWO

from callboard import (
    Agent,
    Board,
    ConfigurationError,
    InvalidInput,
    ScriptedModel,
    UnknownName,
)
from callboard.model_settings import ModelSettings
from callboard.records import RunFilter

SUM = "what is 15% of 240?"
DATE = "Which weekday is 2026-03-01?"


def asked(board: Board) -> dict[str, str]:
    """Ask three questions in two sessions; return the ids of the runs by question."""
    return {
        query: board.run_sync(query, session=session, user=user).id
        for query, session, user in (
            (SUM, "s1", "ann"),
            (TWO, "s1", "ann"),
            (DATE, "s2", "bob"),
        )
    }


FOUND = [
    (RunFilter(), [TWO, SUM]),
    (RunFilter(agent="dates"), [TWO]),
    (RunFilter(agent="date"), []),
    (RunFilter(session="s2"), []),
    (RunFilter(text="WEEKDAY"), [TWO]),
    (RunFilter(text="is 36"), [TWO, SUM]),
    (RunFilter(text="%"), [TWO, SUM]),
    (RunFilter(text="_"), []),
    (RunFilter(method="reasoning"), []),
    (RunFilter(status="done", least_s=0), [TWO, SUM]),
    (RunFilter(status="failed"), []),
    (RunFilter(most_usd=Decimal(0)), [TWO, SUM]),
    (RunFilter(least_usd=Decimal("0.0000001")), []),
    (RunFilter(least_s=1000), []),
    (RunFilter(model="main"), []),
    (RunFilter(until=datetime(2026, 1, 1, tzinfo=UTC)), []),
    (RunFilter(since=datetime(2026, 1, 1, tzinfo=UTC)), [TWO, SUM]),
]
"""Filters, and the queries of ann that each of them finds."""


def test_runs_are_found_by_a_filter(board: Board) -> None:
    asked(board)
    for chosen, found in FOUND:
        page = board.records.runs_sync(chosen, user="ann")
        assert ([run.query for run in page.runs], page.total) == (found, len(found)), chosen


def test_a_list_has_pages_and_knows_all_users_only_when_asked(board: Board) -> None:
    ids = asked(board)
    page = board.records.runs_sync(limit=2, user=None)
    assert ([run.id for run in page.runs], page.total) == ([ids[DATE], ids[TWO]], 3)
    (last,) = board.records.runs_sync(limit=2, offset=2, user=None).runs
    assert (last.id, last.scope.user, last.agents) == (ids[SUM], "ann", ("calculator",))
    assert (last.method, last.status, last.cost_usd) == ("retrieval", "done", Decimal(0))
    assert last.latency_s is not None
    assert board.records.runs_sync(user="carl").total == 0


def priced(make_board: Callable[..., Board]) -> Board:
    board = make_board(ScriptedModel(lambda request: "An answer of some words."))
    board.register(Agent(name="poet", description="Writes poems and rhymes about anything."))
    return board


def test_money_is_told_by_step_and_agent_and_outlives_the_session(make_board) -> None:
    board = priced(make_board)
    run = board.run_sync("Write a poem.", session="s1", agents=["poet"])
    (spend,) = board.records.spend_sync()
    assert (spend.step, spend.agent, spend.model, spend.calls) == ("act", "poet", "main", 1)
    assert spend.cost_usd == run.cost_usd
    assert run.cost_usd
    assert spend.day == run.created_at.date()
    assert spend.input_tokens > 0
    (poet,) = board.records.agents_sync()
    assert (poet.agent, poet.calls, poet.failed, poet.cost_usd) == ("poet", 1, 0, run.cost_usd)
    assert board.sessions.delete_sync("s1") == 1
    assert board.records.spend_sync() == (spend,)
    assert board.records.runs_sync().total == 0
    assert board.records.spend_sync(user="bob") == ()
    assert board.records.spend_sync(user=None) == (spend,)
    assert board.records.spend_sync(until=run.created_at - timedelta(days=1)) == ()


def test_an_unknown_cost_is_no_cost_of_nothing(make_board) -> None:
    board = make_board()
    with OpenAIServer(Reply(usage=None)) as server:
        endpoint = ModelSettings(model="openai/own", api_base=server.url, retries=0)
        board.register(
            Agent(name="own", description="An agent with an endpoint.", endpoint=endpoint)
        )
        run = board.run_sync("Write a poem.", agents=["own"])
    assert (run.status, run.answer) == ("done", "Fine.")
    assert run.cost_usd is None
    (spend,) = board.records.spend_sync()
    assert (spend.model, spend.unknown, spend.cost_usd) == ("openai/own", 1, None)
    turns = board.records.turns_sync()
    assert (turns.unknown, turns.cost_per_answer_usd) == (1, None)
    (own,) = board.records.agents_sync()
    assert own.cost_usd is None
    assert board.records.runs_sync(RunFilter(model="openai/own")).total == 1


def test_an_endpoint_of_an_agent_is_checked_where_it_is_written() -> None:
    with pytest.raises(InvalidInput, match=r"'endpoint.api_bas' is not a field.*api_base") as told:
        Agent.model_validate(
            {
                "name": "own",
                "description": "An agent with an endpoint.",
                "endpoint": {"model": "openai/x", "api_bas": "http://127.0.0.1"},
            }
        )
    assert told.value.field == "endpoint.api_bas"
    both = {"model": "main", "endpoint": ModelSettings(model="openai/x")}
    with pytest.raises(InvalidInput, match="both set"):
        Agent(name="own", description="An agent with an endpoint.", **both)
    with pytest.raises(InvalidInput, match="can't be embedded"):
        Agent(
            name="own",
            description="An agent with an endpoint.",
            endpoint=ModelSettings(model="embedded/smollm2-135m"),
        )


def test_turns_tell_how_they_were_routed(board: Board) -> None:
    asked(board)
    board.run_sync("zzzz qqqq xxxx", user="ann")
    turns = board.records.turns_sync(user=None)
    assert (turns.turns, turns.answered, turns.decided, turns.reasoned) == (4, 4, 4, 1)
    assert turns.reasoning_usd
    assert turns.saved_usd == turns.reasoning_usd * 3
    assert turns.out_of_scope_share == 0.25
    assert turns.mean_set_size == pytest.approx(4 / 3)
    assert turns.p95_s is not None
    nobody = board.records.turns_sync(user="carl")
    assert (nobody.turns, nobody.p50_s, nobody.reasoned_share) == (0, None, None)
    assert nobody.saved_usd is None


def test_sessions_have_titles_and_can_be_searched(board: Board) -> None:
    asked(board)
    (one,) = board.sessions.list_sync(user="ann")
    assert (one.id, one.title, one.runs) == ("s1", SUM, 2)
    board.sessions.rename_sync("s1", "  The\nsums ", user="ann")
    assert board.sessions.list_sync(user="ann")[0].title == "The sums"
    assert [s.id for s in board.sessions.list_sync(text="THE SUM", user="ann")] == ["s1"]
    assert [s.id for s in board.sessions.list_sync(text="weekday", user="ann")] == ["s1"]
    assert board.sessions.list_sync(text="no such word", user="ann") == ()
    board.sessions.rename_sync("s1", "", user="ann")
    assert board.sessions.list_sync(user="ann")[0].title == SUM
    with pytest.raises(UnknownName, match="'s2'"):
        board.sessions.rename_sync("s2", "Of bob", user="ann")


def test_a_deleted_session_leaves_no_word(board: Board) -> None:
    ids = asked(board)
    board.run_sync("My dog is called Rex.", session="s3", user="ann", agents=["dates"])
    assert board.sessions.delete_sync("s1", user="ann") == 2
    with pytest.raises(UnknownName):
        board.get_sync(ids[SUM], user="ann")
    assert [one.id for one in board.sessions.list_sync(user="ann")] == ["s3"]
    assert all("240" not in one.text for one in board.memory.list_sync(user="ann"))
    assert board.memory.search_sync("Rex", user="ann")
    with pytest.raises(UnknownName, match="'s1'"):
        board.sessions.delete_sync("s1", user="ann")
    with pytest.raises(UnknownName, match="'s2'"):
        board.sessions.delete_sync("s2", user="ann")


def test_asking_again_tells_what_another_choice_had_given(board: Board) -> None:
    run = board.run_sync(TWO, session="s1")
    before = board.memory.list_sync()
    again = board.replay_sync(run.id, agents=["dates"])
    for _ in board.events_sync(again):
        pass
    other = board.get_sync(again)
    assert (other.query, other.scope.session) == (TWO, None)
    assert other.decision is not None
    assert other.decision.agents == ("dates",)
    assert board.memory.list_sync() == before
    assert board.records.runs_sync().runs[0].replays == run.id
    with pytest.raises(UnknownName):
        board.replay_sync("no-such-run")
    with pytest.raises(UnknownName):
        board.replay_sync(run.id, user="ann")


def test_asking_again_is_told_the_conversation_of_then(make_board) -> None:
    said: list[str] = []

    def answer(request) -> str:
        said.append("\n".join(message.content for message in request.messages))
        return "An answer."

    board = make_board(ScriptedModel(answer))
    board.register(Agent(name="poet", description="Writes poems and rhymes about anything."))
    board.run_sync("Write about the sea.", session="s1", agents=["poet"])
    second = board.run_sync("Now shorter.", session="s1", agents=["poet"])
    board.run_sync("And now about mountains.", session="s1", agents=["poet"])
    again = board.replay_sync(second.id, agents=["poet"])
    assert list(board.events_sync(again))
    assert "about the sea" in said[-1]
    assert "mountains" not in said[-1]
    assert said[-1].count("Now shorter.") == 1


def test_events_so_far_do_not_wait(board: Board) -> None:
    run = board.run_sync(SUM)
    events = board.records.events_sync(run.id)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert board.records.events_sync(run.id, after=events[-1].seq) == ()
    with pytest.raises(UnknownName):
        board.records.events_sync(run.id, user="ann")


def test_every_version_of_an_agent_is_told(board: Board) -> None:
    agent = Agent(name="poet", description="Writes poems and rhymes about anything.")
    board.register(agent)
    board.register(agent.model_copy(update={"tags": ("art",)}), replace=True)
    board.unregister("poet")
    versions = board.records.versions_sync("poet")
    assert [one.version for one in versions] == [1, 2, 3]
    assert versions[1].spec["tags"] == ["art"]
    assert versions[2].spec is None


def test_a_board_that_serves_others_detaches_endpoints_inside_its_network(make_board) -> None:
    with OpenAIServer("A secret.") as server:
        endpoint = ModelSettings(model="openai/own", api_base=server.url, retries=0)
        own = Agent(name="own", description="An agent with an endpoint.", endpoint=endpoint)
        make_board().register(own)
        checked = make_board(endpoints={"check": True})
        (listed,) = checked.agents()
        assert (listed.state, "without encryption" in listed.reason) == ("detached", True)
        with pytest.raises(UnknownName, match="'own' can be called"):
            checked.run_sync("Write a poem.", agents=["own"])
        assert server.requests == []
        allowed = make_board(endpoints={"check": True, "allow": ["127.0.0.1"]})
        assert allowed.run_sync("Write a poem.", agents=["own"]).answer == "A secret."
    with pytest.raises(ConfigurationError, match=r"endpoints.allow holds '\*'"):
        make_board(endpoints={"allow": ["*"]}).agents()
