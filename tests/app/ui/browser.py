"""The app's server in a process of its own, and a browser in front of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from openai_server import OpenAIServer, Reply
from playwright.sync_api import Browser, Page, expect, sync_playwright

from callboard import Board

from .team import TEAM, WRITERS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WAIT_MS = 30_000
expect.set_options(timeout=WAIT_MS)
WIDE, NARROW = (1280, 900), (400, 860)

SETTINGS = """
database_url = "sqlite:///callboard.db"

[models.main]
model = "openai/qwen3-4b"
api_base = "{url}"
price = {{ input_per_million = 20, output_per_million = 60 }}
retries = 0

[router]
policy = "retrieval"

[ui]
monthly_budget_usd = 1
"""

SAYS = {
    "RHYMES": "Tree rhymes with sea, free and degree, and of course with bee and key.",
    "RECIPES": "Boil the rice for twelve minutes in twice its water, then let it rest.",
}


def answer(request: dict[str, Any]) -> Reply:
    """Answer as the agent whose instructions the request holds, word by word."""
    said = json.dumps(request["messages"])
    text = next((text for name, text in SAYS.items() if f"You are {name}" in said), None)
    if text is None:
        text = " ".join(SAYS.values()) if "Tree rhymes" in said else "Hello! It is good to see you."
    return Reply(text=text, piece_delay_s=0.05, usage=(len(said) // 4, len(text) // 4))


class App:
    """A running app: its address, its Board's settings, and the endpoint behind it."""

    def __init__(self, url: str, settings: Path, endpoint: OpenAIServer) -> None:
        self.url = url
        self.settings = settings
        self.endpoint = endpoint

    @contextmanager
    def board(self) -> Iterator[Board]:
        """Open a second Board on the database of the app."""
        with Board.from_config(self.settings, recover=False) as board:
            yield board

    @contextmanager
    def half_said(self) -> Iterator[None]:
        """Keep the second half of every answer back until the block ends."""
        rest = threading.Event()
        self.endpoint.script(lambda request: replace(answer(request), rest=rest))
        try:
            yield
        finally:
            self.endpoint.script(answer)
            rest.set()


@contextmanager
def running_app(
    folder: Path, secrets: Callable[[int], str] | None = None, ui: str = ""
) -> Iterator[App]:
    """Serve the app from `folder` until the block ends.

    `secrets` returns Streamlit's secrets for a port; `ui` are further settings of [ui].
    """
    with OpenAIServer(answer) as endpoint:
        settings = folder / "callboard.toml"
        text = f"{SETTINGS.format(url=endpoint.url)}{ui}\n"
        settings.write_text(text, encoding="utf-8")
        with Board.from_config(settings, recover=False) as board:
            board.register_all([*TEAM, *WRITERS])
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        if secrets is not None:
            (folder / ".streamlit").mkdir()
            (folder / ".streamlit" / "secrets.toml").write_text(secrets(port), encoding="utf-8")
        with (folder / "ui.log").open("w", encoding="utf-8") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "callboard", "ui", "--port", str(port)],
                cwd=folder,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONWARNINGS": ""},
            )
            try:
                url = f"http://127.0.0.1:{port}"
                _await(f"{url}/_stcore/health", process, folder / "ui.log")
                yield App(url, settings, endpoint)
            finally:
                process.terminate()
                process.wait(30)


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(log.read_text(encoding="utf-8"))


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def see(page: Page, app: App, path: str = "") -> None:
    """Open a page of the app, and wait until it is drawn."""
    page.goto(f"{app.url}/{path}")
    expect(page.get_by_test_id("stApp")).to_be_visible(timeout=WAIT_MS)
    settle(page)


def settle(page: Page) -> None:
    """Wait until the script has run and everything is drawn."""
    expect(page.locator("[data-test-script-state=notRunning]")).to_be_attached(timeout=WAIT_MS)
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=WAIT_MS)


def ask(page: Page, query: str) -> None:
    """Type a question, and send it."""
    box = page.get_by_test_id("stChatInput").locator("textarea")
    expect(box).to_be_enabled(timeout=WAIT_MS)
    box.fill(query)
    box.press("Enter")


def answered(page: Page, number: int = 1) -> None:
    """Wait until so many questions of the conversation are answered."""
    expect(page.get_by_text("Ask again")).to_have_count(number, timeout=WAIT_MS)
    settle(page)


def session_of(page: Page) -> str:
    """Return the session that the address names."""
    found = re.search(r"session=(\w+)", page.url)
    assert found, page.url
    return found.group(1)
