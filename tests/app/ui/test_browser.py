"""The app in a real browser, over a real server and a real endpoint."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_server import Reply

pytest.importorskip("playwright.sync_api", reason="the package 'playwright' is not installed")

from playwright.sync_api import Browser, BrowserContext, Page, expect

from callboard import Agent
from callboard.model_settings import ModelSettings
from callboard.records import RunFilter

from .browser import (
    CHROMIUM,
    SAYS,
    WAIT_MS,
    WIDE,
    App,
    answer,
    answered,
    ask,
    chromium,
    running_app,
    see,
    session_of,
    settle,
)

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium on this machine: apt-get install chromium"
)

TWO = "What rhymes with tree, and how do I cook rice?"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with running_app(tmp_path_factory.mktemp("app")) as app:
        yield app


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Return what all tests share, so that the app's files are loaded once."""
    context = browser.new_context(viewport={"width": WIDE[0], "height": WIDE[1]})
    yield context
    context.close()


@pytest.fixture
def tab(context: BrowserContext) -> Iterator[Callable[[], Page]]:
    """Return a function that opens a tab; a script that runs in one fails the test."""
    alerts: list[str] = []

    def open_tab() -> Page:
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
        return page

    yield open_tab
    for page in context.pages:
        page.close()
    assert alerts == []


@pytest.fixture
def page(tab: Callable[[], Page]) -> Page:
    return tab()


def run_of(app: App, session: str) -> Any:
    with app.board() as board:
        return board.list_sync(session=session)[0]


def test_tokens_of_two_agents_arrive_while_they_work(app: App, page: Page) -> None:
    see(page, app)
    with app.half_said():
        ask(page, TWO)
        expect(page.get_by_text("rhymes writes")).to_be_visible()
        expect(page.get_by_text(SAYS["RHYMES"][:15])).to_be_visible()
        expect(page.get_by_text(SAYS["RECIPES"][:15])).to_be_visible()
        assert page.get_by_text(SAYS["RHYMES"]).count() == 0  # the rest has not come yet
    answered(page)
    assert page.get_by_text("Boil the rice for twelve minutes").count() > 0
    line = page.get_by_test_id("stExpander").first
    expect(line).to_contain_text("rhymes, recipes")
    line.locator("summary").click()
    expect(page.get_by_text("Retrieval was sure")).to_be_visible()
    run = run_of(app, session_of(page))
    assert run.cost_usd


def test_a_registered_agent_gets_the_next_question_and_the_run_shows_why(
    app: App, page: Page
) -> None:
    see(page, app, "agents")
    page.get_by_role("tab", name="Register").click()
    page.get_by_label("Name", exact=True).fill("gardener")
    page.get_by_role("textbox", name="What it can do").fill(
        "Plants, flowers and when to water a garden."
    )
    page.get_by_label("Queries that it answers").fill(
        "When do I water roses?\nHow do I prune a rose?"
    )
    page.get_by_role("button", name="Save").first.click()
    expect(page.get_by_text("Saved gardener")).to_be_visible()
    page.get_by_role("link", name="Chat").click()
    settle(page)
    ask(page, "When do I water my roses?")
    answered(page)
    page.get_by_test_id("stExpander").first.locator("summary").click()
    page.get_by_role("link", name="Open the whole run").click()
    expect(page.get_by_role("tab", name="Steps")).to_be_visible()
    assert re.search(r"decisions\?run=\w+", page.url)
    expect(page.get_by_text("confidence").first).to_be_visible()
    page.reload()
    expect(page.get_by_role("tab", name="Steps")).to_be_visible()
    run = page.url.rpartition("run=")[2]
    with app.board() as board:
        decision = board.get_sync(run).decision
        assert decision is not None
        assert decision.agents == ("gardener",)


def test_a_thumb_down_moves_the_candidates_score(app: App, page: Page) -> None:
    query = "Find me a rhyme for river."
    see(page, app)
    ask(page, query)
    answered(page)
    with app.board() as board:
        before = {one.agent: one.score for one in board.route_sync(query).candidates}
    page.get_by_test_id("stFeedback").first.locator("button").nth(1).click()
    settle(page)
    expect(page.get_by_test_id("stFeedback").first.locator("button").nth(1)).to_be_visible()
    page.wait_for_timeout(500)
    with app.board() as board:
        assert [one.score for one in board.list_feedback_sync()][:1] == [-1.0]
        after = {one.agent: one.score for one in board.route_sync(query).candidates}
    assert after.get("rhymes", 0.0) < before["rhymes"]


