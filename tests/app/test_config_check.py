"""`config check` tells everything that is wrong or dangerous, and calls nobody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from callboard.app.cli import app

GOOD = """
[models.main]
model = "hosted_vllm/qwen"
api_base = "http://127.0.0.1:9/v1"
price = { input_per_million = 0.1, output_per_million = 0.2 }

[limits]
daily_usd = 5
"""


def check(tmp_path: Path, text: str) -> tuple[int, list[dict[str, Any]]]:
    """Write the settings, check them, and return the exit code and what is not ok."""
    (tmp_path / "callboard.toml").write_text(text, encoding="utf-8")
    result = CliRunner().invoke(app, ["config", "check", "--json"], catch_exceptions=False)
    told = json.loads(result.stdout)
    assert told["ok"] == (result.exit_code == 0)
    return result.exit_code, [one for one in told["checks"] if one["state"] != "ok"]


def said(found: list[dict[str, Any]], state: str) -> list[str]:
    return [
        f"{one['name']}: {one['detail']} {one['fix']}" for one in found if one["state"] == state
    ]


def test_good_settings_pass_and_nothing_is_created(tmp_path: Path) -> None:
    assert check(tmp_path, GOOD) == (0, [])
    assert [file.name for file in tmp_path.iterdir()] == ["callboard.toml"]


def test_all_mistakes_are_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_ROUTR__MODEL", "main")
    code, found = check(
        tmp_path,
        """
        database = "x"
        [router]
        max_agent = 2
        [limits]
        threads = "many"
        [models.main]
        model = "openai/a"
        retrys = 3
        """,
    )
    assert code == 1
    told = "\n".join(said(found, "bad"))
    for words in (
        "CALLBOARD_ROUTR__MODEL",
        "'database' is not a known key",
        "'router.max_agent' is not a known key: did you mean 'max_agents'?",
        "limits.threads",
        "'models.main.retrys' is not a known key: did you mean 'retries'?",
    ):
        assert words in told


def test_all_wrong_names_of_models_are_told(tmp_path: Path) -> None:
    code, found = check(
        tmp_path,
        """
        [router]
        model = "able"
        [memory]
        model = "small"
        [models.main]
        model = "openai/a"
        fallback = "spare"
        """,
    )
    assert (code, len(found)) == (1, 3)
    for key in ("router.model", "memory.model", "models.main.fallback"):
        assert key in repr(found)


def test_what_would_fail_later_is_wrong_now(tmp_path: Path) -> None:
    code, found = check(
        tmp_path,
        """
        [router]
        reading = "likelihood"
        [memory]
        policy = "nowhere.safetensors"
        ner = "nowhere_core"
        [limits]
        daily_usd = 1
        [telemetry]
        otlp_endpoint = "127.0.0.1:4317"
        headers_env = "NO_HEADERS"
        [models.main]
        model = "hosted_vllm/qwen"
        [models.keyed]
        model = "openai/gpt-5"
        api_key_env = "NO_KEY_HERE"
        [[models.two.deployments]]
        name = "a"
        api_base = "http://127.0.0.1:9/v1"
        api_key_env = "NO_KEY_A"
        [[models.two.deployments]]
        name = "b"
        api_base = "http://127.0.0.1:8/v1"
        api_key_env = "NO_KEY_B"
        [models.two]
        model = "openai/qwen"
        fallback = "keyed"
        """,
    )
    wrong, warned = "\n".join(said(found, "bad")), "\n".join(said(found, "warn"))
    assert code == 1
    for words in (
        "model main: Model 'main' (hosted_vllm/qwen) has no address",
        "'NO_KEY_HERE'",
        "'NO_KEY_A'",
        "'NO_KEY_B'",
        "price of main: unknown, and money is limited: its calls are refused",
        "price of two",
        "logprobs = true",
        "nowhere.safetensors",
        "'nowhere_core' is not installed",
        "is not an HTTP address",
        "'NO_HEADERS'",
    ):
        assert words in wrong
    assert "two -> keyed: keyed can't be asked as it is" in warned


def test_dangers_are_told_and_let_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_KEY", "sk-not-a-key-but-secret")
    code, found = check(
        tmp_path,
        """
        [ui]
        allow_functions = true
        [service]
        allow_functions = true
        [limits]
        budget_usd = 3
        daily_usd = 2
        allow_unpriced = true
        [telemetry]
        otlp_endpoint = "http://127.0.0.1:4318"
        content = true
        [models.main]
        model = "hosted_vllm/qwen"
        api_base = "http://user:geheim@gpu.example/v1"
        api_key_env = "GPU_KEY"
        fallback = "twin"
        [models.twin]
        model = "hosted_vllm/qwen"
        api_base = "http://user:geheim@gpu.example/v1"
        """,
    )
    assert (code, said(found, "bad")) == (0, [])
    told = "\n".join(said(found, "warn"))
    for words in (
        "operators of the app can run any code of this server",
        "holders of a key with the role 'agents' can run any code",
        "a turn may cost 3 USD, and a whole day 2",
        "its calls count nothing before they end",
        "the path of otlp_endpoint is '/'",
        "all queries and answers are sent to 127.0.0.1",
        "a password stands in its api_base",
        "its key goes to gpu.example unencrypted",
        "it fails together",
    ):
        assert words in told
    assert "geheim" not in told
    assert "sk-not" not in told


def test_money_without_a_limit_is_told(tmp_path: Path) -> None:
    code, found = check(tmp_path, GOOD.partition("[limits]")[0])
    assert code == 0
    assert "nothing limits how much" in repr(found)


def test_a_database_that_does_not_answer_or_is_old_is_wrong(tmp_path: Path, postgres: Any) -> None:
    for url, words in (
        ("postgresql+psycopg://ann:geheim@127.0.0.1:9/none", "The database"),
        (postgres.new_database(), "callboard db upgrade"),
        (f"sqlite:///{tmp_path}/no/folder.db", "does not exist"),
    ):
        code, found = check(tmp_path, f'database_url = "{url}"\n{GOOD}')
        (wrong,) = said(found, "bad")
        assert (code, words in wrong) == (1, True), wrong
        assert "geheim" not in repr(found)


def test_for_people_it_is_drawn(tmp_path: Path) -> None:
    (tmp_path / "callboard.toml").write_text("[router]\nmax_agent = 2\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["config", "check"], catch_exceptions=False)
    assert result.exit_code == 1
    assert "max_agents" in result.stdout
