"""Every page, as Streamlit runs it."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from openai_server import Reply
from streamlit.testing.v1 import AppTest

import callboard.app.ui
from callboard import Board, Run
from callboard.app.ui.visitor import Visitor, visitor

from .conftest import words

UI = Path(callboard.app.ui.__file__).parent
TWO = "What is 15% of 240, and which weekday is 90 days after 2026-01-15?"
MAX = "Max"


def button(page: AppTest, label: str) -> Any:
    return next(one for one in page.button if one.label == label)


def table(page: AppTest, number: int = 0) -> list[dict[str, Any]]:
    return page.dataframe[number].value.to_dict("records")


def test_no_file_beside_the_main_script_shadows_a_module() -> None:
    """Streamlit puts the folder of the main script first on sys.path."""
    names = {file.stem for file in UI.glob("*.py")} | {
        file.name for file in UI.iterdir() if file.is_dir() and file.name != "__pycache__"
    }
    names -= {"__init__"}
    here = {str(UI), ""}
    path = [folder for folder in sys.path if folder not in here]
    taken = {
        name
        for name in names
        if name in sys.stdlib_module_names
        or importlib.machinery.PathFinder.find_spec(name, path) is not None
    }
    assert not taken


def test_pages_never_show_raw_html() -> None:
    for file in UI.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"unsafe_allow_|st\.html|iframe", text), file


def test_pages_import_the_package_absolutely_and_the_rest_relatively() -> None:
    for file in UI.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        script = file.parent.name == "screens" or file.name == "main.py"
        assert bool(re.search(r"^from \.", text, re.MULTILINE)) is False or not script, file
        assert bool(re.search(r"^(from|import) callboard", text, re.MULTILINE)) is False or script


def test_an_empty_board_says_on_every_page_what_to_do_next(open_page, board: Board) -> None:
    assert "Who should answer?" in words(open_page())
    assert "Nothing was asked yet" in words(open_page("decisions"))
    assert "nothing was spent" in words(open_page("costs"))
    assert "Nothing is remembered here yet" in words(open_page("memory"))
    assert len(table(open_page("agents"))) == len(board.agents())
    assert "openai/answers" in str(table(open_page("settings"))[0])


def ask(page: AppTest, board: Board, query: str) -> Run:
    """Ask in the chat, wait for the end of the run, and look again."""
    page.chat_input[0].set_value(query).run()
    run = board.records.runs_sync().runs[0]
    assert list(board.events_sync(run.id))
    page.run()
    assert not page.exception, page.exception
    return board.get_sync(run.id)


def test_a_question_is_answered_and_the_card_says_why(open_page, board: Board) -> None:
    page = open_page()
    run = ask(page, board, TWO)
    assert run.decision is not None
    assert set(run.decision.agents) == {"calculator", "dates"}
    said = words(page)
    assert TWO in said.replace("\\", "")
    assert "15% of 240 is 36" in said
    (line,) = [one.label for one in page.expander if "retrieval" in one.label]
    assert "calculator, dates · retrieval" in line.replace("\\", "")
    assert "memory not needed" in line
    assert page.query_params["session"] in (run.scope.session, [run.scope.session])


def test_a_long_conversation_shows_its_end_and_says_so(open_page, board: Board) -> None:
    for number in range(32):
        board.run_sync(f"what is {number} plus 1?", session="long", agents=["calculator"])
    page = open_page(session="long")
    assert "The last 30 of 32 questions" in words(page)
    assert "what is 31 plus 1?" in words(page)
    assert "what is 1 plus 1?" not in words(page)


def test_words_of_users_and_agents_are_shown_as_text(open_page, board: Board, endpoint) -> None:
    evil = "<script>alert(1)</script> costs $5 or $6 ![x](http://evil.example/a.png) :red[x]"
    endpoint.script(Reply(text=evil))
    page = open_page()
    page.session_state["pinned"] = ["small_talk"]
    ask(page, board, evil)
    shown = [one.value for one in page.markdown if "alert" in one.value]
    assert len(shown) == 2
    for text in shown:
        assert "\\$5 or \\$6" in text
        assert "\\![x]" in text
        assert "\\:red" in text
    assert not any(one.allow_html for one in page.markdown)


def test_a_turn_may_pin_and_forbid_agents_and_say_what_memory_may_cost(open_page, board) -> None:
    page = open_page()
    page.session_state["pinned"] = ["dates"]
    page.session_state["memory"] = "low"
    run = ask(page, board, TWO)
    assert run.decision is not None
    assert (run.decision.agents, run.decision.method) == (("dates",), "pinned")
    assert set(run.decision.tiers.values()) == {"low"}
    page.session_state["pinned"] = []
    page.session_state["excluded"] = ["dates"]
    run = ask(page, board, TWO)
    assert run.decision is not None
    assert "dates" not in run.decision.agents


def test_a_limit_of_money_stops_a_call_and_says_so(open_page, board: Board) -> None:
    page = open_page()
    page.session_state["pinned"] = ["small_talk"]
    page.session_state["limit"] = 0.0000001
    run = ask(page, board, "Hello, how are you?")
    assert run.status == "failed"
    assert "are left" in words(page)


def test_what_is_wrong_with_a_question_is_said(open_page) -> None:
    page = open_page()
    page.chat_input[0].set_value("What is \x07 this?").run()
    assert "control character" in words(page)


def test_thumbs_reach_the_router_and_can_be_taken_back(open_page, board: Board) -> None:
    page = open_page()
    run = ask(page, board, "what is 15% of 240?")
    thumbs = page.feedback[0]
    thumbs.set_value(0).run()
    (given,) = board.list_feedback_sync(run.id)
    assert (given.score, given.standing) == (-1.0, ("calculator",))
    page.feedback[0].set_value(None).run()
    assert board.list_feedback_sync(run.id) == ()


def test_a_comment_is_kept_with_a_thumb(open_page, board: Board) -> None:
    page = open_page()
    run = ask(page, board, "what is 15% of 240?")
    page.text_area(key=f"comment-text-{run.id}").set_value("Quite so.")
    button(page, "Good").click().run()
    (given,) = board.list_feedback_sync(run.id)
    assert (given.score, given.comment) == (1.0, "Quite so.")
    assert "Quite so" in words(page)


def test_a_question_is_asked_again_of_other_agents(open_page, board: Board) -> None:
    page = open_page()
    run = ask(page, board, "what is 15% of 240?")
    page.multiselect(key=f"again-agents-{run.id}").set_value(["units"])
    page.button(key=f"again-{run.id}").click().run()
    again = board.records.runs_sync().runs[0]
    assert list(board.events_sync(again.id))
    whole = board.get_sync(again.id)
    assert (whole.query, whole.scope.session) == (run.query, run.scope.session)
    assert whole.decision is not None
    assert whole.decision.agents == ("units",)


def test_conversations_are_found_named_exported_and_deleted(open_page, board: Board) -> None:
    first = board.run_sync("what is 15% of 240?", session="s1")
    board.run_sync("Which weekday is 2026-03-01?", session="s2")
    page = open_page(session="s1")
    assert {one.key for one in page.sidebar.button} >= {"session-s1", "session-s2"}
    page.text_input(key="search-sessions").set_value("weekday").run()
    assert "session-s1" not in {one.key for one in page.sidebar.button}
    page.text_input(key="search-sessions").set_value("").run()
    page.text_input(key="title-s1").set_value("The sums").run()
    assert [one.title for one in board.sessions.list_sync()][1] == "The sums"
    page.checkbox(key="sure-s1").check().run()
    page.button(key="delete-s1").click().run()
    assert [one.id for one in board.sessions.list_sync()] == ["s2"]
    assert first.id not in {run.id for run in board.list_sync()}


def test_the_list_is_filtered_and_leads_to_the_run(open_page, board: Board) -> None:
    runs = [board.run_sync(query, session="s1") for query in (TWO, "what is 15% of 240?")]
    page = open_page("decisions")
    assert [row["Question"] for row in table(page)] == [runs[1].query, TWO]
    page.text_input(key="filter-text").set_value("weekday").run()
    assert [row["Question"] for row in table(page)] == [TWO]
    page.text_input(key="filter-text").set_value("").run()
    page.selectbox(key="filter-agent").set_value("dates").run()
    assert [row["Question"] for row in table(page)] == [TWO]
    page.selectbox(key="filter-status").set_value("failed").run()
    assert "No run is like that" in words(page)
    button(page, "Clear all").click().run()
    assert len(table(page)) == 2


def test_a_run_page_shows_decision_steps_memory_answers_and_feedback(open_page, board) -> None:
    board.memory.add_sync("My favourite weekday is Wednesday.")
    run = board.run_sync(TWO, session="s1")
    board.feedback_sync(run.id, -1, agents=["dates"], comment="=HYPERLINK()")
    page = open_page("decisions", run=run.id)
    said = words(page)
    assert "Retrieval was sure" in said
    assert "15% of 240 is 36" in said
    assert run.decision is not None
    assert run.decision.reason.replace("'", "")[:20] in said.replace("\\", "").replace("'", "")
    tables = [frame.value for frame in page.dataframe]
    columns = [tuple(frame.columns) for frame in tables]
    assert any(("Why" in names and "Agent" in names) or "agent" in names for names in columns)
    (steps,) = [frame for frame in tables if "Step" in frame.columns]
    assert {"retrieve", "decide", "refine", "act dates"} <= {s.strip() for s in steps["Step"]}
    (modules,) = [frame for frame in tables if "Module" in frame.columns]
    assert set(modules["Tier"]) == {"mid"}
    assert "favourite weekday" in said
    (feedback,) = [frame for frame in tables if "Counts for" in frame.columns]
    assert list(feedback["Comment"]) == ["=HYPERLINK()"]


def test_an_unknown_run_says_so(open_page) -> None:
    assert "There is no run" in words(open_page("decisions", run="nonsense"))


def test_asking_again_sets_two_runs_beside_each_other(open_page, board, endpoint) -> None:
    run = board.run_sync(TWO, session="s1")
    page = open_page("decisions", run=run.id)
    endpoint.script(Reply(text="An answer of the model.", usage=(2400, 100)))
    page.multiselect(key="replay-agents").set_value(["small_talk"])
    page.button(key="replay").click().run()
    again = board.records.runs_sync().runs[0]
    assert again.replays == run.id
    assert list(board.events_sync(again.id))
    page.run()
    said = words(page)
    assert "An answer of the model" in said
    assert re.search(r"Asked again it cost .*more", said)


def test_costs_tell_known_and_unknown_apart(open_page, board: Board, endpoint) -> None:
    board.run_sync("Hello, how are you?", agents=["small_talk"])
    endpoint.script(Reply(text="Fine.", usage=None))
    board.run_sync("And you?", agents=["small_talk"])
    page = open_page("costs")
    figures = {one.label: one.value for one in page.metric}
    assert figures["Calls of unknown cost"] == "1"
    assert figures["Spent"].endswith("(+ unknown)")
    assert figures["Per answered query"] == "unknown"
    (row,) = [row for row in table(page) if row["Agent"] == "small_talk"]
    assert (row["Calls"], row["Unknown cost"]) == (2, 1)


def test_the_month_has_a_forecast(settings: Path, request: pytest.FixtureRequest) -> None:
    text = settings.read_text(encoding="utf-8")
    settings.write_text(f"{text}\n[ui]\nmonthly_budget_usd = 0.0001\n", encoding="utf-8")
    board: Board = request.getfixturevalue("board")
    board.run_sync("Hello, how are you?", agents=["small_talk"])
    page: AppTest = request.getfixturevalue("open_page")("costs")
    assert "more than the month may cost" in words(page)


def test_memory_is_searched_changed_and_forgotten(open_page, board: Board) -> None:
    board.memory.add_sync("My cat is called Miso.")
    board.memory.add_sync("The car is red.")
    page = open_page("memory")
    assert [row["Text"] for row in table(page)] == [
        "user: The car is red.",
        "user: My cat is called Miso.",
    ]
    page.text_input(key="memory-text").set_value("What is my cat called?").run()
    assert table(page)[0]["Text"] == "user: My cat is called Miso."
    page.text_input(key="memory-text").set_value("").run()
    page.checkbox(key="forget-sure").check().run()
    page.button(key="forget-all").click().run()
    assert board.memory.list_sync() == ()


FORM = {
    "new-name": "rhymes",
    "new-description": "Finds rhymes for words in poems and songs.",
    "new-examples": "What rhymes with tree?\nFind a rhyme for sea.",
}


def fill(page: AppTest, **changes: str) -> None:
    for key, value in {**FORM, **changes}.items():
        box = page.text_input if key == "new-name" else page.text_area
        box(key=key).set_value(value)


def test_an_agent_is_registered_in_the_form_and_called_next(open_page, board: Board) -> None:
    page = open_page("agents")
    fill(page)
    page.button(key="new-check").click().run()
    assert "Of its own 2 examples it would be called for **2**" in words(page)
    page.button(key="new-save").click().run()
    assert not page.exception
    assert board.route_sync("What rhymes with blue?").agents == ("rhymes",)
    assert page.text_input(key="new-name").value == ""


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("new-name", "<script>", "use 2 to 64 small letters"),
        ("new-name", "", "is missing"),
        ("new-description", "Short", "say in 10 to 4000"),
    ],
)
def test_what_is_wrong_stands_at_its_field(open_page, board, field, value, said) -> None:
    page = open_page("agents")
    before = board.agents()
    fill(page, **{field: value})
    page.button(key="new-save").click().run()
    told = [one.value for one in page.caption if ":red[" in one.value]
    assert len(told) == 1
    assert said in told[0].replace("\\", "")
    assert board.agents() == before


def test_an_agent_with_an_endpoint_of_its_own(open_page, board: Board, endpoint) -> None:
    page = open_page("agents")
    page.segmented_control(key="new-kind").set_value("endpoint").run()
    fill(page)
    page.text_input(key="new-endpoint.model").set_value("openai/rhymer")
    page.text_input(key="new-endpoint.api_base").set_value(endpoint.url)
    page.button(key="new-save").click().run()
    run = board.run_sync("What rhymes with blue?", agents=["rhymes"])
    assert (run.answer, run.cost_usd) == ("An answer of the model.", None)
    assert endpoint.requests[-1]["model"] == "rhymer"


def test_functions_by_path_need_leave_of_the_server(open_page) -> None:
    page = open_page("agents")
    assert "function" not in str(page.segmented_control(key="new-kind").options).lower()


def test_a_visitor_who_is_no_operator_sees_only_their_own(board: Board) -> None:
    assert visitor() == Visitor(user="local", operator=True)
    assert Visitor(user="ann", operator=False).seen == "ann"