def test_clicking_around_in_mid_run_loses_nothing(app: App, page: Page) -> None:
    see(page, app)
    with app.half_said():
        ask(page, TWO)
        expect(page.get_by_text("rhymes writes")).to_be_visible()
        session = session_of(page)
        for name in ("Costs", "Memory", "Agents"):
            page.get_by_role("link", name=name).click()
            settle(page)
    with app.board() as board:
        (run,) = board.list_sync(session=session)
        assert list(board.events_sync(run.id))  # to its end
        assert board.get_sync(run.id).status == "done"
    see(page, app, f"?session={session}")
    answered(page)


def test_a_reload_in_mid_run_shows_the_finished_answer(app: App, page: Page) -> None:
    see(page, app)
    with app.half_said():
        ask(page, TWO)
        expect(page.get_by_text("rhymes writes")).to_be_visible()
        page.reload()
        expect(page.get_by_text("rhymes writes")).to_be_visible()
    answered(page)
    expect(page.get_by_text("Boil the rice").first).to_be_visible()


def test_stop_ends_the_run_and_keeps_what_was_paid(app: App, page: Page) -> None:
    see(page, app)
    with app.half_said():
        ask(page, TWO)
        expect(page.get_by_text("rhymes writes")).to_be_visible()
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_text("Stopped. What was paid for")).to_be_visible()
    run = run_of(app, session_of(page))
    assert run.status == "cancelled"
    assert any(step.name == "call" for step in run.steps)
    with app.board() as board:
        assert board.records.runs_sync(RunFilter(status="cancelled")).total >= 1


def test_two_tabs_show_the_same_run(app: App, tab: Callable[[], Page]) -> None:
    first, second = tab(), tab()
    see(first, app)
    session = session_of(first)
    with app.half_said():
        ask(first, TWO)
        expect(first.get_by_text("rhymes writes")).to_be_visible()
        see(second, app, f"?session={session}")
        expect(second.get_by_text("rhymes writes")).to_be_visible()
    answered(second)
    first.bring_to_front()  # a browser lets the pages of hidden tabs sleep
    answered(first)
    assert len({session_of(first), session_of(second)}) == 1
    with app.board() as board:
        assert len(board.list_sync(session=session)) == 1


def test_markup_in_a_question_an_answer_and_a_name_is_text(app: App, page: Page) -> None:
    evil = "<script>alert('x')</script><img src=x onerror=alert(1)>"
    app.endpoint.script(Reply(text=f"Tree rhymes with {evil}"))
    try:
        see(page, app)
        ask(page, f"What rhymes with tree? {evil}")
        answered(page)
        assert page.get_by_text("<script>alert('x')</script>").count() >= 2
        assert page.locator("img[src=x]").count() == 0
        see(page, app, "agents")
        page.get_by_role("tab", name="Register").click()
        page.get_by_label("Name", exact=True).fill(evil)
        page.get_by_role("textbox", name="What it can do").fill("Nothing that is good for anybody.")
        page.get_by_role("button", name="Save").first.click()
        expect(page.get_by_text("use 2 to 64 small letters").first).to_be_visible()
    finally:
        app.endpoint.script(answer)


def test_a_file_becomes_knowledge(app: App, page: Page) -> None:
    see(page, app)
    chooser = page.get_by_test_id("stChatInput").locator("input[type=file]")
    chooser.set_input_files(
        {"name": "keys.md", "mimeType": "text/markdown", "buffer": b"# Keys\n\nThe shed: 4711.\n"}
    )
    expect(page.get_by_text("keys.md")).to_be_visible()
    ask(page, "What rhymes with tree?")
    answered(page)
    with app.board() as board:
        (one,) = board.memory.search_sync("Which code opens the shed?", limit=1)
    assert "4711" in one.text
    assert one.writer == "keys.md#Keys"


def test_the_table_leads_to_the_run_by_keyboard_and_mouse(app: App, page: Page) -> None:
    with app.board() as board:
        run = board.run_sync("what is 15% of 240?")
    see(page, app, "decisions")
    box = page.get_by_test_id("stDataFrame").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 16, box["y"] + 52)  # the first row's check box
    expect(page.get_by_role("tab", name="Steps")).to_be_visible()
    assert run.id in page.url


