"""Who gets in, and what they see: a real login at a provider on this machine, in a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from callboard.app.cli import app as commands
from callboard.app.ui.server import is_local

pytest.importorskip("playwright.sync_api", reason="the package 'playwright' is not installed")
pytest.importorskip("authlib", reason="the package 'Authlib' is not installed")

from playwright.sync_api import expect

from .browser import CHROMIUM, answered, ask, chromium, running_app, see, settle
from .oidc import CLIENT, Provider

SECRETS = """
[auth]
redirect_uri = "http://127.0.0.1:{port}/oauth2callback"
cookie_secret = "a secret that is long enough for a test of a login"
client_id = "{client}"
client_secret = "none"
server_metadata_url = "{issuer}/.well-known/openid-configuration"
"""


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("a.b", False)],
)
def test_local_is_what_only_this_machine_reaches(host: str, local: bool) -> None:
    assert is_local(host) is local


def test_without_a_login_no_other_machine_is_served() -> None:
    result = CliRunner().invoke(commands, ["ui", "--host", "0.0.0.0"])
    assert result.exit_code == 1
    assert "Without a login" in result.stderr
    assert "'0.0.0.0'" in result.stderr


def test_wrong_settings_are_told_before_anything_is_served(tmp_path: Path) -> None:
    (tmp_path / "callboard.toml").write_text("[routter]\n", encoding="utf-8")
    result = CliRunner().invoke(commands, ["ui"])
    assert result.exit_code == 1
    assert "did you mean 'router'" in result.stderr


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_each_visitor_sees_their_own_and_operators_all(tmp_path: Path) -> None:
    def secrets(port: int) -> str:
        return SECRETS.format(port=port, client=CLIENT, issuer=provider.url)

    with (
        Provider("ann@example.org") as provider,
        running_app(tmp_path, secrets, 'operators = ["olga@example.org"]') as app,
        chromium() as browser,
    ):
        for email in ("ann@example.org", "bob@example.org", "olga@example.org"):
            provider.email = email
            context = browser.new_context()
            page = context.new_page()
            page.set_default_timeout(30_000)
            page.goto(app.url)
            page.get_by_role("button", name="Log in").click()
            expect(page.get_by_test_id("stChatInput")).to_be_visible()
            settle(page)
            if email.startswith("ann"):
                ask(page, "what is 15% of 240?")
                answered(page)
            see(page, app, "decisions")
            runs = page.get_by_text("1 run", exact=False)
            nothing = page.get_by_text("Nothing was asked yet")
            expect(nothing if email.startswith("bob") else runs).to_be_visible()
            see(page, app, "agents")
            can_register = 1 if email.startswith("olga") else 0
            expect(page.get_by_role("tab", name="Register")).to_have_count(can_register)
            see(page, app, "settings")
            told = page.get_by_text("Operators see the settings")
            expect(told).to_have_count(1 - can_register)
            context.close()
        with app.board() as board:
            (run,) = board.records.runs_sync(user=None).runs
            assert run.scope.user == "ann@example.org"
