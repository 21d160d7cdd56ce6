"""Pictures of every page at two widths, as docs/app.md shows them: `make screens` writes them anew.

Each page is also checked for what a picture would show: no error, nothing wider than the window.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from experts_by_hand import leading

from callboard import Settings
from callboard.search.encoders import load_encoder

pytest.importorskip("playwright.sync_api", reason="the package 'playwright' is not installed")

from playwright.sync_api import Browser, Page, expect

from .browser import CHROMIUM, NARROW, WIDE, App, chromium, running_app, see, settle

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium on this machine: apt-get install chromium"
)

TWO = "What rhymes with tree, and how do I cook rice?"
ASKED = (
    ("What is 15% of 240, and which weekday is 90 days after 2026-01-15?", "sums"),
    ("How do I return shoes that do not fit?", "shop"),
    ("I am allergic to nuts. How do I cook rice?", "kitchen"),
    (TWO, "songs"),
)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """Return an app in which some questions were asked."""
    with running_app(tmp_path_factory.mktemp("app")) as app:
        with app.board() as board:
            board.memory.add_sync("I cook for two, on a gas stove.")
            encoder = load_encoder("minilm", Settings().cache_dir)
            board.experts.add_sync(leading(encoder, TWO, "cooking on gas", name="kitchen"))
            for query, session in ASKED:
                run = board.run_sync(query, session=session)
            board.feedback_sync(run.id, 1, comment="Both were what I wanted.")
        yield app


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the pictures go."""
    wanted = os.environ.get("SCREENS")
    return Path(wanted) if wanted else tmp_path_factory.mktemp("screens")


def last_run(app: App) -> str:
    with app.board() as board:
        return board.list_sync(session="songs")[0].id


def draw(page: Page, app: App, name: str) -> None:
    """Open one of the pages that are pictured."""
    match name:
        case "chat":
            see(page, app, "?session=songs")
            page.get_by_test_id("stExpander").first.locator("summary").click()
            expect(page.get_by_text("Retrieval was sure")).to_be_visible()
        case "decision":
            see(page, app, f"decisions?run={last_run(app)}")
        case "steps":
            see(page, app, f"decisions?run={last_run(app)}")
            page.get_by_role("tab", name="Steps").click()
            expect(page.get_by_text("Experts that read the query")).to_be_visible()
        case "register":
            see(page, app, "agents")
            page.get_by_role("tab", name="Register").click()
        case _:
            see(page, app, name)
    settle(page)
    page.wait_for_timeout(700)  # charts and tables draw themselves after the script has run


PAGES = (
    "chat",
    "agents",
    "register",
    "decisions",
    "decision",
    "steps",
    "costs",
    "memory",
    "settings",
)


@pytest.fixture(scope="module")
def looks(browser: Browser) -> Iterator[dict[str, Page]]:
    """Return a tab for each look; all pages are drawn in it, so that files are loaded once."""
    contexts = {look: browser.new_context(color_scheme=look) for look in ("light", "dark")}
    yield {look: context.new_page() for look, context in contexts.items()}
    for context in contexts.values():
        context.close()


@pytest.mark.parametrize(
    ("name", "look"),
    [*((name, "light") for name in PAGES), ("chat", "dark"), ("decision", "dark")],
)
def test_a_page_fits_both_widths(
    app: App, looks: dict[str, Page], folder: Path, name: str, look: str
) -> None:
    page = looks[look]
    page.set_default_timeout(30_000)
    for width, height in (WIDE, NARROW):
        page.set_viewport_size({"width": width, "height": height})
        draw(page, app, name)
        assert page.get_by_test_id("stException").count() == 0
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{name} is {wide} px wide in a window of {width}"
        suffix = "" if look == "light" else "-dark"
        page.screenshot(path=folder / f"{name}{suffix}-{width}.png")