def select_row(page: Page, number: int) -> None:
    """Tick the box of a row of the first table, from 0."""
    box = page.get_by_test_id("stDataFrame").first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 16, box["y"] + 52 + 35 * number)
    settle(page)


def test_an_agent_is_changed_disabled_and_removed_and_its_versions_tell(
    app: App, page: Page
) -> None:
    with app.board() as board:
        board.register(Agent(name="aardvark", description="Knows all about aardvarks."))
    see(page, app, "agents")
    select_row(page, 0)  # by name, the first
    what = page.get_by_role("textbox", name="What it can do").first
    expect(what).to_have_value("Knows all about aardvarks.")
    what.fill("Knows all about aardvarks and anteaters.")
    page.get_by_role("button", name="Save").first.click()
    expect(page.get_by_text("Saved aardvark")).to_be_visible()
    select_row(page, 0)
    page.get_by_role("tab", name="Versions").click()
    expect(page.get_by_text("Version 2")).to_be_visible()
    expect(
        page.get_by_text("+description: Knows all about aardvarks and anteaters.")
    ).to_be_visible()
    page.get_by_role("tab", name="Change").click()
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_text("Disabled aardvark")).to_be_visible()
    with app.board() as board:
        assert (
            next(one for one in board.agents() if one.agent.name == "aardvark").state == "disabled"
        )
    select_row(page, 0)
    page.get_by_role("button", name="Remove", exact=True).click()
    page.get_by_role("button", name="Remove it").click()
    expect(page.get_by_text("Removed aardvark")).to_be_visible()
    with app.board() as board:
        assert "aardvark" not in {one.agent.name for one in board.agents()}
        assert [one.spec is None for one in board.records.versions_sync("aardvark")][-1]


def test_a_page_of_the_list_is_the_first_again_after_a_filter(app: App, page: Page) -> None:
    with app.board() as board:
        for number in range(52):
            board.run_sync(f"what is {number} plus 1?", user="counter", agents=["calculator"])
    see(page, app, "decisions")
    page.get_by_role("button", name="Page 2").click()
    settle(page)
    box = page.get_by_role("textbox", name="Text in the question or answer")
    box.fill("plus 1")
    box.press("Enter")
    expect(page.get_by_text("52 runs")).to_be_visible()
    settle(page)
    select_row(page, 0)
    expect(page.get_by_role("heading", name="what is 51 plus 1?")).to_be_visible()


def test_the_form_changes_a_documents_agent_and_no_import_path(
    app: App, page: Page, tmp_path: Path
) -> None:
    (tmp_path / "shed.md").write_text("# Shed\n\nIts code is 4711.\n", encoding="utf-8")
    shed = Agent(
        name="aardwolf",
        description="Knows the papers of the shed.",
        documents=(str(tmp_path / "shed.md"),),
        endpoint=ModelSettings(model="openai/qwen3-8b", api_base=app.endpoint.url),
    )
    clock = Agent(name="abacus", description="Counts beads.", function="math:sqrt")
    with app.board() as board:
        board.register_all([shed, clock])
    try:
        see(page, app, "agents")
        select_row(page, 0)
        page.get_by_role("textbox", name="What it can do").first.fill("All papers of the shed.")
        page.get_by_role("button", name="Save").first.click()
        expect(page.get_by_text("Saved aardwolf")).to_be_visible()
        see(page, app, "agents")
        select_row(page, 1)
        expect(page.get_by_label("Import path").first).to_be_disabled()
        page.get_by_role("textbox", name="What it can do").first.fill("Counts beads, and sheep.")
        page.get_by_role("button", name="Save").first.click()
        expect(page.get_by_text("Saved abacus")).to_be_visible()
        with app.board() as board:
            now = {one.agent.name: one.agent for one in board.agents()}
        assert now["aardwolf"] == shed.model_copy(update={"description": "All papers of the shed."})
        assert now["abacus"] == clock.model_copy(update={"description": "Counts beads, and sheep."})
    finally:
        with app.board() as board:
            for name in ("aardwolf", "abacus"):
                board.unregister(name)
